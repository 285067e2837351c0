// Two versions of a deployment on the companies that both scored in the same month: from the scores that this enclave keeps. It stays here.
import type { GivenScores } from "../outcomes/scores.ts";
import { stabilityIndex } from "../../models/metrics/calibration.ts";
import { AppError } from "../../core/errors.ts";

export type ScoreComparison = {
  /** Companies and months that both have a score of. */
  readonly pairs: number;
  /** Of log odds, the version less the other. */
  readonly meanDifference: number; readonly meanDistance: number; readonly rootMeanSquare: number;
  /** Share with odds apart by more than a factor of two. */
  readonly apartRate: number;
  /** Spearman's rank correlation; 1: both put companies in the same order. */
  readonly rankCorrelation: number;
  /** Population stability index of the version's scores against the other's; null with fewer than 200 pairs. */
  readonly stability: number | null;
};

const leastForStability = 200;

/** Throws OUTCOME_NONE when no company has both. from, to: months as numbers. */
export function compareScores(scores: GivenScores, { model, against, from, to }: { readonly model: string; readonly against: string; readonly from: number; readonly to: number }): ScoreComparison {
  const mine: number[] = [];
  const other: number[] = [];
  for (const [a, b] of scores.pairs(model, against, { from, to })) {
    mine.push(logOdds(a));
    other.push(logOdds(b));
  }
  const pairs = mine.length;
  if (pairs === 0) throw new AppError("OUTCOME_NONE", { pairs });
  const differences = mine.map((value, i) => value - (other[i] ?? 0));
  const mean = (of: (d: number) => number): number => differences.reduce((sum, d) => sum + of(d), 0) / pairs;
  return {
    pairs, meanDifference: mean((d) => d), meanDistance: mean(Math.abs), rootMeanSquare: Math.sqrt(mean((d) => d * d)), apartRate: mean((d) => (Math.abs(d) > Math.LN2 ? 1 : 0)),
    rankCorrelation: rankCorrelation(mine, other), stability: pairs < leastForStability ? null : stabilityIndex(Float64Array.from(other), Float64Array.from(mine), 10).psi,
  };
}

function logOdds(p: number): number {
  return Math.log(p / (1 - p));
}

/** Of mid-ranks; 1 where one side has one value only. */
function rankCorrelation(a: readonly number[], b: readonly number[]): number {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  let [both, first, second] = [0, 0, 0];
  for (const [i, rank] of x.entries()) {
    const [dx, dy] = [rank - middle, (y[i] ?? 0) - middle];
    both += dx * dy;
    first += dx * dx;
    second += dy * dy;
  }
  return first === 0 || second === 0 ? 1 : both / Math.sqrt(first * second);
}

function ranks(values: readonly number[]): Float64Array {
  const order = [...values.keys()].sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0));
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (let i = from; i < to; i++) out[order[i] ?? 0] = (from + to + 1) / 2;
    from = to;
  }
  return out;
}
