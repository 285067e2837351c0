// The flood's budget over a whole plan: what all answers to one querier give away through their noise, together.
import { AppError } from "../core/errors.ts";
import { ringDegree, sumsParams } from "./params.ts";

/** Queries on one set of columns. `columnEnergy`: the sum over all cells of sum_i x_i^2 (rows times features for bins), or a bound. */
export type PlannedAnswers = { readonly queries: number; readonly cells: number; readonly columnEnergy: number };

const variance = sumsParams.binomial / 2;
/** Per cell: <r_c, e'> and <z_c, s>, each N coefficients of a ternary (variance 2/3) times a binomial one: 57,344. */
const perCell = 2 * ringDegree * (2 / 3) * variance;
/** Standard deviation of a sum of 8 uniform 62-bit integers: sqrt(8/12) 2^62. */
const floodDeviation = Math.sqrt(sumsParams.floodTerms / 12) * 2 ** sumsParams.floodBits;

/** log2 of ||delta|| / (2 sd), where delta is the noise that the floods must hide in all answers: a bound on the advantage of
 *  anyone who reads them all, queries chosen adaptively (review, section 1b "Composition"; a smooth flood composes with the
 *  square root, a uniform one would add up). */
export function floodAdvantageBits(answers: readonly PlannedAnswers[]): number {
  let squared = 0;
  for (const { queries, cells, columnEnergy } of answers) {
    const counted = [queries, cells, columnEnergy].every((value) => value >= 0 && Number.isFinite(value));
    if (!counted) throw new AppError("KERNEL_RANGE", { queries, cells });
    squared += queries * (variance * columnEnergy + perCell * cells);
  }
  return Math.log2(Math.sqrt(squared) / (2 * floodDeviation));
}
