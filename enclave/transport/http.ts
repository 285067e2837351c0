// The only socket of an enclave: an outgoing mutual-TLS 1.3 connection pool to the platform. Nothing listens here.
import { setTimeout as delay } from "node:timers/promises";
import { Pool, type Dispatcher } from "undici";
import type { z } from "zod";
import { enclaveEndpoints, type EnclaveEvent, type EnclaveJob } from "../../api/contract.ts";
import { enclaveAuditEndpoints } from "../../api/contract/audit.ts";
import { enclaveConsentEndpoints } from "../../api/contract/consents.ts";
import { enclaveSubjectEndpoints, type ObjectionAnswer, type ObjectionNotice } from "../../api/contract/subject.ts";
import { enclavePublicCreditEndpoints, type BatchOutcome } from "../../api/contract/public-credit.ts";
import { enclaveProbingEndpoints } from "../../api/contract/probing.ts";
import { enclaveQualityEndpoints } from "../../api/contract/quality.ts";
import { enclaveEvaluationEndpoints } from "../../api/contract/evaluations.ts";
import { enclaveUsageEndpoints } from "../../api/contract/usage.ts";
import { enclaveOutcomeEndpoints } from "../../api/contract/outcomes.ts";
import { enclaveMonitoringEndpoints } from "../../api/contract/monitoring.ts";
import { batchMedia } from "../../public-credit/batch.ts";
import { receiptEnclaveEndpoints, type WitnessRefusal } from "../../api/contract/receipts.ts";
import { maxRelayBytes, pathOf, problemSchema, type Endpoint } from "../../api/contract/endpoint.ts";
import { BufferPool } from "../../core/buffer-pool.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";
import type { SignedHead } from "../../audit/head.ts";
import type { HeadPlatform } from "../audit/heads.ts";
import type { Sent } from "../audit/sent.ts";
import type { Place } from "../receipts/book.ts";
import { LimitedNetwork, type NetworkLimits, type Timer } from "./network.ts";
import type { ConsentPlatform } from "./consents.ts";
import type { EvaluationPlatform, PushAddress } from "./evaluation.ts";
import type { ReportKind, Reports } from "./reports.ts";
import type { LogPlatform, Offer } from "./log.ts";
import type { JobEnd, ModelNotice, Platform } from "./platform.ts";
import type { SubjectPlatform } from "./subject.ts";

const requestTimeoutMs = 60_000;
const maxConnections = 32;

type Call = {
  params?: Record<string, string | number>; query?: Record<string, string | number>; json?: unknown;
  raw?: { bytes: Uint8Array; media: string }; signal?: AbortSignal;
};
type Reply = { readonly status: number; readonly body: Uint8Array };

const realTimer: Timer = { now: () => performance.now(), sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }) };

export class HttpPlatform implements Platform, LogPlatform, ConsentPlatform, Reports, SubjectPlatform, HeadPlatform, EvaluationPlatform {
  readonly #connections: Pool;
  readonly #pool = new BufferPool();
  readonly #network: LimitedNetwork | undefined;
  readonly #sent: Sent | undefined;

  /** url: https://host:port of the enclave listener; key and certificates: PEM. network: to measure with a slower one. sent: notes what is asked. */
  constructor(options: { url: string; key: string; certificate: string; ca: string; network?: NetworkLimits | undefined; sent?: Sent | undefined }) {
    this.#sent = options.sent;
    this.#network = options.network === undefined ? undefined : new LimitedNetwork(options.network, realTimer);
    this.#connections = new Pool(options.url, {
      connect: { key: options.key, cert: options.certificate, ca: options.ca, minVersion: "TLSv1.3", rejectUnauthorized: true },
      connections: maxConnections, headersTimeout: requestTimeoutMs, bodyTimeout: requestTimeoutMs,
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
    await this.#call(enclaveEndpoints.putRelay, { params: { job, to, seq }, raw: { bytes: sealed, media: "application/octet-stream" } });
  }

  async pull<T>(job: JobId, from: PartyId, seq: number, waitSeconds: number, signal: AbortSignal, take: (sealed: Uint8Array) => T): Promise<T | undefined> {
    const { status, body } = await this.#call(enclaveEndpoints.getRelay, { params: { job, from, seq }, query: { wait: waitSeconds }, signal });
    try {
      return status === 204 ? undefined : take(body);
    } finally {
      this.#pool.give(body);
    }
  }

  /** A signed batch of public records (enclave/public). */
  putPublicBatch(batch: { readonly bytes: Uint8Array; readonly digest: string }): Promise<BatchOutcome> {
    return this.#json(enclavePublicCreditEndpoints.putPublicBatch, { params: { digest: batch.digest }, raw: { bytes: batch.bytes, media: batchMedia } });
  }

