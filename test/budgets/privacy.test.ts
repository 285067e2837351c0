// The accountant: what is charged, when, and never given back; conversions; sensitivity that holds whatever the data are.
import { assert } from "chai";
import { describe, it } from "mocha";
import { KeyedHashes, type KeyedHash } from "../../budgets/hashes.ts";
import { Accountant, noiseOf, type Release } from "../../budgets/privacy/accountant.ts";
import { clampedSums, declarationSchema, sensitivityOf, type Contribution, type Declaration } from "../../budgets/privacy/aggregate.ts";
import { isWithin, nothingSpent, parsePrivacyBudget, spend, statedSpend, type PrivacyBudget } from "../../budgets/privacy/budget.ts";
import { deltaOf, epsilonOf, epsilonOfBunSteinke, rhoOfPure } from "../../budgets/privacy/conversion.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { isAppError, type AppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import { MemoryBudgetStore } from "../support/budget-store.ts";
import { seededDraw } from "../support/draw.ts";

const start = Date.parse("2026-03-10T04:00:00Z");
const monthEnd = Date.parse("2026-03-31T16:00:00Z");
const period = { calendar: "month", timeZone: "Asia/Shanghai" } as const;
const pure: PrivacyBudget = { kind: "pure", epsilon: 1_000_000, period };
const hashes = new KeyedHashes(new Uint8Array(32).fill(5));
const companies = Array.from({ length: 200 }, (_, i) => hashes.company(`c${i}`)).toSorted();
const counts: Declaration = { cells: 4, low: 0, high: 1, perCompany: 1 };
const oneEach: Contribution[] = companies.map((company, i) => ({ company, values: [[i % 4, 1]] }));

type World = { store: MemoryBudgetStore; clock: { now: number }; accountant: Accountant; budget: { of: PrivacyBudget | undefined } };
function world(budget: PrivacyBudget | undefined = pure, seed = 1): World {
  const store = new MemoryBudgetStore();
  const clock = { now: start };
  const kept = { of: budget };
  return { store, clock, budget: kept, accountant: new Accountant({ store, now: () => clock.now, rng: seededRng(new Uint8Array(32).fill(seed), "noise"), budgetOf: () => kept.of }) };
}
const release = (id: string, more: Partial<Release> = {}): Release => (
  { id, dataset: "tax", query: sha256Hex("query"), declaration: counts, price: { noise: "laplace", epsilon: 300_000 }, ...more });
const errorOf = (work: () => unknown): AppError => {
  try {
    work();
  } catch (error) {
    if (isAppError(error)) return error;
    throw error;
  }
  return assert.fail("nothing was thrown");
};

describe("privacy: conversions", () => {
  it("agree with published values", () => {
    // OpenDP, rust/src/combinators/measure_cast/zCDP_to_approxDP/test.rs: a Gaussian of scale 4 at distance 1.
    const rho = 1 / 32;
    assert.closeTo(epsilonOf(rho, 1e-3), 0.6880024554878086, 1e-8);
    assert.closeTo(deltaOf(rho, 0.6880024554878086), 1e-3, 1e-10);
    assert.closeTo(deltaOf(rho, 0), 0.1508457845622862, 1e-8);
    // Bun, Steinke 2016, Proposition 1.3, in closed form where it is a whole number: ln(1/delta) = 16.
    assert.closeTo(epsilonOfBunSteinke(0.25, Math.exp(-16)), 4.25, 1e-12);
    assert.equal(rhoOfPure(0.5), 0.125);
    assert.deepEqual([epsilonOf(0, 1e-6), deltaOf(0, 1)], [0, 0]);
  });

  it("are inverse to each other, rise as they should and never exceed the older bound", () => {
    for (const rho of [1e-6, 0.001, 0.05, 0.5, 2.56, 30]) {
      for (const delta of [1e-3, 1e-6, 1e-10, 1e-30]) {
        const epsilon = epsilonOf(rho, delta);
        assert.isAtMost(epsilon, epsilonOfBunSteinke(rho, delta) * (1 + 1e-8));
        if (epsilon > 0) assert.closeTo(deltaOf(rho, epsilon) / delta, 1, 1e-5, `${rho} ${delta}`);
        if (epsilon > 0) assert.isAbove(epsilonOf(rho * 1.1, delta), epsilon);
      }
    }
  });

  it("never state less than the exact (epsilon, delta) of the discrete Gaussian (Canonne, Kamath, Steinke, Theorem 7)", () => {
    for (const variance of [0.5, 2, 10, 100]) {
      const mass = (x: number): number => Math.exp((-x * x) / (2 * variance));
      const reach = Math.ceil(60 * Math.sqrt(variance)) + 60;
      let norm = 0;
      for (let x = -reach; x <= reach; x++) norm += mass(x);
      const tail = (from: number): number => {
        let sum = 0;
        for (let x = reach; x >= from; x--) sum += mass(x);
        return sum / norm;
      };
      for (const delta of [1e-2, 1e-4, 1e-6]) {
        const epsilon = epsilonOf(1 / (2 * variance), delta);
        const exact = tail(Math.floor(epsilon * variance - 0.5) + 1) - Math.exp(epsilon) * tail(Math.floor(epsilon * variance + 0.5) + 1);
        assert.isAtMost(exact, delta);
      }
    }
  });
});

