// Logistic regression by iteratively reweighted least squares with a small ridge: the guest's last stage on its own columns and the
// opened totals, and the plaintext comparison on all WOE columns. Ridge on standardised columns, per row, without intercept.
import { AppError } from "../../core/errors.ts";
import { cholesky, solveCholesky } from "./matrix.ts";

export type DesignColumn = Int8Array | Float64Array;
export type LogisticFit = {
  /** Log odds of an event = intercept + sum of weights * column value. */
  readonly intercept: number;
  readonly weights: number[];
  readonly iterations: number;
  readonly converged: boolean;
};
export type LogisticOptions = {
  readonly ridge: number;
  /** Rows that count; default all of 0..rows-1. */
  readonly use?: (row: number) => boolean;
  readonly start?: Pick<LogisticFit, "intercept" | "weights">;
  readonly maxIterations?: number;
  /** Largest move of a standardised weight at which it stops; default 1e-9. */
  readonly tolerance?: number;
};

/** Fits on rows 0..rows-1. Constant columns get weight 0. Throws MODEL_ONE_CLASS when only one class is among the rows. */
export function fitLogistic(
  columns: readonly DesignColumn[], label: Uint8Array, rows: number, options: LogisticOptions,
): LogisticFit {
  const used = rowsOf(rows, options.use);
  const n = used.length;
  let events = 0;
  for (const row of used) events += label[row] ?? 0;
  if (events === 0 || events === n) throw new AppError("MODEL_ONE_CLASS", { rows: n });
  const scaled = columns.map((column) => scale(column, used));
  const active = scaled.flatMap((c, i) => (c.sd > 0 ? [i] : []));
  const z = active.map((i) => scaled[i]?.values ?? new Float64Array(n));
  const d = active.length;
  const width = d + 1;

  const beta = new Float64Array(width);
  beta[0] = Math.log(events / (n - events));
  if (options.start) {
    beta[0] = options.start.intercept;
    active.forEach((i, k) => {
      const weight = options.start?.weights[i] ?? 0;
      beta[k + 1] = weight * (scaled[i]?.sd ?? 1);
      beta[0] = (beta[0] ?? 0) + weight * (scaled[i]?.mean ?? 0);
    });
  }
  let converged = false;
  let iterations = 0;
  let loss = penalisedLoss(z, label, used, beta, options.ridge);
  const most = options.maxIterations ?? 50;
  while (iterations < most && !converged) {
    iterations++;
    const { gradient, hessian } = derivatives(z, label, used, beta, options.ridge);
    const lower = cholesky(hessian, width);
    if (!lower) break;
    const step = solveCholesky(lower, width, gradient);
    // Newton overshoots on separated data: halve until the loss falls.
    let factor = 1;
    let next = beta;
    let nextLoss = Number.POSITIVE_INFINITY;
    for (let half = 0; half < 20 && !(nextLoss <= loss + 1e-13); half++, factor /= 2) {
      next = beta.map((b, i) => b + factor * (step[i] ?? 0));
      nextLoss = penalisedLoss(z, label, used, next, options.ridge);
    }
    if (!(nextLoss <= loss + 1e-13)) {
      converged = true;
      break;
    }
    const moved = Math.max(...next.map((b, i) => Math.abs(b - (beta[i] ?? 0))));
    beta.set(next);
    loss = nextLoss;
    converged = moved < (options.tolerance ?? 1e-9);
  }
  const weights = columns.map(() => 0);
  let intercept = beta[0] ?? 0;
  active.forEach((i, k) => {
    const weight = (beta[k + 1] ?? 0) / (scaled[i]?.sd ?? 1);
    weights[i] = weight;
    intercept -= weight * (scaled[i]?.mean ?? 0);
  });
  return { intercept, weights, iterations, converged };
}

/** Log odds of rows 0..rows-1. */
export function logOdds(fit: Pick<LogisticFit, "intercept" | "weights">, columns: readonly DesignColumn[], rows: number): Float64Array {
  const out = new Float64Array(rows).fill(fit.intercept);
  columns.forEach((column, i) => {
    const weight = fit.weights[i] ?? 0;
    if (weight === 0) return;
    for (let row = 0; row < rows; row++) out[row] = (out[row] as number) + weight * (column[row] as number);
  });
  return out;
}

