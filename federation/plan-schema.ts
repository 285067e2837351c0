// The plan of a job: what everybody approves before anything is computed. Its digest is in every signature and every
// channel key, so that no party can be made to run another plan than the one that it approved.
import { z } from "zod";
import { itemIdSchema, versionSchema } from "../catalogue/schema.ts";
import { digestOf, type Json } from "../core/canonical.ts";
import { jobIdSchema, partyIdSchema } from "../core/names.ts";
import { financingPurposes } from "../core/purposes.ts";
import { verificationSchema } from "./verify/fields.ts";

const bilingual = z.strictObject({ en: z.string().max(2000), zh: z.string().max(2000) });

const items = z.array(itemIdSchema).max(512);

/** What an enclave publishes about its data: sizes, how it can be aligned, and which public items of the sharing catalogue it is of. */
export const datasetSummarySchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/),
  rows: z.number().int().min(0).max(100_000_000),
  features: z.number().int().min(0).max(4096),
  labelled: z.boolean(),
  snapshotDigest: z.string().regex(/^[0-9a-f]{64}$/),
  /** As a host: its operator lets guests with much smaller sets keep its tags (federation/psi/README.md). */
  reusable: z.literal(true).optional(),
  /** Items that its features are computed from, in the order of the catalogue of that version; of them those for which a score needs the
   *  authorisation of each company. */
  catalogue: z.strictObject({ version: versionSchema, items: items.min(1), authorised: items }).optional(),
  /** It checks the consent of each company (federation/consents). */
  consents: z.literal(true).optional(),
  /** Its operator says that it is no information of the sharing lists but the party's own. */
  ownData: z.literal(true).optional(),
  /** Fields about which claims may be verified, where its operator offers any (federation/verify). */
  verification: verificationSchema.optional(),
});
export type DatasetSummary = z.output<typeof datasetSummarySchema>;

/** One line of the leakage statement: at most this much of this type passes from one party to another. */
export const leakageItemSchema = z.strictObject({
  from: partyIdSchema,
  to: partyIdSchema,
  type: z.string().max(64),
  reveals: bilingual,
  maxMessages: z.number().int().min(1),
  maxBytes: z.number().int().min(1),
  /** Upper bound of the numbers that the receiver can compute from these messages; 0 for uniform or public bytes. */
  numbers: z.number().int().min(0),
});
export type LeakageItem = z.output<typeof leakageItemSchema>;

/** Kinds of jobs that end with a model. */
export const trainingKinds = ["scorecard", "crossboost", "gbdt"] as const;
export type TrainingKind = (typeof trainingKinds)[number];
/** Kinds of jobs that use a model which an earlier job made. */
export const modelUses = ["score", "export"] as const;
/** Kinds that stay running for their term and answer single requests. */
export const servingKinds = ["serve", "watch", "verify"] as const;
/** Kinds that apply the public scorecard: without labels, and without a model of their own. */
export const evaluationKinds = ["evaluate"] as const;
export const jobKinds = [...trainingKinds, ...modelUses, ...evaluationKinds, ...servingKinds] as const;

export const isServing = (kind: (typeof jobKinds)[number]): boolean => servingKinds.some((serving) => serving === kind);
/** Whether a job is about a set of companies that is fixed when it begins: an export is about none, a service about those of each request. */
export const hasCompanySet = (kind: (typeof jobKinds)[number]): boolean => kind !== "export" && !isServing(kind);

export const purposes = financingPurposes;

/** What a bank submits. `params` is checked against the kind's own schema when the plan is compiled. */
export const jobRequestSchema = z.strictObject({
  kind: z.enum(jobKinds),
  guest: partyIdSchema,
  hosts: z.array(partyIdSchema).min(1).max(16),
  purpose: z.enum(purposes),
  params: z.record(z.string(), z.unknown()).default({}),
  /** For kinds "score", "export" and "serve": the model that a training job made. */
  model: z.string().regex(/^model_[0-9a-z]{16,32}$/).optional(),
});
export type JobRequest = z.output<typeof jobRequestSchema>;

export const jobPlanSchema = z.strictObject({
  version: z.literal(1),
  job: jobIdSchema,
  kind: z.enum(jobKinds),
  guest: partyIdSchema,
  hosts: z.array(partyIdSchema).min(1).max(16),
  purpose: z.enum(purposes),
  createdAt: z.string(),
  expiresAt: z.string(),
  model: z.string().optional(),
  params: z.record(z.string(), z.unknown()),
  datasets: z.record(z.string(), datasetSummarySchema),
  leakage: z.array(leakageItemSchema),
  /** The parameter set of the encrypted sums (kernels/params.ts); an enclave refuses any but the reviewed one. */
  sums: z.record(z.string(), z.union([z.number(), z.string(), z.array(z.number())])),
  /** What the published attacks recover at this setting, as measured by the project's own tests. */
  attacks: z.array(z.strictObject({ name: bilingual, result: bilingual })).max(50),
  /** Upper bound of log2 of the statistical distance that all answers of the job leave open (review.md, flood). */
  log2FloodDistance: z.number(),
  /** Public key (JWK, OKP X25519) of the institution to which results are sealed; the platform cannot open them. */
  sealTo: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string().max(64), kid: z.string().max(64).optional() }),
});
export type JobPlan = z.output<typeof jobPlanSchema>;

export function planDigest(plan: JobPlan): string {
  return digestOf(plan as unknown as Json);
}
