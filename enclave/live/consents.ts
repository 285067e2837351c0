// A provider's check of the consent of each question: signatures once for each text, withdrawal and time every time, a limited number of uses
// counted use by use.
import { sha256Hex } from "../../core/canonical.ts";
import type { ItemId, PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { checkConsent, checkScope, claimUses, foreseeUses, stillHolds, type Accepted, type Asked, type Claimant } from "../../consent/verify.ts";
import { refusalCodes, type RefusalCode } from "../../federation/consents/messages.ts";
import type { ConsentKind } from "../../consent/statement.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { Use } from "../../receipts/uses.ts";
import type { ConsentDesk } from "../consents/desk.ts";

type Known = { readonly accepted: Accepted; readonly trusted: string };
/** Consents whose signatures were checked. */
const maxKnown = 20_000;
const refreshMs = 2_000;

export type ServiceConsentsOptions = {
  readonly desk: ConsentDesk; readonly plan: JobPlan; readonly planDigest: string; readonly guestUscc: string | undefined; readonly now: Clock;
  /** What consents are asked for; "score" unless given. */
  readonly kind?: ConsentKind;
  /** What every question uses, unless it says what. */
  readonly items: UsedItems;
};
/** Items of which the company's authorisation is needed, and others. */
export type UsedItems = { readonly authorised: readonly ItemId[]; readonly open: readonly ItemId[] };

export class ServiceConsents {
  readonly #o: ServiceConsentsOptions;
  readonly #asked: Omit<Asked, "items">;
  readonly #known = new Map<string, Known>();

  constructor(options: ServiceConsentsOptions) {
    this.#o = options;
    const { plan, guestUscc, kind = "score" } = options;
    this.#asked = { grantee: { party: plan.guest, uscc: guestUscc }, purpose: plan.purpose, kind };
  }

  /** Looks for new lists and registrars at the platform, in the folder and in the policy, at once and every two seconds until it is disposed. */
  keepFresh(): Disposable {
    const stop = new AbortController();
    const look = (): void => void this.#o.desk.refresh(refreshMs / 2, stop.signal).catch(() => undefined);
    look();
    const beat = setInterval(look, refreshMs);
    return {
      [Symbol.dispose]: () => {
        clearInterval(beat);
        stop.abort(new AppError("JOB_ENDED"));
      },
    };
  }

  /** undefined when the consent holds for this company now, and a limited one has a use left, or none is needed. Changes nothing. */
  check(company: string, jws: string, n: number, items: UsedItems = this.#o.items): RefusalCode | undefined {
    if (items.authorised.length === 0) return undefined;
    if (jws === "") return "CONSENT_MISSING";
    try {
      const { accepted } = this.#accept(company, jws, items);
      if (!isLimited(accepted)) return undefined;
      const [foreseen] = foreseeUses([{ ok: true, accepted }], this.#claimant(n), this.#o.now());
      return foreseen?.ok === false ? refusalOf(foreseen.code) : undefined;
    } catch (error) {
      if (!isAppError(error)) throw error;
      return refusalOf(error.code);
    }
  }

  /** Takes a use of a limited consent that was just checked, durably. Throws as for one that is used up. */
  claim(company: string, jws: string, n: number, items: UsedItems = this.#o.items): void {
    if (items.authorised.length === 0) return;
    const { accepted } = this.#accept(company, jws, items);
    if (isLimited(accepted)) claimUses([accepted], this.#claimant(n), this.#o.now());
  }

  /** Every question is a use of its own: the book counts jobs, so each has a name of its own there. */
  #claimant(n: number): Claimant {
    const { desk, plan, planDigest } = this.#o;
    return { uses: desk.uses, job: jobIdSchema.parse(`job_${sha256Hex(`${plan.job}|${n}`).slice(0, 32)}`), plan: planDigest };
  }

  /** What a receipt says of one use, and the texts that it names. */
  usesOf(company: string, jws: string, grantee: PartyId, items: UsedItems = this.#o.items): { readonly uses: Use[]; readonly texts: string[] } {
    const { desk, now } = this.#o;
    const base = { subject: company, grantee, output: null, at: new Date(now()).toISOString() };
    const open: Use[] = items.open.length === 0 ? [] : [{ ...base, items: [...items.open], consent: null, revocations: null }];
    if (items.authorised.length === 0) return { uses: open, texts: [] };
    const { accepted } = this.#accept(company, jws, items);
    const list = desk.lists.relied(accepted.registrar);
    if (list === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar: accepted.registrar });
    return { uses: [{ ...base, items: [...items.authorised], consent: { id: accepted.consent.id, digest: accepted.text }, revocations: list.digest }, ...open], texts: [jws, list.text] };
  }

  #accept(company: string, jws: string, { authorised }: UsedItems): Known {
    const { desk, now } = this.#o;
    const asked: Asked = { ...this.#asked, items: authorised };
    const key = sha256Hex(jws);
    const known = this.#known.get(key);
    if (known?.trusted === desk.trusted) {
      checkScope(known.accepted.consent, company, asked);
      stillHolds(known.accepted, desk.basis, now());
      return known;
    }
    const fresh = { accepted: checkConsent(jws, company, asked, desk.basis, now()), trusted: desk.trusted };
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(key, fresh);
    return fresh;
  }
}

function isLimited({ consent: { use } }: Accepted): boolean {
  return use.kind === "single" || use.atMost !== undefined;
}

/** A code that the wire has no word for is a refusal all the same. */
function refusalOf(code: Code): RefusalCode {
  return refusalCodes.find((known) => known === code) ?? "CONSENT_MISSING";
}
