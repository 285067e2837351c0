import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { plainMoments, type Moments } from "../../models/linear/moments.ts";
import { selectColumns, type SelectOptions } from "../../models/linear/select.ts";
import { shapleyShares } from "../../models/linear/shapley.ts";
import { solveMoments, solveProducts } from "../../models/linear/solve.ts";
import { stepwise } from "../../models/linear/stepwise.ts";
import { studentPValue } from "../../models/linear/student.ts";
import { seededDraw } from "../support/draw.ts";

type Sample = { columns: Int8Array[]; label: Uint8Array; rows: number; moments: Moments };

/** Correlated code columns; the first three carry the label. */
function sample(seed: number, rows: number, d: number): Sample {
  const draw = seededDraw(seed);
  const columns = Array.from({ length: d }, () => new Int8Array(rows));
  const label = new Uint8Array(rows);
  for (let row = 0; row < rows; row++) {
    const common = draw.normal();
    columns.forEach((c) => {
      c[row] = Math.max(-127, Math.min(127, Math.round(30 * draw.normal() + 15 * common)));
    });
    const odds = ((columns[0]?.[row] ?? 0) + 0.6 * (columns[1]?.[row] ?? 0) - 0.5 * (columns[2]?.[row] ?? 0)) / 30 - 1;
    label[row] = draw.uniform() < 1 / (1 + Math.exp(-odds)) ? 1 : 0;
  }
  label[0] = 0;
  label[1] = 1;
  return { columns, label, rows, moments: plainMoments(columns, label, rows) };
}

/** Least squares by Householder QR on the raw rows, with ridge as extra rows on centred, scaled columns: another road to the weights. */
function qrFit(s: Sample, lambda: number): { weights: number[]; intercept: number; rss: number } {
  const d = s.columns.length;
  const mean = s.columns.map((c) => c.reduce((a, b) => a + b, 0) / s.rows);
  const sd = s.columns.map((c, i) => Math.sqrt(c.reduce((a, b) => a + (b - (mean[i] ?? 0)) ** 2, 0) / s.rows));
  const yBar = s.label.reduce((a, b) => a + b, 0) / s.rows;
  const total = s.rows + d;
  const a = Array.from({ length: total }, (_r, row) => Array.from({ length: d }, (_c, j) =>
    row < s.rows ? ((s.columns[j]?.[row] ?? 0) - (mean[j] ?? 0)) / (sd[j] ?? 1) : row - s.rows === j ? Math.sqrt(lambda * s.rows) : 0));
  const b = Array.from({ length: total }, (_, row) => (row < s.rows ? (s.label[row] ?? 0) - yBar : 0));
  for (let k = 0; k < d; k++) {
    const norm = Math.sqrt(a.slice(k).reduce((sum, r) => sum + (r[k] ?? 0) ** 2, 0));
    const v = a.map((r, i) => (i < k ? 0 : (r[k] ?? 0)));
    v[k] = (v[k] ?? 0) + ((v[k] ?? 0) >= 0 ? norm : -norm);
    const vv = v.reduce((sum, x) => sum + x * x, 0);
    const reflect = (get: (i: number) => number, set: (i: number, x: number) => void): void => {
      const f = (2 * v.reduce((sum, x, i) => sum + x * get(i), 0)) / vv;
      v.forEach((x, i) => set(i, get(i) - f * x));
    };
    for (let j = k; j < d; j++) reflect((i) => a[i]?.[j] ?? 0, (i, x) => { (a[i] as number[])[j] = x; });
    reflect((i) => b[i] ?? 0, (i, x) => { b[i] = x; });
  }
  const beta = Array.from({ length: d }, () => 0);
  for (let i = d - 1; i >= 0; i--) {
    let rest = b[i] ?? 0;
    for (let j = i + 1; j < d; j++) rest -= (a[i]?.[j] ?? 0) * (beta[j] ?? 0);
    beta[i] = rest / (a[i]?.[i] ?? 1);
  }
  const weights = beta.map((x, i) => x / (sd[i] ?? 1));
  const intercept = yBar - weights.reduce((sum, w, i) => sum + w * (mean[i] ?? 0), 0);
  let rss = 0;
  for (let row = 0; row < s.rows; row++) {
    rss += ((s.label[row] ?? 0) - intercept - weights.reduce((sum, w, i) => sum + w * (s.columns[i]?.[row] ?? 0), 0)) ** 2;
  }
  return { weights, intercept, rss };
}

