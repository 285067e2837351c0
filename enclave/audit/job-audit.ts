// What an enclave does, in the words of its audit log. Everything that its parts say goes through here.
import type { Audit } from "../../audit/trail.ts";
import { wordOf, type AuditEvent, type Objects } from "../../audit/entry.ts";
import { isStoppedError } from "../../audit/log.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import { receiptDigest } from "../../receipts/receipt.ts";
import type { QuotaUse } from "../../budgets/quota/quotas.ts";
import type { QuotaRefusal } from "../../budgets/quota/refusal.ts";
import type { Sighting } from "../charges/sightings.ts";
import { Ledger } from "../ledger.ts";
import type { StateDatabase } from "../store/database.ts";

/** A charge of a budget, or a refused one. */
export type Charge = {
  readonly scope: string; readonly job: JobId; readonly label: string; readonly amount: number;
  /** Before the charge. */
  readonly used: number; readonly limit: number; readonly refused?: string;
};
/** How the policy's word came about: the number of its rule, and whether a person answered. */
export type Decision = { readonly rule: number | undefined; readonly byPerson: boolean };
const perEntry = 150;
const maxNotShown = 10_000;
const enclave = { role: "enclave" };
const operator = { role: "operator" };

export class JobAudit {
  readonly #audit: Audit;
  readonly #db: StateDatabase;
  readonly #self: PartyId;
  readonly #asked = new Set<string>();
  /** The bank of each job that runs. */
  readonly #guests = new Map<string, PartyId>();
  /** Requests of companies that were not answered, with the reason: said once. */
  readonly #notShown = new Set<string>();
  /** Quotas of which at least half was used when they were last looked at. */
  readonly #highQuotas = new Set<string>();

  constructor(audit: Audit, db: StateDatabase, self: PartyId) {
    this.#audit = audit;
    this.#db = db;
    this.#self = self;
  }

  /** Durable before the approval is sent. */
  async approved(plan: JobPlan, decision: Decision): Promise<void> {
    this.#audit.check();
    await this.#audit.record(decided("plan.approved", plan, this.#self, decision, "ok"));
  }

  /** Durable before the refusal is sent. */
  refused(plan: JobPlan, decision: Decision, code: string): Promise<void> {
    return this.#audit.record(decided("plan.refused", plan, this.#self, decision, code));
  }

