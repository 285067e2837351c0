import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { areaInterval, delong, independentDifference, pairedDifference } from "../../models/metrics/delong.ts";
import { binomialPValue, chiSquareTail, holm, normalPValue, normalTail, normalWidth } from "../../models/metrics/distributions.ts";
import { ranking } from "../../models/metrics/ranking.ts";

// Albumin, total protein, K-G score and whether a patient with ovarian cancer was helped by surgery: the example of DeLong, DeLong, Clarke-Pearson (1988),
// the 43 complete records as printed in the SAS/STAT user's guide (PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves").
const patients = `3.0 5.8 10 0 3.2 6.3 5 1 3.9 6.8 3 1 2.8 4.8 6 0 3.2 5.8 3 1 0.9 4.0 5 0 2.5 5.7 8 0 1.6 5.6 5 1 3.8 5.7 5 1 3.7 6.7 6 1 3.2 5.4 4 1 3.8 6.6 6 1
4.1 6.6 5 1 3.6 5.7 5 1 4.3 7.0 4 1 3.6 6.7 4 0 2.3 4.4 6 1 4.2 7.6 4 0 4.0 6.6 6 0 3.5 5.8 6 1 3.8 6.8 7 1 3.0 4.7 8 0 4.5 7.4 5 1 3.7 7.4 5 1 3.1 6.6 6 1 4.1 8.2 6 1
4.3 7.0 5 1 4.3 6.5 4 1 3.2 5.1 5 1 2.6 4.7 6 1 3.3 6.8 6 0 1.7 4.0 7 0 3.7 6.1 5 1 3.3 6.3 7 1 4.2 7.7 6 1 3.5 6.2 5 1 2.9 5.7 9 0 2.1 4.8 7 1 2.8 6.2 8 0 4.0 7.0 7 1
3.3 5.7 6 1 3.7 6.9 5 1 3.6 6.6 5 1`.split(/\s+/).map(Number);
const column = (at: number): Float64Array => Float64Array.from({ length: patients.length / 4 }, (_, i) => patients[4 * i + at] ?? 0);
const helped = Uint8Array.from(column(3));
const albumin = column(0);
const protein = column(1);
const score = column(2).map((s) => 10 - s);

/** The definition, pair by pair. */
function plain(scores: readonly Float64Array[], label: Uint8Array): { auc: number[]; covariance: number[][] } {
  const events = [...label.keys()].filter((i) => label[i] === 1);
  const goods = [...label.keys()].filter((i) => label[i] === 0);
  const won = (s: Float64Array, i: number, j: number): number => ((s[i] ?? 0) > (s[j] ?? 0) ? 1 : s[i] === s[j] ? 0.5 : 0);
  const mean = (v: number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
  const parts = scores.map((s) => ({ v10: events.map((i) => mean(goods.map((j) => won(s, i, j)))), v01: goods.map((j) => mean(events.map((i) => won(s, i, j)))) }));
  const covariance = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + (v - mean(a)) * ((b[i] ?? 0) - mean(b)), 0) / (a.length - 1);
  return { auc: parts.map((p) => mean(p.v10)), covariance: parts.map((a) => parts.map((b) => covariance(a.v10, b.v10) / events.length + covariance(a.v01, b.v01) / goods.length)) };
}

