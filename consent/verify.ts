// Whether a consent holds for one use: signature and chain, scope, time, withdrawal, number of uses. The enclave asks this itself and
// believes no platform. Signatures are checked by node:crypto on keys that were parsed once (README.md, cost).
import type { ItemId, JobId, PartyId } from "../core/brand.ts";
import { sha256Hex } from "../core/canonical.ts";
import type { Clock } from "../core/env.ts";
import { AppError, type Code, type Facts } from "../core/errors.ts";
import type { FinancingPurpose } from "../core/purposes.ts";
import { isSignedBy, type Sealed } from "./jws.ts";
import { isKnownNotice } from "./notice.ts";
import { consentDigest, keyDigest, type Revocations } from "./revocation.ts";
import { checkItems, parseConsent, type Consent, type ConsentKind } from "./statement.ts";
import type { Trust } from "./trust.ts";
import type { Use, UseBook, UseVerdict } from "./uses.ts";

export const defaultSkewMs = 120_000;
/** More would not be a matter of clocks. */
export const maxSkewMs = 300_000;

/** The use that is asked for, apart from the company. */
export type Asked = {
  /** `uscc` is compared as well where the verifier knows it. */
  readonly grantee: { readonly party: PartyId; readonly uscc?: string | undefined };
  /** What the job uses of this enclave's data. */
  readonly items: readonly ItemId[];
  readonly purpose: FinancingPurpose;
  readonly kind: ConsentKind;
};

/** What a verifier knows. */
export type Basis = {
  readonly trust: Trust;
  readonly revocations: Revocations;
  /** Whether the sharing catalogue has the item. */
  readonly isItem: (id: string) => boolean;
  /** Whether the risk notice is one that is known; the notices of notice.ts unless given. */
  readonly isNotice?: ((version: string, digest: string) => boolean) | undefined;
  /** How far (ms, at most 300,000) an issuer's clock may be ahead of this one. It never lengthens a consent. */
  readonly skew?: number | undefined;
};

/** The job that a use is counted for. */
export type Claimant = { readonly uses: UseBook; readonly job: JobId; readonly plan: string };

/** A consent that holds. */
export type Accepted = {
  readonly consent: Consent;
  /** SHA-256 of the id: what lists, books and receipts name. */
  readonly digest: string;
  /** SHA-256 of the JWS, for receipts: which text it was. */
  readonly text: string;
  /** The registrar behind it, and whose list of withdrawals counts. */
  readonly registrar: PartyId;
  /** `keyDigest` of the company's own key, where that has signed. */
  readonly key: string | undefined;
  /** ms: the consent holds before this time. */
  readonly until: number;
};

/**
 * Who signed what: form, signer, signature, notice, items known; nothing about a use, a time or withdrawal.
 * Throws CONSENT_ENCODING to CONSENT_SIGNATURE in the order of the table of codes.
 */
export function checkStatement(jws: string, basis: Pick<Basis, "trust" | "isItem" | "isNotice">): Accepted {
  const { consent, sealed } = parseConsent(jws);
  const { registrar, key } = checkSigner(consent, sealed, basis.trust);
  const isNotice = basis.isNotice ?? isKnownNotice;
  if (!isNotice(consent.notice.version, consent.notice.digest)) throw new AppError("CONSENT_NOTICE");
  checkItems(consent.items, basis.isItem);
  return { consent, digest: consentDigest(consent.id), text: sha256Hex(jws), registrar, key, until: Date.parse(consent.notAfter) };
}

/**
 * Checks everything but the number of uses; changes nothing. `now` in ms. After `checkStatement`: scope, time, withdrawal.
 * Throws the CONSENT_… code of the first that fails.
 */
export function checkConsent(jws: string, subject: string, asked: Asked, basis: Basis, now: number): Accepted {
  const accepted = checkStatement(jws, basis);
  checkScope(accepted.consent, subject, asked);
  if (now + skewOf(basis) < Date.parse(accepted.consent.notBefore)) throw new AppError("CONSENT_NOT_YET");
  stillHolds(accepted, basis, now);
  return accepted;
}

