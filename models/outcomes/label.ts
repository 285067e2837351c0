// What became of each loan under a definition of bad, and how long it was followed.
import { AppError } from "../../core/errors.ts";
import { historyOf, isBad, statusCode, type Loans } from "./book.ts";
import { badDefinitionSchema, type BadDefinition } from "./record.ts";

/** immature: its window is not over. lost: its rows stop before the window does, so that nobody knows. */
export const outcomes = ["good", "bad", "indeterminate", "immature", "lost"] as const;
export type Outcome = (typeof outcomes)[number];
/** Followed to the end of the book: paid loans cannot become bad. */
export const forEver = 32_767;

export type Labels = {
  /** Place in `outcomes`, per loan. */
  readonly outcome: Uint8Array;
  /** Months on book at which it was bad first; -1: never seen bad. */
  readonly firstBad: Int16Array;
  /** Last month on book of which something is known; `forEver` once it was paid. */
  readonly followed: Int16Array;
  /** Months between first and last row without a row. */
  readonly gaps: Uint16Array;
};

/** Throws OUTCOME_SETTINGS where the definition is none, or asks for more months than the book keeps. */
export function labelLoans(loans: Loans, definition: BadDefinition): Labels {
  if (!badDefinitionSchema.safeParse(definition).success || definition.windowMonths > loans.maxMonths) throw new AppError("OUTCOME_SETTINGS");
  const outcome = new Uint8Array(loans.count);
  const firstBad = new Int16Array(loans.count).fill(-1);
  const followed = new Int16Array(loans.count).fill(-1);
  const gaps = new Uint16Array(loans.count);
  for (let loan = 0; loan < loans.count; loan++) {
    let first = -1;
    let isTouched = false;
    historyOf(loans, loan).forEach((status, age) => {
      if (status === statusCode.none) return;
      if (firstBad[loan] === -1 && isBad(status, definition)) firstBad[loan] = age;
      const isDelinquent = definition.indeterminateFrom !== null && status <= statusCode.dpd90 && status >= 1 + definition.indeterminateFrom / 30;
      if (age <= definition.windowMonths && isDelinquent) isTouched = true;
      const last = followed[loan] ?? -1;
      if (first === -1) first = age;
      else if (last !== forEver) gaps[loan] = (gaps[loan] ?? 0) + age - last - 1;
      followed[loan] = status === statusCode.paid ? forEver : Math.max(last, age);
    });
    outcome[loan] = outcomes.indexOf(outcomeOf(loans, loan, { definition, firstBad: firstBad[loan] ?? -1, followed: followed[loan] ?? -1, isTouched }));
  }
  return { outcome, firstBad, followed, gaps };
}

function outcomeOf(
  { originated, asOf }: Loans, loan: number,
  { definition: { windowMonths }, firstBad, followed, isTouched }: { definition: BadDefinition; firstBad: number; followed: number; isTouched: boolean },
): Outcome {
  // An early bad of an unfinished cohort is not counted either: its goods could not be.
  if ((originated[loan] ?? 0) + windowMonths > asOf) return "immature";
  if (firstBad >= 0 && firstBad <= windowMonths) return "bad";
  if (followed < windowMonths) return "lost";
  return isTouched ? "indeterminate" : "good";
}

/** Loans of a kind, in order. */
export function loansWith(labels: Labels, wanted: readonly Outcome[], use: (loan: number) => boolean = () => true): Uint32Array {
  const codes = wanted.map((w) => outcomes.indexOf(w));
  const out: number[] = [];
  labels.outcome.forEach((code, loan) => {
    if (codes.includes(code) && use(loan)) out.push(loan);
  });
  return Uint32Array.from(out);
}
