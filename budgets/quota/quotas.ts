// Charges requests to the limits of an institution: all of them or none, once per request id, kept unless nothing left the domain.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { Counter, writtenSchema, type Written } from "../counts/counter.ts";
import { bytesOfHash, hasMember, isPacked, noSets, type SetStore } from "../counts/sets.ts";
import { Slots, windowSchema, type Slot } from "../counts/windows.ts";
import type { KeyedHash } from "../hashes.ts";
import { readRow, type BudgetStore } from "../store.ts";
import { answerBits, askSchema, claimMember, type Ask, type Question } from "./ask.ts";
import type { NamedLimit, Service } from "./policy.ts";
import { overdrawn, type QuotaRefusal } from "./refusal.ts";
import { eachCompany, peakKey, readPeak, SetBills } from "./set-bills.ts";

/** How old a request may be, and how far ahead its clock. Rows of requests are kept twice as long. */
export const askAgeMs = 24 * 3_600_000;
export const askAheadMs = 300_000;

export type Charged = { readonly ok: true; readonly replayed: boolean } | { readonly ok: false; readonly refusal: QuotaRefusal };
/** freeAt: when all of it is free again if nothing more is charged. */
export type QuotaUse = { readonly name: string; readonly counts: NamedLimit["counts"]; readonly used: number; readonly limit: number; readonly freeAt: number | undefined };
export type Settlement = "answered" | "nothing-left";

const askRowSchema = z.strictObject({
  digest: z.string(),
  state: z.enum(["charged", "answered", "refunded"]),
  madeAt: z.int(),
  /** What was written, each with its window: by these a charge is given back also after the policy changed. */
  written: z.array(writtenSchema.extend({ window: windowSchema })),
});

/** A set of companies that one job asks about. id: names the charge; members: of this institution; shared: of the counts of all institutions, made when
 *  such a count applies. Both packed, ascending, each company once. */
export type SetAsk = {
  readonly id: string; readonly institution: PartyId; readonly service: Service; readonly items: readonly string[]; readonly members: Buffer; readonly shared: () => Buffer;
};

/** What one limit would be charged in one scope. peak: the key under which the largest count of one company is kept. */
type Bill = { readonly limit: NamedLimit; readonly counter: Counter; readonly peak?: string | undefined; plain: number; readonly members: Map<string, number> };
/** Charges of sets are remembered longer than any job lives. */
const setAgeMs = 40 * askAgeMs;

export class Quotas {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #limitsFor: (institution: PartyId) => readonly NamedLimit[];
  readonly #sets: SetStore;
  readonly #setBills: SetBills;
  readonly #slots = new Slots();
  /** Worked out once for each list of limits. */
  readonly #byService = new WeakMap<readonly NamedLimit[], Map<Service, readonly NamedLimit[]>>();

  /** limitsFor: asked at every charge, so that a changed policy holds at once (`limitsFor` of policy.ts). */
  constructor(options: { store: BudgetStore; now: Clock; limitsFor: (institution: PartyId) => readonly NamedLimit[]; sets?: SetStore }) {
    this.#store = options.store;
    this.#sets = options.sets ?? noSets;
    this.#setBills = new SetBills({ store: this.#store, sets: this.#sets, slots: this.#slots });
    this.#now = options.now;
    this.#limitsFor = options.limitsFor;
  }

