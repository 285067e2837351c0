// Small dense symmetric matrices, row-major: Cholesky with named dependent columns, solving, inverse.

/** A 1 - R^2 below this counts as collinear. */
export const collinearTolerance = 1e-8;

/** Indices (in the given order) that are independent of those before them: the pivot of the Cholesky step, relative to the
 *  diagonal, is above the tolerance. */
export function independentColumns(a: Float64Array, width: number, order: readonly number[]): number[] {
  const kept: number[] = [];
  const rows: Float64Array[] = [];
  for (const column of order) {
    const row = new Float64Array(kept.length + 1);
    const own = a[column * width + column] ?? 0;
    let left = own;
    for (let k = 0; k < kept.length; k++) {
      let s = a[column * width + (kept[k] ?? 0)] ?? 0;
      const other = rows[k] ?? row;
      for (let l = 0; l < k; l++) s -= (row[l] ?? 0) * (other[l] ?? 0);
      row[k] = s / (other[k] ?? 1);
      left -= (row[k] ?? 0) ** 2;
    }
    if (own <= 0 || left <= collinearTolerance * own) continue;
    row[kept.length] = Math.sqrt(left);
    kept.push(column);
    rows.push(row);
  }
  return kept;
}

/** Lower Cholesky factor of a positive definite d x d matrix; undefined when a pivot is not positive. */
export function cholesky(a: Float64Array, d: number): Float64Array | undefined {
  const lower = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let s = a[i * d + j] ?? 0;
      for (let k = 0; k < j; k++) s -= (lower[i * d + k] as number) * (lower[j * d + k] as number);
      if (i === j) {
        if (!(s > 0)) return undefined;
        lower[i * d + i] = Math.sqrt(s);
      } else lower[i * d + j] = s / (lower[j * d + j] ?? 1);
    }
  }
  return lower;
}

/** x with L L^T x = b. */
export function solveCholesky(lower: Float64Array, d: number, b: Float64Array): Float64Array {
  const x = Float64Array.from(b);
  for (let i = 0; i < d; i++) {
    let s = x[i] ?? 0;
    for (let k = 0; k < i; k++) s -= (lower[i * d + k] as number) * (x[k] as number);
    x[i] = s / (lower[i * d + i] ?? 1);
  }
  for (let i = d - 1; i >= 0; i--) {
    let s = x[i] ?? 0;
    for (let k = i + 1; k < d; k++) s -= (lower[k * d + i] as number) * (x[k] as number);
    x[i] = s / (lower[i * d + i] ?? 1);
  }
  return x;
}

/** Inverse from the Cholesky factor, row-major. */
export function inverseCholesky(lower: Float64Array, d: number): Float64Array {
  const inverse = new Float64Array(d * d);
  for (let column = 0; column < d; column++) {
    const unit = new Float64Array(d);
    unit[column] = 1;
    inverse.set(solveCholesky(lower, d, unit), column * d);
  }
  return inverse;
}

/** The rows and columns `keep` of a width x width matrix. */
export function submatrix(a: Float64Array, width: number, keep: readonly number[]): Float64Array {
  const d = keep.length;
  const out = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) out[i * d + j] = a[(keep[i] ?? 0) * width + (keep[j] ?? 0)] ?? 0;
  }
  return out;
}
