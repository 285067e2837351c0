// The published rules of data quality: what is looked at, how much of it may be wrong, how soon it is to be corrected. The four dimensions
// that the texts name (accuracy, completeness, continuity, timeliness: P22 三, P24 article 五), and the two that tables need besides.
import { z } from "zod";

export const dimensions = ["accuracy", "completeness", "continuity", "timeliness", "uniqueness", "validity"] as const;
export type Dimension = (typeof dimensions)[number];
export const dimensionNames = {
  accuracy: { en: "accuracy, by cross-checks", zh: "准确性（交叉核对）" },
  completeness: { en: "completeness", zh: "完整性" },
  continuity: { en: "continuity", zh: "连续性" },
  timeliness: { en: "timeliness", zh: "及时性" },
  uniqueness: { en: "uniqueness", zh: "唯一性" },
  validity: { en: "validity", zh: "有效性" },
} as const satisfies Record<Dimension, { en: string; zh: string }>;

export const severities = ["critical", "major", "minor"] as const;
export type Severity = (typeof severities)[number];
/** Days from the finding to the day on which it should be corrected. The texts ask for correction and name no days: these are ours. */
export const dueDays: Readonly<Record<Severity, number>> = { critical: 3, major: 10, minor: 30 };

/** "<dimension>.<what>" for the published ones, "own.<what>" for a provider's. */
export const ruleIdSchema = z.string().regex(/^(accuracy|completeness|continuity|timeliness|uniqueness|validity|own)\.[a-z][a-z0-9-]{0,47}$/);

export type Rule = {
  readonly id: string; readonly dimension: Dimension; readonly en: string; readonly zh: string;
  /** Share that may fail, in thousandths. */
  readonly limit: number;
  readonly severity: Severity;
};

const published = {
  "completeness.empty": { limit: 0, severity: "critical", en: "A declared table has no rows.", zh: "声明的数据表没有任何记录。" },
  "completeness.missing": { limit: 300, severity: "minor", en: "A column's value is missing.", zh: "字段取值缺失。" },
  "uniqueness.key": { limit: 0, severity: "major", en: "A record repeats the key of an earlier one.", zh: "记录主键重复。" },
  "uniqueness.record": { limit: 0, severity: "minor", en: "A record repeats another one in every column.", zh: "整条记录重复。" },
  "validity.id": { limit: 0, severity: "critical", en: "A company's id is missing or breaks its form (USCC: GB 32100-2015, with check character).", zh: "企业标识缺失或格式不符（统一社会信用代码：GB 32100-2015，含校验码）。" },
  "validity.number": { limit: 0, severity: "major", en: "A value of a numeric column is no finite number.", zh: "数值字段的取值不是有限数值。" },
  "validity.date": { limit: 0, severity: "major", en: "A value of a date column is no date, or lies before 1900.", zh: "日期字段的取值不是日期或早于 1900 年。" },
  "validity.amount": { limit: 0, severity: "major", en: "An amount or count that cannot be negative is negative.", zh: "不应为负的金额或数量为负。" },
  "validity.range": { limit: 0, severity: "major", en: "A value lies outside the declared range.", zh: "取值超出声明的范围。" },
  "validity.code": { limit: 0, severity: "major", en: "A value is not in the declared list of codes, or breaks the declared pattern.", zh: "取值不在声明的代码表内或不符合声明的格式。" },
  "continuity.series": { limit: 50, severity: "major", en: "A period is missing between a company's first and last record.", zh: "企业首末记录之间缺少某一期。" },
  "timeliness.newest": { limit: 0, severity: "major", en: "The newest record is older than the update frequency allows.", zh: "最新记录的时间超出更新频率所允许的范围。" },
  "accuracy.order": { limit: 0, severity: "major", en: "Two dates of a record are in the wrong order.", zh: "同一记录中两个日期先后颠倒。" },
  "accuracy.bound": { limit: 0, severity: "major", en: "A part is larger than its whole (arrears above the dues, paid above payable).", zh: "部分大于整体（如欠缴大于应缴、实缴大于应缴）。" },
  "accuracy.sum": { limit: 0, severity: "major", en: "Parts do not add up to their total.", zh: "分项之和与合计不符。" },
  "accuracy.reference": { limit: 10, severity: "minor", en: "A record's company is not in the provider's own register of companies.", zh: "记录所属企业不在该单位自身的主体名册中。" },
} as const satisfies Record<string, Omit<Rule, "id" | "dimension">>;
export type PublishedRule = keyof typeof published;

