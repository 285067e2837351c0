// Symmetric trees over fine bins as plain binary trees over numbers, which is what other tools read: x < threshold goes left, NaN to a
// stated side. A level of a symmetric tree becomes one node per branch; branches that no company can reach are left out.
import { AppError } from "../../core/errors.ts";
import { neutralBin, type FineDefinition } from "../binning/fine.ts";
import { rightOfCode, type Cut, type SymmetricTree, type TreeModel } from "../trees/model.ts";
import { axisOf, highestSingle, type Axis } from "./axis.ts";

/** A feature with its owner's definition, under its real name: in the order of the model's list. */
export type OwnedFeature = { readonly party: string; readonly name: string; readonly definition: FineDefinition };
/** One number per company, in the order of `BinaryNode.input`. */
export type TreeInput = { readonly party: string; readonly name: string; readonly axis: Axis };

/** `cover`: hessian sum of the training rows. `gain`: the level's, shared by the nodes that it splits in proportion to their cover (a
 *  branch with several nodes for one level has it at the first). Both in the model's units. */
export type BinarySplit = {
  readonly input: number; readonly threshold: number; readonly missingLeft: boolean; readonly left: number; readonly right: number;
  readonly cover: number; readonly gain: number;
};
export type BinaryNode = BinarySplit | { readonly leaf: number; readonly cover: number };
/** Node 0 is the root. Children come after their parent and side by side, left + 1 = right, as XGBoost's predictor takes for granted.
 *  Leaves in units of 2^-20 log odds. */
export type BinaryTree = readonly BinaryNode[];
export type Unrolled = { readonly base: number; readonly inputs: readonly TreeInput[]; readonly trees: readonly BinaryTree[] };

/** Most nodes of one tree. Special values in the middle of a scale and categories cost more than one node per level. */
const maxNodes = 1 << 14;

/** Throws MODEL_SHAPE when the definitions are not those of the model, MODEL_NO_FEATURE when no tree has a cut, MODEL_EXPORT_SIZE
 *  when a tree would get too large. Only features with a cut become inputs. */
export function unroll(model: TreeModel, features: readonly OwnedFeature[]): Unrolled {
  const fits = features.length === model.features.length && features.every(({ definition: d }, i) => {
    const f = model.features[i];
    return f?.kind === d.kind && f.bins === d.bins && f.orderedBins === d.orderedBins;
  });
  if (!fits) throw new AppError("MODEL_SHAPE", { features: features.length });
  const cuts = model.trees.flatMap((t) => t.cuts);
  const used = [...new Set(cuts.map((c) => c.feature))].sort((a, b) => a - b);
  if (used.length === 0) throw new AppError("MODEL_NO_FEATURE", { trees: model.trees.length });
  const inputs = used.map((feature): TreeInput => {
    const { party, name, definition } = features[feature] as OwnedFeature;
    return { party, name, axis: axisOf(definition, byCuts(cuts.filter((c) => c.feature === feature))) };
  });
  return { base: model.base, inputs, trees: model.trees.map((tree) => unrollTree(tree, (c) => used.indexOf(c), inputs)) };
}

/** Bins that go left most often first: cuts that are prefixes of one order then need a single node. */
function byCuts(cuts: readonly Cut[]): (bin: number) => number {
  const rights = cuts.map(rightOfCode);
  return (bin) => rights.reduce((sum, right) => sum + (right[bin] ?? 1), 0);
}

/** Where a company can still be on a feature's axis: cells [from, to), and whether it may have no value. */
type Reach = { readonly from: number; readonly to: number; readonly missing: boolean };
/** A stretch of cells of one side of a cut; without cells it is the companies without a value alone. */
type Stretch = Reach & { readonly side: number };

