// Quotas: windows, layers, charges that happen once or not at all, and what is given back.
import { assert } from "chai";
import { describe, it } from "mocha";
import { Counter } from "../../budgets/counts/counter.ts";
import { rollingSteps, slotOf, type Window } from "../../budgets/counts/windows.ts";
import { KeyedHashes, type KeyedHash } from "../../budgets/hashes.ts";
import { ClaimWatch } from "../../budgets/probing/claims.ts";
import { platformProbing } from "../../budgets/probing/policy.ts";
import { probingError } from "../../budgets/probing/verdict.ts";
import { answerBits, maxQuestions, type Ask, type Question } from "../../budgets/quota/ask.ts";
import { limitsFor, parseQuotaPolicy, platformLimits, type Limit } from "../../budgets/quota/policy.ts";
import { Quotas } from "../../budgets/quota/quotas.ts";
import { quotaError, type QuotaRefusal } from "../../budgets/quota/refusal.ts";
import type { PartyId } from "../../core/brand.ts";
import { isAppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { MemoryBudgetStore } from "../support/budget-store.ts";
import { seededDraw } from "../support/draw.ts";

const hashes = new KeyedHashes(new Uint8Array(32).fill(7));
const company = (i: number): KeyedHash => hashes.company(`company ${i}`);
const bank = partyId("bank");
const other = partyId("other_bank");
const at = (text: string): number => Date.parse(text);
const day = 86_400_000;
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isAppError(error)) return error.code;
    return error instanceof Error ? error.message : "?";
  }
  return "none";
};

type World = { store: MemoryBudgetStore; quotas: Quotas; clock: { now: number }; ask: (id: string, questions: readonly Partial<Question>[], more?: Partial<Ask>) => Ask };
function world(limits: Record<string, Limit>, start = at("2026-03-10T04:00:00Z")): World {
  const store = new MemoryBudgetStore();
  const clock = { now: start };
  const quotas = new Quotas({ store, now: () => clock.now, limitsFor: () => Object.entries(limits).map(([name, limit]) => ({ name, ...limit })) });
  const ask: World["ask"] = (id, questions, more = {}) => (
    { id, madeAt: clock.now, institution: bank, service: "verify", questions: questions.map((q) => ({ company: company(0), ...q })), ...more });
  return { store, quotas, clock, ask };
}
const refusalOf = (charged: ReturnType<Quotas["charge"]>): QuotaRefusal => {
  assert.isFalse(charged.ok);
  return (charged as { refusal: QuotaRefusal }).refusal;
};
const clear = (value: string, item = "tax.payment", c = 0): Partial<Question> => ({ company: company(c), item, claim: { kind: "clear", digest: hashes.claim(company(c), item, value) } });
const monthly: Window = { calendar: "month", timeZone: "Asia/Shanghai" };