  /**
   * Charges a request before anything is answered. The same request again is free; one whose charge was given back is charged anew. A refusal
   * changes nothing. Throws BUDGET_ASK, BUDGET_ASK_OLD, BUDGET_ASK_CHANGED, BUDGET_STATE, BUDGET_POLICY.
   */
  charge(given: Ask): Charged {
    const parsed = askSchema.safeParse(given);
    if (!parsed.success) throw new AppError("BUDGET_ASK");
    const ask = parsed.data;
    return this.#store.atomic(() => {
      const now = this.#now();
      const digest = digestOf(ask);
      const earlier = this.#row(ask.institution, ask.id);
      if (earlier && earlier.digest !== digest) throw new AppError("BUDGET_ASK_CHANGED");
      if (earlier && earlier.state !== "refunded") return { ok: true, replayed: true };
      if (now - ask.madeAt > askAgeMs || ask.madeAt - now > askAheadMs) throw new AppError("BUDGET_ASK_OLD");
      const { refusal, bills } = this.#admit(ask, now);
      if (refusal) return { ok: false, refusal };
      const written = bills.flatMap((bill) => this.#pay(bill).map((w) => ({ ...w, window: bill.limit.window })));
      this.#put(ask.institution, ask.id, { digest, state: "charged", madeAt: ask.madeAt, written });
      return { ok: true, replayed: false };
    });
  }

  /** Charges a question whose protocol answers it once (its number only rises), without a row of its own; its form is the caller's word. A refusal changes
   *  nothing. Throws BUDGET_STATE, BUDGET_POLICY. */
  count(ask: Ask): QuotaRefusal | undefined {
    return this.#store.atomic(() => {
      const { refusal, bills } = this.#admit(ask, this.#now());
      if (refusal === undefined) for (const bill of bills) this.#pay(bill);
      return refusal;
    });
  }

  /**
   * Charges a job over a set of companies, once per institution and id, with a few rows and one packed set in place of rows for each company. Counts of
   * requests and companies alone; claims have no sets. As one request where a count is not of single companies. A refusal changes nothing. Throws
   * BUDGET_COMPANY_SET, BUDGET_ASK_CHANGED, BUDGET_STATE, BUDGET_POLICY.
   */
  countSet(ask: SetAsk): QuotaRefusal | undefined {
    if (!isPacked(ask.members)) throw new AppError("BUDGET_COMPANY_SET");
    return this.#store.atomic(() => {
      const now = this.#now();
      const digest = digestOf([ask.service, [...ask.items], sha256Hex(ask.members)]);
      const earlier = this.#row(ask.institution, ask.id);
      if (earlier !== undefined && earlier.digest !== digest) throw new AppError("BUDGET_ASK_CHANGED");
      if (earlier !== undefined) return undefined;
      const refusals: QuotaRefusal[] = [];
      const pay: (() => void)[] = [];
      for (const limit of this.#limitsOf(ask)) {
        if (limit.counts === "claims" || limit.counts === "bits") continue;
        const members = limit.per.includes("institution") ? ask.members : ask.shared();
        for (const item of limit.per.includes("item") ? ask.items : [undefined]) {
          const key = scopeKey(limit, { institution: ask.institution, company: eachCompany, item });
          const bill = limit.per.includes("company") ? this.#setBills.each(limit, key, members, now) : this.#setBills.whole(limit, key, members, now);
          if (bill.refusal) refusals.push(bill.refusal);
          pay.push(bill.pay);
        }
      }
      const refusal = worst(refusals);
      if (refusal) return refusal;
      for (const work of pay) work();
      this.#store.put(askKey(ask.institution, ask.id), JSON.stringify({ digest, state: "answered", madeAt: now, written: [] }), now + setAgeMs);
      return undefined;
    });
  }

  /**
   * How a charged request ended. "nothing-left": it failed before anything about it left the domain, and its charge is given back. Everything
   * else stays charged, also what is never settled. Twice the same is fine. Throws BUDGET_ASK_SETTLED.
   */
  settle(institution: PartyId, id: string, settlement: Settlement): void {
    this.#store.atomic(() => {
      const row = this.#row(institution, id);
      const state = settlement === "answered" ? "answered" : "refunded";
      if (row?.state === state) return;
      if (row?.state !== "charged") throw new AppError("BUDGET_ASK_SETTLED");
      if (state === "refunded") {
        const now = this.#now();
        for (const { window, ...written } of row.written) new Counter(this.#store, written.counter, window, now).undo(written);
      }
      this.#put(institution, id, { ...row, state, written: [] });
    });
  }

  /** What is used now of each limit in the scope of an institution (and company and item where a limit has these). */
  usage(scope: { institution: PartyId; company?: string; item?: string }): QuotaUse[] {
    return this.#limitsFor(scope.institution)
      .filter((limit) => limit.per.every((part) => scope[part] !== undefined))
      .map((limit) => {
        const counter = new Counter(this.#store, scopeKey(limit, scope), limit.window, this.#now());
        return { name: limit.name, counts: limit.counts, used: counter.used, limit: limit.limit, freeAt: counter.freeAt(0) };
      });
  }

  #limitsOf({ institution, service }: Pick<Ask, "institution" | "service">): readonly NamedLimit[] {
    const all = this.#limitsFor(institution);
    const byService = this.#byService.get(all) ?? new Map<Service, readonly NamedLimit[]>();
    const found = byService.get(service) ?? all.filter((l) => l.services === undefined || l.services.includes(service));
    this.#byService.set(all, byService.set(service, found));
    return found;
  }

  #admit(ask: Ask, now: number): { readonly refusal: QuotaRefusal | undefined; readonly bills: readonly Bill[] } {
    const bills = this.#bills(ask, now);
    return { refusal: worst(bills.map((bill) => overdrawn(bill.limit, bill.counter, askedOf(bill))).filter((r) => r !== undefined)), bills };
  }

  #counter(limit: NamedLimit, key: string, setKey: string, company: string, now: number): Counter {
    const slot: Slot = this.#slots.of(limit.window, now);
    const sets = this.#sets.of(setKey, now);
    if (sets.length === 0) return new Counter(this.#store, key, limit.window, now, { slot });
    if (!limit.per.includes("company")) return new Counter(this.#store, key, limit.window, now, { slot, sets });
    const bytes = bytesOfHash(company as KeyedHash);
    return new Counter(this.#store, key, limit.window, now, { slot, besides: sets.filter((s) => hasMember(s.members, bytes)).map((s) => [s.from, s.expires, s.times ?? 1]) });
  }

  #bills(ask: Ask, now: number): Bill[] {
    const bills = new Map<string, Bill>();
    for (const limit of this.#limitsOf(ask)) {
      for (const [place, question] of ask.questions.entries()) {
        const company = limit.per.includes("institution") ? question.company : (question.shared ?? question.company);
        const member = limit.counts === "companies" ? company : claimMember(ask, place, question);
        if (limit.counts !== "requests" && member === undefined) continue;
        for (const item of itemsOf(limit, question)) {
          const key = scopeKey(limit, { institution: ask.institution, company, item });
          let bill = bills.get(key);
          if (bill === undefined) {
            const each = limit.per.includes("company") ? scopeKey(limit, { institution: ask.institution, company: eachCompany, item }) : key;
            bill = { limit, counter: this.#counter(limit, key, each, company, now), peak: each === key ? undefined : peakKey(each), plain: 0, members: new Map<string, number>() };
            bills.set(key, bill);
          }
          if (limit.counts === "requests") bill.plain = ask.cost ?? 1;
          // The item belongs to the member: one text claimed of two items is two claims.
          else bill.members.set(limit.counts === "companies" ? `${member}` : `${question.item}|${member}`, weightOf(limit, question));
        }
      }
    }
    return [...bills.values()];
  }

  #pay({ plain, members, counter, peak }: Bill): Written[] {
    const written = [...(plain > 0 ? [counter.add(plain)] : []), ...[...members].map(([member, weight]) => counter.addMember(member, weight))];
    if (peak !== undefined && plain > 0) {
      const known = readPeak(this.#store, peak);
      const { expires } = counter.slot;
      const [most, until] = known !== undefined && known[1] > this.#now() ? known : [0, 0];
      // Kept while any count below it lasts: too high is safe, it only makes sets be looked at company by company.
      if (counter.used > most || expires > until) this.#store.put(peak, JSON.stringify([Math.max(counter.used, most), Math.max(expires, until)]), Math.max(expires, until));
    }
    return written;
  }

  #row(institution: PartyId, id: string): z.output<typeof askRowSchema> | undefined {
    return readRow(this.#store, askKey(institution, id), askRowSchema);
  }

  #put(institution: PartyId, id: string, row: z.output<typeof askRowSchema>): void {
    this.#store.put(askKey(institution, id), JSON.stringify(row), row.madeAt + 2 * askAgeMs);
  }
}

