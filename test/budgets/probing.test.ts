// Signals of probing by claims and sets: how often honest use is told of, and how soon attacks are, both simulated at fixed seeds under the default policy.
import { assert } from "chai";
import { describe, it } from "mocha";
import type { KeyedHash } from "../../budgets/hashes.ts";
import { excessOf, parseProbing, platformProbing, probingFor } from "../../budgets/probing/policy.ts";
import type { SetWatch } from "../../budgets/probing/sets.ts";
import { differenceOf, sketchOf } from "../../budgets/probing/sketch.ts";
import { probingError, type Judgement, type Verdict } from "../../budgets/probing/verdict.ts";
import { isAppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededDraw, type Draw } from "../support/draw.ts";
import { bank, day, fakeHash, geometric, insist, minute, note, probingWorld, start, tallyOf, type ProbingWorld, type Tally } from "../support/probing.ts";

describe("probing: varied claims", () => {
  /** One claim per value; with 8 % each time a corrected one after it; three in ten by blind ranges. */
  function honest(w: ProbingWorld, draw: Draw, values: number, tally: Tally): void {
    for (let v = 0; v < values; v++) {
      const isBlind = draw.uniform() < 0.3;
      const company = fakeHash(v >> 1);
      for (let c = 0, n = 1 + geometric(draw, 0.08); c < n; c++) {
        w.clock.now += minute * draw.int(40);
        note(tally, w.claims.ask({ institution: bank, company, item: `item.${v % 2}`, claim: isBlind ? `blind#${v}#${c}` : fakeHash(1e6 + 100 * v + c), bits: 1 }).verdict);
      }
    }
  }

  it("honest use is hardly told of, and never refused: 30 institutions, 1,000 values each", function () {
    this.timeout(60_000);
    const tally = tallyOf();
    let told = 0;
    for (let seed = 1; seed <= 30; seed++) {
      const before = tally.alert + tally.slow + tally.refuse;
      honest(probingWorld(), seededDraw(seed), 1000, tally);
      if (tally.alert + tally.slow + tally.refuse > before) told++;
    }
    assert.isAtMost((tally.alert + tally.slow) / tally.requests, 1e-3);
    assert.equal(tally.refuse, 0);
  });

  it("halving an amount, in the clear or by blind ranges, is told of at the fifth claim and ends at the tenth; answers of six bits would be at the fourth and sixth", () => {
    for (const { bits, alertAt, answered } of [{ bits: 1, alertAt: 5, answered: 10 }, { bits: 6, alertAt: 4, answered: 6 }]) {
      const w = probingWorld();
      const verdicts: Verdict[] = [];
      let learnt = 0;
      for (let i = 0; i < 40; i++) {
        w.clock.now += minute;
        const judgement = insist(w, () => w.claims.ask({ institution: bank, company: fakeHash(1), item: "tax.payment", claim: `${bits}#${i}`, bits }));
        verdicts.push(judgement.verdict);
        if (judgement.admitted) learnt++;
      }
      assert.equal(verdicts.findIndex((v) => v !== "allow") + 1, alertAt);
      assert.equal(learnt, answered);
      assert.equal(verdicts[39], "refuse");
      // The same claims again are free, and what is free again is so when it was said.
      assert.equal(w.claims.ask({ institution: bank, company: fakeHash(1), item: "tax.payment", claim: `${bits}#0`, bits }).verdict, "allow");
      const refused = w.claims.ask({ institution: bank, company: fakeHash(1), item: "tax.payment", claim: "new", bits });
      const error = probingError(refused, w.clock.now);
      assert.equal(error?.code, "BUDGET_PROBING");
      assert.equal(error?.facts["freeAt"], refused.retryAt);
      w.clock.now = refused.retryAt as number;
      assert.isTrue(insist(w, () => w.claims.ask({ institution: bank, company: fakeHash(1), item: "tax.payment", claim: "new", bits })).admitted);
    }
  });

  it("a slowed scope has to wait, longer each time, and others do not", () => {
    const w = probingWorld();
    const ask = (i: number, company = 1): Judgement => w.claims.ask({ institution: bank, company: fakeHash(company), item: "i", claim: `#${i}`, bits: 1 });
    for (let i = 0; i < 7; i++) assert.isTrue(ask(i).admitted);
    const waits: number[] = [];
    for (let i = 7; i < 10; i++) {
      const held = ask(i);
      assert.deepEqual([held.verdict, held.admitted], ["slow", false]);
      assert.equal(probingError(held, w.clock.now)?.code, "BUDGET_SLOWED");
      assert.isTrue(ask(1, 2).admitted);
      waits.push((held.retryAt ?? 0) - w.clock.now);
      w.clock.now = (held.retryAt ?? 0) - 1;
      assert.isFalse(ask(i).admitted);
      w.clock.now += 1;
      assert.isTrue(ask(i).admitted);
    }
    assert.deepEqual(waits, [2 * minute, 4 * minute, 8 * minute]);
  });

  it("few guesses about each of many companies add up, also among honest use", function () {
    this.timeout(60_000);
    let detected = 0;
    const heard: number[] = [];
    for (let seed = 101; seed <= 130; seed++) {
      const w = probingWorld();
      const draw = seededDraw(seed);
      honest(w, draw, 300, tallyOf());
      let first = 0;
      for (let c = 0; c < 200 && first === 0; c++) {
        for (let g = 0; g < 4; g++) {
          const { findings } = w.claims.ask({ institution: bank, company: fakeHash(50_000 + c), item: "item.0", claim: `#${c}#${g}`, bits: 1 });
          if (first === 0 && findings.some((f) => f.signal === "claim-spread")) first = 4 * c + g + 1;
        }
      }
      if (first > 0) detected++;
      heard.push(first);
    }
    heard.sort((a, b) => a - b);
    assert.equal(detected, 30);
    assert.isAtMost(heard[29] ?? Infinity, 400);
  });

  it("what is slowed over all companies waits whichever company is asked about", () => {
    const w = probingWorld({ ...platformProbing, claimSpread: { honestRate: 0, deviations: 0, excess: { slow: 3 } } });
    const ask = (company: number, claim: string): Judgement => w.claims.ask({ institution: bank, company: fakeHash(company), item: "i", claim, bits: 1 });
    for (const [company, claim] of [[1, "a"], [1, "b"], [2, "a"], [2, "b"], [3, "a"], [3, "b"], [4, "a"]] as const) assert.isTrue(ask(company, claim).admitted);
    const held = ask(4, "b");
    assert.deepEqual([held.verdict, held.admitted, held.retryAt], ["slow", false, start + 2 * minute]);
    assert.isTrue(ask(5, "a").admitted, "a first claim tells no more than an honest one");
  });

  it("refused claims and replays change nothing, and a damaged row refuses", () => {
    const w = probingWorld();
    const ask = (i: number): Judgement => insist(w, () => w.claims.ask({ institution: bank, company: fakeHash(1), item: "i", claim: `#${i}`, bits: 1 }));
    for (let i = 0; i < 10; i++) ask(i);
    const text = w.store.text;
    for (let i = 20; i < 40; i++) assert.equal(ask(i).verdict, "refuse");
    assert.equal(w.store.text, text);
    w.store.damage("probe|");
    assert.throws(() => ask(1), /BUDGET_STATE/);
  });
});