function close(a: readonly number[], b: readonly number[], relative: number): void {
  assert.equal(a.length, b.length);
  a.forEach((x, i) => assert.approximately(x, b[i] ?? Number.NaN, relative * (1e-6 + Math.abs(b[i] ?? 0))));
}

describe("moments", () => {
  it("are the sums of the definitions, also beyond one block of 65,536 rows of extreme codes", () => {
    const rows = 70_000;
    const a = new Int8Array(rows).fill(-128);
    const b = Int8Array.from({ length: rows }, (_, i) => (i % 2 === 0 ? 127 : -128));
    const label = Uint8Array.from({ length: rows }, (_, i) => (i % 5 === 0 ? 1 : 0));
    const m = plainMoments([a, b], label, rows);
    assert.deepEqual([m.n, m.sumY, ...m.sumX], [rows, rows / 5, -128 * rows, -rows / 2]);
    assert.deepEqual(m.xx, [128 * 128 * rows, 64 * rows, 64 * rows, (127 * 127 + 128 * 128) * (rows / 2)]);
    assert.deepEqual(m.xy, [-128 * (rows / 5), 7000 * 127 - 7000 * 128]);
  });
});

describe("solving from the moments", () => {
  for (const lambda of [0, 0.01, 0.3]) {
    it(`equals a QR fit on the rows with ridge ${lambda}`, () => {
      const s = sample(5, 400, 6);
      const fit = solveMoments(s.moments, { lambda });
      const reference = qrFit(s, lambda);
      close(fit.weights, reference.weights, 1e-9);
      assert.approximately(fit.intercept, reference.intercept, 1e-10);
      const tss = s.moments.sumY - s.moments.sumY ** 2 / s.rows;
      assert.approximately(fit.r2, 1 - reference.rss / tss, 1e-10);
      assert.approximately(fit.sigma2, reference.rss / (s.rows - 7), 1e-10);
    });
  }

  it("has the textbook standard errors, t, p and VIF", () => {
    const s = sample(9, 500, 4);
    const fit = solveMoments(s.moments, { lambda: 0 });
    for (let j = 0; j < 4; j++) {
      // Regress column j on the others: 1 - R^2 gives VIF and the variance of its weight.
      const others = [0, 1, 2, 3].filter((c) => c !== j);
      const rest = qrFit({ ...s, columns: others.map((c) => s.columns[c] as Int8Array), label: s.columns[j] as unknown as Uint8Array }, 0);
      const sum = s.moments.sumX[j] ?? 0;
      const spread = (s.moments.xx[j * 4 + j] ?? 0) - sum ** 2 / s.rows;
      assert.approximately(fit.vif[j] ?? 0, spread / rest.rss, 1e-8);
      assert.approximately(fit.standardErrors[j] ?? 0, Math.sqrt(fit.sigma2 / rest.rss), 1e-10);
      assert.approximately(fit.tValues[j] ?? 0, (fit.weights[j] ?? 0) / (fit.standardErrors[j] ?? 1), 1e-12);
      assert.equal(fit.pValues[j], studentPValue(fit.tValues[j] ?? 0, s.rows - 5));
    }
    assert.isBelow(fit.pValues[0] ?? 1, 1e-6);
    assert.isAbove(fit.pValues[3] ?? 0, 0.001);
  });

  it("knows Student's t", () => {
    for (const [t, dof, p] of [
      [12.7062047362, 1, 0.05], [2.2281388520, 10, 0.05], [1.9599639845, 1e7, 0.05], [2.5758293035, 1e7, 0.01], [0, 5, 1],
      [1, 1, 0.5], [-1, 1, 0.5], [Math.sqrt(2), 2, 1 - Math.SQRT2 / 2],
    ] as const) {
      assert.approximately(studentPValue(t, dof), p, 2e-7);
    }
    assert.isBelow(studentPValue(40, 1000), 1e-200);
  });

  it("drops constant and collinear columns by name, keeps the more important twin, and gives no NaN", () => {
    const s = sample(3, 300, 3);
    const twin = Int8Array.from(s.columns[0] as Int8Array, (v) => -v);
    const columns = [...s.columns, twin, new Int8Array(300).fill(7), new Int8Array(300)];
    const moments = plainMoments(columns, s.label, 300);
    const fit = solveMoments(moments, { lambda: 0 });
    assert.deepEqual(fit.columns, [0, 1, 2]);
    assert.deepEqual(fit.dropped, [
      { column: 3, reason: "collinear" }, { column: 4, reason: "constant" }, { column: 5, reason: "constant" },
    ]);
    for (const list of [fit.weights, fit.standardErrors, fit.tValues, fit.pValues, fit.vif]) assert.isTrue(list.every(Number.isFinite));
    assert.deepEqual(solveMoments(moments, { lambda: 0, columns: [3, 0, 1, 2] }).columns, [1, 2, 3]);
  });

  it("refuses moments that cannot be", () => {
    const { moments } = sample(1, 50, 2);
    const bad: readonly (readonly [Moments, RegExp])[] = [
      [{ ...moments, xx: moments.xx.slice(1) }, /MODEL_SHAPE/],
      [{ ...moments, xy: [2 ** 53, 0] }, /MODEL_RANGE/],
      [{ ...moments, xy: [0.5, 0] }, /MODEL_RANGE/],
      [{ ...moments, sumY: 0 }, /MODEL_ONE_CLASS/],
      [{ ...moments, sumY: 51 }, /MODEL_COUNTS/],
      [{ ...moments, n: 0 }, /MODEL_TOO_FEW_ROWS/],
      [{ ...moments, n: 3, sumY: 1 }, /MODEL_TOO_FEW_ROWS/],
    ];
    for (const [m, error] of bad) assert.throws(() => solveMoments(m, { lambda: 0.1 }), error);
  });

  it("takes the residual products of y itself back to the weights", () => {
    const s = sample(21, 300, 5);
    const fit = solveMoments(s.moments, { lambda: 0.02 });
    close(solveProducts(s.moments, fit.columns, 0.02, s.moments.xy, s.moments.sumY), fit.weights, 1e-9);
  });
});

