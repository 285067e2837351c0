// Requests of an enclave to the platform as entries: each has an id, which goes with it, so that one request is found in both logs. The entry
// is durable before the request leaves. Frames, progress and long polls are not among them: the ledger of a job has its messages.
import type { AuditEvent, Objects } from "../../audit/entry.ts";
import { isStoppedError } from "../../audit/log.ts";
import type { Audit } from "../../audit/trail.ts";
import { enclaveEndpoints } from "../../api/contract.ts";
import type { Endpoint } from "../../api/contract/endpoint.ts";
import { isFrequent } from "../../api/contract/frequent.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";

export type Asked = {
  /** For the header X-Request-Id. */
  readonly id: string;
  /** "ok" or a code. */
  ended(outcome: string): void;
};

export class Sent {
  readonly #audit: Pick<Audit, "check" | "record" | "note">;
  readonly #rng: Rng;

  constructor(audit: Pick<Audit, "check" | "record" | "note">, rng: Rng) {
    this.#audit = audit;
    this.#rng = rng;
  }

  /** Throws JOB_PLATFORM_UNREACHABLE while the log takes nothing: the request waits as for a platform that is away. Only what says that a job
   *  ended badly, or that this party takes no part, goes without an entry then. */
  async begin(endpoint: Endpoint, { params = {}, json }: { readonly params?: Readonly<Record<string, string | number>> | undefined; readonly json?: unknown }): Promise<Asked | undefined> {
    if (isFrequent(endpoint)) return undefined;
    const id = Buffer.from(this.#rng(12)).toString("hex");
    const event: AuditEvent = {
      actor: { role: "enclave" }, action: "request.sent", route: `${endpoint.method.toUpperCase()} ${endpoint.path}`, request: id, ...objectsOf(params),
    };
    try {
      if (!isFarewell(endpoint, json)) this.#audit.check();
      await this.#audit.record({ ...event, outcome: "begun" });
    } catch (cause) {
      if (!isStoppedError(cause)) throw cause;
      if (!isFarewell(endpoint, json)) throw new AppError("JOB_PLATFORM_UNREACHABLE", { audited: false }, { cause });
    }
    return { id, ended: (outcome) => this.#ended(event, outcome) };
  }

  /** That it was sent is durable; its outcome stands in the platform's log as well. */
  #ended(event: AuditEvent, outcome: string): void {
    try {
      this.#audit.note({ ...event, outcome });
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    }
  }
}

function isFarewell(endpoint: Endpoint, json: unknown): boolean {
  const isFailed = typeof json === "object" && json !== null && "state" in json && json.state === "failed";
  return endpoint === enclaveEndpoints.refuse || (endpoint === enclaveEndpoints.reportState && isFailed);
}

function objectsOf(params: Readonly<Record<string, string | number>>): { objects?: Objects } {
  const job = params["job"] ?? params["id"];
  return typeof job === "string" && /^job_[0-9a-z]{16,32}$/.test(job) ? { objects: { job } } : {};
}
