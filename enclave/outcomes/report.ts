// Reports on returned outcomes: a model version on the loans that it was granted by, and one version against another on the same loans. They hold small
// counts and stay in the domain.
import { AppError, isAppError } from "../../core/errors.ts";
import type { Rng } from "../../core/env.ts";
import { delong, pairedDifference, type Interval } from "../../models/metrics/delong.ts";
import { backTest, outcomeCounts, type BackTestInput } from "../../models/outcomes/back-test.ts";
import { OutcomeBook, type Loans } from "../../models/outcomes/book.ts";
import { labelled } from "../../models/outcomes/discrimination.ts";
import { labelLoans } from "../../models/outcomes/label.ts";
import { badDefinitionSchema, monthNumber, monthText, type BadDefinition } from "../../models/outcomes/record.ts";
import { inferRejects, rejectMethods, type InferredRows } from "../../models/outcomes/reject.ts";
import type { OutcomeCounts } from "../../models/outcomes/release.ts";
import type { BackTestReport, BackTestSettings } from "../../models/outcomes/report-schema.ts";
import type { Development } from "./development.ts";
import type { KeptLoan, LoanStore } from "./loans.ts";

export type OutcomeSample = {
  readonly loans: Loans;
  /** Company by place in `loans`; undefined where the bank did not name one. */
  readonly companies: readonly (string | undefined)[];
  /** Applications that were turned down, with a score. */
  readonly rejected: readonly Pick<KeptLoan, "company" | "model" | "score" | "originated">[];
  readonly counts: { readonly loans: number; readonly rejected: number; readonly withoutScore: number; readonly withoutCompany: number; readonly scores: Readonly<Record<"row" | "service" | "batch", number>> };
};
export type Scoring = { readonly score: number; readonly model: string };

/** Everything that has a score, as a book. asOf: the last reported month; default: the latest of any row. scoring: another score in place of the loan's own
 *  (undefined: the loan is left out). Throws OUTCOME_NONE when there is nothing, OUTCOME_LIMIT, OUTCOME_SETTINGS. */
export function sampleOf(store: LoanStore, { asOf, scoring = ownScore }: { readonly asOf?: string | undefined; readonly scoring?: (loan: KeptLoan) => Scoring | undefined } = {}): OutcomeSample {
  const last = asOf === undefined ? lastMonth(store) : monthNumber(asOf);
  const book = new OutcomeBook({ asOf: monthText(last) });
  const companies: (string | undefined)[] = [];
  const rejected: OutcomeSample["rejected"][number][] = [];
  const counts = { loans: 0, rejected: 0, withoutScore: 0, withoutCompany: 0, scores: { row: 0, service: 0, batch: 0 } };
  for (const { key, loan } of store.all()) {
    if (loan.originated > last) continue;
    if (loan.company === undefined) counts.withoutCompany += 1;
    if (loan.rejected === true) counts.rejected += 1;
    else counts.loans += 1;
    const found = scoring(loan);
    if (found === undefined) {
      counts.withoutScore += 1;
      continue;
    }
    counts.scores[loan.from ?? "row"] += 1;
    if (loan.rejected === true) {
      rejected.push({ ...loan, ...found });
      continue;
    }
    book.addLoan({ loan: Buffer.from(key).toString("hex"), originated: loan.originated, ...found }, loan.history);
    companies.push(loan.company);
  }
  if (companies.length === 0) throw new AppError("OUTCOME_NONE", { loans: counts.loans });
  return { loans: book.loans(), companies, rejected, counts };
}

function ownScore({ score, model }: KeptLoan): Scoring | undefined {
  return score === undefined || model === undefined ? undefined : { score, model };
}

/** Throws OUTCOME_NONE. */
export function lastMonth(store: LoanStore): number {
  let last = -1;
  for (const { loan } of store.all()) last = Math.max(last, loan.originated + Math.max(0, loan.history.length - 1));
  if (last < 0) throw new AppError("OUTCOME_NONE", { loans: 0 });
  return last;
}

export type ReportSettings = { readonly definition?: Partial<BadDefinition> | undefined; readonly settings?: Partial<BackTestSettings> | undefined };
export type ReportInput = ReportSettings & { readonly sample: OutcomeSample; readonly model: string; readonly development: Development };
type RejectOption = InferredRows["summary"];
export type OutcomeReport = {
  readonly version: 1;
  readonly sample: OutcomeSample["counts"];
  readonly development: { readonly rows: number; readonly bads: number; readonly source: string };
  readonly backTest: BackTestReport;
  /** What each way of reject inference would take the turned-down applications for; options: null where there are too few. */
  readonly rejects: { readonly scored: number; readonly options: readonly RejectOption[] | null };
};

