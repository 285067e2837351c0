// The made-up companies by which an exported file is checked: a right file passes on features of every kind, a wrong one does not.
import { assert } from "chai";
import { describe, it } from "mocha";
import { seededRng } from "../../core/rng.ts";
import { openScorer } from "../../enclave/onnx.ts";
import { boostedOnnx, scorecardOnnx } from "../../models/files/onnx.ts";
import { probeCard, probeTrees, type Probe } from "../../models/files/probe.ts";
import type { OwnedFeature } from "../../models/files/unroll.ts";
import { binOwned, definitionsOf, drawnCard, drawnTrees, oddFeatures } from "../support/model-files.ts";

const rng = (seed: number) => seededRng(new Uint8Array(32).fill(seed), "probe");
const owned = binOwned([{ name: "bank", features: oddFeatures(2000, 1) }, { name: "tax", features: oddFeatures(2000, 2) }], 1500, 16);
const features = definitionsOf(owned);
const facts = { model: "model_0", version: "0" };

async function worst(onnx: Uint8Array, probe: Probe): Promise<number> {
  await using scorer = await openScorer(onnx, { featureNames: probe.features.map((f) => f.name) });
  const scores = await scorer.score(probe.features);
  return scores.reduce((most, p, row) => Math.max(most, Math.abs(p - (probe.expected[row] ?? Number.NaN))), 0);
}

describe("companies for the check of a file", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`score in a right file of trees and of a scorecard as in the model (drawn with ${seed})`, async () => {
      const model = drawnTrees(owned, 1500, { seed, trees: 20, depth: 3, nested: seed % 2 === 0 });
      assert.isBelow(await worst(boostedOnnx(model, features, facts), probeTrees(model, features, 2000, rng(seed))), 2 ** -18);
      const card = drawnCard(owned, seed);
      assert.isBelow(await worst(scorecardOnnx(card, "0"), probeCard(card, 2000, rng(seed))), 2 ** -18);
    });
  }
  it("score otherwise in a file whose leaves, edges, levels or missing values are not the model's", async () => {
    const model = drawnTrees(owned, 1500, { seed: 5, trees: 40, depth: 3 });
    const probe = probeTrees(model, features, 4096, rng(5));
    const leaf = { ...model, trees: model.trees.map((t, i) => (i === 0 ? { ...t, leaves: t.leaves.map((x) => x + 2 ** 16) } : t)) };
    assert.isAbove(await worst(boostedOnnx(leaf, features, facts), probe), 0.001);
    const changed = (change: (definition: OwnedFeature["definition"]) => OwnedFeature["definition"]): OwnedFeature[] => (
      features.map((f) => ({ ...f, definition: change(f.definition) })));
    const wrong = [
      changed((d) => (d.kind === "numeric" ? { ...d, edges: d.edges.map((e) => e + 0.5) } : d)),
      changed((d) => (d.kind === "numeric" ? { ...d, missing: 0 } : d)),
      changed((d) => (d.kind === "categorical" ? { ...d, levels: d.levels.map((l, i) => ({ ...l, bin: d.levels[(i + 1) % d.levels.length]?.bin ?? 0 })) } : d)),
    ];
    for (const other of wrong) assert.isAbove(await worst(boostedOnnx(model, other, facts), probe), 0.001);
  });
  it("reach every bin of every feature that a number or level leads to", () => {
    const model = drawnTrees(owned, 1500, { seed: 6, trees: 1, depth: 1 });
    const probe = probeTrees(model, features, 2000, rng(6));
    for (const [i, { definition }] of features.entries()) {
      const feature = probe.features[i];
      const distinct = new Set(feature?.kind === "numeric" ? feature.values : feature?.codes);
      assert.isAtLeast(distinct.size, definition.bins - (definition.kind === "numeric" ? definition.special.length : 0));
    }
  });
});
