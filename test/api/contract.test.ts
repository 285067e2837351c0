// The contract: documented, strict in both directions, and honest about refusals.
import { noAudit } from "../support/no-audit.ts";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { z } from "zod";
import { bankEndpoints, endpoints } from "../../api/contract.ts";
import { pathOf, problemSchema, type Endpoint } from "../../api/contract/endpoint.ts";
import { newApp } from "../../api/http/app.ts";
import { openGuard } from "../../api/http/auth.ts";
import { openApiPath } from "../../api/http/openapi.ts";
import { route } from "../../api/http/route.ts";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { errorTable } from "../../core/errors.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { jobRequest, keptLog, newWorld, submit, type World } from "../support/platform.ts";

type OpenApi = {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        responses: Record<string, { description: string }>;
        requestBody?: object;
        parameters: { name: string; in: string }[];
      }
    >
  >;
};

describe("contract", () => {
  let world: World;
  let bank: Client;
  const lines: string[] = [];
  before(async () => {
    world = await newWorld({ log: keptLog(lines) });
    bank = world.bank.client;
  });
  after(() => world.platform[Symbol.asyncDispose]());

  it("documents every endpoint with its parameters, bodies and refusals in OpenAPI 3.1, and nothing else", async () => {
    const document = (await bank.get("/openapi.json")).json() as OpenApi;
    assert.equal(document.openapi, "3.1.0");
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, op]) => `${op.operationId} ${method} ${path}`),
    );
    assert.sameMembers(
      documented,
      Object.entries(endpoints).map(([name, e]) => `${name} ${e.method} ${openApiPath(e.path)}`),
    );
    for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
      const operation = document.paths[openApiPath(endpoint.path)]?.[endpoint.method];
      const inPath = operation?.parameters.filter((p) => p.in === "path").map((p) => p.name) ?? [];
      assert.sameMembers(
        inPath,
        [...endpoint.path.matchAll(/:([a-z]+)/g)].map((match) => match[1] ?? ""),
        name,
      );
      assert.equal(operation?.requestBody !== undefined, endpoint.body !== undefined || endpoint.rawBody !== undefined, name);
      for (const code of endpoint.errors) assert.include(operation?.responses[errorTable[code].status]?.description ?? "", code, name);
    }
    assert.notMatch(JSON.stringify(document), /"\$ref":"#\/(?!components)/); // no reference into a schema that was inlined elsewhere
  });

  it("lists path parameters in the schema of every path that has them", () => {
    for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
      const named = [...endpoint.path.matchAll(/:([a-z]+)/g)].map((match) => match[1] ?? "");
      assert.sameMembers(Object.keys(endpoint.params?.shape ?? {}), named, name);
      assert.notInclude(pathOf(endpoint, Object.fromEntries(named.map((n) => [n, "x"]))), ":");
    }
  });

  it("has strict objects only, so that an unlisted field is refused everywhere", () => {
    const loose = (schema: object, path: string): string[] => {
      const json = schema as Record<string, unknown>;
      const here =
        json["type"] === "object" && json["additionalProperties"] !== false && typeof json["additionalProperties"] !== "object"
          ? [path]
          : [];
      return [
        ...here,
        ...Object.entries(json).flatMap(([key, value]) =>
          typeof value === "object" && value !== null ? loose(value, `${path}.${key}`) : [],
        ),
      ];
    };
    for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
      for (const [part, schema] of [
        ["body", endpoint.body],
        ["reply", endpoint.reply],
        ["query", endpoint.query],
        ["params", endpoint.params],
      ] as const) {
        if (schema === undefined) continue;
        // Free parameters of a job's kind are checked by the plan compiler, against the kind's own strict schema.
        const found = loose(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }), part).filter(
          (path) => !path.endsWith("properties.params"),
        );
        assert.deepEqual(found, [], name);
      }
    }
  });

  it("serves one page in two languages that loads nothing", async () => {
    const page = await bank.get("/docs");
    const html = page.bytes.toString("utf8");
    assert.match(String(page.headers["content-type"]), /text\/html/);
    assert.include(String(page.headers["content-security-policy"]), "default-src 'none'");
    assert.notMatch(html, /<script|<link|<img|src=|@import|url\(|https?:\/\//i);
    for (const endpoint of Object.values(endpoints) as Endpoint[]) {
      assert.include(html, openApiPath(endpoint.path));
      assert.include(html, endpoint.summary.zh);
    }
    for (const code of Object.keys(errorTable)) assert.include(html, `id="${code}"`);
  });

  it("answers refusals as problems in the caller's language with the caller's request id", async () => {
    const reply = await bank.get("/v1/jobs/job_0000000000000000", {
      headers: { "accept-language": "zh-CN", "x-request-id": "trace-12345678" },
    });
    const problem = problemSchema.parse(reply.json());
    assert.equal(problem.detail, errorTable.JOB_NOT_FOUND.zh);
    assert.equal(problem.requestId, "trace-12345678");
    assert.equal(reply.headers["x-request-id"], "trace-12345678");
    const odd = await bank.get("/v1/nothing", { headers: { "x-request-id": "<b>odd</b>" } });
    assertCode(odd, "REQUEST_NO_ROUTE");
    assert.match(String(odd.headers["x-request-id"]), /^[0-9a-f]{24}$/);
  });

  it("refuses bodies that are not what the endpoint takes, and repeats nothing of them", async () => {
    const json = { "content-type": "application/json" };
    const table: [string, string, Record<string, string>][] = [
      ["{", "REQUEST_MALFORMED", json],
      ['"text"', "REQUEST_MALFORMED", json],
      ["[]", "REQUEST_INVALID", json],
      ["", "REQUEST_INVALID", json],
      ["{}", "REQUEST_MEDIA_TYPE", { "content-type": "text/plain" }],
      ["{}", "REQUEST_MALFORMED", { ...json, "content-encoding": "gzip" }],
      [JSON.stringify({ ...jobRequest(), params: { filler: "x".repeat(300_000) } }), "REQUEST_TOO_LARGE", json],
      [JSON.stringify({ ...jobRequest(), marker91310000MA: 1 }), "REQUEST_INVALID", json],
      [JSON.stringify({ ...jobRequest(), purpose: "marker91310000MA" }), "REQUEST_INVALID", json],
      [JSON.stringify({ ...jobRequest(), hosts: ["marker91310000MA"] }), "REQUEST_INVALID", json],
    ];
    for (const [raw, code, headers] of table) {
      const reply = await bank.call("POST", "/v1/jobs", { raw, headers });
      assertCode(reply, code);
      assert.notInclude(reply.bytes.toString("utf8"), "marker91310000MA");
    }
    assert.notInclude(lines.join(), "marker91310000MA");
    const problem = (await bank.post("/v1/jobs", { ...jobRequest(), hosts: ["tax", 7] })).json() as { errors: object[] };
    assert.deepEqual(problem.errors, [{ at: "body.hosts.1", rule: "invalid_type" }]);
  });

  it("refuses query parameters that it does not know", async () => {
    assertCode(await bank.get("/v1/jobs?limt=3"), "REQUEST_INVALID");
    assertCode(await bank.get("/v1/jobs?limit=3&limit=4"), "REQUEST_INVALID");
    assertCode(await bank.get("/v1/datasets?party=tax"), "REQUEST_INVALID");
    assertCode(await bank.get("/v1/jobs/%E0%A4%A"), "REQUEST_NO_ROUTE");
  });

  it("does not serve the enclaves' endpoints to banks, nor the banks' to enclaves", async () => {
    assertCode(await bank.get("/enclave/v1/parties"), "REQUEST_NO_ROUTE");
    assertCode(await world.tax.client.get("/v1/jobs"), "REQUEST_NO_ROUTE");
  });

  it("parses every reply of a working platform against its own schema", async () => {
    const id = await submit(world);
    for (const [endpoint, path] of [
      [bankEndpoints.health, "/healthz"],
      [bankEndpoints.listDatasets, "/v1/datasets"],
      [bankEndpoints.listJobs, "/v1/jobs"],
      [bankEndpoints.getJob, `/v1/jobs/${id}`],
      [bankEndpoints.getPlan, `/v1/jobs/${id}/plan`],
      [bankEndpoints.listModels, "/v1/models"],
    ] as const) {
      const reply = await bank.get(path);
      assert.equal(reply.status, 200);
      assert.isTrue(endpoint.reply.safeParse(reply.json()).success, path);
    }
  });
});

describe("replies with a field that the contract does not list", () => {
  let server: Server;
  const lines: string[] = [];
  const leaky = {
    listener: "bank",
    method: "get",
    path: "/leaky",
    auth: "none",
    status: 200,
    errors: [],
    summary: { en: "", zh: "" },
    reply: z.strictObject({ id: z.string() }),
  } as const satisfies Endpoint;

  before(async () => {
    const { app, finish } = newApp(
      {
        rng: systemRng,
        now: Date.now,
        log: { ...silentLog, error: (event, facts) => void lines.push(JSON.stringify({ event, ...facts })) },
      },
      "bank",
      noAudit,
    );
    const row = { id: "a", apiKeyDigest: "secret-column" };
    route(app, leaky, openGuard, async () => row);
    server = createServer(finish()).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
  });
  after(() => server.close());

  it("are refused as a whole, and the field is not in the answer or the log", async () => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/leaky`);
    const text = await response.text();
    assert.equal(response.status, 500);
    assert.equal((JSON.parse(text) as { code: string }).code, "PLATFORM_INTERNAL");
    assert.notInclude(text + lines.join(), "secret-column");
    assert.notInclude(text, "apiKeyDigest");
    assert.lengthOf(lines, 1);
  });
});
