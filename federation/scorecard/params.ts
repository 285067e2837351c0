// Parameters of a joint scorecard, as they stand in the plan.
import { z } from "zod";
import { scorecardParamsSchema } from "../../models/scorecard/params.ts";
import { splitSchema } from "../align/split.ts";
import { challengerSchema } from "../challenger.ts";
import { consentedOnlySchema } from "../consents/params.ts";
import { feedbackSchema } from "../feedback/params.ts";

export const scorecardJobSchema = z.strictObject({
  split: splitSchema,
  scorecard: scorecardParamsSchema.prefault({}),
  challenger: challengerSchema,
  consentedOnly: consentedOnlySchema,
  feedback: feedbackSchema,
});
export type ScorecardJobParams = z.output<typeof scorecardJobSchema>;

