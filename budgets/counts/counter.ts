// Counts over a window: plain ones, and of different members (companies, claims). One row per counter and one per member; a rolling window has a
// bounded number of slots. A slot of the future, after a clock was set back, counts as well.
import { z } from "zod";
import { isKeyedHash } from "../hashes.ts";
import { readNumbers, readTable, type BudgetStore } from "../store.ts";
import { bytesOfHash, hasMember, type CountedSet } from "./sets.ts";
import { slotOf, type Slot, type Window } from "./windows.ts";

/** [from, expires, amount], by time. */
type Slots = [from: number, expires: number, amount: number][];
/** Slot in which it is counted, when that ends to count, weight, requests that counted it. */
type Member = [from: number, expires: number, weight: number, uses: number];

/** What was written, to be taken back by `undo`. `member` absent: a plain count. */
export const writtenSchema = z.strictObject({ counter: z.string(), from: z.int(), amount: z.int(), member: z.string().optional() });
export type Written = z.output<typeof writtenSchema>;

export class Counter {
  readonly #store: BudgetStore;
  readonly #key: string;
  readonly #slot: Slot;
  readonly #now: number;
  readonly #sets: readonly CountedSet[];
  readonly #besides: Slots;
  #slots: Slots;

  /** key: of the counter, with the window in it. sets: members that were counted together, their number is in the slots. besides: what counts here and
   *  is kept elsewhere. */
  constructor(store: BudgetStore, key: string, window: Window, now: number, more: { readonly slot?: Slot; readonly sets?: readonly CountedSet[]; readonly besides?: Slots } = {}) {
    this.#store = store;
    this.#key = key;
    this.#now = now;
    this.#slot = more.slot ?? slotOf(window, now);
    this.#sets = more.sets ?? [];
    this.#besides = more.besides ?? [];
    this.#slots = ((readTable(store, key, 3) ?? []) as Slots).filter(([, expires]) => expires > now);
  }

  get used(): number {
    return sumOf(this.#slots) + sumOf(this.#besides);
  }
  get slot(): Slot {
    return this.#slot;
  }

  /** When `used` has fallen to `most` if nothing is added; undefined: never (below zero). */
  freeAt(most: number): number | undefined {
    let left = this.used;
    if (left <= most) return this.#now;
    for (const [, expires, amount] of [...this.#slots, ...this.#besides].sort((a, b) => a[1] - b[1])) {
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

  /** Members that were counted in the slot from `from` are counted in that of now instead. */
  move(from: number, expires: number, amount: number): void {
    this.#change(from, expires, -amount);
    this.add(amount);
  }

  /** What a member would add: nothing while it is counted already. */
  weightOf(member: string, weight: number): number {
    return this.#member(member) === undefined && this.#setsWith(member).length === 0 ? weight : 0;
  }

  #setsWith(member: string): readonly CountedSet[] {
    if (this.#sets.length === 0 || !isKeyedHash(member)) return [];
    const bytes = bytesOfHash(member);
    return this.#sets.filter(({ members }) => hasMember(members, bytes));
  }

  /** Counts a member once, in the newest slot in which it was seen. */
  addMember(member: string, weight: number): Written {
    const known = this.#member(member);
    const { from, expires } = this.#slot;
    if (known === undefined) {
      // In a set that counts as long; one that ends earlier goes on beside it, so that it is counted twice rather than too short.
      if (this.#setsWith(member).some((set) => set.from >= from)) return { counter: this.#key, from, amount: 0 };
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

  #member(member: string): Member | undefined {
    const row = readNumbers(this.#store, this.#memberKey(member), 4) as Member | undefined;
    return row === undefined || row[1] <= this.#now ? undefined : row;
  }

  #memberKey(member: string): string {
    return `${this.#key}|m|${member}`;
  }

  #put(member: string, row: Member): void {
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

function sumOf(slots: Slots): number {
  let sum = 0;
  for (const [, , amount] of slots) sum += amount;
  return sum;
}
