// From counts per fine bin to merged bins under the floors: the same decision for the guest's own and for hosts' features.
import { AppError } from "../../core/errors.ts";
import { chiMergeStarts, treeStarts } from "./chimerge.ts";
import type { FineShape } from "./fine.ts";
import { bestPartition, objectiveScore, type Objective, type Trend } from "./partition.ts";

/** Rows and events of every fine bin of the training part. */
export type BinCounts = FineShape & { readonly totals: readonly number[]; readonly events: readonly number[] };

/** By hand: `starts` = ordered fine bins at which a new merged bin begins; `groups` = main fine bins of each merged bin (categories). */
export type ManualBins = { readonly starts: readonly number[] } | { readonly groups: readonly (readonly number[])[] };

export type MergeOptions = {
  readonly method: "optimal" | "chimerge";
  readonly prebins: "quantile" | "tree";
  readonly treeLeaves: number;
  readonly objective: Objective;
  /** Of the event rate over the ordered bins of a numeric feature. "auto" takes the better of the two directions. A special or missing
   *  bin below the floors that joins a main bin moves that bin's rate afterwards. */
  readonly trend: "auto" | Trend;
  /** Most main bins; special and missing bins come on top. */
  readonly maxBins: number;
  readonly minBinShare: number;
  readonly minRows: number;
  readonly minGoods: number;
  readonly minBads: number;
  /** What an additional bin must win, in units of a chi-square with one degree of freedom. */
  readonly binPenalty: number;
  readonly manual?: ManualBins;
};

export type Merged = {
  /** Merged bin of every fine bin. Main bins come first, in order (categories: by event rate), then special and missing. */
  readonly mergedOf: number[];
  readonly bins: number;
  readonly totals: number[];
  readonly events: number[];
  readonly trend: Trend;
  /** Why the feature has a single bin, if so. */
  readonly reason: "one-class" | "floors" | "single-bin" | null;
};

/** Weight of the overall event rate, in rows, when categories are ordered by event rate. */
const categoryPriorRows = 20;

/** Merges fine bins. Never fails on poor data: what the floors do not allow becomes one bin with a reason.
 *  Throws MODEL_COUNTS for impossible counts and MODEL_MANUAL_BINS for manual bins that break a floor. */
export function mergeBins(counts: BinCounts, options: MergeOptions): Merged {
  checkCounts(counts);
  const rows = sum(counts.totals);
  const bads = sum(counts.events);
  if (bads === 0 || bads === rows) return oneBin(counts, "one-class");
  const floors = (n: number, e: number): boolean =>
    n >= options.minRows && e >= options.minBads && n - e >= options.minGoods;

  const main = range(0, counts.orderedBins);
  const groups: number[][] = [];
  let trend: Trend = "none";
  if (main.length > 0) {
    if (options.manual) groups.push(...manualGroups(counts, options.manual, floors));
    else {
      const order = counts.kind === "categorical" ? byRate(counts, main, bads / rows) : main;
      const found = mainGroups(counts, order, options, rows, bads, floors);
      groups.push(...found.groups);
      trend = found.trend;
    }
  }
  for (const bin of range(counts.orderedBins, counts.bins)) groups.push([bin]);
  const merged = absorb(counts, groups, floors);
  if (!merged) return oneBin(counts, "floors");
  return finish(counts, merged, trend, merged.length === 1 ? "single-bin" : null);
}

function mainGroups(
  counts: BinCounts, order: readonly number[], options: MergeOptions, rows: number, bads: number,
  floors: (n: number, e: number) => boolean,
): { groups: number[][]; trend: Trend } {
  const minRows = Math.ceil(options.minBinShare * rows - 1e-9);
  const allowed = (n: number, e: number): boolean => n >= minRows && floors(n, e);
  const pick = (values: readonly number[]): number[] => order.map((bin) => values[bin] ?? 0);
  const starts = options.prebins === "tree"
    ? treeStarts(pick(counts.totals), pick(counts.events), options.treeLeaves, floors)
    : range(0, order.length);
  const leaves = starts.map((start, i) => order.slice(start, starts[i + 1] ?? order.length));
  const totals = leaves.map((leaf) => sum(leaf.map((bin) => counts.totals[bin] ?? 0)));
  const events = leaves.map((leaf) => sum(leaf.map((bin) => counts.events[bin] ?? 0)));
  const base = objectiveScore(options.objective, rows, bads);
  const score = (n: number, e: number): number => base(n, e) - options.binPenalty * chiUnit(options.objective, rows, bads);

  // Categories are already in the order of their rates: only fluctuations of small ones could break a trend.
  const wanted: readonly Trend[] = counts.kind === "categorical" ? ["none"]
    : options.trend === "auto" ? ["ascending", "descending"] : [options.trend];
  let best: { starts: number[]; score: number; trend: Trend } | undefined;
  for (const trend of wanted) {
    const found = options.method === "optimal"
      ? bestPartition({ totals, events, score, allowed, trend, maxSegments: options.maxBins })
      : chiMerged(totals, events, { allowed, maxBins: options.maxBins, threshold: Math.max(3.841, options.binPenalty), trend }, score);
    if (found && (!best || found.score > best.score + 1e-12)) best = { ...found, trend };
  }
  const parts = best?.starts ?? [0];
  return {
    groups: parts.map((start, i) => leaves.slice(start, parts[i + 1] ?? leaves.length).flat()),
    trend: best?.trend ?? "none",
  };
}

