// Whole models as ONNX files, run by ONNX Runtime against our own predictor.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { openModel, type OnnxTensor } from "../../enclave/onnx.ts";
import { applyFine, neutralBin } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { boostedOnnx, scorecardOnnx } from "../../models/files/onnx.ts";
import { outlineOnnx } from "../../models/files/onnx-outline.ts";
import { unitsOfBin, type WholeScorecard } from "../../models/files/scorecard.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { oddsOfPoints } from "../../models/scorecard/points.ts";
import { featureKey } from "../../models/trees/model.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { dataSets, loadJob } from "../support/csv.ts";
import { binOwned, definitionsOf, drawnCard, drawnTrees, oddFeatures, rawOf, trainedTrees, type Owned, type Whole } from "../support/model-files.ts";
import { needsRealData } from "../support/real-data.ts";

const facts = { model: "model_0123456789abcdef01234567", version: "0.1.0" };

function tensorOf(feature: Feature, rows: number): OnnxTensor {
  const dims = [rows, 1];
  if (feature.kind === "numeric") return { type: "float32", data: Float32Array.from(feature.values.subarray(0, rows)), dims };
  return { type: "string", data: Array.from({ length: rows }, (_, row) => String(rawOf(feature, row) ?? "")), dims };
}

async function runFile(bytes: Uint8Array, owned: readonly Owned[], rows: number): Promise<Readonly<Record<string, OnnxTensor>>> {
  await using model = await openModel(bytes);
  const feeds = model.inputs.map((name) => {
    const own = owned.find((o) => featureKey({ party: o.party, name: o.feature.name }) === name) as Owned;
    return [name, tensorOf(own.feature, rows)] as const;
  });
  return await model.run(Object.fromEntries(feeds));
}

/** Largest difference of probabilities, and number of companies whose label differs from the sign of our score. */
async function compareBoosted({ model, owned, rows }: Whole): Promise<{ worst: number; labels: number }> {
  const { probabilities, label } = await runFile(boostedOnnx(model, definitionsOf(owned), facts), owned, rows);
  const scores = scoreRows(model, owned.map((o) => o.fine.binOf), rows);
  let [worst, labels] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const p = sigmoid((scores[row] ?? 0) / 2 ** 20);
    const [good, bad] = [Number(probabilities?.data[2 * row]), Number(probabilities?.data[2 * row + 1])];
    worst = Math.max(worst, Math.abs(p - bad), Math.abs(1 - p - good));
    if (Number(label?.data[row]) !== ((scores[row] ?? 0) > 0 ? 1 : 0)) labels++;
  }
  return { worst, labels };
}

function cardScores(card: WholeScorecard, owned: readonly Owned[], rows: number): number[] {
  return Array.from({ length: rows }, (_, row) => (
    card.features.reduce((sum, f, i) => sum + unitsOfBin(f, owned[i]?.fine.binOf[row] ?? neutralBin), card.baseUnits)));
}

