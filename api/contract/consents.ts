// Authorisation (企业授权, D7): a company grants and withdraws consents, an institution enters written ones with four eyes, and enclaves
// fetch what they verify themselves: consents in their favour, registrars' certificates, lists of withdrawals.
import { z } from "zod";
import { consentIdSchema, consentKinds, digestSchema, itemSchema, maxConsentBytes, termsSchema, timeSchema, usccSchema } from "../../consent/statement.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { bodyErrors, page, pem, seq, time, wait, type Endpoint } from "./endpoint.ts";

/** Length of a list in characters; see consent/revocation.ts. Enclaves that fetch it again with `after` get it only when it is new. */
const jws = z.string().regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
const consentJws = jws.max(maxConsentBytes);

export const consentStates = ["pending", "active", "expired", "withdrawn"] as const;
export const consentSources = ["online", "written", "own-key"] as const;

/** What a company says when it consents; subject and evidence come from its session. */
export const grantSchema = z.strictObject({
  grantee: termsSchema.shape.grantee,
  items: termsSchema.shape.items,
  purpose: z.enum(financingPurposes),
  kinds: termsSchema.shape.kinds,
  notBefore: timeSchema.optional(),
  notAfter: timeSchema,
  use: termsSchema.shape.use,
  /** Version and digest of the risk notice that was shown and acknowledged (GET /v1/consents/notice). */
  notice: termsSchema.shape.notice,
});
export type GrantRequest = z.output<typeof grantSchema>;

export const consentViewSchema = z.strictObject({
  id: consentIdSchema, state: z.enum(consentStates), source: z.enum(consentSources),
  subject: usccSchema, grantee: termsSchema.shape.grantee, items: z.array(itemSchema), purpose: z.enum(financingPurposes),
  kinds: z.array(z.enum(consentKinds)), notBefore: timeSchema, notAfter: timeSchema, use: termsSchema.shape.use,
  issuedAt: timeSchema, withdrawnAt: timeSchema.nullable(), jws: consentJws,
});
export type ConsentView = z.output<typeof consentViewSchema>;

export const writtenId = z.string().regex(/^written_[0-9a-f]{24}$/);
const writtenTerms = grantSchema.omit({ grantee: true, notice: true }).extend({
  subject: usccSchema,
  /** The legal person that the form names; the party is the institution's own. */
  granteeUscc: usccSchema,
  notice: termsSchema.shape.notice,
});
/** SHA-256 of the scanned form. */
const formDigest = digestSchema;
export const writtenViewSchema = z.strictObject({
  id: writtenId, state: z.enum(["pending", "confirmed", "refused"]), terms: writtenTerms, form: formDigest, enteredBy: z.string(), enteredAt: time,
  decidedBy: z.string().nullable(), decidedAt: time.nullable(), consent: consentIdSchema.nullable(),
});
export type WrittenView = z.output<typeof writtenViewSchema>;
export type WrittenTerms = z.output<typeof writtenTerms>;

const byConsent = z.strictObject({ id: consentIdSchema });
const idempotent = { "Idempotency-Key": "8 to 64 characters [A-Za-z0-9_-], required; the same key and body give the same consent" };
const issueErrors = ["CONSENT_SCHEMA", "CONSENT_TERMS", "CONSENT_NOTICE", "CONSENT_ITEM_UNKNOWN", "CONSENT_GRANTEE_UNKNOWN", "CONSENT_TOO_MANY", "JOB_IDEMPOTENCY", "CONSENT_EXISTS"] as const;

