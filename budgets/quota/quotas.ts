// Charges requests to the limits of an institution: all of them or none, once per request id, kept unless nothing left the domain.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { Counter, writtenSchema, type Written } from "../counts/counter.ts";
import { windowSchema } from "../counts/windows.ts";
import { readRow, type BudgetStore } from "../store.ts";
import { answerBits, askSchema, claimMember, type Ask, type Question } from "./ask.ts";
import type { NamedLimit } from "./policy.ts";

/** How old a request may be, and how far ahead its clock. Rows of requests are kept twice as long. */
export const askAgeMs = 24 * 3_600_000;
export const askAheadMs = 300_000;

const codes = { requests: "BUDGET_REQUESTS", companies: "BUDGET_COMPANIES", claims: "BUDGET_CLAIMS", bits: "BUDGET_ANSWER_BITS" } as const;

/** freeAt, milliseconds since 1970: when a request of this size fits again if nothing else is charged; absent: never under this limit. */
export type QuotaRefusal = {
  readonly code: (typeof codes)[keyof typeof codes]; readonly name: string; readonly used: number; readonly asked: number; readonly limit: number;
  readonly freeAt?: number | undefined;
};
export type Charged = { readonly ok: true; readonly replayed: boolean } | { readonly ok: false; readonly refusal: QuotaRefusal };
export type Settlement = "answered" | "nothing-left";

const askRowSchema = z.strictObject({
  digest: z.string(),
  state: z.enum(["charged", "answered", "refunded"]),
  madeAt: z.int(),
  /** What was written, each with its window: by these a charge is given back also after the policy changed. */
  written: z.array(writtenSchema.extend({ window: windowSchema })),
});

/** What one limit would be charged in one scope. */
type Bill = { readonly limit: NamedLimit; readonly counter: Counter; plain: number; readonly members: Map<string, number> };

export class Quotas {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #limitsFor: (institution: PartyId) => readonly NamedLimit[];

  /** limitsFor: asked at every charge, so that a changed policy holds at once (`limitsFor` of policy.ts). */
  constructor(options: { store: BudgetStore; now: Clock; limitsFor: (institution: PartyId) => readonly NamedLimit[] }) {
    this.#store = options.store;
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
      const limits = this.#limitsFor(ask.institution).filter((l) => l.services === undefined || l.services.includes(ask.service));
      const bills = this.#bills(ask, limits, now);
      const refusal = worst(bills.map((bill) => refusalOf(bill)).filter((r) => r !== undefined));
      if (refusal) return { ok: false, refusal };
      const written = bills.flatMap((bill) => pay(bill).map((w) => ({ ...w, window: bill.limit.window })));
      this.#put(ask.institution, ask.id, { digest, state: "charged", madeAt: ask.madeAt, written });
      return { ok: true, replayed: false };
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
  usage(scope: { institution: PartyId; company?: string; item?: string }): { readonly name: string; readonly used: number; readonly limit: number }[] {
    return this.#limitsFor(scope.institution)
      .filter((limit) => limit.per.every((part) => scope[part] !== undefined))
      .map((limit) => ({ name: limit.name, used: new Counter(this.#store, scopeKey(limit, scope), limit.window, this.#now()).used, limit: limit.limit }));
  }

  #bills(ask: Ask, limits: readonly NamedLimit[], now: number): Bill[] {
    const bills = new Map<string, Bill>();
    for (const limit of limits) {
      for (const [place, question] of ask.questions.entries()) {
        if (limit.per.includes("item") && question.item === undefined) continue;
        const member = limit.counts === "companies" ? question.company : claimMember(ask, place, question);
        if (limit.counts !== "requests" && member === undefined) continue;
        const key = scopeKey(limit, { institution: ask.institution, company: question.company, item: question.item });
        const bill = bills.get(key) ?? { limit, counter: new Counter(this.#store, key, limit.window, now), plain: 0, members: new Map<string, number>() };
        bills.set(key, bill);
        if (limit.counts === "requests") bill.plain = 1;
        // The item belongs to the member: one text claimed of two items is two claims.
        else bill.members.set(limit.counts === "companies" ? `${member}` : `${question.item}|${member}`, weightOf(limit, question));
      }
    }
    return [...bills.values()];
  }

  #row(institution: PartyId, id: string): z.output<typeof askRowSchema> | undefined {
    return readRow(this.#store, `quota-ask|${institution}|${id}`, askRowSchema);
  }

  #put(institution: PartyId, id: string, row: z.output<typeof askRowSchema>): void {
    this.#store.put(`quota-ask|${institution}|${id}`, JSON.stringify(row), row.madeAt + 2 * askAgeMs);
  }
}

/** The window belongs to the key: a limit whose window is changed counts from new. */
function scopeKey(limit: NamedLimit, scope: { readonly institution: PartyId; readonly company?: string | undefined; readonly item?: string | undefined }): string {
  const window = "rollingSeconds" in limit.window ? `last-${limit.window.rollingSeconds}` : `${limit.window.calendar}-${limit.window.timeZone}`;
  const part = (name: "institution" | "company" | "item"): string => (limit.per.includes(name) ? scope[name] ?? "" : "*");
  return `quota|${limit.name}|${limit.counts}|${window}|${part("institution")}|${part("company")}|${part("item")}`;
}

function weightOf(limit: NamedLimit, { claim }: Question): number {
  return limit.counts === "bits" && claim ? answerBits[claim.kind] : 1;
}

function askedOf({ plain, members, counter }: Bill): number {
  return [...members].reduce((sum, [member, weight]) => sum + counter.weightOf(member, weight), plain);
}

function refusalOf(bill: Bill): QuotaRefusal | undefined {
  const { limit: { name, counts, limit }, counter } = bill;
  const asked = askedOf(bill);
  // What adds nothing is free, also when a lowered limit is exceeded already.
  if (asked === 0 || counter.used + asked <= limit) return undefined;
  return { code: codes[counts], name, used: counter.used, asked, limit, freeAt: asked > limit ? undefined : counter.freeAt(limit - asked) };
}

function pay({ plain, members, counter }: Bill): Written[] {
  return [...(plain > 0 ? [counter.add(plain)] : []), ...[...members].map(([member, weight]) => counter.addMember(member, weight))];
}

/** The refusal that lasts longest. */
function worst(refusals: readonly QuotaRefusal[]): QuotaRefusal | undefined {
  return refusals.toSorted((a, b) => (b.freeAt ?? Infinity) - (a.freeAt ?? Infinity))[0];
}

/** A refusal as the error that a client sees. */
export function quotaError({ code, used, asked, limit, freeAt }: QuotaRefusal, now: number): AppError {
  return new AppError(code, { used, asked, limit, ...(freeAt === undefined ? {} : { freeAt, retryAfter: Math.max(1, Math.ceil((freeAt - now) / 1000)) }) });
}
