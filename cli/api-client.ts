// The bank-facing API as the command line uses it.
import { Agent, request, type Dispatcher } from "undici";
import type { z } from "zod";
import { bankEndpoints, jobEventSchema, pathOf, problemSchema, type Endpoint, type JobEvent, type JobView } from "../api/contract.ts";
import { AppError } from "../core/errors.ts";
import type { JobRequest } from "../federation/plan-schema.ts";

const reconnectMs = 500;
const maxReconnects = 120;

export class ApiClient implements AsyncDisposable {
  readonly #url: string;
  readonly #key: string;
  readonly #agent: Agent;

  constructor(options: { url: string; apiKey: string; ca: string }) {
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
        headers: { authorization: `Bearer ${this.#key}`, ...(call.body === undefined ? {} : { "content-type": "application/json" }), ...call.headers },
        body: call.body === undefined ? null : JSON.stringify(call.body), bodyTimeout: 0,
      });
    } catch (cause) {
      throw new AppError("CLI_UNREACHABLE", {}, { cause });
    }
    if (reply.statusCode < 400) return reply;
    const problem = problemSchema.safeParse(await reply.body.json().catch(() => undefined));
    throw problem.success ? new AppError(problem.data.code, { status: reply.statusCode }) : new AppError("PLATFORM_REFUSED", { status: reply.statusCode });
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
