// A run against the last one: whether the companies are the same kind of population, and how grades moved.
import { AppError } from "../core/errors.ts";
import { stabilityIndex } from "../models/metrics/calibration.ts";
import { ungraded, type Evaluation } from "./combine.ts";
import { crossed, gradeLabels } from "./distribution.ts";
import { gradeLetters } from "./schema.ts";
import { leastCompanies, publishable, type Protection, type Published } from "./suppress.ts";

export type Run = { readonly evaluation: Evaluation; readonly usccs: readonly string[] };

/** Rules of thumb of the trade (Siddiqi, Credit Risk Scorecards, 2006): below 0.1 no change, from 0.25 a large one. */
export type Verdict = "stable" | "shifted" | "changed";

export type Stability = {
  readonly from: string;
  readonly to: string;
  /** Of the scores of companies with a grade, over ten bins of equal size of the last run, to 3 decimals; null when either run has too few. */
  readonly psi: number | null;
  readonly verdict: Verdict | null;
  /** Last grade by present grade, of all companies of either run; `away` stands for the run that the company is not in. */
  readonly migration: Published | null;
  /** Indicators that one of the runs lacked: a shift may be theirs. */
  readonly otherAbsent: readonly string[];
};

export const away = "away";
const bins = 10;

/** Throws EVALUATION_RUNS when they are not two runs of one scale, the earlier one first; EVALUATION_ROWS for a company that is there twice. */
export function stability(last: Run, now: Run, limits: Pick<Protection, "least" | "base"> = {}): Stability {
  const [a, b] = [last.evaluation, now.evaluation];
  const scale = ({ card, basis }: Evaluation): string => [card.id, card.version.split(".")[0], basis].join();
  if (scale(a) !== scale(b) || a.asOf >= b.asOf) throw new AppError("EVALUATION_RUNS", { sameScale: scale(a) === scale(b), later: a.asOf < b.asOf });
  const [expected, actual] = [gradedScores(a), gradedScores(b)];
  const isEnough = Math.min(expected.length, actual.length) >= bins * (limits.least ?? leastCompanies);
  const psi = isEnough ? Math.round(stabilityIndex(expected, actual, bins).psi * 1000) / 1000 : null;
  const only = new Set(a.absent).symmetricDifference(new Set(b.absent));
  return {
    from: a.asOf, to: b.asOf, psi, verdict: psi === null ? null : verdictOf(psi),
    migration: migration(last, now, limits), otherAbsent: [...only].sort(),
  };
}

export function verdictOf(psi: number): Verdict {
  return psi < 0.1 ? "stable" : psi < 0.25 ? "shifted" : "changed";
}

function gradedScores({ scores, grades }: Evaluation): Float64Array {
  return Float64Array.from(scores).filter((_, row) => grades[row] !== ungraded);
}

function migration(last: Run, now: Run, limits: Pick<Protection, "least" | "base">): Published | null {
  const labels = [...gradeLabels, away];
  const [before, after] = [rowsOf(last), rowsOf(now)];
  const label = (run: Run, row: number | undefined): number => {
    if (row === undefined) return labels.length - 1;
    const grade = run.evaluation.grades[row] ?? ungraded;
    return grade === ungraded ? gradeLetters.length : grade;
  };
  const all = new Set([...before.keys(), ...after.keys()]);
  const from = new Uint8Array(all.size);
  const to = new Uint8Array(all.size);
  let i = 0;
  for (const uscc of all) {
    from[i] = label(last, before.get(uscc));
    to[i++] = label(now, after.get(uscc));
  }
  return publishable(crossed(labels, from, labels, to), { ...limits, rows: "neighbour", columns: "neighbour", trait: true });
}

function rowsOf({ evaluation, usccs }: Run): Map<string, number> {
  const rows = new Map(usccs.map((uscc, row) => [uscc, row]));
  if (rows.size !== usccs.length || usccs.length !== evaluation.scores.length) throw new AppError("EVALUATION_ROWS", { companies: rows.size, rows: evaluation.scores.length });
  return rows;
}
