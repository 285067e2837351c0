// Parameters of a job of boosted trees, as they stand in the plan.
import { z } from "zod";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { treeParamsSchema } from "../../models/trees/params.ts";
import { splitSchema } from "../align/split.ts";
import { challengerSchema } from "../challenger.ts";
import { consentedOnlySchema } from "../consents/params.ts";
import { feedbackSchema } from "../feedback/params.ts";

export const gbdtJobSchema = z.strictObject({
  split: splitSchema,
  trees: treeParamsSchema.prefault({}),
  scaling: scalingParamsSchema.pick({ points: true, odds: true, pdo: true }).prefault({}),
  /** Goes on from an earlier model of the same parties: its trees stay, its bins are used again. `trees`: how many it has, at most. */
  from: z.strictObject({ model: z.string().regex(/^model_[0-9a-z]{16,32}$/), trees: z.int().min(1).max(10_000) }).optional(),
  /** No noise, caps and floors but those of `trees`: enclaves refuse it outside of the sandbox. */
  liftFloors: z.boolean().default(false),
  challenger: challengerSchema,
  consentedOnly: consentedOnlySchema,
  feedback: feedbackSchema,
});
export type GbdtJobParams = z.output<typeof gbdtJobSchema>;
