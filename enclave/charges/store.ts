// The rows of budgets in the state database, behind a memory in which requests are decided: what was decided is written with the group of its
// answers. What could not be written stays to be written: nothing that counted is forgotten while its answer may still leave.
import type { BudgetStore } from "../../budgets/store.ts";
import type { StateDatabase } from "../store/database.ts";
import { KeyFilter } from "./filter.ts";

type Held = { readonly value: string; readonly until: number } | undefined;

/** Rows kept in memory; those that are written are forgotten beyond it. */
const maxHeld = 100_000;
const sweepEveryWrites = 64;
const sweepRows = 512;

export class ChargeStore implements BudgetStore {
  readonly #db: StateDatabase;
  readonly #now: () => number;
  /** As things are now; undefined: no such row. */
  readonly #held = new Map<string, Held>();
  readonly #waiting = new Set<string>();
  readonly #written = new KeyFilter();
  #undo: [string, Held, boolean][] | undefined;
  #writes = 0;
  #sweptTo = "";

  constructor(db: StateDatabase, now: () => number) {
    this.#db = db;
    this.#now = now;
    for (const { key } of db.each("select key from budget_rows")) this.#written.add(String(key));
  }

  atomic<T>(work: () => T): T {
    if (this.#undo !== undefined) return work();
    const undo: [string, Held, boolean][] = [];
    this.#undo = undo;
    try {
      return work();
    } catch (error) {
      for (const [key, before, wasHeld] of undo.toReversed()) {
        // Written already where a transaction inside of this one failed later.
        if (wasHeld) this.#held.set(key, before);
        else this.#held.delete(key);
        if (wasHeld) this.#waiting.add(key);
        else this.#waiting.delete(key);
      }
      throw error;
    } finally {
      this.#undo = undefined;
    }
  }

  get(key: string): string | undefined {
    if (this.#held.has(key)) return this.#held.get(key)?.value;
    if (!this.#written.mayHave(key)) return undefined;
    const row = this.#db.get("select value, until from budget_rows where key = ?", key);
    const held = row === undefined ? undefined : { value: String(row["value"]), until: Number(row["until"]) };
    this.#held.set(key, held);
    return held?.value;
  }

  put(key: string, value: string, until: number): void {
    this.#change(key, { value, until });
  }

  delete(key: string): void {
    this.#change(key, undefined);
  }

  *each(prefix: string): Generator<readonly [string, string]> {
    for (const row of writtenRows(this.#db, prefix)) if (!this.#held.has(row[0])) yield row;
    for (const [key, held] of this.#held) if (held !== undefined && key.startsWith(prefix)) yield [key, held.value];
  }

  /** Within a transaction: writes what waits. Undone with it. */
  write(): void {
    if (this.#waiting.size > 0) {
      const keys = [...this.#waiting];
      this.#waiting.clear();
      this.#db.atEnd((isCommitted) => {
        if (isCommitted) this.#forget();
        else for (const key of keys) this.#waiting.add(key);
      });
      for (const key of keys) {
        const held = this.#held.get(key);
        if (held === undefined) this.#db.run("delete from budget_rows where key = ?", key);
        else {
          this.#db.run("insert or replace into budget_rows values (?, ?, ?)", key, held.value, held.until);
          this.#written.add(key);
        }
      }
    }
    if (++this.#writes % sweepEveryWrites === 0) this.#sweep();
  }

  #change(key: string, held: Held): void {
    if (this.#undo === undefined) throw new Error("a write outside of atomic");
    this.#undo.push([key, this.#held.get(key), this.#held.has(key)]);
    this.#held.set(key, held);
    this.#waiting.add(key);
  }

  #forget(): void {
    if (this.#held.size > maxHeld && this.#waiting.size === 0) this.#held.clear();
  }

  /** Rows that may be forgotten, a slice of the table at a time. */
  #sweep(): void {
    const slice = this.#db.all("select key, until from budget_rows where key > ? order by key limit ?", this.#sweptTo, sweepRows);
    this.#sweptTo = slice.length < sweepRows ? "" : String(slice.at(-1)?.["key"]);
    for (const { key, until } of slice) {
      const name = String(key);
      // What is held may have been renewed, and is not written yet.
      if (Number(until) < this.#now() && !this.#waiting.has(name)) {
        this.#db.run("delete from budget_rows where key = ?", name);
        this.#held.delete(name);
      }
    }
  }
}

/** The same rows without a memory, for what is rare and must be on disk when `atomic` comes back. Keys of its own. */
export class DirectStore implements BudgetStore {
  readonly #db: StateDatabase;
  #isOpen = false;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  atomic<T>(work: () => T): T {
    if (this.#isOpen) return work();
    this.#isOpen = true;
    try {
      return this.#db.transaction(work);
    } finally {
      this.#isOpen = false;
    }
  }

  get(key: string): string | undefined {
    const row = this.#db.get("select value from budget_rows where key = ?", key);
    return row === undefined ? undefined : String(row["value"]);
  }

  put(key: string, value: string, until: number): void {
    this.#db.run("insert or replace into budget_rows values (?, ?, ?)", key, value, until);
  }

  delete(key: string): void {
    this.#db.run("delete from budget_rows where key = ?", key);
  }

  each(prefix: string): Iterable<readonly [string, string]> {
    return writtenRows(this.#db, prefix);
  }
}

function writtenRows(db: StateDatabase, prefix: string): (readonly [key: string, value: string])[] {
  return db.all("select key, value from budget_rows where key >= ? and key < ?", prefix, `${prefix}\u{10ffff}`).map(({ key, value }) => [String(key), String(value)]);
}
