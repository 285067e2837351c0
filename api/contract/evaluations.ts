// Full-coverage evaluations (D4): runs, schedule, published figures, subscriptions and what is pushed under them. The platform sees suppressed
// figures and sealed bytes; which companies an institution was told of stands in the sealed bytes alone.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { figuresSchema } from "../../evaluation/figures.ts";
import { bases } from "../../evaluation/load.ts";
import { subscriptionSchema } from "../../evaluation/pushes.ts";
import { bodyErrors, codeSchema, hex64, maxResultBytes, page, pem, rawErrors, seq, time, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

export const runIdSchema = z.string().regex(/^eval_[0-9a-f]{24}$/);
export const evaluationSubscriptionIdSchema = z.string().regex(/^esub_[0-9a-f]{24}$/);
const hosts = z.array(partyIdSchema).min(1).max(16).refine((h) => new Set(h).size === h.length);

/** How runs are planned. */
export const runTermsSchema = z.strictObject({
  hosts,
  /** Without a provider that does not approve in time, refuses or falls away: go on (partial), or end with its name. */
  whenAway: z.enum(["go-on", "fail"]).default("go-on"),
  /** Fewer than that, and the run ends. */
  leastHosts: z.int().min(1).max(16).default(2),
  /** How long an approval is waited for. */
  approvalSeconds: z.int().min(5).max(7 * 86_400).default(86_400),
  /** Digest of a published scorecard; the built-in one without it. */
  scorecard: hex64.optional(),
}).refine((t) => t.leastHosts <= t.hosts.length, { path: ["leastHosts"] });
export type RunTerms = z.output<typeof runTermsSchema>;

/** Every so many months on that day and hour (China Standard Time), or every so many hours. */
export const intervalSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("months"), every: z.int().min(1).max(12).default(1), day: z.int().min(1).max(28).default(5), hour: z.int().min(0).max(23).default(2) }),
  z.strictObject({ kind: z.literal("hours"), every: z.int().min(1).max(8760) }),
]);
export type Interval = z.output<typeof intervalSchema>;
const basesSchema = z.array(z.enum(bases)).min(1).max(2).refine((b) => new Set(b).size === b.length);
export const scheduleTermsSchema = z.strictObject({ bases: basesSchema.default(["open"]), terms: runTermsSchema, interval: intervalSchema.default({ kind: "months", every: 1, day: 5, hour: 2 }) });
export type ScheduleTerms = z.output<typeof scheduleTermsSchema>;

export const runViewSchema = z.strictObject({
  id: runIdSchema, evaluator: partyIdSchema, cause: z.enum(["hand", "schedule"]), basis: z.enum(bases), asOf: z.iso.date(), state: z.enum(["waiting", "running", "done", "failed"]),
  hosts: z.array(partyIdSchema), away: z.array(partyIdSchema), attempt: z.int(), job: jobIdSchema.nullable(), createdAt: time, endedAt: time.nullable(),
  failure: z.strictObject({ code: codeSchema, party: partyIdSchema.nullable() }).nullable(),
  /** Digest of a published scorecard; null: the built-in one. */
  scorecard: hex64.nullable(),
  /** The last step failed for a cause that passes, and is taken again then. */
  retry: z.strictObject({ code: codeSchema, at: time }).nullable(),
  /** Of the published figures: whether indicators were absent, and the change against the last run. */
  partial: z.boolean().nullable(), psi: z.number().nullable(), verdict: z.enum(["stable", "shifted", "changed"]).nullable(),
});
export type RunView = z.output<typeof runViewSchema>;

export const scheduleViewSchema = scheduleTermsSchema.extend({ state: z.enum(["active", "paused"]), nextDueAt: time, lastDueAt: time.nullable() });
export type ScheduleView = z.output<typeof scheduleViewSchema>;

const filters = subscriptionSchema.omit({ institution: true });
export const evaluationSubscriptionSchema = filters.extend({ id: evaluationSubscriptionIdSchema, state: z.enum(["active", "ended"]), bases: z.array(z.enum(bases)), createdAt: time, endedAt: time.nullable() });
export type EvaluationSubscriptionView = z.output<typeof evaluationSubscriptionSchema>;

export const pushViewSchema = z.strictObject({
  run: runIdSchema, job: jobIdSchema, evaluator: partyIdSchema, basis: z.enum(bases), asOf: z.iso.date(), purpose: z.enum(financingPurposes), part: z.int(), bytes: z.int(), digest: hex64, createdAt: time,
});
export type PushView = z.output<typeof pushViewSchema>;

/** What the evaluating enclave says of a run. */
export const evaluationReportSchema = z.strictObject({ job: jobIdSchema, figures: figuresSchema });
export type EvaluationReport = z.output<typeof evaluationReportSchema>;

