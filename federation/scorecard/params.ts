// Parameters of the two kinds of job, as they stand in the plan.
import { z } from "zod";
import { scorecardParamsSchema } from "../../models/scorecard/params.ts";
import { splitSchema } from "../align/split.ts";

export const scorecardJobSchema = z.strictObject({
  split: splitSchema,
  scorecard: scorecardParamsSchema.prefault({}),
});
export type ScorecardJobParams = z.output<typeof scorecardJobSchema>;

/** A batch of companies to score: a file that the bank has put into its own enclave, named by its digest. */
export const scoreJobSchema = z.strictObject({
  batch: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.number().int().min(1).max(5_000_000),
});