/** What one unit of chi-square (one degree of freedom, no effect) is worth in the objective, to first order. */
function chiUnit(objective: Objective, rows: number, bads: number): number {
  if (objective === "iv") return 1 / bads + 1 / (rows - bads);
  return objective === "chi2" ? 1 : (2 * bads * (rows - bads)) / rows ** 3;
}

function chiMerged(
  totals: readonly number[], events: readonly number[], rules: Parameters<typeof chiMergeStarts>[2],
  score: (n: number, e: number) => number,
): { starts: number[]; score: number } {
  const starts = chiMergeStarts(totals, events, rules);
  const part = (values: readonly number[], i: number): number => sum(values.slice(starts[i], starts[i + 1] ?? values.length));
  return { starts, score: sum(starts.map((_, i) => score(part(totals, i), part(events, i)))) };
}

/** Groups below the floors join the group with the closest event rate that passes them; undefined when none passes. */
function absorb(counts: BinCounts, groups: readonly number[][], floors: (n: number, e: number) => boolean): number[][] | undefined {
  const stats = groups.map((bins) => ({
    bins: [...bins],
    n: sum(bins.map((bin) => counts.totals[bin] ?? 0)),
    e: sum(bins.map((bin) => counts.events[bin] ?? 0)),
  }));
  const strong = stats.filter((g) => floors(g.n, g.e));
  if (strong.length === 0) return undefined;
  // Rates before any joining, so that the result does not depend on the order of the weak groups.
  const rates = strong.map((g) => g.e / g.n);
  for (const weak of stats) {
    if (strong.includes(weak)) continue;
    const rate = weak.n > 0 ? weak.e / weak.n : sum(counts.events) / sum(counts.totals);
    let nearest = 0;
    rates.forEach((r, i) => {
      if (Math.abs(r - rate) < Math.abs((rates[nearest] ?? 0) - rate)) nearest = i;
    });
    strong[nearest]?.bins.push(...weak.bins);
  }
  return strong.map((g) => g.bins);
}

function manualGroups(counts: BinCounts, manual: ManualBins, floors: (n: number, e: number) => boolean): number[][] {
  let groups: number[][];
  if ("starts" in manual) {
    const starts = [0, ...manual.starts];
    if (counts.kind !== "numeric") throw new AppError("MODEL_MANUAL_BINS", { ordered: false });
    starts.forEach((start, i) => {
      const next = starts[i + 1] ?? counts.orderedBins;
      if (!Number.isInteger(start) || next <= start) throw new AppError("MODEL_MANUAL_BINS", { edge: i });
    });
    groups = starts.map((start, i) => range(start, starts[i + 1] ?? counts.orderedBins));
  } else {
    groups = manual.groups.map((group) => [...group]);
    const all = groups.flat().sort((a, b) => a - b);
    if (all.length !== counts.orderedBins || all.some((bin, i) => bin !== i) || groups.some((g) => g.length === 0)) {
      throw new AppError("MODEL_MANUAL_BINS", { mainBins: counts.orderedBins });
    }
  }
  groups.forEach((group, i) => {
    const n = sum(group.map((bin) => counts.totals[bin] ?? 0));
    const e = sum(group.map((bin) => counts.events[bin] ?? 0));
    if (!floors(n, e)) throw new AppError("MODEL_MANUAL_BINS", { bin: i });
  });
  return groups;
}

function byRate(counts: BinCounts, bins: readonly number[], rate: number): number[] {
  const smoothed = (bin: number): number =>
    ((counts.events[bin] ?? 0) + categoryPriorRows * rate) / ((counts.totals[bin] ?? 0) + categoryPriorRows);
  return [...bins].sort((a, b) => smoothed(a) - smoothed(b) || a - b);
}

function finish(counts: BinCounts, groups: readonly number[][], trend: Trend, reason: Merged["reason"]): Merged {
  const mergedOf = Array.from({ length: counts.bins }, () => 0);
  groups.forEach((bins, merged) => {
    for (const bin of bins) mergedOf[bin] = merged;
  });
  const add = (values: readonly number[]): number[] => groups.map((bins) => sum(bins.map((bin) => values[bin] ?? 0)));
  return { mergedOf, bins: groups.length, totals: add(counts.totals), events: add(counts.events), trend, reason };
}

function oneBin(counts: BinCounts, reason: NonNullable<Merged["reason"]>): Merged {
  return finish(counts, [range(0, counts.bins)], "none", reason);
}

function checkCounts(counts: BinCounts): void {
  const { bins, orderedBins, totals, events } = counts;
  if (totals.length !== bins || events.length !== bins || orderedBins > bins || bins < 1) {
    throw new AppError("MODEL_SHAPE", { bins, totals: totals.length, events: events.length });
  }
  totals.forEach((n, bin) => {
    const e = events[bin] ?? -1;
    if (!Number.isSafeInteger(n) || !Number.isSafeInteger(e) || e < 0 || n < e) throw new AppError("MODEL_COUNTS", { bin });
  });
  if (sum(totals) === 0) throw new AppError("MODEL_COUNTS", { rows: 0 });
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