  /** The policy leaves it to a person: said once. */
  asked(plan: JobPlan, rule: number | undefined): void {
    if (this.#asked.has(plan.job)) return;
    this.#audit.note(decided("plan.asked", plan, this.#self, { rule, byPerson: false }, "ok"));
    this.#asked.add(plan.job);
  }

  async started(plan: JobPlan): Promise<void> {
    this.#audit.check();
    this.#asked.delete(plan.job);
    this.#guests.set(plan.job, plan.guest);
    await this.#audit.record({ actor: enclave, action: "job.started", objects: objectsOf(plan, this.#self) });
  }

  /** What left and came in by type of message, with the digest of the whole ledger, then the end; durable before the platform hears of it. */
  async ended(plan: JobPlan, code: string | undefined, receipt: string | undefined): Promise<void> {
    this.#guests.delete(plan.job);
    const ledger = new Ledger(this.#db, plan, this.#self);
    const objects = { ...objectsOf(plan, this.#self), ledger: ledger.digest() };
    const { sent, received } = ledger.lines();
    for (const { to, type, messages, bytes } of sent) this.#audit.note({ actor: enclave, action: "messages.released", objects: { ...objects, party: to }, facts: { type: wordOf(type), messages, bytes } });
    for (const { from, type, messages, bytes } of received) this.#audit.note({ actor: enclave, action: "messages.taken", objects: { ...objects, party: from }, facts: { type: wordOf(type), messages, bytes } });
    await this.#audit.record({ actor: enclave, action: "job.ended", objects: { ...objects, ...(receipt === undefined ? {} : { receipt: receiptDigest(receipt) }) }, outcome: code ?? "ok" });
  }

  /** The end of a job that did not end well: it ends whether or not that can be written down. */
  async endedBadly(plan: JobPlan, code: string, receipt: string | undefined): Promise<void> {
    try {
      await this.ended(plan, code, receipt);
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    }
  }

  /** A job that ended without having run here. */
  stopped(job: JobId, code: string): void {
    try {
      this.#audit.note({ actor: enclave, action: "job.ended", objects: { job }, outcome: code });
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    }
  }

  /** The digest of the receipt of a peer that was verified: the same stands in that peer's own log. */
  checkedReceipt(plan: JobPlan, party: PartyId, receipt: string): void {
    this.#audit.note({ actor: enclave, action: "receipt.checked", objects: { ...objectsOf(plan, party), receipt: receiptDigest(receipt) } });
  }

  madeReceipt(plan: JobPlan, receipt: string): void {
    this.#audit.note({ actor: enclave, action: "receipt.made", objects: { ...objectsOf(plan, this.#self), receipt: receiptDigest(receipt) } });
  }

  /** A message that was not taken in. */
  refusedMessage(job: JobId, party: PartyId, code: string): void {
    this.#audit.note({ actor: enclave, action: "message.refused", objects: { job, party }, outcome: code });
  }

  /** Nothing leaves while an entry waits, nor when the log takes nothing. */
  settled(): Promise<void> {
    return this.#audit.settled();
  }

  /** An amount of a budget. What a scope names besides its kind and the guest (sets, months) stays out. */
  charged({ scope, job, label, amount, used, limit, refused }: Charge): void {
    const [budget = "", party = ""] = scope.split("|");
    const objects: Objects = { job, ...(/^[a-z][a-z0-9_-]{0,31}$/.test(party) ? { party } : {}) };
    const facts = { budget: wordOf(budget), label: wordOf(label), amount, used: refused === undefined ? used + amount : used, ...(Number.isFinite(limit) ? { limit } : {}) };
    this.#audit.note({ actor: enclave, action: refused === undefined ? "budget.charged" : "budget.refused", objects, facts, ...(refused === undefined ? {} : { outcome: refused }) });
  }

  /** A quota that is used to a large part: questions one by one have no entries of their own. */
  usedQuota(institution: PartyId, { name, used, limit }: QuotaUse): void {
    const key = `${institution} ${name}`;
    const isHigh = limit > 0 && used >= limit / 2;
    if (isHigh || this.#highQuotas.has(key)) this.#audit.note({ actor: enclave, action: "budget.charged", objects: { party: institution }, facts: { budget: wordOf(name), used, limit } });
    if (isHigh) this.#highQuotas.add(key);
    else this.#highQuotas.delete(key);
  }

  /** A quota of the policy that refused a question. */
  overdrawn(institution: PartyId, { name, code, used, limit }: QuotaRefusal): void {
    this.#audit.note({ actor: enclave, action: "budget.refused", objects: { party: institution }, outcome: code, facts: { budget: wordOf(name), used, limit } });
  }

  /** A sign of probing: of what kind, how much of it, and what came of it. company: a keyed hash of this enclave's budgets. */
  probed({ institution, company, finding: { signal, verdict, measured } }: Sighting): void {
    const outcome = verdict === "refuse" ? "BUDGET_PROBING" : verdict === "slow" ? "BUDGET_SLOWED" : "ok";
    this.#audit.note({ actor: enclave, action: "probing.seen", objects: { party: institution }, company, outcome, facts: { signal: wordOf(signal), measured: Math.round(measured * 100) / 100 } });
  }

  /** Results of verifying consents, counted by code ("ok" among them). */
  checkedConsents(job: JobId, counts: ReadonlyMap<string, number>, list?: string): void {
    const party = this.#guests.get(job);
    for (const [outcome, times] of counts) this.#audit.note({ actor: enclave, action: "consents.checked", objects: { job, ...(party === undefined ? {} : { party }), ...(list === undefined ? {} : { list }) }, outcome, facts: { times } });
  }

  /** A company is shown its own uses: durable before the answer leaves. */
  async shown(company: string): Promise<void> {
    this.#audit.check();
    await this.#audit.record({ actor: { role: "subject" }, action: "company.shown", company: this.#audit.company(company) });
  }

  /** Its request did not hold; it is looked at again every minute. */
  notShown(request: string, code: string): void {
    const known = `${request} ${code}`;
    if (this.#notShown.has(known) || this.#notShown.size >= maxNotShown) return;
    try {
      this.#audit.note({ actor: { role: "subject" }, action: "company.shown", outcome: code });
      this.#notShown.add(known);
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    }
  }

  /** Single companies whose data were used, as keyed hashes, in entries of bounded size. */
  used(job: JobId, companies: readonly string[]): void {
    for (let at = 0; at < companies.length; at += perEntry) {
      const part = companies.slice(at, at + perEntry).map((code) => this.#audit.company(code));
      this.#audit.note({ actor: enclave, action: "company.used", objects: { job }, companies: part, facts: { times: part.length } });
    }
  }
}

function decided(action: "plan.approved" | "plan.refused" | "plan.asked", plan: JobPlan, self: PartyId, { rule, byPerson }: Decision, outcome: string): AuditEvent {
  return {
    actor: byPerson ? operator : enclave, action, objects: { ...objectsOf(plan, plan.guest), ...(plan.datasets[self] === undefined ? {} : { snapshot: plan.datasets[self].snapshotDigest }) }, outcome,
    facts: { kind: wordOf(plan.kind), purpose: wordOf(plan.purpose), ...(rule === undefined ? {} : { rule }) },
  };
}

function objectsOf(plan: JobPlan, party: PartyId): Objects {
  return { job: plan.job, plan: planDigest(plan), party };
}
