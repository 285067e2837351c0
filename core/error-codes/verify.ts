// Error codes of verifications. Facts name nothing of a claim or a value.
import type { ErrorSpec } from "../errors.ts";

export const verifyErrors = {
  VERIFY_VALUE: { status: 400, en: "A claimed value is not of the field's type (a number, an amount in yuan with at most two decimals, an ISO date, a code, a text). Correct the claim.", zh: "所核验的值不符合该数据项的类型（数值、至多两位小数的金额（元）、ISO 日期、代码或文本）。请更正。" },
  VERIFY_PREDICATE: { status: 400, en: "This kind of question does not fit the field's type, or its ends are the wrong way round. See which predicates a field takes.", zh: "该核验方式不适用于此数据项的类型，或区间两端颠倒。请查看该数据项支持的核验方式。" },
  VERIFY_RANGE: { status: 400, en: "A blind interval is empty or reaches beyond what can be asked; use a smaller one, the right way round.", zh: "盲核验区间为空或超出可核验范围；请缩小区间并检查两端次序。" },
  VERIFY_QUESTION: { status: 400, en: "A blind question is malformed: its names are not plain, or it has another length than the field's. It was not answered.", zh: "盲核验请求格式错误：名称不合规，或长度与该数据项不符；未予应答。" },
  VERIFY_TRANSFERS: { status: 409, en: "What was prepared for blind ranges is not there at the provider any more (it has just begun again). The enclave prepares it anew: ask again.", zh: "数据方已无为盲区间核验预先准备的数据（其服务刚重新开始）。节点将重新准备，请重试。" },
  VERIFY_FIELD: { status: 404, en: "The service does not ask about this field of this provider, or the provider does not publish it. `yunei verification show` lists the fields.", zh: "该服务未包含此数据方的该数据项，或数据方未公布。可用 `yunei verification show` 查看数据项。" },
  VERIFY_BLIND: { status: 400, en: "This kind of claim about this field is asked the other way only: blind where its provider wants that, else in the clear. `yunei verification show` says which.", zh: "该数据项的此类核验只能以另一种方式（盲核验或明文核验）进行。可用 `yunei verification show` 查看。" },
  VERIFY_LOCKED: { status: 429, en: "Several claims in a row about this value did not match: the next has to wait, an hour at first and twice as long each time. Ask the company for the right value.", zh: "对此项数据连续多次核验不一致：下一次核验须等待（首次一小时，此后逐次加倍）。请向企业核实正确的值。" },
  VERIFY_CLAIM: { status: 400, en: "A line is no claim: company, field and predicate, with the values that the predicate takes. Correct the lines that are named.", zh: "该行不是有效的核验项：需有企业、数据项、核验方式及其所需的值。请更正所列的行。" },
  POLICY_VERIFY: { status: 403, en: "The local policy does not let these fields be verified in this way, for this term or so often. Its operator sets `verification` in the rule.", zh: "本地策略不允许以该方式、期限或频次核验这些数据项。由操作员在规则的 verification 中设定。" },
  VERIFY_REPLY: { status: 502, en: "A provider's reply is no answer to the question that was asked; nothing can be concluded from it. Tell the provider's operator, and let no program ask again by itself: where the claim was blind, that would tell the provider something of it.", zh: "数据方的应答与所提问题不符，不能据此得出结论。请告知该数据方；程序不应自动重试：对盲核验，重试本身会向数据方透露信息。" },
} as const satisfies Record<string, ErrorSpec>;
