// Parameters of a job of boosting on cross-party cells, as they stand in the plan.
import { z } from "zod";
import { crossboostParamsSchema } from "../../models/crossboost/params.ts";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { splitSchema } from "../align/split.ts";
import { challengerSchema } from "../challenger.ts";
import { consentedOnlySchema } from "../consents/params.ts";
import { feedbackSchema } from "../feedback/params.ts";

export const crossboostJobSchema = z.strictObject({
  split: splitSchema,
  crossboost: crossboostParamsSchema.prefault({}),
  scaling: scalingParamsSchema.pick({ points: true, odds: true, pdo: true }).prefault({}),
  challenger: challengerSchema,
  consentedOnly: consentedOnlySchema,
  feedback: feedbackSchema,
});
export type CrossboostJobParams = z.output<typeof crossboostJobSchema>;
