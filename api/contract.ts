// Every endpoint of the platform as zod: the servers, the enclaves' and the CLI's clients, the OpenAPI page and the tests
// read this; areas with an own file lie in contract/. It imports schemas only. Two listeners: "bank" (API) and "enclave" (mutual TLS).
// The platform sees names, plans, sizes, digests, times and sealed bytes: no schema here has room for a row or a score.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../core/names.ts";
import { bodyErrors, codeSchema, hex64, maxRelayBytes, maxResultBytes, modelId, page, pem, rawErrors, seq, time, wait, word, type Endpoint } from "./contract/endpoint.ts";
import { catalogueEndpoints } from "./contract/catalogue.ts";
import { bankPeople } from "./contract/roles.ts";
import { consentEndpoints, enclaveConsentEndpoints } from "./contract/consents.ts";
import { institutionEndpoints } from "./contract/institutions.ts";
import { auditEndpoints, enclaveAuditEndpoints } from "./contract/audit.ts";
import { enclaveSubjectEndpoints, subjectEndpoints } from "./contract/subject.ts";
import { enclavePublicCreditEndpoints, publicCreditEndpoints } from "./contract/public-credit.ts";
import { enclaveProbingEndpoints } from "./contract/probing.ts";
import { enclaveQualityEndpoints, qualityEndpoints } from "./contract/quality.ts";
import { webhookEndpoints } from "./contract/webhooks.ts";
import { serviceEndpoints } from "./contract/services.ts";
import { enclaveMonitoringEndpoints, monitoringEndpoints } from "./contract/monitoring.ts";
import { enclaveEvaluationEndpoints, evaluationEndpoints } from "./contract/evaluations.ts";
import { scorecardEndpoints } from "./contract/scorecards.ts";
import { enclaveUsageEndpoints, usageEndpoints } from "./contract/usage.ts";
import { enclaveOutcomeEndpoints, outcomeEndpoints } from "./contract/outcomes.ts";
import { receiptBankEndpoints, receiptEnclaveEndpoints } from "./contract/receipts.ts";
import { datasetSummarySchema, jobPlanSchema, jobRequestSchema, purposes } from "../federation/plan-schema.ts";

const seconds = z.number().min(0).max(1e9);
const messageType = z.string().regex(/^[a-z][a-z0-9-]{0,31}\/[a-z][a-z0-9-]{0,31}$/);

export const jobStates = ["submitted", "awaiting-approval", "running", "done", "failed", "cancelled"] as const;
export const jobStateSchema = z.enum(jobStates);
export type JobStateName = z.output<typeof jobStateSchema>;
export const resultNames = ["report", "scores"] as const;

export const sealToSchema = jobPlanSchema.shape.sealTo;
const failureSchema = z.strictObject({ code: codeSchema, party: partyIdSchema.nullable(), step: word.nullable(), en: z.string(),
  zh: z.string() });

/** What an institution reads about its own job. */
export const jobSummarySchema = z.strictObject({
  id: jobIdSchema, kind: jobRequestSchema.shape.kind, purpose: z.enum(purposes), guest: partyIdSchema, state: jobStateSchema,
  planDigest: hex64, createdAt: time, expiresAt: time, startedAt: time.nullable(), endedAt: time.nullable(),
    failure: failureSchema.nullable(),
});
const statusSchema = z.strictObject({
  at: time, phase: word.nullable(), fraction: z.number().min(0).max(1).nullable(),
  waitingFor: z.strictObject({ peer: partyIdSchema, messageType }).nullable(),
});
export const phaseSchema = z.strictObject({ phase: word, wallSeconds: seconds, cpuSeconds: seconds,
  peakRssMb: z.number().min(0).max(1e7) });
export const jobViewSchema = jobSummarySchema.extend({
  parties: z.array(z.strictObject({
    party: partyIdSchema, role: z.enum(["guest", "host"]), approved: z.boolean(), finished: z.boolean(), status: statusSchema.nullable(),
  })),
  phases: z.array(phaseSchema.extend({ party: partyIdSchema })),
  /** Bytes and frames that the relay carried. */
  traffic: z.array(z.strictObject({ from: partyIdSchema, to: partyIdSchema, bytes: z.number().int(), messages: z.number().int() })),
  results: z.array(z.enum([...resultNames, "model"])),
});
export type JobView = z.output<typeof jobViewSchema>;

