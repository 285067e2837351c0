// Whether the score still puts bads before goods: AUC, Gini and KS per cohort, with DeLong intervals, against the development sample.
import { areaInterval, delong, independentDifference, type Difference, type Interval } from "../metrics/delong.ts";
import { holm } from "../metrics/distributions.ts";
import { ranking } from "../metrics/ranking.ts";
import type { Loans } from "./book.ts";
import { loansWith, outcomes, type Labels } from "./label.ts";
import { cohortMonths, cohortText } from "./record.ts";

/** AUC and Gini = 2 AUC - 1 with intervals (DeLong 1988); KS without. */
export type Discrimination = {
  readonly loans: number;
  readonly bads: number;
  readonly auc: number;
  readonly aucInterval: Interval;
  readonly gini: number;
  readonly giniInterval: Interval;
  readonly ks: number;
  readonly variance: number;
};
/** pValue: of no difference to development, adjusted for the number of cohorts (Holm). */
export type DiscriminationCohort = Discrimination & { readonly cohort: string; readonly difference: number; readonly pValue: number };

/** Throws MODEL_TOO_FEW_ROWS with fewer than two goods or two bads. */
export function discriminationOf(score: Float64Array, label: Uint8Array, level: number): Discrimination {
  const areas = delong([score], label);
  const variance = areas.covariance[0]?.[0] ?? 0;
  const { rows, events, auc, ks, gini } = ranking(score, label);
  const interval = areaInterval(auc, variance, level);
  return { loans: rows, bads: events, auc, aucInterval: interval, gini, giniInterval: { low: 2 * interval.low - 1, high: 2 * interval.high - 1 }, ks, variance };
}

/** Scores and labels (1 bad) of the loans whose outcome is known. */
export function labelled(loans: Loans, labels: Labels, use: (loan: number) => boolean): { readonly loans: Uint32Array; readonly score: Float64Array; readonly label: Uint8Array } {
  const of = loansWith(labels, ["good", "bad"], use);
  return { loans: of, score: Float64Array.from(of, (l) => loans.score[l] ?? 0), label: Uint8Array.from(of, (l) => (labels.outcome[l] === outcomes.indexOf("bad") ? 1 : 0)) };
}

/** Per cohort of origination with at least `minEach` goods and bads, oldest first. */
export function discriminationByCohort(
  loans: Loans, labels: Labels,
  { development, cohort, minEach, level, use = () => true }: {
    readonly development: Pick<Discrimination, "auc" | "variance">; readonly cohort: "month" | "quarter"; readonly minEach: number; readonly level: number; readonly use?: (loan: number) => boolean;
  },
): DiscriminationCohort[] {
  const all = labelled(loans, labels, use);
  const rowsBy = Map.groupBy(all.loans.keys(), (row) => cohortMonths(loans.originated[all.loans[row] ?? 0] ?? 0, cohort).first);
  const found = [...rowsBy].sort(([a], [b]) => a - b).flatMap(([first, rows]) => {
    const score = Float64Array.from(rows, (r) => all.score[r] ?? 0);
    const label = Uint8Array.from(rows, (r) => all.label[r] ?? 0);
    const bads = label.reduce((s, y) => s + y, 0);
    if (bads < minEach || label.length - bads < minEach) return [];
    const own = discriminationOf(score, label, level);
    const difference: Difference = independentDifference(own, development, level);
    return [{ cohort: cohortText(first, cohort), ...own, difference: difference.difference, pValue: difference.pValue }];
  });
  const adjusted = holm(found.map((f) => f.pValue));
  return found.map((f, i) => ({ ...f, pValue: adjusted[i] ?? 1 }));
}
