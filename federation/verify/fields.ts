// What can be verified: fields that providers publish, and those of them that a plan asks about, with the kinds of claims.
import { z } from "zod";
import { itemIdSchema, versionSchema } from "../../catalogue/schema.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { claimTypes, isOrdered, type ClaimType } from "./claims.ts";
import { predicateKinds, type PredicateKind } from "./predicates.ts";

export const fieldNameSchema = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/);
export const blindKinds = ["equals", "within"] as const;
export type BlindKind = (typeof blindKinds)[number];

const items = z.array(itemIdSchema).max(32);
/** One field of a provider about which claims may be made. */
export const fieldSchema = z.strictObject({
  name: fieldNameSchema, type: z.enum(claimTypes),
  /** Items of the sharing catalogue that it is of, and of them those for which a verification needs the company's authorisation. */
  items, authorised: items,
  /** No company has more than one entry: it can be asked about blindly. */
  single: z.literal(true).optional(),
});
export type VerifiableField = z.output<typeof fieldSchema>;

/** What a provider publishes. consents: it checks the consent of each company for fields that need one. */
export const verificationSchema = z.strictObject({
  catalogue: versionSchema.optional(), fields: z.array(fieldSchema).min(1).max(256), consents: z.literal(true).optional(),
});
export type PublishedVerification = z.output<typeof verificationSchema>;

/** A field as a plan asks about it. */
export const askedFieldSchema = z.strictObject({
  party: partyIdSchema, field: fieldNameSchema,
  /** Predicates with which the provider learns what is claimed. */
  clear: z.array(z.enum(predicateKinds)).max(predicateKinds.length).default([]),
  /** Predicates with which it does not. */
  blind: z.array(z.enum(blindKinds)).max(blindKinds.length).default([]),
}).refine(({ clear, blind }) => clear.length + blind.length > 0 && new Set(clear).size === clear.length && new Set(blind).size === blind.length);
export type AskedField = z.output<typeof askedFieldSchema>;

/** Whether a predicate of this kind can be asked about a field of this type at all. */
export function fits(type: ClaimType, kind: PredicateKind): boolean {
  return kind === "within" ? isOrdered(type) : kind === "dated" ? type === "date" : true;
}

type Plan = { readonly hosts: readonly PartyId[]; readonly datasets: Readonly<Record<string, { readonly verification?: PublishedVerification | undefined }>> };

/** A field of a plan as its provider publishes it. Throws VERIFY_FIELD. */
export function publishedField({ datasets }: Pick<Plan, "datasets">, { party, field }: Pick<AskedField, "party" | "field">): VerifiableField {
  const found = datasets[party]?.verification?.fields.find((f) => f.name === field);
  if (found === undefined) throw new AppError("VERIFY_FIELD", { party });
  return found;
}

/** Throws VERIFY_FIELD for a field that its provider does not publish, or that is asked about twice; VERIFY_PREDICATE for a predicate that its
 *  type does not take; JOB_PARAMS for a provider that is not of the plan, or of which nothing is asked. */
export function requireFields(plan: Plan, fields: readonly AskedField[]): void {
  if (plan.hosts.some((host) => !fields.some(({ party }) => party === host))) throw new AppError("JOB_PARAMS");
  const seen = new Set<string>();
  for (const asked of fields) {
    const { party, field, clear, blind } = asked;
    if (!plan.hosts.includes(party)) throw new AppError("JOB_PARAMS", { party });
    const { type, single } = publishedField(plan, asked);
    if (seen.has(`${party}|${field}`)) throw new AppError("VERIFY_FIELD", { party });
    seen.add(`${party}|${field}`);
    if (![...clear, ...blind].every((kind) => fits(type, kind)) || (blind.length > 0 && single !== true)) throw new AppError("VERIFY_PREDICATE", { party });
  }
}