describe("privacy: sums", () => {
  it("clamp, cap and count each company once; missing values add nothing", () => {
    const declaration: Declaration = { cells: 3, low: -10, high: 100, perCompany: 2 };
    const [a, b, c] = companies as [KeyedHash, KeyedHash, KeyedHash];
    assert.deepEqual(clampedSums(declaration, [
      { company: a, values: [[0, 1e300], [1, -Infinity], [2, 50]] },
      { company: b, values: [[2, 60], [2, 60], [0, undefined], [1, Number.NaN]] },
      { company: c, values: [[0, 12.9], [1, -3.9]] },
    ]), [112n, -13n, 100n]);
    const order = (list: readonly KeyedHash[]): string => errorOf(() => clampedSums(declaration, list.map((company) => ({ company, values: [] })))).code;
    assert.deepEqual([order([a, a]), order([b, a]), order(["91310000MA1FL0AAXX" as KeyedHash])], ["BUDGET_COMPANY_SET", "BUDGET_COMPANY_SET", "BUDGET_COMPANY_SET"]);
    assert.equal(errorOf(() => clampedSums(declaration, [{ company: a, values: [[3, 1]] }])).code, "BUDGET_PRIVACY_PRICE");
  });

  it("move by no more than the declared sensitivity when one company comes or goes, whatever it holds (random runs)", () => {
    const draw = seededDraw(4);
    const wild = (): number => [draw.normal() * 10 ** draw.int(20), Infinity, -Infinity, Number.NaN, 0, 1e15, -7.5][draw.int(7)] as number;
    for (let run = 0; run < 300; run++) {
      const cells = 1 + draw.int(5);
      const low = -draw.int(50);
      const declaration = declarationSchema.parse({ cells, low, high: low + 1 + draw.int(100), perCompany: 1 + draw.int(cells) });
      const all = companies.slice(0, 10).map((company) => ({ company, values: Array.from({ length: draw.int(8) }, () => [draw.int(cells), wild()] as const) }));
      const whole = clampedSums(declaration, all);
      const without = clampedSums(declaration, all.toSpliced(draw.int(10), 1));
      const moved = whole.map((x, i) => x - (without[i] ?? 0n));
      const { l1, l2Squared } = sensitivityOf(declaration);
      assert.isTrue(moved.reduce((sum, x) => sum + (x < 0n ? -x : x), 0n) <= l1);
      assert.isTrue(moved.reduce((sum, x) => sum + x * x, 0n) <= l2Squared);
    }
  });

  it("get the noise that their price buys", () => {
    const wide: Declaration = { cells: 4096, low: -3, high: 2, perCompany: 2 };
    assert.deepEqual(noiseOf({ noise: "laplace", epsilon: 250_000 }, wide), { n: 6_000_000n, d: 250_000n });
    assert.deepEqual(noiseOf({ noise: "gaussian", rho: 5_000 }, wide), { n: 18_000_000n, d: 10_000n });
    const { accountant } = world({ kind: "zcdp", rho: 10_000_000, period });
    const spread = (price: Release["price"]): number => {
      const { values } = accountant.release(release(price.noise, { declaration: wide, price }), []);
      return values.reduce((sum, x) => sum + Number(x) ** 2, 0) / values.length;
    };
    // Laplace of scale 24: variance 2 * 24^2, kurtosis 6; Gaussian of variance 1800.
    assert.closeTo(spread({ noise: "laplace", epsilon: 250_000 }) / (2 * 24 ** 2), 1, 5 * Math.sqrt(5 / 4096) + 0.01);
    assert.closeTo(spread({ noise: "gaussian", rho: 5_000 }) / 1800, 1, 5 * Math.sqrt(2 / 4096));
  });
});

