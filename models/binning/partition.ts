// Best division of ordered bins into contiguous segments: dynamic programming over (number of segments, last segment), exact for
// additive objectives under floors and a monotone event rate. O(maxBins * K^2) after O(K^2 log K) of sorting.

/** Additive objective of one merged bin, given the totals of the whole feature. Higher is better. */
export type Objective = "iv" | "chi2" | "gini";
export type Trend = "ascending" | "descending" | "none";

export type PartitionProblem = {
  readonly totals: readonly number[];
  readonly events: readonly number[];
  /** Score of a segment with `n` rows and `bads` events. */
  readonly score: (n: number, bads: number) => number;
  /** May this be a bin of its own? */
  readonly allowed: (n: number, bads: number) => boolean;
  readonly trend: Trend;
  readonly maxSegments: number;
};
/** `starts`: first ordered bin of each segment (starts[0] = 0). */
export type Partition = { readonly starts: number[]; readonly score: number };

/** Contribution of a bin to IV, to the chi-square statistic against one common rate, or to the decrease of Gini impurity (per row).
 *  A cell without goods or bads adds nothing to IV (the optbinning rule). */
export function objectiveScore(objective: Objective, rows: number, events: number): (n: number, bads: number) => number {
  const goods = rows - events;
  const rate = events / rows;
  if (goods <= 0 || events <= 0) return () => 0;
  if (objective === "iv") {
    return (n, bads) => {
      const good = n - bads;
      return good > 0 && bads > 0 ? (good / goods - bads / events) * Math.log((good * events) / (bads * goods)) : 0;
    };
  }
  const excess = (n: number, bads: number): number => (n > 0 ? (bads - n * rate) ** 2 / n : 0);
  if (objective === "chi2") return (n, bads) => excess(n, bads) / (rate * (1 - rate));
  return (n, bads) => (2 * excess(n, bads)) / rows;
}

/** The best partition, or undefined when the floors leave none. Of equal partitions the one with fewer segments. */
export function bestPartition(problem: PartitionProblem): Partition | undefined {
  const k = problem.totals.length;
  const rows = prefix(problem.totals);
  const bads = prefix(problem.events);
  const width = k + 1;
  const value = new Float64Array(width * width).fill(Number.NEGATIVE_INFINITY);
  for (let from = 0; from < k; from++) {
    for (let to = from + 1; to <= k; to++) {
      const n = (rows[to] ?? 0) - (rows[from] ?? 0);
      const e = (bads[to] ?? 0) - (bads[from] ?? 0);
      if (n > 0 && problem.allowed(n, e)) value[from * width + to] = problem.score(n, e);
    }
  }
  const possible = (from: number, to: number): boolean => (value[from * width + to] ?? 0) > Number.NEGATIVE_INFINITY;
  const order = problem.trend === "none" ? undefined : rateOrder(rows, bads, k, problem.trend === "ascending" ? 1 : -1, possible);

  // best[from * width + to]: best score of a partition of [0, to) into `m` segments whose last is [from, to).
  let best = new Float64Array(width * width).fill(Number.NEGATIVE_INFINITY);
  for (let to = 1; to <= k; to++) best[to] = value[to] ?? Number.NEGATIVE_INFINITY;
  const parents: Int16Array[] = [new Int16Array(width * width).fill(-1)];
  let winner = { m: 1, from: 0, score: best[k] ?? Number.NEGATIVE_INFINITY };
  for (let m = 2; m <= Math.min(k, problem.maxSegments); m++) {
    const next = new Float64Array(width * width).fill(Number.NEGATIVE_INFINITY);
    const parent = new Int16Array(width * width).fill(-1);
    for (let mid = m - 1; mid < k; mid++) extend(mid, width, k, best, value, next, parent, order);
    parents.push(parent);
    best = next;
    for (let from = m - 1; from < k; from++) {
      const score = best[from * width + k] ?? Number.NEGATIVE_INFINITY;
      if (score > winner.score + 1e-12 * (1 + Math.abs(winner.score))) winner = { m, from, score };
    }
  }
  if (winner.score === Number.NEGATIVE_INFINITY) return undefined;
  const starts: number[] = [];
  let from = winner.from;
  let to = k;
  for (let m = winner.m; m >= 1; m--) {
    starts.unshift(from);
    const before = parents[m - 1]?.[from * width + to] ?? -1;
    to = from;
    from = before;
  }
  return { starts, score: winner.score };
}

type RateOrder = {
  readonly into: Int16Array[];
  readonly outOf: Int16Array[];
  readonly atMost: (from: number, mid: number, to: number) => boolean;
};

/** Adds one more segment [mid, to) behind every partition that ends at `mid`, respecting the order of rates. */
function extend(
  mid: number, width: number, k: number, best: Float64Array, value: Float64Array,
  next: Float64Array, parent: Int16Array, order: RateOrder | undefined,
): void {
  let top = Number.NEGATIVE_INFINITY;
  let topFrom = -1;
  const consider = (from: number): void => {
    const score = best[from * width + mid] ?? Number.NEGATIVE_INFINITY;
    if (score > top) {
      top = score;
      topFrom = from;
    }
  };
  const write = (to: number): void => {
    const own = value[mid * width + to] ?? Number.NEGATIVE_INFINITY;
    if (topFrom < 0 || own === Number.NEGATIVE_INFINITY) return;
    next[mid * width + to] = top + own;
    parent[mid * width + to] = topFrom;
  };
  if (!order) {
    for (let from = 0; from < mid; from++) consider(from);
    for (let to = mid + 1; to <= k; to++) write(to);
    return;
  }
  // Both lists are sorted by rate: a segment [mid, to) may follow every [from, mid) that stands before it.
  const into = order.into[mid] ?? new Int16Array();
  let used = 0;
  for (const to of order.outOf[mid] ?? []) {
    for (; used < into.length && order.atMost(into[used] ?? 0, mid, to); used++) consider(into[used] ?? 0);
    write(to);
  }
}

/** For every border, the possible segments that end there and those that start there, sorted by event rate (exact integer compare;
 *  segments without rows have no rate and are never possible). */
function rateOrder(
  rows: Float64Array, bads: Float64Array, k: number, sign: 1 | -1, possible: (from: number, to: number) => boolean,
): RateOrder {
  const compare = (a0: number, a1: number, b0: number, b1: number): number => {
    const left = ((bads[a1] ?? 0) - (bads[a0] ?? 0)) * ((rows[b1] ?? 0) - (rows[b0] ?? 0));
    const right = ((bads[b1] ?? 0) - (bads[b0] ?? 0)) * ((rows[a1] ?? 0) - (rows[a0] ?? 0));
    return sign * (left - right);
  };
  const into: Int16Array[] = [];
  const outOf: Int16Array[] = [];
  for (let mid = 0; mid <= k; mid++) {
    const starts = Int16Array.from({ length: mid }, (_, i) => i).filter((from) => possible(from, mid));
    const ends = Int16Array.from({ length: k - mid }, (_, i) => mid + 1 + i).filter((to) => possible(mid, to));
    into.push(starts.sort((a, b) => compare(a, mid, b, mid) || a - b));
    outOf.push(ends.sort((a, b) => compare(mid, a, mid, b) || a - b));
  }
  return { into, outOf, atMost: (from, mid, to) => compare(from, mid, mid, to) <= 0 };
}

function prefix(values: readonly number[]): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((v, i) => {
    sums[i + 1] = (sums[i] ?? 0) + v;
  });
  return sums;
}
