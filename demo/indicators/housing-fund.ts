// What the housing fund's records say of a company: contributors and their trend, deposits, gaps, lateness.
import type { Indicator } from "./sql.ts";
import { daysBefore, earlier, ratio, recent, snapshot, within } from "./sql.ts";

const sourceItem = "P21/住房公积金信息/住房公积金缴存情况";
const contributors = "avg(contributors)";
/** Months of the last year in which the unit existed: a young unit has no gaps before it opened. */
const monthsOpen = `least(12, greatest(1, ${daysBefore("u.opened_on")} / 30.44))`;
const monthsSinceLast = "date_diff('month', lag(month) OVER (PARTITION BY uscc ORDER BY month), month)";
const lastYear = `SELECT uscc, month, days_late > 0 OR coalesce(${monthsSinceLast}, 1) > 1 AS broken`
  + ` FROM deposits WHERE ${within("month", 12)}`;

export const housingFundIndicators: readonly Indicator[] = [
  {
    name: "hf_contributors_12m", table: "deposits", unit: "persons", direction: "higher-better", sourceItem, window: "12m",
    sql: recent(contributors, "month", 12),
  },
  {
    name: "hf_deposited_12m", table: "deposits", unit: "yuan", direction: "higher-better", sourceItem, window: "12m",
    sql: recent("sum(amount)", "month", 12),
  },
  {
    name: "hf_contributors_growth", table: "deposits", unit: "ratio", direction: "higher-better", sourceItem, window: "15m",
    sql: `${ratio(recent(contributors, "month", 3), earlier(contributors, "month", 15, 12))} - 1`,
  },
  {
    name: "hf_contributors_recent", table: "deposits", unit: "ratio", direction: "higher-better", sourceItem, window: "9m",
    sql: ratio(recent(contributors, "month", 3), earlier(contributors, "month", 9, 3)),
  },
  {
    name: "hf_amount_growth", table: "deposits", unit: "ratio", direction: "higher-better", sourceItem, window: "18m",
    sql: `${ratio(recent("avg(amount)", "month", 6), earlier("avg(amount)", "month", 18, 12))} - 1`,
  },
  {
    name: "hf_amount_per_head", table: "deposits", unit: "yuan a month", direction: "higher-better", sourceItem, window: "12m",
    sql: ratio(recent("sum(amount)", "month", 12), recent("sum(contributors)", "month", 12)),
  },
  {
    name: "hf_gap_share_12m", unit: "share", direction: "lower-better", sourceItem, window: "12m",
    sql: `SELECT u.uscc, greatest(0, 1 - count(d.month) / ${monthsOpen}) FROM units u`
      + ` LEFT JOIN deposits d ON d.uscc = u.uscc AND ${within("d.month", 12)} GROUP BY u.uscc, u.opened_on`,
  },
  {
    name: "hf_continuous_months_12m", unit: "months", direction: "higher-better", sourceItem, window: "12m",
    sql: `SELECT u.uscc, coalesce(date_diff('month', max(d.month) FILTER (d.broken), ${snapshot}) - 1, floor(${monthsOpen})) FROM units u`
      + ` LEFT JOIN (${lastYear}) d ON d.uscc = u.uscc GROUP BY u.uscc, u.opened_on`,
  },
  {
    name: "hf_days_since_deposit", table: "deposits", unit: "days", direction: "lower-better", sourceItem, window: "all",
    sql: `min(${daysBefore("month")})`,
  },
  {
    name: "hf_days_late_12m", table: "deposits", unit: "days", direction: "lower-better", sourceItem, window: "12m",
    sql: recent("avg(days_late)", "month", 12),
  },
  {
    name: "hf_rate", unit: "percent", direction: "higher-better", sourceItem, window: "now",
    sql: "SELECT uscc, rate_percent FROM units",
  },
];
