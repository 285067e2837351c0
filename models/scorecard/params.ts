// Everything a user may choose about a scorecard, with defaults. The floors are the lower bounds of these fields: a plan cannot
// ask for less than the floors of the protocols allow.
// The defaults of binning, selection and ridge come from 5-fold cross-validation inside the training parts of three public data sets
// (SBA loans, Polish companies, UCI credit cards); differences below 0.002 AUC were taken as ties and the simpler setting kept.
import { z } from "zod";
import { conventions } from "../binning/woe.ts";

/** Fewest rows behind any statistic, fewest goods and bads of a merged bin, and the share of label equations of a host. */
export const floorRows = 20;
export const floorClass = 5;
/** A guest column whose codes differ from their most frequent one for fewer rows is no query (review.md, section 4). */
export const floorDummyRows = 50;
export const labelRankShare = 0.05;
/** Guest equations per host column: at most one column per this many training rows. */
export const rowsPerGuestColumn = 100;

const share = z.number().min(0).max(1);
const manualBinsSchema = z.union([
  z.strictObject({ starts: z.array(z.int().min(1).max(253)).max(63) }),
  z.strictObject({ groups: z.array(z.array(z.int().min(0).max(253)).min(1)).min(1).max(64) }),
]);

export const fineParamsSchema = z.strictObject({
  /** Most main fine bins of a feature. */
  maxBins: z.int().min(2).max(64).default(32),
  minRows: z.int().min(floorRows).default(floorRows),
});

export const mergeParamsSchema = z.strictObject({
  method: z.enum(["optimal", "chimerge"]).default("optimal"),
  prebins: z.enum(["quantile", "tree"]).default("quantile"),
  treeLeaves: z.int().min(2).max(64).default(20),
  objective: z.enum(["iv", "chi2", "gini"]).default("iv"),
  trend: z.enum(["auto", "ascending", "descending", "none"]).default("none"),
  maxBins: z.int().min(2).max(20).default(10),
  minBinShare: share.default(0.02),
  minRows: z.int().min(floorRows).default(floorRows),
  minGoods: z.int().min(floorClass).default(floorClass),
  minBads: z.int().min(floorClass).default(floorClass),
  binPenalty: z.number().min(0).max(100).default(4),
});

export const selectionParamsSchema = z.strictObject({
  ivMin: z.number().min(0).default(0.01),
  ivMax: z.number().positive().default(10),
  missingMax: share.default(0.95),
  correlationMax: z.number().positive().max(1).default(1),
  vifMax: z.number().min(0).default(0),
  signs: z.enum(["any", "consistent"]).default("any"),
  stepwise: z.enum(["none", "forward", "backward", "both"]).default("none"),
  criterion: z.enum(["aic", "pvalue"]).default("aic"),
  pEnter: share.default(0.05),
  pRemove: share.default(0.1),
}).refine((s) => s.ivMax > s.ivMin, "ivMax must be above ivMin");

export const fitParamsSchema = z.strictObject({
  /** Ridge as a prior on standardised weights in log odds, variance 1 / ridge: it counts like that many rows and fades with more data. */
  ridge: z.number().min(1e-3).max(1e6).default(20),
  /** The guest refits its own columns beside the opened totals; otherwise its part of the moment fit enters as one column. */
  guestRefit: z.boolean().default(true),
  /** A round opens one more total per row, and two totals per row set is the budget. */
  refinementRounds: z.int().min(0).max(1).default(1),
  /** Folds over the training rows for the decision to keep a refinement. */
  validationFolds: z.int().min(2).max(20).default(5),
  /** Half width of a host's part of the total, in its standard deviations; what lies beyond is clipped. */
  clipSds: z.number().min(1).max(20).default(4),
});

export const scalingParamsSchema = z.strictObject({
  /** Score at `odds` goods per bad; `pdo` points double the odds. */
  points: z.number().min(-1e6).max(1e6).default(600),
  odds: z.number().positive().max(1e6).default(50),
  pdo: z.number().positive().max(1e4).default(20),
  /** Whether the report shows the points of the hosts' bins, too. They follow from what the guest learns anyway; without this
   *  they stay out of what its people read, and each party's point table stays with its owner. */
  hostPoints: z.boolean().default(false),
  /** Decimals of the points of a bin. */
  decimals: z.int().min(0).max(3).default(0),
});

export const scorecardParamsSchema = z.strictObject({
  convention: z.enum(conventions).default("optbinning"),
  fine: fineParamsSchema.prefault({}),
  binning: mergeParamsSchema.prefault({}),
  selection: selectionParamsSchema.prefault({}),
  fit: fitParamsSchema.prefault({}),
  scaling: scalingParamsSchema.prefault({}),
  /** Manual edges of the guest's own numeric features, by feature name. */
  edges: z.record(z.string().max(200), z.array(z.number()).min(1).max(63)).default({}),
  /** Manual merges by "party/feature". */
  manual: z.record(z.string().max(300), manualBinsSchema).default({}),
});
export type ScorecardParams = z.output<typeof scorecardParamsSchema>;
export type ScorecardParamsInput = z.input<typeof scorecardParamsSchema>;

export function defaultScorecardParams(): ScorecardParams {
  return scorecardParamsSchema.parse({});
}
