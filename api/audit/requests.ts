// Requests as entries of the audit log. A request is answered after its entry is durable; a reply that is a stream begins after an entry
// "begun". Frames of the relay, long polls, reports of progress and health checks are sums per minute. Of what a request says, only
// public ids and digests in their strict forms are taken; a company's code becomes a keyed hash.
import type { Request } from "express";
import type { AuditEvent, Objects } from "../../audit/entry.ts";
import { isStoppedError } from "../../audit/log.ts";
import type { RequestLog } from "../../audit/trail.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { isUscc, normaliseUscc } from "../../core/uscc.ts";
import type { Endpoint } from "../contract/endpoint.ts";
import { isFrequent } from "../contract/frequent.ts";
import { addressOf } from "../http/auth.ts";
import { codeOf } from "../http/problem.ts";

/** Refusals that cost the caller nothing and that nothing else bounds. */
const countedCodes: ReadonlySet<string> = new Set(["AUTH_REQUIRED", "AUTH_RATE_LIMITED"]);
const keyForm = /^Bearer y[a-z]1\.([a-z]{2,8}_[0-9a-f]{24})\./;
const idForm = /^[a-z]{2,12}_[0-9a-z]{16,40}$/;
const partyForm = /^[a-z][a-z0-9_-]{0,31}$/;
const hex64 = /^[0-9a-f]{64}$/;
const requestForm = /^([0-9a-f]{24}|[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const objectOfPrefix: Readonly<Record<string, keyof Objects>> = { job: "job", model: "model", inst: "institution", cred: "credential", alert: "alert", consent: "consent" };
const digests: Readonly<Record<string, keyof Objects>> = { planDigest: "plan", snapshotDigest: "snapshot", receipt: "receipt", receiptDigest: "receipt" };
const parties: ReadonlySet<string> = new Set(["party", "to", "from", "host"]);
const companies: ReadonlySet<string> = new Set(["uscc", "subject", "company", "code"]);

type Caller = Partial<Readonly<Record<"role" | "credential" | "institution" | "party" | "subject", string>>> & { readonly person?: { readonly credential: string } };
export type Said = { readonly caller: unknown; readonly params: unknown; readonly query: unknown; readonly body: unknown; readonly reply?: unknown; readonly bytes?: number };

export class RequestAudit {
  readonly #trail: RequestLog;
  readonly #endpoint: Endpoint;
  readonly #request: Request;
  readonly #id: string;

  /** Throws AUDIT_STOPPED: nothing is done while it cannot be written down. */
  constructor(trail: RequestLog, endpoint: Endpoint, request: Request, id: string) {
    trail.check();
    this.#trail = trail;
    this.#endpoint = endpoint;
    this.#request = request;
    this.#id = id;
  }

  /** Before a reply that is a stream. */
  async begun(said: Said): Promise<void> {
    if (!isFrequent(this.#endpoint)) await this.#record(this.#event(said, "begun"));
  }

  /** Durable on return, so that the answer may leave. */
  async done(said: Said): Promise<void> {
    const event = this.#event(said, "ok");
    if (isFrequent(this.#endpoint)) this.#count(event, said.bytes);
    else await this.#record(event);
  }

  /** A request that was refused or failed, or whose caller hung up. */
  async failed(said: Partial<Said>, error: unknown, isGone: boolean): Promise<void> {
    if (isAppError(error) && error.code === "AUDIT_STOPPED") return;
    const code = isGone ? "gone" : codeOf(error);
    const event = { ...this.#event({ caller: undefined, params: undefined, query: undefined, body: undefined, ...said }, code), ...(said.caller === undefined ? { from: this.#trail.address(addressOf(this.#request)) } : {}) };
    if (countedCodes.has(code) || (isFrequent(this.#endpoint) && !code.startsWith("AUTH_"))) this.#count(event);
    else await this.#record(event);
  }

  /** Whatever keeps the entry from the disk, the request is not answered as done. */
  async #record(event: AuditEvent): Promise<void> {
    try {
      await this.#trail.record(event);
    } catch (cause) {
      throw isStoppedError(cause) ? new AppError("AUDIT_STOPPED", {}, { cause }) : cause;
    }
  }

  #count(event: AuditEvent, bytes = 0): void {
    this.#trail.sum({ ...event, request: undefined, action: "requests" }, bytes);
  }

  #event(said: Said, outcome: string): AuditEvent {
    const { method, path } = this.#endpoint;
    const found = new Found(this.#trail);
    for (const part of [said.reply, said.query, said.body, said.params]) found.in(part);
    const caller = (said.caller ?? {}) as Caller;
    if (caller.subject !== undefined) found.company(caller.subject);
    return {
      actor: actorOf(this.#endpoint, caller, this.#request), action: "request", route: `${method.toUpperCase()} ${path}`, outcome,
      ...(Object.keys(found.objects).length > 0 ? { objects: found.objects } : {}), ...(found.hash === undefined ? {} : { company: found.hash }),
      ...(requestForm.test(this.#id) ? { request: this.#id } : {}),
    };
  }
}

/** Who calls; of somebody who was not let in, the public id in the key that was shown. */
function actorOf({ auth }: Endpoint, caller: Caller, request: Request): AuditEvent["actor"] {
  const id = caller.person?.credential ?? caller.credential ?? (auth === "party" ? caller.party : caller.institution);
  if (id !== undefined) return { role: caller.role ?? auth, id };
  const claimed = keyForm.exec(request.headers.authorization ?? "")?.[1];
  return { role: "unknown", ...(claimed === undefined ? {} : { id: claimed }) };
}

/** The public ids in the top level of what a request or reply says. */
class Found {
  readonly objects: { -readonly [K in keyof Objects]: Objects[K] } = {};
  hash: string | undefined;
  readonly #trail: RequestLog;

  constructor(trail: RequestLog) {
    this.#trail = trail;
  }

  in(part: unknown): void {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return;
    for (const [key, value] of Object.entries(part)) {
      if (typeof value !== "string" || value.length > 64) continue;
      const digest = digests[key];
      const object = idForm.test(value) ? objectOfPrefix[value.slice(0, value.indexOf("_"))] : undefined;
      if (object !== undefined) this.objects[object] = value;
      else if (digest !== undefined && hex64.test(value)) this.objects[digest] = value;
      else if (parties.has(key) && partyForm.test(value)) this.objects.party = value;
      else if (companies.has(key)) this.company(value);
    }
  }

  company(text: string): void {
    const code = normaliseUscc(text);
    if (isUscc(code)) this.hash = this.#trail.company(code);
  }
}
