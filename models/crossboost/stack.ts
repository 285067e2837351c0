// What the guest makes of an opened total: its weight beside the guest's own score, fitted and tested on rows that had no part in
// the tables; then small trees on the guest's columns and the totals, unless those rows contradict them.
import { fitLogistic, logOdds, rowLoss } from "../linear/logistic.ts";
import { scoreRows } from "../trees/predict.ts";
import type { TreeModel } from "../trees/model.ts";
import { ownScore, scoreUnit, type OwnColumn } from "./own.ts";
import type { CrossboostParams } from "./params.ts";

/** Quantile bins of a total for the last trees. */
const totalBins = 32;
const ridge = 1e-4;

export type Layer = {
  /** Log odds = intercept + slope * log odds before + weight * total. */
  readonly intercept: number;
  readonly slope: number;
  readonly weight: number;
  /** Edges of each total's bins for the trees (totals so far). */
  readonly totalEdges: readonly (readonly number[])[];
  /** On the guest's columns, then the totals; null: not kept. */
  readonly trees: TreeModel | null;
};
export type LayerInput = {
  readonly columns: readonly OwnColumn[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  /** Log odds before this total: training rows out of fold. */
  readonly before: Float64Array;
  /** Totals so far, the new one last, all rows. */
  readonly totals: readonly Float64Array[];
  /** Training rows that judge: held back, or all of them when totals are out of fold. */
  readonly judges: (row: number) => boolean;
  readonly params: CrossboostParams;
  readonly guest: string;
};
export type LayerDecision = {
  /** null: the total is not used. */
  readonly layer: Layer | null;
  /** Weight of the total per unit, and how many standard deviations it is from 0 (root of twice the gain in log likelihood, with sign). */
  readonly weight: number;
  readonly beyond: number;
  readonly judged: number;
  /** Log odds after this total (as `before` when it is not used). */
  readonly odds: Float64Array;
};

/** Fits and tests a total. The labels of rows from trainRows on are not read. */
export function decideLayer(input: LayerInput): LayerDecision {
  const { before, totals, label, trainRows, judges, params } = input;
  const total = totals.at(-1) ?? new Float64Array(before.length);
  const rows = Array.from({ length: trainRows }, (_, row) => row).filter((row) => judges(row));
  const events = rows.reduce((sum, row) => sum + (label[row] as number), 0);
  const none = { layer: null, weight: 0, beyond: 0, judged: rows.length, odds: before };
  if (events === 0 || events === rows.length) return none;
  const without = fitLogistic([before], label, trainRows, { ridge, use: judges });
  const fit = fitLogistic([before, total], label, trainRows, { ridge, use: judges });
  const [slope = 0, weight = 0] = fit.weights;
  const gain = lossOf(logOdds(without, [before], trainRows), label, rows) - lossOf(logOdds(fit, [before, total], trainRows), label, rows);
  const beyond = Math.sign(weight) * Math.sqrt(2 * Math.max(0, gain));
  if (!(beyond >= params.keepBeyond)) return { ...none, weight, beyond };
  const margin = logOdds(fit, [before, total], before.length);
  const totalEdges = totals.map((t) => quantileEdges(t, trainRows));
  const last = ownScore({
    columns: [...input.columns, ...totalColumns(totals, totalEdges, input.guest)],
    label, trainRows, rows: before.length, params: params.lastTrees, bins: params.guestBins, margin: margin.map((x) => Math.round(x / scoreUnit)),
  }, params.guestFolds);
  const odds = last.scores.map((x) => x * scoreUnit);
  const keep = treesHelp(margin, odds, label, trainRows, rows);
  return {
    layer: { intercept: fit.intercept, slope, weight, totalEdges, trees: keep ? last.model : null },
    weight, beyond, judged: rows.length, odds: keep ? odds : margin,
  };
}

/** Log odds after a layer, for new rows. `binsOf`: fine bins of the guest's columns. */
export function applyLayer(layer: Layer, before: Float64Array, totals: readonly Float64Array[], binsOf: readonly (Uint8Array | undefined)[]): Float64Array {
  const total = totals[layer.totalEdges.length - 1] ?? new Float64Array(before.length);
  const margin = before.map((x, row) => layer.intercept + layer.slope * x + layer.weight * (total[row] as number));
  if (layer.trees === null) return margin;
  const bins = layer.totalEdges.map((edges, i) => binsOfTotal(totals[i] as Float64Array, edges));
  const step = scoreRows(layer.trees, [...binsOf, ...bins], before.length);
  return margin.map((x, row) => (Math.round(x / scoreUnit) + (step[row] as number)) * scoreUnit);
}

/** The last trees stay when they lower the out-of-fold loss of all training rows, and the judging rows do not contradict it: their loss rises
 *  by less than its standard error. The first alone would trust totals that have seen the labels, the second alone has few rows. */
function treesHelp(before: Float64Array, after: Float64Array, label: Uint8Array, trainRows: number, judges: readonly number[]): boolean {
  const fall = (row: number): number => rowLoss(before[row] as number, label[row] as number) - rowLoss(after[row] as number, label[row] as number);
  let all = 0;
  for (let row = 0; row < trainRows; row++) all += fall(row);
  const sum = judges.reduce((total, row) => total + fall(row), 0);
  const square = judges.reduce((total, row) => total + fall(row) ** 2, 0);
  return all > 0 && sum > -Math.sqrt(square);
}

function lossOf(odds: Float64Array, label: Uint8Array, rows: readonly number[]): number {
  return rows.reduce((sum, row) => sum + rowLoss(odds[row] as number, label[row] as number), 0);
}

function quantileEdges(values: Float64Array, rows: number): number[] {
  const sorted = values.slice(0, rows).sort();
  const edges: number[] = [];
  for (let k = 1; k < totalBins; k++) {
    const edge = sorted[Math.floor((rows * k) / totalBins)] ?? 0;
    if (edge > (edges.at(-1) ?? sorted[0] ?? 0)) edges.push(edge);
  }
  return edges;
}

function binsOfTotal(values: Float64Array, edges: readonly number[]): Uint8Array {
  return Uint8Array.from(values, (value) => {
    let bin = 0;
    while (bin < edges.length && value >= (edges[bin] as number)) bin++;
    return bin;
  });
}

function totalColumns(totals: readonly Float64Array[], edges: readonly (readonly number[])[], party: string): OwnColumn[] {
  return totals.map((total, i) => {
    const of = edges[i] ?? [];
    return {
      party, name: `total ${i + 1}`, kind: "numeric", bins: of.length + 1, orderedBins: of.length + 1, missingBin: -1,
      binOf: binsOfTotal(total, of),
    };
  });
}
