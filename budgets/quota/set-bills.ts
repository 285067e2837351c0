// What a set of companies is charged under one limit, without a row for each company.
import { Counter } from "../counts/counter.ts";
import { bytesOfHash, hasMember, memberBytes, membersOf, without, type SetStore } from "../counts/sets.ts";
import type { Slots } from "../counts/windows.ts";
import { isKeyedHash } from "../hashes.ts";
import { numbersOf, readNumbers, type BudgetStore } from "../store.ts";
import type { NamedLimit } from "./policy.ts";
import { overdrawn, type QuotaRefusal } from "./refusal.ts";

/** In place of a company: what is kept for all companies of a scope together. */
export const eachCompany = "each";
/** Where the largest count of one company is kept: count, until when. */
export const peakKey = (key: string): string => `quota-peak|${key}`;

export function readPeak(store: BudgetStore, key: string): readonly [count: number, until: number] | undefined {
  return readNumbers(store, key, 2) as [number, number] | undefined;
}

/** The key of one company's own count. The name of a limit, too, may have the word in it. */
function keyOfCompany(key: string, company: string): string {
  return key.replace(new RegExp(`\\|${eachCompany}\\|([^|]*)$`), `|${company}|$1`);
}

export type SetBill = { readonly refusal: QuotaRefusal | undefined; readonly pay: () => void };

export class SetBills {
  readonly #store: BudgetStore;
  readonly #sets: SetStore;
  readonly #slots: Slots;

  constructor(options: { store: BudgetStore; sets: SetStore; slots: Slots }) {
    this.#store = options.store;
    this.#sets = options.sets;
    this.#slots = options.slots;
  }

  /** One count over the whole set. */
  whole(limit: NamedLimit, key: string, members: Buffer, now: number): SetBill {
    const counter = new Counter(this.#store, key, limit.window, now, { slot: this.#slots.of(limit.window, now) });
    if (limit.counts === "requests") return { refusal: overdrawn(limit, counter, 1), pay: () => counter.add(1) };
    const { from, expires } = counter.slot;
    const sets = this.#sets.of(key, now);
    // What is counted as long or longer stays there; members of older sets move here, so that each is counted once and long enough.
    const kept = sets.filter((set) => set.from >= from).reduce((left, set) => without(left, set.members), members);
    const single = this.#singles(key, kept, from, now);
    const fresh = without(kept, single);
    const moved = sets.filter((set) => set.from < from).map((set) => ({ set, left: without(set.members, fresh) })).filter(({ set, left }) => left.length < set.members.length);
    const again = moved.reduce((sum, { set, left }) => sum + membersOf(set.members) - membersOf(left), 0);
    return {
      refusal: overdrawn(limit, counter, membersOf(fresh) - again),
      pay: () => {
        for (const { set, left } of moved) {
          this.#sets.remove(key, set);
          if (left.length > 0) this.#sets.add(key, { ...set, members: left });
          counter.move(set.from, set.expires, membersOf(set.members) - membersOf(left));
        }
        if (membersOf(fresh) > again) counter.add(membersOf(fresh) - again);
        if (fresh.length > 0) this.#sets.add(key, { from, expires, members: fresh });
      },
    };
  }

  /** Those of a set that were counted one by one as long or longer, packed, ascending. Throws BUDGET_STATE: a row that cannot be read takes no company off the count. */
  #singles(key: string, members: Buffer, from: number, now: number): Buffer {
    const found: Buffer[] = [];
    for (const [name, value] of this.#store.each(`${key}|m|`)) {
      const member = name.slice(key.length + 3);
      const [since, expires] = numbersOf(value, 4) as [number, number];
      if (expires <= now || since < from || !isKeyedHash(member)) continue;
      const bytes = bytesOfHash(member);
      if (hasMember(members, bytes)) found.push(bytes);
    }
    return Buffer.concat(found.sort((a, b) => a.compare(b)));
  }

  /** A count of its own for each company of the set: one request more about each. */
  each(limit: NamedLimit, key: string, members: Buffer, now: number): SetBill {
    if (limit.counts !== "requests") return { refusal: undefined, pay: () => undefined };
    const slot = this.#slots.of(limit.window, now);
    const sets = this.#sets.of(key, now);
    const pay = (): void => this.#sets.add(key, { from: slot.from, expires: slot.expires, members });
    const peak = readPeak(this.#store, peakKey(key));
    const singles = peak === undefined || peak[1] <= now ? 0 : peak[0];
    const jobs = sets.reduce((sum, { times = 1 }) => sum + times, 0);
    if (singles + jobs + 1 <= limit.limit) return { refusal: undefined, pay };
    // Company by company, only when the largest counts together could be too many.
    for (let at = 0; at < membersOf(members); at++) {
      const member = members.subarray(at * memberBytes, (at + 1) * memberBytes);
      const besides = sets.filter((set) => hasMember(set.members, member)).map((set) => [set.from, set.expires, set.times ?? 1] as [number, number, number]);
      const own = keyOfCompany(key, member.toString("hex"));
      if (besides.reduce((sum, [, , times]) => sum + times, singles) + 1 <= limit.limit) continue;
      const refusal = overdrawn(limit, new Counter(this.#store, own, limit.window, now, { slot, besides }), 1);
      if (refusal) return { refusal, pay };
    }
    return { refusal: undefined, pay };
  }
}
