// Scores told by parts, many at once: the same as row by row, for every kind of model, and complete.
import { assert } from "chai";
import { describe, it } from "mocha";
import type { CrossboostModel } from "../../models/crossboost/model.ts";
import { applyLayer, type Layer } from "../../models/crossboost/stack.ts";
import { crossboostParts, explainRow, linearParts, treeParts, typicalOf, type Parts } from "../../models/explain/parts.ts";
import { shapleyOf, treeExplainer } from "../../models/explain/shapley.ts";
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { binOwned, drawnTrees, oddFeatures } from "../support/model-files.ts";
import { seededDraw } from "../support/draw.ts";

const rows = 600;
const unit = 2 ** -20;
const owned = binOwned([{ name: "bank", features: oddFeatures(rows, 1) }, { name: "tax", features: oddFeatures(rows, 2) }], 500, 8);
const own = owned.filter((o) => o.party === "bank");
const bins = own.map((o) => o.fine.binOf);
const codeOf = (row: number) => (feature: number): number => owned[feature]?.fine.binOf[row] ?? 255;
const draw = seededDraw(9);
const total = (parts: Parts, row: number): number => parts.own.reduce((sum, p) => sum + (p.values[row] ?? 0), parts.expected + (parts.rest[row] ?? 0));

describe("parts of many scores", () => {
  it("of a linear model are weight times code", () => {
    const codes = [Int8Array.of(3, -4, 0), Int8Array.of(-1, 5, 127)];
    const odds = Float64Array.of(0.5, 1, -2);
    const parts = linearParts(-1, [{ name: "a", weight: 0.25 }, { name: "b", weight: -2 }])(codes, odds);
    assert.deepEqual(parts.own.map((p) => [...p.values]), [[0.75, -1, 0], [2, -10, -254]]);
    assert.deepEqual([...parts.rest], [0.5 + 1 - 2.75, 1 + 1 + 11, -2 + 1 + 254]);
    assert.deepEqual(typicalOf(parts), { own: [0, -10], rest: 13 });
    assert.throws(() => linearParts(0, [{ name: "a", weight: 1 }])([], odds), /MODEL_SHAPE/);
    assert.throws(() => linearParts(0, [{ name: "a", weight: 1 }])([Int8Array.of(1)], odds), /MODEL_SHAPE/);
  });

  it("of trees over all parties are the Shapley values of the guest's features, one company at a time", () => {
    const model = drawnTrees(owned, 500, { seed: 8, trees: 12, depth: 4 });
    const odds = scoreRows(model, owned.map((o) => o.fine.binOf), rows).map((s) => s * unit);
    const parts = treeParts(model, own.length)(bins, odds);
    const explainer = treeExplainer(model, (f) => f < own.length);
    assert.deepEqual(parts.own.map((p) => p.name), own.map((o) => o.feature.name));
    for (let row = 0; row < rows; row++) {
      const { values, known } = shapleyOf(explainer, codeOf(row));
      parts.own.forEach((p, i) => assert.closeTo(p.values[row] ?? 0, (values[i] ?? 0) * unit, 1e-9));
      assert.closeTo(parts.rest[row] ?? 0, (odds[row] ?? 0) - known * unit, 1e-9);
      assert.closeTo(total(parts, row), odds[row] ?? 0, 1e-9);
    }
    assert.closeTo(parts.expected, explainer.expected * unit, 1e-9);
  });

  it("of trees without a feature of the guest are all the others'", () => {
    const parts = treeParts(drawnTrees(owned, 500, { seed: 8, trees: 3, depth: 2 }), 0)([], Float64Array.of(1, 2));
    assert.deepEqual(parts.own, []);
    assert.closeTo(total(parts, 1), 2, 1e-12);
  });

  describe("of crossboost", () => {
    const totals = [0, 1].map(() => Float64Array.from({ length: rows }, () => draw.normal()));
    const edges = [-0.5, 0, 0.5];
    const withTotals = (count: number) => [...own, ...totals.slice(0, count).map((values, i) => ({
      party: "bank", feature: { kind: "numeric" as const, name: `total ${i + 1}`, values, special: [] },
      fine: { definition: { kind: "numeric" as const, edges, special: [], missing: 255, fallback: 255, bins: 4, orderedBins: 4 }, shape: { kind: "numeric" as const, bins: 4, orderedBins: 4, missingBin: -1 },
        bins: 4, orderedBins: 4, binOf: Uint8Array.from(values, (v) => edges.filter((e) => v >= e).length) },
    }))];
    const first = drawnTrees(own, 500, { seed: 2, trees: 6, depth: 3 });
    const layers: Layer[] = [
      { intercept: 0.1, slope: 0.9, weight: 0.4, totalEdges: [edges], trees: { ...drawnTrees(withTotals(1), 500, { seed: 3, trees: 5, depth: 3 }), base: 0 } },
      { intercept: -0.2, slope: 1.1, weight: 0.3, totalEdges: [edges, edges], trees: { ...drawnTrees(withTotals(2), 500, { seed: 4, trees: 5, depth: 3 }), base: 0 } },
    ];
    const before = scoreRows(first, bins, rows).map((s) => s * unit);
    const modelOf = (stages: readonly Layer[], trees: typeof first | null = first): CrossboostModel => (
      { own: { base: -123_456, trees }, stages: stages.map((layer) => ({ layer })) }) as unknown as CrossboostModel;
    const names = own.map((o) => o.feature.name);

    it("are its own trees' when no total is of use", () => {
      const parts = crossboostParts(modelOf([]), names)(bins, before);
      for (let row = 0; row < rows; row++) assert.closeTo(parts.rest[row] ?? 1, 0, 1e-9);
      const explainer = treeExplainer(first);
      for (let row = 0; row < 50; row++) parts.own.forEach((p, i) => assert.closeTo(p.values[row] ?? 0, (shapleyOf(explainer, codeOf(row)).values[i] ?? 0) * unit, 1e-9));
    });

    it("enter with the slopes of the layers above, and leave the totals to the providers", () => {
      const after = (given: readonly Layer[]): Float64Array => given.reduce((x: Float64Array, layer, i) => applyLayer(layer, x, totals.slice(0, i + 1), bins), before);
      const all = after(layers);
      const parts = crossboostParts(modelOf(layers), names)(bins, all);
      const explainers = [treeExplainer(first), ...layers.map((l) => treeExplainer(l.trees ?? first, (f) => f < own.length))];
      // The first trees pass both slopes, those of the first layer the second one.
      const weights = [0.9 * 1.1, 1.1, 1];
      for (let row = 0; row < rows; row++) {
        const told = explainers.map((e) => shapleyOf(e, codeOf(row)));
        parts.own.forEach((p, i) => assert.closeTo(p.values[row] ?? 0, told.reduce((sum, t, k) => sum + (weights[k] ?? 0) * (t.values[i] ?? 0) * unit, 0), 1e-9));
        assert.closeTo(total(parts, row), all[row] ?? 0, 1e-9);
      }
      // The rest is the totals': as they enter, and what trees make of them.
      const linear = totals[0]?.map((x, row) => 1.1 * 0.4 * x + 0.3 * (totals[1]?.[row] ?? 0)) ?? new Float64Array();
      const plain = layers.map((l) => ({ ...l, trees: null }));
      for (const [row, x] of crossboostParts(modelOf(plain), names)(bins, after(plain)).rest.entries()) assert.closeTo(x, linear[row] ?? 0, 1e-9);
    });

    it("are nothing for a guest without columns", () => {
      const parts = crossboostParts(modelOf([{ ...(layers[0] as Layer), trees: null }], null), [])([], Float64Array.of(0.25));
      assert.closeTo(parts.expected, 0.1 + 0.9 * -123_456 * unit, 1e-12);
      assert.closeTo(total(parts, 0), 0.25, 1e-12);
    });
  });

  it("become whole units of points that add up to the score as it is printed, whatever others tell of the rest", () => {
    const scaling = { points: 600, odds: 50, pdo: 20 };
    const odds = Float64Array.from({ length: 300 }, () => 2 * draw.normal());
    const parts = linearParts(-1, [{ name: "a", weight: 0.013 }])([Int8Array.from(odds, () => draw.int(200) - 100)], odds);
    const typical = typicalOf(parts);
    const options = { typical, scaling, sources: [{ party: "bank", feature: "a" }], rest: { party: "" } };
    const values = odds.map((x, row) => {
      const told = [{ source: { party: "tax", feature: "b" }, value: 0.1234 }, { source: { party: "tax" }, value: 0.5 }];
      const made = explainRow(parts, row, x, { ...options, told });
      assert.equal(made.contributions.reduce((sum, c) => sum + c.value, made.base), made.score);
      assert.equal(made.score, Number(pointsOfOdds(x, scaling).toFixed(2).replace(".", "")));
      const plain = explainRow(parts, row, x, options);
      const at = (e: typeof made, party: string): number => e.contributions.filter((c) => c.source.party === party).reduce((sum, c) => sum + c.value, 0);
      assert.closeTo(at(made, "") + at(made, "tax"), at(plain, ""), 2);
      assert.closeTo(at(made, "tax"), -100 * (20 / Math.LN2) * 0.6234, 2);
      return at(plain, "bank");
    });
    assert.isAtMost(Math.abs(values.sort()[149] ?? 99), 1);
    assert.throws(() => explainRow(parts, 0, 0, { ...options, typical: { own: [], rest: 0 } }), /MODEL_SHAPE/);
    assert.throws(() => explainRow(parts, 0, (odds[0] ?? 0) + 0.01, options), /MODEL_EXPLANATION/);
  });
});
