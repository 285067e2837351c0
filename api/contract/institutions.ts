// Onboarding and supervision of members (institutions and local-platform nodes), and the keys of people and systems in a role.
// The operator runs it and decides nothing; supervisors decide, two of them for every admission. P21 (十), P22 四, P24 (十一).
import { z } from "zod";
import { partyIdSchema } from "../../core/names.ts";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { assessmentSchema, memberKindSchema, questionIdSchema } from "./questionnaire.ts";
import { bodyErrors, hex64, page, pem, time, type Endpoint } from "./endpoint.ts";
import { roleSchema } from "./roles.ts";

export const memberIdSchema = z.string().regex(/^mem_[0-9a-f]{24}$/);
export const institutionIdSchema = z.string().regex(/^inst_[0-9a-f]{24}$/);
export const credentialIdSchema = z.string().regex(/^cred_[0-9a-f]{24}$/);

/** A staff number or a function; no private name is needed. One person has one: the rule of two persons compares it. */
export const holderSchema = z.string().max(64).transform((text) => text.normalize("NFKC").trim()).pipe(z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u));

export const memberStates = ["draft", "applied", "rejected", "approved", "admitted", "suspended", "removed"] as const;
export const memberStateSchema = z.enum(memberStates);
export type MemberState = z.output<typeof memberStateSchema>;
/** What a supervisor finds: the clauses are those of questionnaire.ts. */
export const violations = ["purpose", "unlawful-obtaining", "leak", "sale", "unauthorised-access", "missing-authorisation", "accident-not-reported", "management"] as const;
export const suspensionReasons = [...violations, "review-failed", "review-overdue", "own-request", "supervisor-order", "operator-order"] as const;
export const suspensionReasonSchema = z.enum(suspensionReasons);
export type SuspensionReason = z.output<typeof suspensionReasonSchema>;
const memberEvents = ["created", "assessed", "approved", "rejected", "issued", "key-rotated", "token-issued", "review-overdue", "review", "violation", "suspended", "removed", "readmitted", "settings"] as const;
export type MemberEventType = (typeof memberEvents)[number];

const byMember = z.strictObject({ member: memberIdSchema });
const byKey = z.strictObject({ key: credentialIdSchema });
/** Seconds for which the old key works beside the new one; 0: it stops with the rotation. */
const overlapSeconds = z.number().int().min(0).max(7 * 86_400).default(0);

const memberBase = {
  id: memberIdSchema, kind: memberKindSchema, name: z.string(), party: partyIdSchema, state: memberStateSchema,
  admission: z.enum(["assessed", "demo"]), institution: institutionIdSchema.nullable(), twoPerson: z.boolean(),
  /** Whether an assessment waits for decisions, and how many approvals it has. */
  open: z.boolean(), approvals: z.number().int(), assessmentDigest: hex64.nullable(),
  reviewDueAt: time.nullable(), overdue: z.boolean(), reason: suspensionReasonSchema.nullable(), createdAt: time, admittedAt: time.nullable(),
};
export const memberSchema = z.strictObject(memberBase);
export type MemberView = z.output<typeof memberSchema>;
export const memberDetailSchema = z.strictObject({
  ...memberBase,
  assessment: assessmentSchema.nullable(),
  decisions: z.array(z.strictObject({ holder: z.string(), decision: z.enum(["approve", "reject"]), at: time })),
  history: z.array(z.strictObject({
    n: z.number().int(), at: time, type: z.enum(memberEvents), holder: z.string().nullable(), what: z.string().nullable(), evidence: hex64.nullable(),
  })),
});
export type MemberDetail = z.output<typeof memberDetailSchema>;

export const credentialSchema = z.strictObject({
  id: credentialIdSchema, role: roleSchema, holder: z.string(), institution: institutionIdSchema.nullable(), party: partyIdSchema.nullable(),
  state: z.enum(["active", "expired", "revoked"]), createdAt: time, expiresAt: time, replaces: credentialIdSchema.nullable(),
});
export type CredentialView = z.output<typeof credentialSchema>;
const issuedKey = z.strictObject({ id: credentialIdSchema, key: z.string(), expiresAt: time });
/** Roles whose keys an operator issues. Those of the platform itself (operators, supervisors) are made on its machine. */
export const issuableRoles = ["bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner"] as const;

const assessmentErrors = ["ASSESSMENT_VERSION", "ASSESSMENT_QUESTION", "ASSESSMENT_MANDATORY", "ASSESSMENT_NOT_MET", "ASSESSMENT_EVIDENCE"] as const;

