// Error codes of the audit logs.
import type { ErrorSpec } from "../errors.ts";

export const auditErrors = {
  AUDIT_STOPPED: { status: 503, en: "The audit log cannot be written now, so nothing is done that must stand in it. The operator must free disk space or repair the disk; the log is tried again every few seconds.", zh: "审计日志暂不可写，因此不执行任何须留痕的操作。请运营方释放磁盘空间或修复磁盘；系统每隔数秒自动重试。" },
  AUDIT_BROKEN: { status: 409, en: "The chain of the audit log does not hold: an entry was altered, removed, moved or put in. Keep the files, compare them with earlier exports, and tell the supervisor.", zh: "审计日志链不成立：有条目被篡改、删除、移动或插入。请保留文件，与以往导出件比对，并报告主管部门。" },
  AUDIT_FORMAT: { status: 400, en: "The file is no export of an audit log. Export it again with `yunei audit export` or `yunei enclave audit`.", zh: "该文件不是审计日志导出件。请用 yunei audit export 或 yunei enclave audit 重新导出。" },
  AUDIT_SETTINGS: { status: 400, en: "The file audit.json does not fit its schema, or keeps entries for less than the minimum (183 days). Correct it; the fields are in audit/README.md.", zh: "audit.json 不符合结构定义，或保留期短于下限（183 天）。请更正，字段见 audit/README.md。" },
  AUDIT_EMPTY: { status: 404, en: "The audit log has no entry in that time. Ask for a longer one.", zh: "该时间段内没有审计条目，请放宽时间范围。" },
  AUDIT_HEAD: { status: 400, en: "The signed head is not of this party's audit log. Check that the enclave uses the identity key that it enrolled with.", zh: "签名链头不属于该方的审计日志。请检查节点使用的是否为注册时的身份密钥。" },
  AUDIT_JOIN: { status: 409, en: "The logs contradict each other about this job; the list says where. Keep the exports and ask both operators.", zh: "各方日志对该任务的记载互相矛盾，清单列出了位置。请保留导出件并询问双方运营人员。" },
  ALERT_UNKNOWN: { status: 404, en: "There is no such alert. List them to see which there are.", zh: "没有该告警，请先列出现有告警。" },
} as const satisfies Record<string, ErrorSpec>;
