// Error codes of budgets: quotas, probing, privacy of released aggregates. Facts: `used`, `asked`, `limit`, `freeAt` (milliseconds since 1970),
// `retryAfter` (seconds). Those of jobs are in enclave.ts.
import type { ErrorSpec } from "../errors.ts";

export const budgetErrors = {
  BUDGET_POLICY: { status: 400, en: "The budgets of a policy do not fit their schema: an unknown field, unit or time zone, thresholds that fall, or a name used twice. Correct the policy; until then every request is refused.", zh: "策略中的预算设置不符合结构要求：存在未知字段、单位或时区，阈值次序颠倒，或名称重复。请更正策略；在此之前拒绝一切请求。" },
  BUDGET_STATE: { status: 500, en: "A stored budget cannot be read, so nothing is answered. Restore the state database from a backup.", zh: "已保存的预算记录无法读取，因此不予应答。请从备份恢复状态数据库。" },
  BUDGET_REQUESTS: { status: 429, en: "The quota of requests for this period is used up; `freeAt` says when enough of it is free again.", zh: "本周期的请求额度已用完；freeAt 为额度恢复时间。" },
  BUDGET_COMPANIES: { status: 429, en: "The quota of different companies for this period is used up; companies already asked about stay free. `freeAt` says when enough of it is free again.", zh: "本周期可查询的不同企业数量已用完；已查询过的企业不再计数。freeAt 为额度恢复时间。" },
  BUDGET_CLAIMS: { status: 429, en: "Too many different claims were made about one company and item in this period; a claim made before stays free. `freeAt` says when enough of it is free again.", zh: "本周期内对同一企业、同一数据项提出的不同申报值过多；此前已提出的申报值不再计数。freeAt 为额度恢复时间。" },
  BUDGET_ANSWER_BITS: { status: 429, en: "The answers of this period may tell no more bits about the company and item. `freeAt` says when enough of it is free again.", zh: "本周期的核验结果所能披露的信息量（比特）已用完。freeAt 为额度恢复时间。" },
  BUDGET_ASK: { status: 400, en: "A request to be charged is malformed: its id, time, companies, items or claims, or there are too many questions in it. Split or correct it.", zh: "待计费的请求格式错误（编号、时间、企业、数据项或申报值），或所含问题过多。请拆分或更正。" },
  BUDGET_ASK_OLD: { status: 409, en: "The request was made too long ago, or in the future, to be told from a replay. Check the clock and send a new request with a new id.", zh: "请求的生成时间过早或晚于当前时间，无法与重放区分。请检查时钟，并以新编号重新发起。" },
  BUDGET_ASK_CHANGED: { status: 409, en: "A request of this id was charged with another content. Use a new id.", zh: "该编号的请求已按不同内容计费。请使用新编号。" },
  BUDGET_ASK_SETTLED: { status: 409, en: "The request was answered, or is not known, so nothing can be given back for it.", zh: "该请求已应答或不存在，不能退还额度。" },
  BUDGET_PROBING: { status: 429, en: "The requests look like an attempt to find out values or the model by varied questions; this one was not answered. Ask the provider's operator, who sees the signal; `freeAt` says when it ends by itself.", zh: "请求呈现以变化的问题探测数值或模型的特征，本次不予应答。请联系数据方运营人员；freeAt 为自动解除时间。" },
  BUDGET_SLOWED: { status: 429, en: "Requests of this pattern are slowed down. Repeat after `retryAfter` seconds.", zh: "此类请求已被限速，请在 retryAfter 秒后重试。" },
  BUDGET_COMPANY_SET: { status: 400, en: "A set of companies must be keyed hashes in strictly rising order, each company once.", zh: "企业集合须为严格递增的带密钥散列值，每家企业仅出现一次。" },
  BUDGET_PRIVACY: { status: 429, en: "The privacy budget of this data set is used up for the period, or the policy gives it none; nothing was released. `freeAt` says when the next period begins.", zh: "该数据集本周期的隐私预算已用完，或策略未设预算，未发布任何结果。freeAt 为下一周期开始时间。" },
  BUDGET_PRIVACY_PRICE: { status: 400, en: "The price of a release, or what it declares of itself (cells, bounds, cells per company), is not possible, or does not fit the kind of the budget. Correct the declaration.", zh: "发布的隐私代价或其声明（单元数、取值上下界、每家企业的单元数）无效，或与预算类型不符。请更正声明。" },
  BUDGET_PRIVACY_CHANGED: { status: 409, en: "A release of this id was declared otherwise before. Use a new id: it is charged anew.", zh: "该编号的发布此前声明不同。请使用新编号，将重新计入预算。" },
} as const satisfies Record<string, ErrorSpec>;
