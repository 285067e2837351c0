// A provider's part in a job: it verifies the consents of its companies itself, asks again whether they hold before anything leaves, counts
// each use once, and writes down for the receipt what was used of whom.
import { setImmediate } from "node:timers/promises";
import type { EntityId, ItemId, PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { checkConsents, checkStatement, claimUses, defaultSkewMs, foreseeUses, stillHolds, type Accepted, type Asked, type Claimant } from "../../consent/verify.ts";
import type { HostConsents, Shown } from "../../federation/consents/host.ts";
import { refusalCodes, type RefusalCode } from "../../federation/consents/messages.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { Use } from "../../receipts/uses.ts";
import type { JobRecords } from "../job/records.ts";
import type { JobUses } from "../job/uses.ts";
import type { ConsentDesk } from "./desk.ts";

export type ProviderOptions = {
  readonly desk: ConsentDesk; readonly records: JobRecords; readonly uses: JobUses; readonly plan: JobPlan; readonly planDigest: string;
  /** Items that the job uses of this provider's data: those that need authorisation, and the rest. */
  readonly items: { readonly authorised: readonly ItemId[]; readonly open: readonly ItemId[] };
  readonly ids: readonly EntityId[];
  /** The legal person behind the guest, where the policy names it. */
  readonly guestUscc?: string | undefined;
  readonly now: Clock; readonly signal: AbortSignal;
  /** The job has ended: this party only goes over what it sent. */
  readonly isOver: boolean;
  /** Hears how many consents were found to be what, by code ("ok" among them), before the answers leave. */
  readonly onChecked?: (counts: ReadonlyMap<string, number>) => void;
};

/** What stays of an accepted consent until the end of the job. */
type Held = Pick<Accepted, "digest" | "text" | "registrar" | "key" | "until"> & {
  readonly consent: Pick<Accepted["consent"], "id" | "use">; readonly jws: string;
  /** `trusted` of the desk when its signatures were checked. */
  trusted: string;
};
const atATime = 4096;
const signaturesAtATime = 64;
const recordedAtOnce = 512;
/** Before outputs the lists are fetched again unless they were so many ms ago. */
const listsAgeMs = 1_000;

export class ProviderConsents implements HostConsents {
  readonly #o: ProviderOptions;
  readonly #claimant: Claimant;
  readonly #accepted = new Map<number, Held>();
  #records: Int32Array | undefined;
  #isCounted = false;
  /** The lists under which everything was found to hold, and until when (ms) that is so. */
  #heldUnder = "";
  #heldUntil = -Infinity;
  #queue: Promise<void> = Promise.resolve();

  constructor(options: ProviderOptions) {
    this.#o = options;
    this.#claimant = { uses: options.desk.uses, job: options.plan.job, plan: options.planDigest };
  }

  /** The answers are kept before they leave: a restart gives the same ones, whatever clock and lists say by then. */
  async check(chunk: number, shown: readonly Shown[]): Promise<readonly (RefusalCode | undefined)[]> {
    const { desk, records, plan, items, now, signal, isOver } = this.#o;
    // A model without data that need authorisation: nobody is asked.
    if (items.authorised.length === 0) return shown.map(() => undefined);
    await desk.refresh(listsAgeMs, signal);
    const { trusted } = desk;
    let fresh: readonly (Accepted | undefined)[] | undefined;
    const kept = await records.once(plan.job, `consents|${chunk}`, async () => {
      const outcomes = foreseeUses(await this.#checked(shown), this.#claimant, now());
      this.#o.onChecked?.(countsOf(outcomes.map((outcome) => (outcome.ok ? "ok" : outcome.code))));
      fresh = outcomes.map((outcome) => (outcome.ok ? outcome.accepted : undefined));
      return Buffer.from(outcomes.map((outcome) => (outcome.ok ? 0 : byteOf(outcome.code)))).toString("base64");
    });
    const bytes = Buffer.from(kept, "base64");
    for (const [i, { record, jws }] of shown.entries()) {
      if (bytes[i] !== 0 || isOver) continue;
      // After a restart: what was accepted then has to be known again, and is asked again by `hold`.
      const { digest, text, registrar, key, until, consent: { id, use } } = fresh?.[i] ?? checkStatement(jws, desk.basis);
      this.#accepted.set(record, { digest, text, registrar, key, until, consent: { id, use }, jws, trusted: fresh === undefined ? desk.trusted : trusted });
      if (fresh === undefined && i % signaturesAtATime === signaturesAtATime - 1) await setImmediate();
    }
    return shown.map((_, i) => (bytes[i] === 0 ? undefined : refusalCodes[(bytes[i] as number) - 1]));
  }

  async #checked(shown: readonly Shown[]) {
    const { desk, plan, items, now } = this.#o;
    const kind = plan.kind === "score" || plan.kind === "evaluate" ? "score" : "train";
    const asked: Asked = { grantee: { party: plan.guest, uscc: this.#o.guestUscc }, items: items.authorised, purpose: plan.purpose, kind };
    const given = shown.flatMap(({ subject, jws }) => (jws === "" ? [] : [{ subject, jws }]));
    const outcomes = (await checkConsents(given, asked, desk.basis, now)).values();
    const missing = { ok: false, code: "CONSENT_MISSING", facts: {} } as const;
    return shown.map(({ jws }) => (jws === "" ? missing : outcomes.next().value ?? missing));
  }

  admit(records: Int32Array): void {
    this.#records = records;
  }

  /** Throws CONSENT_WITHDRAWN, CONSENT_KEY_WITHDRAWN, CONSENT_EXPIRED, CONSENT_LIST_STALE and the like with how many companies it is about, once the
   *  totals cannot leave single rows out any more: the job ends, and the caller starts it again without them. */
  hold(): Promise<void> {
    this.#queue = this.#queue.then(() => this.#hold());
    return this.#queue;
  }

  async #hold(): Promise<void> {
    const { desk, now, signal, isOver } = this.#o;
    const records = this.#records;
    if (records === undefined || isOver) return;
    let at = now();
    if (this.#o.items.authorised.length > 0) {
      await desk.refresh(listsAgeMs, signal);
      at = now();
      // Again when a list came meanwhile: what is used is used under the newest.
      while (this.#heldUnder !== desk.state || at >= this.#heldUntil) {
        await this.#askAgain(records);
        at = now();
      }
    }
    if (this.#isCounted) return;
    claimUses(this.#heldOf(records), this.#claimant, at);
    await this.#record(records, new Date(at).toISOString());
    this.#isCounted = true;
  }

  async #askAgain(records: Int32Array): Promise<void> {
    const { desk, plan, now } = this.#o;
    const { basis, trusted, state: under } = desk;
    const failed = new Map<Code, number>();
    let until = Infinity;
    for (const [i, held] of this.#heldOf(records).entries()) {
      const isTrustChanged = held.trusted !== trusted;
      if (i % (isTrustChanged ? signaturesAtATime : atATime) === 0) await setImmediate();
      try {
        // Whom this enclave believes has changed: a signature that counted may count no more.
        if (isTrustChanged) checkStatement(held.jws, basis);
        held.trusted = trusted;
        stillHolds(held, basis, now());
        until = Math.min(until, held.until, basis.revocations.current(held.registrar, now(), basis.skew ?? defaultSkewMs).nextUpdate);
      } catch (error) {
        if (!isAppError(error)) throw error;
        failed.set(error.code, (failed.get(error.code) ?? 0) + 1);
      }
    }
    if (failed.size > 0) this.#o.onChecked?.(failed);
    const [first] = failed;
    if (first !== undefined) throw new AppError(first[0], { companies: first[1], guest: plan.guest });
    this.#heldUnder = under;
    this.#heldUntil = until;
  }

  #heldOf(records: Int32Array): Held[] {
    if (this.#o.items.authorised.length === 0) return [];
    return [...records].map((record) => {
      const held = this.#accepted.get(record);
      if (held === undefined) throw new AppError("CONSENT_MISSING", { companies: 1 });
      return held;
    });
  }

  /** For each company what is used with its consent, and what needs none. */
  async #record(records: Int32Array, at: string): Promise<void> {
    const { desk, uses, items, ids, plan } = this.#o;
    const relied = new Map<PartyId, ReturnType<ConsentDesk["lists"]["relied"]>>();
    const listOf = (registrar: PartyId): { readonly digest: string; readonly text: string } => {
      if (!relied.has(registrar)) relied.set(registrar, desk.lists.relied(registrar));
      const list = relied.get(registrar);
      if (list === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar });
      return list;
    };
    for (let from = 0; from < records.length; from += recordedAtOnce) {
      const part = records.subarray(from, from + recordedAtOnce);
      const texts = new Set<string>();
      const used = [...part].flatMap((record): Use[] => {
        const base = { subject: ids[record] as string, grantee: plan.guest, output: null, at };
        const open: Use[] = items.open.length === 0 ? [] : [{ ...base, items: [...items.open], consent: null, revocations: null }];
        const held = this.#accepted.get(record);
        if (held === undefined) return open;
        const list = listOf(held.registrar);
        texts.add(held.jws).add(list.text);
        return [{ ...base, items: [...items.authorised], consent: { id: held.consent.id, digest: held.text }, revocations: list.digest }, ...open];
      });
      uses.record(used, [...texts]);
      await setImmediate();
    }
  }
}

function countsOf(codes: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}

function byteOf(code: Code): number {
  const at = (refusalCodes as readonly Code[]).indexOf(code);
  // A code that the wire has no word for is a refusal all the same.
  return at < 0 ? refusalCodes.indexOf("CONSENT_MISSING") + 1 : at + 1;
}
