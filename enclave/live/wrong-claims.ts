// Claims in a row about one value that were answered "no match": after some of them the next has to wait, an hour, then twice as long each time, at
// most a week. Who named the value begins anew; a match that anybody gets (something exists, a wide range) changes nothing. One count for all services of
// a bank at a data set, in memory, written with the group of the answers; companies are remembered as keyed hashes.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { Answer, PredicateKind } from "../../federation/verify/predicates.ts";
import type { Budgets } from "../budgets.ts";
import type { StateDatabase } from "../store/database.ts";

type Row = { readonly record: Uint8Array; readonly field: string; wrong: number; until: number };
/** Of one bank and data set; changed: what is not written yet. */
export type WrongRows = { readonly rows: Map<string, Row>; readonly changed: Set<Row> };

const hourMs = 3_600_000;
const longestMs = 168 * hourMs;
/** Rows kept in memory; those that have nothing to write are forgotten beyond it. */
const maxKept = 100_000;

export class WrongClaims {
  readonly #db: StateDatabase;
  readonly #now: Clock;
  readonly #limit: number;
  readonly #scope: string;
  readonly #hashOf: (company: string) => Uint8Array;
  readonly #rows: WrongRows["rows"];
  readonly #changed: WrongRows["changed"];

  /** limit: wrong ones in a row that are free. Counted over all services of this bank at this data set. */
  constructor(options: { readonly db: StateDatabase; readonly budgets: Budgets; readonly now: Clock; readonly guest: PartyId; readonly dataset: string; readonly limit: number }) {
    const { db, budgets, now, guest, dataset, limit } = options;
    this.#db = db;
    this.#now = now;
    this.#limit = limit;
    this.#scope = `${guest}|${dataset}`;
    ({ rows: this.#rows, changed: this.#changed } = budgets.wrongRows(this.#scope));
    this.#hashOf = (company) => budgets.hashId(guest, company);
  }

  /** Seconds for which claims about this value wait; 0 for none. */
  waits(company: string, field: string): number {
    return Math.max(0, Math.ceil((this.#rowOf(company, field).until - this.#now()) / 1000));
  }

  /** What was answered in the clear. Of a company that is not known nothing is guessed. */
  answered(company: string, field: string, answer: Answer, kind: PredicateKind): void {
    if (answer === "not-available" || (answer === "match" && kind !== "equals")) return;
    const row = this.#rowOf(company, field);
    if (answer === "match" && row.wrong === 0) return;
    row.wrong = answer === "match" ? 0 : row.wrong + 1;
    row.until = row.wrong < this.#limit ? 0 : this.#now() + Math.min(longestMs, hourMs * 2 ** (row.wrong - this.#limit));
    this.#changed.add(row);
  }

  /** Within the transaction of a group. */
  write(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) for (const row of changed) this.#changed.add(row);
      else if (this.#rows.size > maxKept && this.#changed.size === 0) this.#rows.clear();
    });
    for (const { record, field, wrong, until } of changed) {
      if (wrong === 0) this.#db.run("delete from verify_wrong where scope = ? and record = ? and field = ?", this.#scope, record, field);
      else this.#db.run("insert or replace into verify_wrong values (?, ?, ?, ?, ?)", this.#scope, record, field, wrong, until);
    }
  }

  #rowOf(company: string, field: string): Row {
    const record = this.#hashOf(company);
    const key = `${Buffer.from(record).toString("latin1")}|${field}`;
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const found = this.#db.get("select wrong, until from verify_wrong where scope = ? and record = ? and field = ?", this.#scope, record, field);
    const row: Row = { record, field, wrong: Number(found?.["wrong"] ?? 0), until: Number(found?.["until"] ?? 0) };
    this.#rows.set(key, row);
    return row;
  }
}
