// Alerts of monitoring services: sealed to the institution by its bank's enclave; the platform keeps, lists and pushes them and can open none.
import { z } from "zod";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { monthSchema, stabilityLevels } from "../../monitoring/drift/levels.ts";
import { stabilityReportSchema } from "../../monitoring/drift/report.ts";
import { bodyErrors, modelId, page, time, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

export const alertIdSchema = z.string().regex(/^alert_[0-9a-f]{32}$/);
/** Compact JWE: ECDH-ES on X25519 with A256GCM to the institution's sealing key. */
const jwe = z.string().max(4096).regex(/^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}$/);

/** One alert as an enclave releases it: the same id again is the same alert. */
export const alertReportSchema = z.strictObject({ id: alertIdSchema, service: jobIdSchema, sealed: jwe });
export type AlertReport = z.output<typeof alertReportSchema>;

export const alertSchema = z.strictObject({
  id: alertIdSchema, service: jobIdSchema, sealed: jwe,
  /** When the platform had it. */
  at: time, acknowledgedAt: time.nullable(), acknowledgedBy: z.string().nullable(),
});
export type AlertView = z.output<typeof alertSchema>;
const byAlert = z.strictObject({ alert: alertIdSchema });
const mine = { listener: "bank", auth: "institution", roles: bankPeople, status: 200 } as const;

export const monitoringEndpoints = {
  listMonitoringAlerts: { ...mine, method: "get", path: "/v1/monitoring/alerts", errors: [],
    summary: { en: "Alerts about watched borrowers, sealed to the institution, newest first; kept for 400 days", zh: "在监测借款企业的预警（密封给本机构），最新在前，保留 400 天" },
    query: page.extend({ service: jobIdSchema.optional(), state: z.enum(["open", "acknowledged"]).optional() }),
    reply: z.strictObject({ items: z.array(alertSchema), next: z.string().nullable() }) },
  getMonitoringAlert: { ...mine, method: "get", path: "/v1/monitoring/alerts/:alert", errors: ["MONITOR_ALERT_NOT_FOUND"],
    summary: { en: "One alert", zh: "单条预警" }, params: byAlert, reply: alertSchema },
  acknowledgeMonitoringAlert: { ...mine, method: "post", path: "/v1/monitoring/alerts/:alert/acknowledgement", errors: ["MONITOR_ALERT_NOT_FOUND", ...bodyErrors],
    summary: { en: "Say that somebody has seen to it; the first one stays", zh: "确认已处理该预警；以首次确认为准" }, params: byAlert, body: z.strictObject({}), reply: alertSchema },
  modelStability: { ...mine, method: "get", path: "/v1/models/:model/stability", errors: ["MODEL_NOT_FOUND"],
    summary: { en: "Stability of a model's score and columns per month over all parties that tell it: indices against training, levels, and where a level was left",
      zh: "模型评分与各列按月的稳定性（各方报送的相对训练样本的指数）、等级及等级变化" },
    params: z.strictObject({ model: modelId }), reply: z.strictObject({
      model: modelId,
      rows: z.array(z.strictObject({ party: partyIdSchema, feature: z.string(), month: monthSchema, index: z.number().nullable(), level: z.enum(stabilityLevels) })),
      alerts: z.array(z.strictObject({ id: z.string(), party: partyIdSchema, feature: z.string(), month: monthSchema, from: z.enum(stabilityLevels), to: z.enum(stabilityLevels) })),
    }) },
} as const satisfies Record<string, Endpoint>;
export type ModelStability = z.output<typeof monitoringEndpoints.modelStability.reply>;

export const enclaveMonitoringEndpoints = {
  putAlert: { listener: "enclave", method: "put", path: "/enclave/v1/monitoring/alerts", auth: "party", status: 200, errors: ["JOB_NOT_FOUND", "RESULT_WRONG_PARTY", "RESULT_NOT_SEALED", ...bodyErrors],
    summary: { en: "One sealed alert of a monitoring service of this bank; the same id again changes nothing", zh: "提交本行监测服务的一条密封预警；同一编号重复提交不产生变化" },
    body: alertReportSchema, reply: z.strictObject({ id: alertIdSchema }) },
  putStability: { listener: "enclave", method: "put", path: "/enclave/v1/monitoring/stability", auth: "party", status: 200, errors: ["MODEL_NOT_FOUND", "STABILITY_REPORT", ...bodyErrors],
    summary: { en: "Indices of one model in one month at this party; a month is told once", zh: "报送本方某模型某月的稳定性指数；每月报送一次" },
    body: stabilityReportSchema, reply: z.strictObject({ party: partyIdSchema }) },
} as const satisfies Record<string, Endpoint>;
