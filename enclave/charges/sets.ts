// Sets of companies that jobs were charged for, in the state database: a line for each count, and each set once, whatever counts it.
import type { CountedSet, SetStore } from "../../budgets/counts/sets.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { StateDatabase } from "../store/database.ts";

type Line = { readonly from: number; readonly expires: number; readonly digest: string; readonly times: number };
/** Of sets that questions of services are held against. */
const maxHeldBytes = 128 * 2 ** 20;

export class ChargedSets implements SetStore {
  readonly #db: StateDatabase;
  readonly #lines = new Map<string, Line[]>();
  readonly #members = new Map<string, Buffer>();
  #bytes = 0;

  constructor(db: StateDatabase) {
    this.#db = db;
    this.read();
  }

  /** Reads anew what is written: after a transaction that was undone. */
  read(): void {
    this.#lines.clear();
    for (const { key, starts, expires, digest, times } of this.#db.all("select key, starts, expires, digest, times from budget_sets order by starts")) {
      const line = { from: Number(starts), expires: Number(expires), digest: String(digest), times: Number(times) };
      this.#lines.set(String(key), [...(this.#lines.get(String(key)) ?? []), line]);
    }
  }

  of(key: string, now: number): readonly CountedSet[] {
    const lines = this.#lines.get(key);
    if (lines === undefined) return [];
    const read = (digest: string): Buffer => this.#read(digest);
    return lines.filter((line) => line.expires > now).map(({ from, expires, digest, times }) => ({ from, expires, times, get members() { return read(digest); } }));
  }

  /** Within a transaction. */
  add(key: string, { from, expires, members }: CountedSet): void {
    const digest = sha256Hex(members);
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) this.read();
    });
    this.#db.run("insert or ignore into budget_members values (?, ?)", digest, members);
    const lines = this.#lines.get(key) ?? [];
    const known = lines.find((line) => line.from === from && line.digest === digest);
    const line = { from, expires: Math.max(expires, known?.expires ?? 0), digest, times: (known?.times ?? 0) + 1 };
    this.#db.run("insert or replace into budget_sets values (?, ?, ?, ?, ?)", key, from, line.expires, digest, line.times);
    this.#lines.set(key, [...lines.filter((l) => l !== known), line].sort((a, b) => a.from - b.from));
  }

  /** Within a transaction. */
  remove(key: string, { from, members }: CountedSet): void {
    const digest = sha256Hex(members);
    this.#db.run("delete from budget_sets where key = ? and starts = ? and digest = ?", key, from, digest);
    this.#lines.set(key, (this.#lines.get(key) ?? []).filter((line) => line.from !== from || line.digest !== digest));
  }

  /** Within a transaction: forgets what has ended. */
  sweep(now: number): void {
    this.#db.run("delete from budget_sets where expires <= ?", now);
    this.#db.run("delete from budget_members where digest not in (select digest from budget_sets)");
    this.read();
  }

  #read(digest: string): Buffer {
    const held = this.#members.get(digest);
    if (held !== undefined) return held;
    const packed = this.#db.get("select packed from budget_members where digest = ?", digest)?.["packed"];
    // Not nothing: what cannot be read counts as used up.
    if (!(packed instanceof Uint8Array)) throw new AppError("BUDGET_STATE");
    const members = Buffer.from(packed);
    if (this.#bytes + members.length > maxHeldBytes) {
      this.#members.clear();
      this.#bytes = 0;
    }
    this.#members.set(digest, members);
    this.#bytes += members.length;
    return members;
  }
}