function testInput({ sample, model, development, definition, settings }: ReportInput): BackTestInput {
  return { loans: sample.loans, model, development, ...(definition && { definition }), ...(settings && { settings }) };
}

/** Throws OUTCOME_MODEL, OUTCOME_SETTINGS, MODEL_TOO_FEW_ROWS. */
export function reportOf(input: ReportInput, rng: Rng): OutcomeReport {
  const { sample, development } = input;
  const tested = backTest(testInput(input));
  return {
    version: 1, sample: sample.counts,
    development: { rows: development.label.length, bads: development.label.reduce((s, y) => s + y, 0), source: development.source },
    backTest: tested, rejects: rejectsOf(input, tested.definition, rng),
  };
}

function rejectsOf({ sample, model }: ReportInput, definition: BadDefinition, rng: Rng): OutcomeReport["rejects"] {
  const scores = rejectedScores(sample, model);
  const accepted = finishedOf(sample, model, definition);
  try {
    const options = rejectMethods.map((method) => inferRejects({ accepted, rejected: { score: scores } }, { method, rng }).summary);
    return { scored: scores.length, options: scores.length === 0 ? null : options };
  } catch (error) {
    if (isAppError(error) && error.code === "OUTCOME_TOO_FEW") return { scored: scores.length, options: null };
    throw error;
  }
}

export function rejectedScores({ rejected }: OutcomeSample, model: string): Float64Array {
  return Float64Array.from(rejected.flatMap((r) => (r.model === model && r.score !== undefined ? [r.score] : [])));
}

/** Loans of a version whose outcome is known: places in the book, scores, labels (1 bad). */
export function finishedOf({ loans }: OutcomeSample, model: string, definition: BadDefinition): ReturnType<typeof labelled> {
  const place = loans.models.indexOf(model);
  return labelled(loans, labelLoans(loans, definition), (loan) => loans.model[loan] === place);
}

/** The counts that may leave, before they are held against what was told. Throws as `reportOf`. */
export function countsOf(input: ReportInput): OutcomeCounts {
  return outcomeCounts(testInput(input));
}

export type Comparison = {
  readonly version: 1; readonly model: string; readonly against: string; readonly loans: number; readonly bads: number;
  readonly auc: { readonly model: number; readonly against: number };
  /** AUC of the model less that of the other on the same loans (DeLong); above 0: the model ranks better. */
  readonly difference: number; readonly interval: Interval; readonly pValue: number;
  /** The model's own back-test on these loans. */
  readonly backTest: BackTestReport;
};

/** A version on loans that another one granted: with scores that it gave them beside (as a shadow, or in a batch of its own). scoresOf: that score.
 *  Throws OUTCOME_NONE where no loan has both, MODEL_TOO_FEW_ROWS, and as `reportOf`. */
export function compareOn(store: LoanStore, input: ReportSettings & { readonly model: string; readonly against: string; readonly development: Development; readonly asOf?: string | undefined; readonly scoreOf: (company: string, loan: KeptLoan) => number | undefined }): Comparison {
  const { model, against, scoreOf } = input;
  const incumbents: number[] = [];
  const sample = sampleOf(store, {
    asOf: input.asOf,
    scoring: (loan) => {
      if (loan.company === undefined || loan.model !== against || loan.score === undefined) return undefined;
      const score = scoreOf(loan.company, loan);
      if (score !== undefined && loan.rejected !== true) incumbents.push(loan.score);
      return score === undefined ? undefined : { score, model };
    },
  });
  const definition = badDefinitionSchema.safeParse(input.definition ?? {});
  if (!definition.success) throw new AppError("OUTCOME_SETTINGS");
  const finished = finishedOf(sample, model, definition.data);
  const areas = delong([finished.score, Float64Array.from(finished.loans, (place) => incumbents[place] ?? 0)], finished.label);
  const tested = backTest(testInput({ ...input, sample }));
  const { difference, interval, pValue } = pairedDifference(areas, 0, 1, tested.settings.level);
  return {
    version: 1, model, against, loans: finished.label.length, bads: finished.label.reduce((s, y) => s + y, 0),
    auc: { model: areas.auc[0] ?? 0, against: areas.auc[1] ?? 0 }, difference, interval, pValue, backTest: tested,
  };
}
