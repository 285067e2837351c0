// Ridge regression of the label on code columns from their moments.
// Minimises mean (y - b0 - x b)^2 + lambda * sum (b_j sd_j)^2: the penalty is on standardised columns, per row, without intercept.
import { AppError } from "../../core/errors.ts";
import { cholesky, independentColumns, inverseCholesky, solveCholesky, submatrix } from "./matrix.ts";
import { standardise, type Moments, type Standardised } from "./moments.ts";
import { studentPValue } from "./student.ts";

export type DropReason = "constant" | "collinear";
export type SolveOptions = {
  /** Ridge per row on standardised columns, >= 0. */
  readonly lambda: number;
  /** Columns to use, the most important first: of collinear columns the earlier stays. Default: all, in order. */
  readonly columns?: readonly number[];
};
/** Arrays have one entry per column of the moments; a column that is not in the fit has weight 0, standard error 0, p 1, VIF 0. */
export type LinearFit = {
  readonly n: number;
  /** Columns in the fit, ascending. */
  readonly columns: number[];
  readonly dropped: { readonly column: number; readonly reason: DropReason }[];
  readonly intercept: number;
  /** Per unit of code. */
  readonly weights: number[];
  readonly standardErrors: number[];
  readonly tValues: number[];
  readonly pValues: number[];
  readonly vif: number[];
  readonly r2: number;
  /** Residual variance. */
  readonly sigma2: number;
};

/** Fits the columns. Constant and collinear ones are dropped and named, never a NaN. Throws MODEL_TOO_FEW_ROWS without degrees
 *  of freedom, and what `checkMoments` throws. */
export function solveMoments(moments: Moments, options: SolveOptions): LinearFit {
  const s = standardise(moments);
  const wanted = options.columns ?? Array.from({ length: s.d }, (_, i) => i);
  const varying = wanted.filter((c) => (s.sd[c] ?? 0) > 0);
  const used = independentColumns(s.corr, s.d + 1, varying).sort((a, b) => a - b);
  const kept = new Set(used);
  const dropped = wanted
    .filter((c) => !kept.has(c))
    .map((column) => ({ column, reason: (s.sd[column] ?? 0) > 0 ? ("collinear" as const) : ("constant" as const) }));
  const dof = s.n - used.length - 1;
  if (dof < 1) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: s.n, columns: used.length });
  return { n: s.n, columns: used, dropped, ...solveStandardised(s, used, options.lambda, dof) };
}

function solveStandardised(
  s: Standardised, used: readonly number[], lambda: number, dof: number,
): Omit<LinearFit, "n" | "columns" | "dropped"> {
  const p = used.length;
  const plain = submatrix(s.corr, s.d + 1, used);
  const ridge = Float64Array.from(plain);
  for (let i = 0; i < p; i++) ridge[i * p + i] = 1 + lambda;
  const c = Float64Array.from(used, (column) => s.corr[column * (s.d + 1) + s.d] ?? 0);
  const lower = cholesky(ridge, p);
  const lowerPlain = cholesky(plain, p);
  if (!lower || !lowerPlain) throw new AppError("MODEL_RANGE", { columns: p });
  const beta = solveCholesky(lower, p, c);
  const inverse = inverseCholesky(lower, p);
  const inversePlain = inverseCholesky(lowerPlain, p);

  let explained = 0;
  for (let i = 0; i < p; i++) {
    let fitted = 0;
    for (let j = 0; j < p; j++) fitted += (plain[i * p + j] ?? 0) * (beta[j] ?? 0);
    explained += (beta[i] ?? 0) * (2 * (c[i] ?? 0) - fitted);
  }
  const sdY = s.sd[s.d] ?? 0;
  const residual = Math.max(0, 1 - explained);
  const sigma2 = (residual * sdY * sdY * s.n) / dof;

  const zeros = (): number[] => Array.from({ length: s.d }, () => 0);
  const [weights, standardErrors, tValues, vif] = [zeros(), zeros(), zeros(), zeros()];
  const pValues = zeros().map(() => 1);
  let intercept = s.mean[s.d] ?? 0;
  used.forEach((column, i) => {
    const sd = s.sd[column] ?? 1;
    const weight = ((beta[i] ?? 0) * sdY) / sd;
    // Diagonal of A^-1 R A^-1 with A = R + lambda I: R = A - lambda I, so it is A^-1 - lambda A^-2.
    let square = 0;
    for (let j = 0; j < p; j++) square += (inverse[i * p + j] ?? 0) ** 2;
    const spread = Math.max(0, (inverse[i * p + i] ?? 0) - lambda * square);
    const error = Math.sqrt((sigma2 * spread) / s.n) / sd;
    const t = error > 0 ? weight / error : weight === 0 ? 0 : Number.MAX_VALUE;
    weights[column] = weight;
    standardErrors[column] = error;
    tValues[column] = t;
    pValues[column] = studentPValue(t, dof);
    vif[column] = inversePlain[i * p + i] ?? 0;
    intercept -= weight * (s.mean[column] ?? 0);
  });
  return { intercept, weights, standardErrors, tValues, pValues, vif, r2: Math.min(1, Math.max(0, explained)), sigma2 };
}

/** Solves (R + lambda I) for another right-hand side on the same columns: weights per code for products X^T r of an integer residual
 *  vector r (given with its sum), as in a Newton step with the fixed Gram Hessian. Columns outside `used` get 0. */
export function solveProducts(
  moments: Moments, used: readonly number[], lambda: number, products: readonly number[], sumResiduals: number,
): number[] {
  const s = standardise(moments);
  if (products.length !== s.d) throw new AppError("MODEL_SHAPE", { columns: s.d, products: products.length });
  const p = used.length;
  const ridge = submatrix(s.corr, s.d + 1, used);
  for (let i = 0; i < p; i++) ridge[i * p + i] = 1 + lambda;
  const right = Float64Array.from(used, (c) => ((products[c] ?? 0) / s.n - ((s.mean[c] ?? 0) * sumResiduals) / s.n) / (s.sd[c] ?? 1));
  const lower = cholesky(ridge, p);
  if (!lower) throw new AppError("MODEL_RANGE", { columns: p });
  const beta = solveCholesky(lower, p, right);
  const weights = Array.from({ length: s.d }, () => 0);
  used.forEach((column, i) => {
    weights[column] = (beta[i] ?? 0) / (s.sd[column] ?? 1);
  });
  return weights;
}