describe("stepwise", () => {
  const base = { criterion: "pvalue" as const, pEnter: 0.01, pRemove: 0.02 };

  it("finds the columns that carry the label, in every direction", () => {
    const { moments } = sample(17, 4000, 10);
    for (const direction of ["forward", "backward", "both"] as const) {
      const chosen = stepwise(moments, { ...base, direction });
      assert.includeMembers(chosen, [0, 1, 2], direction);
      assert.isAtMost(chosen.length, 4, direction);
    }
  });

  it("makes the same choices as refitting every candidate", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const { moments } = sample(seed, 250, 6);
      const inside: number[] = [];
      for (;;) {
        const trials = [0, 1, 2, 3, 4, 5].filter((c) => !inside.includes(c)).map((c) => {
          const fit = solveMoments(moments, { lambda: 0, columns: [...inside, c] });
          return { c, p: fit.pValues[c] ?? 1, r2: fit.r2 };
        });
        const best = trials.toSorted((a, b) => b.r2 - a.r2)[0];
        if (!best || best.p >= base.pEnter) break;
        inside.push(best.c);
      }
      assert.deepEqual(stepwise(moments, { ...base, direction: "forward" }), inside.toSorted((a, b) => a - b));
      let kept = [0, 1, 2, 3, 4, 5];
      for (;;) {
        const fit = solveMoments(moments, { lambda: 0, columns: kept });
        const worst = kept.toSorted((a, b) => (fit.pValues[b] ?? 0) - (fit.pValues[a] ?? 0))[0];
        if (worst === undefined || (fit.pValues[worst] ?? 0) <= base.pRemove) break;
        kept = kept.filter((c) => c !== worst);
      }
      assert.deepEqual(stepwise(moments, { ...base, direction: "backward" }), kept);
    }
  });

  it("by AIC ends where no single move lowers AIC", () => {
    const { moments } = sample(40, 400, 7);
    const aic = (columns: number[]): number =>
      columns.length === 0 ? 0 : moments.n * Math.log(1 - solveMoments(moments, { lambda: 0, columns }).r2) + 2 * columns.length;
    const chosen = stepwise(moments, { ...base, criterion: "aic", direction: "both" });
    const now = aic(chosen);
    for (let c = 0; c < 7; c++) {
      const other = chosen.includes(c) ? chosen.filter((x) => x !== c) : [...chosen, c];
      assert.isAtLeast(aic(other), now - 1e-9);
    }
  });

  it("never enters a constant or a copy", () => {
    const s = sample(2, 500, 3);
    const moments = plainMoments([...s.columns, s.columns[0] as Int8Array, new Int8Array(500).fill(3)], s.label, 500);
    for (const direction of ["forward", "backward", "both"] as const) {
      const chosen = stepwise(moments, { ...base, criterion: "aic", direction });
      assert.notInclude(chosen, 4);
      assert.isFalse(chosen.includes(0) && chosen.includes(3));
    }
  });
});

