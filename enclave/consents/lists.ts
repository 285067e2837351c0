// Lists of withdrawn consents at this enclave: each one is verified, kept in the state database as soon as it counts, and never goes back,
// also not over a restart. Two lists of one number are both kept: they are the evidence, and the registrar is not used while they are there.
import type { PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { Log } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { readRevocationList, Revocations, type RevocationList } from "../../consent/revocation.ts";
import type { Trust } from "../../consent/trust.ts";
import type { StateDatabase } from "../store/database.ts";

export type KeptList = { readonly registrar: PartyId; readonly digest: string; readonly sequence: number; readonly jws: string };

/** What a state database keeps; two of one registrar contradict each other. */
export function keptLists(db: StateDatabase): KeptList[] {
  return db.all("select registrar, digest, sequence, jws from revocation_lists order by registrar, sequence, digest").map((row) => (
    { registrar: row["registrar"] as PartyId, digest: String(row["digest"]), sequence: Number(row["sequence"]), jws: String(row["jws"]) }));
}

/** The operator's word, after the registrar and its supervisor have cleared it, which of two lists of one number counts; at the next start of the
 *  enclave. The other is forgotten. False when there are no two, or none of them is this. */
export function settleLists(db: StateDatabase, registrar: PartyId, digest: string): boolean {
  return db.transaction(() => {
    const known = db.get("select 1 as x from revocation_lists where registrar = ? and digest = ?", registrar, digest) !== undefined;
    if (!known || !isContradicted(db, registrar)) return false;
    db.run("delete from revocation_lists where registrar = ? and digest <> ?", registrar, digest);
    return true;
  });
}

function isContradicted(db: StateDatabase, registrar: PartyId): boolean {
  return Number(db.get("select count(*) as n from revocation_lists where registrar = ?", registrar)?.["n"] ?? 0) > 1;
}

export class RevocationLists {
  readonly #db: StateDatabase;
  readonly #log: Log;
  readonly #trust: Trust;
  readonly #revocations: Revocations;
  /** By registrar: SHA-256 of the signed text of the last list. */
  readonly #texts = new Map<PartyId, string>();
  /** Lists that contradicted another one: nothing that was found before them counts any more. */
  #forks = 0;

  /** Starts from what was kept. */
  constructor(options: { db: StateDatabase; log: Log; trust: Trust }) {
    this.#db = options.db;
    this.#log = options.log;
    this.#trust = options.trust;
    this.#revocations = new Revocations(options.trust);
    for (const { jws } of keptLists(this.#db)) this.#accept(jws);
  }

  /** What verifiers ask. */
  get revocations(): Revocations {
    return this.#revocations;
  }

  /** Takes a list that came from outside and returns it if it is new and counts; one that is refused changes nothing but, if it contradicts the one before, the trust in its registrar. */
  take(jws: string): RevocationList | undefined {
    if ([...this.#texts.values()].includes(sha256Hex(jws))) return undefined;
    const list = this.#accept(jws, (code) => {
      this.#log.warn("revocations-refused", { code });
      if (code !== "CONSENT_LIST_FORKED") return;
      const second = readRevocationList(jws, this.#trust);
      // Two are evidence enough: a registrar that goes on does not fill the disk.
      if (isContradicted(this.#db, second.registrar)) return;
      this.#forks += 1;
      this.#keep(second, jws);
    });
    // The evidence stays: a later list makes nothing good.
    if (list === undefined || isContradicted(this.#db, list.registrar)) return undefined;
    this.#db.transaction(() => {
      this.#db.run("delete from revocation_lists where registrar = ? and sequence < ?", list.registrar, list.sequence);
      this.#keep(list, jws);
    });
    return list;
  }

  /** SHA-256 of the list that counts for a registrar, and its text: what receipts name. */
  relied(registrar: PartyId): { readonly digest: string; readonly text: string } | undefined {
    const digest = this.#texts.get(registrar);
    const texts = this.#db.all("select jws from revocation_lists where registrar = ?", registrar).map((row) => String(row["jws"]));
    const text = texts.find((jws) => sha256Hex(jws) === digest);
    return digest === undefined || text === undefined ? undefined : { digest, text };
  }

  /** Which lists count now: changes when any of them does. */
  get state(): string {
    return [this.#forks, ...[...this.#texts].map(([registrar, digest]) => `${registrar}:${digest}`).sort()].join();
  }

  sequence(registrar: PartyId): number {
    return this.#revocations.sequence(registrar);
  }

  #accept(jws: string, refused?: (code: string) => void): RevocationList | undefined {
    try {
      const list = this.#revocations.accept(jws);
      this.#texts.set(list.registrar, sha256Hex(jws));
      return list;
    } catch (error) {
      // Of a registrar that is not trusted any more, or refused for what it says.
      if (!isAppError(error)) throw error;
      refused?.(error.code);
      return undefined;
    }
  }

  #keep(list: RevocationList, jws: string): void {
    this.#db.run("insert or ignore into revocation_lists values (?, ?, ?, ?)", list.registrar, list.digest, list.sequence, jws);
  }
}
