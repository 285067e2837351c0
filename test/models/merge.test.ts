import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { isAppError } from "../../core/errors.ts";
import { chiMergeStarts, treeStarts } from "../../models/binning/chimerge.ts";
import { mergeBins, type BinCounts, type MergeOptions } from "../../models/binning/merge.ts";
import { bestPartition, objectiveScore, type Objective, type Trend } from "../../models/binning/partition.ts";
import { woeTable } from "../../models/binning/woe.ts";

const options: MergeOptions = {
  method: "optimal", prebins: "quantile", treeLeaves: 8, objective: "iv", trend: "none", maxBins: 5, minBinShare: 0.05,
  minRows: 20, minGoods: 5, minBads: 5, binPenalty: 0,
};
const upTo60 = fc.integer({ min: 0, max: 60 });
const cell = fc.tuple(upTo60, upTo60).map(([goods, bads]) => ({ n: goods + bads, e: bads }));
const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

function numericCounts(cells: readonly { n: number; e: number }[], apart = 0): BinCounts {
  return {
    kind: "numeric", bins: cells.length, orderedBins: cells.length - apart, missingBin: apart > 0 ? cells.length - 1 : -1,
    totals: cells.map((c) => c.n), events: cells.map((c) => c.e),
  };
}

/** Every division of k bins into contiguous segments. */
function* divisions(k: number): Generator<number[]> {
  for (let mask = 0; mask < 1 << (k - 1); mask++) {
    yield [0, ...Array.from({ length: k - 1 }, (_, i) => i + 1).filter((i) => mask & (1 << (i - 1)))];
  }
}

describe("best partition of ordered bins", () => {
  for (const trend of ["none", "ascending", "descending"] as const satisfies readonly Trend[]) {
    for (const objective of ["iv", "chi2", "gini"] as const satisfies readonly Objective[]) {
      it(`equals brute force for ${objective} with trend ${trend}`, () => {
        fc.assert(fc.property(fc.array(cell, { minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 6 }), (cells, maxSegments) => {
          const totals = cells.map((c) => c.n);
          const events = cells.map((c) => c.e);
          const score = objectiveScore(objective, add(totals), add(events));
          const allowed = (n: number, e: number): boolean => n >= 20 && e >= 5 && n - e >= 5;
          const found = bestPartition({ totals, events, score, allowed, trend, maxSegments });
          let best = Number.NEGATIVE_INFINITY;
          for (const starts of divisions(cells.length)) {
            const parts = starts.map((s, i) => ({
              n: add(totals.slice(s, starts[i + 1])), e: add(events.slice(s, starts[i + 1])),
            }));
            if (parts.length > maxSegments || parts.some((p) => !allowed(p.n, p.e))) continue;
            const rises = parts.slice(1).map((p, i) => p.e * (parts[i]?.n ?? 0) - (parts[i]?.e ?? 0) * p.n);
            if (trend === "ascending" && rises.some((r) => r < 0)) continue;
            if (trend === "descending" && rises.some((r) => r > 0)) continue;
            best = Math.max(best, add(parts.map((p) => score(p.n, p.e))));
          }
          if (best === Number.NEGATIVE_INFINITY) assert.isUndefined(found);
          else assert.approximately(found?.score ?? Number.NaN, best, 1e-9 * (1 + Math.abs(best)));
          // The reported division has the reported score.
          if (found) {
            const part = (values: readonly number[], i: number): number => add(values.slice(found.starts[i], found.starts[i + 1]));
            const again = found.starts.map((_, i) => score(part(totals, i), part(events, i)));
            assert.approximately(add(again), found.score, 1e-9 * (1 + Math.abs(found.score)));
            assert.isAtMost(found.starts.length, maxSegments);
          }
        }), { numRuns: 300 });
      });
    }
  }

  it("keeps the trend when a fine bin is empty: it has no rate and must not confuse the order", () => {
    const totals = [5, 15, 0, 20];
    const events = [1, 14, 0, 14];
    const found = bestPartition({
      totals, events, score: objectiveScore("chi2", 40, 29), allowed: (n, e) => n >= 20 && e >= 5 && n - e >= 5, trend: "ascending",
      maxSegments: 2,
    });
    assert.deepEqual(found, { starts: [0], score: 0 });
  });

  it("takes fewer bins when more bring nothing", () => {
    const found = bestPartition({
      totals: [100, 100, 100, 100], events: [10, 10, 30, 30], score: objectiveScore("iv", 400, 80), allowed: () => true, trend: "none",
      maxSegments: 4,
    });
    assert.deepEqual(found?.starts, [0, 2]);
  });
});