export const publishedRules: readonly Rule[] = Object.entries(published).map(([id, rule]) => ({ id, dimension: id.split(".")[0] as Dimension, ...rule }));
const byId: ReadonlyMap<string, Rule> = new Map(publishedRules.map((rule) => [rule.id, rule]));

export function publishedRule(id: PublishedRule): Rule {
  return byId.get(id) as Rule;
}

/** How often records of an item come, where its nature leaves no doubt. The lists name a day by which sharing begins (`due`) and no frequency:
 *  months between records, and days that pass until a period's record is there, are ours. */
export const updateFrequencies: Readonly<Record<string, { readonly months: number; readonly graceDays: number }>> = {
  "tax.payment": { months: 3, graceDays: 45 },
  "tax.credit-grade": { months: 12, graceDays: 150 },
  "registry.annual-reports": { months: 12, graceDays: 200 },
  "social-insurance.payment": { months: 1, graceDays: 45 },
  "social-insurance.pension-payment": { months: 1, graceDays: 45 },
  "social-insurance.medical-basic": { months: 1, graceDays: 45 },
  "housing-fund.deposits": { months: 1, graceDays: 45 },
  "utilities.electricity": { months: 1, graceDays: 45 },
  "utilities.water": { months: 3, graceDays: 45 },
  "utilities.gas": { months: 3, graceDays: 45 },
};

/** Cross-checks between fields of one item that hold for every company: applied where columns of one table are declared as these fields. */
export const fieldRelations: readonly { readonly rule: "accuracy.order" | "accuracy.bound"; readonly item: string; readonly lesser: string; readonly greater: string }[] = [
  { rule: "accuracy.bound", item: "tax.payment", lesser: "vat_paid_12m", greater: "vat_payable_12m" },
  { rule: "accuracy.bound", item: "tax.payment", lesser: "cit_paid_12m", greater: "cit_payable_12m" },
  { rule: "accuracy.bound", item: "utilities.electricity", lesser: "consumption_3m", greater: "consumption_6m" },
  { rule: "accuracy.bound", item: "utilities.electricity", lesser: "consumption_6m", greater: "consumption_12m" },
  { rule: "accuracy.bound", item: "utilities.water", lesser: "consumption_3m", greater: "consumption_6m" },
  { rule: "accuracy.bound", item: "utilities.gas", lesser: "consumption_3m", greater: "consumption_6m" },
  { rule: "accuracy.order", item: "registry.serious-violations", lesser: "listed_on", greater: "removed_on" },
  { rule: "accuracy.order", item: "judicial.ended-enforcements", lesser: "filed_on", greater: "ended_on" },
  { rule: "accuracy.order", item: "judicial.dishonest-debtors", lesser: "filed_on", greater: "published_on" },
  { rule: "accuracy.order", item: "registry.equity-pledges", lesser: "pledge_registered_on", greater: "published_on" },
  { rule: "accuracy.order", item: "ip.trademarks", lesser: "applied_on", greater: "exclusive_from" },
  { rule: "accuracy.order", item: "ip.trademarks", lesser: "exclusive_from", greater: "exclusive_until" },
  { rule: "accuracy.order", item: "ip.patents", lesser: "applied_on", greater: "published_on" },
  { rule: "accuracy.order", item: "administrative.licences", lesser: "decided_on", greater: "valid_until" },
  { rule: "accuracy.order", item: "qualifications.construction", lesser: "issued_on", greater: "valid_until" },
];

/** Fields of money or number that may be below zero: a loss, negative equity. */
export const mayBeNegative: ReadonlySet<string> = new Set([
  "registry.annual-reports#total_equity", "registry.annual-reports#total_profit", "registry.annual-reports#net_profit",
]);
