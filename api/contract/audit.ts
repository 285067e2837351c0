// The platform's audit log and its alerts (D11): for supervisors, and alerts for the platform's operators as well.
import { z } from "zod";
import { alertSchema } from "../../audit/alerts/book.ts";
import { headSchema } from "../../audit/head.ts";
import { bodyErrors, time, type Endpoint } from "./endpoint.ts";

export const auditEndpoints = {
  exportAudit: { listener: "bank", method: "get", path: "/v1/audit", auth: "role", roles: ["supervisor"], status: 200, errors: ["AUDIT_EMPTY"],
    summary: { en: "Entries of the audit log from a time to a time, streamed as NDJSON: a header, the entries, a signed head; verifies offline with `yunei audit verify`",
      zh: "按时间段流式导出审计日志（NDJSON：头、条目、签名链头），可用 yunei audit verify 离线核验" },
    query: z.strictObject({ from: time.optional(), to: time.optional() }), rawReply: { media: "application/x-ndjson", maxBytes: 2 ** 40 } },
  listAlerts: { listener: "bank", method: "get", path: "/v1/alerts", auth: "role", roles: ["platform-operator", "supervisor"], status: 200, errors: [],
    summary: { en: "Alerts of the platform, newest first", zh: "平台告警，最新在前" },
    query: z.strictObject({ open: z.enum(["true", "false"]).optional() }), reply: z.strictObject({ alerts: z.array(alertSchema) }) },
  acknowledgeAlert: { listener: "bank", method: "post", path: "/v1/alerts/:id/acknowledgement", auth: "role", roles: ["platform-operator", "supervisor"], status: 200,
    errors: ["ALERT_UNKNOWN"],
    summary: { en: "Somebody has seen the alert; again changes nothing", zh: "确认已知悉告警；重复确认无副作用" },
    params: z.strictObject({ id: alertSchema.shape.id }), reply: alertSchema },
} as const satisfies Record<string, Endpoint>;

export const enclaveAuditEndpoints = {
  exchangeHeads: { listener: "enclave", method: "put", path: "/enclave/v1/audit-head", auth: "party", status: 200, errors: ["AUDIT_HEAD", ...bodyErrors],
    summary: { en: "The signed head of this enclave's audit log against that of the platform's: each stands in the other's log, which shows when one was cut off or written anew",
      zh: "交换双方审计日志的签名链头：各自记入对方日志，截断或改写由此可见" },
    body: headSchema, reply: headSchema },
} as const satisfies Record<string, Endpoint>;
