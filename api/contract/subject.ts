// The company's rights (信息主体权利, D8; P21 (九)): real-name login, everything that the platform holds on it, its uses from the enclaves,
// objections (异议申诉) and credit repair (信用修复). Only closed words and digests: a company's values have no place at the platform.
import { z } from "zod";
import { consentIdSchema, digestSchema, itemSchema, usccSchema } from "../../consent/statement.ts";
import { partyIdSchema } from "../../core/names.ts";
import { consentViewSchema, writtenId, writtenViewSchema } from "./consents.ts";
import { bodyErrors, hex64, page, rawErrors, seq, time, wait, type Endpoint } from "./endpoint.ts";
import { ownDeliverySchema, ownRecordSchema, reportLineSchema } from "./public-credit.ts";

export const sessionIdSchema = z.string().regex(/^ses_[0-9a-f]{24}$/);
export const assurances = ["low", "substantial", "high"] as const;
/** Largest sealed answer of one enclave. */
export const maxAnswerBytes = 4 * 1024 * 1024;

export const objectionKinds = ["objection", "repair"] as const;
export const objectionTargets = ["item", "score"] as const;
/** Why a company objects (the first four), or asks for repair. */
export const objectionGrounds = ["inaccurate", "incomplete", "outdated", "not-ours", "without-authorisation", "obligation-fulfilled", "term-over"] as const;
export const objectionStates = ["lodged", "refused", "accepted", "examining", "corrected", "rejected", "unconfirmed", "withdrawn"] as const;
/** What the responsible party found. unconfirmed: 经核查仍不能确认, recorded as such. */
export const objectionOutcomes = ["corrected", "rejected", "unconfirmed"] as const;
export const reasonsOf = {
  corrected: ["value-corrected", "record-added", "record-removed", "score-recomputed", "repaired"],
  rejected: ["value-confirmed", "not-our-record", "evidence-insufficient", "conditions-not-met"],
  unconfirmed: ["cannot-be-established"],
} as const satisfies Record<(typeof objectionOutcomes)[number], readonly string[]>;
export const objectionReasons = [...reasonsOf.corrected, ...reasonsOf.rejected, ...reasonsOf.unconfirmed] as const;
/** Why the platform does not accept an objection: nothing else is its to judge. */
export const refusalReasons = ["out-of-scope", "repeated-without-new-evidence", "evidence-missing"] as const;

export const objectionId = z.string().regex(/^objection_[0-9a-f]{24}$/);
const requestId = z.string().regex(/^uses_[0-9a-f]{24}$/);
export const lodgeSchema = z.strictObject({
  kind: z.enum(objectionKinds), target: z.enum(objectionTargets),
  /** Who decides: the provider of the item, or the institution that made the score. */
  party: partyIdSchema, item: itemSchema.optional(), ground: z.enum(objectionGrounds),
  /** SHA-256 of the evidence; the document itself goes to the party that decides, not through the platform. */
  evidence: digestSchema.optional(),
});
export type Lodging = z.output<typeof lodgeSchema>;

export const answerSchema = z.strictObject({
  outcome: z.enum(objectionOutcomes), reason: z.enum(objectionReasons),
  /** SHA-256 of the written reply to the company. */
  reply: digestSchema.optional(),
  /** Institutions that used the item of this company, by the party's own receipts: those that the platform does not know of are told as well. */
  users: z.array(partyIdSchema).max(1000).optional(),
}).refine(({ outcome, reason }) => (reasonsOf[outcome] as readonly string[]).includes(reason), { path: ["reason"], message: "not a reason for this outcome" });
export type ObjectionAnswer = z.output<typeof answerSchema>;

