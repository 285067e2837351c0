// The schema of a back-test report: one model version against the outcomes that came back. It is made and read in the bank's enclave and holds small
// counts; what may leave is in release.ts. Strict and without transforms, so that a JSON schema can be generated from it.
import { z } from "zod";
import { badDefinitionSchema, loanStatuses } from "./record.ts";
import { openStatuses } from "./roll.ts";

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const cohort = z.string().regex(/^\d{4}(-\d{2}|Q[1-4])$/);
const month = z.string().regex(/^\d{4}-\d{2}$/);
const interval = z.strictObject({ low: z.number(), high: z.number() });

export const backTestSettingsSchema = z.strictObject({
  /** Of intervals. */
  level: z.number().gt(0.5).lt(1).default(0.95),
  /** Adjusted p-values below are called significant. */
  alpha: z.number().gt(0).lt(0.5).default(0.05),
  cohort: z.enum(["month", "quarter"]).default("month"),
  /** Score bands of equal size of the development sample. */
  bands: z.int().min(2).max(50).default(10),
  /** Months on book of the vintage table. */
  months: z.array(z.int().min(0).max(600)).min(1).max(120).default([3, 6, 9, 12, 18, 24]),
  /** Goods, and bads, that a figure needs. */
  minEach: z.int().min(2).default(20),
  /** Population stability index from which one watches, and acts (Siddiqi 2006: 0.10 and 0.25). */
  psiWatch: z.number().gt(0).default(0.1),
  psiAct: z.number().gt(0).default(0.25),
  /** Loss of AUC from which one acts, if it is significant. */
  aucDropAct: z.number().gt(0).lt(1).default(0.05),
  /** Observed over expected bads (or the inverse) from which one acts, if it is significant. */
  ratioAct: z.number().gt(1).default(1.2),
  /** Share of loans with lost histories from which the sample is doubted. */
  maxLost: share.default(0.1),
}).refine((s) => s.psiWatch < s.psiAct, { path: ["psiAct"] });
export type BackTestSettings = z.output<typeof backTestSettingsSchema>;

const discrimination = {
  loans: count, bads: count, auc: share, aucInterval: interval, gini: z.number().min(-1).max(1), giniInterval: interval, ks: share,
  /** Of the AUC (DeLong). */
  variance: z.number().min(0),
};
export const verdictSubjects = ["sample", "stability", "calibration", "discrimination", "vintages"] as const;
export const verdictWords = ["ok", "watch", "act", "too-few"] as const;
const verdictSchema = z.strictObject({ subject: z.enum(verdictSubjects), verdict: z.enum(verdictWords), en: z.string().min(1).max(600), zh: z.string().min(1).max(600) });
export type Verdict = z.output<typeof verdictSchema>;

export const backTestReportSchema = z.strictObject({
  version: z.literal(1),
  model: z.string().regex(/^[0-9a-f]{64}$/),
  asOf: month,
  definition: badDefinitionSchema,
  settings: backTestSettingsSchema,
  /** loans = good + bad + indeterminate + immature + lost. */
  population: z.strictObject({ loans: count, good: count, bad: count, indeterminate: count, immature: count, lost: count, gaps: count }),
  vintages: z.array(z.strictObject({
    cohort, loans: count, lost: count, cells: z.array(z.strictObject({ month: count, bads: count, rate: share, adjustedRate: share })).max(120),
  })).max(1200),
  rollRates: z.array(z.strictObject({ from: z.enum(openStatuses), loans: count, to: z.array(count).length(loanStatuses.length), worse: share, better: share })).max(4),
  stability: z.array(z.strictObject({ cohort, loans: count, psi: z.number().min(0), pValue: share })).max(1200),
  calibration: z.strictObject({
    bands: z.array(z.strictObject({ from: share, to: share, loans: count, expectedBads: z.number().min(0), bads: count, pValue: share })).max(50),
    hosmerLemeshow: z.strictObject({ statistic: z.number().min(0), degreesOfFreedom: z.int().min(1), pValue: share }).nullable(),
    line: z.strictObject({
      ratio: z.number().min(0), shift: z.number(), shiftInterval: interval, shiftPValue: share,
      intercept: z.number(), interceptInterval: interval, slope: z.number(), slopeInterval: interval, slopePValue: share,
    }).nullable(),
  }),
  discrimination: z.strictObject({
    development: z.strictObject(discrimination),
    all: z.strictObject(discrimination).nullable(),
    cohorts: z.array(z.strictObject({ cohort, ...discrimination, difference: z.number(), pValue: share })).max(1200),
  }),
  verdicts: z.array(verdictSchema).length(verdictSubjects.length),
  /** The worst of them; too-few only where all are. */
  verdict: z.enum(verdictWords),
});
export type BackTestReport = z.output<typeof backTestReportSchema>;
