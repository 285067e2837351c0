// Variance of the area under the ROC curve and covariance of several on the same rows: DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837-845,
// by mid-ranks in n log n: Sun, Xu, IEEE Signal Processing Letters 21 (2014) 1389-1393. A higher score means a worse risk.
import { AppError } from "../../core/errors.ts";
import { normalPValue, normalWidth } from "./distributions.ts";

export type Areas = { readonly auc: readonly number[]; /** Covariance of the areas. */ readonly covariance: readonly (readonly number[])[] };
export type Interval = { readonly low: number; readonly high: number };
export type Difference = { readonly difference: number; readonly standardError: number; readonly interval: Interval; readonly pValue: number };

/** Areas of several scores over the same rows. Throws MODEL_SHAPE for different lengths, MODEL_TOO_FEW_ROWS with fewer than two rows of a class. */
export function delong(scores: readonly Float64Array[], label: Uint8Array): Areas {
  const events = indices(label, 1);
  const goods = indices(label, 0);
  const m = events.length;
  const n = goods.length;
  if (scores.some((s) => s.length !== label.length)) throw new AppError("MODEL_SHAPE", { labels: label.length });
  if (m < 2 || n < 2) throw new AppError("MODEL_TOO_FEW_ROWS", { events: m, goods: n });
  const parts = scores.map((score) => {
    const all = midRanks(score);
    const ofEvents = midRanks(Float64Array.from(events, (row) => score[row] as number));
    const ofGoods = midRanks(Float64Array.from(goods, (row) => score[row] as number));
    // For each event the share of goods below it, for each good the share of events above it.
    const v10 = Float64Array.from(events, (row, i) => ((all[row] as number) - (ofEvents[i] as number)) / n);
    const v01 = Float64Array.from(goods, (row, j) => 1 - ((all[row] as number) - (ofGoods[j] as number)) / m);
    return { v10, v01, auc: mean(v10) };
  });
  const covariance = parts.map((a) => parts.map((b) => covarianceOf(a.v10, b.v10) / m + covarianceOf(a.v01, b.v01) / n));
  return { auc: parts.map((p) => p.auc), covariance };
}

/** Normal interval around an area, cut at 0 and 1. */
export function areaInterval(auc: number, variance: number, level: number): Interval {
  const half = normalWidth(level) * Math.sqrt(variance);
  return { low: Math.max(0, auc - half), high: Math.min(1, auc + half) };
}

/** Of areas a and b of one `delong`: a - b on the same rows. */
export function pairedDifference({ auc, covariance }: Areas, a: number, b: number, level: number): Difference {
  const of = (i: number, j: number): number => covariance[i]?.[j] ?? 0;
  return differenceOf((auc[a] ?? 0) - (auc[b] ?? 0), of(a, a) + of(b, b) - 2 * of(a, b), level);
}

/** Of areas on rows that are not the same. */
export function independentDifference(a: { readonly auc: number; readonly variance: number }, b: { readonly auc: number; readonly variance: number }, level: number): Difference {
  return differenceOf(a.auc - b.auc, a.variance + b.variance, level);
}

function differenceOf(difference: number, variance: number, level: number): Difference {
  const standardError = Math.sqrt(Math.max(0, variance));
  const half = normalWidth(level) * standardError;
  const pValue = standardError > 0 ? normalPValue(difference / standardError) : difference === 0 ? 1 : 0;
  return { difference, standardError, interval: { low: difference - half, high: difference + half }, pValue };
}

/** Rank from 1; equal values share the mean of their ranks. */
function midRanks(values: Float64Array): Float64Array {
  const order = Uint32Array.from(values, (_, i) => i).sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to] as number] === values[order[from] as number]) to++;
    for (let i = from; i < to; i++) ranks[order[i] as number] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

function indices(label: Uint8Array, wanted: number): Uint32Array {
  const out: number[] = [];
  label.forEach((y, row) => {
    if ((y === 1 ? 1 : 0) === wanted) out.push(row);
  });
  return Uint32Array.from(out);
}

function mean(values: Float64Array): number {
  return values.reduce((s, v) => s + v, 0) / values.length;
}

function covarianceOf(a: Float64Array, b: Float64Array): number {
  const meanA = mean(a);
  const meanB = mean(b);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - meanA) * ((b[i] as number) - meanB);
  return sum / (a.length - 1);
}