describe("ONNX files", () => {
  const rows = 2000;
  const owned = binOwned([{ name: "bank", features: oddFeatures(rows, 1) }, { name: "tax", features: oddFeatures(rows, 2) }], 1500, 16);

  it("hold boosted trees over features of every kind with equal probabilities", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const model = drawnTrees(owned, 1500, { seed, trees: 12, depth: 3, nested: seed % 2 === 0 });
      const { worst, labels } = await compareBoosted({ model, owned, rows });
      assert.isBelow(worst, 1e-6);
      assert.equal(labels, 0);
    }
  });

  it("mean the same when all leaves are positive, and for a single tree", async () => {
    const model = drawnTrees(owned, 1500, { seed: 9, trees: 1, depth: 2 });
    const positive = { ...model, base: 1 << 19, trees: model.trees.map((t) => ({ ...t, leaves: t.leaves.map((l) => Math.abs(l)) })) };
    assert.isBelow((await compareBoosted({ model: positive, owned, rows })).worst, 1e-6);
  });

  it("know levels that training never saw", async () => {
    const level = owned.filter((o) => o.feature.kind === "categorical" && o.party === "bank");
    const model = drawnTrees(level, 1500, { seed: 11, trees: 6, depth: 2 });
    const features = level.map(({ feature }): Feature => (
      { kind: "categorical", name: feature.name, levels: ["trade", "unheard of"], codes: Int32Array.from({ length: 30 }, (_, i) => (i % 3) - 1) }));
    const later = level.map((o, i) => {
      const feature = features[i] as Feature;
      return { ...o, feature, fine: { ...o.fine, binOf: applyFine(o.fine.definition, feature) } };
    });
    assert.isBelow((await compareBoosted({ model, owned: later, rows: 30 })).worst, 1e-6);
  });

  it("hold a scorecard whose points are ours to the last unit, with the probability of its scale", async () => {
    for (const [seed, decimals] of [[1, 0], [2, 1], [3, 3]] as const) {
      const card = drawnCard(owned, seed, decimals);
      const { score, probability } = await runFile(scorecardOnnx(card, "0.1.0"), owned, rows);
      const units = cardScores(card, owned, rows);
      for (let row = 0; row < rows; row++) {
        assert.equal(Number(score?.data[row]), Math.fround((units[row] ?? 0) / 10 ** decimals));
        assert.closeTo(Number(probability?.data[row]), sigmoid(oddsOfPoints((units[row] ?? 0) / 10 ** decimals, { ...card.scaling })), 1e-6);
      }
    }
  });

  it("name what they want and nothing else: features with a cut, standard operators, the model", () => {
    const model = drawnTrees(owned, 1500, { seed: 2, trees: 2, depth: 2 });
    const outline = outlineOnnx(boostedOnnx(model, definitionsOf(owned), facts));
    const used = new Set(model.trees.flatMap((t) => t.cuts.map((c) => featureKey(model.features[c.feature] as { party: string; name: string }))));
    assert.sameMembers(outline.inputs.map((i) => i.name), [...used]);
    assert.deepEqual(outline.opsets, [{ domain: "", version: 17 }, { domain: "ai.onnx.ml", version: 3 }]);
    assert.deepEqual(outline.outputs, [{ name: "label", element: 7, dims: [-1] }, { name: "probabilities", element: 1, dims: [-1, 2] }]);
    assert.deepEqual([outline.external, outline.functions, outline.subgraphs], [false, false, false]);
    assert.deepEqual(boostedOnnx(model, definitionsOf(owned), facts), boostedOnnx(model, definitionsOf(owned), facts), "the same bytes again");
  });

  it("refuse a level that is an empty text, which stands for a missing one", () => {
    const codes = Int32Array.from({ length: 200 }, (_, i) => i % 2);
    const own = binOwned([{ name: "bank", features: [{ kind: "categorical", name: "x", levels: ["", "a"], codes }] }], 200, 8);
    assert.throws(() => scorecardOnnx(drawnCard(own, 1), "0"), /MODEL_EXPORT_TEXT/);
  });

  it("refuse points that do not fit their bins, and an empty card", () => {
    const card = drawnCard(owned, 1);
    const [first, ...others] = card.features;
    assert.throws(() => scorecardOnnx({ ...card, features: [] }, "0"), /MODEL_NO_FEATURE/);
    assert.throws(() => scorecardOnnx({ ...card, features: first ? [{ ...first, units: [] }, ...others] : [] }, "0"), /MODEL_SHAPE/);
    assert.throws(() => scorecardOnnx({ ...card, features: first ? [first, first] : [] }, "0"), /MODEL_SHAPE/, "one name twice");
    assert.throws(() => scorecardOnnx({ ...card, baseUnits: 2 ** 24 }, "0"), /MODEL_RANGE/);
  });
});

describe("ONNX files of models on real loans and companies", () => {
  before(function () {
    needsRealData(this);
  });

  for (const name of ["sba", "polish"] as const) {
    it(`give each company of ${name} the probability that we give it`, async () => {
      const whole = trainedTrees(loadJob(dataSets[name]), { trees: 30, depth: 4 });
      const { worst, labels } = await compareBoosted(whole);
      assert.isBelow(worst, 1e-6);
      assert.equal(labels, 0);
    });
  }
});
