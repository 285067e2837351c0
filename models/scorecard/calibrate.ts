// The guest's last stage: logistic regression on what it knows per row, i.e. its own columns and the opened totals (each a small
// integer). It makes probabilities out of least squares and sets the scale of the hosts' part.
import type { DesignColumn } from "../linear/logistic.ts";
import { fitLogistic, logOdds, rowLoss, type LogisticFit, type LogisticOptions } from "../linear/logistic.ts";

export type StageInput = {
  /** The guest's columns over all rows: its code columns, or its part of the moment fit as a single column. */
  readonly guestColumns: readonly DesignColumn[];
  /** Opened totals over all rows, at most two. The first one rises with risk. */
  readonly totals: readonly Int8Array[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly ridge: number;
};
export type Stage = {
  readonly intercept: number;
  readonly guestWeights: number[];
  /** Log odds per unit of each total. */
  readonly slopes: number[];
  /** False when the first total pulled the wrong way and was left out (slope 0): hosts then add nothing. */
  readonly monotone: boolean;
};

/** Fits the stage on the training rows. Monotone guard: a total whose slope comes out negative gets slope 0 and the rest is refitted. */
export function fitStage(input: StageInput): Stage {
  const { fit, monotone } = guarded(input);
  const own = input.guestColumns.length;
  return { intercept: fit.intercept, guestWeights: fit.weights.slice(0, own), slopes: fit.weights.slice(own), monotone };
}

/** Mean log loss over the training rows, every row predicted by a stage fitted without its fold (fold = row mod folds). */
export function crossValidatedLoss(input: StageInput, stage: Stage, folds: number): number {
  const start = { intercept: stage.intercept, weights: [...stage.guestWeights, ...stage.slopes] };
  let loss = 0;
  for (let fold = 0; fold < folds; fold++) {
    const use = (row: number): boolean => row % folds !== fold;
    // With a handful of events one fold may hold them all: it is then judged by the whole fit.
    const fit = bothClasses(input, use) ? guarded(input, { use, start, tolerance: 1e-5 }).fit : start;
    const odds = logOdds(fit, [...input.guestColumns, ...input.totals], input.trainRows);
    for (let row = fold; row < input.trainRows; row += folds) loss += rowLoss(odds[row] ?? 0, input.label[row] ?? 0);
  }
  return loss / input.trainRows;
}

/** Log odds of an event of rows 0..rows-1. */
export function stageOdds(stage: Stage, guestColumns: readonly DesignColumn[], totals: readonly Int8Array[], rows: number): Float64Array {
  return logOdds({ intercept: stage.intercept, weights: [...stage.guestWeights, ...stage.slopes] }, [...guestColumns, ...totals], rows);
}

function bothClasses(input: StageInput, use: (row: number) => boolean): boolean {
  const seen = new Set<number | undefined>();
  for (let row = 0; row < input.trainRows && seen.size < 2; row++) if (use(row)) seen.add(input.label[row]);
  return seen.size === 2;
}

function guarded(input: StageInput, extra: Omit<LogisticOptions, "ridge"> = {}): { fit: LogisticFit; monotone: boolean } {
  const own = input.guestColumns.length;
  const design: DesignColumn[] = [...input.guestColumns, ...input.totals];
  for (let round = 0; ; round++) {
    const fit = fitLogistic(design, input.label, input.trainRows, { ridge: input.ridge, ...extra });
    const wrong = input.totals.findIndex((_, i) => (fit.weights[own + i] ?? 0) < 0);
    if (wrong < 0) return { fit, monotone: round === 0 };
    design[own + wrong] = new Int8Array(input.trainRows);
  }
}
