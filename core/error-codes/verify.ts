// Error codes of verifications. Facts name nothing of a claim or a value.
import type { ErrorSpec } from "../errors.ts";

export const verifyErrors = {
  VERIFY_VALUE: { status: 400, en: "A claimed value is not of the field's type (a number, an amount in yuan with at most two decimals, an ISO date, a code, a text). Correct the claim.", zh: "所核验的值不符合该数据项的类型（数值、至多两位小数的金额（元）、ISO 日期、代码或文本）。请更正。" },
  VERIFY_PREDICATE: { status: 400, en: "This kind of question does not fit the field's type, or its ends are the wrong way round. See which predicates a field takes.", zh: "该核验方式不适用于此数据项的类型，或区间两端颠倒。请查看该数据项支持的核验方式。" },
  VERIFY_RANGE: { status: 400, en: "A blind interval is empty or reaches beyond what can be asked; use a smaller one, the right way round.", zh: "盲核验区间为空或超出可核验范围；请缩小区间并检查两端次序。" },
  VERIFY_QUESTION: { status: 400, en: "A blind question is malformed: its names are not plain, or it holds the same point twice. It was not answered.", zh: "盲核验请求格式错误：名称不合规，或含有重复的点；未予应答。" },
  VERIFY_REPLY: { status: 502, en: "A provider's reply is no answer to the question that was asked; nothing can be concluded from it. Ask again, and tell the provider's operator if it stays.", zh: "数据方的应答与所提问题不符，不能据此得出结论。请重试；若持续出现，请告知该数据方。" },
} as const satisfies Record<string, ErrorSpec>;
