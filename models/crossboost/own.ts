// The guest's own trees, by the tree grower of ../trees on its own columns: its score alone (the start of everything here), and the
// last trees on its columns and the opened totals, which start from a score per row.
import { AppError } from "../../core/errors.ts";
import { Columns } from "../trees/columns.ts";
import { gradients, clampScore } from "../trees/gradient.ts";
import type { GrowFeature } from "../trees/grow.ts";
import { layoutOf } from "../trees/histogram.ts";
import { scoreFractionBits, type SymmetricTree, type TreeModel } from "../trees/model.ts";
import { treeParamsSchema, type TreeParams } from "../trees/params.ts";
import { scoreRows } from "../trees/predict.ts";
import { rulesOf } from "../trees/split.ts";
import { growTree } from "../trees/tree.ts";
import type { OwnTreesParams } from "./params.ts";

/** Log odds per unit of a score. */
export const scoreUnit = 2 ** -scoreFractionBits;

export type OwnColumn = GrowFeature & { readonly binOf: Uint8Array };
export type OwnTask = {
  readonly columns: readonly OwnColumn[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly params: OwnTreesParams;
  readonly bins: number;
  /** Training and test rows. */
  readonly rows: number;
  /** Score of every row before the first tree, in units of 2^-20 log odds; absent: the log odds of the rows. */
  readonly margin?: Float64Array;
};

export function treeParamsOf(params: OwnTreesParams, bins: number): TreeParams {
  const { trees, depth, learningRate, lambda, minChildRows } = params;
  return treeParamsSchema.parse({ trees, depth, learningRate, lambda, bins, minNodeRows: 2 * minChildRows, minChildRows, noise: false });
}

/** Trees grown on the given training rows (ascending). The model's base is 0 when there is a margin. Throws MODEL_ONE_CLASS. */
export function growOwn(task: OwnTask, rows: Int32Array): TreeModel {
  const { columns, label, trainRows, margin } = task;
  const params = treeParamsOf(task.params, task.bins);
  const base = margin === undefined ? baseScore(label, rows) : 0;
  const known = new Columns(columns, task.rows, columns.map((c) => c.order));
  const layout = layoutOf(columns);
  const rules = rulesOf(params, 1);
  const chosen = columns.flatMap((c, i) => (c.bins > 1 ? [i] : []));
  const directions = columns.map(() => 0);
  const scores = margin === undefined ? new Float64Array(trainRows).fill(base) : margin.slice(0, trainRows);
  const model = (trees: readonly SymmetricTree[]): TreeModel => ({
    kind: "gbdt", base, trees, params,
    features: columns.map(({ party, name, kind, bins, orderedBins, missingBin }, i) => {
      const order = known.orders[i];
      return { party, name, kind, bins, orderedBins, missingBin, ...(order === undefined ? {} : { order }) };
    }),
  });
  const trees: SymmetricTree[] = [];
  const codes = columns.map((c) => c.binOf.subarray(0, trainRows));
  while (trees.length < params.trees && chosen.length > 0) {
    const vectors = gradients(scores, label, rows, trainRows, { good: 1, event: 1, scale: 1 });
    const grown = growTree({ columns: known, layout, params, rules, directions, tree: trees.length, chosen, rows, vectors }).next();
    // All columns are the guest's own: the grower has nothing to ask.
    if (grown.done !== true) throw new AppError("MODEL_SHAPE", { own: false });
    if (grown.value === undefined) break;
    trees.push(grown.value);
    const step = scoreRows({ ...model([grown.value]), base: 0 }, codes, trainRows);
    for (let row = 0; row < trainRows; row++) scores[row] = (scores[row] as number) + (step[row] as number);
  }
  return model(trees);
}

export type OwnScore = {
  /** Grown on all training rows: what scores a new company. */
  readonly model: TreeModel;
  /** Per row, units of 2^-20 log odds: training rows by trees that did not see them (fold = row mod folds), the rest by `model`. */
  readonly scores: Float64Array;
};

/** Trees on all training rows, and out-of-fold scores. Scores include the margin. */
export function ownScore(task: OwnTask, folds: number): OwnScore {
  const { columns, trainRows, rows, margin } = task;
  const codes = columns.map((c) => c.binOf);
  const all = Int32Array.from({ length: trainRows }, (_, i) => i);
  const model = growOwn(task, all);
  const scores = scoreRows(model, codes, rows);
  // Without a column there is nothing to overfit, and base rates that differ by fold would look like information.
  for (let fold = 0; fold < folds && columns.some((c) => c.bins > 1); fold++) {
    const without = scoreRows(growOwn(task, all.filter((row) => row % folds !== fold)), codes, rows);
    for (let row = fold; row < trainRows; row += folds) scores[row] = without[row] as number;
  }
  if (margin) for (let row = 0; row < rows; row++) scores[row] = (scores[row] as number) + (margin[row] as number);
  return { model, scores };
}

/** Gain of each column in a model. */
export function gainsOf(model: TreeModel): number[] {
  const gains = model.features.map(() => 0);
  for (const tree of model.trees) {
    tree.cuts.forEach((cut, level) => {
      gains[cut.feature] = (gains[cut.feature] ?? 0) + (tree.gains[level] ?? 0);
    });
  }
  return gains;
}

function baseScore(label: Uint8Array, rows: Int32Array): number {
  let events = 0;
  for (const row of rows) events += label[row] as number;
  if (events === 0 || events === rows.length) throw new AppError("MODEL_ONE_CLASS", { rows: rows.length });
  return clampScore(Math.round(Math.log(events / (rows.length - events)) / scoreUnit));
}
