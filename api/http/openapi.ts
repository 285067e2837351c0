// OpenAPI 3.1 from the same schemas that validate: what is documented is what is accepted and what is sent.
import { z } from "zod";
import { describeError, type Code } from "../../core/errors.ts";
import { endpoints } from "../contract.ts";
import { commonErrors, problemSchema, type Endpoint } from "../contract/endpoint.ts";

type Json = Record<string, unknown>;

const schemaOf = (schema: z.ZodType, io: "input" | "output" = "input"): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json;
  return rest;
};

/** "/v1/jobs/:id" -> "/v1/jobs/{id}" */
export const openApiPath = (path: string): string => path.replace(/:([a-z]+)/g, "{$1}");

function parameters(endpoint: Endpoint): Json[] {
  const list: Json[] = [];
  for (const [part, schema] of [
    ["path", endpoint.params],
    ["query", endpoint.query],
  ] as const) {
    if (schema === undefined) continue;
    const json = schemaOf(schema) as { properties?: Record<string, Json>; required?: string[] };
    for (const [name, property] of Object.entries(json.properties ?? {})) {
      list.push({ name, in: part, required: part === "path" || (json.required ?? []).includes(name), schema: property });
    }
  }
  for (const [name, description] of Object.entries(endpoint.headers ?? {})) {
    list.push({ name, in: "header", required: name === "X-Content-Digest", description, schema: { type: "string" } });
  }
  return list;
}

/** Status -> codes that the endpoint may give. */
export function errorsOf(endpoint: Endpoint): Map<number, Code[]> {
  const byStatus = new Map<number, Code[]>();
  const common =
    endpoint.auth === "none" ? (["AUTH_RATE_LIMITED", "REQUEST_INVALID", "PLATFORM_INTERNAL"] as const) : commonErrors[endpoint.listener];
  const byRole: readonly Code[] = endpoint.roles === undefined ? [] : commonErrors.role;
  for (const code of new Set<Code>([...endpoint.errors, ...common, ...byRole])) {
    const { status } = describeError(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return byStatus;
}

function responses(endpoint: Endpoint): Json {
  const binary = { type: "string", format: "binary" };
  const content =
    endpoint.reply === undefined
      ? { [endpoint.rawReply?.media ?? "application/octet-stream"]: { schema: binary } }
      : { "application/json": { schema: schemaOf(endpoint.reply) } };
  const all: Json = { [endpoint.status]: { description: "OK", content } };
  for (const [status, codes] of [...errorsOf(endpoint)].sort(([a], [b]) => a - b)) {
    all[status] = {
      description: codes.map((code) => `${code}: ${describeError(code).en} ${describeError(code).zh}`).join("\n\n"),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
  }
  return all;
}

function operation(name: string, endpoint: Endpoint): Json {
  const people = endpoint.roles === undefined ? [] : [{ roleKey: [] }];
  const security = { none: [], institution: [{ apiKey: [] }, { clientCertificate: [] }, ...people], party: [{ clientCertificate: [] }], role: [{ roleKey: [] }] }[
    endpoint.auth
  ];
  const body =
    endpoint.body === undefined
      ? endpoint.rawBody && {
          [endpoint.rawBody.media]: { schema: { type: "string", format: "binary", maxLength: endpoint.rawBody.maxBytes } },
        }
      : { "application/json": { schema: schemaOf(endpoint.body) } };
  return {
    operationId: name,
    tags: [endpoint.listener],
    summary: `${endpoint.summary.en} ${endpoint.summary.zh}`,
    ...(endpoint.roles === undefined ? {} : { "x-roles": [...endpoint.roles] }),
    security,
    ...(endpoint.listener === "enclave"
      ? {
          servers: [
            { url: "https://{host}:{enclavePort}", variables: { host: { default: "localhost" }, enclavePort: { default: "8444" } } },
          ],
        }
      : {}),
    parameters: parameters(endpoint),
    ...(body === undefined ? {} : { requestBody: { required: true, content: body } }),
    responses: responses(endpoint),
  };
}

/** The whole document, both listeners. */
export function openApiDocument(version: string): Json {
  const paths: Record<string, Json> = {};
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const path = openApiPath(endpoint.path);
    paths[path] = { ...paths[path], [endpoint.method]: operation(name, endpoint) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Yunei platform 域内平台",
      version,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      description:
        "Jobs, models, reports and batch scores. Results are sealed to the institution; no reply holds a raw value. " +
        "任务、模型、报告与批量评分；结果密封给机构，任何应答均不含原始数据。",
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema) },
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "The program key of an institution, shown once when it is issued." },
        roleKey: { type: "http", scheme: "bearer", description: "The key of a person or a system in a role; the summary names the roles." },
        clientCertificate: { type: "mutualTLS", description: "Issued by the platform's CA." },
      },
    },
    tags: [
      { name: "bank", description: "For institutions 面向机构" },
      { name: "enclave", description: "For enclaves, mutual TLS 1.3 面向节点，双向 TLS 1.3" },
    ],
  };
}
