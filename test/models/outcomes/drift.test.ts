import { assert } from "chai";
import { describe, it } from "mocha";
import { rowLoss, sigmoid } from "../../../models/linear/logistic.ts";
import { delong } from "../../../models/metrics/delong.ts";
import { binomialPValue, holm } from "../../../models/metrics/distributions.ts";
import { ranking } from "../../../models/metrics/ranking.ts";
import { bandEdges, calibrationBands, calibrationLine, hosmerLemeshow, logOddsOf } from "../../../models/outcomes/calibration.ts";
import { discriminationByCohort, discriminationOf } from "../../../models/outcomes/discrimination.ts";
import { labelLoans, outcomes } from "../../../models/outcomes/label.ts";
import { badDefinitionSchema, monthText } from "../../../models/outcomes/record.ts";
import { seededDraw } from "../../support/draw.ts";
import { bookOf, portfolio } from "./support.ts";

const sample = (seed: number, n: number, truth: (odds: number) => number): { probability: Float64Array; label: Uint8Array } => {
  const draw = seededDraw(seed);
  const odds = Float64Array.from({ length: n }, () => -2 + draw.normal());
  return { probability: odds.map(sigmoid), label: Uint8Array.from(odds, (x) => (draw.uniform() < sigmoid(truth(x)) ? 1 : 0)) };
};

describe("calibration per band", () => {
  it("counts expected and observed as a plain loop does, with adjusted exact tests", () => {
    const { probability, label } = sample(1, 5_000, (x) => x);
    const edges = bandEdges(probability, 8);
    const bands = calibrationBands(probability, label, edges);
    assert.equal(bands.length, 8);
    const raw = bands.map((b) => {
      const of = [...probability.keys()].filter((i) => (probability[i] ?? 0) >= b.from && (probability[i] ?? 0) < b.to);
      assert.equal(b.loans, of.length);
      assert.approximately(b.loans, 625, 1);
      assert.approximately(b.expectedBads, of.reduce((s, i) => s + (probability[i] ?? 0), 0), 1e-9);
      assert.equal(b.bads, of.reduce((s, i) => s + (label[i] ?? 0), 0));
      return binomialPValue(b.bads, b.loans, b.expectedBads / b.loans);
    });
    assert.deepEqual(bands.map((b) => b.pValue), holm(raw));
  });

  it("calls right probabilities wrong no oftener than 5 in 100 samples, and finds a band that is off", () => {
    let called = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { probability, label } = sample(seed, 2_000, (x) => x);
      if (calibrationBands(probability, label, bandEdges(probability, 10)).some((b) => b.pValue < 0.05)) called++;
    }
    assert.isAtMost(called, 12); // 5 expected at most; 13 or more: p < 0.002
    const { probability, label } = sample(3, 20_000, (x) => (x > -1 ? x + 0.5 : x));
    const bands = calibrationBands(probability, label, bandEdges(probability, 5));
    assert.deepEqual(bands.map((b) => b.pValue < 0.01), [false, false, false, false, true]);
  });

  it("keeps equal scores together, skips empty bands, and refuses edges out of order", () => {
    const probability = Float64Array.from({ length: 100 }, (_, i) => (i < 90 ? 0.1 : 0.4));
    assert.deepEqual(bandEdges(probability, 10), [0.4]);
    const bands = calibrationBands(probability, new Uint8Array(100), [0.2, 0.3, 0.5]);
    assert.deepEqual(bands.map((b) => [b.from, b.to, b.loans]), [[0, 0.2, 90], [0.3, 0.5, 10]]);
    for (const edges of [[0.3, 0.2], [0.2, 0.2], [0], [1]]) assert.throws(() => calibrationBands(probability, new Uint8Array(100), edges), /OUTCOME_SETTINGS/);
  });
});

describe("the Hosmer-Lemeshow test", () => {
  it("gives the statistic of a worked example", () => {
    // Eleven groups of 30 volunteers and who got an A after so much caffeine (the example of the encyclopedia's article on the test), expected by a line on the
    // log odds that SciPy fitted; statistic by SciPy.
    const got = [10, 13, 17, 15, 10, 5, 4, 3, 3, 1, 0];
    const expected = [16.78009192, 14.37327028, 11.99834785, 9.77048536, 7.77756847, 6.06919583, 4.6574279, 3.52567257, 2.64028164, 1.96076854, 1.44688911];
    const found = hosmerLemeshow(got.map((bads, i) => ({ loans: 30, bads, expectedBads: expected[i] ?? 0 })), 0);
    assert.approximately(found?.statistic ?? 0, 17.464064, 1e-5);
    assert.equal(found?.degreesOfFreedom, 11);
    assert.approximately(found?.pValue ?? 0, 0.0948785, 1e-6);
  });

  it("joins small bands and rejects right probabilities about as often as it should", () => {
    assert.isUndefined(hosmerLemeshow([{ loans: 30, bads: 1, expectedBads: 4 }]));
    const joined = hosmerLemeshow([{ loans: 100, bads: 3, expectedBads: 3 }, { loans: 100, bads: 3, expectedBads: 3 }, { loans: 100, bads: 9, expectedBads: 6 }, { loans: 10, bads: 0, expectedBads: 1 }]);
    assert.equal(joined?.degreesOfFreedom, 2);
    assert.approximately(joined?.statistic ?? 0, 0 + 4 / (7 * (1 - 7 / 110)), 1e-12);
    let called = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const { probability, label } = sample(seed, 1_000, (x) => x);
      if ((hosmerLemeshow(calibrationBands(probability, label, bandEdges(probability, 10)))?.pValue ?? 0) < 0.1) called++;
    }
    assert.approximately(called / 200, 0.1, 0.07);
  });
});

