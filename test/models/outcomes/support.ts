// Loans whose lives are drawn: rows as a bank returns them, with what a plain program knows of each.
import { sha256Hex } from "../../../core/canonical.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { OutcomeBook, type Loans } from "../../../models/outcomes/book.ts";
import { loanStatuses, monthNumber, monthText, type LoanStatus, type OutcomeRecord } from "../../../models/outcomes/record.ts";
import { seededDraw } from "../../support/draw.ts";

export const modelA = sha256Hex("model a");
export const modelB = sha256Hex("model b");
export const loanOf = (n: number): string => sha256Hex(`loan ${n}`);

export function row(loan: number, originated: string, age: number, status: LoanStatus, more: Partial<OutcomeRecord> = {}): OutcomeRecord {
  return { loan: loanOf(loan), originated, score: 0.05, model: modelA, month: monthText(monthNumber(originated) + age), status, ...more };
}

export function bookOf(asOf: string, rows: readonly unknown[], maxMonths = 36): Loans {
  const book = new OutcomeBook({ asOf, maxMonths });
  for (const r of rows) book.add(r);
  return book.loans();
}

export type Portfolio = {
  readonly first: string; readonly months: number; readonly perMonth: number; readonly seed: number;
  /** Added to the true log odds of the calendar month of origination (0-based). */
  readonly drift?: (month: number) => number;
  /** Moves the applicants' scores. */
  readonly moved?: (month: number) => number;
  /** Share of the log odds that the score knows; 1: all. */
  readonly known?: number;
  /** Chance per month that the bank stops reporting. */
  readonly lost?: number;
  readonly asOf: string;
};

/** A bad loan is 90 days past due at a month of its first year, then charged off; others are paid at month 18 or current. */
export function portfolio({ first, months, perMonth, seed, drift = () => 0, moved = () => 0, known = 1, lost = 0, asOf }: Portfolio): OutcomeRecord[] {
  const draw = seededDraw(seed);
  const rows: OutcomeRecord[] = [];
  const end = monthNumber(asOf);
  for (let month = 0; month < months; month++) {
    for (let i = 0; i < perMonth; i++) {
      const odds = -2 + draw.normal() + moved(month);
      const truth = known * odds + (1 - known) * (-2 + draw.normal()) + drift(month);
      const isBad = draw.uniform() < sigmoid(truth);
      const badAt = isBad ? 4 + draw.int(9) : Number.POSITIVE_INFINITY;
      const originated = monthText(monthNumber(first) + month);
      for (let age = 0; monthNumber(originated) + age <= end && age <= 24; age++) {
        const behind = badAt - age;
        const status: LoanStatus = behind < 0 ? "charged-off" : behind === 0 ? "dpd90" : behind === 1 ? "dpd60" : behind === 2 ? "dpd30" : age >= 18 ? "paid" : "current";
        if (age > 0 && draw.uniform() < lost) break;
        rows.push(row(month * perMonth + i, originated, age, status, { score: sigmoid(odds) }));
        if (status === "charged-off" || status === "paid") break;
      }
    }
  }
  return rows;
}

/** Random lives without sense: what holds for them holds for all. */
export function anyLives(seed: number, count: number, asOf = "2025-06"): OutcomeRecord[] {
  const draw = seededDraw(seed);
  const end = monthNumber(asOf);
  const rows: OutcomeRecord[] = [];
  for (let loan = 0; loan < count; loan++) {
    const originated = end - draw.int(30);
    let level = 0;
    for (let age = 0; originated + age <= end; age++) {
      if (draw.uniform() < 0.03) break;
      level = Math.min(3, Math.max(0, level + draw.int(4) - 2));
      const ends = draw.uniform();
      const status: LoanStatus = ends < 0.02 ? "paid" : ends < 0.03 ? "charged-off" : loanStatuses[level] as LoanStatus;
      if (draw.uniform() < 0.95) rows.push(row(loan, monthText(originated), age, status, { score: (1 + draw.int(97)) / 99 }));
      if (status === "paid" || status === "charged-off") break;
    }
  }
  // One score per loan.
  const scores = new Map<string, number>();
  return rows.map((r) => {
    const score = scores.get(r.loan) ?? r.score;
    scores.set(r.loan, score);
    return { ...r, score };
  });
}

export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const draw = seededDraw(seed);
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = draw.int(i + 1);
    [out[i], out[j]] = [out[j] as T, out[i] as T];
  }
  return out;
}
