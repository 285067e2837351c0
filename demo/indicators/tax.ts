// What the tax authority's records say of a company: turnover and its trend, payment discipline, grade, balance sheet.
import type { Indicator } from "./sql.ts";
import { countOf, daysBefore, earlier, openAmount, ratio, recent } from "./sql.ts";

const filed = "P24/纳税信息/财务申报信息";
const paid = "P21/纳税信息/纳税信息";
const revenue = "avg(declared_revenue)";
const isPaid = "vat_paid + cit_paid >= vat_payable + cit_payable AND filed_on <= due_on";

export const taxIndicators: readonly Indicator[] = [
  {
    name: "tax_revenue_12m", table: "filings", unit: "yuan", direction: "higher-better", sourceItem: filed, window: "12m",
    sql: recent("sum(declared_revenue)", "period", 12),
  },
  {
    // The last month is left out on both sides: it is not due before the snapshot.
    name: "tax_revenue_growth", table: "filings", unit: "ratio", direction: "higher-better", sourceItem: filed, window: "21m",
    sql: `${ratio(earlier(revenue, "period", 9, 1), earlier(revenue, "period", 21, 13))} - 1`,
  },
  {
    name: "tax_revenue_recent", table: "filings", unit: "ratio", direction: "higher-better", sourceItem: filed, window: "12m",
    sql: ratio(recent(revenue, "period", 6), earlier(revenue, "period", 12, 6)),
  },
  {
    name: "tax_revenue_volatility", table: "filings", unit: "ratio", direction: "lower-better", sourceItem: filed, window: "24m",
    sql: ratio(recent("stddev_samp(declared_revenue)", "period", 24), recent(revenue, "period", 24)),
  },
  {
    name: "tax_low_revenue_share", unit: "share", direction: "lower-better", sourceItem: filed, window: "12m",
    sql: `SELECT uscc, ${recent("avg(CASE WHEN declared_revenue < 0.35 * typical THEN 1 ELSE 0 END)", "period", 12)} FROM`
      + " (SELECT uscc, period, declared_revenue, median(declared_revenue) OVER (PARTITION BY uscc) AS typical FROM filings) GROUP BY uscc",
  },
  {
    name: "tax_vat_payable_12m", table: "filings", unit: "yuan", direction: "higher-better", sourceItem: paid, window: "12m",
    sql: recent("sum(vat_payable)", "period", 12),
  },
  {
    name: "tax_paid_ratio_12m", table: "filings", unit: "ratio", direction: "higher-better", sourceItem: paid, window: "12m",
    sql: ratio(recent("sum(vat_paid + cit_paid)", "period", 12), recent("sum(vat_payable + cit_payable)", "period", 12)),
  },
  {
    name: "tax_late_share_12m", table: "filings", unit: "share", direction: "lower-better", sourceItem: paid, window: "12m",
    sql: recent("avg(CASE WHEN filed_on > due_on THEN 1 ELSE 0 END)", "period", 12),
  },
  {
    name: "tax_days_since_normal_payment", table: "filings", unit: "days", direction: "lower-better", sourceItem: paid, window: "all",
    sql: `min(${daysBefore("filed_on")}) FILTER (${isPaid})`,
  },
  {
    name: "tax_arrears_open", unit: "yuan", direction: "lower-better", sourceItem: "P21/纳税信息/欠税信息", window: "now",
    sql: openAmount("taxpayers", "arrears", "amount", "cleared_on"),
  },
  {
    name: "tax_arrears_events_24m", unit: "count", direction: "lower-better", sourceItem: "P24/纳税信息/历史欠税信息", window: "24m",
    sql: countOf("taxpayers", "arrears", "owed_since", 24),
  },
  {
    name: "tax_abnormal_taxpayer", unit: "flag", direction: "lower-better", sourceItem: "P21/纳税信息/非正常纳税户信息", window: "now",
    sql: "SELECT uscc, status = 'abnormal' FROM taxpayers",
  },
  {
    name: "tax_credit_grade", table: "credit_grades", unit: "A=5 B=4 M=3 C=2 D=1", direction: "higher-better",
    sourceItem: "P21/纳税信息/纳税信用等级信息", window: "latest year",
    sql: "arg_max(CASE grade WHEN 'A' THEN 5 WHEN 'B' THEN 4 WHEN 'M' THEN 3 WHEN 'C' THEN 2 ELSE 1 END, year)",
  },
  {
    name: "tax_return_on_assets", table: "statements", unit: "ratio", direction: "higher-better", sourceItem: filed, window: "latest year",
    sql: `arg_max(${ratio("net_profit", "total_assets")}, year)`,
  },
  {
    name: "tax_debt_ratio", table: "statements", unit: "ratio", direction: "lower-better", sourceItem: filed, window: "latest year",
    sql: `arg_max(${ratio("total_liabilities", "total_assets")}, year)`,
  },
];
