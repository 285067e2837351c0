// Exact Shapley values of symmetric trees. The game is that of TreeSHAP (Lundberg, Erion, Lee, arXiv:1802.03888, EXPVALUE; Lundberg et
// al., Nature Machine Intelligence 2, 2020, "tree path dependent"): a company follows its own branch where the feature is known, and
// both branches by their training cover where not. It needs the leaves' covers alone, no row of anybody. A symmetric tree has at
// most six features and 64 leaves and a company's values depend on its leaf only: one table per tree, then look-ups.
import { AppError } from "../../core/errors.ts";
import { rightOfCode, type SymmetricTree, type TreeModel } from "../trees/model.ts";
import { settle, type Explanation, type Source, type Term } from "./contribution.ts";

type TreeTable = {
  readonly tree: SymmetricTree;
  readonly rights: readonly Uint8Array[];
  /** Distinct features of the tree that are players, and leaves x players values in units. */
  readonly players: readonly number[];
  readonly values: Float64Array;
  /** Per leaf: the score of a company of which all players are known, and nothing else. */
  readonly known: Float64Array;
};
export type TreeExplainer = {
  /** Mean score over the training cover: base plus the trees' expectations, in units of 2^-20 log odds. */
  readonly expected: number;
  readonly base: number;
  readonly tables: readonly TreeTable[];
  readonly features: number;
};
/** Code (fine bin or `neutralBin`) of one company for a feature of the model's list. */
export type CodeOf = (feature: number) => number;

/** `isKnown`: features that can be told about later companies; the others (of parties whose bits stay with them) are averaged
 *  over for everybody and are no players. Default: all are known. */
export function treeExplainer(model: TreeModel, isKnown: (feature: number) => boolean = () => true): TreeExplainer {
  const tables = model.trees.map((tree) => tableOf(tree, isKnown));
  return {
    expected: model.trees.reduce((sum, tree) => sum + expectation(tree, 0, () => undefined), model.base),
    base: model.base, tables, features: model.features.length,
  };
}

/** Values of every feature of the list for one company, in units, and what is then known of its score: expected + sum of values. */
export function shapleyOf(explainer: TreeExplainer, codeOf: CodeOf): { readonly values: Float64Array; readonly known: number } {
  const values = new Float64Array(explainer.features);
  let known = explainer.base;
  for (const table of explainer.tables) {
    const { players } = table;
    const leaf = leafOf(table, codeOf, players);
    known += table.known[leaf] ?? 0;
    players.forEach((feature, i) => {
      values[feature] = (values[feature] ?? 0) + (table.values[leaf * players.length + i] ?? 0);
    });
  }
  return { values, known };
}

/** The whole score of one company, told by features. `sources`: one per feature of the list; features without a part are left out.
 *  Throws MODEL_EXPLANATION when `score` (units) is not the model's score of these codes. */
export function explainTrees(explainer: TreeExplainer, codeOf: CodeOf, score: number, sources: readonly Source[]): Explanation {
  return settle(score, explainer.expected, termsOf(shapleyOf(explainer, codeOf).values, sources));
}

/** As `explainTrees` when only some features are known (an explainer made so): what they do not explain, with all that comes about
 *  only together with the others, is the part of `rest`. Codes of other features are not asked for. */
export function explainKnown(explainer: TreeExplainer, codeOf: CodeOf, score: number, sources: readonly Source[], rest: Source): Explanation {
  const { values, known } = shapleyOf(explainer, codeOf);
  return settle(score, explainer.expected, [...termsOf(values, sources), { source: rest, value: score - known }]);
}

/** One term per feature that has a part. Throws MODEL_SHAPE when there is not one source per feature. */
export function termsOf(values: Float64Array, sources: readonly Source[]): Term[] {
  if (values.length !== sources.length) throw new AppError("MODEL_SHAPE", { values: values.length, sources: sources.length });
  return sources.flatMap((source, i) => (values[i] === 0 ? [] : [{ source, value: values[i] ?? 0 }]));
}

function tableOf(tree: SymmetricTree, isKnown: (feature: number) => boolean): TreeTable {
  const players = [...new Set(tree.cuts.map((c) => c.feature))].filter(isKnown);
  const count = players.length;
  const values = new Float64Array(tree.leaves.length * count);
  const known = new Float64Array(tree.leaves.length);
  const weights = shapleyWeights(count);
  const worth = new Float64Array(1 << count);
  for (let leaf = 0; leaf < tree.leaves.length; leaf++) {
    for (let set = 0; set < worth.length; set++) {
      worth[set] = expectation(tree, 0, (level) => {
        const player = players.indexOf(tree.cuts[level]?.feature ?? -1);
        return player >= 0 && (set >> player) & 1 ? (leaf >> level) & 1 : undefined;
      });
    }
    known[leaf] = worth[worth.length - 1] ?? 0;
    for (let set = 0; set < worth.length; set++) {
      for (let i = 0; i < count; i++) {
        if ((set >> i) & 1) continue;
        const gain = (worth[set | (1 << i)] ?? 0) - (worth[set] ?? 0);
        values[leaf * count + i] = (values[leaf * count + i] ?? 0) + (weights[bitsOf(set)] ?? 0) * gain;
      }
    }
  }
  return { tree, rights: tree.cuts.map(rightOfCode), players, values, known };
}

/** Mean leaf when `bitOf` fixes the branch of some levels. Where no training row was, both branches count the same. */
function expectation(tree: SymmetricTree, from: number, bitOf: (level: number) => number | undefined): number {
  const bits = tree.cuts.map((_, level) => bitOf(level));
  const visit = (level: number, prefix: number): { mean: number; cover: number } => {
    if (level === bits.length) return { mean: tree.leaves[prefix] ?? 0, cover: tree.leafCovers[prefix] ?? 0 };
    const left = visit(level + 1, prefix);
    const right = visit(level + 1, prefix | (1 << level));
    const cover = left.cover + right.cover;
    const bit = bits[level];
    const share = bit ?? (cover > 0 ? right.cover / cover : 0.5);
    return { mean: (1 - share) * left.mean + share * right.mean, cover };
  };
  return visit(from, 0).mean;
}

function leafOf(table: TreeTable, codeOf: CodeOf, players: readonly number[]): number {
  let leaf = 0;
  table.tree.cuts.forEach((cut, level) => {
    if (players.includes(cut.feature)) leaf |= (table.rights[level]?.[codeOf(cut.feature)] ?? 1) << level;
  });
  return leaf;
}

/** |S|! (n - |S| - 1)! / n! for every size of S. */
function shapleyWeights(count: number): number[] {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  return Array.from({ length: count }, (_, size) => (factorial(size) * factorial(count - size - 1)) / factorial(count));
}

function bitsOf(set: number): number {
  let bits = 0;
  for (let rest = set; rest > 0; rest &= rest - 1) bits++;
  return bits;
}
