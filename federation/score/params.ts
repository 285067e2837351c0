// Parameters of batch scoring, as they stand in the plan.
import { z } from "zod";

/** What of a model the statement of a scoring follows from: its kind and size. Every enclave compares it with its own half. */
export const modelShapeSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("scorecard") }),
  z.strictObject({ kind: z.literal("gbdt"), trees: z.number().int().min(0).max(10_000), depth: z.number().int().min(1).max(6) }),
  /** Bins of each column that a host picks from, at most; all of its features may be columns. */
  z.strictObject({ kind: z.literal("crossboost"), bins: z.number().int().min(2).max(254), totals: z.number().int().min(0).max(2) }),
]);
export type ModelShape = z.output<typeof modelShapeSchema>;

/** A batch of companies to score: a file that the bank has put into its own enclave, named by its digest. */
export const scoreJobSchema = z.strictObject({
  batch: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.number().int().min(1).max(5_000_000),
  shape: modelShapeSchema.default({ kind: "scorecard" }),
});
export type ScoreJobParams = z.output<typeof scoreJobSchema>;