const eventBase = { n: z.number().int().nullable(), at: time };
/** One server-sent event: `id:` is n, `event:` is type, `data:` is this object. n is null for `status`, which is not kept. */
export const jobEventSchema = z.discriminatedUnion("type", [
  z.strictObject({ ...eventBase, type: z.literal("state"), state: jobStateSchema, failure: failureSchema.nullable() }),
  z.strictObject({ ...eventBase, type: z.literal("approved"), party: partyIdSchema }),
  z.strictObject({ ...eventBase, type: z.literal("party-done"), party: partyIdSchema }),
  z.strictObject({ ...eventBase, type: z.literal("result"), name: z.enum([...resultNames, "model"]) }),
  z.strictObject({ ...eventBase, type: z.literal("phase-started"), party: partyIdSchema, phase: word }),
  phaseSchema.extend({ ...eventBase, type: z.literal("phase-finished"), party: partyIdSchema }),
  z.strictObject({ ...eventBase, type: z.literal("status"), party: partyIdSchema, status: statusSchema }),
]);
export type JobEvent = z.output<typeof jobEventSchema>;

/** What an enclave reports while it works. `progress` and `waiting` replace its status; phases are kept. */
export const enclaveEventSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("phase-started"), phase: word }),
  phaseSchema.extend({ type: z.literal("phase-finished") }),
  z.strictObject({ type: z.literal("progress"), phase: word, fraction: z.number().min(0).max(1) }),
  z.strictObject({ type: z.literal("waiting"), peer: partyIdSchema, messageType }),
]);
export type EnclaveEvent = z.output<typeof enclaveEventSchema>;

export const enclaveJobSchema = z.strictObject({
  id: jobIdSchema, state: jobStateSchema,
  /** Canonical JSON of the plan; its SHA-256 is planDigest. */
  plan: z.string(), planDigest: hex64,
  approvals: z.record(z.string(), z.string()), refusals: z.record(z.string(), codeSchema), failure: failureSchema.nullable(),
});
export type EnclaveJob = z.output<typeof enclaveJobSchema>;

const modelSchema = z.strictObject({
  id: modelId, job: jobIdSchema, createdAt: time, kind: word, state: z.enum(["active", "retired"]),
  digests: z.record(partyIdSchema, hex64),
});
const byJob = z.strictObject({ id: jobIdSchema });
const relayErrors = ["JOB_NOT_FOUND", "JOB_NOT_RUNNING", "JOB_ENDED", "RELAY_PEER"] as const;