describe("DeLong's variance of the AUC", () => {
  const areas = delong([albumin, score, protein], helped);

  it("gives the areas and standard errors of the published example", () => {
    assert.deepEqual(areas.auc.map((a) => a.toFixed(4)), ["0.7366", "0.7258", "0.6478"]);
    assert.deepEqual(areas.covariance.map((c, i) => Math.sqrt(c[i] ?? 0).toFixed(4)), ["0.0927", "0.1028", "0.1000"]);
    const { low, high } = areaInterval(areas.auc[0] ?? 0, areas.covariance[0]?.[0] ?? 0, 0.95);
    assert.deepEqual([low.toFixed(4), high.toFixed(4)], ["0.5549", "0.9182"]);
  });

  it("gives the published comparisons with the K-G score, one by one and together", () => {
    const one = pairedDifference(areas, 0, 1, 0.95);
    const two = pairedDifference(areas, 2, 1, 0.95);
    assert.deepEqual([one.difference.toFixed(4), one.standardError.toFixed(4)], ["0.0108", "0.0953"]);
    assert.deepEqual([two.difference.toFixed(4), two.standardError.toFixed(4)], ["-0.0780", "0.1046"]);
    assert.approximately(one.pValue, normalPValue(one.difference / one.standardError), 1e-15);
    const c = (i: number, j: number): number => areas.covariance[i]?.[j] ?? 0;
    const cross = c(0, 2) - c(0, 1) - c(1, 2) + c(1, 1);
    const determinant = one.standardError ** 2 * two.standardError ** 2 - cross ** 2;
    const statistic = (one.difference ** 2 * two.standardError ** 2 - 2 * cross * one.difference * two.difference + two.difference ** 2 * one.standardError ** 2) / determinant;
    assert.deepEqual([statistic.toFixed(4), chiSquareTail(statistic, 2).toFixed(4)], ["2.5340", "0.2817"]);
  });

  it("is the definition, pair by pair, with ties", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 50 }), fc.boolean()), { minLength: 4, maxLength: 40 })
      .filter((r) => r.filter(([, , y]) => y).length >= 2 && r.filter(([, , y]) => !y).length >= 2), (rows) => {
      const scores = [Float64Array.from(rows, ([a]) => a), Float64Array.from(rows, ([, b]) => b)];
      const label = Uint8Array.from(rows, ([, , y]) => (y ? 1 : 0));
      const fast = delong(scores, label);
      const slow = plain(scores, label);
      fast.auc.forEach((a, i) => {
        assert.approximately(a, slow.auc[i] ?? 0, 1e-12);
        assert.approximately(a, ranking(scores[i] ?? new Float64Array(), label).auc, 1e-12);
        fast.covariance[i]?.forEach((v, j) => assert.approximately(v, slow.covariance[i]?.[j] ?? 0, 1e-12));
      });
    }));
  });

  it("refuses fewer than two of a class and scores of another length; without spread there is nothing to test", () => {
    assert.throws(() => delong([Float64Array.of(1, 2, 3)], Uint8Array.of(1, 0, 0)), /MODEL_TOO_FEW_ROWS/);
    assert.throws(() => delong([Float64Array.of(1, 2, 3)], Uint8Array.of(1, 0, 0, 1)), /MODEL_SHAPE/);
    const perfect = delong([Float64Array.of(1, 2, 3, 4)], Uint8Array.of(0, 0, 1, 1));
    assert.deepEqual([perfect.auc[0], perfect.covariance[0]?.[0]], [1, 0]);
    assert.equal(independentDifference({ auc: 1, variance: 0 }, { auc: 1, variance: 0 }, 0.95).pValue, 1);
    assert.equal(independentDifference({ auc: 1, variance: 0 }, { auc: 0.5, variance: 0 }, 0.95).pValue, 0);
    assert.deepEqual(areaInterval(0.99, 0.01, 0.95).high, 1);
  });
});

describe("tails of distributions", () => {
  const near = (found: number, expected: number): void => assert.approximately(found / expected, 1, 1e-9);

  it("are those of SciPy", () => {
    for (const [z, tail] of [[0, 0.5], [0.3, 0.3820885778110474], [1, 0.15865525393145707], [1.959963984540054, 0.025], [5, 2.866515718791933e-7], [9, 1.1285884059538324e-19]] as const) near(normalTail(z), tail);
    near(normalTail(-1), 1 - 0.15865525393145707);
    near(normalWidth(0.95), 1.959963984540054);
    near(normalWidth(0.99), 2.5758293035489004);
    for (const [x, dof, tail] of [[0.5, 1, 0.47950012218695337], [3.84, 1, 0.05004352124870519], [17.1, 9, 0.04717282243067667], [200, 150, 0.003973185970821635], [1, 40, 1], [90, 40, 1.0237046441079137e-5]] as const) near(chiSquareTail(x, dof), tail);
    assert.equal(chiSquareTail(0, 3), 1);
    for (const [k, n, p, value] of [[3, 50, 0.1, 0.500587811906616], [0, 30, 0.05, 0.42927752788587514], [30, 30, 0.9, 0.08478231655043247], [120, 1_000, 0.1, 0.043992289931588845], [5_200, 100_000, 0.05, 0.003990960139305094]] as const) near(binomialPValue(k, n, p), value);
  });

  it("adjust p-values as Holm says", () => {
    // By hand: sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    [0.03, 0.06, 0.06, 0.02].forEach((p, i) => assert.approximately(adjusted[i] ?? 0, p, 1e-12));
    assert.deepEqual(holm([0.9, 0.8]), [1, 1]);
    assert.deepEqual(holm([]), []);
  });
});
