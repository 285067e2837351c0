import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { sigmoid } from "../../models/linear/logistic.ts";
import { brierScore, logLoss, reliability, scoreHistogram, stabilityIndex } from "../../models/metrics/calibration.ts";
import { evaluatePart } from "../../models/metrics/evaluate.ts";
import { gainsTable, ranking, rocPoints } from "../../models/metrics/ranking.ts";

const scored = fc.array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.boolean()), { minLength: 2, maxLength: 60 })
  .filter((rows) => rows.some(([, y]) => y) && rows.some(([, y]) => !y))
  .map((rows) => ({ score: Float64Array.from(rows, ([s]) => s / 3), label: Uint8Array.from(rows, ([, y]) => (y ? 1 : 0)) }));

describe("ranking metrics", () => {
  it("AUC equals the share of ordered pairs, ties one half; KS the largest gap of the two distributions", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      let pairs = 0;
      let won = 0;
      let ks = 0;
      score.forEach((a, i) => {
        score.forEach((b, j) => {
          if (label[i] !== 1 || label[j] !== 0) return;
          pairs++;
          won += a > b ? 1 : a === b ? 0.5 : 0;
        });
        const at = (y: number): number => score.filter((s, j) => label[j] === y && s >= a).length / label.filter((v) => v === y).length;
        ks = Math.max(ks, Math.abs(at(1) - at(0)));
      });
      const r = ranking(score, label);
      assert.approximately(r.auc, won / pairs, 1e-12);
      assert.approximately(r.gini, 2 * (won / pairs) - 1, 1e-12);
      assert.approximately(r.ks, ks, 1e-12);
    }));
  });

  it("looks only at the rows asked for", () => {
    const score = Float64Array.of(9, 0, 1, 2, 3, -9);
    const label = Uint8Array.of(0, 0, 0, 1, 1, 1);
    assert.equal(ranking(score, label, 1, 5).auc, 1);
    assert.isBelow(ranking(score, label).auc, 1);
  });

  it("is the same whatever the order of the rows", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      const back = { score: score.toReversed(), label: label.toReversed() };
      assert.deepEqual(ranking(back.score, back.label), ranking(score, label));
      assert.deepEqual(gainsTable(back.score, back.label, 0, label.length), gainsTable(score, label, 0, label.length));
    }));
  });

  it("draws a ROC curve whose area is the AUC, thinned to the number of points asked for", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      const points = rocPoints(score, label, 0, label.length);
      const area = points.slice(1).reduce((sum, p, i) => {
        const before = points[i] ?? p;
        return sum + ((p.falsePositiveRate - before.falsePositiveRate) * (p.truePositiveRate + before.truePositiveRate)) / 2;
      }, 0);
      assert.approximately(area, ranking(score, label).auc, 1e-12);
    }));
    const n = 5000;
    const score = Float64Array.from({ length: n }, (_, i) => i);
    const label = Uint8Array.from({ length: n }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const thin = rocPoints(score, label, 0, n, 50);
    assert.equal(thin.length, 50);
    assert.isTrue(thin.slice(1).every((p, i) => p.truePositiveRate >= (thin[i]?.truePositiveRate ?? 2)));
  });

  it("has gains that add up to all events and lift 1 over all", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      const rows = gainsTable(score, label, 0, label.length);
      const events = label.reduce((a, b) => a + b, 0);
      assert.approximately(rows.reduce((sum, r) => sum + r.events, 0), events, 1e-9);
      const last = rows.at(-1);
      assert.approximately(last?.cumulativeEvents ?? 0, 1, 1e-9);
      assert.approximately(last?.cumulativeGoods ?? 0, 1, 1e-9);
      assert.approximately(last?.cumulativeLift ?? 0, 1, 1e-9);
    }));
    const score = Float64Array.from({ length: 100 }, (_, i) => i);
    const label = Uint8Array.from({ length: 100 }, (_, i) => (i >= 80 ? 1 : 0));
    assert.deepEqual(gainsTable(score, label, 0, 100).map((r) => r.lift), [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("refuses a part with one class", () => {
    assert.throws(() => ranking(Float64Array.of(1, 2), Uint8Array.of(1, 1)), /MODEL_ONE_CLASS/);
    assert.throws(() => ranking(new Float64Array(), new Uint8Array()), /MODEL_ONE_CLASS/);
    assert.throws(() => ranking(Float64Array.of(1), Uint8Array.of(1), 0, 2), /MODEL_SHAPE/);
  });
});

