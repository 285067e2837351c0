// What the guest decides from its own rows and the opened totals: the logistic stage, the residuals of the one refinement query,
// whether the refinement stays, and the final weights.
import { AppError } from "../../core/errors.ts";
import { sigmoid, type DesignColumn } from "../linear/logistic.ts";
import type { Moments } from "../linear/moments.ts";
import type { LinearFit } from "../linear/solve.ts";
import { crossValidatedLoss, fitStage, stageOdds, type Stage } from "./calibrate.ts";
import { decideFit, subMoments, type Column, type FitDecision } from "./decide.ts";
import type { ScorecardParams } from "./params.ts";
import { addPlanWeights, type TotalsPlan } from "./quantise.ts";

/** The guest's rows: label and its own code columns (those of the moments, in their order) over training and test rows. */
export type GuestRows = {
  readonly party: string;
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly columns: readonly Int8Array[];
};
export type OpenedTotal = { readonly plan: TotalsPlan; readonly values: Int8Array };
export type StageDecision = {
  readonly stage: Stage;
  /** Log odds of an event for all rows. */
  readonly odds: Float64Array;
  /** Cross-validated log loss of the stage on the training rows. */
  readonly loss: number;
};

/** Fits the last stage on the guest's columns of the fit and the opened totals (none: the guest alone). The test rows' labels are
 *  not used. */
export function decideStage(
  rows: GuestRows, columns: readonly Column[], fit: LinearFit, totals: readonly OpenedTotal[], params: ScorecardParams,
): StageDecision {
  const all = rows.label.length;
  if (totals.some((t) => t.values.length !== all)) throw new AppError("MODEL_SHAPE", { rows: all, totals: totals.length });
  const input = {
    guestColumns: guestDesign(rows, columns, fit, params),
    totals: totals.map((t) => t.values),
    label: rows.label,
    trainRows: rows.trainRows,
    ridge: params.fit.ridge / rows.trainRows,
  };
  const stage = fitStage(input);
  return {
    stage,
    odds: stageOdds(stage, input.guestColumns, input.totals, all),
    loss: crossValidatedLoss(input, stage, params.fit.validationFolds),
  };
}

/** The guest's columns that the fit uses, or its part of the fit as one column rising with risk. */
function guestDesign(rows: GuestRows, columns: readonly Column[], fit: LinearFit, params: ScorecardParams): DesignColumn[] {
  const own = columns.flatMap((c, i) => (c.party === rows.party ? [i] : []));
  if (own.length !== rows.columns.length) throw new AppError("MODEL_SHAPE", { columns: own.length, given: rows.columns.length });
  const used = own.flatMap((column, k) => (fit.columns.includes(column) ? [{ column, codes: rows.columns[k] ?? new Int8Array() }] : []));
  if (params.fit.guestRefit) return used.map((u) => u.codes);
  const part = new Float64Array(rows.label.length);
  for (const { column, codes } of used) {
    const weight = fit.weights[column] ?? 0;
    for (let row = 0; row < part.length; row++) part[row] = (part[row] as number) + weight * (codes[row] as number);
  }
  return used.length > 0 ? [part] : [];
}

/** Scale of the residuals in the refinement query: |value| <= 2048, the 12 bits of the review. */
export const residualScale = 2048;

/** y - p in fixed point for the training rows: the vector of the refinement query. */
export function residualQuery(odds: Float64Array, label: Uint8Array, trainRows: number): Int32Array {
  return Int32Array.from({ length: trainRows }, (_, row) => Math.round(((label[row] ?? 0) - sigmoid(odds[row] ?? 0)) * residualScale));
}

/** Keeps the refined stage only if it predicts held-out training rows better. */
export function keepRefinement(first: StageDecision, refined: StageDecision): boolean {
  return refined.loss < first.loss && (refined.stage.slopes[0] ?? 0) > 0;
}

/** The model as weights per code in log odds of an event: one entry per column of the moments, unused columns 0. */
export type ScorecardModel = {
  readonly intercept: number;
  readonly weights: number[];
};

/** Puts the slopes of the totals back on the hosts' columns. */
export function finalModel(
  guest: string, columns: readonly Column[], fit: LinearFit, totals: readonly OpenedTotal[], stage: Stage, params: ScorecardParams,
): ScorecardModel {
  const weights = columns.map(() => 0);
  let { intercept } = stage;
  totals.forEach((total, i) => {
    intercept += addPlanWeights(total.plan, columns, stage.slopes[i] ?? 0, weights);
  });
  const own = fit.columns.filter((c) => columns[c]?.party === guest);
  own.forEach((column, k) => {
    weights[column] = params.fit.guestRefit ? (stage.guestWeights[k] ?? 0) : (stage.guestWeights[0] ?? 0) * (fit.weights[column] ?? 0);
  });
  return { intercept, weights };
}

export type GuestOnly = {
  readonly columns: readonly Column[];
  readonly fit: FitDecision;
  readonly decision: StageDecision;
  readonly model: ScorecardModel;
};

/** The guest alone, trained the same way on its own columns of the same moments; null when it has none. */
export function decideGuestOnly(rows: GuestRows, columns: readonly Column[], moments: Moments, params: ScorecardParams): GuestOnly | null {
  const own = columns.flatMap((c, i) => (c.party === rows.party ? [i] : []));
  if (own.length === 0) return null;
  const ownColumns = columns.filter((c) => c.party === rows.party);
  const fit = decideFit({ columns: ownColumns, moments: subMoments(moments, own), hosts: [], params });
  const decision = decideStage(rows, ownColumns, fit.fit, [], params);
  return { columns: ownColumns, fit, decision, model: finalModel(rows.party, ownColumns, fit.fit, [], decision.stage, params) };
}
