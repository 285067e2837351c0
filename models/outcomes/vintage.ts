// Vintage tables: of the loans that were made in a month (or quarter), the share that has been bad by each month on book.
import { AppError } from "../../core/errors.ts";
import type { Loans } from "./book.ts";
import { forEver, type Labels } from "./label.ts";
import { cohortMonths, cohortText } from "./record.ts";

export type VintageCell = {
  /** Months on book. */
  readonly month: number;
  /** Loans that were bad by then, of all of the cohort. */
  readonly bads: number;
  readonly rate: number;
  /** Share with loans that the bank stopped reporting taken as censored (life table, Kaplan-Meier 1958); paid loans stay, as never bad. Equal to
   *  `rate` when none was lost. */
  readonly adjustedRate: number;
};
export type Vintage = {
  /** "2024-03", "2024Q1". */
  readonly cohort: string;
  readonly loans: number;
  /** Loans whose rows stop early: before the last month of the table that all of the cohort has reached. */
  readonly lost: number;
  /** Only months that every loan of the cohort has had time for; the rest of the row is empty, and not zero. */
  readonly cells: readonly VintageCell[];
};
export type VintageOptions = {
  readonly cohort: "month" | "quarter";
  /** Months on book, increasing. */
  readonly months: readonly number[];
  readonly use?: (loan: number) => boolean;
};

/** One row per cohort, oldest first; bads after the definition in `labels`, of any age. Throws OUTCOME_SETTINGS for months that do not increase or that
 *  the book does not keep. */
export function vintageTable(loans: Loans, labels: Labels, { cohort, months, use = () => true }: VintageOptions): Vintage[] {
  const isOrdered = months.every((m, i) => Number.isInteger(m) && m >= 0 && m <= loans.maxMonths && (i === 0 || m > (months[i - 1] ?? 0)));
  if (!isOrdered || months.length === 0) throw new AppError("OUTCOME_SETTINGS");
  const members = new Map<number, number[]>();
  for (let loan = 0; loan < loans.count; loan++) {
    if (!use(loan)) continue;
    const { first } = cohortMonths(loans.originated[loan] ?? 0, cohort);
    const there = members.get(first);
    if (there === undefined) members.set(first, [loan]);
    else there.push(loan);
  }
  return [...members].sort(([a], [b]) => a - b).map(([first, of]) => vintageOf(loans, labels, { first, of, cohort, months }));
}

function vintageOf(
  loans: Loans, { firstBad, followed }: Labels, { first, of, cohort, months }: { readonly first: number; readonly of: readonly number[] } & Pick<VintageOptions, "cohort" | "months">,
): Vintage {
  const reached = loans.asOf - cohortMonths(first, cohort).last;
  const shown = months.filter((m) => m <= reached);
  const last = shown.at(-1) ?? -1;
  const badAt = new Uint32Array(last + 1);
  const lostAfter = new Uint32Array(last + 1);
  let lostAtOnce = 0;
  for (const loan of of) {
    const bad = firstBad[loan] ?? -1;
    const until = followed[loan] ?? -1;
    if (bad >= 0 && bad <= last) badAt[bad] = (badAt[bad] ?? 0) + 1;
    else if (bad === -1 && until < last && until !== forEver) {
      if (until < 0) lostAtOnce++;
      else lostAfter[until] = (lostAfter[until] ?? 0) + 1;
    }
  }
  const cells: VintageCell[] = [];
  let bads = 0;
  let atRisk = of.length - lostAtOnce;
  let survival = 1;
  let lost = lostAtOnce;
  for (let age = 0; age <= last; age++) {
    const now = badAt[age] ?? 0;
    bads += now;
    if (atRisk > 0) survival *= 1 - now / atRisk;
    if (shown.includes(age)) cells.push({ month: age, bads, rate: bads / of.length, adjustedRate: 1 - survival });
    atRisk -= now + (lostAfter[age] ?? 0);
    lost += lostAfter[age] ?? 0;
  }
  return { cohort: cohortText(first, cohort), loans: of.length, lost, cells };
}