describe("selection after the moments", () => {
  const none: SelectOptions = {
    lambda: 0.001, correlationMax: 1, vifMax: 0, sign: 0,
    stepwise: { direction: "none", criterion: "aic", pEnter: 0.05, pRemove: 0.1 },
  };

  it("drops the lower IV of a correlated pair", () => {
    const s = sample(2, 500, 3);
    const draw = seededDraw(4);
    const near = Int8Array.from(s.columns[1] as Int8Array, (v) => Math.max(-127, Math.min(127, v + draw.int(3) - 1)));
    const moments = plainMoments([...s.columns, near], s.label, 500);
    const byCorrelation = (iv: readonly number[]): unknown => selectColumns(moments, iv, { ...none, correlationMax: 0.9 }).dropped;
    assert.deepEqual(byCorrelation([0.5, 0.4, 0.3, 0.45]), [{ column: 1, reason: "correlation" }]);
    assert.deepEqual(byCorrelation([0.5, 0.4, 0.3, 0.1]), [{ column: 3, reason: "correlation" }]);
    const byVif = selectColumns(moments, [0.5, 0.4, 0.3, 0.45], { ...none, vifMax: 10 });
    assert.equal(byVif.dropped.length, 1);
    assert.equal(byVif.dropped[0]?.reason, "vif");
    const fit = solveMoments(moments, { lambda: 0, columns: byVif.columns });
    assert.isTrue(byVif.columns.every((c) => (fit.vif[c] ?? 99) <= 10));
  });

  it("leaves only weights of the right sign when asked", () => {
    const { moments } = sample(8, 2000, 6);
    const chosen = selectColumns(moments, [1, 1, 1, 1, 1, 1], { ...none, sign: 1 });
    const fit = solveMoments(moments, { lambda: 0.001, columns: chosen.columns });
    assert.isTrue(chosen.columns.every((c) => (fit.weights[c] ?? -1) > 0));
    assert.isTrue(chosen.dropped.some((x) => x.column === 2 && x.reason === "sign"));
  });
});

describe("Shapley shares of explained variance", () => {
  it("sum to one, are zero for a party without signal or columns, and equal the average over all orders of arrival", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
      const { moments } = sample(seed, 200, 8);
      const groups = [
        { party: "bank", columns: [0, 3] }, { party: "a", columns: [1, 4, 5] }, { party: "b", columns: [2] },
        { party: "c", columns: [6, 7] },
      ];
      const r2 = (set: readonly number[]): number => {
        const columns = set.flatMap((g) => groups[g]?.columns ?? []);
        return columns.length === 0 ? 0 : solveMoments(moments, { lambda: 0, columns }).r2;
      };
      const orders = permutations([0, 1, 2, 3]);
      const average = (g: number, all: readonly number[][], before: readonly number[]): number => all.reduce((sum, order) => {
        const prior = [...before, ...order.slice(0, order.indexOf(g))];
        return sum + r2([...prior, g]) - r2(prior);
      }, 0) / all.length;
      const shares = shapleyShares(moments, groups, "bank");
      const whole = r2([0, 1, 2, 3]);
      const gain = whole - r2([0]);
      assert.approximately(shares.r2, whole, 1e-9);
      groups.forEach((_, g) => {
        assert.approximately((shares.parties[g]?.ofWhole ?? 0) * whole, average(g, orders, []), 1e-9);
        const hostOrders = permutations([1, 2, 3]);
        const expected = g === 0 ? 0 : average(g, hostOrders, [0]);
        assert.approximately((shares.parties[g]?.ofGain ?? 0) * gain, expected, 1e-9);
      });
    }), { numRuns: 10 });
    const { moments } = sample(1, 200, 3);
    const empty = shapleyShares(moments, [{ party: "bank", columns: [0, 1, 2] }, { party: "idle", columns: [] }], "bank");
    assert.deepEqual(empty.parties.map((p) => [Math.round(p.ofWhole * 1e9) / 1e9, p.ofGain]), [[1, 0], [0, 0]]);
  });

  it("refuses more than a guest and sixteen hosts and a list without the guest", () => {
    const { moments } = sample(1, 200, 3);
    const parties = Array.from({ length: 18 }, (_, i) => ({ party: `p${i}`, columns: [] }));
    assert.throws(() => shapleyShares(moments, parties, "p0"), /MODEL_TOO_MANY_PARTIES/);
    assert.throws(() => shapleyShares(moments, parties.slice(0, 3), "bank"), /MODEL_SHAPE/);
  });
});

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) => permutations(items.filter((x) => x !== item)).map((rest) => [item, ...rest]));
}
