// Parameters of the two kinds of job, as they stand in the plan.
import { z } from "zod";
import { scorecardParamsSchema } from "../../models/scorecard/params.ts";

/** How the guest splits its companies. "file": by the split that its enclave was given; else seeded and stratified. */
const splitSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("file") }),
  z.strictObject({ kind: z.literal("stratified"), testShare: z.number().min(0.05).max(0.8), seed: z.number().int().min(0).max(2 ** 31) }),
]);

export const scorecardJobSchema = z.strictObject({
  split: splitSchema.default({ kind: "stratified", testShare: 0.3, seed: 42 }),
  scorecard: scorecardParamsSchema.prefault({}),
});
export type ScorecardJobParams = z.output<typeof scorecardJobSchema>;

/** A batch of companies to score: a file that the bank has put into its own enclave, named by its digest. */
export const scoreJobSchema = z.strictObject({
  batch: z.string().regex(/^[0-9a-f]{64}$/),
  rows: z.number().int().min(1).max(5_000_000),
});
