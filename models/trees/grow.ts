// Training of boosted symmetric trees as a pure generator: it asks for the hosts' histograms and bitmaps and never sees a wire,
// so that the federated run and the plaintext reference are the same program and equal bit for bit.
import { AppError } from "../../core/errors.ts";
import { Columns } from "./columns.ts";
import { treeFeatures, treeRows, validationRows } from "./draws.ts";
import { classWeights, gradients, heldOutLoss } from "./gradient.ts";
import { layoutOf } from "./histogram.ts";
import { featureKey, type Cut, type SymmetricTree, type TreeFeature, type TreeModel } from "./model.ts";
import type { TreeParams } from "./params.ts";
import { rulesOf } from "./split.ts";
import { encodeState, restoreState, trainingDigest, type Progress } from "./state.ts";
import { checkedBits, growTree } from "./tree.ts";

/** A feature of the job's list. `binOf`: fine bins over all rows, for the guest's own features; absent for a host's. */
export type GrowFeature = TreeFeature & { readonly binOf?: Uint8Array | undefined };

export type GrowInput = {
  readonly features: readonly GrowFeature[];
  /** 0 or 1 of the training rows (longer is fine: the rest is never read). */
  readonly label: Uint8Array;
  readonly trainRows: number;
  /** Training and test rows: the length of every bitmap. */
  readonly rows: number;
  readonly params: TreeParams;
  /** Warm start: go on from this model (same features and bins). Its host cuts are asked for first. */
  readonly from?: TreeModel | undefined;
  /** The `state` of the last finished tree of an interrupted run of the same input. */
  readonly resume?: Uint8Array | undefined;
};

/** Integer vectors over all training rows, 0 outside the node. */
export type NodeVectors = { readonly g: Int32Array; readonly h: Int32Array };
/** Sums of every fine bin of every host feature (in list order, bins of a feature together). */
export type CellSums = { readonly g: Float64Array; readonly h: Float64Array };

export type Asked =
  | { readonly kind: "histograms"; readonly tree: number; readonly level: number; readonly nodes: readonly NodeVectors[];
      /** Host features whose cells are read; the others' may be zeros. */
      readonly wanted: readonly number[] }
  | { readonly kind: "bits"; readonly cut: Cut }
  | { readonly kind: "tree"; readonly tree: SymmetricTree; readonly state: Uint8Array };
/** Answers: to "histograms" one CellSums per node, to "bits" one byte a row (1 = right), to "tree" nothing. */
export type Given = readonly CellSums[] | Uint8Array | undefined;

export type Grown = {
  readonly model: TreeModel;
  /** Why training ended: all trees grown, early stopping, no cut gains anything, or fewer rows than `minNodeRows`. */
  readonly end: "trees" | "earlyStop" | "noGain" | "tooFewRows";
  /** Trees of `model` that this run added (early stopping drops those after the best). */
  readonly added: number;
  /** Log-loss of the validation part after 0, 1, 2, ... trees of this run; empty without early stopping. */
  readonly losses: readonly number[];
  /** Distinct cuts asked for per host feature (index as in `features`; 0 for own). */
  readonly cutsOf: readonly number[];
  /** Score of every row, units of 2^-20 log odds: training and test part. */
  readonly scores: Float64Array;
};

/** Trains. Throws MODEL_SHAPE (input or answers of wrong sizes), MODEL_ONE_CLASS, MODEL_TREE_MONOTONE, MODEL_TREE_FEATURES
 *  (`from` is about other features), MODEL_TREE_STATE (`resume` is of another training), MODEL_TREE_SUMS and MODEL_TREE_BITS (a
 *  host's answer is wrong; fact `feature` is its place in the list). */
