// Granting, listing and withdrawing consents over a small store: what the platform's API and a registrar do. The store keeps texts that
// anybody can check; what it says about them counts for no enclave.
import type { KeyObject } from "node:crypto";
import type { PartyId } from "../core/brand.ts";
import type { Clock, Rng } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { consentDigest, keyDigest, signRevocationList, type RevokedEntry } from "./revocation.ts";
import { checkItems, maxTermMs, signConsent, type Consent, type ConsentTerms } from "./statement.ts";
import { checkStatement, stillHolds, type Basis } from "./verify.ts";

/** A stored consent. Times in seconds since 1970. */
export type ConsentRecord = {
  readonly id: string;
  /** SHA-256 of the id. */
  readonly digest: string;
  readonly subject: string;
  readonly grantee: PartyId;
  readonly registrar: PartyId;
  readonly jws: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly withdrawnAt: number | undefined;
};

export interface ConsentStore {
  /** False, and nothing stored, when the id is taken. Durable on return, as all that follow. */
  insert(record: ConsentRecord): Promise<boolean>;
  get(id: string): Promise<ConsentRecord | undefined>;
  /** A company's consents in order of id, those after `after`, at most `limit`. */
  ofSubject(subject: string, page: { readonly after?: string | undefined; readonly limit: number }): Promise<readonly ConsentRecord[]>;
  /** Sets the time of withdrawal unless one is set; returns the one that is set. */
  withdraw(id: string, at: number): Promise<number>;
  /** Keeps the withdrawal of a key; the first one of a digest stays. */
  withdrawKey(registrar: PartyId, entry: RevokedEntry): Promise<void>;
  /** Withdrawn consents and keys of a registrar whose `until` is after `after`. */
  withdrawn(registrar: PartyId, after: number): Promise<readonly RevokedEntry[]>;
  lastList(registrar: PartyId): Promise<{ readonly sequence: number; readonly issuedAt: number; readonly jws: string } | undefined>;
  /** Stores a list if its number follows the last one; false otherwise. */
  putList(registrar: PartyId, list: { readonly sequence: number; readonly issuedAt: number; readonly jws: string }): Promise<boolean>;
}

export type RegistrarEnv = {
  readonly name: PartyId; readonly key: KeyObject; readonly rng: Rng; readonly now: Clock; readonly isItem: (id: string) => boolean;
};
/** What a company agrees to; it holds from the issue on unless it says a later time. */
export type GrantTerms = Omit<ConsentTerms, "notBefore"> & { readonly notBefore?: string | undefined };

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";

/** A fresh id: 26 characters of base 36, 134 bits (rejection sampling, no bias). */
export function newConsentId(rng: Rng): string {
  let id = "";
  while (id.length < 26) {
    for (const byte of rng(32)) if (byte < 252 && id.length < 26) id += alphabet.charAt(byte % 36);
  }
  return `consent_${id}`;
}

