// A boosted model as the JSON of XGBoost's save_model, as version 1.7.4 writes it; later versions read it too. Its numbers are float32,
// x < split_condition goes left, default_left says where NaN goes. Levels of a category are the codes in the attribute "levels".
import { featureKey, gradientFractionBits, scoreFractionBits, type TreeModel } from "../trees/model.ts";
import { unroll, type BinaryNode, type BinarySplit, type BinaryTree, type OwnedFeature } from "./unroll.ts";

const noParent = 2_147_483_647;
/** Units of covers and gains. */
const hessian = 2 ** gradientFractionBits;
const nextToNothing = 2 ** -20;
type Json = string | number | readonly Json[] | Floats | { readonly [key: string]: Json };
/** A list that XGBoost reads as floating point: it tells 1 from 1.0. */
class Floats {
  readonly values: readonly number[];
  constructor(values: readonly number[]) {
    this.values = values;
  }
}

/** How the columns of the file are to be filled: their names in its order (XGBoost refuses [, ] and < in names, they become round
 *  brackets), and the code of each level of a category; a level that is not listed has the code `other`, a missing one is NaN. */
export type XgboostColumns = {
  readonly names: readonly string[];
  readonly levels: Readonly<Record<string, { readonly codes: Readonly<Record<string, number>>; readonly other: number }>>;
};

/**
 * The text of the file, and how to fill its columns. base_score is 0.5, log odds 0: a probability in float32 would round the base.
 * The base is a first tree of one leaf instead. Leaves are multiples of 2^-20 and so are their sums: while scores stay below 16
 * `predict(output_margin=True)` is our integer score / 2^20 exactly. sum_hessian and loss_changes carry our covers and gains (theirs is
 * twice ours), so that `pred_contribs` and `get_score` speak of the model as we do. Throws as `unroll`.
 */
export function boostedXgboost(model: TreeModel, features: readonly OwnedFeature[]): { readonly text: string; readonly columns: XgboostColumns } {
  const { base, inputs, trees } = unroll(model, features);
  const names = distinct(inputs.map((input) => featureKey(input).replaceAll("[", "(").replaceAll("]", ")").replaceAll("<", "(")));
  const levels = Object.fromEntries(inputs.flatMap(({ axis: { codes } }, i) => (codes === undefined ? [] : [[names[i] ?? "", {
    codes: Object.fromEntries(codes.levels.map((l) => [l.level, l.code])), other: codes.other,
  }]])));
  const whole = trees[0]?.[0]?.cover ?? 0;
  const all: BinaryTree[] = [[{ leaf: base, cover: whole }], ...trees];
  const text = write({
    learner: {
      attributes: { levels: JSON.stringify(levels) },
      feature_names: names,
      feature_types: names.map(() => "float"),
      gradient_booster: {
        model: {
          gbtree_model_param: { num_parallel_tree: "1", num_trees: String(all.length), size_leaf_vector: "0" },
          tree_info: all.map(() => 0),
          trees: all.map((tree, id) => treeJson(tree, id, inputs.length)),
        },
        name: "gbtree",
      },
      learner_model_param: { base_score: "5E-1", boost_from_average: "1", num_class: "0", num_feature: String(inputs.length), num_target: "1" },
      objective: { name: "binary:logistic", reg_loss_param: { scale_pos_weight: "1" } },
    },
    version: [1, 7, 4],
  });
  return { text, columns: { names, levels } };
}

function treeJson(tree: BinaryTree, id: number, features: number): Json {
  const parents = tree.map(() => noParent);
  tree.forEach((node, at) => {
    if ("leaf" in node) return;
    parents[node.left] = at;
    parents[node.right] = at;
  });
  const means = meansOf(tree);
  const of = (pick: (node: BinarySplit) => number, leaf: number): number[] => tree.map((n) => ("leaf" in n ? leaf : pick(n)));
  return {
    base_weights: new Floats(means),
    categories: [], categories_nodes: [], categories_segments: [], categories_sizes: [],
    default_left: of((n) => (n.missingLeft ? 1 : 0), 0),
    id,
    left_children: of((n) => n.left, -1),
    loss_changes: new Floats(of((n) => (2 * n.gain) / hessian, 0)),
    parents,
    right_children: of((n) => n.right, -1),
    split_conditions: new Floats(tree.map((n) => ("leaf" in n ? logOdds(n.leaf) : n.threshold))),
    split_indices: of((n) => n.input, 0),
    split_type: tree.map(() => 0),
    sum_hessian: new Floats(coversOf(tree)),
    tree_param: { num_deleted: "0", num_feature: String(features), num_nodes: String(tree.length), size_leaf_vector: "0" },
  };
}

/** Where no training row was, its explanations would divide 0 by 0: such branches get next to nothing, in halves as in ours. */
function coversOf(tree: BinaryTree): number[] {
  const covers = tree.map((n) => (n.cover > 0 ? n.cover / hessian : nextToNothing));
  tree.forEach((node, at) => {
    if ("leaf" in node || node.cover > 0) return;
    covers[node.left] = (covers[at] ?? 0) / 2;
    covers[node.right] = (covers[at] ?? 0) / 2;
  });
  return covers;
}

/** Cover-weighted mean of the leaves under each node; children come after their parent. */
function meansOf(tree: BinaryTree): number[] {
  const means = tree.map(() => 0);
  for (let at = tree.length - 1; at >= 0; at--) {
    const node = tree[at] as BinaryNode;
    if ("leaf" in node) {
      means[at] = logOdds(node.leaf);
      continue;
    }
    const [left, right] = [tree[node.left]?.cover ?? 0, tree[node.right]?.cover ?? 0];
    const part = left + right > 0 ? left / (left + right) : 0.5;
    means[at] = part * (means[node.left] ?? 0) + (1 - part) * (means[node.right] ?? 0);
  }
  return means;
}

function logOdds(units: number): number {
  return units / 2 ** scoreFractionBits;
}

function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let k = 2; seen.has(free); k++) free = `${name} (${k})`;
    seen.add(free);
    return free;
  });
}

function write(value: Json): string {
  if (value instanceof Floats) return `[${value.values.map(single).join(",")}]`;
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(write).join(",")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value as Readonly<Record<string, Json>>).map(([key, v]) => `${JSON.stringify(key)}:${write(v)}`).join(",")}}`;
}

/** The nearest float32 in the fewest digits (at most nine) that read back as it, always with an exponent. */
function single(value: number): string {
  const rounded = Math.fround(value);
  for (let digits = 5; digits < 8; digits++) {
    const text = rounded.toExponential(digits);
    if (Math.fround(Number(text)) === rounded) return text;
  }
  return rounded.toExponential(8);
}