describe("calibration metrics", () => {
  it("are those of the definitions", () => {
    const odds = Float64Array.of(0, 2, -1, 800, -800);
    const label = Uint8Array.of(1, 1, 0, 1, 0);
    const p = Float64Array.from(odds, sigmoid);
    assert.approximately(brierScore(p, label, 0, 3), (0.25 + (1 - (p[1] ?? 0)) ** 2 + (p[2] ?? 0) ** 2) / 3, 1e-15);
    assert.approximately(logLoss(odds, label, 0, 3), -(Math.log(0.5) + Math.log(p[1] ?? 0) + Math.log(1 - (p[2] ?? 0))) / 3, 1e-15);
    assert.equal(logLoss(odds, label, 3, 5), 0);
    assert.equal(logLoss(Float64Array.of(-800), Uint8Array.of(1), 0, 1), 800);
  });

  it("put equal probabilities into one reliability bin and count every row once", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      const p = Float64Array.from(score, sigmoid);
      const bins = reliability(p, label, 0, p.length, 5);
      assert.equal(bins.reduce((sum, b) => sum + b.rows, 0), p.length);
      assert.approximately(bins.reduce((sum, b) => sum + b.rows * b.eventRate, 0), label.reduce((a, b) => a + b, 0), 1e-9);
      assert.isAtMost(bins.length, new Set(p).size);
      assert.isTrue(bins.slice(1).every((b, i) => b.meanProbability > (bins[i]?.meanProbability ?? 2)));
    }));
  });

  it("give PSI 0 for equal samples, the hand-made value for shifted ones, and a finite one for disjoint ones", () => {
    const a = Float64Array.from({ length: 1000 }, (_, i) => i);
    assert.equal(stabilityIndex(a, a).psi, 0);
    const e = Float64Array.from({ length: 100 }, (_, i) => (i < 50 ? 0 : 1));
    const f = Float64Array.from({ length: 100 }, (_, i) => (i < 20 ? 0 : 1));
    const share = (n: number): number => (n + 0.5) / 101;
    const expected = (share(20) - 0.5) * Math.log(share(20) / 0.5) + (share(80) - 0.5) * Math.log(share(80) / 0.5);
    assert.approximately(stabilityIndex(e, f).psi, expected, 1e-12);
    const far = stabilityIndex(a, Float64Array.from({ length: 1000 }, () => 5000)).psi;
    assert.isTrue(Number.isFinite(far) && far > 0.25);
    assert.throws(() => stabilityIndex(a, new Float64Array()), /MODEL_TOO_FEW_ROWS/);
  });

  it("count every row of a part in the histogram, also when all scores are equal", () => {
    fc.assert(fc.property(scored, ({ score, label }) => {
      const h = scoreHistogram(score, label, 1, score.length, 7);
      const events = label.slice(1).reduce((a, b) => a + b, 0);
      assert.equal(h.events.reduce((a, b) => a + b, 0), events);
      assert.equal(h.goods.reduce((a, b) => a + b, 0), score.length - 1 - events);
      assert.equal(h.edges.length + 1, h.goods.length);
    }));
    assert.deepEqual(scoreHistogram(Float64Array.of(2, 2), Uint8Array.of(0, 1), 0, 2), { edges: [], goods: [1], events: [1] });
  });

  it("come together for a part", () => {
    const odds = Float64Array.of(5, 1, -1, 2, -2);
    const label = Uint8Array.of(0, 1, 0, 1, 0);
    const part = evaluatePart(odds, label, 1, 5);
    assert.deepEqual([part.rows, part.events, part.auc, part.ks], [4, 2, 1, 1]);
    assert.approximately(part.logLoss, logLoss(odds, label, 1, 5), 0);
  });
});