describe("budgets: windows", () => {
  it("begin and end where the clocks of the place say, over changes of the clocks too", () => {
    const slot = (calendar: "day" | "week" | "month" | "quarter" | "year", timeZone: string, now: string): string[] => {
      const { from, to, expires } = slotOf({ calendar, timeZone }, at(now));
      assert.equal(expires, to);
      return [new Date(from).toISOString(), new Date(to).toISOString()];
    };
    assert.deepEqual(slot("day", "Asia/Shanghai", "2026-03-09T16:00:00Z"), ["2026-03-09T16:00:00.000Z", "2026-03-10T16:00:00.000Z"]);
    assert.deepEqual(slot("day", "Asia/Shanghai", "2026-03-09T15:59:59.999Z"), ["2026-03-08T16:00:00.000Z", "2026-03-09T16:00:00.000Z"]);
    assert.deepEqual(slot("week", "UTC", "2026-03-15T23:59:59Z"), ["2026-03-09T00:00:00.000Z", "2026-03-16T00:00:00.000Z"]);
    assert.deepEqual(slot("month", "Asia/Shanghai", "2026-12-31T16:00:00Z"), ["2026-12-31T16:00:00.000Z", "2027-01-31T16:00:00.000Z"]);
    assert.deepEqual(slot("quarter", "UTC", "2026-06-30T12:00:00Z"), ["2026-04-01T00:00:00.000Z", "2026-07-01T00:00:00.000Z"]);
    assert.deepEqual(slot("year", "UTC", "2024-02-29T12:00:00Z"), ["2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"]);
    // 23 hours, and a day without midnight.
    assert.deepEqual(slot("day", "Europe/Berlin", "2026-03-29T12:00:00Z"), ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]);
    assert.deepEqual(slot("day", "America/Sao_Paulo", "2018-11-04T12:00:00Z"), ["2018-11-04T03:00:00.000Z", "2018-11-05T02:00:00.000Z"]);
  });

  it("that roll count a charge for at least the window and at most a step more, in bounded memory", () => {
    const window = { rollingSeconds: 3600 };
    const store = new MemoryBudgetStore();
    const draw = seededDraw(3);
    const step = Math.ceil(3_600_000 / rollingSteps);
    const charges: { at: number; amount: number }[] = [];
    let now = at("2026-01-01T00:00:00Z");
    for (let i = 0; i < 3000; i++) {
      now += draw.int(20_000);
      const amount = 1 + draw.int(3);
      store.atomic(() => new Counter(store, "c", window, now).add(amount));
      charges.push({ at: now, amount });
      const { used } = new Counter(store, "c", window, now);
      const since = (age: number): number => charges.filter((c) => now - c.at < age).reduce((sum, c) => sum + c.amount, 0);
      assert.isAtLeast(used, since(3_600_000));
      assert.isAtMost(used, since(3_600_000 + step + 1));
    }
    assert.isBelow(store.bytes, 4000);
  });

  it("tell when enough is free again, and keep what lies in the future when a clock is set back", () => {
    const store = new MemoryBudgetStore();
    const add = (now: number, amount: number): void => void store.atomic(() => new Counter(store, "c", { rollingSeconds: 86_400 }, now).add(amount));
    const start = at("2026-01-01T00:00:00Z");
    add(start, 5);
    add(start + day / 2, 3);
    const later = start + day / 2 + 1000;
    const counter = new Counter(store, "c", { rollingSeconds: 86_400 }, later);
    assert.equal(counter.used, 8);
    const free = counter.freeAt(3) as number;
    assert.equal(new Counter(store, "c", { rollingSeconds: 86_400 }, free).used, 3);
    assert.equal(new Counter(store, "c", { rollingSeconds: 86_400 }, free - 1).used, 8);
    assert.equal(counter.freeAt(8), later);
    assert.isUndefined(counter.freeAt(-1));
    assert.equal(new Counter(store, "c", { rollingSeconds: 86_400 }, start - 7 * day).used, 8);
  });
});

describe("budgets: layers of a policy", () => {
  it("replace limits by name: platform, provider, institution; none can be taken away", () => {
    const policy = parseQuotaPolicy({
      limits: { "companies-a-month": 5000, "own": { counts: "requests", per: ["item"], window: { rollingSeconds: 600 }, limit: 9 } },
      institutions: { bank: { "companies-a-month": 20_000, "own": { counts: "requests", per: ["institution"], window: { calendar: "day" }, limit: 1 } } },
    });
    const limits = (who: PartyId): Record<string, number> => Object.fromEntries(limitsFor(who, policy).map((l) => [l.name, l.limit]));
    const base = Object.fromEntries(Object.entries(platformLimits).map(([name, l]) => [name, l.limit]));
    assert.deepEqual(limits(bank), { ...base, "companies-a-month": 20_000, own: 1 });
    assert.deepEqual(limits(other), { ...base, "companies-a-month": 5000, own: 9 });
    assert.deepEqual(limitsFor(bank, policy).find((l) => l.name === "own")?.window, { calendar: "day", timeZone: "Asia/Shanghai" });
    assert.deepEqual(limits(partyId("x")), limits(other));
  });

  it("are refused when they do not fit", () => {
    const one = (limit: unknown): unknown => ({ limits: { a: limit } });
    const good = { counts: "requests", per: ["institution"], window: { calendar: "day" }, limit: 1 };
    assert.doesNotThrow(() => parseQuotaPolicy(one(good)));
    for (const bad of [null, [], { limit: {} }, one({ ...good, limit: -1 }), one({ ...good, limit: 1.5 }), one({ ...good, per: ["company", "company"] }), one({ ...good, counts: "rows" }),
      one({ ...good, window: { calendar: "day", timeZone: "Asia/Nowhere" } }), one({ ...good, window: { rollingSeconds: 0 } }), one({ ...good, extra: 1 }), { limits: { "A|b": 1 } }]) {
      assert.equal(codeOf(() => parseQuotaPolicy(bad)), "BUDGET_POLICY", JSON.stringify(bad));
    }
    assert.equal(codeOf(() => limitsFor(bank, parseQuotaPolicy({ limits: { unheard: 3 } }))), "BUDGET_POLICY");
  });
});

