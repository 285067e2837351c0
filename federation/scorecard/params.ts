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

export const scoreJobSchema = z.strictObject({
  /** Hosts that are not there within this time are left out and their features score as missing (flag `partial`). */
  hostTimeoutSeconds: z.number().int().min(1).max(86_400).default(30),
});
export type ScoreJobParams = z.output<typeof scoreJobSchema>;