const askKey = (institution: PartyId, id: string): string => `quota-ask|${institution}|${id}`;

/** The window belongs to the key: a limit whose window is changed counts from new. */
function scopeKey(limit: NamedLimit, scope: { readonly institution: PartyId; readonly company?: string | undefined; readonly item?: string | undefined }): string {
  const window = "rollingSeconds" in limit.window ? `last-${limit.window.rollingSeconds}` : `${limit.window.calendar}-${limit.window.timeZone}`;
  const part = (name: "institution" | "company" | "item"): string => (limit.per.includes(name) ? scope[name] ?? "" : "*");
  return `quota|${limit.name}|${limit.counts}|${window}|${part("institution")}|${part("company")}|${part("item")}`;
}

const anyItem = [undefined] as const;

/** What a question counts under where a limit has a count for each item. */
function itemsOf({ per, counts }: NamedLimit, { item, items }: Question): readonly (string | undefined)[] {
  if (!per.includes("item")) return anyItem;
  if (items !== undefined && (counts === "requests" || counts === "companies")) return items;
  return item === undefined ? [] : [item];
}

function weightOf(limit: NamedLimit, { claim }: Question): number {
  return limit.counts === "bits" && claim ? answerBits[claim.kind] : 1;
}

function askedOf({ plain, members, counter }: Bill): number {
  return [...members].reduce((sum, [member, weight]) => sum + counter.weightOf(member, weight), plain);
}

/** The refusal that lasts longest. */
function worst(refusals: readonly QuotaRefusal[]): QuotaRefusal | undefined {
  return refusals.toSorted((a, b) => (b.freeAt ?? Infinity) - (a.freeAt ?? Infinity))[0];
}
