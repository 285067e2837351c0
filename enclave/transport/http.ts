// The only socket of an enclave: an outgoing mutual-TLS 1.3 connection pool to the platform. Nothing listens here.
import { createHash } from "node:crypto";
import { Pool, type Dispatcher } from "undici";
import type { z } from "zod";
import { enclaveEndpoints, maxRelayBytes, pathOf, problemSchema, type Endpoint, type EnclaveEvent, type EnclaveJob } from "../../api/contract.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";
import type { JobEnd, ModelNotice, Platform } from "./platform.ts";

const requestTimeoutMs = 60_000;
const connections = 32;

type Call = {
  params?: Record<string, string | number>; query?: Record<string, string | number>; json?: unknown;
  raw?: { bytes: Uint8Array; media: string }; headers?: Record<string, string>; signal?: AbortSignal;
};

export class HttpPlatform implements Platform {
  readonly #pool: Pool;

  /** url: https://host:port of the enclave listener; key and certificates: PEM. */
  constructor(options: { url: string; key: string; certificate: string; ca: string }) {
    this.#pool = new Pool(options.url, {
      connect: { key: options.key, cert: options.certificate, ca: options.ca, minVersion: "TLSv1.3", rejectUnauthorized: true },
      connections, headersTimeout: requestTimeoutMs, bodyTimeout: requestTimeoutMs,
    });
  }

  async publishDataset(summary: DatasetSummary): Promise<void> {
    await this.#call(enclaveEndpoints.putDataset, { json: summary });
  }

  async jobs(cursor: number, waitSeconds: number, signal: AbortSignal): Promise<{ cursor: number; jobs: readonly EnclaveJob[] }> {
    return this.#json(enclaveEndpoints.followJobs, { query: { cursor, wait: waitSeconds }, signal });
  }

  async parties(): Promise<ReadonlyMap<string, string>> {
    const { parties } = await this.#json(enclaveEndpoints.listParties, {});
    return new Map(parties.filter((p) => p.state === "active").map((p) => [p.party, p.identityCertificate]));
  }

  async approve(job: JobId, jws: string): Promise<void> {
    await this.#call(enclaveEndpoints.approve, { params: { id: job }, json: { jws } });
  }

  async refuse(job: JobId, code: string): Promise<void> {
    await this.#call(enclaveEndpoints.refuse, { params: { id: job }, json: { code } });
  }

  async report(job: JobId, events: readonly EnclaveEvent[]): Promise<void> {
    await this.#call(enclaveEndpoints.reportEvents, { params: { id: job }, json: { events } });
  }

  async finish(job: JobId, end: JobEnd): Promise<void> {
    await this.#call(enclaveEndpoints.reportState, { params: { id: job }, json: end });
  }

  async putResult(job: JobId, name: "report" | "scores", jwe: string): Promise<void> {
    await this.#call(enclaveEndpoints.putResult, { params: { id: job, name }, raw: { bytes: Buffer.from(jwe), media: "application/jose" } });
  }

  async putModel(job: JobId, model: ModelNotice): Promise<void> {
    await this.#call(enclaveEndpoints.putModel, { params: { id: job }, json: model });
  }

  async put(job: JobId, to: PartyId, seq: number, sealed: Released): Promise<void> {
    const headers = { "x-content-digest": createHash("sha256").update(sealed).digest("hex") };
    await this.#call(enclaveEndpoints.putRelay, { params: { job, to, seq }, raw: { bytes: sealed, media: "application/octet-stream" }, headers });
  }

  async pull(job: JobId, from: PartyId, seq: number, waitSeconds: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const { status, body } = await this.#call(enclaveEndpoints.getRelay, { params: { job, from, seq }, query: { wait: waitSeconds }, signal });
    return status === 204 ? undefined : body;
  }

  async #json<E extends Endpoint & { reply: z.ZodType }>(endpoint: E, call: Call): Promise<z.output<E["reply"]>> {
    const { body } = await this.#call(endpoint, call);
    const parsed = endpoint.reply.safeParse(parseJson(body));
    if (!parsed.success) throw new AppError("PROTOCOL_MALFORMED", { bytes: body.length });
    return parsed.data as z.output<E["reply"]>;
  }

  async #call(endpoint: Endpoint, call: Call): Promise<{ status: number; body: Uint8Array }> {
    const media = call.raw?.media ?? (call.json === undefined ? undefined : "application/json");
    const query = new URLSearchParams(Object.entries(call.query ?? {}).map(([k, v]) => [k, String(v)])).toString();
    let reply: Dispatcher.ResponseData;
    let body: Uint8Array;
    try {
      reply = await this.#pool.request({
        method: endpoint.method.toUpperCase(),
        path: pathOf(endpoint, call.params) + (query === "" ? "" : `?${query}`),
        headers: { ...call.headers, ...(media === undefined ? {} : { "content-type": media }) },
        body: call.raw?.bytes ?? (call.json === undefined ? null : JSON.stringify(call.json)),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
      body = await readBounded(reply.body);
    } catch (cause) {
      if (cause instanceof AppError) throw cause;
      throw new AppError("JOB_PLATFORM_UNREACHABLE", {}, { cause });
    }
    if (reply.statusCode >= 400) throw refusal(reply.statusCode, body);
    return { status: reply.statusCode, body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Too many requests for now, in contrast to a quota that is used up: that one ends the job. */
const isBusy: ReadonlySet<string> = new Set(["PLATFORM_BUSY", "AUTH_RATE_LIMITED"]);

/** A refusal of the platform as an error of ours; a busy or broken platform is one to wait for. */
function refusal(status: number, body: Uint8Array): AppError {
  const problem = problemSchema.safeParse(parseJson(body));
  const passes = status >= 500 || (problem.success ? isBusy.has(problem.data.code) : status === 429);
  if (passes) return new AppError("JOB_PLATFORM_UNREACHABLE", { status });
  return problem.success ? new AppError(problem.data.code, { status }) : new AppError("PLATFORM_REFUSED", { status });
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Reads a reply, but never more than a relayed frame may hold: the platform is not trusted with our memory either. */
async function readBounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxRelayBytes) throw new AppError("PROTOCOL_OVERSIZED", { bytes: size, limit: maxRelayBytes });
    parts.push(part);
  }
  const all = Buffer.concat(parts, size);
  return new Uint8Array(all.buffer, all.byteOffset, size);
}
