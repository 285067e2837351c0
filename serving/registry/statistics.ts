// What each version did, per day, in memory that does not grow with the number of requests: counts, a histogram of log odds and of times, and for
// shadows how far they are from what was returned. It stays in the bank's enclave.
import type { Clock } from "../../core/env.ts";
import { stabilityOfHistograms } from "./stability.ts";
import type { Observation, Role } from "./shadow.ts";

const day = 86_400_000;
/** Log odds from -8 to 8 in steps of 1/8, and what is beyond. */
const scoreBins = 130;
/** Times from 0.05 ms upward, each bin 19 % (2^(1/4)) longer than the one before: up to about 50 s, and what is beyond. */
const timeBins = 82;
const firstTime = 0.05;
const stepsPerDouble = 4;

type Cell = {
  readonly version: number; readonly role: Role; readonly day: number;
  scored: number; failed: number; partial: number;
  /** Of log odds. */
  sum: number; squares: number;
  /** Against the answer: pairs, sums of differences, of their sizes and squares, and how many are apart by more than `apart`. */
  pairs: number; difference: number; distance: number; differenceSquares: number; apart: number;
  readonly scores: Float64Array; readonly times: Float64Array;
};

export type VersionSummary = {
  readonly version: number; readonly role: Role; readonly days: number;
  readonly scored: number; readonly failed: number;
  readonly partialRate: number;
  /** Log odds. */
  readonly mean: number; readonly deviation: number;
  /** Upper ends of the bins that hold them, ms: at most 19 % above the exact ones. */
  readonly p50: number; readonly p99: number;
  /** Against what was returned for the same companies; undefined where nothing was compared. */
  readonly compared?: { readonly pairs: number; readonly meanDifference: number; readonly meanDistance: number; readonly rootMeanSquare: number; readonly apartRate: number };
};
export type StatisticsOptions = {
  readonly now: Clock;
  /** Days kept; default 35. */
  readonly days?: number;
  /** Versions and roles kept per day; further ones are not counted but named as left out. Default 16. */
  readonly perDay?: number;
  /** Difference in log odds from which two scores are apart; default ln 2 (odds that differ by a factor of 2). */
  readonly apart?: number;
};

export class VersionStatistics {
  readonly #options: Required<StatisticsOptions>;
  #cells: Cell[] = [];
  #leftOut = 0;

  constructor(options: StatisticsOptions) {
    this.#options = { days: 35, perDay: 16, apart: Math.LN2, ...options };
  }

  /** Observations that found no place. */
  get leftOut(): number {
    return this.#leftOut;
  }

  observe(observation: Observation): void {
    const cell = this.#cell(observation);
    if (cell === undefined) {
      this.#leftOut++;
      return;
    }
    const { scored, answered, milliseconds } = observation;
    add(cell.times, timeBin(milliseconds));
    if (scored === undefined || !Number.isFinite(scored.logOdds)) {
      cell.failed++;
      return;
    }
    cell.scored++;
    if (scored.partial) cell.partial++;
    cell.sum += scored.logOdds;
    cell.squares += scored.logOdds ** 2;
    add(cell.scores, scoreBin(scored.logOdds));
    if (answered === undefined) return;
    const difference = scored.logOdds - answered.logOdds;
    cell.pairs++;
    cell.difference += difference;
    cell.distance += Math.abs(difference);
    cell.differenceSquares += difference ** 2;
    if (Math.abs(difference) > this.#options.apart) cell.apart++;
  }

  /** Of the last `days` days (default all that are kept), one line per version and role. */
  summaries(days = this.#options.days): VersionSummary[] {
    const groups = Map.groupBy(this.#recent(days), (c) => `${c.version} ${c.role}`);
    return [...groups.values()].map(summary).sort((a, b) => a.version - b.version || (a.role < b.role ? -1 : 1));
  }

  /** Population stability index of the log odds of a version against another's, both in the role given, over the last `days` days; undefined
   *  while one of them has no score. */
  stability(expected: { readonly version: number; readonly role: Role }, actual: { readonly version: number; readonly role: Role }, days = this.#options.days): number | undefined {
    const of = (w: typeof expected): Float64Array => total(this.#recent(days).filter((c) => c.version === w.version && c.role === w.role).map((c) => c.scores), scoreBins);
    return stabilityOfHistograms(of(expected), of(actual));
  }

  #recent(days: number): Cell[] {
    const today = Math.floor(this.#options.now() / day);
    return this.#cells.filter((c) => c.day > today - days);
  }

  #cell({ version, role }: Observation): Cell | undefined {
    const today = Math.floor(this.#options.now() / day);
    let ofToday = 0;
    for (const cell of this.#cells) {
      if (cell.day !== today) continue;
      if (cell.version === version && cell.role === role) return cell;
      ofToday++;
    }
    this.#cells = this.#cells.filter((c) => c.day > today - this.#options.days && c.day <= today);
    if (ofToday >= this.#options.perDay) return undefined;
    const cell: Cell = {
      version, role, day: today, scored: 0, failed: 0, partial: 0, sum: 0, squares: 0, pairs: 0, difference: 0, distance: 0, differenceSquares: 0, apart: 0,
      scores: new Float64Array(scoreBins), times: new Float64Array(timeBins),
    };
    this.#cells.push(cell);
    return cell;
  }
}

function summary(cells: readonly Cell[]): VersionSummary {
  const sum = (of: (cell: Cell) => number): number => cells.reduce((s, c) => s + of(c), 0);
  const [first] = cells as readonly [Cell];
  const scored = sum((c) => c.scored);
  const pairs = sum((c) => c.pairs);
  const mean = scored > 0 ? sum((c) => c.sum) / scored : 0;
  const times = total(cells.map((c) => c.times), timeBins);
  return {
    version: first.version, role: first.role, days: cells.length, scored, failed: sum((c) => c.failed), partialRate: scored > 0 ? sum((c) => c.partial) / scored : 0,
    mean, deviation: scored > 0 ? Math.sqrt(Math.max(0, sum((c) => c.squares) / scored - mean ** 2)) : 0, p50: timeQuantile(times, 0.5), p99: timeQuantile(times, 0.99),
    ...(pairs > 0 && { compared: {
      pairs, meanDifference: sum((c) => c.difference) / pairs, meanDistance: sum((c) => c.distance) / pairs,
      rootMeanSquare: Math.sqrt(sum((c) => c.differenceSquares) / pairs), apartRate: sum((c) => c.apart) / pairs,
    } }),
  };
}

function add(counts: Float64Array, bin: number): void {
  counts[bin] = (counts[bin] ?? 0) + 1;
}

function total(parts: readonly Float64Array[], bins: number): Float64Array {
  const out = new Float64Array(bins);
  for (const part of parts) for (let i = 0; i < bins; i++) out[i] = (out[i] as number) + (part[i] ?? 0);
  return out;
}

function scoreBin(logOdds: number): number {
  return Math.min(scoreBins - 1, Math.max(0, Math.floor((logOdds + 8) * 8) + 1));
}

function timeBin(milliseconds: number): number {
  if (!(milliseconds > firstTime)) return 0;
  return Math.min(timeBins - 1, Math.ceil(stepsPerDouble * Math.log2(milliseconds / firstTime)));
}

function timeQuantile(times: Float64Array, share: number): number {
  const all = times.reduce((s, n) => s + n, 0);
  let seen = 0;
  for (const [bin, n] of times.entries()) {
    seen += n;
    if (n > 0 && seen >= share * all) return firstTime * 2 ** (bin / stepsPerDouble);
  }
  return 0;
}