  async forget(job: JobId, from: PartyId, first: number, below: number): Promise<void> {
    await this.#call(enclaveEndpoints.forgetRelay, { params: { job, from }, json: { first, below } });
  }

  async putReport(kind: ReportKind, report: Released): Promise<void> {
    const endpoint = { quality: enclaveQualityEndpoints.putQuality, probing: enclaveProbingEndpoints.putProbing, usage: enclaveUsageEndpoints.putUsage, evaluation: enclaveEvaluationEndpoints.putFigures, outcomes: enclaveOutcomeEndpoints.putOutcomes, "served-models": enclaveOutcomeEndpoints.putServedModels, alert: enclaveMonitoringEndpoints.putAlert, stability: enclaveMonitoringEndpoints.putStability }[kind];
    await this.#call(endpoint, { raw: { bytes: report, media: "application/json" } });
  }

  async putPush(job: JobId, { institution, purpose, part }: PushAddress, jwe: string): Promise<void> {
    await this.#call(enclaveEvaluationEndpoints.putPush, { params: { job, institution, purpose, part }, raw: { bytes: Buffer.from(jwe), media: "application/jose" } });
  }

  async subscribersConsents(job: JobId, after: number, signal?: AbortSignal): Promise<{ readonly next: number; readonly consents: readonly string[] }> {
    return this.#json(enclaveEvaluationEndpoints.subscribersConsents, { params: { job }, query: { after }, ...(signal && { signal }) });
  }

  putReceipt(jws: string, signal: AbortSignal): Promise<Place> {
    return this.#json(receiptEnclaveEndpoints.putReceipt, { json: { receipt: jws }, signal });
  }

  placeOf(digest: string, signal: AbortSignal): Promise<Place> {
    return this.#json(receiptEnclaveEndpoints.getPlace, { params: { id: digest }, signal });
  }

  async putWitness(statement: string, signal: AbortSignal): Promise<void> {
    await this.#call(receiptEnclaveEndpoints.putWitness, { json: { statement }, signal });
  }

  offer(old: number, waitSeconds: number, signal: AbortSignal): Promise<{ key: string; offer: Offer | null }> {
    return this.#json(receiptEnclaveEndpoints.getOffer, { query: { old, wait: waitSeconds }, signal });
  }

  async cosign(checkpoint: string, line: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#json(receiptEnclaveEndpoints.putCosignature, { json: { checkpoint, line }, signal })).taken;
  }

  async refuseCheckpoint(given: WitnessRefusal, signal: AbortSignal): Promise<void> {
    await this.#call(receiptEnclaveEndpoints.putRefusal, { json: given, signal });
  }

  async consents(after: number, signal?: AbortSignal): Promise<{ readonly next: number; readonly consents: readonly string[] }> {
    const { next, consents } = await this.#json(enclaveConsentEndpoints.followConsents, { query: { after }, ...(signal && { signal }) });
    return { next, consents: consents.map((c) => c.jws) };
  }

  async revocations(after: number, waitSeconds: number, signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#json(enclaveConsentEndpoints.revocations, { query: { after, wait: waitSeconds }, ...(signal && { signal }) })).lists;
  }

  async registrars(signal?: AbortSignal): Promise<readonly string[]> {
    return (await this.#json(enclaveConsentEndpoints.registrars, { ...(signal && { signal }) })).certificates;
  }

  usesRequests(after: number, waitSeconds: number, signal: AbortSignal): Promise<{ next: number; requests: { n: number; id: string; jws: string }[] }> {
    return this.#json(enclaveSubjectEndpoints.followUsesRequests, { query: { after, wait: waitSeconds }, signal });
  }

  async answerUses(id: string, jwe: string, signal: AbortSignal): Promise<void> {
    await this.#call(enclaveSubjectEndpoints.answerUsesRequest, { params: { id }, raw: { bytes: Buffer.from(jwe), media: "application/jose" }, signal });
  }

  objections(after: number, waitSeconds: number, signal: AbortSignal): Promise<{ next: number; notices: ObjectionNotice[] }> {
    return this.#json(enclaveSubjectEndpoints.followObjections, { query: { after, wait: waitSeconds }, signal });
  }

  async answerObjection(id: string, answer: ObjectionAnswer, signal: AbortSignal): Promise<void> {
    await this.#call(enclaveSubjectEndpoints.answerObjection, { params: { id }, json: answer, signal });
  }

  exchangeHeads(head: SignedHead, signal: AbortSignal): Promise<SignedHead> {
    return this.#json(enclaveAuditEndpoints.exchangeHeads, { json: head, signal });
  }

  async #json<E extends Endpoint & { reply: z.ZodType }>(endpoint: E, call: Call): Promise<z.output<E["reply"]>> {
    const { body } = await this.#call(endpoint, call);
    const parsed = endpoint.reply.safeParse(parseJson(body));
    if (!parsed.success) throw new AppError("PROTOCOL_MALFORMED", { bytes: body.length });
    return parsed.data as z.output<E["reply"]>;
  }

