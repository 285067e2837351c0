// What is in sealed requests to a verification service, and in their answers. They pass POST /v1/services/:id/requests like all others; the platform
// can open neither.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { fieldNameSchema } from "../../federation/verify/fields.ts";
import { maxClaims } from "../../federation/verify/params.ts";
import { answers, predicateSchema } from "../../federation/verify/predicates.ts";
import { hex64, time } from "./endpoint.ts";

const requestId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);

/** provider: whom to ask. blind: that provider is not to learn what is claimed. */
export const claimSchema = z.strictObject({
  company: z.string().min(1).max(128), provider: partyIdSchema, field: fieldNameSchema, predicate: predicateSchema, blind: z.boolean().default(false),
});
export type ClaimInput = z.input<typeof claimSchema>;

/** id: the same as the Idempotency-Key. */
export const verifyRequestSchema = z.strictObject({
  version: z.literal(1), id: requestId, service: jobIdSchema, at: time,
  /** The key of the answer: 32 fresh bytes, base64url. */
  answerKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  claims: z.array(claimSchema).min(1).max(maxClaims),
  /** Consents of companies, compact JWS, where the bank's enclave does not have them yet. */
  consents: z.array(z.string().max(8192)).max(16).optional(),
});
export type VerifyRequest = z.input<typeof verifyRequestSchema>;

const base = {
  version: z.literal(1), id: z.string(), service: jobIdSchema, at: time,
  /** What is left of the plan's budgets: questions of the day, companies of the month, and when these end. */
  remaining: z.strictObject({ requests: z.int().min(0), companies: z.int().min(0), dayEnds: time, monthEnds: time }).optional(),
};
/** Of one claim: its answer, or the code of why there is none. */
export const resultSchema = z.union([z.strictObject({
  answer: z.enum(answers),
  /** The company objects to data of this provider (征信业管理条例 第二十五条). */
  objected: z.literal(true).optional(),
}), z.strictObject({ code: z.string().max(64), party: partyIdSchema.optional(), /** Seconds, where the refusal ends by itself. */ retryAfter: z.int().min(0).optional() })]);
export type ClaimResult = z.output<typeof resultSchema>;

export const verifyAnswerSchema = z.discriminatedUnion("status", [
  z.strictObject({
    ...base, status: z.literal("verified"),
    /** In the order of the claims. */
    results: z.array(resultSchema).min(1).max(maxClaims),
    /** Digest of the parameters that the plan fixes. */
    paramsDigest: hex64,
    /** The batch of uses whose receipt holds the commitment to this answer, its number there from 0, and the salt of the commitment. */
    receipt: z.strictObject({ batch: jobIdSchema, use: z.number().int().min(0), salt: z.string() }),
  }),
  z.strictObject({ ...base, status: z.literal("refused"), code: z.string().max(64) }),
]);
export type VerifyAnswer = z.output<typeof verifyAnswerSchema>;
