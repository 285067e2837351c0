// A provider's check of the consent of each question: signatures once for each text, withdrawal and time every time, a limited number of uses
// counted use by use.
import { sha256Hex } from "../../core/canonical.ts";
import type { ItemId, PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { checkConsent, checkScope, claimUses, stillHolds, type Accepted, type Asked } from "../../consent/verify.ts";
import { serveRefusals, type ServeRefusal } from "../../federation/serve/messages.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { Use } from "../../receipts/uses.ts";
import type { ConsentDesk } from "../consents/desk.ts";

type Known = { readonly accepted: Accepted; readonly trusted: string };
/** Consents whose signatures were checked. */
const maxKnown = 20_000;

export type ServiceConsentsOptions = {
  readonly desk: ConsentDesk; readonly plan: JobPlan; readonly planDigest: string; readonly guestUscc: string | undefined; readonly now: Clock;
  readonly items: { readonly authorised: readonly ItemId[]; readonly open: readonly ItemId[] };
};

export class ServiceConsents {
  readonly #o: ServiceConsentsOptions;
  readonly #asked: Asked;
  readonly #known = new Map<string, Known>();

  constructor(options: ServiceConsentsOptions) {
    this.#o = options;
    const { plan, items, guestUscc } = options;
    this.#asked = { grantee: { party: plan.guest, uscc: guestUscc }, items: items.authorised, purpose: plan.purpose, kind: "score" };
  }

  /** undefined when the consent holds for this company now, or none is needed; a use of a limited one is then claimed, durably. */
  check(company: string, jws: string, n: number): ServeRefusal | undefined {
    if (this.#o.items.authorised.length === 0) return undefined;
    if (jws === "") return "CONSENT_MISSING";
    try {
      const { accepted } = this.#accept(company, jws);
      const { use } = accepted.consent;
      const { desk, plan, planDigest, now } = this.#o;
      // Every question is a use of its own: the book counts jobs, so each has a name of its own there.
      if (use.kind === "single" || use.atMost !== undefined) claimUses([accepted], { uses: desk.uses, job: jobIdSchema.parse(`job_${sha256Hex(`${plan.job}|${n}`).slice(0, 32)}`), plan: planDigest }, now());
      return undefined;
    } catch (error) {
      if (!isAppError(error)) throw error;
      return refusalOf(error.code);
    }
  }

  /** What a receipt says of one use, and the texts that it names. */
  usesOf(company: string, jws: string, grantee: PartyId): { readonly uses: Use[]; readonly texts: string[] } {
    const { desk, items, now } = this.#o;
    const base = { subject: company, grantee, output: null, at: new Date(now()).toISOString() };
    const open: Use[] = items.open.length === 0 ? [] : [{ ...base, items: [...items.open], consent: null, revocations: null }];
    if (items.authorised.length === 0) return { uses: open, texts: [] };
    const { accepted } = this.#accept(company, jws);
    const list = desk.lists.relied(accepted.registrar);
    if (list === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar: accepted.registrar });
    return { uses: [{ ...base, items: [...items.authorised], consent: { id: accepted.consent.id, digest: accepted.text }, revocations: list.digest }, ...open], texts: [jws, list.text] };
  }

  #accept(company: string, jws: string): Known {
    const { desk, now } = this.#o;
    const key = sha256Hex(jws);
    const known = this.#known.get(key);
    if (known?.trusted === desk.trusted) {
      checkScope(known.accepted.consent, company, this.#asked);
      stillHolds(known.accepted, desk.basis, now());
      return known;
    }
    const fresh = { accepted: checkConsent(jws, company, this.#asked, desk.basis, now()), trusted: desk.trusted };
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(key, fresh);
    return fresh;
  }
}

/** A code that the wire has no word for is a refusal all the same. */
function refusalOf(code: Code): ServeRefusal {
  return serveRefusals.find((known) => known === code) ?? "CONSENT_MISSING";
}
