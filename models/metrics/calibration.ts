// How far probabilities can be taken at their word, and how far two samples of scores differ.
import { AppError } from "../../core/errors.ts";
import { rowLoss } from "../linear/logistic.ts";

export type ReliabilityRow = { readonly rows: number; readonly meanProbability: number; readonly eventRate: number };
export type Histogram = { readonly edges: number[]; readonly goods: number[]; readonly events: number[] };
export type StabilityRow = { readonly expected: number; readonly actual: number; readonly contribution: number };

/** Mean squared error of probabilities over rows from..to-1. */
export function brierScore(probability: Float64Array, label: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let row = from; row < to; row++) sum += ((probability[row] ?? 0) - (label[row] ?? 0)) ** 2;
  return to > from ? sum / (to - from) : 0;
}

/** Mean negative log likelihood of log odds over rows from..to-1. */
export function logLoss(odds: Float64Array, label: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let row = from; row < to; row++) sum += rowLoss(odds[row] ?? 0, label[row] ?? 0);
  return to > from ? sum / (to - from) : 0;
}

/** Mean probability against event rate in bins of equal size (equal probabilities stay together). */
export function reliability(probability: Float64Array, label: Uint8Array, from: number, to: number, bins = 10): ReliabilityRow[] {
  const rows = Uint32Array.from({ length: to - from }, (_, i) => from + i);
  rows.sort((a, b) => (probability[a] as number) - (probability[b] as number));
  const out: ReliabilityRow[] = [];
  let start = 0;
  for (let bin = 1; bin <= bins; bin++) {
    let end = Math.round((bin * rows.length) / bins);
    while (end > start && end < rows.length && probability[rows[end] as number] === probability[rows[end - 1] as number]) end++;
    if (end <= start) continue;
    let p = 0;
    let events = 0;
    for (let i = start; i < end; i++) {
      p += probability[rows[i] as number] ?? 0;
      events += label[rows[i] as number] ?? 0;
    }
    out.push({ rows: end - start, meanProbability: p / (end - start), eventRate: events / (end - start) });
    start = end;
  }
  return out;
}

/** Population stability index of `actual` against `expected` over bins of equal expected size. Both samples are counted with half a
 *  row added to each bin, so an empty bin is large but finite (optbinning gives infinity, toad leaves it out). */
export function stabilityIndex(expected: Float64Array, actual: Float64Array, bins = 10): { psi: number; rows: StabilityRow[] } {
  if (expected.length === 0 || actual.length === 0) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: 0 });
  const sorted = Float64Array.from(expected).sort();
  const edges = [...new Set(Array.from({ length: bins - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bins)] ?? 0))]
    .filter((edge) => edge > (sorted[0] ?? 0));
  return stabilityOfCounts(countByEdges(expected, edges), countByEdges(actual, edges));
}

/** The index over given bins: counts of both samples, neither of them empty. */
export function stabilityOfCounts(expected: readonly number[], actual: readonly number[]): { psi: number; rows: StabilityRow[] } {
  const expectedTotal = expected.reduce((sum, n) => sum + n, 0);
  const actualTotal = actual.reduce((sum, n) => sum + n, 0);
  if (expectedTotal === 0 || actualTotal === 0) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: 0 });
  const half = 0.5 * expected.length;
  const rows = expected.map((n, i): StabilityRow => {
    const share = (n + 0.5) / (expectedTotal + half);
    const other = ((actual[i] ?? 0) + 0.5) / (actualTotal + half);
    return { expected: n / expectedTotal, actual: (actual[i] ?? 0) / actualTotal, contribution: (other - share) * Math.log(other / share) };
  });
  return { psi: rows.reduce((sum, row) => sum + row.contribution, 0), rows };
}

/** Goods and events per score interval of equal width over rows from..to-1; the outer intervals are open. */
export function scoreHistogram(score: Float64Array, label: Uint8Array, from: number, to: number, bins = 20): Histogram {
  const part = score.subarray(from, to);
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const v of part) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  const edges = high > low ? Array.from({ length: bins - 1 }, (_, i) => low + ((i + 1) * (high - low)) / bins) : [];
  return {
    edges,
    goods: countByEdges(part.filter((_, i) => label[from + i] !== 1), edges),
    events: countByEdges(part.filter((_, i) => label[from + i] === 1), edges),
  };
}

/** How many values lie in each interval: below the first edge, from each edge on, and from the last. */
export function countByEdges(values: Float64Array, edges: readonly number[]): number[] {
  const counts = Array.from({ length: edges.length + 1 }, () => 0);
  for (const value of values) {
    let bin = 0;
    while (bin < edges.length && (edges[bin] ?? 0) <= value) bin++;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}
