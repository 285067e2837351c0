// What became of each attempt to take new data, and what an operator has asked for: rows in the state database, by which the command beside a running enclave
// talks with it.
import { z } from "zod";
import type { Code, Facts } from "../../core/errors.ts";
import type { Row, StateDatabase } from "../store/database.ts";

/** start: what the enclave was started with. files: they changed. */
export type Cause = "start" | "files" | "operator";
export type RefreshState = "asked" | "taken" | "unchanged" | "refused";
export type Refresh = {
  readonly id: number; readonly at: number; readonly cause: Cause;
  /** The operator takes another form of the data and far fewer companies, too. */
  readonly accept: boolean;
  readonly state: RefreshState;
  /** Why they were not taken, with positions and counts. */
  readonly code: Code | null; readonly facts: Facts;
  /** Companies in service after it, and before. */
  readonly rows: number | null; readonly before: number | null;
  readonly snapshotDigest: string | null; readonly endedAt: number | null;
};
export type Ended = { readonly state: "taken" | "unchanged" | "refused"; readonly code?: Code; readonly facts?: Facts; readonly rows: number; readonly before?: number | undefined; readonly snapshotDigest: string };

const kept = 200;
const lastTaken = "select id from data_refreshes where state = 'taken' order by ended_at desc, id desc limit 1";
const factsSchema = z.record(z.string(), z.union([z.number(), z.boolean()]));

export class RefreshStore {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  /** An operator's request: its number. */
  ask(now: number, accept: boolean): number {
    this.#db.run("insert into data_refreshes (at, cause, accept, state) values (?, 'operator', ?, 'asked')", now, accept ? 1 : 0);
    return Number(this.#db.get("select max(id) as id from data_refreshes where state = 'asked'")?.["id"]);
  }

  /** Open requests, the oldest first. */
  asked(): readonly Refresh[] {
    return this.#db.all("select * from data_refreshes where state = 'asked' order by id").map(read);
  }

  /** These requests stand, and wait for this. */
  wait(requests: readonly Refresh[], code: Code): void {
    for (const { id } of requests) this.#db.run("update data_refreshes set code = ? where id = ? and code is not ?", code, id, code);
  }

  /** How these requests ended, or, where nobody asked, an attempt by itself. */
  end(requests: readonly Refresh[], cause: Cause, now: number, ended: Ended): void {
    const { state, code, facts = {}, rows, before, snapshotDigest } = ended;
    // Of public names in facts (a party, an item) none is a number of this file's.
    const numbers = JSON.stringify(Object.fromEntries(Object.entries(facts).filter(([, value]) => typeof value !== "string")));
    const what = [state, code ?? null, numbers, rows, before ?? null, snapshotDigest, now] as const;
    this.#db.transaction(() => {
      for (const { id } of requests) this.#db.run("update data_refreshes set state = ?, code = ?, facts = ?, rows = ?, before_rows = ?, snapshot = ?, ended_at = ? where id = ?", ...what, id);
      if (requests.length === 0) this.#db.run("insert into data_refreshes (state, code, facts, rows, before_rows, snapshot, ended_at, at, cause) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", ...what, now, cause);
      this.#db.run(`delete from data_refreshes where state <> 'asked' and id <= (select max(id) from data_refreshes) - ? and id is not (${lastTaken})`, kept);
    });
  }

  get(id: number): Refresh | undefined {
    const row = this.#db.get("select * from data_refreshes where id = ?", id);
    return row && read(row);
  }

  /** The version in service, and the last attempt that was not taken since it came. */
  view(): { readonly inService: Refresh | undefined; readonly refused: Refresh | undefined } {
    const taken = this.#db.get(`select * from data_refreshes where id = (${lastTaken})`);
    const last = this.#db.get("select * from data_refreshes where state <> 'asked' order by ended_at desc, id desc limit 1");
    return { inService: taken && read(taken), refused: last?.["state"] === "refused" ? read(last) : undefined };
  }
}

function read(row: Row): Refresh {
  const number = (name: string): number | null => (row[name] === null ? null : Number(row[name]));
  return {
    id: Number(row["id"]), at: Number(row["at"]), cause: row["cause"] as Cause, accept: row["accept"] === 1, state: row["state"] as RefreshState, code: row["code"] as Code | null,
    facts: row["facts"] === null ? {} : factsSchema.parse(JSON.parse(String(row["facts"]))), rows: number("rows"), before: number("before_rows"),
    snapshotDigest: row["snapshot"] as string | null, endedAt: number("ended_at"),
  };
}