describe("the calibration line", () => {
  it("is where the likelihood is greatest, with the errors of its curvature", () => {
    const { probability, label } = sample(5, 3_000, (x) => 0.3 + 0.7 * x);
    const line = calibrationLine(probability, label, 0.95) ?? assert.fail();
    const odds = probability.map(logOddsOf);
    const loss = (a: number, b: number): number => odds.reduce((s, x, i) => s + rowLoss(a + b * x, label[i] ?? 0), 0);
    const { intercept: a, slope: b } = line;
    const h = 1e-4;
    // Flat at the line, by differences.
    assert.approximately((loss(a + h, b) - loss(a - h, b)) / (2 * h), 0, 1e-3);
    assert.approximately((loss(a, b + h) - loss(a, b - h)) / (2 * h), 0, 1e-3);
    const second = (da: number, db: number): number => (loss(a + da, b + db) - 2 * loss(a, b) + loss(a - da, b - db)) / h ** 2;
    const aa = second(h, 0);
    const bb = second(0, h);
    const ab = (second(h, h) - aa - bb) / 2;
    const width = 2 * 1.959963985;
    assert.approximately(line.interceptInterval.high - line.interceptInterval.low, width * Math.sqrt(bb / (aa * bb - ab * ab)), 1e-3);
    assert.approximately(line.slopeInterval.high - line.slopeInterval.low, width * Math.sqrt(aa / (aa * bb - ab * ab)), 1e-3);
    assert.approximately(odds.reduce((s, x) => s + sigmoid(x + line.shift), 0), label.reduce((s, y) => s + y, 0), 1e-6);
    assert.isTrue(line.slopeInterval.high < 1 && line.slopePValue < 0.001);
  });

  it("covers the truth as often as it says, and finds no line where there is none", () => {
    let covered = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { probability, label } = sample(seed, 1_500, (x) => x);
      const { slopeInterval: { low, high } } = calibrationLine(probability, label, 0.95) ?? assert.fail();
      if (low <= 1 && 1 <= high) covered++;
    }
    assert.isAtLeast(covered, 88);
    assert.isUndefined(calibrationLine(Float64Array.of(0.1, 0.2), Uint8Array.of(1, 1), 0.95));
    assert.isUndefined(calibrationLine(Float64Array.of(0.1, 0.1, 0.1), Uint8Array.of(1, 0, 1), 0.95));
    assert.isUndefined(calibrationLine(Float64Array.of(0.1, 0.2, 0.3, 0.4), Uint8Array.of(0, 0, 1, 1), 0.95));
  });
});

describe("discrimination by cohort", () => {
  it("is the AUC, KS and DeLong interval of the loans of each cohort, and finds the cohorts that rank worse", () => {
    const loans = bookOf("2025-06", portfolio({ first: "2023-10", months: 8, perMonth: 1_200, seed: 41, asOf: "2025-06" }));
    const labels = labelLoans(loans, badDefinitionSchema.parse({}));
    const built = sample(8, 10_000, (x) => x);
    const development = discriminationOf(built.probability, built.label, 0.95);
    const cohorts = discriminationByCohort(loans, labels, { development, cohort: "month", minEach: 20, level: 0.95 });
    assert.equal(cohorts.length, 8);
    const raw = cohorts.map((c) => {
      const of = [...loans.originated.keys()].filter((l) => monthText(loans.originated[l] ?? 0) === c.cohort && ["good", "bad"].includes(outcomes[labels.outcome[l] ?? 9] ?? ""));
      const score = Float64Array.from(of, (l) => loans.score[l] ?? 0);
      const label = Uint8Array.from(of, (l) => (outcomes[labels.outcome[l] ?? 9] === "bad" ? 1 : 0));
      const { auc, covariance } = delong([score], label);
      assert.approximately(c.auc, auc[0] ?? 0, 1e-12);
      assert.equal(c.ks, ranking(score, label).ks);
      assert.approximately(c.giniInterval.high - c.giniInterval.low, 4 * 1.959963985 * Math.sqrt(covariance[0]?.[0] ?? 0), 1e-6);
      return c.pValue;
    });
    assert.isTrue(raw.every((p) => p > 0.05), raw.join(" "));
    // Scores that know 40 % of the log odds from the fifth month on.
    const good = portfolio({ first: "2023-10", months: 4, perMonth: 1_200, seed: 41, asOf: "2025-06" });
    const worse = portfolio({ first: "2024-02", months: 4, perMonth: 1_200, seed: 42, asOf: "2025-06", known: 0.4 }).map((r) => ({ ...r, loan: r.loan.replace(/^.{8}/, "00000000") }));
    const mixed = bookOf("2025-06", [...good, ...worse]);
    const found = discriminationByCohort(mixed, labelLoans(mixed, badDefinitionSchema.parse({})), { development, cohort: "month", minEach: 20, level: 0.95 });
    assert.deepEqual(found.map((c) => c.pValue < 0.01 && c.difference < -0.05), [false, false, false, false, true, true, true, true]);
    assert.deepEqual(discriminationByCohort(mixed, labelLoans(mixed, badDefinitionSchema.parse({})), { development, cohort: "quarter", minEach: 20, level: 0.95 }).map((c) => c.cohort), ["2023Q4", "2024Q1", "2024Q2"]);
  });
});
