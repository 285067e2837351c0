// A host's half of a scorecard: everything that it needs to score, and nothing of the other parties. It stays at the host.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { applyFine, countFine, fineDefinitionSchema } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { medianUnits } from "../../models/explain/points.ts";
import { codeColumn } from "../../models/scorecard/decide.ts";
import { partyPlanSchema } from "../../models/scorecard/quantise.ts";
import type { HostColumn } from "../binning/host.ts";
import { keptFeedbackSchema, type KeptFeedback } from "../feedback/host.ts";
import type { TypedBody } from "../messages.ts";

export const hostHalfSchema = z.strictObject({
  version: z.literal(1),
  model: z.string(),
  digest: z.string(),
  guest: partyIdSchema,
  /** Hosts that have a part in the total: fewer than two of them present, and the total is one host's own. */
  hosts: z.array(partyIdSchema),
  columns: z.array(z.strictObject({
    /** Own feature, by name: a new snapshot may order its columns otherwise. */
    feature: z.string(),
    definition: fineDefinitionSchema,
    mergedOf: z.array(z.number().int()),
    codes: z.array(z.number().int()),
    /** Code of the typical company of training, for reasons. Halves of earlier versions have none: 0, the average, stands for it. */
    typical: z.number().int().optional(),
    /** Training companies of each merged bin: what later months are held against. Halves of earlier versions have none. */
    rows: z.array(z.number().int().min(0)).optional(),
  })),
  /** Its part of the total of the model that was kept. */
  plan: partyPlanSchema,
  /** What the guest told of the use of these features, where the plan had it. */
  feedback: keptFeedbackSchema.optional(),
});
export type HostHalf = z.output<typeof hostHalfSchema>;

export function hostHalf(made: {
  party: PartyId; model: string; digest: string; guest: PartyId; hosts: readonly PartyId[]; features: readonly Feature[]; columns: readonly HostColumn[]; trainRows: number; weights: TypedBody<"totals/weights">;
  feedback?: KeptFeedback | undefined;
}): HostHalf {
  return {
    version: 1, model: made.model, digest: made.digest, guest: made.guest, hosts: [...made.hosts],
    columns: made.columns.map((c) => ({
      feature: made.features[c.feature]?.name ?? "", definition: c.fine.definition, mergedOf: [...c.mergedOf], codes: [...c.codes], typical: medianCode(c.column.subarray(0, made.trainRows)),
      rows: mergedRows(c, made.trainRows),
    })),
    plan: { party: made.party, ...made.weights.plan }, ...(made.feedback === undefined ? {} : { feedback: made.feedback }),
  };
}

function mergedRows({ fine, mergedOf }: HostColumn, trainRows: number): number[] {
  const { totals } = countFine(fine.binOf, fine.bins, trainRows);
  const rows = Array.from({ length: Math.max(0, ...mergedOf) + 1 }, () => 0);
  for (const [bin, merged] of mergedOf.entries()) rows[merged] = (rows[merged] ?? 0) + (totals[bin] ?? 0);
  return rows;
}

/** Lower median of 8-bit codes. */
function medianCode(column: Int8Array): number {
  const rows = Array.from({ length: 256 }, () => 0);
  for (const code of column) rows[code + 128] = (rows[code + 128] ?? 0) + 1;
  return medianUnits(rows.map((_, at) => at - 128), rows);
}

/** The host's columns for new rows. Throws JOB_MODEL_UNKNOWN when the data lacks a feature of the model. */
export function halfColumns(half: HostHalf, features: readonly Feature[]): Int8Array[] {
  return half.columns.map((c) => {
    const feature = features.find((f) => f.name === c.feature);
    if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    return codeColumn(applyFine(c.definition, feature), c.mergedOf, c.codes);
  });
}