const part = z.string().regex(/^(0|[1-9][0-9]{0,3})$/).transform(Number);
const byRun = z.strictObject({ id: runIdSchema });
const forBank = { listener: "bank", auth: "institution", roles: bankPeople } as const;
const supervising = { listener: "bank", auth: "role", roles: ["supervisor", "platform-operator"], method: "get", status: 200 } as const;
const acting = { listener: "bank", auth: "institution", roles: ["bank-submitter", "bank-approver"] } as const;
const planErrors = ["JOB_PARTIES", "PARTY_NOT_FOUND", "EVALUATION_SCORECARD", "EVALUATION_SCORECARD_UNKNOWN", ...bodyErrors] as const;

export const evaluationEndpoints = {
  createRun: { ...acting, method: "post", path: "/v1/evaluations", status: 201, errors: ["EVALUATION_BUSY", "JOB_IDEMPOTENCY", ...planErrors],
    summary: { en: "Evaluate all companies of the own enclave's data by the built-in or a published scorecard (open), or those that authorised it (full)", zh: "按公开评分卡评价本方节点的全部企业（open），或已授权企业（full）" },
    headers: { "Idempotency-Key": "8 to 64 characters [A-Za-z0-9_-]; the same key and body give the same run" },
    body: z.strictObject({ basis: z.enum(bases), asOf: z.iso.date().optional(), terms: runTermsSchema }), reply: runViewSchema },
  listRuns: { ...forBank, method: "get", path: "/v1/evaluations", status: 200, errors: [], query: page.extend({ cursor: runIdSchema.optional() }),
    summary: { en: "Evaluation runs: the own ones, and those of others that were published; newest first", zh: "评价批次：本机构的全部批次与其他机构已发布的批次，最新在前" },
    reply: z.strictObject({ items: z.array(runViewSchema), next: runIdSchema.nullable() }) },
  getRun: { ...forBank, method: "get", path: "/v1/evaluations/:id", status: 200, errors: ["EVALUATION_NOT_FOUND"], params: byRun,
    summary: { en: "One run with its published figures: distribution by province and section, stability", zh: "单个批次及其公布的统计：按省份与行业的分布、稳定性" },
    reply: z.strictObject({ run: runViewSchema, figures: figuresSchema.nullable() }) },
  cancelRun: { ...acting, method: "post", path: "/v1/evaluations/:id/cancel", status: 200, errors: ["EVALUATION_NOT_FOUND"], params: byRun, reply: runViewSchema,
    summary: { en: "Cancel an own run that has not ended", zh: "取消本机构尚未结束的批次" } },
  getSchedule: { ...forBank, method: "get", path: "/v1/evaluation-schedule", status: 200, errors: ["EVALUATION_SCHEDULE"],
    summary: { en: "When the institution's evaluations are due", zh: "本机构评价的时间安排" }, reply: scheduleViewSchema },
  putSchedule: { ...acting, method: "put", path: "/v1/evaluation-schedule", status: 200, errors: planErrors,
    summary: { en: "Evaluate regularly: one round at a time; rounds that were missed are made up for once", zh: "定期评价：同一时间仅一轮；错过的轮次只补一次" },
    body: scheduleTermsSchema, reply: scheduleViewSchema },
  pauseSchedule: { ...acting, method: "post", path: "/v1/evaluation-schedule/pause", status: 200, errors: ["EVALUATION_SCHEDULE", ...bodyErrors], body: z.strictObject({ paused: z.boolean() }),
    summary: { en: "Pause the schedule, or let it go on", zh: "暂停或恢复定期评价" }, reply: scheduleViewSchema },
  subscribeEvaluations: { ...acting, method: "post", path: "/v1/evaluation-subscriptions", status: 201,
    errors: ["SUBSCRIPTION_LIMIT", "EVALUATION_SUBSCRIPTION", "CATALOGUE_UNNECESSARY", ...bodyErrors],
    summary: { en: "Subscribe to evaluations by province, section and grade, for a purpose that needs them", zh: "按省份、行业与等级订阅信用评价，用途须有此必要" },
    body: filters, reply: evaluationSubscriptionSchema },
  listEvaluationSubscriptions: { ...forBank, method: "get", path: "/v1/evaluation-subscriptions", status: 200, errors: [],
    summary: { en: "The institution's subscriptions, newest first", zh: "本机构的评价订阅，最新在前" }, reply: z.strictObject({ items: z.array(evaluationSubscriptionSchema) }) },
  endEvaluationSubscription: { ...acting, method: "post", path: "/v1/evaluation-subscriptions/:id/end", status: 200, errors: ["SUBSCRIPTION_NOT_FOUND", ...bodyErrors],
    summary: { en: "End a subscription", zh: "终止评价订阅" }, params: z.strictObject({ id: evaluationSubscriptionIdSchema }), body: z.strictObject({}), reply: evaluationSubscriptionSchema },
  listPushes: { ...forBank, method: "get", path: "/v1/evaluation-pushes", status: 200, errors: [],
    summary: { en: "What was pushed to the institution, newest run first", zh: "推送给本机构的评价结果，最新批次在前" },
    query: z.strictObject({ run: runIdSchema.optional() }), reply: z.strictObject({ items: z.array(pushViewSchema) }) },
  getPush: { ...acting, method: "get", path: "/v1/evaluation-pushes/:run/:purpose/:part", status: 200, errors: ["EVALUATION_NOT_FOUND"],
    summary: { en: "One pushed part, sealed to the institution (JWE around a JWS of the evaluating enclave)", zh: "单个推送分块：密封给机构的 JWE，内为评价节点签名的 JWS" },
    params: z.strictObject({ run: runIdSchema, purpose: z.enum(financingPurposes), part }), rawReply: { media: "application/jose", maxBytes: maxResultBytes } },
  supervisedRuns: { ...supervising, path: "/v1/supervision/evaluations", errors: [], query: page.extend({ cursor: runIdSchema.optional() }),
    summary: { en: "Evaluation runs of all institutions that were published, newest first", zh: "各机构已发布的评价批次，最新在前" },
    reply: z.strictObject({ items: z.array(runViewSchema), next: runIdSchema.nullable() }) },
  supervisedFigures: { ...supervising, path: "/v1/supervision/evaluations/:id", errors: ["EVALUATION_NOT_FOUND"], params: byRun,
    summary: { en: "Figures of a published run: distribution by province and section, stability; suppressed and rounded as for institutions", zh: "已发布批次的统计：按省份与行业的分布、稳定性；抑制与取整同机构所见" },
    reply: z.strictObject({ run: runViewSchema, figures: figuresSchema }) },
  evaluatorCertificate: { ...forBank, method: "get", path: "/v1/evaluations/:id/evaluator", status: 200, errors: ["EVALUATION_NOT_FOUND"], params: byRun,
    summary: { en: "Identity certificate of the enclave that evaluated: what it pushed is signed with that key", zh: "评价节点的身份证书：推送内容以其密钥签名" },
    reply: z.strictObject({ party: partyIdSchema, identityCertificate: pem }) },
} as const satisfies Record<string, Endpoint>;