export const institutionEndpoints = {
  getQuestions: { listener: "bank", method: "get", path: "/v1/questionnaire", auth: "none", status: 200, errors: [],
    summary: { en: "The questions of the security self-assessment, with the clauses that ask for them", zh: "信息安全自评估问卷及其依据条款" },
    reply: z.strictObject({ version: z.number().int(), questions: z.array(z.strictObject({
      id: questionIdSchema, mandatory: z.boolean(), asked: z.enum(["all", "institutions", "nodes"]), zh: z.string(), en: z.string(),
      clauses: z.array(z.strictObject({ id: z.string(), article: z.string(), zh: z.string(), en: z.string() })),
    })) }) },
  applyMember: { listener: "bank", method: "post", path: "/v1/members", auth: "role", roles: ["platform-operator"], status: 201,
    summary: { en: "Register an applicant: an institution, or a local-platform node", zh: "登记申请接入的机构或地方平台节点" },
    body: z.strictObject({ kind: memberKindSchema, name: z.string().trim().min(1).max(128), party: partyIdSchema, sealTo: jobPlanSchema.shape.sealTo.optional(), twoPerson: z.boolean().default(false) }),
    reply: memberSchema, errors: ["PARTY_EXISTS", ...bodyErrors] },
  listMembers: { listener: "bank", method: "get", path: "/v1/members", auth: "role", roles: ["platform-operator", "supervisor"], status: 200, errors: [],
    summary: { en: "Institutions and nodes with their state and review dates, newest first", zh: "机构与节点的状态及复审日期，最新在前" },
    query: page, reply: z.strictObject({ items: z.array(memberSchema), next: z.string().nullable() }) },
  getMember: { listener: "bank", method: "get", path: "/v1/members/:member", auth: "role", status: 200,
    roles: ["platform-operator", "supervisor", "bank-approver", "provider-operator", "provider-owner"], errors: ["MEMBER_NOT_FOUND"],
    summary: { en: "One member with assessment, decisions and history; a member's own people see their own only", zh: "成员详情：评估、决定与记录；成员自身人员仅可查看本单位" },
    params: byMember, reply: memberDetailSchema },
  assessMember: { listener: "bank", method: "put", path: "/v1/members/:member/assessment", auth: "role", roles: ["platform-operator"], status: 200,
    summary: { en: "Submit the self-assessment; earlier decisions of the same application fall away", zh: "提交自评估；同一申请此前的决定失效" },
    params: byMember, body: assessmentSchema, reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...assessmentErrors, ...bodyErrors] },
  readmitMember: { listener: "bank", method: "post", path: "/v1/members/:member/readmission", auth: "role", roles: ["platform-operator"], status: 200,
    summary: { en: "Ask for re-admission after rejection, suspension or removal: a new assessment, two new decisions", zh: "被拒、暂停或取消接入后重新申请：须新的评估与两人重新审批" },
    params: byMember, body: assessmentSchema, reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...assessmentErrors, ...bodyErrors] },
  decideMember: { listener: "bank", method: "post", path: "/v1/members/:member/decisions", auth: "role", roles: ["supervisor"], status: 200,
    summary: { en: "Approve or reject an assessment. Two different people approve; one rejection ends it", zh: "批准或拒绝评估。须两名不同人员批准；一人拒绝即终止" },
    params: byMember, body: z.strictObject({ decision: z.enum(["approve", "reject"]), assessment: hex64 }), reply: memberSchema,
    errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", "MEMBER_OWN", "MEMBER_DECIDED", "MEMBER_ASSESSMENT_CHANGED", ...bodyErrors] },
  issueMember: { listener: "bank", method: "post", path: "/v1/members/:member/admission", auth: "role", roles: ["platform-operator"], status: 201,
    summary: { en: "Issue what an approved member connects with: API key and certificate (institutions), enrolment token. Shown once",
      zh: "为已批准成员签发接入凭证：API 密钥与证书（机构）、节点注册令牌；仅显示一次" },
    params: byMember, body: z.strictObject({ certificateRequest: pem.optional() }),
    reply: z.strictObject({ member: memberIdSchema, institution: institutionIdSchema.nullable(), apiKey: z.string().nullable(), certificate: pem.nullable(), token: z.string().nullable() }),
    errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", "PARTY_EXISTS", "ENROL_CSR", "ENROL_NAME", ...bodyErrors] },
  rotateMemberKey: { listener: "bank", method: "post", path: "/v1/members/:member/key", auth: "role", roles: ["platform-operator"], status: 201,
    summary: { en: "A new API key, and certificate if asked, for an institution; the old key stops, or works on for the stated time", zh: "轮换机构 API 密钥（及证书）；旧密钥立即失效或按所给时间并行" },
    params: byMember, body: z.strictObject({ overlapSeconds, certificateRequest: pem.optional() }),
    reply: z.strictObject({ apiKey: z.string(), certificate: pem.nullable(), previousUntil: time }),
    errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", "ENROL_CSR", "ENROL_NAME", ...bodyErrors] },
  inviteMember: { listener: "bank", method: "post", path: "/v1/members/:member/token", auth: "role", roles: ["platform-operator"], status: 201,
    summary: { en: "A one-time enrolment token for the enclave or node of an admitted member: to renew its certificates, or where the first token was lost. Shown once",
      zh: "为已接入成员的节点签发一次性注册令牌，用于更新证书或补发；仅显示一次" },
    params: byMember, reply: z.strictObject({ member: memberIdSchema, party: partyIdSchema, token: z.string(), expiresAt: time }), errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE"] },
  setMember: { listener: "bank", method: "put", path: "/v1/members/:member/settings", auth: "role", roles: ["platform-operator"], status: 200,
    summary: { en: "Settings of an institution: whether submissions need two persons", zh: "机构设置：提交任务是否须两人" },
    params: byMember, body: z.strictObject({ twoPerson: z.boolean() }), reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...bodyErrors] },
  reviewMember: { listener: "bank", method: "post", path: "/v1/members/:member/reviews", auth: "role", roles: ["supervisor"], status: 200,
    summary: { en: "Record a periodic review. Passed: the next date is set; failed: suspended", zh: "登记定期复审。通过则确定下次日期，未通过则暂停" },
    params: byMember, body: z.strictObject({ outcome: z.enum(["passed", "failed"]), evidence: hex64 }), reply: memberSchema,
    errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...bodyErrors] },
  recordViolation: { listener: "bank", method: "post", path: "/v1/members/:member/violations", auth: "role", roles: ["supervisor"], status: 200,
    summary: { en: "Record a violation, by its kind and the digest of its evidence", zh: "登记违规：类别与证据摘要" },
    params: byMember, body: z.strictObject({ violation: z.enum(violations), evidence: hex64 }), reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...bodyErrors] },
  suspendMember: { listener: "bank", method: "post", path: "/v1/members/:member/suspension", auth: "role", roles: ["supervisor"], status: 200,
    summary: { en: "Suspend: every key, certificate and open connection of the member stops at once, its open jobs end", zh: "暂停接入：其全部密钥、证书与连接立即失效，未结束任务终止" },
    params: byMember, body: z.strictObject({ reason: suspensionReasonSchema }), reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...bodyErrors] },
  removeMember: { listener: "bank", method: "post", path: "/v1/members/:member/removal", auth: "role", roles: ["supervisor"], status: 200,
    summary: { en: "Remove: as suspension, and keys and certificates are void for good", zh: "取消接入：同暂停，且密钥与证书永久作废" },
    params: byMember, body: z.strictObject({ reason: suspensionReasonSchema }), reply: memberSchema, errors: ["MEMBER_NOT_FOUND", "MEMBER_STATE", ...bodyErrors] },
  issueKey: { listener: "bank", method: "post", path: "/v1/keys", auth: "role", roles: ["platform-operator"], status: 201,
    summary: { en: "Issue a key to a person or system of an institution or party, in one role. Shown once", zh: "为机构或参与方人员、系统签发角色密钥；仅显示一次" },
    body: z.strictObject({ role: z.enum(issuableRoles), holder: holderSchema, institution: institutionIdSchema.optional(), party: partyIdSchema.optional(), days: z.number().int().min(1).max(365).default(365) }),
    reply: issuedKey, errors: ["CREDENTIAL_SCOPE", "MEMBER_NOT_FOUND", "PARTY_NOT_FOUND", ...bodyErrors] },
  listKeys: { listener: "bank", method: "get", path: "/v1/keys", auth: "role", status: 200, errors: [],
    roles: ["platform-operator", "supervisor", "bank-approver", "provider-operator", "provider-owner"],
    summary: { en: "Role keys, without their secrets; a member's own people see their own only", zh: "角色密钥列表（不含密钥本身）；成员自身人员仅可查看本单位" },
    reply: z.strictObject({ items: z.array(credentialSchema) }) },
  rotateKey: { listener: "bank", method: "post", path: "/v1/keys/:key/rotation", auth: "role", status: 201,
    roles: ["platform-operator", "supervisor", "bank-submitter", "bank-approver", "analyst", "provider-operator", "provider-owner"],
    summary: { en: "A new key in place of one's own; the operator may rotate those of institutions and parties", zh: "轮换本人密钥；运营方可轮换机构与参与方的密钥" },
    params: byKey, body: z.strictObject({ overlapSeconds }), reply: issuedKey, errors: ["CREDENTIAL_UNKNOWN", ...bodyErrors] },
  revokeKey: { listener: "bank", method: "post", path: "/v1/keys/:key/revocation", auth: "role", roles: ["platform-operator", "supervisor"], status: 200,
    summary: { en: "Revoke a role key of an institution or party at once", zh: "立即吊销机构或参与方的角色密钥" },
    params: byKey, reply: z.strictObject({ id: credentialIdSchema }), errors: ["CREDENTIAL_UNKNOWN"] },
} as const satisfies Record<string, Endpoint>;
