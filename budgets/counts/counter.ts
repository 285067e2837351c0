// Counts over a window: plain ones, and of different members (companies, claims). One row per counter and one per member; a rolling window has a
// bounded number of slots. A slot of the future, after a clock was set back, counts as well.
import { z } from "zod";
import { readRow, type BudgetStore } from "../store.ts";
import { slotOf, type Slot, type Window } from "./windows.ts";

const slotsSchema = z.array(z.tuple([z.int(), z.int(), z.int().min(0)]));
/** [from, expires, amount], by time. */
type Slots = z.output<typeof slotsSchema>;
/** Slot in which it is counted, when that ends to count, weight, requests that counted it. */
const memberSchema = z.tuple([z.int(), z.int(), z.int().min(0), z.int().min(1)]);

/** What was written, to be taken back by `undo`. `member` absent: a plain count. */
export const writtenSchema = z.strictObject({ counter: z.string(), from: z.int(), amount: z.int(), member: z.string().optional() });
export type Written = z.output<typeof writtenSchema>;

export class Counter {
  readonly #store: BudgetStore;
  readonly #key: string;
  readonly #slot: Slot;
  readonly #now: number;
  #slots: Slots;

  /** key: of the counter, with the window in it. */
  constructor(store: BudgetStore, key: string, window: Window, now: number) {
    this.#store = store;
    this.#key = key;
    this.#now = now;
    this.#slot = slotOf(window, now);
    this.#slots = (readRow(store, key, slotsSchema) ?? []).filter(([, expires]) => expires > now);
  }

  get used(): number {
    return this.#slots.reduce((sum, [, , amount]) => sum + amount, 0);
  }

  /** When `used` has fallen to `most` if nothing is added; undefined: never (below zero). */
  freeAt(most: number): number | undefined {
    let left = this.used;
    if (left <= most) return this.#now;
    for (const [, expires, amount] of this.#slots.toSorted((a, b) => a[1] - b[1])) {
      left -= amount;
      if (left <= most) return expires;
    }
    return undefined;
  }

  add(amount: number): Written {
    this.#change(this.#slot.from, this.#slot.expires, amount);
    this.#save();
    return { counter: this.#key, from: this.#slot.from, amount };
  }

  /** What a member would add: nothing while it is counted already. */
  weightOf(member: string, weight: number): number {
    return this.#member(member) === undefined ? weight : 0;
  }

  /** Counts a member once, in the newest slot in which it was seen. */
  addMember(member: string, weight: number): Written {
    const known = this.#member(member);
    const { from, expires } = this.#slot;
    if (known === undefined) {
      this.#change(from, expires, weight);
      this.#put(member, [from, expires, weight, 1]);
    } else {
      const [was, wasExpires, held, uses] = known;
      // A slot of the future stays where it is: counted the longer.
      const isLater = from > was;
      if (isLater) {
        this.#change(was, wasExpires, -held);
        this.#change(from, expires, held);
      }
      this.#put(member, [isLater ? from : was, isLater ? expires : wasExpires, held, uses + 1]);
    }
    this.#save();
    return { counter: this.#key, from, amount: 0, member };
  }

  /** Takes back what a request wrote. What other requests counted as well stays counted. */
  undo(written: Written): void {
    if (written.member === undefined) {
      const slot = this.#slots.find(([from]) => from === written.from);
      if (slot) this.#change(slot[0], slot[1], -written.amount);
    } else {
      const known = this.#member(written.member);
      if (known === undefined) return;
      const [from, expires, weight, uses] = known;
      if (uses > 1) {
        this.#put(written.member, [from, expires, weight, uses - 1]);
      } else {
        this.#store.delete(this.#memberKey(written.member));
        this.#change(from, expires, -weight);
      }
    }
    this.#save();
  }

  #member(member: string): z.output<typeof memberSchema> | undefined {
    const row = readRow(this.#store, this.#memberKey(member), memberSchema);
    return row === undefined || row[1] <= this.#now ? undefined : row;
  }

  #memberKey(member: string): string {
    return `${this.#key}|m|${member}`;
  }

  #put(member: string, row: z.output<typeof memberSchema>): void {
    this.#store.put(this.#memberKey(member), JSON.stringify(row), row[1]);
  }

  #change(from: number, expires: number, amount: number): void {
    const old = this.#slots.find((slot) => slot[0] === from);
    const rest = this.#slots.filter((slot) => slot !== old);
    const sum = Math.max(0, (old?.[2] ?? 0) + amount);
    this.#slots = (sum > 0 ? [...rest, [from, expires, sum] as [number, number, number]] : rest).sort((a, b) => a[0] - b[0]);
  }

  #save(): void {
    const last = this.#slots.reduce((most, [, expires]) => Math.max(most, expires), 0);
    if (last === 0) this.#store.delete(this.#key);
    else this.#store.put(this.#key, JSON.stringify(this.#slots), last);
  }
}
