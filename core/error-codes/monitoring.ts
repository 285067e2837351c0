// Error codes of monitoring: triggers, the watch list, stability of models, signed webhooks. Facts are counts, sequence numbers, items and
// clauses: never a company, a value, an address or a key.
import type { ErrorSpec } from "../errors.ts";

export const monitoringErrors = {
  MONITOR_TRIGGERS: { status: 400, en: "The triggers do not fit their schema, repeat each other or ask for more levels than allowed. Correct the named number of problems.", zh: "监测触发规则不符合结构要求、相互重复或档数超过上限。请按问题数逐项修正。" },
  MONITOR_SOURCE: { status: 400, en: "A trigger watches an indicator or a score that is not there, or that does not fit its kind (no count, no direction). List the indicators and correct it.", zh: "某触发规则所监测的指标或评分不存在，或与其种类不符（非计数、无方向）。请查询指标列表后更正。" },
  MONITOR_SNAPSHOT: { status: 400, en: "A snapshot's number, digest, date or readings are malformed; nothing was evaluated. Give the values of one company at one data version.", zh: "快照的序号、摘要、日期或指标值格式错误，未作评估。请提供同一数据版本下一家企业的指标值。" },
  MONITOR_VERSION_CONFLICT: { status: 409, en: "Another data version was evaluated under this number before. Give every data version a new, higher number.", zh: "该序号此前已用于另一数据版本。请为每个数据版本使用新的、更大的序号。" },
  MONITOR_STATE: { status: 500, en: "The stored state of a watch is damaged or of a version that this program does not know. Restore it from a backup, or remove the watch and register it again.", zh: "监测状态已损坏，或为本程序不认识的版本。请从备份恢复，或移除后重新登记。" },
  MONITOR_ALERT_NOT_FOUND: { status: 404, en: "There is no such alert of this institution, or it was kept for its 400 days. List the alerts.", zh: "本机构没有该预警，或已超过 400 天的保留期。请查询预警列表。" },
  POLICY_WATCH: { status: 403, en: "This party's policy does not watch these kinds of triggers for the bank, or the plan asks for more days, companies or alerts than it allows. Ask for less, or have the rule's `watch` changed.", zh: "该方策略不为该机构监测此类触发规则，或计划的期限、企业数、预警数超出其允许范围。请减少请求，或由其调整规则中的 `watch`。" },
  WATCH_REQUEST: { status: 400, en: "A registration for monitoring is malformed or holds more companies than one request may. Correct it or split it.", zh: "监测登记请求格式错误，或单次企业数超过上限。请更正或拆分。" },
  WATCH_FULL: { status: 429, en: "The watch list of this institution is full; nothing of the request was registered. Remove companies that are no longer watched, or have the limit raised.", zh: "该机构的监测名单已满，本次请求均未登记。请移除不再监测的企业，或申请提高上限。" },
  WATCH_UNKNOWN: { status: 404, en: "This company is not watched for this institution (never registered, ended, or its consent withdrawn). Register it with a consent that holds.", zh: "该企业未在此机构的监测名单中（未登记、已到期或授权已撤回）。请凭有效授权登记。" },
  STABILITY_COUNTS: { status: 400, en: "Counts for a stability index do not fit: other bins, a negative or broken count, or nobody at all. Use the same bins for both, as whole counts.", zh: "稳定性指数的计数不符：分箱不一致、计数为负或非整数，或总数为零。请两侧使用相同分箱和整数计数。" },
  STABILITY_MONTH: { status: 409, en: "A month before the last one was evaluated again. Evaluate months in their order; only the latest may be repeated.", zh: "重复评估了早于最近一期的月份。请按月份顺序评估；仅最近一期可重复。" },
  STABILITY_REPORT: { status: 400, en: "A stability report is malformed, or the same party reported two different figures for one feature and month. The earlier one stays.", zh: "稳定性报告格式错误，或同一方就同一特征同一月份报告了不同数值；保留先前数值。" },
  WEBHOOK_URL: { status: 400, en: "The receiver's address may not be used: https without user name, on an allowed port, to a public name or address. Correct it, or have the operator allow its network.", zh: "接收地址不可用：须为 https、不含用户名、使用允许的端口，并指向公网域名或地址。请更正，或由运营方放行其网段。" },
  WEBHOOK_ADDRESS: { status: 403, en: "The receiver's name leads to an address that may not be called (private, link-local, metadata, reserved). Correct its DNS, or have the operator allow the network.", zh: "接收域名解析到不可访问的地址（内网、链路本地、元数据或保留地址）。请更正解析，或由运营方放行该网段。" },
  WEBHOOK_BODY: { status: 400, en: "A webhook carries the listed ids of its type and at most a sealed payload (compact JWE, ECDH-ES, A256GCM) of a bounded size, nothing else.", zh: "回调内容只能是该类事件规定的编号，以及至多一份限定大小的密封载荷（紧凑 JWE，ECDH-ES，A256GCM）。" },
  WEBHOOK_NOT_FOUND: { status: 404, en: "The institution has no such webhook. List them.", zh: "本机构没有该回调。请查询列表。" },
  WEBHOOK_DELIVERY_NOT_FOUND: { status: 404, en: "This webhook has no such delivery, or it ended more than 30 days ago. List its deliveries.", zh: "该回调没有此投递，或其结束已超过 30 天。请查询投递列表。" },
  WEBHOOK_EXISTS: { status: 409, en: "This address is registered already, for other events. Remove that webhook first.", zh: "该地址已登记，但事件种类不同。请先删除原回调。" },
  WEBHOOK_LIMIT: { status: 429, en: "The institution has as many webhooks as it may have. Remove one, or let one take more kinds of events.", zh: "本机构的回调数已达上限。请删除其一，或让一个回调接收更多事件种类。" },
  WEBHOOK_QUEUE_FULL: { status: 429, en: "Too many webhooks wait for this receiver. Have the receiver answer again, or fetch the alerts by the API.", zh: "该接收方等待投递的回调过多。请恢复接收端，或通过接口获取预警。" },
  WEBHOOK_STATE: { status: 409, en: "This delivery is not in a state in which that can be done (already delivered, not dead, receiver disabled). Look it up again.", zh: "该投递所处状态不允许此操作（已送达、并非死信或接收方已停用）。请重新查询。" },
  WEBHOOK_KEY: { status: 400, en: "The webhook key is not an Ed25519 key in its standard form (whsk_ or whpk_ and base64 of 32 bytes). Take it again from where it was issued.", zh: "回调密钥不是标准形式的 Ed25519 密钥（whsk_ 或 whpk_ 加 32 字节 base64）。请从签发处重新获取。" },
  WEBHOOK_ROTATION: { status: 409, en: "The keys were rotated a short time ago and receivers may still hold the old one. Wait until the overlap is over, or declare the old key compromised.", zh: "密钥刚轮换过，接收方可能仍在使用旧钥。请等重叠期结束，或声明旧钥已泄露。" },
  WEBHOOK_HEADERS: { status: 400, en: "The webhook's headers (webhook-id, webhook-timestamp, webhook-signature) are missing, doubled or malformed; it was not processed.", zh: "回调头部（webhook-id、webhook-timestamp、webhook-signature）缺失、重复或格式错误，未处理。" },
  WEBHOOK_TIMESTAMP: { status: 400, en: "The webhook's time is too far from the clock here; it was not processed. If it is genuine, set the clock right: the sender tries again.", zh: "回调时间与本机时钟相差过大，未处理。若确为真实回调，请校准时钟，发送方会重试。" },
  WEBHOOK_SIGNATURE: { status: 401, en: "No signature of the webhook is valid under a known key: it was forged or changed on its way, or the keys were rotated. Fetch the current keys.", zh: "回调签名在已知公钥下均无效：系伪造、途中被改动或密钥已轮换。请获取最新公钥。" },
  WEBHOOK_REPLAYED: { status: 409, en: "This very request was received before and is not processed again.", zh: "该请求此前已收到，不再处理。" },
} as const satisfies Record<string, ErrorSpec>;
