// What a bank returns about a loan, one row per loan and month. A row stays in the bank's enclave.
import { z } from "zod";

/** Worst first delinquency of the month in days past due, as credit reporting counts it: current is 0 to 29, dpd30 30 to 59, dpd60 60 to 89, dpd90
 *  90 and more. Charged off and paid end the loan. */
export const loanStatuses = ["current", "dpd30", "dpd60", "dpd90", "charged-off", "paid"] as const;
export type LoanStatus = (typeof loanStatuses)[number];
const month = z.string().regex(/^(19|20)\d{2}-(0[1-9]|1[0-2])$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const outcomeRecordSchema = z.strictObject({
  /** Keyed hash of the loan's number, made by the bank: neither the number nor the company. */
  loan: digest,
  originated: month,
  /** Probability of bad that the model gave at origination. */
  score: z.number().gt(0).lt(1),
  /** Digest of the model version that gave it. */
  model: digest,
  /** The month that the status is of. */
  month,
  status: z.enum(loanStatuses),
});
export type OutcomeRecord = z.output<typeof outcomeRecordSchema>;

export type BadDefinition = z.output<typeof badDefinitionSchema>;
/** When a loan counts as bad: so many days past due, or charged off, within so many months on book. */
export const badDefinitionSchema = z.strictObject({
  daysPastDue: z.union([z.literal(30), z.literal(60), z.literal(90)]).default(90),
  windowMonths: z.int().min(1).max(60).default(12),
  /** Loans that were at least so many days past due, but not bad, are neither: they are left out. null: they are good. */
  indeterminateFrom: z.union([z.literal(30), z.literal(60)]).nullable().default(null),
}).refine((d) => d.indeterminateFrom === null || d.indeterminateFrom < d.daysPastDue, { path: ["indeterminateFrom"] });

/** Months since January of year 0, for a month that `outcomeRecordSchema` took. */
export function monthNumber(text: string): number {
  return Number(text.slice(0, 4)) * 12 + Number(text.slice(5)) - 1;
}

export function monthText(number: number): string {
  return `${Math.floor(number / 12)}-${String((number % 12) + 1).padStart(2, "0")}`;
}

/** Month, or quarter as "2024Q1". */
export function cohortText(number: number, cohort: "month" | "quarter"): string {
  return cohort === "month" ? monthText(number) : `${Math.floor(number / 12)}Q${Math.floor((number % 12) / 3) + 1}`;
}

/** First and last month of the cohort that a month is in. */
export function cohortMonths(number: number, cohort: "month" | "quarter"): { readonly first: number; readonly last: number } {
  const first = cohort === "month" ? number : number - (number % 3);
  return { first, last: cohort === "month" ? first : first + 2 };
}
