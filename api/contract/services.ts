// Standing services: what a bank's program calls for one score. The platform passes sealed requests and answers and can open neither.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { deploymentNameSchema } from "../../serving/registry/events.ts";
import { bodyErrors, codeSchema, hex64, pem, time, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

/** Compact JWE: ECDH-ES on X25519 with A256GCM to the service key in the guest's approval, or (answers) dir with A256GCM under the request's key. */
const jwe = z.string().max(64 * 1024).regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
const byService = z.strictObject({ id: jobIdSchema });
const key32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
/** Own columns of the bank about the company, by name; null is missing. */
const columns = z.record(z.string().max(128), z.union([z.number(), z.string().max(256), z.null()])).refine((c) => Object.keys(c).length <= 512);

/** What is in a sealed request. id: the same as the Idempotency-Key. */
export const serviceRequestSchema = z.strictObject({
  version: z.literal(1), id: z.string().regex(/^[A-Za-z0-9_-]{8,64}$/), service: jobIdSchema, at: time,
  /** The key of the answer: 32 fresh bytes, base64url. */
  answerKey: key32,
  company: z.string().min(1).max(128),
  /** A consent of the company, compact JWS, where the bank's enclave does not have it yet. */
  consent: z.string().max(8192).optional(),
  columns: columns.optional(),
});
export type ServiceRequest = z.input<typeof serviceRequestSchema>;

const answerBase = {
  version: z.literal(1), id: z.string(), service: jobIdSchema, at: time,
  /** What is left of the plan's budgets for this bank and service: requests of the day, companies of the month, and when these end. */
  remaining: z.strictObject({ requests: z.int().min(0), companies: z.int().min(0), dayEnds: time, monthEnds: time }).optional(),
};
const name = z.string().max(256);
const reasonSchema = z.strictObject({
  rank: z.int().min(1), points: z.number(), en: z.string().max(1024), zh: z.string().max(1024),
  /** other: what the providers' data come to together. */
  label: z.strictObject({ kind: z.enum(["feature", "group", "party", "other"]), party: name.optional(), feature: name.optional(), group: name.optional() }),
});
export type ServiceReason = z.output<typeof reasonSchema>;
/** What is in a sealed answer. What depends on the company is said here alone, never by the platform's status. */
export const serviceAnswerSchema = z.discriminatedUnion("status", [
  z.strictObject({
    ...answerBase, status: z.literal("scored"), score: z.number(), probability: z.number().min(0).max(1), model: z.string(), modelDigest: hex64,
    /** Providers of the model that were away: their features scored as missing. */
    partial: z.boolean(), away: z.array(z.string()), holders: z.array(z.string()),
    /** Providers, or the score itself, that the company objects to (征信业管理条例 第二十五条). */
    objections: z.array(z.string()),
    /** Which service answered, and as what, where the bank's enclave routes requests to versions of its models. `service` is the one that was asked. */
    served: z.strictObject({
      by: jobIdSchema, deployment: deploymentNameSchema, version: z.int().min(1), role: z.enum(["champion", "canary", "challenger"]), revision: z.int().min(1),
    }).optional(),
    /** What speaks most against the company, compared with the typical one, where the plan has `explain`; in points. */
    reasons: z.array(reasonSchema).max(16).optional(),
    /** The batch of uses whose receipt holds the commitment to this answer, its number there from 0, and the salt of the commitment. */
    receipt: z.strictObject({ batch: jobIdSchema, use: z.number().int().min(0), salt: z.string() }),
  }),
  z.strictObject({ ...answerBase, status: z.literal("refused"), code: z.string().max(64), party: partyIdSchema.optional(),
    /** Seconds until the budget that refused is free again if nothing else is asked; absent where waiting does not help. */
    retryAfter: z.int().min(1).optional() }),
]);
export type ServiceAnswer = z.output<typeof serviceAnswerSchema>;

/** Of the last minutes, as the platform sees it: requests that were answered and those that were not, by code; ms within which half and 99 of 100 answers
 *  were there, to a tenth of their size. */
const health = z.strictObject({
  minutes: z.number().int().min(1), answered: z.number().int().min(0), refused: z.partialRecord(codeSchema, z.number().int().min(0)), p50Ms: z.number().min(0).nullable(), p99Ms: z.number().min(0).nullable(),
});

export const serviceEndpoints = {
  getService: { listener: "bank", method: "get", path: "/v1/services/:id", auth: "institution", roles: bankPeople, status: 200, errors: ["SERVICE_NOT_FOUND", "SERVICE_NOT_RUNNING"],
    summary: { en: "What a program needs to seal requests to a running service: the guest's signed approval with its key, and its certificate; who is connected, and how it did in the last minutes", zh: "向运行中的服务密封请求所需：发起方签名的批准书（含公钥）及其证书；以及连接情况与近几分钟的运行状况" },
    params: byService, reply: z.strictObject({ id: jobIdSchema, guest: partyIdSchema, planDigest: hex64, expiresAt: time, approval: z.string(), identityCertificate: pem, connected: z.array(partyIdSchema), away: z.array(partyIdSchema), health }) },
  askService: { listener: "bank", method: "post", path: "/v1/services/:id/requests", auth: "institution", roles: ["bank-submitter"], status: 200,
    summary: { en: "One sealed request to a running service; the answer comes sealed to the key in the request", zh: "向运行中的服务提交一个密封请求；应答以请求中的密钥密封" },
    headers: { "Idempotency-Key": "8 to 64 characters [A-Za-z0-9_-]; the same key and bytes give the same answer and are charged once" },
    params: byService, body: z.strictObject({ request: jwe }), reply: z.strictObject({ answer: jwe }),
    errors: ["SERVICE_NOT_FOUND", "SERVICE_NOT_RUNNING", "SERVICE_AWAY", "SERVICE_BUSY", "SERVICE_TIMEOUT", "SERVICE_IDEMPOTENCY", "SERVICE_REQUEST", ...bodyErrors] },
} as const satisfies Record<string, Endpoint>;
