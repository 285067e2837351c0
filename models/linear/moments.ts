// First and second moments of code columns and the label: all that the joint scorecard is fitted from.
import { AppError } from "../../core/errors.ts";

/** Exact integer sums over the training rows; d columns. `xx` is row-major d x d and symmetric. */
export type Moments = {
  readonly n: number;
  readonly sumX: readonly number[];
  readonly sumY: number;
  readonly xy: readonly number[];
  readonly xx: readonly number[];
};

/** Moments of columns in the clear over rows 0..rows-1 (the oracle, a guest alone). */
export function plainMoments(columns: readonly Int8Array[], label: Uint8Array, rows: number): Moments {
  const d = columns.length;
  const sumX = Array.from({ length: d }, () => 0);
  const xy = Array.from({ length: d }, () => 0);
  const xx = Array.from({ length: d * d }, () => 0);
  let sumY = 0;
  for (let row = 0; row < rows; row++) sumY += label[row] ?? 0;
  columns.forEach((a, i) => {
    if (a.length < rows) throw new AppError("MODEL_SHAPE", { rows, column: a.length });
    let s = 0;
    let t = 0;
    for (let row = 0; row < rows; row++) {
      const value = a[row] ?? 0;
      s += value;
      t += value * (label[row] ?? 0);
    }
    sumX[i] = s;
    xy[i] = t;
    for (let j = 0; j <= i; j++) {
      const product = dot(a, columns[j] ?? a, rows);
      xx[i * d + j] = product;
      xx[j * d + i] = product;
    }
  });
  return { n: rows, sumX, sumY, xy, xx };
}

function dot(a: Int8Array, b: Int8Array, rows: number): number {
  let sum = 0;
  // Blocks keep the inner sum inside 32-bit integers: 65,536 * 128 * 128 = 2^30.
  for (let from = 0; from < rows; from += 65_536) {
    let block = 0;
    const to = Math.min(rows, from + 65_536);
    for (let row = from; row < to; row++) block = (block + (a[row] as number) * (b[row] as number)) | 0;
    sum += block;
  }
  return sum;
}

/** Throws MODEL_SHAPE or MODEL_RANGE for moments that cannot be: they may come from other parties. */
export function checkMoments(m: Moments): void {
  const d = m.sumX.length;
  if (m.xy.length !== d || m.xx.length !== d * d) throw new AppError("MODEL_SHAPE", { columns: d, xy: m.xy.length, xx: m.xx.length });
  if (!Number.isSafeInteger(m.n) || m.n < 1) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: m.n });
  for (const values of [m.sumX, m.xy, m.xx, [m.sumY]]) {
    for (const value of values) if (!Number.isSafeInteger(value)) throw new AppError("MODEL_RANGE", { columns: d });
  }
  if (m.sumY < 0 || m.sumY > m.n) throw new AppError("MODEL_COUNTS", { rows: m.n });
  if (m.sumY === 0 || m.sumY === m.n) throw new AppError("MODEL_ONE_CLASS", { rows: m.n });
}

/** Means, standard deviations (divisor n) and the correlation matrix of [columns, label], size (d + 1) x (d + 1), label last.
 *  A constant column has sd 0 and correlation 0 with everything. */
export type Standardised = {
  readonly d: number;
  readonly n: number;
  readonly mean: Float64Array;
  readonly sd: Float64Array;
  readonly corr: Float64Array;
};

export function standardise(m: Moments): Standardised {
  checkMoments(m);
  const d = m.sumX.length;
  const { n } = m;
  const width = d + 1;
  const first = (i: number): number => (i < d ? (m.sumX[i] ?? 0) : m.sumY);
  const second = (i: number, j: number): number =>
    i === d && j === d ? m.sumY : i === d ? (m.xy[j] ?? 0) : j === d ? (m.xy[i] ?? 0) : (m.xx[i * d + j] ?? 0);
  const centred = (i: number, j: number): number => (second(i, j) - (first(i) * first(j)) / n) / n;
  const mean = Float64Array.from({ length: width }, (_, i) => first(i) / n);
  const sd = Float64Array.from({ length: width }, (_, i) => {
    const variance = centred(i, i);
    // Relative to the raw second moment, so that rounding of a constant column does not pass for spread.
    return variance > 1e-12 * (second(i, i) / n) ? Math.sqrt(variance) : 0;
  });
  const corr = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j < width; j++) {
      const scale = (sd[i] ?? 0) * (sd[j] ?? 0);
      corr[i * width + j] = i === j ? 1 : scale > 0 ? centred(i, j) / scale : 0;
    }
  }
  return { d, n, mean, sd, corr };
}