const stepSchema = z.strictObject({ n: z.number().int(), at: time, type: z.string(), actor: z.string(), reason: z.string().nullable() });
/** Without the company: what those who accept and supervise see. */
export const objectionSchema = z.strictObject({
  id: objectionId, kind: z.enum(objectionKinds), target: z.enum(objectionTargets), party: partyIdSchema, item: itemSchema.nullable(),
  ground: z.enum(objectionGrounds), evidence: hex64.nullable(), state: z.enum(objectionStates), outcome: z.enum(objectionOutcomes).nullable(),
  reason: z.enum([...objectionReasons, ...refusalReasons]).nullable(), reply: hex64.nullable(), overdue: z.boolean(), lodgedAt: time, acceptBy: time, dueAt: time,
  endedAt: time.nullable(),
});
export const objectionViewSchema = objectionSchema.extend({
  steps: z.array(stepSchema),
  /** Institutions that were told to mark what is objected to, and are told the outcome. */
  notified: z.array(partyIdSchema),
});
export type ObjectionView = z.output<typeof objectionViewSchema>;

const sessionSchema = z.strictObject({
  id: sessionIdSchema, provider: partyIdSchema, assurance: z.enum(assurances), authority: z.string(), realNameAt: time, createdAt: time, expiresAt: time,
  revokedAt: time.nullable(),
});
const usesRequestSchema = z.strictObject({
  id: requestId, createdAt: time, expiresAt: time,
  /** Enclaves that are connected now; those whose data name no companies by their code do not answer. */
  asked: z.number().int(),
  answers: z.array(z.strictObject({ party: partyIdSchema, at: time, bytes: z.number().int(), digest: hex64 })),
});
export const exportSchema = z.strictObject({
  version: z.literal(1), subject: usccSchema, at: time,
  consents: z.array(consentViewSchema), sessions: z.array(sessionSchema),
  keys: z.array(z.strictObject({ kid: hex64, registrar: partyIdSchema, createdAt: time, notAfter: time, withdrawnAt: time.nullable() })),
  /** Also those that wait for a second person, or were refused. */
  writtenForms: z.array(z.strictObject({
    id: writtenId, state: writtenViewSchema.shape.state, consent: consentIdSchema.nullable(), institution: z.string(), form: hex64, enteredAt: time, decidedAt: time.nullable(),
  })),
  usesRequests: z.array(usesRequestSchema), objections: z.array(objectionViewSchema),
  notices: z.array(z.strictObject({ id: z.string(), type: z.string(), about: z.string(), at: time })),
  /** Public records, and who has asked for a credit report; the reports themselves: GET /v1/subject/credit-reports/:number. */
  publicItems: z.array(ownRecordSchema), creditReports: z.array(reportLineSchema), publicDeliveries: z.array(ownDeliverySchema),
});
export type SubjectExport = z.output<typeof exportSchema>;

const subject = { listener: "bank", auth: "role", roles: ["subject"], errors: [] } as const;
const byObjection = z.strictObject({ id: objectionId });
const byRequest = z.strictObject({ id: requestId });

