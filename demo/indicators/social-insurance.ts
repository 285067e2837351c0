// What the social insurance records say of a company: staff and its trend, wages, unpaid contributions.
import type { Indicator } from "./sql.ts";
import { countOf, daysBefore, earlier, openAmount, ratio, recent } from "./sql.ts";

const paid = "P21/社会保险信息/社会保险费缴纳情况";
const pension = "P24/社会保险信息/企业职工基本养老保险缴费信息";
const insured = "avg(insured_employees)";

export const socialInsuranceIndicators: readonly Indicator[] = [
  {
    name: "si_insured_12m", table: "contributions", unit: "persons", direction: "higher-better", sourceItem: paid, window: "12m",
    sql: recent(insured, "month", 12),
  },
  {
    name: "si_insured_growth", table: "contributions", unit: "ratio", direction: "higher-better", sourceItem: paid, window: "15m",
    sql: `${ratio(recent(insured, "month", 3), earlier(insured, "month", 15, 12))} - 1`,
  },
  {
    name: "si_insured_recent", table: "contributions", unit: "ratio", direction: "higher-better", sourceItem: paid, window: "9m",
    sql: ratio(recent(insured, "month", 3), earlier(insured, "month", 9, 3)),
  },
  {
    name: "si_insured_from_peak", table: "contributions", unit: "ratio", direction: "higher-better", sourceItem: paid, window: "24m",
    sql: ratio(recent(insured, "month", 2), recent("max(insured_employees)", "month", 24)),
  },
  {
    name: "si_paid_12m", table: "contributions", unit: "yuan", direction: "higher-better", sourceItem: pension, window: "12m",
    sql: recent("sum(paid_amount)", "month", 12),
  },
  {
    name: "si_base_per_head", table: "contributions", unit: "yuan a month", direction: "higher-better", sourceItem: pension, window: "12m",
    sql: ratio(recent("sum(contribution_base)", "month", 12), recent("sum(insured_employees)", "month", 12)),
  },
  {
    name: "si_base_growth", table: "contributions", unit: "ratio", direction: "higher-better", sourceItem: pension, window: "18m",
    sql: `${ratio(recent("avg(contribution_base)", "month", 6), earlier("avg(contribution_base)", "month", 18, 12))} - 1`,
  },
  {
    name: "si_paid_ratio_12m", table: "contributions", unit: "ratio", direction: "higher-better", sourceItem: paid, window: "12m",
    sql: ratio(recent("sum(paid_amount)", "month", 12), recent("sum(due_amount)", "month", 12)),
  },
  {
    name: "si_unpaid_months_24m", table: "contributions", unit: "months", direction: "lower-better", sourceItem: pension, window: "24m",
    sql: recent("sum(CASE WHEN paid_amount < due_amount THEN 1 ELSE 0 END)", "month", 24),
  },
  {
    name: "si_days_since_payment", table: "contributions", unit: "days", direction: "lower-better", sourceItem: paid, window: "all",
    sql: `min(${daysBefore("month")}) FILTER (paid_amount >= due_amount)`,
  },
  {
    name: "si_arrears_open", unit: "yuan", direction: "lower-better", sourceItem: "P21/社会保险信息/欠缴信息", window: "now",
    sql: openAmount("units", "arrears", "amount", "cleared_on"),
  },
  {
    name: "si_arrears_events_24m", unit: "count", direction: "lower-better", sourceItem: "P24/社会保险信息/职工医疗保险费欠缴信息", window: "24m",
    sql: countOf("units", "arrears", "owed_since", 24),
  },
];
