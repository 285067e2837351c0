// Whole models as ONNX: one input per feature under its real name, so that columns cannot be mixed up. Numbers are float32 [rows, 1]
// with NaN for missing, levels of a category are strings [rows, 1] with "" for missing; a LabelEncoder turns them into codes.
import { AppError } from "../../core/errors.ts";
import { featureKey, scoreFractionBits, type TreeModel } from "../trees/model.ts";
import { axisOf, highestSingle, type Axis } from "./axis.ts";
import { encodeOnnx, type OnnxAttribute, type OnnxNode, type OnnxValue } from "./onnx-proto.ts";
import { checkCard, unitsOfBin, type CardFeature, type WholeScorecard } from "./scorecard.ts";
import { unroll, type BinaryNode, type BinarySplit, type BinaryTree, type OwnedFeature, type TreeInput } from "./unroll.ts";

const irVersion = 8;
const opsets = { "": 17, "ai.onnx.ml": 3 } as const;

export type FileFacts = { readonly model: string; readonly version: string };

/**
 * A boosted model as TreeEnsembleClassifier: outputs `label` int64 [rows] and `probabilities` float [rows, 2], of good and bad.
 * Half of the log odds goes to the class of bads and its negative to the goods, with SOFTMAX: the sigmoid of the whole. (With LOGISTIC
 * and one class the operator's meaning depends on whether all leaves are positive.) Halves are multiples of 2^-21; while sums stay below
 * 2^3, i.e. scores below 16, float32 adds them without rounding, and only exp rounds. Throws as `unroll`, and MODEL_EXPORT_TEXT for
 * a level that is an empty text.
 */
export function boostedOnnx(model: TreeModel, features: readonly OwnedFeature[], facts: FileFacts): Uint8Array<ArrayBuffer> {
  const { base, inputs, trees } = unroll(model, features);
  // The base is a tree of one leaf: two base values, one per class, are not simply added by every runtime.
  const { attributes, leaves } = ensemble([[{ leaf: base, cover: 0 }], ...trees]);
  const half = (units: number): number => units / 2 ** (scoreFractionBits + 1);
  const twice = leaves.flatMap((leaf) => [leaf, leaf]);
  const classifier: OnnxNode = {
    op: "TreeEnsembleClassifier", domain: "ai.onnx.ml", inputs: ["row"], outputs: ["label", "probabilities"],
    attributes: [
      ...attributes,
      { name: "class_treeids", ints: twice.map((l) => l.tree) },
      { name: "class_nodeids", ints: twice.map((l) => l.node) },
      { name: "class_ids", ints: twice.map((_, i) => i % 2) },
      { name: "class_weights", floats: twice.map((l, i) => half(i % 2 === 0 ? -l.value : l.value)) },
      { name: "classlabels_int64s", ints: [0, 1] },
      { name: "post_transform", string: "SOFTMAX" },
    ],
  };
  return write(facts, "boosted", inputs, [...rowOf(inputs), classifier], [], [
    { name: "label", type: "int64", dims: ["rows"] }, { name: "probabilities", type: "float", dims: ["rows", 2] },
  ]);
}

/**
 * A scorecard as one balanced tree of points per feature: outputs `score` in points and `probability` of an event, float [rows, 1].
 * Points are added as whole units of 10^-decimals, exactly. Throws as `checkCard` and
 * `boostedOnnx`, MODEL_RANGE for points beyond 2^24 units.
 */
export function scorecardOnnx(card: WholeScorecard, version: string): Uint8Array<ArrayBuffer> {
  checkCard(card);
  const { points, odds, pdo, decimals } = card.scaling;
  const reach = Math.abs(card.baseUnits) + card.features.reduce((sum, f) => sum + Math.max(...f.units.map(Math.abs)), 0);
  if (reach > 2 ** 24) throw new AppError("MODEL_RANGE", { units: reach });
  const inputs = card.features.map(({ party, name, definition }): TreeInput => ({ party, name, axis: axisOf(definition, (bin) => bin) }));
  const { attributes, leaves } = ensemble(card.features.map((f, i) => pointsTree(f, i, (inputs[i] as TreeInput).axis)));
  const nodes: OnnxNode[] = [
    ...rowOf(inputs),
    {
      op: "TreeEnsembleRegressor", domain: "ai.onnx.ml", inputs: ["row"], outputs: ["units"],
      attributes: [
        ...attributes,
        { name: "target_treeids", ints: leaves.map((l) => l.tree) },
        { name: "target_nodeids", ints: leaves.map((l) => l.node) },
        { name: "target_ids", ints: leaves.map(() => 0) },
        { name: "target_weights", floats: leaves.map((l) => l.value) },
        { name: "n_targets", int: 1 },
        { name: "base_values", floats: [card.baseUnits] },
      ],
    },
    { op: "Div", inputs: ["units", "unit"], outputs: ["score"] },
    { op: "Sub", inputs: ["even", "score"], outputs: ["distance"] },
    { op: "Div", inputs: ["distance", "factor"], outputs: ["odds"] },
    { op: "Sigmoid", inputs: ["odds"], outputs: ["probability"] },
  ];
  // score = points - factor (ln odds0 + log odds of an event), hence log odds = (points - factor ln odds0 - score) / factor.
  const factor = pdo / Math.LN2;
  const constants = [["unit", 10 ** decimals], ["even", points - factor * Math.log(odds)], ["factor", factor]] as const;
  return write({ model: card.model, version }, "scorecard", inputs, nodes, constants.map(([name, value]) => ({ name, dims: [1], floats: [value] })), [
    { name: "score", type: "float", dims: ["rows", 1] }, { name: "probability", type: "float", dims: ["rows", 1] },
  ]);
}