function unrollTree(tree: SymmetricTree, inputOf: (feature: number) => number, inputs: readonly TreeInput[]): BinaryTree {
  const nodes: (BinaryNode | undefined)[] = [];
  const coverOf = (depth: number, bits: number): number => {
    let sum = 0;
    for (let leaf = bits; leaf < tree.leaves.length; leaf += 1 << depth) sum += tree.leafCovers[leaf] ?? 0;
    return sum;
  };
  const reserve = (count: number): number => {
    if (nodes.length + count > maxNodes) throw new AppError("MODEL_EXPORT_SIZE", { nodes: maxNodes });
    return nodes.push(...Array.from({ length: count }, () => undefined)) - count;
  };
  // `cover`: of the companies that come by this branch. A level hands it on to the stretches of its two sides as the model's covers of
  // these sides say; several stretches of one side share evenly, since the model does not tell them apart. With one stretch per side, the
  // usual case, covers are the model's own.
  const firsts: { at: number; depth: number }[] = [];
  const grow = (at: number, depth: number, bits: number, cover: number, reach: ReadonlyMap<number, Reach>): void => {
    const cut = tree.cuts[depth];
    if (cut === undefined) {
      nodes[at] = { leaf: tree.leaves[bits] ?? 0, cover };
      return;
    }
    const input = inputOf(cut.feature);
    const { axis } = inputs[input] as TreeInput;
    const stretches = stretchesOf(axis, rightOfCode(cut), reach.get(input) ?? { from: 0, to: axis.binOf.length, missing: true });
    const weights = stretches.map(({ side }) => coverOf(depth + 1, bits | (side << depth)) / stretches.filter((s) => s.side === side).length);
    const total = weights.reduce((a, b) => a + b, 0);
    const covers = weights.map((w) => cover * (total > 0 ? w / total : 1 / weights.length));
    const split = (place: number, from: number, to: number): void => {
      const here = covers.slice(from, to).reduce((a, b) => a + b, 0);
      const first = stretches[from] as Stretch;
      if (to - from === 1) {
        grow(place, depth + 1, bits | (first.side << depth), here, new Map(reach).set(input, first));
        return;
      }
      const middle = (from + to) >> 1;
      const left = reserve(2);
      nodes[place] = {
        input, threshold: border(axis, stretches[middle - 1] as Stretch, stretches[middle] as Stretch),
        missingLeft: stretches.slice(from, middle).some((s) => s.missing), left, right: left + 1,
        cover: here, gain: 0,
      };
      if (to - from === stretches.length) firsts.push({ at: place, depth });
      split(left, from, middle);
      split(left + 1, middle, to);
    };
    split(at, 0, stretches.length);
  };
  grow(reserve(1), 0, 0, coverOf(0, 0), new Map());
  const levelCovers = tree.cuts.map(() => 0);
  for (const { at, depth } of firsts) levelCovers[depth] = (levelCovers[depth] ?? 0) + (nodes[at]?.cover ?? 0);
  for (const { at, depth } of firsts) {
    const split = nodes[at] as BinarySplit;
    const level = levelCovers[depth] ?? 0;
    nodes[at] = { ...split, gain: level > 0 ? ((tree.gains[depth] ?? 0) * split.cover) / level : 0 };
  }
  return nodes as BinaryNode[];
}

/** In the order of the axis. NaN belongs to the first stretch of its side, or is one of its own: first when it goes left, else last. */
function stretchesOf(axis: Axis, right: Uint8Array, reach: Reach): Stretch[] {
  const stretches: Stretch[] = [];
  for (let cell = reach.from; cell < reach.to; cell++) {
    const side = right[axis.binOf[cell] ?? neutralBin] ?? 1;
    const last = stretches.at(-1);
    if (last?.side === side) stretches[stretches.length - 1] = { ...last, to: cell + 1 };
    else stretches.push({ from: cell, to: cell + 1, missing: false, side });
  }
  if (!reach.missing) return stretches;
  const side = right[axis.missing] ?? 1;
  const home = stretches.findIndex((s) => s.side === side);
  if (home >= 0) return stretches.map((s, i) => (i === home ? { ...s, missing: true } : s));
  const alone = { from: reach.from, to: reach.from, missing: true, side };
  return side === 0 ? [alone, ...stretches] : [...stretches, alone];
}

/** Every number is above the lowest float32 and below the highest: only NaN takes the other branch there. */
function border(axis: Axis, low: Stretch, high: Stretch): number {
  if (low.from === low.to) return -highestSingle;
  return high.from === high.to ? highestSingle : (axis.thresholds[high.from - 1] ?? 0);
}