describe("probing: near-duplicate sets", () => {
  const some = (from: number, to: number): KeyedHash[] => Array.from({ length: to - from }, (_, i) => fakeHash(from + i));
  const sorted = (list: readonly KeyedHash[]): KeyedHash[] => list.toSorted();
  const base = some(0, 20_000);

  it("are measured by sketches within a few percent, small differences nearly exactly, whatever the size", () => {
    const whole = sketchOf(sorted(base));
    const errors: number[] = [];
    for (const difference of [1, 2, 5, 20, 100, 500, 2000, 10_000]) {
      for (let k = 0; k < 10; k++) {
        const out = Math.floor(difference / 2);
        const other = [...base.slice(0, k * 900), ...base.slice(k * 900 + out), ...some(100_000 + k * 20_000, 100_000 + k * 20_000 + difference - out)];
        errors.push(differenceOf(whole, sketchOf(sorted(other))) / difference - 1);
        if (difference <= 2) assert.isAtMost(Math.abs(errors.at(-1) ?? 1), 1, "two that fall on one place");
      }
    }
    const largest = Math.max(...errors.map(Math.abs));
    assert.isBelow(largest, 0.15);
    assert.equal(differenceOf(whole, sketchOf(sorted(base))), 0);
  });

  it("are refused under 20 companies, slowed under 100, told of under 500; the same set and clearly other ones are free", () => {
    const verdictOf = (change: number): Verdict => {
      const w = probingWorld();
      assert.equal(w.sets.ask({ institution: bank, dataset: "tax", companies: sorted(base) }).verdict, "allow");
      assert.equal(w.sets.ask({ institution: bank, dataset: "other", companies: sorted(base.slice(1)) }).verdict, "allow", "of another data set");
      assert.equal(w.sets.ask({ institution: bank, dataset: "tax", companies: sorted(base) }).verdict, "allow");
      return w.sets.ask({ institution: bank, dataset: "tax", companies: sorted(base.slice(change)) }).verdict;
    };
    assert.deepEqual([1, 2, 10, 19].map(verdictOf), ["refuse", "refuse", "refuse", "refuse"]);
    assert.deepEqual([40, 90].map(verdictOf), ["slow", "slow"]);
    assert.deepEqual([150, 499].map(verdictOf), ["alert", "alert"]);
    assert.deepEqual([620, 5000].map(verdictOf), ["allow", "allow"]);
  });

  it("detection and false alarms over random sets: none missed below the threshold, none told of from 1.25 times on", function () {
    this.timeout(60_000);
    const draw = seededDraw(9);
    const w = (): SetWatch => probingWorld().sets;
    let missed = 0;
    let falsely = 0;
    const runs = 150;
    for (let run = 0; run < runs; run++) {
      const from = draw.int(10_000);
      const earlier = some(from, from + 3000);
      for (const [change, isNear] of [[1 + draw.int(499), true], [625 + draw.int(2000), false]] as const) {
        const sets = w();
        sets.ask({ institution: bank, dataset: "d", companies: sorted(earlier) });
        const { verdict } = sets.ask({ institution: bank, dataset: "d", companies: sorted([...earlier.slice(change >> 1), ...some(200_000, 200_000 + change - (change >> 1))]) });
        if (isNear && verdict === "allow") missed++;
        if (!isNear && verdict !== "allow") falsely++;
      }
    }
    assert.deepEqual([missed, falsely], [0, 0]);
  });

  it("cannot be washed out: a full history refuses new sets until the oldest ends, in bounded memory", () => {
    const w = probingWorld({ ...platformProbing, sets: { ...platformProbing.sets, history: 4 } });
    const ask = (k: number): Judgement => w.sets.ask({ institution: bank, dataset: "d", companies: sorted(some(k * 2000, k * 2000 + 1500)) });
    for (let k = 0; k < 4; k++) {
      assert.isTrue(ask(k).admitted);
      w.clock.now += day;
    }
    const bytes = w.store.bytes;
    const fifth = ask(4);
    assert.deepEqual([fifth.verdict, fifth.findings[0]?.signal], ["refuse", "set-history"]);
    assert.equal(fifth.retryAt, start + 30 * day);
    assert.isTrue(ask(2).admitted, "a known set stays free");
    assert.equal(w.store.bytes, bytes);
    w.clock.now = fifth.retryAt as number;
    w.store.sweep(w.clock.now);
    assert.isTrue(ask(4).admitted);
  });

  it("of unsorted, repeated or raw ids are refused", () => {
    const { sets } = probingWorld();
    const bad = (companies: readonly string[]): string => {
      try {
        sets.ask({ institution: bank, dataset: "d", companies: companies as KeyedHash[] });
      } catch (error) {
        return isAppError(error) ? error.code : "?";
      }
      return "none";
    };
    const [a, b] = sorted(some(0, 2)) as [KeyedHash, KeyedHash];
    assert.deepEqual([bad([b, a]), bad([a, a]), bad([]), bad(["91310000MA1FL0AAXX"])], ["BUDGET_COMPANY_SET", "BUDGET_COMPANY_SET", "BUDGET_COMPANY_SET", "BUDGET_COMPANY_SET"]);
  });
});

describe("probing: policy", () => {
  it("replaces signals by layer and refuses thresholds in the wrong order", () => {
    const layers = parseProbing({ signals: { claims: { alert: 3 } }, institutions: { bank: { claims: { alert: 9, refuse: 9 }, slowSeconds: 5 } } });
    assert.deepEqual(probingFor(partyId("x"), layers), { ...platformProbing, claims: { alert: 3 } });
    assert.deepEqual(probingFor(bank, layers), { ...platformProbing, claims: { alert: 9, refuse: 9 }, slowSeconds: 5 });
    for (const bad of [{ signals: { claims: { alert: 5, refuse: 4 } } }, { signals: { sets: { differences: { alert: 10, refuse: 20 }, history: 4 } } }, { signals: { variants: { alert: 65 } } }, { signals: { unheard: 1 } }, 7]) {
      assert.throws(() => parseProbing(bad), /BUDGET_POLICY/);
    }
    assert.equal(excessOf(10, 0, { honestRate: 0.5, deviations: 4 }), 10);
    assert.equal(excessOf(100, 128, { honestRate: 0.5, deviations: 4 }), 4);
  });
});