export function sigmoid(x: number): number {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** -log likelihood of one row with log odds x, without overflow. */
export function rowLoss(x: number, y: number): number {
  const toward = y === 1 ? -x : x;
  return toward > 0 ? toward + Math.log1p(Math.exp(-toward)) : Math.log1p(Math.exp(toward));
}

function rowsOf(rows: number, use: LogisticOptions["use"]): Int32Array {
  const all = new Int32Array(rows);
  let count = 0;
  for (let row = 0; row < rows; row++) if (use?.(row) ?? true) all[count++] = row;
  return all.subarray(0, count);
}

function scale(column: DesignColumn, used: Int32Array): { values: Float64Array; mean: number; sd: number } {
  const n = used.length;
  const values = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += values[i] = column[used[i] as number] ?? 0;
  const mean = sum / n;
  let square = 0;
  for (let i = 0; i < n; i++) square += ((values[i] as number) - mean) ** 2;
  const sd = Math.sqrt(square / n);
  if (!(sd > 1e-12 * (1 + Math.abs(mean)))) return { values, mean, sd: 0 };
  for (let i = 0; i < n; i++) values[i] = ((values[i] ?? 0) - mean) / sd;
  return { values, mean, sd };
}

function linear(z: readonly Float64Array[], beta: Float64Array, n: number): Float64Array {
  const eta = new Float64Array(n).fill(beta[0] ?? 0);
  z.forEach((column, k) => {
    const b = beta[k + 1] ?? 0;
    for (let i = 0; i < n; i++) eta[i] = (eta[i] as number) + b * (column[i] as number);
  });
  return eta;
}

function penalisedLoss(z: readonly Float64Array[], label: Uint8Array, used: Int32Array, beta: Float64Array, ridge: number): number {
  const eta = linear(z, beta, used.length);
  let loss = 0;
  for (let i = 0; i < eta.length; i++) loss += rowLoss(eta[i] as number, label[used[i] as number] as number);
  let penalty = 0;
  for (let k = 1; k < beta.length; k++) penalty += (beta[k] ?? 0) ** 2;
  return loss / eta.length + (ridge / 2) * penalty;
}

/** Negative gradient and Hessian of the mean loss. */
function derivatives(
  z: readonly Float64Array[], label: Uint8Array, used: Int32Array, beta: Float64Array, ridge: number,
): { gradient: Float64Array; hessian: Float64Array } {
  const n = used.length;
  const width = z.length + 1;
  const eta = linear(z, beta, n);
  const residual = new Float64Array(n);
  const weight = new Float64Array(n);
  const gradient = new Float64Array(width);
  const hessian = new Float64Array(width * width);
  for (let i = 0; i < n; i++) {
    const p = sigmoid(eta[i] as number);
    residual[i] = (label[used[i] as number] as number) - p;
    weight[i] = Math.max(p * (1 - p), 1e-10);
    gradient[0] = (gradient[0] as number) + (residual[i] as number) / n;
    hessian[0] = (hessian[0] as number) + (weight[i] as number) / n;
  }
  const weighted = new Float64Array(n);
  z.forEach((column, k) => {
    let g = 0;
    let h = 0;
    for (let i = 0; i < n; i++) {
      const w = (column[i] as number) * (weight[i] as number);
      weighted[i] = w;
      g += (column[i] as number) * (residual[i] as number);
      h += w;
    }
    gradient[k + 1] = g / n - ridge * (beta[k + 1] ?? 0);
    hessian[(k + 1) * width] = h / n;
    hessian[k + 1] = h / n;
    for (let j = 0; j <= k; j++) {
      const other = z[j] ?? column;
      let sum = 0;
      for (let i = 0; i < n; i++) sum += (weighted[i] as number) * (other[i] as number);
      hessian[(k + 1) * width + j + 1] = sum / n;
      hessian[(j + 1) * width + k + 1] = sum / n;
    }
    hessian[(k + 1) * width + k + 1] = (hessian[(k + 1) * width + k + 1] ?? 0) + ridge;
  });
  return { gradient, hessian };
}
