// Signed, short-lived lists of what was withdrawn (撤回), one sequence per registrar. A list never goes back: lower numbers, a second
// list of one number and entries that vanish before their consent ends are refused. Without a current list nothing is used.
import type { KeyObject } from "node:crypto";
import { z } from "zod";
import type { PartyId } from "../core/brand.ts";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { fit, isSignedBy, openJws, readPayload, signJws } from "./jws.ts";
import { digestSchema, timeSchema } from "./statement.ts";
import type { Trust } from "./trust.ts";

export const revocationType = "yunei-revocation+jws";
/** About 90 bytes an entry, 4/3 of it as base64url. */
export const maxEntries = 200_000;
const maxListBytes = 32_000_000;
/** The longest that a list may count. Registrars issue far shorter ones (book.ts). */
export const maxLifetimeMs = 86_400_000;

/** Digest of what is withdrawn; the time of it; the time after which no consent hangs on it any more. Seconds since 1970. */
export type RevokedEntry = readonly [digest: string, at: number, until: number];

const seconds = z.number().int().min(0).max(253_402_300_799);
const listSchema = z.strictObject({
  version: z.literal(1),
  registrar: partyIdSchema,
  sequence: z.number().int().min(1),
  issuedAt: timeSchema,
  /** The first second in which the list does not count any more. */
  nextUpdate: timeSchema,
  entries: z.array(z.tuple([digestSchema, seconds, seconds])).max(maxEntries),
});
export type RevocationPayload = z.output<typeof listSchema>;

/** A list whose signature and form are right. Times in ms. */
export type RevocationList = {
  readonly registrar: PartyId;
  readonly sequence: number;
  readonly issuedAt: number;
  readonly nextUpdate: number;
  /** SHA-256 of the payload: two lists of one number differ in it. */
  readonly digest: string;
  /** Digest of what is withdrawn to [at, until] in seconds. */
  readonly entries: ReadonlyMap<string, readonly [at: number, until: number]>;
};

/** How a consent stands in a list: SHA-256 of its id, which has more than 120 random bits: the list tells strangers nothing. */
export function consentDigest(id: string): string {
  return sha256Hex(id);
}

/** How a company's key stands in a list. */
export function keyDigest(kid: string): string {
  return sha256Hex(`key_${kid}`);
}

export type NewList = Omit<RevocationPayload, "version" | "entries"> & { readonly entries: readonly RevokedEntry[] };

/** Signs a list; entries in any order. Throws CONSENT_SCHEMA, CONSENT_TERMS (lifetime, times, one thing twice), CONSENT_ALGORITHM. */
export function signRevocationList(list: NewList, key: KeyObject): string {
  const entries = [...list.entries].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const payload = fit({ ...list, version: 1, entries }, listSchema);
  checkTimes(payload);
  return signJws(payload, revocationType, key);
}

/**
 * Verifies signature and form of a list, not its freshness. The signature comes first: a list is long, and strangers' ones are not read.
 * Throws CONSENT_LIST_FORGED; CONSENT_VERSION for a list of a later version that is validly signed.
 */
export function readRevocationList(jws: string, trust: Trust): RevocationList {
  try {
    const sealed = openJws(jws, revocationType, maxListBytes);
    const registrar = trust.registrar(sealed.kid);
    if (registrar === undefined || !isSignedBy(sealed, registrar.key)) throw new AppError("CONSENT_SIGNATURE");
    const payload = readPayload(sealed, listSchema);
    const { issuedAt, nextUpdate } = checkTimes(payload);
    if (payload.registrar !== registrar.name || issuedAt < registrar.from || issuedAt >= registrar.to) throw new AppError("CONSENT_CHAIN");
    const entries = new Map(payload.entries.map(([digest, at, until]) => [digest, [at, until] as const]));
    const { sequence } = payload;
    return { registrar: registrar.name, sequence, issuedAt, nextUpdate, digest: sha256Hex(canonicalJson(payload)), entries };
  } catch (cause) {
    if (cause instanceof AppError && cause.code === "CONSENT_VERSION") throw cause;
    throw new AppError("CONSENT_LIST_FORGED", {}, { cause });
  }
}

