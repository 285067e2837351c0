// What each party keeps of a crossboost model. The guest: trees, tables, cells and its own bins. A host: its bin definitions only.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { applyFine, fineDefinitionSchema } from "../../models/binning/fine.ts";
import { crossboostModelSchema } from "../../models/crossboost/model.ts";
import { typicalSchema } from "../../models/explain/parts.ts";
import type { Feature } from "../../models/features.ts";
import { scalingParamsSchema } from "../../models/scorecard/params.ts";
import { keptFeedbackSchema } from "../feedback/host.ts";

const column = z.strictObject({ name: z.string(), definition: fineDefinitionSchema });

export const crossboostHostHalfSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal("crossboost"),
  model: z.string(),
  digest: z.string(),
  guest: partyIdSchema,
  /** Hosts with a column in the tables. */
  hosts: z.array(partyIdSchema),
  /** Own features that were offered, by name: a new snapshot may order its columns otherwise. */
  columns: z.array(column),
  /** Totals opened when the model was made: a scoring opens no more. */
  totals: z.int().min(0).max(2),
  /** What the guest told of the model's gain, where the plan had it. */
  feedback: keptFeedbackSchema.optional(),
});
export type CrossboostHostHalf = z.output<typeof crossboostHostHalfSchema>;

export const crossboostGuestHalfSchema = z.strictObject({
  version: z.literal(1),
  kind: z.literal("crossboost"),
  model: z.string(),
  hosts: z.array(partyIdSchema),
  own: z.array(column),
  joint: crossboostModelSchema,
  scaling: scalingParamsSchema.pick({ points: true, odds: true, pdo: true }),
  /** The typical company of the training part, for explanations; models made before have none. */
  typical: typicalSchema.optional(),
});
export type CrossboostGuestHalf = z.output<typeof crossboostGuestHalfSchema>;

/** Fine bins of new records under the definitions of training. Throws JOB_MODEL_UNKNOWN when the data lacks a feature of the model. */
export function binsOf(columns: readonly z.output<typeof column>[], features: readonly Feature[], host?: PartyId): Uint8Array[] {
  return columns.map(({ name, definition }) => {
    const feature = features.find((f) => f.name === name);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN", host === undefined ? {} : { party: host });
    return applyFine(definition, feature);
  });
}