describe("budgets: quotas", () => {
  it("count requests, different companies, different claims and bits, each in its scope", () => {
    const { quotas, ask } = world({
      r: { counts: "requests", per: ["institution"], window: monthly, limit: 100 },
      rc: { counts: "requests", per: ["institution", "company"], window: monthly, limit: 100 },
      c: { counts: "companies", per: ["institution"], window: monthly, limit: 100 },
      ci: { counts: "companies", per: ["item"], window: monthly, limit: 100 },
      k: { counts: "claims", per: ["institution", "company", "item"], window: monthly, limit: 100 },
      b: { counts: "bits", per: ["institution", "company", "item"], window: monthly, limit: 100 },
      s: { counts: "requests", per: ["institution"], services: ["score"], window: monthly, limit: 0 },
    });
    const charge = (id: string, questions: readonly Partial<Question>[], more: Partial<Ask> = {}): void => assert.isTrue(quotas.charge(ask(id, questions, more)).ok);
    charge("1", [clear("a"), clear("b"), clear("a")]);
    charge("2", [clear("a")]);
    charge("3", [{ item: "tax.payment", claim: { kind: "blind-range" } }, { item: "tax.payment", claim: { kind: "blind-equality" } }]);
    charge("4", [{ item: "tax.payment", claim: { kind: "blind-range" } }], {});
    charge("5", [clear("a", "other.item"), clear("x", "tax.payment", 1), {}]);
    charge("1", [clear("z")], { institution: other });
    const used = (scope: Parameters<Quotas["usage"]>[0]): Record<string, number> => Object.fromEntries(quotas.usage(scope).map((u) => [u.name, u.used]));
    assert.deepEqual(used({ institution: bank, company: company(0), item: "tax.payment" }), { r: 5, rc: 5, c: 2, ci: 2, k: 5, b: 2 + answerBits["blind-range"] * 2 + answerBits["blind-equality"], s: 0 });
    assert.deepEqual(used({ institution: bank, company: company(0), item: "other.item" }), { r: 5, rc: 5, c: 2, ci: 1, k: 1, b: 1, s: 0 });
    assert.deepEqual(used({ institution: other, company: company(0), item: "tax.payment" }), { r: 1, rc: 1, c: 1, ci: 2, k: 1, b: 1, s: 0 });
    assert.equal(answerBits["blind-range"], 1, "one evaluation of one circuit");
    assert.equal(refusalOf(quotas.charge(ask("6", [{}], { service: "score" }))).code, "BUDGET_REQUESTS");
  });

  it("refuse the whole request with the code of what is used up, how much, and when it is free again", () => {
    const { quotas, clock, ask, store } = world({
      r: { counts: "requests", per: ["institution"], window: { calendar: "day", timeZone: "Asia/Shanghai" }, limit: 3 },
      c: { counts: "companies", per: ["institution"], window: monthly, limit: 2 },
      k: { counts: "claims", per: ["company", "item"], window: { rollingSeconds: 86_400 }, limit: 2 },
    });
    assert.isTrue(quotas.charge(ask("1", [clear("a"), clear("b")])).ok);
    const before = store.text;
    const third = refusalOf(quotas.charge(ask("2", [clear("c"), clear("a"), { company: company(1) }])));
    assert.deepInclude(third, { code: "BUDGET_CLAIMS", name: "k", used: 2, asked: 1, limit: 2 });
    assert.equal(store.text, before, "a refusal changes nothing");
    assert.isTrue(quotas.charge(ask("3", [{ company: company(1) }])).ok);
    const companies = refusalOf(quotas.charge(ask("4", [{ company: company(2) }, { company: company(1) }])));
    assert.deepInclude(companies, { code: "BUDGET_COMPANIES", used: 2, asked: 1, limit: 2, freeAt: at("2026-03-31T16:00:00Z") });
    assert.isTrue(quotas.charge(ask("5", [{ company: company(1) }])).ok, "known companies stay free");
    const requests = refusalOf(quotas.charge(ask("6", [{ company: company(1) }])));
    assert.deepInclude(requests, { code: "BUDGET_REQUESTS", used: 3, asked: 1, limit: 3, freeAt: at("2026-03-10T16:00:00Z") });
    assert.deepEqual(quotaError(requests, clock.now).facts, { used: 3, asked: 1, limit: 3, freeAt: at("2026-03-10T16:00:00Z"), retryAfter: 12 * 3600 });
    // More than the limit as such never fits; of several the longest is told.
    const never = refusalOf(quotas.charge(ask("7", [clear("c"), clear("d"), clear("e")])));
    assert.equal(never.code, "BUDGET_CLAIMS");
    assert.isUndefined(never.freeAt);
    clock.now = requests.freeAt as number;
    assert.isTrue(quotas.charge(ask("6", [{ company: company(1) }])).ok, "free when it was said to be");
    clock.now = third.freeAt as number;
    assert.isTrue(quotas.charge(ask("8", [clear("c")])).ok);
  });

  it("charge a request once, however often it comes, also after a crash at any write, and never half", () => {
    const limits: Record<string, Limit> = {
      r: { counts: "requests", per: ["institution"], window: monthly, limit: 100 },
      c: { counts: "companies", per: ["institution"], window: { rollingSeconds: 86_400 }, limit: 100 },
      k: { counts: "claims", per: ["company", "item"], window: monthly, limit: 100 },
    };
    const plain = world(limits);
    const questions = [clear("a"), clear("b"), clear("c", "tax.payment", 1)];
    assert.deepEqual(plain.quotas.charge(plain.ask("1", questions)), { ok: true, replayed: false });
    for (let i = 0; i < 3; i++) assert.deepEqual(plain.quotas.charge(plain.ask("1", questions)), { ok: true, replayed: true });
    let crashes = 0;
    for (let write = 0; ; write++) {
      const { quotas, ask, store } = world(limits);
      const request = ask("1", questions);
      store.failAtWrite = write;
      const message = codeOf(() => quotas.charge(request));
      store.failAtWrite = Infinity;
      if (message === "none") break;
      crashes++;
      assert.equal(message, "disk full");
      assert.equal(store.size, 0);
      assert.deepEqual(quotas.charge(request), { ok: true, replayed: false });
      assert.equal(store.text, plain.store.text);
    }
    assert.isAbove(crashes, 5);
    const killed = world(limits);
    killed.store.dieAtCommit = 0;
    assert.equal(codeOf(() => killed.quotas.charge(killed.ask("1", questions))), "killed");
    assert.deepEqual(killed.quotas.charge(killed.ask("1", questions)), { ok: true, replayed: true });
    assert.equal(killed.store.text, plain.store.text);
  });

  it("give a charge back only when nothing left, once, and not what another request counted too", () => {
    const { quotas, clock, ask } = world({
      r: { counts: "requests", per: ["institution"], window: { rollingSeconds: 86_400 }, limit: 10 },
      c: { counts: "companies", per: ["institution"], window: { rollingSeconds: 86_400 }, limit: 2 },
    });
    const used = (): number[] => quotas.usage({ institution: bank }).map((u) => u.used);
    quotas.charge(ask("1", [{ company: company(1) }]));
    clock.now += 7_200_000;
    quotas.charge(ask("2", [{ company: company(1) }, { company: company(2) }]));
    assert.deepEqual(used(), [2, 2]);
    quotas.settle(bank, "1", "nothing-left");
    quotas.settle(bank, "1", "nothing-left");
    assert.deepEqual(used(), [1, 2], "company 1 was asked about by request 2 as well");
    quotas.settle(bank, "2", "nothing-left");
    assert.deepEqual(used(), [0, 0]);
    // A request whose charge was given back is charged anew when it comes again.
    const again = ask("2", [{ company: company(1) }, { company: company(2) }], { madeAt: clock.now });
    assert.deepEqual(quotas.charge(again), { ok: true, replayed: false });
    assert.deepEqual(used(), [1, 2]);
    quotas.settle(bank, "2", "answered");
    quotas.settle(bank, "2", "answered");
    assert.equal(codeOf(() => quotas.settle(bank, "2", "nothing-left")), "BUDGET_ASK_SETTLED");
    assert.equal(codeOf(() => quotas.settle(bank, "none", "nothing-left")), "BUDGET_ASK_SETTLED");
    assert.equal(codeOf(() => quotas.settle(other, "2", "answered")), "BUDGET_ASK_SETTLED");
    assert.deepEqual(used(), [1, 2], "what failed or was never settled stays charged");
    clock.now += day + 7_200_000;
    assert.deepEqual(used(), [0, 0]);
  });

  it("never count fewer companies in a rolling window than were asked about, whatever is given back (random runs)", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const draw = seededDraw(seed);
      const { quotas, clock, ask, store } = world({ c: { counts: "companies", per: ["institution"], window: { rollingSeconds: 3600 }, limit: 1e6 } });
      const kept: { at: number; company: number }[] = [];
      for (let i = 0; i < 200; i++) {
        clock.now += draw.int(300_000);
        store.sweep(clock.now);
        const who = draw.int(12);
        quotas.charge(ask(`${i}`, [{ company: company(who) }]));
        if (draw.int(3) === 0) quotas.settle(bank, `${i}`, "nothing-left");
        else kept.push({ at: clock.now, company: who });
        const asked = new Set(kept.filter((k) => clock.now - k.at < 3_600_000).map((k) => k.company)).size;
        const [usage] = quotas.usage({ institution: bank });
        assert.isAtLeast(usage?.used ?? 0, asked);
        assert.isAtMost(usage?.used ?? 0, 12);
      }
    }
  });

  it("refuse bad input: malformed, too much, too old, another content under a used id, damaged rows", () => {
    const { quotas, clock, ask, store } = world({ r: { counts: "requests", per: ["institution"], window: monthly, limit: 1000 } });
    const bad = (more: object): string => codeOf(() => quotas.charge({ ...ask("1", [{}]), ...more }));
    for (const more of [{ id: "" }, { id: "a|b" }, { institution: "Bank!" }, { service: "copy" }, { questions: [] }, { questions: [{ company: "91310000MA1FL0AAXX" }] }, { madeAt: Number.NaN },
      { questions: [{ company: company(0), claim: { kind: "blind-range" } }] }, { questions: Array.from({ length: maxQuestions + 1 }, () => ({ company: company(0) })) }, { extra: 1 }]) {
      assert.equal(bad(more), "BUDGET_ASK", JSON.stringify(more).slice(0, 80));
    }
    assert.equal(bad({ madeAt: clock.now - day - 1 }), "BUDGET_ASK_OLD");
    assert.equal(bad({ madeAt: clock.now + 600_000 }), "BUDGET_ASK_OLD");
    assert.equal(store.size, 0);
    quotas.charge(ask("1", [{}]));
    assert.equal(bad({ questions: [{ company: company(5) }] }), "BUDGET_ASK_CHANGED");
    // A replay is known for as long as its age would let it in as new.
    const first = ask("1", [{}]);
    clock.now += day + 1000;
    store.sweep(clock.now);
    assert.deepEqual(quotas.charge(first), { ok: true, replayed: true });
    clock.now += 2 * day;
    store.sweep(clock.now);
    assert.equal(codeOf(() => quotas.charge(first)), "BUDGET_ASK_OLD");
    store.damage("quota|r");
    assert.equal(codeOf(() => quotas.charge(ask("9", [{}]))), "BUDGET_STATE");
  });

  it("join the probing watches in one transaction: what these refuse costs nothing", () => {
    const { quotas, clock, ask, store } = world({ r: { counts: "requests", per: ["institution"], window: monthly, limit: 100 } });
    const watch = new ClaimWatch({ store, now: () => clock.now, policyFor: () => ({ ...platformProbing, claims: { refuse: 3 } }) });
    const asked = (i: number): string => codeOf(() => store.atomic(() => {
      const charged = quotas.charge(ask(`${i}`, [clear(`${i}`)]));
      if (!charged.ok) throw quotaError(charged.refusal, clock.now);
      const error = charged.replayed ? undefined : probingError(watch.ask({ institution: bank, company: company(0), item: "tax.payment", claim: `${i}`, bits: 1 }), clock.now);
      if (error) throw error;
    }));
    assert.deepEqual([1, 2, 2, 3, 4].map(asked), ["none", "none", "none", "BUDGET_PROBING", "BUDGET_PROBING"]);
    assert.equal(quotas.usage({ institution: bank })[0]?.used, 2);
  });

  it("hold no company, and nothing that a list of credit codes would show without the key", () => {
    const { quotas, ask, store } = world({ c: { counts: "companies", per: ["institution", "company"], window: monthly, limit: 10 }, k: { counts: "claims", per: ["item"], window: monthly, limit: 10 } });
    quotas.charge(ask("1", [clear("12,345.67")]));
    assert.notInclude(store.text, "company 0");
    assert.notInclude(store.text, "12,345");
    assert.notEqual(new KeyedHashes(new Uint8Array(32).fill(8)).company("company 0"), company(0));
    assert.throws(() => new KeyedHashes(new Uint8Array(31)), RangeError);
    assert.notEqual(hashes.claim(company(0), "ab", "c"), hashes.claim(company(0), "a", "bc"));
  });
});
