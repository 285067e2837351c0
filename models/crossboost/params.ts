// Everything a user may choose about the nonlinear joint model, with defaults, and the floors that no plan may go below.
// Defaults were chosen on random splits of the training parts of three public data sets; README.md has the measurements.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { floorRows } from "../scorecard/params.ts";

/** Residuals and weights in queries are integers in units of 2^-12. */
export const queryFractionBits = 12;
/** Bound of every entry of every query: |r| <= 1, 0 < w <= 1. */
export const queryLimit = 2 ** queryFractionBits;
/** Training rows from which crosses (E) are used, and from which folds with crosses (C) may be asked for. */
export const crossesFromRows = 4000;
export const foldsFromRows = 20_000;
/** Fewest rows of a level group of a host's categorical feature. */
export const levelRows = 50;

const share = z.number().positive().max(1);

export const ownTreesSchema = z.strictObject({
  trees: z.int().min(1).max(400).default(80),
  depth: z.int().min(1).max(6).default(3),
  learningRate: share.default(0.1),
  lambda: z.number().min(0).max(1000).default(1),
  minChildRows: z.int().min(floorRows).default(floorRows),
});

export const crossboostParamsSchema = z.strictObject({
  /** crosses: guest cells against host bins, held-back rows judge (E); additive: host bins alone, in folds (B); folds: crosses in
   *  folds (C, from 20,000 rows). auto: crosses from 4,000 training rows, additive below. */
  design: z.enum(["auto", "crosses", "additive", "folds"]).default("auto"),
  /** Opened totals of the designs with folds: the second follows new residuals. E always opens one. */
  totals: z.union([z.literal(1), z.literal(2)]).default(1),
  /** Most own columns of the guest whose cells are crossed, beside its own score. */
  guestColumns: z.int().min(0).max(9).default(5),
  /** Cells of such a column, and of the guest's score. */
  cellsPerColumn: z.int().min(2).max(4).default(3),
  scoreCells: z.int().min(2).max(8).default(4),
  /** Query vectors x folds per row that counts: the ledger's unit. */
  maxEquationShare: z.number().positive().max(0.01).default(0.01),
  /** Fine bins of a host's numeric feature, most level groups of a categorical one. */
  hostBins: z.int().min(2).max(32).default(16),
  hostLevels: z.int().min(2).max(64).default(64),
  /** Standard deviation of a host's noise on each sum, in units of one row of weight 1. */
  noiseSd: z.union([z.literal(0.5), z.literal(1), z.literal(2), z.literal(4)]).default(0.5),
  /** Share of training rows with 0 in every query: they judge the joint total. */
  heldBackShare: z.number().min(0.1).max(0.4).default(0.1),
  /** The total stays when its weight is positive with one-sided significance beyond this many standard deviations. */
  keepBeyond: z.number().min(1).max(10).default(1.645),
  steps: z.int().min(1).max(1000).default(80),
  bags: z.int().min(1).max(32).default(4),
  step: share.default(0.1),
  /** Added to the weight of a quadrant, in units of p (1 - p). */
  ridge: z.number().positive().max(1000).default(5),
  /** A quadrant below either is left alone: rows, and sum of p (1 - p). */
  quadrantRows: z.int().min(floorRows).default(floorRows),
  quadrantWeight: z.number().min(1).max(1000).default(2),
  guestColumnShare: share.default(0.6),
  hostColumnShare: share.default(0.5),
  /** Smoothing rows (of mean weight) of a level's residual when the guest orders the levels of a category. */
  levelSmoothing: z.number().min(1).max(1000).default(20),
  /** The guest's own trees, and its last trees on its columns and the totals. */
  guestBins: z.int().min(2).max(64).default(32),
  guestFolds: z.int().min(2).max(10).default(5),
  guestTrees: ownTreesSchema.prefault({}),
  lastTrees: ownTreesSchema.prefault({ trees: 60, learningRate: 0.05 }),
});
export type CrossboostParams = z.output<typeof crossboostParamsSchema>;
export type OwnTreesParams = z.output<typeof ownTreesSchema>;

/** The limits of |F| and of the scale c; changing them changes no trade-off that a user has. */
export const tableLimit = 4;
export const scaleLimit = 3;
/** Smallest weight 4 p (1 - p) in a query: Newton steps stay bounded where the guest is sure. */
export const leastWeight = 1 / 16;

export type Design = {
  readonly crosses: boolean;
  /** 1: held-back rows judge the total. 3: totals come from the other folds' tables. */
  readonly folds: 1 | 3;
  /** Opened totals. */
  readonly stages: 1 | 2;
};

/** The design for so many training rows. Throws MODEL_TOO_FEW_ROWS for crosses or folds below their floors. */
export function designOf(params: CrossboostParams, trainRows: number): Design {
  const { design } = params;
  const chosen = design === "auto" ? (trainRows >= crossesFromRows ? "crosses" : "additive") : design;
  const minRows = chosen === "folds" ? foldsFromRows : chosen === "crosses" ? crossesFromRows : 0;
  if (trainRows < minRows) throw new AppError("MODEL_TOO_FEW_ROWS", { trainRows, minRows });
  if (chosen === "crosses") return { crosses: true, folds: 1, stages: 1 };
  return { crosses: chosen === "folds", folds: 3, stages: params.totals };
}

/** Most vectors phi: all cells that the parameters allow, as long as queries x folds stay within the share of the rows that count. */
export function mostVectors(params: CrossboostParams, design: Design, rows: number): number {
  if (!design.crosses) return 1;
  const wanted = params.scoreCells + params.guestColumns * params.cellsPerColumn;
  return Math.max(1, Math.min(wanted, Math.floor((params.maxEquationShare * rows) / (design.folds * (1 + design.stages)))));
}

/** The host's noise on each sum, as the encrypted sums take it: sd = 2^(log2Sd - shift) in query units. */
export function cellNoise(params: CrossboostParams): { readonly log2Sd: number; readonly shift: number } {
  return { log2Sd: queryFractionBits + Math.log2(params.noiseSd), shift: 0 };
}

export function defaultCrossboostParams(): CrossboostParams {
  return crossboostParamsSchema.parse({});
}