function write(
  facts: FileFacts, name: string, inputs: readonly TreeInput[], nodes: readonly OnnxNode[],
  constants: readonly { name: string; dims: number[]; floats: number[] }[], outputs: readonly OnnxValue[],
): Uint8Array<ArrayBuffer> {
  const values = inputs.map((input): OnnxValue => ({ name: featureKey(input), type: input.axis.codes ? "string" : "float", dims: ["rows", 1] }));
  if (new Set(values.map((v) => v.name)).size < values.length) throw new AppError("MODEL_SHAPE", { distinctNames: false });
  return encodeOnnx({
    graph: { name, nodes, constants, inputs: values, outputs }, irVersion, opsets, producer: { name: "yunei", version: facts.version },
    metadata: { model: facts.model, missing: "NaN for numbers, an empty string for levels" },
  });
}

/** Nodes that put the inputs side by side as `row`, float [rows, features], after turning levels into codes. */
function rowOf(inputs: readonly TreeInput[]): OnnxNode[] {
  const encoders = inputs.flatMap((input, i): OnnxNode[] => {
    const { codes } = input.axis;
    if (codes === undefined) return [];
    if (codes.levels.some((l) => l.level === "")) throw new AppError("MODEL_EXPORT_TEXT", { level: true });
    return [{
      op: "LabelEncoder", domain: "ai.onnx.ml", inputs: [featureKey(input)], outputs: [`code ${i}`],
      attributes: [
        { name: "keys_strings", strings: ["", ...codes.levels.map((l) => l.level)] },
        { name: "values_floats", floats: [Number.NaN, ...codes.levels.map((l) => l.code)] },
        { name: "default_float", float: codes.other },
      ],
    }];
  });
  const parts = inputs.map((input, i) => (input.axis.codes ? `code ${i}` : featureKey(input)));
  return [...encoders, { op: "Concat", inputs: parts, outputs: ["row"], attributes: [{ name: "axis", int: 1 }] }];
}

type Leaf = { readonly tree: number; readonly node: number; readonly value: number };

/** The attributes that both tree operators share. BRANCH_LT: true (left) when x < value, and for NaN where so stated. */
function ensemble(trees: readonly BinaryTree[]): { attributes: OnnxAttribute[]; leaves: Leaf[] } {
  const all = trees.flatMap((nodes, tree) => nodes.map((node, id) => ({ tree, id, node })));
  const of = (pick: (node: BinarySplit) => number): number[] => all.map(({ node }) => ("leaf" in node ? 0 : pick(node)));
  return {
    attributes: [
      { name: "nodes_treeids", ints: all.map((n) => n.tree) },
      { name: "nodes_nodeids", ints: all.map((n) => n.id) },
      { name: "nodes_featureids", ints: of((n) => n.input) },
      { name: "nodes_modes", strings: all.map(({ node }) => ("leaf" in node ? "LEAF" : "BRANCH_LT")) },
      { name: "nodes_values", floats: of((n) => n.threshold) },
      { name: "nodes_truenodeids", ints: of((n) => n.left) },
      { name: "nodes_falsenodeids", ints: of((n) => n.right) },
      { name: "nodes_missing_value_tracks_true", ints: of((n) => (n.missingLeft ? 1 : 0)) },
    ],
    leaves: all.flatMap(({ tree, id, node }) => ("leaf" in node ? [{ tree, node: id, value: node.leaf }] : [])),
  };
}

/** Points of one feature as a balanced tree over stretches of equal points, with NaN sent to a stretch of its points or a leaf of its own. */
function pointsTree(feature: CardFeature, input: number, axis: Axis): BinaryTree {
  const cells = axis.binOf.map((bin) => unitsOfBin(feature, bin));
  const starts = cells.flatMap((units, cell) => (cell === 0 || units !== cells[cell - 1] ? [cell] : []));
  const missing = unitsOfBin(feature, axis.missing);
  const home = starts.find((cell) => cells[cell] === missing);
  const nodes: BinaryNode[] = [];
  const branch = (part: readonly number[]): number => {
    const at = nodes.push({ leaf: cells[part[0] ?? 0] ?? 0, cover: 0 }) - 1;
    if (part.length === 1) return at;
    const middle = part.length >> 1;
    const low = part.slice(0, middle);
    const start = part[middle] ?? 0;
    const node = { input, threshold: axis.thresholds[start - 1] ?? 0, missingLeft: home !== undefined && low.includes(home), cover: 0, gain: 0 };
    nodes[at] = { ...node, left: branch(low), right: branch(part.slice(middle)) };
    return at;
  };
  if (home === undefined) {
    nodes.push({ input, threshold: highestSingle, missingLeft: false, left: 1, right: 2, cover: 0, gain: 0 });
    const left = branch(starts);
    const right = nodes.push({ leaf: missing, cover: 0 }) - 1;
    nodes[0] = { input, threshold: highestSingle, missingLeft: false, left, right, cover: 0, gain: 0 };
  } else branch(starts);
  return nodes;
}
