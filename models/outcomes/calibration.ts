// Whether probabilities given at origination came true: per band of the score, over all bands, and as a line on the log odds. The outcomes are fresh, not
// those that the model was fitted on.
import { AppError } from "../../core/errors.ts";
import { fitLogistic, sigmoid } from "../linear/logistic.ts";
import { binomialPValue, chiSquareTail, holm, normalPValue, normalWidth } from "../metrics/distributions.ts";
import type { Interval } from "../metrics/delong.ts";

export type CalibrationBand = {
  /** Probabilities from `from` (included) to `to`. */
  readonly from: number;
  readonly to: number;
  readonly loans: number;
  readonly expectedBads: number;
  readonly bads: number;
  /** Exact two-sided binomial test at the band's mean probability, adjusted for the number of bands (Holm 1979). Probabilities differ within a band, which
   *  makes the true spread smaller: the test errs to the side of calling too little. */
  readonly pValue: number;
};
export type HosmerLemeshow = { readonly statistic: number; readonly degreesOfFreedom: number; readonly pValue: number };
export type CalibrationLine = {
  /** Observed over expected bads. */
  readonly ratio: number;
  /** Log odds to add to all scores so that as many bads are expected as came (calibration in the large); 0 is right. */
  readonly shift: number;
  readonly shiftInterval: Interval;
  readonly shiftPValue: number;
  /** Log odds of bad = intercept + slope * log odds of the score (Cox, Biometrika 45, 1958); 0 and 1 are right. A slope below 1: scores too extreme. */
  readonly intercept: number;
  readonly interceptInterval: Interval;
  readonly slope: number;
  readonly slopeInterval: Interval;
  /** Of slope 1. */
  readonly slopePValue: number;
};

/** Finite for all probabilities. */
export function logOddsOf(probability: number): number {
  const p = Math.min(1 - 1e-9, Math.max(1e-9, probability));
  return Math.log(p / (1 - p));
}

export function isProbability(p: number): boolean {
  return p >= 0 && p <= 1;
}

/** Inner edges of bands of equal size of a sample of probabilities. */
export function bandEdges(probability: Float64Array, bands: number): number[] {
  const sorted = Float64Array.from(probability).sort();
  const edges = Array.from({ length: bands - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bands)] ?? 0);
  return [...new Set(edges)].filter((e) => e > (sorted[0] ?? 0) && e < 1);
}

/** Expected against observed per band between increasing inner edges; bands without loans are left out. Throws OUTCOME_SETTINGS for other edges. */
export function calibrationBands(probability: Float64Array, label: Uint8Array, edges: readonly number[]): CalibrationBand[] {
  if (!edges.every((e, i) => e > (edges[i - 1] ?? 0) && e < 1)) throw new AppError("OUTCOME_SETTINGS");
  const sums = Array.from({ length: edges.length + 1 }, () => ({ loans: 0, expected: 0, bads: 0 }));
  probability.forEach((p, row) => {
    let band = 0;
    while (band < edges.length && (edges[band] ?? 1) <= p) band++;
    const sum = sums[band] as (typeof sums)[number];
    sum.loans++;
    sum.expected += p;
    sum.bads += label[row] ?? 0;
  });
  const bands = sums.flatMap(({ loans, expected, bads }, i) => (loans === 0 ? [] : [{
    from: edges[i - 1] ?? 0, to: edges[i] ?? 1, loans, expectedBads: expected, bads, pValue: binomialPValue(bads, loans, expected / loans),
  }]));
  const adjusted = holm(bands.map((b) => b.pValue));
  return bands.map((band, i) => ({ ...band, pValue: adjusted[i] ?? 1 }));
}

/** Hosmer, Lemeshow (1980) over bands; neighbours are joined until `least` bads and goods are expected. Degrees of freedom are the number of bands: nothing
 *  was fitted on these outcomes (Hosmer, Lemeshow, Sturdivant, Applied Logistic Regression, 3rd edition, 5.2.2). undefined where no band is large enough. */
export function hosmerLemeshow(bands: readonly Pick<CalibrationBand, "loans" | "expectedBads" | "bads">[], least = 5): HosmerLemeshow | undefined {
  const joined: { loans: number; expected: number; bads: number }[] = [];
  let open = { loans: 0, expected: 0, bads: 0 };
  for (const band of bands) {
    open = { loans: open.loans + band.loans, expected: open.expected + band.expectedBads, bads: open.bads + band.bads };
    if (open.expected < least || open.loans - open.expected < least) continue;
    joined.push(open);
    open = { loans: 0, expected: 0, bads: 0 };
  }
  const last = joined.at(-1);
  if (last === undefined) return undefined;
  last.loans += open.loans;
  last.expected += open.expected;
  last.bads += open.bads;
  const statistic = joined.reduce((sum, { loans, expected, bads }) => sum + (bads - expected) ** 2 / (expected * (1 - expected / loans)), 0);
  return { statistic, degreesOfFreedom: joined.length, pValue: chiSquareTail(statistic, joined.length) };
}

/** Line and shift with Wald intervals. undefined with one class only, with one score only, or where scores separate the classes. */
export function calibrationLine(probability: Float64Array, label: Uint8Array, level: number): CalibrationLine | undefined {
  const rows = probability.length;
  const odds = probability.map(logOddsOf);
  const bads = label.reduce((s, y) => s + y, 0);
  if (bads === 0 || bads === rows) return undefined;
  const fit = fitLogistic([odds], label, rows, { ridge: 0, maxIterations: 100 });
  const slope = fit.weights[0] ?? 0;
  if (!fit.converged || slope === 0 || Math.abs(slope) > 50) return undefined;
  const information = { a: 0, b: 0, c: 0 };
  for (const x of odds) {
    const p = sigmoid(fit.intercept + slope * x);
    const w = p * (1 - p);
    information.a += w;
    information.b += w * x;
    information.c += w * x * x;
  }
  const determinant = information.a * information.c - information.b ** 2;
  if (!(determinant > 0)) return undefined;
  const interceptError = Math.sqrt(information.c / determinant);
  const slopeError = Math.sqrt(information.a / determinant);
  const { shift, error } = shiftOf(odds, bads);
  const z = normalWidth(level);
  const around = (value: number, e: number): Interval => ({ low: value - z * e, high: value + z * e });
  return {
    ratio: bads / probability.reduce((s, p) => s + p, 0), shift, shiftInterval: around(shift, error), shiftPValue: normalPValue(shift / error),
    intercept: fit.intercept, interceptInterval: around(fit.intercept, interceptError), slope, slopeInterval: around(slope, slopeError), slopePValue: normalPValue((slope - 1) / slopeError),
  };
}

/** Solves sum sigmoid(odds + shift) = bads, which increases in the shift. */
function shiftOf(odds: Float64Array, bads: number): { readonly shift: number; readonly error: number } {
  const expectedAt = (shift: number): number => odds.reduce((s, x) => s + sigmoid(x + shift), 0);
  let low = -60;
  let high = 60;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (expectedAt(middle) < bads) low = middle;
    else high = middle;
  }
  const shift = (low + high) / 2;
  const information = odds.reduce((s, x) => {
    const p = sigmoid(x + shift);
    return s + p * (1 - p);
  }, 0);
  return { shift, error: 1 / Math.sqrt(information) };
}