function checkTimes(payload: RevocationPayload): { issuedAt: number; nextUpdate: number } {
  const issuedAt = Date.parse(payload.issuedAt);
  const nextUpdate = Date.parse(payload.nextUpdate);
  const ordered = payload.entries.every(([digest], i) => i === 0 || (payload.entries[i - 1]?.[0] ?? "") < digest);
  const past = payload.entries.every(([, at, until]) => at * 1000 <= issuedAt && at <= until);
  if (issuedAt >= nextUpdate || nextUpdate - issuedAt > maxLifetimeMs || !ordered || !past) throw new AppError("CONSENT_TERMS");
  return { issuedAt, nextUpdate };
}

/** Throws unless `next` may follow `seen`: CONSENT_LIST_REWOUND, CONSENT_LIST_FORKED, CONSENT_LIST_DROPPED. The same list again may. */
export function checkFollows(seen: RevocationList, next: RevocationList): void {
  const facts = { registrar: next.registrar, seen: seen.sequence, got: next.sequence };
  if (next.sequence < seen.sequence || next.issuedAt < seen.issuedAt) throw new AppError("CONSENT_LIST_REWOUND", facts);
  if (next.sequence === seen.sequence) {
    if (next.digest !== seen.digest) throw new AppError("CONSENT_LIST_FORKED", facts);
    return;
  }
  let dropped = 0;
  for (const [digest, [at, until]] of seen.entries) {
    const now = next.entries.get(digest);
    // May go when nothing hangs on it any more; until then neither vanish nor become a later or shorter withdrawal.
    if (now === undefined ? until * 1000 > next.issuedAt : now[0] > at || now[1] < until) dropped++;
  }
  if (dropped > 0) throw new AppError("CONSENT_LIST_DROPPED", { ...facts, dropped });
}

/** The last list of each registrar. Its owner stores what `accept` took and hands it in again after a restart, so that nothing rewinds. */
export class Revocations {
  readonly #trust: Trust;
  readonly #lists = new Map<PartyId, RevocationList>();
  readonly #forked = new Set<PartyId>();

  constructor(trust: Trust) {
    this.#trust = trust;
  }

  /**
   * Takes a list if it follows the one before; the earlier one stays otherwise. Also takes a list that is over by now: it still says
   * what was withdrawn and how far the sequence is. After two lists of one number the registrar is not used until a new object is
   * built without one of them. Throws as `readRevocationList` and `checkFollows` do.
   */
  accept(jws: string): RevocationList {
    const next = readRevocationList(jws, this.#trust);
    const seen = this.#lists.get(next.registrar);
    if (seen !== undefined) {
      try {
        checkFollows(seen, next);
      } catch (error) {
        if (error instanceof AppError && error.code === "CONSENT_LIST_FORKED") this.#forked.add(next.registrar);
        throw error;
      }
    }
    this.#lists.set(next.registrar, next);
    return next;
  }

  /**
   * The list that counts now. Throws CONSENT_LIST_STALE (none, or over), CONSENT_LIST_FORKED, and CONSENT_CLOCK when `now` (ms) is
   * more than `skew` ms before the time that the registrar signed: such a clock would let ended consents live.
   */
  current(registrar: PartyId, now: number, skew: number): RevocationList {
    if (this.#forked.has(registrar)) throw new AppError("CONSENT_LIST_FORKED", { registrar });
    const list = this.#lists.get(registrar);
    if (list === undefined || now >= list.nextUpdate) throw new AppError("CONSENT_LIST_STALE", { registrar });
    if (now + skew < list.issuedAt) throw new AppError("CONSENT_CLOCK", { registrar });
    return list;
  }

  /** The number of the last list, or 0. */
  sequence(registrar: PartyId): number {
    return this.#lists.get(registrar)?.sequence ?? 0;
  }
}