/**
 * Whether a consent that was accepted holds now: not over, not withdrawn, the list current. Without a signature to check it costs about a
 * microsecond: ask before each output of a running job. Throws CONSENT_EXPIRED, CONSENT_WITHDRAWN, CONSENT_KEY_WITHDRAWN, CONSENT_LIST_….
 */
export function stillHolds(accepted: Pick<Accepted, "until" | "registrar" | "key" | "digest">, basis: Pick<Basis, "revocations" | "skew">, now: number): void {
  if (now >= accepted.until) throw new AppError("CONSENT_EXPIRED");
  const { entries } = basis.revocations.current(accepted.registrar, now, skewOf(basis));
  if (accepted.key !== undefined && entries.has(accepted.key)) throw new AppError("CONSENT_KEY_WITHDRAWN");
  if (entries.has(accepted.digest)) throw new AppError("CONSENT_WITHDRAWN");
}

/** Checks a consent and claims one use of it, last of all. Throws as `checkConsent`, CONSENT_USED, CONSENT_USE_CONFLICT. */
export function verifyConsent(jws: string, subject: string, asked: Asked, basis: Basis, claimant: Claimant, now: number): Accepted {
  const accepted = checkConsent(jws, subject, asked, basis, now);
  const [verdict] = claimant.uses.claim([useOf(accepted, claimant, now)]);
  const refused = refusalOf(verdict);
  if (refused !== undefined) throw refused;
  return accepted;
}

export type Presented = { readonly subject: string; readonly jws: string };
export type Outcome = { readonly ok: true; readonly accepted: Accepted } | { readonly ok: false; readonly code: Code; readonly facts: Facts };
const atATime = 64;

/**
 * Checks many consents of one job, one outcome each in their order; changes nothing. Between pieces of 64 (about 10 ms) the event loop
 * runs; what was withdrawn meanwhile is refused, since everything is asked again at the end.
 */
export async function checkConsents(presented: readonly Presented[], asked: Asked, basis: Basis, now: Clock): Promise<readonly Outcome[]> {
  const checked: Outcome[] = [];
  for (const [i, { jws, subject }] of presented.entries()) {
    if (i > 0 && i % atATime === 0) await new Promise<void>((resolve) => { setImmediate(resolve); });
    checked.push(outcomeOf(() => checkConsent(jws, subject, asked, basis, now())));
  }
  const at = now();
  return checked.map((outcome) => (outcome.ok ? againAt(outcome.accepted, basis, at) : outcome));
}

/** `checkConsents`, and then claims all uses in one step. */
export async function verifyConsents(
  presented: readonly Presented[], asked: Asked, basis: Basis, claimant: Claimant, now: Clock,
): Promise<readonly Outcome[]> {
  const checked = await checkConsents(presented, asked, basis, now);
  return counted(checked, (uses) => claimant.uses.claim(uses), claimant, now());
}

/** What `verifyConsents` would make of checked consents: those whose uses are used up are refused. Claims nothing. */
export function foreseeUses(checked: readonly Outcome[], claimant: Claimant, now: number): readonly Outcome[] {
  return counted(checked, (uses) => claimant.uses.foresee(uses), claimant, now);
}

/** One use of each, for a job that checked them before, in one step. Throws CONSENT_USED or CONSENT_USE_CONFLICT with the number of companies. */
export function claimUses(accepted: readonly Claimable[], claimant: Claimant, now: number): void {
  const verdicts = claimant.uses.claim(accepted.map((one) => useOf(one, claimant, now)));
  const refused = verdicts.flatMap((verdict) => refusalOf(verdict) ?? []);
  const [first] = refused;
  if (first !== undefined) throw new AppError(first.code, { companies: refused.length });
}

function counted(held: readonly Outcome[], ask: (uses: readonly Use[]) => readonly UseVerdict[], claimant: Claimant, at: number): readonly Outcome[] {
  const verdicts = ask(held.flatMap((outcome) => (outcome.ok ? [useOf(outcome.accepted, claimant, at)] : [])));
  let next = 0;
  return held.map((outcome) => {
    if (!outcome.ok) return outcome;
    const refused = refusalOf(verdicts[next++]);
    return refused === undefined ? outcome : { ok: false, code: refused.code, facts: refused.facts };
  });
}

