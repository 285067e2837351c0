// Error codes of standing services. Facts are parties, counts and seconds.
import type { ErrorSpec } from "../errors.ts";

export const liveErrors = {
  SERVICE_NOT_FOUND: { status: 404, en: "There is no such service of this institution. List the jobs of kind serve.", zh: "本机构没有该服务。请列出类型为 serve 的任务。" },
  SERVICE_NOT_RUNNING: { status: 409, en: "The service does not run: it waits for approvals, or it has ended. Look at the job of the same id.", zh: "服务未在运行：正等待批准或已结束。请查看同编号的任务。" },
  SERVICE_AWAY: { status: 503, en: "The bank's own enclave is not connected. Start it, or try again in a moment.", zh: "发起方节点未连接。请启动节点或稍后重试。" },
  SERVICE_BUSY: { status: 429, en: "More requests wait than the service takes. Send them again after the seconds in Retry-After.", zh: "等待中的请求超出服务上限。请按 Retry-After 所示秒数后重试。" },
  SERVICE_TIMEOUT: { status: 504, en: "The bank's own enclave did not answer in time. Send the same request again: it is not charged twice.", zh: "发起方节点未在时限内应答。请重发同一请求，不会重复计费。" },
  SERVICE_IDEMPOTENCY: { status: 409, en: "This Idempotency-Key was used for another sealed request. Send the same bytes again, or use a new key.", zh: "该 Idempotency-Key 已用于其他密封请求。请重发相同内容或改用新值。" },
  SERVICE_REQUEST: { status: 400, en: "The sealed request cannot be opened or does not fit its form, or its time is more than five minutes from the enclave's. Seal it to the key in the guest's approval, with a right clock.", zh: "密封请求无法打开、格式不符或时间偏差超过五分钟。请使用发起方批准书中的密钥密封，并校准时钟。" },
  SERVICE_PROVIDER_AWAY: { status: 503, en: "A provider does not answer and the plan of the service does not let it score as missing. Try again later.", zh: "数据方未应答，且服务计划不允许按缺失评分。请稍后重试。" },
  SERVICE_COMPANY_UNKNOWN: { status: 404, en: "No provider that answered holds this company, and the request brings no columns of its own.", zh: "应答的数据方均无该企业，请求也未提供本方列。" },
  SERVICE_ASK: { status: 400, en: "A question of the guest does not fit the plan of the service: its number is used, or its providers are not those of the plan.", zh: "发起方的提问不符合服务计划：序号已用或数据方不在计划内。" },
  SERVICE_BUDGET: { status: 429, en: "The service's requests of the day or companies of the month are used up at a provider. They start again with the next period.", zh: "数据方处的当日请求数或当月企业数已用尽，下一周期恢复。" },
  SERVICE_COMPANY_BUDGET: { status: 429, en: "This company was asked as often as the plan allows in a day.", zh: "该企业当日询问次数已达计划上限。" },
  SERVICE_SETS: { status: 409, en: "This company was scored with as many different sets of providers as the plan allows: one more would tell single providers' parts.", zh: "该企业已按计划上限的不同数据方组合评分；再多将泄露单个数据方的分值。" },
  SERVICE_QUESTIONS: { status: 409, en: "This company was asked about as often as services of joint trees may ask about it, for ever: each question tells some bits of its data. The provider's operator sets `jointTrees.maxQuestionsPerCompany`; masked points have no such bound.", zh: "针对该企业的联合树在线询问次数已达上限（长期累计）：每次询问都会透露其数据的若干位。由数据方操作员设定 jointTrees.maxQuestionsPerCompany；masked-points 方式无此限制。" },
  SERVICE_TREES: { status: 409, en: "This model cannot be served by joint trees: no provider has a part in it, it opens two totals, or one provider's tables have more than 8,191 entries. Score it in batches (`yunei score`), or train one with fewer or flatter trees.", zh: "该模型不能以联合树方式在线服务：没有数据方参与、需打开两个总分，或某一数据方的查找表超过 8191 项。请批量评分（yunei score），或以更少、更浅的树重新训练。" },
  POLICY_PROTECTION: { status: 403, en: "The local policy does not allow this protection of model and data, or less of it. Its operator sets `encryptedModel`, `wholeModel` or `jointTrees` in the rule.", zh: "本地策略不允许该种模型与数据保护方式，或计划超出其限度。由操作员在规则中设定 encryptedModel、wholeModel 或 jointTrees。" },
  POLICY_SERVICE: { status: 403, en: "The local policy allows no service with this term, these budgets or so many sets of providers. Its operator sets `service` in the rule.", zh: "本地策略不允许该期限、额度或数据方组合数的服务。由操作员在规则的 service 中设定。" },
} as const satisfies Record<string, ErrorSpec>;
