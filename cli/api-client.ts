// The bank-facing API as the command line uses it.
import { Agent, request, type Dispatcher } from "undici";
import type { z } from "zod";
import { bankEndpoints, jobEventSchema, type JobEvent, type JobView } from "../api/contract.ts";
import { pathOf, problemSchema, type Endpoint } from "../api/contract/endpoint.ts";
import { publicCreditEndpoints, type SubscriptionView } from "../api/contract/public-credit.ts";
import { sha256Hex } from "../core/canonical.ts";
import type { FinancingPurpose } from "../core/purposes.ts";
import { receiptBankEndpoints, type ReceiptLine } from "../api/contract/receipts.ts";
import { AppError } from "../core/errors.ts";
import type { JobRequest } from "../federation/plan-schema.ts";

const reconnectMs = 500;
const maxReconnects = 120;

export class ApiClient implements AsyncDisposable {
  readonly #url: string;
  readonly #key: string | undefined;
  readonly #agent: Agent;

  /** apiKey: of an institution, a role or a company's session; none for what is open to everybody. */
  constructor(options: { url: string; apiKey?: string | undefined; ca: string }) {
    this.#url = options.url;
    this.#key = options.apiKey;
    this.#agent = new Agent({ connect: { ca: options.ca, minVersion: "TLSv1.3" } });
  }

  async submit(job: JobRequest, idempotencyKey?: string): Promise<JobView> {
    return this.#json(bankEndpoints.submitJob, { body: job, ...(idempotencyKey === undefined ? {} : { headers: { "idempotency-key": idempotencyKey } }) });
  }

  job(id: string): Promise<JobView> {
    return this.#json(bankEndpoints.getJob, { params: { id } });
  }

  /** A page of the institution's jobs, newest first; `cursor` is the `next` of the page before. */
  jobs(cursor?: string): Promise<z.output<typeof bankEndpoints.listJobs.reply>> {
    return this.#json(bankEndpoints.listJobs, { query: { limit: "100", ...(cursor === undefined ? {} : { cursor }) } });
  }

  datasets(): Promise<z.output<typeof bankEndpoints.listDatasets.reply>> {
    return this.#json(bankEndpoints.listDatasets, {});
  }

  plan(id: string): Promise<z.output<typeof bankEndpoints.getPlan.reply>> {
    return this.#json(bankEndpoints.getPlan, { params: { id } });
  }

  cancel(id: string): Promise<JobView> {
    return this.#json(bankEndpoints.cancelJob, { params: { id } });
  }

  /** The receipts of the institution's jobs, or of one of them, newest first. */
  async receipts(job?: string): Promise<readonly ReceiptLine[]> {
    const items: ReceiptLine[] = [];
    for (let cursor: string | undefined; ; ) {
      const query = { limit: "100", ...(job === undefined ? {} : { job }), ...(cursor === undefined ? {} : { cursor }) };
      const page = await this.#json(receiptBankEndpoints.listReceipts, { query });
      items.push(...page.items);
      if (page.next === null) return items;
      cursor = page.next;
    }
  }

  /** The bundle of one receipt. */
  receipt(id: string): Promise<z.output<typeof receiptBankEndpoints.getReceipt.reply>> {
    return this.#json(receiptBankEndpoints.getReceipt, { params: { id } });
  }

  /** The sealed result as stored. */
  async result(id: string, name: "report" | "scores"): Promise<string> {
    const reply = await this.#send(name === "report" ? bankEndpoints.getReport : bankEndpoints.getScores, { params: { id } });
    return reply.body.text();
  }

