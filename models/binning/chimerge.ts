// Two classic ways over ordered counts: splitting like a CART tree (pre-bins), and merging neighbours by chi-square.
import type { Trend } from "./partition.ts";

type Cell = { start: number; n: number; bads: number };

/** First bins of the leaves of a tree grown best-first by decrease of Gini impurity, every leaf `allowed`.
 *  Returns [0] when no split is. */
export function treeStarts(
  totals: readonly number[], events: readonly number[], maxLeaves: number, allowed: (n: number, bads: number) => boolean,
): number[] {
  const split = (from: number, to: number): { at: number; gain: number } => {
    let n = 0;
    let bads = 0;
    for (let i = from; i < to; i++) {
      n += totals[i] ?? 0;
      bads += events[i] ?? 0;
    }
    let left = 0;
    let leftBads = 0;
    let best = { at: -1, gain: 1e-9 };
    for (let at = from + 1; at < to; at++) {
      left += totals[at - 1] ?? 0;
      leftBads += events[at - 1] ?? 0;
      if (!allowed(left, leftBads) || !allowed(n - left, bads - leftBads)) continue;
      const gain = leftBads ** 2 / left + (bads - leftBads) ** 2 / (n - left) - bads ** 2 / n;
      if (gain > best.gain) best = { at, gain };
    }
    return best;
  };
  const leaves = [{ from: 0, to: totals.length, ...split(0, totals.length) }];
  while (leaves.length < maxLeaves) {
    const next = leaves.reduce((a, b) => (b.at >= 0 && (a.at < 0 || b.gain > a.gain) ? b : a));
    if (next.at < 0) break;
    leaves.splice(
      leaves.indexOf(next), 1,
      { from: next.from, to: next.at, ...split(next.from, next.at) },
      { from: next.at, to: next.to, ...split(next.at, next.to) },
    );
  }
  return leaves.map((leaf) => leaf.from).sort((a, b) => a - b);
}

export type ChiMergeRules = {
  readonly allowed: (n: number, bads: number) => boolean;
  readonly maxBins: number;
  /** Neighbours with a smaller chi-square (1 degree of freedom) are merged. */
  readonly threshold: number;
  readonly trend: Trend;
};

/** Kerber's ChiMerge: merges the most alike neighbours until every bin is `allowed`, at most `maxBins` are left, all neighbours
 *  differ by `threshold` and the event rate follows the trend. Returns the first bin of each group. */
export function chiMergeStarts(totals: readonly number[], events: readonly number[], rules: ChiMergeRules): number[] {
  const cells: Cell[] = totals.map((n, start) => ({ start, n, bads: events[start] ?? 0 }));
  const join = (i: number): void => {
    const right = cells[i + 1];
    const left = cells[i];
    if (!left || !right) return;
    cells.splice(i, 2, { start: left.start, n: left.n + right.n, bads: left.bads + right.bads });
  };
  const chiAt = (i: number): number => {
    const a = cells[i];
    const b = cells[i + 1];
    return a && b ? pairChi(a, b) : Number.POSITIVE_INFINITY;
  };
  while (cells.length > 1) {
    const poor = cells.findIndex((c) => !rules.allowed(c.n, c.bads));
    if (poor >= 0) {
      const right = poor < cells.length - 1 && (poor === 0 || chiAt(poor) <= chiAt(poor - 1));
      join(right ? poor : poor - 1);
      continue;
    }
    let least = 0;
    for (let i = 1; i < cells.length - 1; i++) if (chiAt(i) < chiAt(least)) least = i;
    if (cells.length > rules.maxBins || chiAt(least) < rules.threshold) {
      join(least);
      continue;
    }
    const wrong = cells.findIndex((c, i) => breaksTrend(c, cells[i + 1], rules.trend));
    if (wrong < 0) break;
    join(wrong);
  }
  return cells.map((c) => c.start);
}

function breaksTrend(a: Cell, b: Cell | undefined, trend: Trend): boolean {
  if (!b || trend === "none") return false;
  const rise = b.bads * a.n - a.bads * b.n;
  return trend === "ascending" ? rise < 0 : rise > 0;
}

/** Pearson's chi-square of a 2 x 2 table; an empty margin counts as no difference. */
function pairChi(a: Cell, b: Cell): number {
  const n = a.n + b.n;
  const bads = a.bads + b.bads;
  const goods = n - bads;
  if (a.n === 0 || b.n === 0 || bads === 0 || goods === 0) return 0;
  return (n * (a.bads * (b.n - b.bads) - b.bads * (a.n - a.bads)) ** 2) / (a.n * b.n * bads * goods);
}
