// Symmetric trees as binary trees over raw values: the same leaf for every company, whatever the features are like.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { nextSingle } from "../../models/files/axis.ts";
import { unroll, type BinaryTree, type TreeInput, type Unrolled } from "../../models/files/unroll.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { binOwned, definitionsOf, drawnTrees, oddFeatures, rawOf, type Owned } from "../support/model-files.ts";

const owned = binOwned([
  { name: "bank", features: oddFeatures(2000, 1) }, { name: "tax", features: oddFeatures(2000, 2) },
], 1500, 16);

/** Number of a raw value for a file: NaN without one. */
function numberOf(input: TreeInput, raw: number | string | undefined): number {
  const { codes } = input.axis;
  if (codes === undefined) return raw as number;
  return raw === undefined ? Number.NaN : (codes.levels.find((l) => l.level === raw)?.code ?? codes.other);
}

function follow(tree: BinaryTree, row: readonly number[]): number {
  let node = tree[0];
  while (node !== undefined && !("leaf" in node)) {
    const x = row[node.input] ?? Number.NaN;
    node = tree[(Number.isNaN(x) ? node.missingLeft : x < node.threshold) ? node.left : node.right];
  }
  return node?.leaf ?? Number.NaN;
}

function scoreRaw(file: Unrolled, all: readonly Owned[], row: number): number {
  const numbers = file.inputs.map((input) => {
    const own = all.find((o) => o.party === input.party && o.feature.name === input.name) as Owned;
    return numberOf(input, rawOf(own.feature, row));
  });
  return file.trees.reduce((sum, tree) => sum + follow(tree, numbers), file.base);
}

const depthOf = (tree: BinaryTree, at = 0): number => {
  const node = tree[at];
  return node === undefined || "leaf" in node ? 0 : 1 + Math.max(depthOf(tree, node.left), depthOf(tree, node.right));
};
const leavesCover = (tree: BinaryTree): number => tree.reduce((sum, n) => sum + ("leaf" in n ? n.cover : 0), 0);

describe("unrolled trees", () => {
  it("give every company the score of its fine bins: special values, levels, missing values, features cut twice", () => {
    fc.assert(fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 5 }), fc.boolean(), (seed, depth, nested) => {
      const model = drawnTrees(owned, 1500, { seed, trees: 3, depth, nested });
      const file = unroll(model, definitionsOf(owned));
      const scores = scoreRows(model, owned.map((o) => o.fine.binOf), 2000);
      for (let row = 0; row < 2000; row += 7) assert.equal(scoreRaw(file, owned, row), scores[row]);
      for (const [t, tree] of file.trees.entries()) {
        const cover = model.trees[t]?.leafCovers.reduce((a, b) => a + b, 0) ?? 0;
        assert.closeTo(leavesCover(tree), cover, 1e-6 * cover, "no training row is lost or counted twice");
        for (const node of tree) {
          if ("leaf" in node) continue;
          assert.closeTo((tree[node.left]?.cover ?? 0) + (tree[node.right]?.cover ?? 0), node.cover, 1e-6 * cover);
        }
      }
    }), { numRuns: 40 });
  });

  it("need one node per level for numbers without special values, and for levels whose cuts are nested", () => {
    const simple = owned.filter((o) => ["plain", "gaps", "counts", "level", "whole level"].includes(o.feature.name));
    const model = drawnTrees(simple, 1500, { seed: 5, trees: 40, depth: 4, nested: true });
    const file = unroll(model, definitionsOf(simple));
    for (const tree of file.trees) assert.isAtMost(depthOf(tree), 4);
    assert.isTrue(file.trees.some((tree) => tree.length === 31), "four features, nothing to prune");
    assert.isTrue(file.trees.some((tree) => tree.length < 31), "a feature cut twice leaves branches that nobody can reach");
  });

  it("put thresholds where float32 keeps every training value on its side", () => {
    const values = Float64Array.from({ length: 400 }, (_, i) => 0.1 * (i % 40) + (i % 3) * 1e-3 + 1e5);
    const [own] = binOwned([{ name: "bank", features: [{ kind: "numeric", name: "x", values, special: [] }] }], 400, 20) as [Owned];
    const model = drawnTrees([own], 400, { seed: 3, trees: 20, depth: 1 });
    const file = unroll(model, definitionsOf([own]));
    const scores = scoreRows(model, [own.fine.binOf], 400);
    for (let row = 0; row < 400; row++) assert.equal(scoreRaw(file, [own], row), scores[row], `value ${values[row]}`);
  });

  it("refuse definitions of other features, a model without cuts, and edges beyond float32", () => {
    const code = (work: () => unknown): string => {
      try {
        work();
      } catch (error) {
        if (error instanceof AppError) return error.code;
      }
      return "";
    };
    const model = drawnTrees(owned, 1500, { seed: 1, trees: 2, depth: 2 });
    assert.equal(code(() => unroll(model, definitionsOf(owned).slice(1))), "MODEL_SHAPE");
    assert.equal(code(() => unroll(model, definitionsOf(owned).toReversed())), "MODEL_SHAPE");
    assert.equal(code(() => unroll({ ...model, trees: [] }, definitionsOf(owned))), "MODEL_NO_FEATURE");
    const values = Float64Array.from({ length: 200 }, (_, i) => i * 1e38);
    const far = binOwned([{ name: "bank", features: [{ kind: "numeric", name: "x", values, special: [] }] }], 200, 8);
    assert.equal(code(() => unroll(drawnTrees(far, 200, { seed: 1, trees: 1, depth: 1 }), definitionsOf(far))), "MODEL_RANGE");
  });

  it("refuse a tree that levels in no common order would blow up", () => {
    const levels = Array.from({ length: 60 }, (_, i) => `level ${i}`);
    const wide = binOwned([{ name: "bank", features: [0, 1, 2, 3, 4, 5].map((k) => (
      { kind: "categorical", name: `c${k}`, levels, codes: Int32Array.from({ length: 1800 }, (_, i) => (i * (k + 1)) % 60) })) }], 1800, 64);
    const model = drawnTrees(wide, 1800, { seed: 2, trees: 8, depth: 6 });
    assert.throws(() => unroll(model, definitionsOf(wide)), /MODEL_EXPORT_SIZE/);
  });

  it("find the next float32", () => {
    fc.assert(fc.property(fc.float({ noNaN: true, noDefaultInfinity: true, max: Math.fround(1e38) }), (x) => {
      const next = nextSingle(x);
      assert.isTrue(next > x && Math.fround(next) === next);
      assert.isTrue([x, next].includes(Math.fround((x + next) / 2)), "nothing lies between");
    }));
  });
});