export function isoSeconds(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

/**
 * Issues a consent of a company that is registered by real name (the caller has checked that) and stores it. It holds from now on unless
 * `notBefore` is later. Throws CONSENT_SCHEMA, CONSENT_TERMS, CONSENT_ITEM_UNKNOWN, CONSENT_EXISTS.
 */
export async function grant(store: ConsentStore, terms: GrantTerms, registrar: RegistrarEnv): Promise<ConsentRecord> {
  const issuedAt = isoSeconds(Math.floor(registrar.now() / 1000));
  const consent: Consent = {
    ...terms, version: 1, id: newConsentId(registrar.rng), notBefore: terms.notBefore ?? issuedAt, issuedAt,
    issuer: { kind: "registrar", registrar: registrar.name },
  };
  const jws = signConsent(consent, registrar.key);
  checkItems(consent.items, registrar.isItem);
  const record = recordOf(consent, jws, registrar.name);
  if (!(await store.insert(record))) throw new AppError("CONSENT_EXISTS");
  return record;
}

/**
 * Stores a consent that was signed elsewhere (by a company's own key), after the checks that an enclave makes. It may begin later. The
 * same text again is fine. Throws as `checkStatement` and `stillHolds` do, CONSENT_EXISTS for another text under the id.
 */
export async function lodge(store: ConsentStore, jws: string, basis: Basis, now: number): Promise<ConsentRecord> {
  const accepted = checkStatement(jws, basis);
  stillHolds(accepted, basis, now);
  const record = recordOf(accepted.consent, jws, accepted.registrar);
  if (await store.insert(record)) return record;
  const stored = await store.get(record.id);
  if (stored?.jws !== jws) throw new AppError("CONSENT_EXISTS");
  return stored;
}

/** active: within its term. The store does not know how often a consent was used: the enclaves do. */
export type ConsentState = "pending" | "active" | "expired" | "withdrawn";

/** Where a consent stands at a time (ms). */
export function stateOf(record: ConsentRecord, now: number): ConsentState {
  if (record.withdrawnAt !== undefined) return "withdrawn";
  if (now >= record.notAfter * 1000) return "expired";
  return now < record.notBefore * 1000 ? "pending" : "active";
}

export type ConsentView = { readonly record: ConsentRecord; readonly state: ConsentState };
const pageSize = 100;

/** A company's consents, a page of at most 100 after the id `after`, with where they stand. */
export async function list(store: ConsentStore, subject: string, now: number, after?: string): Promise<readonly ConsentView[]> {
  const records = await store.ofSubject(subject, { after, limit: pageSize });
  return records.map((record) => ({ record, state: stateOf(record, now) }));
}

/**
 * Withdraws a company's consent; again is fine and keeps the first time. It counts for the enclaves with the next list: issue one at once
 * (`issueList`). Throws CONSENT_NOT_FOUND, also for another company's: ids are not to be found out here.
 */
export async function withdraw(store: ConsentStore, id: string, subject: string, now: number): Promise<ConsentView> {
  const record = await store.get(id);
  if (record === undefined || record.subject !== subject) throw new AppError("CONSENT_NOT_FOUND");
  const withdrawnAt = await store.withdraw(id, Math.floor(now / 1000));
  return { record: { ...record, withdrawnAt }, state: "withdrawn" };
}

/** Withdraws a company's own key (lost, or its holder has left) with all that it signed. `keyEnd`: ms, the end of its statement. */
export async function withdrawSubjectKey(store: ConsentStore, key: { kid: string; registrar: PartyId; keyEnd: number }, now: number): Promise<void> {
  const at = Math.floor(now / 1000);
  // A consent may begin a term after the key's last signature and run for another.
  const until = Math.max(at, Math.ceil((key.keyEnd + 2 * maxTermMs) / 1000));
  await store.withdrawKey(key.registrar, [keyDigest(key.kid), at, until]);
}

const attempts = 8;

/**
 * Signs and stores the registrar's next list: all that was withdrawn and has not ended. `lifetimeMs`: how long it counts, 15 minutes unless
 * given; enclaves without a newer one then refuse. Issue one at every withdrawal and well before the end of the last.
 * Its time never goes back, whatever the clock does. Throws CONSENT_LIST_BUSY.
 */
export async function issueList(store: ConsentStore, registrar: Pick<RegistrarEnv, "name" | "key" | "now">, lifetimeMs = 900_000): Promise<string> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const last = await store.lastList(registrar.name);
    const clock = Math.max(Math.floor(registrar.now() / 1000), last?.issuedAt ?? 0);
    // What was withdrawn after its end (by another clock) needs no entry.
    const entries = (await store.withdrawn(registrar.name, clock)).filter(([, at, until]) => at < until);
    // Another process' clock may have been ahead when it stored a withdrawal.
    const issuedAt = entries.reduce((latest, [, at]) => Math.max(latest, at), clock);
    const sequence = (last?.sequence ?? 0) + 1;
    const nextUpdate = issuedAt + Math.floor(lifetimeMs / 1000);
    const times = { issuedAt: isoSeconds(issuedAt), nextUpdate: isoSeconds(nextUpdate) };
    const jws = signRevocationList({ registrar: registrar.name, sequence, ...times, entries }, registrar.key);
    if (await store.putList(registrar.name, { sequence, issuedAt, jws })) return jws;
  }
  throw new AppError("CONSENT_LIST_BUSY", { registrar: registrar.name });
}

function recordOf(consent: Consent, jws: string, registrar: PartyId): ConsentRecord {
  return {
    id: consent.id, digest: consentDigest(consent.id), subject: consent.subject, grantee: consent.grantee.party, registrar, jws,
    notBefore: Date.parse(consent.notBefore) / 1000, notAfter: Date.parse(consent.notAfter) / 1000, withdrawnAt: undefined,
  };
}
