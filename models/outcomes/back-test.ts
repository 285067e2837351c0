// The back-test of one model version on the outcomes that the bank returned: all figures, verdicts, and the counts that may leave.
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { Loans } from "./book.ts";
import { bandEdges, calibrationBands, calibrationLine, hosmerLemeshow, isProbability, logOddsOf } from "./calibration.ts";
import { discriminationByCohort, discriminationOf, labelled } from "./discrimination.ts";
import { labelLoans, outcomes, type Labels, type Outcome } from "./label.ts";
import { badDefinitionSchema, cohortText, cohortMonths, monthText, type BadDefinition } from "./record.ts";
import { releasedTable, type CountCell, type OutcomeCounts } from "./release.ts";
import { backTestSettingsSchema, type BackTestReport, type BackTestSettings } from "./report-schema.ts";
import { rollRates } from "./roll.ts";
import { stabilityByCohort } from "./stability.ts";
import { verdictsOf } from "./verdicts.ts";
import { vintageTable } from "./vintage.ts";

export type BackTestInput = {
  readonly loans: Loans;
  /** Digest of the model version. */
  readonly model: string;
  /** What the model gave on the sample that it was judged on when it was built (a test part, not the training rows), and what came. */
  readonly development: { readonly probability: Float64Array; readonly label: Uint8Array };
  readonly definition?: Partial<BadDefinition>;
  readonly settings?: Partial<BackTestSettings>;
};

/** Throws OUTCOME_MODEL when no loan has a score of that version, OUTCOME_SETTINGS, and MODEL_TOO_FEW_ROWS or MODEL_SHAPE for the development sample. */
export function backTest(input: BackTestInput): BackTestReport {
  const { loans, model, development } = input;
  const { definition, settings, labels, use } = prepared(input);
  const { cohort, level, minEach, months, bands } = settings;
  const all = labelled(loans, labels, use);
  const edges = bandEdges(development.probability, bands);
  const built = discriminationOf(development.probability.map(logOddsOf), development.label, level);
  const population = populationOf(loans, labels, use);
  const hasEnough = population.good >= minEach && population.bad >= minEach;
  const bandRows = calibrationBands(all.score, all.label, edges);
  const figures: Omit<BackTestReport, "verdicts" | "verdict"> = {
    version: 1, model, asOf: monthText(loans.asOf), definition, settings, population,
    vintages: vintageTable(loans, labels, { cohort, months: months.filter((m) => m <= loans.maxMonths), use }).map((v) => ({ ...v, cells: [...v.cells] })),
    rollRates: rollRates(loans, { use }).map((r) => ({ ...r, to: [...r.to] })),
    // An index needs some 20 loans a bin to say anything.
    stability: stabilityByCohort(loans, development.probability, { cohort, bins: bands, minLoans: 20 * bands, use }),
    calibration: { bands: bandRows, hosmerLemeshow: hosmerLemeshow(bandRows) ?? null, line: calibrationLine(all.score, all.label, level) ?? null },
    discrimination: {
      development: built, all: hasEnough ? discriminationOf(all.score, all.label, level) : null,
      cohorts: discriminationByCohort(loans, labels, { development: built, cohort, minEach, level, use }),
    },
  };
  return { ...figures, ...verdictsOf(figures) };
}

/** The counts of the same loans that may leave, before they are held against what was told last (`releasedCounts`). Throws as `backTest`. */
export function outcomeCounts(input: BackTestInput): OutcomeCounts {
  const { loans, model, development } = input;
  const { definition, settings, labels, use } = prepared(input);
  const all = labelled(loans, labels, use);
  const edges = bandEdges(development.probability, Math.min(settings.bands, 99));
  const cohorts = cellsBy(all.label, (row) => cohortText(cohortMonths(loans.originated[all.loans[row] ?? 0] ?? 0, settings.cohort).first, settings.cohort));
  const bands = cellsBy(all.label, (row) => `band ${edges.filter((e) => e <= (all.score[row] ?? 0)).length + 1}`);
  const asOf = monthText(loans.asOf);
  const grouping = digestOf({ cohort: settings.cohort, edges });
  return { version: 1, model, definition, grouping, cohorts: releasedTable(cohorts, asOf), bands: releasedTable(bands, asOf) };
}

function prepared({ loans, model, development, definition: partial, settings: some }: BackTestInput): { definition: BadDefinition; settings: BackTestSettings; labels: Labels; use: (loan: number) => boolean } {
  const definition = badDefinitionSchema.safeParse(partial ?? {});
  const settings = backTestSettingsSchema.safeParse(some ?? {});
  if (!definition.success || !settings.success ) throw new AppError("OUTCOME_SETTINGS");
  if (!development.probability.every(isProbability)) throw new AppError("OUTCOME_SETTINGS");
  const place = loans.models.indexOf(model);
  if (place === -1) throw new AppError("OUTCOME_MODEL");
  return { definition: definition.data, settings: settings.data, labels: labelLoans(loans, definition.data), use: (loan) => loans.model[loan] === place };
}

function populationOf(loans: Loans, labels: Labels, use: (loan: number) => boolean): BackTestReport["population"] {
  const counts: Record<Outcome, number> = { good: 0, bad: 0, indeterminate: 0, immature: 0, lost: 0 };
  let all = 0;
  let gaps = 0;
  for (let loan = 0; loan < loans.count; loan++) {
    if (!use(loan)) continue;
    all++;
    gaps += labels.gaps[loan] ?? 0;
    counts[outcomes[labels.outcome[loan] ?? 0] ?? "lost"]++;
  }
  return { loans: all, ...counts, gaps };
}

function cellsBy(label: Uint8Array, keyOf: (row: number) => string): CountCell[] {
  const cells = new Map<string, { key: string; goods: number; bads: number }>();
  label.forEach((y, row) => {
    const key = keyOf(row);
    const cell = cells.get(key) ?? { key, goods: 0, bads: 0 };
    if (y === 1) cell.bads++;
    else cell.goods++;
    cells.set(key, cell);
  });
  return [...cells.values()].sort((a, b) => a.key.localeCompare(b.key, "en", { numeric: true }));
}
