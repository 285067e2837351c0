// The bank's own linear model: integer weights over integer codes of features, log odds of an event = intercept + unit * sum of weight * code.
// The transforms are known to the providers, the weights to the bank alone.
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { maxCode, maxScore, maxWeight, maxWeights } from "../../kernels/linear/params.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";

const finite = z.number().refine(Number.isFinite);
/** code = round((value - centre) / scale), cut to 9 bits with sign; a missing value has a code of its own. */
export const transformSchema = z.strictObject({
  centre: finite, scale: finite.refine((s) => s > 0), missing: z.number().int().min(-maxCode).max(maxCode),
});
export type Transform = z.output<typeof transformSchema>;

export const linearModelSchema = z.strictObject({
  version: z.literal(1),
  features: z.array(z.strictObject({
    name: z.string().min(1).max(128), provider: partyIdSchema, ...transformSchema.shape, weight: z.number().int().min(-maxWeight).max(maxWeight),
  })).min(1).max(maxWeights),
  intercept: finite, unit: finite.refine((u) => u > 0),
  scaling: z.strictObject({ points: finite, odds: finite.refine((o) => o > 0), pdo: finite.refine((p) => p > 0) }).default({ points: 600, odds: 50, pdo: 20 }),
});
export type LinearModel = z.output<typeof linearModelSchema>;

/** Reads a file of the bank. Throws MODEL_LINEAR for another form, a feature named twice, or sums that do not fit the encryption. */
export function parseLinearModel(text: string): LinearModel {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new AppError("MODEL_LINEAR", { json: false }, { cause });
  }
  const parsed = linearModelSchema.safeParse(value);
  if (!parsed.success) throw new AppError("MODEL_LINEAR", { problems: parsed.error.issues.length });
  const { features } = parsed.data;
  const names = new Set(features.map((f) => JSON.stringify([f.provider, f.name])));
  const largest = maxCode * features.reduce((sum, f) => sum + Math.abs(f.weight), 0);
  if (names.size < features.length || largest > maxScore) throw new AppError("MODEL_LINEAR", { twice: features.length - names.size, largest });
  return parsed.data;
}

/** The code of one value; infinities are missing, as everywhere. */
export function codeOf(value: number, { centre, scale, missing }: Transform): number {
  if (!Number.isFinite(value)) return missing;
  return Math.max(-maxCode, Math.min(maxCode, Math.round((value - centre) / scale)));
}

/** Codes of rows [from, from + rows) of one feature; a special value, which has a meaning of its own, counts as missing. */
export function codesOf(feature: Feature & { readonly kind: "numeric" }, transform: Transform, rowOf: (row: number) => number, rows: number): Int16Array {
  const special = new Set(feature.special);
  return Int16Array.from({ length: rows }, (_, row) => {
    const record = rowOf(row);
    const value = record < 0 ? Number.NaN : (feature.values[record] ?? Number.NaN);
    return special.has(value) ? transform.missing : codeOf(value, transform);
  });
}
