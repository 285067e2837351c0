// Boosted trees as XGBoost's JSON: read by an evaluator written from the format's description, and by the library itself.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { boostedXgboost, type XgboostColumns } from "../../models/files/xgboost.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { featureKey, type TreeModel } from "../../models/trees/model.ts";
import { treeImportance } from "../../models/trees/importance.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { dataSets, loadJob } from "../support/csv.ts";
import { binOwned, definitionsOf, drawnTrees, oddFeatures, rawOf, trainedTrees, type Owned } from "../support/model-files.ts";
import { needsRealData } from "../support/real-data.ts";
import { askXgboost, margin, needsXgboost, xgboostLists, type XgboostJson } from "../support/xgboost.ts";

/** Companies as numbers in the order of the file's columns, filled as its description says. */
function numbersOf(columns: XgboostColumns, owned: readonly Owned[], rows: number): Float32Array {
  const sources = columns.names.map((name) => owned.find((o) => featureKey({ party: o.party, name: o.feature.name }) === name) as Owned);
  return Float32Array.from({ length: rows * sources.length }, (_, i) => {
    const raw = rawOf((sources[i % sources.length] as Owned).feature, Math.floor(i / sources.length));
    if (typeof raw === "number" || raw === undefined) return raw ?? Number.NaN;
    const coded = columns.levels[columns.names[i % sources.length] ?? ""];
    return coded?.codes[raw] ?? coded?.other ?? Number.NaN;
  });
}

const inUnits = (scores: Float64Array): number[] => [...scores].map((s) => s / 2 ** 20);

describe("XGBoost files", () => {
  const rows = 2000;
  const owned = binOwned([{ name: "bank", features: oddFeatures(rows, 1) }, { name: "tax", features: oddFeatures(rows, 2) }], 1500, 16);
  const scoresOf = (model: TreeModel): number[] => inUnits(scoreRows(model, owned.map((o) => o.fine.binOf), rows));

  it("score every company exactly as we do, read by the format's own description", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const model = drawnTrees(owned, 1500, { seed, trees: 20, depth: 3, nested: seed % 2 === 0 });
      const { text, columns } = boostedXgboost(model, definitionsOf(owned));
      const file = JSON.parse(text) as XgboostJson;
      const numbers = numbersOf(columns, owned, rows);
      const width = columns.names.length;
      const margins = Array.from({ length: rows }, (_, row) => margin(file, numbers.subarray(row * width, (row + 1) * width)));
      assert.deepEqual(margins, scoresOf(model), "to the last bit");
    }
  });

  it("are whole: counts, parents and types are what the library checks", () => {
    const model = drawnTrees(owned, 1500, { seed: 7, trees: 5, depth: 4 });
    const { text, columns } = boostedXgboost(model, definitionsOf(owned));
    const { learner, version } = JSON.parse(text) as XgboostJson;
    const { trees, tree_info: info, gbtree_model_param: counts } = learner.gradient_booster.model;
    assert.deepEqual([version, learner.objective.name, learner.gradient_booster.name], [[1, 7, 4], "binary:logistic", "gbtree"]);
    assert.deepEqual([trees.length, info.length, Number(counts["num_trees"])], [6, 6, 6], "the base and five trees");
    assert.equal(Number(learner.learner_model_param["num_feature"]), columns.names.length);
    for (const [id, tree] of trees.entries()) {
      assert.equal(tree.id, id);
      const nodes = Number(tree.tree_param["num_nodes"]);
      for (const list of xgboostLists) assert.lengthOf(tree[list], nodes, list);
      tree.left_children.forEach((left, at) => {
        assert.equal(tree.right_children[at], left < 0 ? -1 : left + 1, "its predictor adds one to the left child");
        for (const child of left < 0 ? [] : [left, tree.right_children[at] ?? 0]) assert.equal(tree.parents[child], at);
      });
      assert.equal(tree.parents[0], 2 ** 31 - 1);
    }
    const floating = text.matchAll(/"(?:split_conditions|sum_hessian|loss_changes|base_weights)":\[([^\]]*)\]/gu);
    const floats = [...floating].flatMap((m) => (m[1] ?? "").split(","));
    assert.isTrue(floats.every((f) => /^-?\d\.\d{5,8}e[+-]\d+$/u.test(f)), "numbers with a point, which it does not take for integers");
  });

  it("name columns in a way that the library takes, each once", () => {
    const values = Float64Array.from({ length: 300 }, (_, i) => i % 50);
    const features = ["a[1]", "a(1)", "a<1)", "值"].map((name) => ({ kind: "numeric", name, values, special: [] }) as const);
    const own = binOwned([{ name: "bank", features }], 300, 8);
    const { columns } = boostedXgboost(drawnTrees(own, 300, { seed: 1, trees: 30, depth: 1 }), definitionsOf(own));
    assert.deepEqual(columns.names, ["bank/a(1)", "bank/a(1) (2)", "bank/a(1) (3)", "bank/值"]);
  });
});

describe("XGBoost, the library", () => {
  before(async function () {
    await needsXgboost(this);
  });

  it("loads a file over features of every kind and scores it bit for bit", async () => {
    const rows = 2000;
    const owned = binOwned([{ name: "bank", features: oddFeatures(rows, 1) }, { name: "tax", features: oddFeatures(rows, 2) }], 1500, 16);
    const model = drawnTrees(owned, 1500, { seed: 3, trees: 25, depth: 3 });
    const { text, columns } = boostedXgboost(model, definitionsOf(owned));
    const says = await askXgboost(text, columns.names, numbersOf(columns, owned, rows));
    const scores = inUnits(scoreRows(model, owned.map((o) => o.fine.binOf), rows));
    assert.deepEqual(says.margins, scores);
    says.probabilities.forEach((p, row) => assert.closeTo(p, sigmoid(scores[row] ?? 0), 1e-6));
    assert.deepEqual(says.levels, columns.levels);
  });

  it("scores real loans bit for bit, and says of gains what we say", async function () {
    needsRealData(this);
    const { model, owned, rows } = trainedTrees(loadJob(dataSets.sba), { trees: 30, depth: 4 });
    const { text, columns } = boostedXgboost(model, definitionsOf(owned));
    const says = await askXgboost(text, columns.names, numbersOf(columns, owned, rows));
    assert.deepEqual(says.margins, inUnits(scoreRows(model, owned.map((o) => o.fine.binOf), rows)));
    for (const { party, name, gain } of treeImportance(model).features) {
      assert.closeTo(says.gain[featureKey({ party, name })] ?? 0, 2 * gain, 1e-4 * gain, name);
    }
  });
});