  async #call(endpoint: Endpoint, call: Call): Promise<Reply> {
    const body = call.raw?.bytes ?? (call.json === undefined ? undefined : Buffer.from(JSON.stringify(call.json)));
    const media = call.raw?.media ?? (call.json === undefined ? undefined : "application/json");
    const query = new URLSearchParams(Object.entries(call.query ?? {}).map(([k, v]) => [k, String(v)])).toString();
    const asked = await this.#sent?.begin(endpoint, call);
    let reply: Reply;
    try {
      await this.#network?.up(body?.length ?? 0, call.signal);
      reply = await request(this.#connections, this.#pool, {
        method: endpoint.method.toUpperCase(), path: pathOf(endpoint, call.params) + (query === "" ? "" : `?${query}`),
        headers: { ...(media === undefined ? {} : { "content-type": media }), ...(asked === undefined ? {} : { "x-request-id": asked.id }) }, body: body ?? null,
      }, call.signal);
      await this.#network?.down(reply.body.length, call.signal);
    } catch (cause) {
      const error = cause instanceof AppError ? cause : new AppError("JOB_PLATFORM_UNREACHABLE", {}, { cause });
      asked?.ended(error.code);
      throw error;
    }
    if (reply.status >= 400) {
      const error = refusal(reply.status, reply.body);
      asked?.ended(error.code);
      throw error;
    }
    asked?.ended("ok");
    return reply;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connections.destroy();
  }
}

/** Too many requests for now, in contrast to a quota that is used up: that one ends the job. */
const isBusy: ReadonlySet<string> = new Set(["PLATFORM_BUSY", "AUTH_RATE_LIMITED", "AUDIT_STOPPED"]);

/** A refusal of the platform as an error of ours; a busy or broken platform is one to wait for. */
function refusal(status: number, body: Uint8Array): AppError {
  const problem = problemSchema.safeParse(parseJson(body));
  const passes = status >= 500 || (problem.success ? isBusy.has(problem.data.code) : status === 429);
  if (passes) return new AppError("JOB_PLATFORM_UNREACHABLE", { status });
  if (!problem.success) return new AppError("PLATFORM_REFUSED", { status });
  const { row } = problem.data.facts;
  return new AppError(problem.data.code, { status, ...(typeof row === "number" ? { row } : {}) });
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** One request and its whole reply, but never more of it than a relayed frame may hold: the platform is not trusted with our memory. */
function request(connections: Pool, pool: BufferPool, options: Dispatcher.DispatchOptions, signal: AbortSignal | undefined): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let body: Buffer = Buffer.alloc(0);
    let size = 0;
    let abort = (): void => {};
    const end = (): void => signal?.removeEventListener("abort", abort);
    connections.dispatch(options, {
      onRequestStart: (controller) => {
        abort = () => controller.abort(new Error("aborted"));
        if (signal?.aborted === true) abort();
        else signal?.addEventListener("abort", abort, { once: true });
      },
      onResponseStart: (controller, code, headers) => {
        status = code;
        const declared = Number(headers["content-length"] ?? 0);
        if (declared > maxRelayBytes) controller.abort(oversized(declared));
        else body = pool.take(declared);
      },
      onResponseData: (controller, chunk) => {
        // Without a declared length it grows; with one, Node's parser holds the sender to it.
        if (size + chunk.length > body.length) body = Buffer.concat([body.subarray(0, size), Buffer.alloc(Math.max(size, chunk.length))]);
        chunk.copy(body, size);
        size += chunk.length;
        if (size > maxRelayBytes) controller.abort(oversized(size));
      },
      onResponseEnd: () => {
        end();
        resolve({ status, body: new Uint8Array(body.buffer, body.byteOffset, size) });
      },
      onResponseError: (_, error) => {
        end();
        reject(error);
      },
    });
  });
}

function oversized(bytes: number): AppError {
  return new AppError("PROTOCOL_OVERSIZED", { bytes, limit: maxRelayBytes });
}
