// A store of budgets in memory that keeps what a file would keep: a transaction that throws leaves nothing, and it can be told to fail.
import type { BudgetStore } from "../../budgets/store.ts";

type Row = { readonly value: string; readonly until: number };

export class MemoryBudgetStore implements BudgetStore {
  readonly #rows = new Map<string, Row>();
  #undo: [string, Row | undefined][] = [];
  #isOpen = false;
  /** Throws at the so-many-th write from now, as a full disk would. */
  failAtWrite = Infinity;
  /** Throws once, after so many more transactions and this one are on disk: the process dies before it could answer. */
  dieAtCommit = Infinity;

  atomic<T>(work: () => T): T {
    if (this.#isOpen) return work();
    this.#undo = [];
    this.#isOpen = true;
    let result;
    try {
      result = work();
    } catch (error) {
      for (const [key, row] of this.#undo.toReversed()) {
        if (row === undefined) this.#rows.delete(key);
        else this.#rows.set(key, row);
      }
      throw error;
    } finally {
      this.#isOpen = false;
    }
    if (--this.dieAtCommit < 0) {
      this.dieAtCommit = Infinity;
      throw new Error("killed");
    }
    return result;
  }

  get(key: string): string | undefined {
    return this.#rows.get(key)?.value;
  }

  put(key: string, value: string, until: number): void {
    if (!this.#isOpen) throw new Error("a write outside of a transaction");
    if (--this.failAtWrite < 0) throw new Error("disk full");
    this.#undo.push([key, this.#rows.get(key)]);
    this.#rows.set(key, { value, until });
  }

  delete(key: string): void {
    if (!this.#isOpen) throw new Error("a write outside of a transaction");
    this.#undo.push([key, this.#rows.get(key)]);
    this.#rows.delete(key);
  }

  *each(prefix: string): Generator<readonly [string, string]> {
    for (const [key, { value }] of Array.from(this.#rows)) if (key.startsWith(prefix)) yield [key, value];
  }

  /** Forgets what may be forgotten. */
  sweep(now: number): void {
    for (const [key, row] of this.#rows) if (row.until < now) this.#rows.delete(key);
  }

  get size(): number {
    return this.#rows.size;
  }

  get bytes(): number {
    return [...this.#rows].reduce((sum, [key, { value }]) => sum + key.length + value.length, 0);
  }

  get text(): string {
    return [...this.#rows].map(([key, { value }]) => `${key}=${value}`).join("\n");
  }

  damage(prefix: string): void {
    for (const [key, row] of this.#rows) if (key.startsWith(prefix)) this.#rows.set(key, { ...row, value: "{" });
  }
}