export const subjectEndpoints = {
  beginLogin: { listener: "bank", method: "post", path: "/v1/subject/login", auth: "none", status: 201,
    summary: { en: "Begin a real-name login: the address to open, and a secret to finish with", zh: "开始实名登录：返回登录地址与完成登录所需的凭证" },
    body: z.strictObject({ redirectUri: z.string().max(512) }),
    reply: z.strictObject({ login: z.string(), authorizationUrl: z.string(), expiresAt: time }),
    errors: ["IDENTITY_OFF", "IDENTITY_CONFIG", "IDENTITY_UNREACHABLE", "SUBJECT_REDIRECT", ...bodyErrors] },
  finishLogin: { listener: "bank", method: "post", path: "/v1/subject/session", auth: "none", status: 201,
    summary: { en: "Finish a login with the code that came back: a short-lived token for one company", zh: "以返回的授权码完成登录，取得仅限一家企业的短期令牌" },
    body: z.strictObject({ login: z.string().max(64), state: z.string().max(256), code: z.string().min(1).max(2048) }),
    reply: z.strictObject({ token: z.string(), session: sessionSchema, subject: usccSchema }),
    errors: ["SUBJECT_LOGIN", "IDENTITY_OFF", "IDENTITY_CONFIG", "IDENTITY_UNREACHABLE", "IDENTITY_REFUSED", "IDENTITY_TOKEN", "IDENTITY_COMPANY",
      "IDENTITY_AUTHORITY", ...bodyErrors] },
  logout: { ...subject, method: "post", path: "/v1/subject/logout", status: 200, body: z.strictObject({ all: z.boolean().default(false) }), errors: bodyErrors,
    summary: { en: "End this session, or all of the company's", zh: "结束本次会话，或本企业的全部会话" }, reply: z.strictObject({ ended: z.number().int() }) },
  exportSubject: { ...subject, method: "get", path: "/v1/subject/export", status: 200,
    summary: { en: "Everything that the platform holds on the company, free of charge", zh: "免费查询平台持有的本企业全部信息" }, reply: exportSchema },
  askUses: { ...subject, method: "post", path: "/v1/subject/uses", status: 201, errors: ["USES_TOO_MANY", ...bodyErrors],
    summary: { en: "Ask all enclaves for the company's uses; they answer sealed to this X25519 key", zh: "向各节点查询对本企业信息的使用；应答密封至该 X25519 公钥" },
    body: z.strictObject({ key: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }), reply: usesRequestSchema },
  getUses: { ...subject, method: "get", path: "/v1/subject/uses/:id", status: 200, errors: ["USES_NOT_FOUND"],
    summary: { en: "Who has answered", zh: "查看已应答的参与方" }, params: byRequest, reply: usesRequestSchema },
  getUsesAnswer: { ...subject, method: "get", path: "/v1/subject/uses/:id/answers/:party", status: 200, errors: ["USES_NOT_FOUND"],
    summary: { en: "One enclave's sealed answer (JWE)", zh: "某一节点的密封应答（JWE）" }, params: byRequest.extend({ party: partyIdSchema }),
    rawReply: { media: "application/jose", maxBytes: maxAnswerBytes } },
  lodgeObjection: { ...subject, method: "post", path: "/v1/objections", status: 201, errors: ["OBJECTION_TARGET", "OBJECTION_OPEN", "JOB_IDEMPOTENCY", ...bodyErrors],
    summary: { en: "Object to an item or a score, or apply for credit repair", zh: "对信息项或评分提出异议，或申请信用修复" },
    headers: { "Idempotency-Key": "8 to 64 characters [A-Za-z0-9_-], required" }, body: lodgeSchema, reply: objectionViewSchema },
  listObjections: { ...subject, method: "get", path: "/v1/objections", status: 200, query: page,
    summary: { en: "The company's objections, newest first", zh: "本企业的异议与修复申请，最新在前" },
    reply: z.strictObject({ items: z.array(objectionSchema), next: objectionId.nullable() }) },
  objectionInbox: { listener: "bank", method: "get", path: "/v1/objections/inbox", auth: "role", roles: ["platform-operator", "supervisor"], status: 200, errors: [],
    summary: { en: "Objections of all companies without the company: to accept, and to supervise deadlines", zh: "全部异议（不含企业名称）：受理与时限监督" },
    query: page.extend({ state: z.enum(objectionStates).optional(), overdue: z.literal("true").optional() }),
    reply: z.strictObject({ items: z.array(objectionSchema), next: objectionId.nullable() }) },
  getObjection: { ...subject, method: "get", path: "/v1/objections/:id", status: 200, errors: ["OBJECTION_NOT_FOUND"],
    summary: { en: "One objection with all its steps", zh: "单项异议及其全部步骤" }, params: byObjection, reply: objectionViewSchema },
  withdrawObjection: { ...subject, method: "post", path: "/v1/objections/:id/withdrawal", status: 200, errors: ["OBJECTION_NOT_FOUND", "OBJECTION_STATE"],
    summary: { en: "Take an objection back", zh: "撤回异议" }, params: byObjection, reply: objectionViewSchema },
  decideObjection: { listener: "bank", method: "post", path: "/v1/objections/:id/decision", auth: "role", roles: ["platform-operator"], status: 200,
    errors: ["OBJECTION_NOT_FOUND", "OBJECTION_STATE", ...bodyErrors],
    summary: { en: "Accept an objection, which forwards it, or refuse it with a reason; silence accepts it at `acceptBy`", zh: "受理（随即转交）或说明理由不予受理；逾期未处理视为受理" },
    params: byObjection, body: z.discriminatedUnion("decision", [
      z.strictObject({ decision: z.literal("accept") }), z.strictObject({ decision: z.literal("refuse"), reason: z.enum(refusalReasons) }),
    ]), reply: objectionSchema },
} as const satisfies Record<string, Endpoint>;

