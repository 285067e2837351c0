// From the sum of all parts to scores, coverage and grades. Parts travel as residues mod 2^16, under masks that cancel; the sum of all is
// small enough to be read back with its sign.
import { AppError } from "../core/errors.ts";
import type { Basis, Card } from "./load.ts";
import { boundsOf, wholeStake, type Assignment, type Part } from "./part.ts";
import { gradeLetters, partModulus, type Grade } from "./schema.ts";

export const bestScore = 1000;

/** What a run found, by row. Scores are 0 to 1000. */
export type Evaluation = {
  readonly card: { readonly id: string; readonly version: string; readonly digest: string };
  readonly basis: Basis;
  /** The day that the indicators look back from, YYYY-MM-DD. */
  readonly asOf: string;
  /** Indicators that no party of the run had. */
  readonly absent: readonly string[];
  /** Some provider of the card's indicators was away: all scores are partial. */
  readonly partial: boolean;
  readonly scores: Int16Array;
  /** Share of the points at stake in what is asked of every company that is known, in thousandths, rounded down. */
  readonly coverage: Int16Array;
  /** Index into `gradeLetters`, or `ungraded`: too little is known. */
  readonly grades: Uint8Array;
};

export const ungraded = 255;

export function gradeAt(evaluation: Pick<Evaluation, "grades">, row: number): Grade | null {
  return gradeLetters[evaluation.grades[row] ?? ungraded] ?? null;
}

/** What a party puts under its mask: mod 2^16. */
export function residues(values: Int32Array): Uint16Array {
  return Uint16Array.from(values, (v) => v & (partModulus - 1));
}

/** The reverse for a sum of residues without masks, in -2^15 .. 2^15 - 1. */
export function signed(sum: Uint16Array): Int32Array {
  return Int32Array.from(sum, (v) => (v << 16) >> 16);
}

/** Throws EVALUATION_PART when parts are not of the same rows. */
export function addParts(parts: readonly Part[]): Part {
  const rows = parts[0]?.points.length ?? 0;
  if (parts.some((p) => p.points.length !== rows || p.covered.length !== rows)) throw new AppError("EVALUATION_PART", { parts: parts.length });
  const points = new Int32Array(rows);
  const covered = new Int32Array(rows);
  for (const part of parts) {
    for (let row = 0; row < rows; row++) {
      points[row] = (points[row] as number) + (part.points[row] as number);
      covered[row] = (covered[row] as number) + (part.covered[row] as number);
    }
  }
  return { points, covered };
}

/** Throws EVALUATION_PART with how many companies have a sum that these indicators cannot give. */
export function requireWithin(card: Pick<Card, "entries">, indicators: readonly string[], { points, covered }: Part): void {
  const { lowest, highest, stake } = boundsOf(card, indicators);
  const rows = points.length;
  if (covered.length !== rows) throw new AppError("EVALUATION_PART", { rows });
  let outside = 0;
  for (let row = 0; row < rows; row++) {
    const [p, c] = [points[row] as number, covered[row] as number];
    if (p < lowest || p > highest || c < 0 || c > stake) outside++;
  }
  if (outside > 0) throw new AppError("EVALUATION_PART", { rows, outside });
}

/**
 * Scores and grades of the sum of all parts. A score is base + points, cut at 0 and 1000. A grade is given when the coverage is at least
 * the card's. Throws EVALUATION_PART when a sum lies outside of what the assigned indicators can give: a part is wrong, or masks did not cancel.
 */
export function evaluate(card: Card, assignment: Assignment, sum: Part, asOf: string): Evaluation {
  requireWithin(card, [...assignment.parties.values()].flat(), sum);
  const whole = wholeStake(card);
  const rows = sum.points.length;
  const scores = new Int16Array(rows);
  const coverage = new Int16Array(rows);
  const grades = new Uint8Array(rows).fill(ungraded);
  for (let row = 0; row < rows; row++) {
    const points = sum.points[row] as number;
    const covered = sum.covered[row] as number;
    const score = Math.min(bestScore, Math.max(0, card.base + points));
    scores[row] = score;
    coverage[row] = Math.floor((1000 * covered) / whole);
    if (covered >= card.minCoverage * whole) grades[row] = card.grades.findIndex((g) => score >= g.from);
  }
  const { id, version, digest } = card;
  return { card: { id, version, digest }, basis: card.basis, asOf, absent: assignment.absent, partial: assignment.absent.length > 0, scores, coverage, grades };
}
