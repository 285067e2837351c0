// Population stability index of two histograms over the same fine bins.
import { stabilityOfCounts } from "../../models/metrics/calibration.ts";

/** Fine bins are merged from the lowest until the expected ones hold at least a twentieth each. undefined where one of the histograms is empty. */
export function stabilityOfHistograms(expected: ArrayLike<number>, actual: ArrayLike<number>): number | undefined {
  const all = sum(expected);
  if (all === 0 || sum(actual) === 0) return undefined;
  const coarse: { readonly expected: number[]; readonly actual: number[] } = { expected: [], actual: [] };
  let open = { expected: 0, actual: 0 };
  for (let i = 0; i < expected.length; i++) {
    open = { expected: open.expected + (expected[i] ?? 0), actual: open.actual + (actual[i] ?? 0) };
    if (open.expected < all / 20) continue;
    coarse.expected.push(open.expected);
    coarse.actual.push(open.actual);
    open = { expected: 0, actual: 0 };
  }
  const last = coarse.expected.length - 1;
  coarse.expected[last] = (coarse.expected[last] ?? 0) + open.expected;
  coarse.actual[last] = (coarse.actual[last] ?? 0) + open.actual;
  return stabilityOfCounts(coarse.expected, coarse.actual).psi;
}

function sum(counts: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i] ?? 0;
  return total;
}
