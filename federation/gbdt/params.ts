// Parameters of a job of boosted trees, as they stand in the plan.
import { z } from "zod";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { treeParamsSchema } from "../../models/trees/params.ts";
import { splitSchema } from "../align/split.ts";
import { challengerSchema } from "../challenger.ts";

export const gbdtJobSchema = z.strictObject({
  split: splitSchema,
  trees: treeParamsSchema.prefault({}),
  scaling: scalingParamsSchema.pick({ points: true, odds: true, pdo: true }).prefault({}),
  /** No noise, caps and floors but those of `trees`: enclaves refuse it outside of the sandbox. */
  liftFloors: z.boolean().default(false),
  challenger: challengerSchema,
});
export type GbdtJobParams = z.output<typeof gbdtJobSchema>;