describe("merging fine bins", () => {
  const methods = fc.record({
    method: fc.constantFrom("optimal" as const, "chimerge" as const),
    prebins: fc.constantFrom("quantile" as const, "tree" as const),
    objective: fc.constantFrom("iv" as const, "chi2" as const, "gini" as const),
    trend: fc.constantFrom("auto" as const, "ascending" as const, "descending" as const, "none" as const),
    maxBins: fc.integer({ min: 2, max: 6 }),
    minBinShare: fc.constantFrom(0, 0.05, 0.2),
    binPenalty: fc.constantFrom(0, 4),
  });
  const shape = fc.record({
    cells: fc.array(cell, { minLength: 1, maxLength: 14 }),
    apart: fc.integer({ min: 0, max: 3 }),
    kind: fc.constantFrom("numeric" as const, "categorical" as const),
  });

  it("holds the floors in every merged bin, keeps all counts, and keeps the trend over ordered bins", () => {
    fc.assert(fc.property(shape, methods, ({ cells, apart, kind }, chosen) => {
      fc.pre(add(cells.map((c) => c.n)) > 0);
      const counts = { ...numericCounts(cells, Math.min(apart, cells.length)), kind };
      const merged = mergeBins(counts, { ...options, ...chosen });
      assert.equal(add(merged.totals), add(counts.totals));
      assert.equal(add(merged.events), add(counts.events));
      merged.totals.forEach((n, bin) => {
        assert.equal(n, add(counts.totals.filter((_, i) => merged.mergedOf[i] === bin)));
        assert.equal(merged.events[bin], add(counts.events.filter((_, i) => merged.mergedOf[i] === bin)));
        if (merged.bins === 1) return;
        const e = merged.events[bin] ?? 0;
        assert.isAtLeast(n, 20);
        assert.isAtLeast(e, 5);
        assert.isAtLeast(n - e, 5);
      });
      assert.equal(merged.bins === 1, merged.reason !== null);
      const main = [...new Set(merged.mergedOf.slice(0, counts.orderedBins))];
      assert.isAtMost(main.length, chosen.maxBins);
      if (kind === "numeric" && merged.bins > 1) {
        assert.deepEqual(main, main.toSorted((a, b) => a - b), "contiguous and in order");
        const of = (values: readonly number[], m: number): number =>
          add(values.filter((_, i) => i < counts.orderedBins && merged.mergedOf[i] === m));
        const rates = main.map((m) => of(counts.events, m) / of(counts.totals, m));
        const rises = rates.slice(1).map((r, i) => r - (rates[i] ?? 0));
        if (merged.trend === "ascending") assert.isTrue(rises.every((r) => r >= -1e-12));
        if (merged.trend === "descending") assert.isTrue(rises.every((r) => r <= 1e-12));
        if (chosen.trend !== "auto" && counts.orderedBins > 0) assert.include([chosen.trend, "none"], merged.trend);
      }
    }), { numRuns: 500 });
  });

  it("orders categories by event rate and keeps an apart bin that passes the floors on its own", () => {
    const counts: BinCounts = {
      kind: "categorical", bins: 4, orderedBins: 3, missingBin: 3, totals: [100, 100, 100, 30], events: [50, 10, 30, 6],
    };
    const merged = mergeBins(counts, options);
    assert.deepEqual(merged.mergedOf, [2, 0, 1, 3]);
    assert.deepEqual(merged.totals, [100, 100, 100, 30]);
  });

  it("joins a missing bin below the floors to the closest event rate", () => {
    const cells = [{ n: 200, e: 20 }, { n: 200, e: 60 }, { n: 200, e: 120 }];
    const low = mergeBins(numericCounts([...cells, { n: 25, e: 2 }], 1), options);
    assert.equal(low.mergedOf[3], 0);
    const high = mergeBins(numericCounts([...cells, { n: 25, e: 22 }], 1), options);
    assert.equal(high.mergedOf[3], 2);
  });

  it("gives one bin and a reason when there is nothing to split", () => {
    assert.equal(mergeBins(numericCounts([{ n: 50, e: 0 }, { n: 50, e: 0 }]), options).reason, "one-class");
    assert.equal(mergeBins(numericCounts([{ n: 50, e: 50 }, { n: 50, e: 50 }]), options).reason, "one-class");
    assert.equal(mergeBins(numericCounts([{ n: 50, e: 2 }, { n: 50, e: 2 }]), options).reason, "floors");
    assert.equal(mergeBins(numericCounts([{ n: 500, e: 40 }]), options).reason, "single-bin");
    assert.equal(mergeBins(numericCounts([{ n: 100, e: 10 }, { n: 100, e: 10 }]), options).reason, "single-bin");
  });

  it("needs a real difference for a bin when there is a penalty", () => {
    const noise = numericCounts([{ n: 100, e: 20 }, { n: 100, e: 23 }, { n: 100, e: 19 }, { n: 100, e: 22 }]);
    assert.isAbove(mergeBins(noise, options).bins, 1);
    assert.equal(mergeBins(noise, { ...options, binPenalty: 4 }).bins, 1);
    const real = numericCounts([{ n: 100, e: 10 }, { n: 100, e: 12 }, { n: 100, e: 50 }, { n: 100, e: 48 }]);
    assert.deepEqual(mergeBins(real, { ...options, binPenalty: 4 }).mergedOf, [0, 0, 1, 1]);
  });

  it("takes manual bins as they are and refuses those that break a floor or the order", () => {
    const counts = numericCounts([{ n: 100, e: 10 }, { n: 100, e: 20 }, { n: 100, e: 30 }, { n: 100, e: 2 }]);
    assert.deepEqual(mergeBins(counts, { ...options, manual: { starts: [2] } }).mergedOf, [0, 0, 1, 1]);
    const bad: NonNullable<MergeOptions["manual"]>[] = [
      { starts: [3] }, { starts: [2, 2] }, { starts: [0] }, { starts: [4] }, { groups: [[0, 1], [2]] }, { groups: [[0, 1], [2, 3, 3]] },
    ];
    for (const manual of bad) {
      try {
        mergeBins(counts, { ...options, manual });
        assert.fail(JSON.stringify(manual));
      } catch (error) {
        assert.isTrue(isAppError(error) && error.code === "MODEL_MANUAL_BINS", JSON.stringify(manual));
      }
    }
    const groups = mergeBins({ ...counts, kind: "categorical" }, { ...options, manual: { groups: [[3, 0], [2, 1]] } });
    assert.deepEqual(groups.mergedOf, [0, 1, 1, 0]);
  });

  it("refuses counts that cannot be", () => {
    for (const cells of [[{ n: 10, e: 11 }], [{ n: -1, e: -1 }], [{ n: 1.5, e: 1 }], [{ n: 0, e: 0 }]]) {
      assert.throws(() => mergeBins(numericCounts(cells), options), /MODEL_COUNTS/);
    }
    assert.throws(() => mergeBins({ ...numericCounts([{ n: 10, e: 1 }]), bins: 2 }, options), /MODEL_SHAPE/);
  });

  it("never has a higher IV after merging than before, and the same IV when counts are scaled or classes swapped", () => {
    fc.assert(fc.property(fc.array(cell, { minLength: 2, maxLength: 10 }), fc.integer({ min: 2, max: 9 }), (cells, k) => {
      const full = cells.map((c) => ({ n: c.n + 2, e: c.e + 1 }));
      const totals = full.map((c) => c.n);
      const events = full.map((c) => c.e);
      const fine = woeTable(totals, events, "optbinning").iv;
      const merged = mergeBins(numericCounts(full), { ...options, minBinShare: 0 });
      assert.isAtMost(woeTable(merged.totals, merged.events, "optbinning").iv, fine + 1e-9);
      assert.approximately(woeTable(totals.map((n) => n * k), events.map((n) => n * k), "optbinning").iv, fine, 1e-9 * (1 + fine));
      assert.approximately(woeTable(totals, full.map((c) => c.n - c.e), "optbinning").iv, fine, 1e-9 * (1 + fine));
    }), { numRuns: 200 });
  });
});

describe("tree pre-bins and chimerge", () => {
  it("splits where the event rate jumps first", () => {
    const totals = Array.from({ length: 10 }, () => 100);
    const events = [5, 6, 5, 6, 40, 41, 40, 41, 80, 80];
    assert.deepEqual(treeStarts(totals, events, 2, () => true), [0, 4]);
    assert.deepEqual(treeStarts(totals, events, 3, () => true), [0, 4, 8]);
    assert.deepEqual(treeStarts(totals, events, 8, (n) => n >= 400), [0, 4]);
    assert.deepEqual(treeStarts([100, 100], [10, 10], 4, () => true), [0]);
  });

  it("merges alike neighbours and keeps those that differ", () => {
    const rules = { allowed: () => true, maxBins: 10, threshold: 3.841, trend: "none" as const };
    assert.deepEqual(chiMergeStarts([100, 100, 100, 100], [10, 11, 50, 52], rules), [0, 2]);
    assert.deepEqual(chiMergeStarts([100, 100, 100, 100], [10, 60, 10, 60], { ...rules, maxBins: 2 }).length, 2);
    assert.deepEqual(chiMergeStarts([100, 100, 100], [10, 60, 30], { ...rules, trend: "ascending" }), [0, 1]);
  });
});