export const bankEndpoints = {
  health: { listener: "bank", method: "get", path: "/healthz", auth: "none", status: 200, errors: [],
    summary: { en: "Whether the platform runs", zh: "平台是否运行" }, reply: z.strictObject({ status: z.literal("ok") }) },
  enrol: { listener: "bank", method: "post", path: "/v1/enrol", auth: "none", status: 201,
    summary: { en: "An enclave's one-time enrolment: token and two certificate requests in, two certificates out",
      zh: "节点一次性注册：提交令牌与两份证书请求，返回两份证书" },
    body: z.strictObject({ token: z.string().max(256), csrTls: pem, csrIdentity: pem }),
    reply: z.strictObject({ party: partyIdSchema, tlsCertificate: pem, identityCertificate: pem, caCertificate: pem }),
    errors: ["ENROL_TOKEN", "ENROL_EXPIRED", "ENROL_USED", "ENROL_CSR", "ENROL_NAME", "AUTH_SUSPENDED", ...bodyErrors] },
  listDatasets: { listener: "bank", method: "get", path: "/v1/datasets", auth: "institution", roles: bankPeople, status: 200, errors: [],
    summary: { en: "Sizes of what the data providers and the own enclave publish", zh: "各数据方及本方节点发布的数据规模" },
    reply: z.strictObject({
      datasets: z.array(z.strictObject({ party: partyIdSchema, publishedAt: time, dataset: datasetSummarySchema })),
    }) },
  submitJob: { listener: "bank", method: "post", path: "/v1/jobs", auth: "institution", roles: ["bank-submitter"], status: 201,
    summary: { en: "Submit a job; the plan is compiled and sent to all parties for approval", zh: "提交任务；平台生成计划并交各方批准" },
    headers: { "Idempotency-Key": "8 to 64 characters [A-Za-z0-9_-]; the same key and body give the same job" },
    body: jobRequestSchema, reply: jobViewSchema,
    errors: ["JOB_WRONG_GUEST", "JOB_PARTIES", "JOB_TOO_MANY", "JOB_IDEMPOTENCY", "JOB_PARAMS", "JOB_DATASET_UNKNOWN",
      "JOB_NOT_LABELLED", "PARTY_NOT_FOUND", "MODEL_NOT_FOUND", ...bodyErrors] },
  listJobs: { listener: "bank", method: "get", path: "/v1/jobs", auth: "institution", roles: bankPeople, status: 200, errors: [],
    summary: { en: "The institution's jobs, newest first", zh: "本机构的任务，最新在前" },
    query: page, reply: z.strictObject({ items: z.array(jobSummarySchema), next: z.string().nullable() }) },
  getJob: { listener: "bank", method: "get", path: "/v1/jobs/:id", auth: "institution", roles: bankPeople, status: 200, errors: ["JOB_NOT_FOUND"],
    summary: { en: "State, progress, phases and traffic of a job", zh: "任务的状态、进度、阶段与流量" }, params: byJob, reply: jobViewSchema },
  getPlan: { listener: "bank", method: "get", path: "/v1/jobs/:id/plan", auth: "institution", roles: bankPeople, status: 200, errors: ["JOB_NOT_FOUND"],
    summary: { en: "The plan with its leakage statement", zh: "任务计划及其信息披露声明" }, params: byJob,
    reply: z.strictObject({ planDigest: hex64, plan: jobPlanSchema }) },
  jobEvents: { listener: "bank", method: "get", path: "/v1/jobs/:id/events", auth: "institution", roles: bankPeople, status: 200, errors: ["JOB_NOT_FOUND"],
    summary: { en: "Follow a job by server-sent events; ends when the job has ended", zh: "以服务器推送事件跟踪任务；任务结束后关闭" },
    headers: { "Last-Event-ID": "number of the last event seen; the stream goes on after it" },
    params: byJob, rawReply: { media: "text/event-stream", maxBytes: maxResultBytes } },
  releaseJob: { listener: "bank", method: "post", path: "/v1/jobs/:id/release", auth: "role", roles: ["bank-approver"], status: 200,
    summary: { en: "Approve a submission that waits for a second person; its plan then goes to the parties", zh: "批准等待第二人的提交；随后计划送交各方" },
    params: byJob, body: z.strictObject({ planDigest: hex64 }), reply: jobViewSchema,
    errors: ["JOB_NOT_FOUND", "JOB_ENDED", "JOB_SAME_PERSON", "JOB_PLAN_DIGEST", ...bodyErrors] },
  cancelJob: { listener: "bank", method: "post", path: "/v1/jobs/:id/cancel", auth: "institution", roles: ["bank-submitter", "bank-approver"], status: 200, errors: ["JOB_NOT_FOUND"],
    summary: { en: "Cancel a job; an ended job stays as it is", zh: "取消任务；已结束的任务保持不变" }, params: byJob, reply: jobViewSchema },
  getReport: { listener: "bank", method: "get", path: "/v1/jobs/:id/report", auth: "institution", roles: bankPeople, status: 200,
    errors: ["JOB_NOT_FOUND", "RESULT_NOT_READY"],
    summary: { en: "The report, sealed to the institution (JWE)", zh: "密封给机构的报告（JWE）" }, params: byJob,
    rawReply: { media: "application/jose", maxBytes: maxResultBytes } },
  getScores: { listener: "bank", method: "get", path: "/v1/jobs/:id/scores", auth: "institution", roles: ["bank-submitter", "bank-approver"], status: 200,
    errors: ["JOB_NOT_FOUND", "RESULT_NOT_READY"],
    summary: { en: "Batch scores, sealed to the institution (JWE)", zh: "密封给机构的批量评分（JWE）" }, params: byJob,
    rawReply: { media: "application/jose", maxBytes: maxResultBytes } },
  listModels: { listener: "bank", method: "get", path: "/v1/models", auth: "institution", roles: bankPeople, status: 200, errors: [],
    summary: { en: "The institution's models, newest first: digests, no weights", zh: "本机构的模型，最新在前：仅摘要，不含权重" },
    query: page, reply: z.strictObject({ items: z.array(modelSchema), next: z.string().nullable() }) },
  getModel: { listener: "bank", method: "get", path: "/v1/models/:model", auth: "institution", roles: bankPeople, status: 200, errors: ["MODEL_NOT_FOUND"],
    summary: { en: "One model: digests, no weights", zh: "单个模型：仅摘要，不含权重" }, params: z.strictObject({ model: modelId }),
    reply: modelSchema },
  ...catalogueEndpoints,
  ...consentEndpoints,
  ...publicCreditEndpoints,
  ...subjectEndpoints,
  ...institutionEndpoints,
  ...auditEndpoints,
  ...qualityEndpoints,
  ...usageEndpoints,
  ...evaluationEndpoints,
  ...scorecardEndpoints,
  ...outcomeEndpoints,
  ...serviceEndpoints,
  ...monitoringEndpoints,
  ...webhookEndpoints,
} as const satisfies Record<string, Endpoint>;