export function* grow(input: GrowInput): Generator<Asked, Grown, Given> {
  const { features, label, trainRows, rows, params } = input;
  checkInput(input);
  const directions = directionsOf(features, params);
  const stopping = params.earlyStopping === "none" ? undefined : params.earlyStopping;
  const heldOut = stopping ? validationRows(params.seed, label, trainRows, stopping.share) : new Uint8Array(trainRows);
  const weights = classWeights(label, heldOut, params.scalePosWeight);
  const digest = trainingDigest(input);
  const columns = new Columns(features, rows, features.map((f, i) => f.order ?? input.from?.features[i]?.order));
  const start = input.resume !== undefined ? restoreState(input.resume, digest, columns) : yield* startOf(input, columns, weights.base);
  const { base, before } = start;
  const trees = [...start.trees];
  const losses = [...start.losses];
  const scores = new Float64Array(rows).fill(base);
  // Integers: whether summed now or tree by tree, scores are the same.
  for (const tree of trees) addTree(scores, tree, columns);
  if (stopping && losses.length === 0) losses.push(heldOutLoss(scores, label, heldOut, weights));

  const layout = layoutOf(features);
  const rules = rulesOf(params, weights.scale);
  const usable = features.flatMap((f, i) => (f.bins > 1 ? [i] : []));
  let end: Grown["end"] = "trees";
  while (trees.length - before < params.trees) {
    if (stopping && stalled(losses, stopping.rounds)) {
      end = "earlyStop";
      break;
    }
    const seen = treeRows(params.seed, trees.length, heldOut, params.subsample);
    const chosen = treeFeatures(params.seed, trees.length, usable.length, params.colsample).map((i) => usable[i] as number);
    const vectors = gradients(scores, label, seen, trainRows, weights);
    const tree = yield* growTree({ columns, layout, params, rules, directions, tree: trees.length, chosen, rows: seen, vectors });
    if (tree === undefined) {
      end = seen.length < Math.max(params.minNodeRows, 2 * params.minChildRows) ? "tooFewRows" : "noGain";
      break;
    }
    trees.push(tree);
    addTree(scores, tree, columns);
    if (stopping) losses.push(heldOutLoss(scores, label, heldOut, weights));
    const progress: Progress = { base, before, trees: [...trees], losses: [...losses] };
    let state: Uint8Array | undefined;
    // Made when it is read: the plaintext trainer has no use for it.
    yield { kind: "tree", tree, get state() { return (state ??= encodeState(digest, progress, columns)); } };
  }
  const added = stopping ? bestRound(losses) : trees.length - before;
  for (const tree of trees.slice(before + added)) addTree(scores, tree, columns, -1);
  return {
    model: {
      kind: "gbdt", base, trees: trees.slice(0, before + added), params,
      features: features.map(({ party, name, kind, bins, orderedBins, missingBin }, i) => {
        const order = columns.orders[i];
        return { party, name, kind, bins, orderedBins, missingBin, ...(order === undefined ? {} : { order }) };
      }),
    },
    end, added, losses, cutsOf: features.map((_, i) => columns.cutsKnown(i)), scores,
  };
}

function checkInput({ features, label, trainRows, rows, from }: GrowInput): void {
  if (features.length === 0) throw new AppError("MODEL_NO_FEATURE");
  const fits = trainRows >= 1 && rows >= trainRows && label.length >= trainRows;
  if (!fits) throw new AppError("MODEL_SHAPE", { rows, trainRows, labels: label.length });
  features.forEach(({ binOf, bins }, feature) => {
    if (binOf === undefined) return;
    if (binOf.length !== rows) throw new AppError("MODEL_SHAPE", { feature, rows, given: binOf.length });
    for (let row = 0; row < trainRows; row++) if ((binOf[row] as number) >= bins) throw new AppError("MODEL_SHAPE", { feature, bins });
  });
  if (from === undefined) return;
  const shape = ({ party, name, kind, bins, orderedBins, missingBin }: TreeFeature): string =>
    JSON.stringify([party, name, kind, bins, orderedBins, missingBin]);
  const same = from.features.length === features.length && from.features.every((f, i) => shape(f) === shape(features[i] as GrowFeature));
  if (!same) throw new AppError("MODEL_TREE_FEATURES", { features: features.length, before: from.features.length });
}

function directionsOf(features: readonly GrowFeature[], params: TreeParams): number[] {
  const wanted = new Map(Object.entries(params.monotone));
  const directions = features.map((feature): number => {
    const key = featureKey(feature);
    const direction = wanted.get(key) ?? 0;
    wanted.delete(key);
    if (direction !== 0 && feature.kind !== "numeric") throw new AppError("MODEL_TREE_MONOTONE", { numeric: false });
    return direction;
  });
  if (wanted.size > 0) throw new AppError("MODEL_TREE_MONOTONE", { unknown: wanted.size });
  return directions;
}

/** A new model, or the one to go on from: its host cuts are asked for once, in the order of the trees. */
function* startOf(input: GrowInput, columns: Columns, base: number): Generator<Asked, Progress, Given> {
  const trees = input.from?.trees ?? [];
  for (const { cuts } of trees) {
    for (const cut of cuts) {
      columns.note(cut);
      if (columns.has(cut)) continue;
      columns.add(cut, checkedBits(yield { kind: "bits", cut }, columns.rows, cut.feature));
    }
  }
  return { base: input.from?.base ?? base, before: trees.length, trees, losses: [] };
}

/** Adds (or takes away) a tree's leaves. Every cut's bits are known. */
function addTree(scores: Float64Array, tree: SymmetricTree, columns: Columns, sign = 1): void {
  const leafOf = new Uint8Array(scores.length);
  tree.cuts.forEach((cut, level) => {
    const { codes, right } = columns.sides(cut);
    for (let row = 0; row < leafOf.length; row++) {
      leafOf[row] = (leafOf[row] as number) | ((right[codes[row] as number] as number) << level);
    }
  });
  for (let row = 0; row < leafOf.length; row++) {
    scores[row] = (scores[row] as number) + sign * (tree.leaves[leafOf[row] as number] as number);
  }
}

/** Trees of the lowest loss; of equal ones the fewest. */
function bestRound(losses: readonly number[]): number {
  return losses.reduce((best, loss, i) => (loss < (losses[best] as number) ? i : best), 0);
}

function stalled(losses: readonly number[], rounds: number): boolean {
  return losses.length - 1 - bestRound(losses) >= rounds;
}