const byJob = z.strictObject({ job: jobIdSchema });
const runErrors = ["JOB_NOT_FOUND", "JOB_NOT_RUNNING"] as const;

export const enclaveEvaluationEndpoints = {
  putFigures: { listener: "enclave", method: "put", path: "/enclave/v1/evaluations/figures", auth: "party", status: 200, errors: [...runErrors, "RESULT_CONFLICT", ...bodyErrors],
    summary: { en: "Publish the suppressed figures of a running evaluation", zh: "发布进行中评价的抑制后统计" }, body: evaluationReportSchema, reply: z.strictObject({ job: jobIdSchema }) },
  putPush: { listener: "enclave", method: "put", path: "/enclave/v1/evaluations/:job/pushes/:institution/:purpose/:part", auth: "party", status: 200,
    errors: [...runErrors, "RESULT_NOT_SEALED", "RESULT_CONFLICT", "RESULT_WRONG_PARTY", "EVALUATION_PUSH_LIMIT", ...rawErrors],
    summary: { en: "Store rows sealed to an institution that the plan names (compact JWE); the same again is fine", zh: "存储密封给计划所列机构的评价结果（紧凑 JWE）；重复提交无副作用" },
    params: byJob.extend({ institution: partyIdSchema, purpose: z.enum(financingPurposes), part }), rawBody: { media: "application/jose", maxBytes: maxResultBytes }, reply: z.strictObject({ digest: hex64 }) },
  subscribersConsents: { listener: "enclave", method: "get", path: "/enclave/v1/evaluations/:job/consents", auth: "party", status: 200, errors: runErrors,
    summary: { en: "Consents of companies that name the institutions to which this run on the basis full pushes, after the given number; the enclave verifies them", zh: "full 口径批次所推送机构的企业授权中编号在 after 之后者；由节点自行核验" },
    params: byJob, query: z.strictObject({ after: seq.default(0) }), reply: z.strictObject({ next: z.number().int(), consents: z.array(z.string().max(32_768)) }) },
} as const satisfies Record<string, Endpoint>;