export const enclaveEndpoints = {
  putDataset: { listener: "enclave", method: "put", path: "/enclave/v1/dataset", auth: "party", status: 200, errors: bodyErrors,
    summary: { en: "Publish the sizes of this enclave's dataset", zh: "发布本节点数据集的规模" }, body: datasetSummarySchema,
    reply: z.strictObject({ party: partyIdSchema }) },
  listParties: { listener: "enclave", method: "get", path: "/enclave/v1/parties", auth: "party", status: 200, errors: [],
    summary: { en: "Identity certificates of all enrolled parties", zh: "全部已注册参与方的身份证书" },
    reply: z.strictObject({
      caCertificate: pem,
      parties: z.array(z.strictObject({ party: partyIdSchema, state: z.enum(["active", "suspended"]), identityCertificate: pem })),
    }) },
  followJobs: { listener: "enclave", method: "get", path: "/enclave/v1/jobs", auth: "party", status: 200, errors: [],
    summary: { en: "Jobs of this party that changed after the cursor (long poll); start with 0", zh: "游标之后变化的本方任务（长轮询）；从 0 开始" },
    query: z.strictObject({ cursor: seq.default(0), wait }), reply: z.strictObject({ cursor: z.number().int(),
      jobs: z.array(enclaveJobSchema) }) },
  approve: { listener: "enclave", method: "post", path: "/enclave/v1/jobs/:id/approval", auth: "party", status: 200,
    summary: { en: "Approve the plan with a signature that the platform hands on as it is", zh: "以签名批准计划；平台原样转交" },
    params: byJob, body: z.strictObject({ jws: z.string().regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/).max(16_384) }),
    reply: z.strictObject({ state: jobStateSchema }), errors: ["JOB_NOT_FOUND", "JOB_ENDED", "JOB_APPROVAL", ...bodyErrors] },
  refuse: { listener: "enclave", method: "post", path: "/enclave/v1/jobs/:id/refusal", auth: "party", status: 200,
    summary: { en: "Refuse the job; it fails and names this party", zh: "拒绝任务；任务失败并注明本方" },
    params: byJob, body: z.strictObject({ code: codeSchema }), reply: z.strictObject({ state: jobStateSchema }),
      errors: ["JOB_NOT_FOUND", ...bodyErrors] },
  reportEvents: { listener: "enclave", method: "post", path: "/enclave/v1/jobs/:id/events", auth: "party", status: 200,
    summary: { en: "Report phases, progress and what is waited for", zh: "上报阶段、进度与等待对象" },
    params: byJob, body: z.strictObject({ events: z.array(enclaveEventSchema).min(1).max(64) }),
      reply: z.strictObject({ state: jobStateSchema }),
    errors: ["JOB_NOT_FOUND", "JOB_EVENTS", ...bodyErrors] },
  reportState: { listener: "enclave", method: "post", path: "/enclave/v1/jobs/:id/state", auth: "party", status: 200,
    summary: { en: "This party is done, or failed; the reply is the job's state, also after its end", zh: "本方已完成或失败；返回任务状态，任务结束后亦然" },
    params: byJob, body: z.discriminatedUnion("state", [
      z.strictObject({ state: z.literal("done") }),
      z.strictObject({ state: z.literal("failed"), code: codeSchema, party: partyIdSchema.optional(), step: word.optional() }),
    ]), reply: z.strictObject({ state: jobStateSchema }), errors: ["JOB_NOT_FOUND", "JOB_NOT_RUNNING", ...bodyErrors] },
  putModel: { listener: "enclave", method: "put", path: "/enclave/v1/jobs/:id/results/model", auth: "party", status: 200,
    summary: { en: "Register the model that the job made: digests of each party's part", zh: "登记任务生成的模型：各方部分的摘要" },
    params: byJob, body: z.strictObject({ model: modelId, kind: word, digests: z.record(partyIdSchema, hex64) }),
      reply: z.strictObject({ model: modelId }),
    errors: ["JOB_NOT_FOUND", "JOB_NOT_RUNNING", "JOB_ENDED", "RESULT_WRONG_PARTY", "RESULT_CONFLICT", ...bodyErrors] },
  putResult: { listener: "enclave", method: "put", path: "/enclave/v1/jobs/:id/results/:name", auth: "party", status: 200,
    summary: { en: "Store a result sealed to the institution (compact JWE)", zh: "存储密封给机构的结果（紧凑 JWE）" },
    params: byJob.extend({ name: z.enum(resultNames) }), rawBody: { media: "application/jose", maxBytes: maxResultBytes },
      reply: z.strictObject({ digest: hex64 }),
    errors: ["JOB_NOT_FOUND", "JOB_NOT_RUNNING", "JOB_ENDED", "RESULT_WRONG_PARTY", "RESULT_CONFLICT", "RESULT_NOT_SEALED",
      ...rawErrors] },
  putRelay: { listener: "enclave", method: "put", path: "/enclave/v1/relay/:job/:to/:seq", auth: "party", status: 200,
    summary: { en: "Store the next sealed frame for a peer; durable before the answer; the same frame again is fine",
      zh: "存储发往对方的下一个密封帧；应答前已持久化；重复提交同一帧无副作用" },
    headers: { "X-Content-Digest": "optional: SHA-256 of the body, lower-case hex; a body that differs is refused" },
    params: z.strictObject({ job: jobIdSchema, to: partyIdSchema, seq }), rawBody: { media: "application/octet-stream",
      maxBytes: maxRelayBytes },
    reply: z.strictObject({ next: z.number().int() }), errors: [...relayErrors, "RELAY_DIGEST", "RELAY_CONFLICT", "RELAY_GAP",
      "RELAY_QUOTA", ...rawErrors] },
  getRelay: { listener: "enclave", method: "get", path: "/enclave/v1/relay/:job/:from/:seq", auth: "party", status: 200,
    summary: { en: "The frame with this number from a peer (long poll); 204 if it is not there yet. X-Content-Digest is the SHA-256 of the body",
      zh: "来自对方的该序号帧（长轮询）；尚未到达时返回 204。X-Content-Digest 为内容的 SHA-256" },
    params: z.strictObject({ job: jobIdSchema, from: partyIdSchema, seq }), query: z.strictObject({ wait }),
    rawReply: { media: "application/octet-stream", maxBytes: maxRelayBytes }, errors: [...relayErrors, "RELAY_FORGOTTEN"] },
  forgetRelay: { listener: "enclave", method: "post", path: "/enclave/v1/relay/:job/:from/kept", auth: "party", status: 200,
    summary: { en: "This party needs the frames with numbers in [first, below) from a peer no more: their bytes are deleted",
      zh: "本方不再需要来自对方的序号在 [first, below) 内的帧：删除其内容" },
    params: z.strictObject({ job: jobIdSchema, from: partyIdSchema }),
    body: z.strictObject({ first: z.number().int().min(0).max(1e9), below: z.number().int().min(0).max(1e9) }),
    reply: z.strictObject({ below: z.number().int() }), errors: [...relayErrors, "RELAY_GAP", ...bodyErrors] },
  ...enclaveAuditEndpoints,
  ...enclaveConsentEndpoints,
  ...enclavePublicCreditEndpoints,
  ...enclaveSubjectEndpoints,
  ...enclaveProbingEndpoints,
  ...enclaveQualityEndpoints,
  ...enclaveUsageEndpoints,
  ...enclaveEvaluationEndpoints,
  ...enclaveMonitoringEndpoints,
  ...enclaveOutcomeEndpoints,
} as const satisfies Record<string, Endpoint>;

export const endpoints = { ...bankEndpoints, ...enclaveEndpoints, ...receiptBankEndpoints, ...receiptEnclaveEndpoints } as const satisfies Record<string, Endpoint>;

/**
 * Enrolment token: `yunei1.<party>.<secret, base64url of 32 bytes>.<SHA-256 of the CA certificate's DER form, base64url>`.
 * The enclave connects once without trust, looks for the certificate with that fingerprint in the chain that the server
 * sends, and connects again with it as its only CA before it posts anything.
 */
export const enrolTokenSchema = z.string().max(256).regex(/^yunei1\.[a-z][a-z0-9_-]{0,31}\.[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}$/)
  .transform((token) => {
    const [, party, secret, caFingerprint] = token.split(".") as [string, string, string, string];
    return { party: partyIdSchema.parse(party), secret, caFingerprint };
  });