export const consentEndpoints = {
  consentNotice: { listener: "bank", method: "get", path: "/v1/consents/notice", auth: "none", status: 200, errors: [],
    summary: { en: "The risk notice that a company acknowledges before it consents", zh: "授权前须确认的风险告知书" },
    reply: z.strictObject({ version: z.string(), digest: digestSchema, zh: z.string(), en: z.string() }) },
  grantConsent: { listener: "bank", method: "post", path: "/v1/consents", auth: "role", roles: ["subject"], status: 201,
    summary: { en: "Consent after real-name login; the registrar signs", zh: "实名登录后在线授权，由登记方签署" },
    headers: idempotent, body: grantSchema, reply: consentViewSchema, errors: [...issueErrors, ...bodyErrors] },
  lodgeConsent: { listener: "bank", method: "post", path: "/v1/consents/own", auth: "role", roles: ["subject"], status: 201,
    summary: { en: "Deposit a consent that the company signed with its own registered key", zh: "提交企业以自有密钥签署的授权" },
    body: z.strictObject({ jws: consentJws }), reply: consentViewSchema,
    errors: ["CONSENT_ENCODING", "CONSENT_ALGORITHM", "CONSENT_HEADER", "CONSENT_TYPE", "CONSENT_VERSION", "CONSENT_SCHEMA", "CONSENT_TERMS",
      "CONSENT_ISSUER", "CONSENT_CHAIN", "CONSENT_SIGNATURE", "CONSENT_NOTICE", "CONSENT_ITEM_UNKNOWN", "CONSENT_SUBJECT", "CONSENT_EXPIRED",
      "CONSENT_KEY_WITHDRAWN", "CONSENT_WITHDRAWN", "CONSENT_LIST_STALE", "CONSENT_EXISTS", "CONSENT_GRANTEE_UNKNOWN", "CONSENT_TOO_MANY", ...bodyErrors] },
  listConsents: { listener: "bank", method: "get", path: "/v1/consents", auth: "role", roles: ["subject"], status: 200, errors: [],
    summary: { en: "The company's own consents, in order of id", zh: "本企业的全部授权，按编号排列" },
    query: z.strictObject({ cursor: consentIdSchema.optional() }),
    reply: z.strictObject({ items: z.array(consentViewSchema), next: consentIdSchema.nullable() }) },
  getConsent: { listener: "bank", method: "get", path: "/v1/consents/:id", auth: "role", roles: ["subject"], status: 200, errors: ["CONSENT_NOT_FOUND"],
    summary: { en: "One of the company's consents with its signed text", zh: "本企业的单项授权及其签名文本" }, params: byConsent, reply: consentViewSchema },
  withdrawConsent: { listener: "bank", method: "post", path: "/v1/consents/:id/withdrawal", auth: "role", roles: ["subject"], status: 200,
    errors: ["CONSENT_NOT_FOUND", "CONSENT_LIST_BUSY"],
    summary: { en: "Withdraw; the signed list of withdrawals is issued again before the answer", zh: "撤回授权；应答之前已重新签发撤回清单" },
    params: byConsent, reply: consentViewSchema },
  registerKey: { listener: "bank", method: "post", path: "/v1/subject/key", auth: "role", roles: ["subject"], status: 201,
    errors: ["CONSENT_CHAIN", "CONSENT_TOO_MANY", "SUBJECT_KEY_PROOF", ...bodyErrors],
    summary: { en: "Register the company's own Ed25519 key: the registrar's statement in return", zh: "登记企业自有 Ed25519 公钥，返回登记方声明" },
    body: z.strictObject({
      key: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
      /** Ed25519 signature, base64url, over `yunei/subject-key/v1\n` + session id + `\n` + the key: proof of possession. */
      proof: z.string().regex(/^[A-Za-z0-9_-]{86}$/),
    }), reply: z.strictObject({ kid: digestSchema, statement: jws.max(4096), notAfter: time }) },
  withdrawKey: { listener: "bank", method: "post", path: "/v1/subject/key/:kid/withdrawal", auth: "role", roles: ["subject"], status: 200,
    errors: ["CONSENT_NOT_FOUND", "CONSENT_LIST_BUSY"],
    summary: { en: "Withdraw the company's own key with all that it signed", zh: "撤销企业自有密钥及其签署的全部授权" },
    params: z.strictObject({ kid: digestSchema }), reply: z.strictObject({ kid: digestSchema, withdrawnAt: time }) },
  enterWritten: { listener: "bank", method: "post", path: "/v1/consents/written", auth: "role", roles: ["bank-submitter"], status: 201,
    errors: [...issueErrors, ...bodyErrors],
    summary: { en: "Enter a written consent by the digest of its form; another person confirms it", zh: "录入书面授权（表单摘要），须由另一人确认" },
    headers: { "Idempotency-Key": idempotent["Idempotency-Key"] },
    body: z.strictObject({ terms: writtenTerms, form: formDigest }), reply: writtenViewSchema },
  listWritten: { listener: "bank", method: "get", path: "/v1/consents/written", auth: "role", roles: ["bank-submitter", "bank-approver"], status: 200,
    errors: [], summary: { en: "The institution's written consents, newest first", zh: "本机构录入的书面授权，最新在前" },
    query: page, reply: z.strictObject({ items: z.array(writtenViewSchema), next: z.string().nullable() }) },
  decideWritten: { listener: "bank", method: "post", path: "/v1/consents/written/:id/decision", auth: "role", roles: ["bank-approver"], status: 200,
    errors: ["WRITTEN_NOT_FOUND", "WRITTEN_DECIDED", "WRITTEN_SAME_PERSON", "WRITTEN_FORM", ...issueErrors, ...bodyErrors],
    summary: { en: "Confirm with the digest of the form in one's own hands, or refuse; on confirmation the registrar signs",
      zh: "以自行计算的表单摘要确认，或拒绝；确认后由登记方签署" },
    params: z.strictObject({ id: writtenId }),
    body: z.discriminatedUnion("decision", [
      z.strictObject({ decision: z.literal("confirm"), form: formDigest }), z.strictObject({ decision: z.literal("refuse") }),
    ]), reply: writtenViewSchema },
} as const satisfies Record<string, Endpoint>;

export const enclaveConsentEndpoints = {
  followConsents: { listener: "enclave", method: "get", path: "/enclave/v1/consents", auth: "party", status: 200, errors: [],
    summary: { en: "Consents granted to the calling party with numbers after the given one; at most 200, again until `next` stays",
      zh: "授予调用方的授权中编号在 after 之后者；每次至多 200 条，直至 next 不再变化" },
    query: z.strictObject({ after: seq.default(0) }),
    reply: z.strictObject({ next: z.number().int(), consents: z.array(z.strictObject({ n: z.number().int(), jws: consentJws })) }) },
  revocations: { listener: "enclave", method: "get", path: "/enclave/v1/revocations", auth: "party", status: 200, errors: ["CONSENT_LIST_STALE"],
    summary: { en: "The registrar's current list of withdrawals; with `after`, only a later one, waited for (long poll)",
      zh: "登记方当前撤回清单；给出 after 时仅返回更新者（长轮询）" },
    query: z.strictObject({ after: seq.default(0), wait }), reply: z.strictObject({ lists: z.array(jws) }) },
  registrars: { listener: "enclave", method: "get", path: "/enclave/v1/registrars", auth: "party", status: 200, errors: [],
    summary: { en: "Certificates of the registrar's keys, the earlier ones among them", zh: "登记方各密钥（含历史密钥）的证书" },
    query: z.strictObject({}), reply: z.strictObject({ certificates: z.array(pem) }) },
} as const satisfies Record<string, Endpoint>;