function againAt(accepted: Accepted, basis: Basis, now: number): Outcome {
  return outcomeOf(() => {
    stillHolds(accepted, basis, now);
    return accepted;
  });
}

function outcomeOf(check: () => Accepted): Outcome {
  try {
    return { ok: true, accepted: check() };
  } catch (error) {
    if (error instanceof AppError) return { ok: false, code: error.code, facts: error.facts };
    throw error;
  }
}

/** The signature under the registrar's key, or under the company's own that a trusted registrar vouches for. */
function checkSigner(consent: Consent, sealed: Sealed, trust: Trust): { registrar: PartyId; key: string | undefined } {
  const { issuer } = consent;
  if (issuer.kind === "registrar") {
    const registrar = trust.registrar(sealed.kid);
    if (registrar === undefined || registrar.name !== issuer.registrar) throw new AppError("CONSENT_ISSUER");
    if (!isSignedBy(sealed, registrar.key)) throw new AppError("CONSENT_SIGNATURE");
    checkWithin(consent, registrar);
    return { registrar: registrar.name, key: undefined };
  }
  const own = trust.subjectKey(issuer.statement);
  if (own.kid !== sealed.kid) throw new AppError("CONSENT_ISSUER");
  if (!isSignedBy(sealed, own.key)) throw new AppError("CONSENT_SIGNATURE");
  if (own.subject !== consent.subject) throw new AppError("CONSENT_CHAIN");
  checkWithin(consent, own);
  return { registrar: own.registrar, key: keyDigest(own.kid) };
}

function checkWithin(consent: Consent, key: { readonly from: number; readonly to: number }): void {
  const issued = Date.parse(consent.issuedAt);
  if (issued < key.from || issued >= key.to) throw new AppError("CONSENT_CHAIN");
}

/** Whether a consent covers what is asked for. Throws CONSENT_SUBJECT, CONSENT_GRANTEE, CONSENT_PURPOSE, CONSENT_KIND or CONSENT_ITEM. */
export function checkScope(consent: Consent, subject: string, asked: Asked): void {
  if (consent.subject !== subject) throw new AppError("CONSENT_SUBJECT");
  const { party, uscc } = consent.grantee;
  if (party !== asked.grantee.party || (asked.grantee.uscc !== undefined && uscc !== asked.grantee.uscc)) throw new AppError("CONSENT_GRANTEE");
  if (consent.purpose !== asked.purpose) throw new AppError("CONSENT_PURPOSE");
  if (!consent.kinds.includes(asked.kind)) throw new AppError("CONSENT_KIND");
  const [outside] = asked.items.filter((item) => !consent.items.includes(item));
  if (outside !== undefined) throw new AppError("CONSENT_ITEM", { item: outside });
  // A caller that names no item would get a consent that covers none of what it uses.
  if (asked.items.length === 0) throw new AppError("CONSENT_ITEM", { asked: 0 });
}

/** What of an accepted consent a use is counted by. */
export type Claimable = Pick<Accepted, "digest" | "until"> & { readonly consent: Pick<Consent, "use"> };

function useOf(accepted: Claimable, claimant: Claimant, now: number): Use {
  const { use } = accepted.consent;
  return {
    consent: accepted.digest, job: claimant.job, plan: claimant.plan, atMost: use.kind === "single" ? 1 : use.atMost,
    at: Math.floor(now / 1000), until: Math.floor(accepted.until / 1000),
  };
}

function refusalOf(verdict: UseVerdict | undefined): AppError | undefined {
  if (verdict === "claimed" || verdict === "again") return undefined;
  return new AppError(verdict === "conflict" ? "CONSENT_USE_CONFLICT" : "CONSENT_USED");
}

function skewOf(basis: Pick<Basis, "skew">): number {
  const skew = basis.skew ?? defaultSkewMs;
  if (!(skew >= 0 && skew <= maxSkewMs)) throw new RangeError("a skew outside of 0 to 300,000 ms");
  return skew;
}
