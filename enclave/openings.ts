// Totals of companies that were opened for a bank, remembered for good: each is one equation about a company, whichever set it stood in.
import { setImmediate } from "node:timers/promises";
import type { PartyId } from "../core/brand.ts";
import { AppError, type Code } from "../core/errors.ts";
import { hasMember } from "../budgets/counts/sets.ts";
import { hashBytes, type RecordHashes } from "./record-hashes.ts";
import type { StateDatabase } from "./store/database.ts";

/** `what` names the opening. limit: different ones of a kind about one company. */
export type OpeningOfSet = {
  readonly guest: PartyId; readonly dataset: string; readonly kind: "training" | "score" | "evaluation" | `set/${string}`; readonly what: string; readonly hashes: RecordHashes; readonly limit: number; readonly code?: Code;
};

/** Companies of one transaction: some milliseconds. */
const atOnce = 1_000;
const insertSql = `insert or ignore into openings
  with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?5) select ?1, ?2, substr(?3, i * ${hashBytes} + 1, ${hashBytes}), ?4 from n`;
const othersSql = `select record, count(*) as n from openings where guest = ?1 and dataset = ?2 and record between ?3 and ?4 and what >= ?5 and what < ?6 and what <> ?7
  group by record having count(*) >= ?8`;

export class Openings {
  readonly #db: StateDatabase;
  readonly #services: () => void;

  /** services: writes what services have opened and not written yet, within a transaction. */
  constructor(db: StateDatabase, services: () => void) {
    this.#db = db;
    this.#services = services;
  }

  /**
   * Writes one more opening of each of these companies; the same one again (a replay, the same model) is free. Throws BUDGET_TOTALS or `code` when one of them has
   * had `limit` others. In slices, with a breath between them: first all are looked at, and a refusal writes nothing; then each slice is looked at again and written
   * in one transaction. What a service opened between the two may still refuse: then the slices before stay written, and count as opened.
   */
  async open(opening: OpeningOfSet): Promise<void> {
    const slices = [...slicesOf(opening.hashes.packed)];
    this.#db.transaction(() => this.#services());
    let most = 0;
    for (const [i, slice] of slices.entries()) {
      most = Math.max(most, this.#others(opening, slice));
      if (i + 1 < slices.length) await setImmediate();
    }
    this.#refuse(opening, most);
    for (const [i, slice] of slices.entries()) {
      const write = (): void => {
        this.#services();
        this.#refuse(opening, this.#others(opening, slice));
        const { guest, dataset, kind, what } = opening;
        this.#db.run(insertSql, guest, dataset, slice, `${kind}|${what}`, slice.length / hashBytes);
      };
      // The last one is on disk before anything is answered, and with it all of them.
      if (i + 1 === slices.length) this.#db.transaction(write);
      else {
        this.#db.transactionSoon(write);
        await setImmediate();
      }
    }
  }

  /** The largest number of other openings of this kind of a company in the slice, where it is the limit or more; else 0. */
  #others({ guest, dataset, kind, what, limit }: OpeningOfSet, slice: Buffer): number {
    const rows = this.#db.all(othersSql, guest, dataset, slice.subarray(0, hashBytes), slice.subarray(slice.length - hashBytes), `${kind}|`, `${kind}}`, `${kind}|${what}`, limit);
    return rows.reduce((most, { record, n }) => (record instanceof Uint8Array && hasMember(slice, Buffer.from(record)) ? Math.max(most, Number(n)) : most), 0);
  }

  #refuse({ limit, code = "BUDGET_TOTALS" }: OpeningOfSet, opened: number): void {
    if (opened >= limit) throw new AppError(code, { opened, limit });
  }
}

function* slicesOf(packed: Buffer): Generator<Buffer> {
  for (let at = 0; at < packed.length; at += atOnce * hashBytes) yield packed.subarray(at, at + atOnce * hashBytes);
}
