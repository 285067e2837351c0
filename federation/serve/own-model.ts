// What a plan says of a model that the bank brings itself, in a service as in a batch.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { maxWeights } from "../../kernels/linear/params.ts";
import { transformSchema } from "./linear.ts";

const name = z.string().min(1).max(128);
/** A salted commitment to the bank's own model, or the digest of its file. */
const digest = z.string().regex(/^[0-9a-f]{64}$/);
/** Largest ONNX file that may go to a provider. */
export const mostModelBytes = 64 * 2 ** 20;

/** The bank's own linear model under its key: providers apply weights that they cannot read (kernels/linear). What they do to their data before
 *  that stands here; the weights never do. */
export const encryptedModelShape = {
  digest,
  /** Of the providers, in the order of the model; the bank's own features are not told. */
  features: z.array(z.strictObject({ name, party: partyIdSchema, ...transformSchema.shape })).min(1).max(maxWeights),
} as const;

/** The bank's own ONNX model, sent to the only provider of the plan, which runs it and answers 8 bits. */
export const wholeModelShape = {
  digest, bytes: z.number().int().min(1).max(mostModelBytes),
  /** Inputs of the model, in its order. */
  inputs: z.array(name).min(1).max(1024).refine((all) => new Set(all).size === all.length),
} as const;

const encryptedSchema = z.strictObject(encryptedModelShape);
export type EncryptedModel = z.output<typeof encryptedSchema>;

/** Throws JOB_PARAMS: a whole model at more than one provider, a provider without a part in a linear one, a part of nobody. */
export function requireProviders(model: { readonly features?: EncryptedModel["features"] | undefined }, hosts: readonly PartyId[]): void {
  const { features } = model;
  const fits = features === undefined ? hosts.length === 1 : features.every((f) => hosts.includes(f.party)) && hosts.every((h) => features.some((f) => f.party === h));
  if (!fits) throw new AppError("JOB_PARAMS", { hosts: hosts.length });
}

/** Whether a request is for scores by a model that the bank brings, and no job of the federation made. */
export function bringsOwnModel({ kind, params }: { readonly kind: string; readonly params: Readonly<Record<string, unknown>> }): boolean {
  const shape = params["shape"];
  const word = kind === "serve" ? params["protection"] : kind === "score" && typeof shape === "object" && shape !== null && "kind" in shape ? shape.kind : undefined;
  return word === "encrypted-model" || word === "whole-model";
}

/** The name under which a bank's own model is known: in answers, budgets and receipts. */
export function ownModelId(modelDigest: string): string {
  return `model_${modelDigest.slice(0, 24)}`;
}
