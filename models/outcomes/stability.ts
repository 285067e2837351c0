// Population stability: whether the companies that get loans now score as those did on which the model was built.
import { stabilityIndex } from "../metrics/calibration.ts";
import { chiSquareTail, holm } from "../metrics/distributions.ts";
import { logOddsOf } from "./calibration.ts";
import { cohortMonths, cohortText } from "./record.ts";
import type { Loans } from "./book.ts";

export type StabilityCohort = {
  /** "2024-03", "2024Q1". */
  readonly cohort: string;
  readonly loans: number;
  readonly psi: number;
  /** Chance of such an index if nothing had changed: psi / (1/n + 1/m) is then about chi-square with bins - 1 degrees of freedom (Yurdakul, Naranjo,
   *  Journal of Risk Model Validation 14, 2020). A small cohort has a large index by chance alone. Adjusted for the number of cohorts (Holm). */
  readonly pValue: number;
};

/** Index of the scores of each cohort of origination against the development sample, in bins of equal size of the latter. Cohorts below `minLoans` are left
 *  out. `development`: probabilities. */
export function stabilityByCohort(
  loans: Loans, development: Float64Array, { cohort, bins = 10, minLoans, use = () => true }: { readonly cohort: "month" | "quarter"; readonly bins?: number; readonly minLoans: number; readonly use?: (loan: number) => boolean },
): StabilityCohort[] {
  const expected = development.map(logOddsOf);
  const cohorts = new Map<number, number[]>();
  for (let loan = 0; loan < loans.count; loan++) {
    if (!use(loan)) continue;
    const { first } = cohortMonths(loans.originated[loan] ?? 0, cohort);
    const there = cohorts.get(first);
    if (there === undefined) cohorts.set(first, [loan]);
    else there.push(loan);
  }
  const found = [...cohorts].filter(([, of]) => of.length >= minLoans).sort(([a], [b]) => a - b).map(([first, of]) => {
    const { psi, rows } = stabilityIndex(expected, Float64Array.from(of, (loan) => logOddsOf(loans.score[loan] ?? 0.5)), bins);
    return { cohort: cohortText(first, cohort), loans: of.length, psi, pValue: chiSquareTail(psi / (1 / expected.length + 1 / of.length), rows.length - 1) };
  });
  const adjusted = holm(found.map((f) => f.pValue));
  return found.map((f, i) => ({ ...f, pValue: adjusted[i] ?? 1 }));
}