describe("privacy: the account", () => {
  it("adds prices up exactly, refuses what does not fit, gives nothing back, and begins anew with the period", () => {
    const { accountant, clock, store } = world();
    for (const id of ["1", "2", "3"]) assert.lengthOf(accountant.release(release(id), oneEach).values, 4);
    assert.deepInclude(accountant.account("tax"), { spent: 0.9, until: monthEnd });
    const text = store.text;
    const refused = errorOf(() => accountant.release(release("4"), oneEach));
    assert.equal(refused.code, "BUDGET_PRIVACY");
    assert.deepEqual(refused.facts, { used: 0.9, freeAt: monthEnd, retryAfter: (monthEnd - start) / 1000 });
    assert.equal(store.text, text);
    accountant.release(release("4", { price: { noise: "laplace", epsilon: 100_000 } }), oneEach);
    assert.equal(errorOf(() => accountant.release(release("5", { price: { noise: "laplace", epsilon: 1 } }), oneEach)).code, "BUDGET_PRIVACY");
    // Another data set has an account of its own.
    accountant.release(release("1", { dataset: "utilities" }), oneEach);
    clock.now = monthEnd;
    store.sweep(clock.now);
    assert.equal(accountant.account("tax").spent, 0);
    accountant.release(release("1"), oneEach);
    assert.equal(accountant.account("tax").spent, 0.3);
  });

  it("gives the same numbers for the same release, and refuses another one under its id", () => {
    const { accountant, store } = world();
    const first = accountant.release(release("1"), oneEach);
    const text = store.text;
    const again = accountant.release(release("1"), oneEach.slice(50));
    assert.deepEqual([again.values, again.replayed, first.replayed], [first.values, true, false]);
    assert.equal(store.text, text);
    for (const more of [{ query: sha256Hex("other") }, { price: { noise: "laplace", epsilon: 299_999 } as const }, { declaration: { ...counts, high: 2 } }]) {
      assert.equal(errorOf(() => accountant.release(release("1", more), oneEach)).code, "BUDGET_PRIVACY_CHANGED");
    }
    const second = accountant.release(release("2"), oneEach);
    assert.notDeepEqual(second.values, first.values);
    assert.equal(accountant.account("tax").spent, 0.6);
  });

  it("never counts less than was released: crashes at every write, after the commit, and while data are read", () => {
    let crashes = 0;
    for (let write = 0; ; write++) {
      const { accountant, store } = world();
      accountant.release(release("0"), oneEach);
      store.failAtWrite = write;
      let isThrown = false;
      try {
        accountant.release(release("1"), oneEach);
      } catch (error) {
        isThrown = true;
        assert.match(String(error), /disk full/);
      }
      store.failAtWrite = Infinity;
      if (!isThrown) break;
      crashes++;
      assert.equal(accountant.account("tax").spent, 0.3, "nothing came out, and nothing was charged");
      accountant.release(release("1"), oneEach);
      assert.equal(accountant.account("tax").spent, 0.6);
    }
    assert.isAtLeast(crashes, 2);

    const { accountant, store, clock } = world();
    store.dieAtCommit = 0;
    assert.throws(() => accountant.release(release("1"), oneEach), /killed/);
    // Killed before the charge (the first commit only looks) or after it: a new process gives one set of numbers, charged once.
    const reopened = new Accountant({ store, now: () => clock.now, rng: seededRng(new Uint8Array(32).fill(9), "other noise"), budgetOf: () => pure });
    const values = reopened.release(release("1"), oneEach).values;
    assert.deepEqual(reopened.release(release("1"), oneEach).values, values);
    assert.equal(reopened.account("tax").spent, 0.3);

    const late = world();
    function* broken(): Generator<Contribution> {
      yield oneEach[0] as Contribution;
      // Between look and charge another release takes the rest.
      for (const id of ["a", "b", "c"]) late.accountant.release(release(id), oneEach);
      yield oneEach[1] as Contribution;
    }
    assert.equal(errorOf(() => late.accountant.release(release("1"), broken())).code, "BUDGET_PRIVACY");
    assert.equal(late.accountant.account("tax").spent, 0.9);
  });

  it("charges before it gives: killed between the charge on disk and the answer, the numbers stay the same and are charged", () => {
    const { accountant, store } = world();
    // The first transaction only looks.
    store.dieAtCommit = 1;
    assert.throws(() => accountant.release(release("1"), oneEach), /killed/);
    assert.include(store.text, "privacy-release|tax|1");
    assert.equal(accountant.account("tax").spent, 0.3);
    const after = accountant.release(release("1"), oneEach);
    assert.isTrue(after.replayed);
    assert.equal(accountant.account("tax").spent, 0.3);
  });

  it("composes Gaussian and Laplace releases in zCDP and holds them against (epsilon, delta)", () => {
    const budget = parsePrivacyBudget({ kind: "approximate", epsilon: 1_000_000, deltaDigits: 6, period });
    const { accountant } = world(budget);
    let fits = 0;
    while (epsilonOf((fits + 1) * 0.001, 1e-6) <= 1) fits++;
    assert.isAbove(fits, 5);
    for (let k = 0; k < fits; k++) accountant.release(release(`${k}`, { price: { noise: "gaussian", rho: 1000 } }), oneEach);
    assert.closeTo(accountant.account("tax").spent, epsilonOf(fits * 0.001, 1e-6), 1e-9);
    assert.equal(errorOf(() => accountant.release(release("x", { price: { noise: "gaussian", rho: 1000 } }), oneEach)).code, "BUDGET_PRIVACY");
    // Laplace 0.5 is 0.125-zCDP.
    const mixed = spend(spend(nothingSpent, { noise: "laplace", epsilon: 500_000 }), { noise: "gaussian", rho: 7 });
    assert.deepEqual(mixed, { epsilon: 500_000n, rho: 125_000_000_000n + 7_000_000n, isPure: false });
    assert.equal(statedSpend({ kind: "zcdp", rho: 1, period }, mixed), 0.125007);
    assert.isTrue(isWithin({ kind: "zcdp", rho: 125_007, period }, mixed));
    assert.isFalse(isWithin({ kind: "zcdp", rho: 125_006, period }, mixed));
    // An odd square is rounded up.
    assert.equal(spend(nothingSpent, { noise: "laplace", epsilon: 3 }).rho, 5n);
    // Laplace alone may also be added up as it is.
    let alone = nothingSpent;
    for (let k = 0; k < 10; k++) alone = spend(alone, { noise: "laplace", epsilon: 100_000 });
    assert.isTrue(isWithin(budget, alone));
    assert.isFalse(isWithin(budget, spend(alone, { noise: "laplace", epsilon: 100_000 })));
  });

  it("gives no second budget for a clock that was set back, nor for a policy with other periods or another kind", () => {
    const { accountant, clock, budget } = world();
    for (const id of ["1", "2", "3"]) accountant.release(release(id), oneEach);
    const isRefused = (): void => assert.equal(errorOf(() => accountant.release(release("x"), oneEach)).code, "BUDGET_PRIVACY");
    clock.now = start - 40 * 86_400_000;
    isRefused();
    clock.now = start;
    budget.of = { ...pure, period: { calendar: "day", timeZone: "UTC" } };
    isRefused();
    budget.of = { ...pure, period: { calendar: "year", timeZone: "UTC" } };
    isRefused();
    budget.of = { kind: "zcdp", rho: 130_000, period };
    isRefused();
    budget.of = undefined;
    isRefused();
    const shorter = world();
    shorter.accountant.release(release("1"), oneEach);
    shorter.budget.of = { ...pure, period: { calendar: "day", timeZone: "UTC" } };
    shorter.accountant.release(release("2"), oneEach);
    shorter.clock.now = start + 2 * 86_400_000;
    assert.equal(shorter.accountant.account("tax").spent, 0.6, "the month's charge counts to its end");
    const other = world({ kind: "zcdp", rho: 100, period });
    other.accountant.release(release("g", { price: { noise: "gaussian", rho: 1 } }), oneEach);
    other.budget.of = pure;
    assert.equal(errorOf(() => other.accountant.release(release("p", { price: { noise: "laplace", epsilon: 1 } }), oneEach)).code, "BUDGET_PRIVACY", "what was Gaussian is not pure");
  });

  it("refuses bad declarations, prices and budgets, and damaged accounts", () => {
    const { accountant, store } = world();
    const bad = (more: object): string => errorOf(() => accountant.release({ ...release("1"), ...more }, oneEach)).code;
    for (const more of [{ price: { noise: "laplace", epsilon: 0 } }, { price: { noise: "laplace", epsilon: 0.5 } }, { price: { noise: "none" } }, { price: { noise: "gaussian", rho: 10 } }, { query: "x" },
      { declaration: { ...counts, cells: 0 } }, { declaration: { ...counts, low: 2 } }, { declaration: { ...counts, low: 0, high: 0 } }, { declaration: { ...counts, high: Number.NaN } }, { declaration: { ...counts, perCompany: 5 } }]) {
      assert.equal(bad(more), "BUDGET_PRIVACY_PRICE", JSON.stringify(more));
    }
    assert.equal(store.size, 0);
    for (const budget of [{ kind: "pure", epsilon: 1.5, period }, { kind: "zcdp", rho: 10, period: { rollingSeconds: 86_400 } }, { kind: "approximate", epsilon: 10, period }, null]) {
      assert.equal(errorOf(() => parsePrivacyBudget(budget)).code, "BUDGET_POLICY");
    }
    accountant.release(release("1"), oneEach);
    store.damage("privacy|");
    assert.equal(errorOf(() => accountant.release(release("2"), oneEach)).code, "BUDGET_STATE");
  });

  it("keeps neither companies nor exact sums", () => {
    const { accountant, store } = world();
    const sums = clampedSums(counts, oneEach);
    const { values } = accountant.release(release("1", { price: { noise: "laplace", epsilon: 1000 } }), oneEach);
    assert.notDeepEqual([...values], sums);
    for (const company of companies.slice(0, 20)) assert.notInclude(store.text, company);
  });
});