  /** The events of a job until its end; reconnects where it left off. */
  async *events(id: string): AsyncGenerator<JobEvent> {
    let last: number | undefined;
    for (let failures = 0; failures < maxReconnects; failures++) {
      try {
        const headers: Record<string, string> = last === undefined ? {} : { "last-event-id": String(last) };
        const reply = await this.#send(bankEndpoints.jobEvents, { params: { id }, headers });
        for await (const data of serverSentData(reply.body)) {
          const event = jobEventSchema.parse(JSON.parse(data));
          if (event.n !== null) last = event.n;
          failures = 0;
          yield event;
          if (event.type === "state" && ["done", "failed", "cancelled"].includes(event.state)) return;
        }
      } catch (error) {
        if (error instanceof AppError && error.code !== "CLI_UNREACHABLE") throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, reconnectMs));
    }
    throw new AppError("CLI_UNREACHABLE");
  }

  /** Asks for a credit report; recorded with its purpose. */
  creditReport(uscc: string, purpose: FinancingPurpose): Promise<z.output<typeof publicCreditEndpoints.createCreditReport.reply>> {
    return this.#json(publicCreditEndpoints.createCreditReport, { body: { uscc, purpose } });
  }

  async creditReportFile(number: string, format: "html" | "pdf"): Promise<Uint8Array> {
    const endpoint = format === "html" ? publicCreditEndpoints.getCreditReportPage : publicCreditEndpoints.getCreditReportPdf;
    return this.bytes(endpoint, { params: { number } });
  }

  subscribe(given: z.input<typeof publicCreditEndpoints.createSubscription.body>): Promise<SubscriptionView> {
    return this.#json(publicCreditEndpoints.createSubscription, { body: given });
  }

  async subscriptions(): Promise<readonly SubscriptionView[]> {
    return (await this.#json(publicCreditEndpoints.listSubscriptions, {})).items;
  }

  endSubscription(id: string): Promise<SubscriptionView> {
    return this.#json(publicCreditEndpoints.endSubscription, { params: { id }, body: {} });
  }

  /** What changed after the cursor. Throws PROTOCOL_MALFORMED for a body that is not the one of its digest. */
  async pull(id: string, cursor: number): Promise<{ body: Uint8Array; records: number; next: number; more: boolean }> {
    const { headers, body } = await this.#send(publicCreditEndpoints.pullSubscription, { params: { id }, query: { cursor: String(cursor) } });
    const bytes = await body.bytes();
    const next = Number(headers["x-next-cursor"]);
    if (sha256Hex(bytes) !== headers["x-content-digest"] || !Number.isSafeInteger(next) || next < cursor) throw new AppError("PROTOCOL_MALFORMED");
    return { body: bytes, records: bytes.reduce((n, byte) => n + (byte === 10 ? 1 : 0), 0), next, more: headers["x-more"] === "true" && next > cursor };
  }

  /** Any endpoint of the contract that replies with JSON. */
  call<E extends Endpoint & { reply: z.ZodType }>(endpoint: E, call: Call = {}): Promise<z.output<E["reply"]>> {
    return this.#json(endpoint, call);
  }

  /** One that replies with something else, as text. */
  async text(endpoint: Endpoint, call: Call = {}): Promise<string> {
    return (await this.#send(endpoint, call)).body.text();
  }

  /** The same as bytes. */
  async bytes(endpoint: Endpoint, call: Call = {}): Promise<Uint8Array> {
    return (await this.#send(endpoint, call)).body.bytes();
  }

  async #json<E extends Endpoint & { reply: z.ZodType }>(endpoint: E, call: Call): Promise<z.output<E["reply"]>> {
    const reply = await this.#send(endpoint, call);
    const parsed = endpoint.reply.safeParse(await reply.body.json().catch(() => undefined));
    if (!parsed.success) throw new AppError("PROTOCOL_MALFORMED", { status: reply.statusCode });
    return parsed.data as z.output<E["reply"]>;
  }

  async #send(endpoint: Endpoint, call: Call): Promise<Dispatcher.ResponseData> {
    let reply: Dispatcher.ResponseData;
    try {
      const query = new URLSearchParams(call.query).toString();
      reply = await request(new URL(pathOf(endpoint, call.params) + (query === "" ? "" : `?${query}`), this.#url), {
        method: endpoint.method.toUpperCase(), dispatcher: this.#agent,
        headers: { ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }), ...(call.body === undefined ? {} : { "content-type": "application/json" }), ...call.headers },
        body: call.body === undefined ? null : JSON.stringify(call.body), bodyTimeout: 0,
      });
    } catch (cause) {
      throw new AppError("CLI_UNREACHABLE", {}, { cause });
    }
    if (reply.statusCode < 400) return reply;
    const problem = problemSchema.safeParse(await reply.body.json().catch(() => undefined));
    const after = Number(reply.headers["retry-after"]);
    const facts = { status: reply.statusCode, ...(Number.isInteger(after) ? { retryAfterSeconds: after } : {}) };
    throw problem.success ? new AppError(problem.data.code, facts) : new AppError("PLATFORM_REFUSED", facts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

/** The end of a job as an error of ours, in the name of the party that it names. */
export function failureOf({ code, party }: NonNullable<JobView["failure"]>): AppError {
  return new AppError(code, party === null ? {} : { party });
}

/** Throws when the event says that the job failed or was cancelled. */
export function refuseEnd(event: JobEvent): void {
  if (event.type !== "state") return;
  if (event.failure !== null) throw failureOf(event.failure);
  if (event.state === "cancelled") throw new AppError("JOB_CANCELLED");
}

type Call = { params?: Record<string, string>; query?: Record<string, string>; body?: unknown; headers?: Record<string, string> };

/** The `data:` parts of a stream of server-sent events (one line each, as our platform writes them). */
async function* serverSentData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const part of body) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}