/** What a party's enclave is told of an objection. decide: the party answers it. mark: it has, or had, a consent for the item. */
export const objectionNoticeSchema = z.strictObject({
  id: objectionId, role: z.enum(["decide", "mark"]), change: z.number().int(), kind: z.enum(objectionKinds), target: z.enum(objectionTargets), subject: usccSchema,
  party: partyIdSchema, item: itemSchema.nullable(), ground: z.enum(objectionGrounds), evidence: hex64.nullable(), state: z.enum(objectionStates),
  reason: z.string().nullable(), lodgedAt: time, dueAt: time,
});
export type ObjectionNotice = z.output<typeof objectionNoticeSchema>;

export const enclaveSubjectEndpoints = {
  followUsesRequests: { listener: "enclave", method: "get", path: "/enclave/v1/subject/requests", auth: "party", status: 200, errors: [],
    summary: { en: "Companies' open requests to see their uses, signed by the registrar (long poll)", zh: "企业查询使用情况的请求，由登记方签名（长轮询）" },
    query: z.strictObject({ after: seq.default(0), wait }),
    reply: z.strictObject({ next: z.number().int(), requests: z.array(z.strictObject({ n: z.number().int(), id: requestId, jws: z.string().max(4096) })) }) },
  answerUsesRequest: { listener: "enclave", method: "put", path: "/enclave/v1/subject/requests/:id/answer", auth: "party", status: 200,
    errors: ["USES_NOT_FOUND", "USES_ANSWERED", "RESULT_NOT_SEALED", ...rawErrors],
    summary: { en: "The answer, sealed to the company's key (compact JWE); the platform cannot read it", zh: "密封至企业公钥的应答（紧凑 JWE），平台无法读取" },
    params: byRequest, rawBody: { media: "application/jose", maxBytes: maxAnswerBytes }, reply: z.strictObject({ digest: hex64 }) },
  followObjections: { listener: "enclave", method: "get", path: "/enclave/v1/objections", auth: "party", status: 200, errors: [],
    summary: { en: "Objections that this party decides, or has to mark, that changed after the cursor (long poll)", zh: "本方须办理或须标注的异议中游标之后有变化者（长轮询）" },
    query: z.strictObject({ after: seq.default(0), wait }),
    reply: z.strictObject({ next: z.number().int(), notices: z.array(objectionNoticeSchema) }) },
  answerObjection: { listener: "enclave", method: "post", path: "/enclave/v1/objections/:id/answer", auth: "party", status: 200,
    errors: ["OBJECTION_NOT_FOUND", "OBJECTION_STATE", ...bodyErrors],
    summary: { en: "The outcome with its reason; the same again is fine", zh: "办理结论及理由；重复提交相同内容无副作用" },
    params: byObjection, body: answerSchema, reply: z.strictObject({ state: z.enum(objectionStates) }) },
} as const satisfies Record<string, Endpoint>;

