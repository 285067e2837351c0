// What meters and bills say of a company: activity and its trend (hard to fake), punctuality, arrears.
import type { Indicator } from "./sql.ts";
import { earlier, ratio, recent, within } from "./sql.ts";

const electricity = { used: "P21/水电气费缴纳信息/电费信息", account: "P24/水电气费缴纳信息/电费信息" };
const water = { used: "P21/水电气费缴纳信息/水费信息", account: "P24/水电气费缴纳信息/水费信息" };
const gas = { used: "P21/水电气费缴纳信息/燃气费信息", account: "P24/水电气费缴纳信息/燃气费信息" };
const kwh = "avg(kwh)";
const cubic = "avg(cubic_metres)";

export const utilitiesIndicators: readonly Indicator[] = [
  {
    name: "ut_kwh_12m", table: "electricity_bills", unit: "kWh a month", direction: "none", sourceItem: electricity.used,
    window: "12m", sql: recent(kwh, "month", 12),
  },
  {
    name: "ut_kwh_growth", table: "electricity_bills", unit: "ratio", direction: "higher-better", sourceItem: electricity.used,
    window: "18m", sql: `${ratio(recent(kwh, "month", 6), earlier(kwh, "month", 18, 12))} - 1`,
  },
  {
    name: "ut_kwh_recent", table: "electricity_bills", unit: "ratio", direction: "higher-better", sourceItem: electricity.used,
    window: "15m", sql: ratio(recent(kwh, "month", 3), earlier(kwh, "month", 15, 12)),
  },
  {
    name: "ut_kwh_volatility", table: "electricity_bills", unit: "ratio", direction: "lower-better", sourceItem: electricity.used,
    window: "24m", sql: ratio(recent("stddev_samp(kwh)", "month", 24), recent(kwh, "month", 24)),
  },
  {
    name: "ut_electricity_late_share", table: "electricity_bills", unit: "share", direction: "lower-better", sourceItem: electricity.used,
    window: "12m", sql: recent("avg(CASE WHEN days_late > 0 THEN 1 ELSE 0 END)", "month", 12),
  },
  {
    name: "ut_electricity_days_late", table: "electricity_bills", unit: "days", direction: "lower-better", sourceItem: electricity.used,
    window: "12m", sql: recent("max(days_late)", "month", 12),
  },
  {
    name: "ut_electricity_arrears", unit: "yuan", direction: "lower-better", sourceItem: electricity.account, window: "now",
    sql: "SELECT uscc, arrears_amount FROM electricity_accounts",
  },
  {
    name: "ut_electricity_breaches_24m", unit: "count", direction: "lower-better", sourceItem: electricity.account, window: "24m",
    sql: "SELECT uscc, breaches_24m FROM electricity_accounts",
  },
  {
    name: "ut_capacity_use", unit: "ratio", direction: "higher-better", sourceItem: electricity.account, window: "6m",
    sql: `SELECT a.uscc, ${ratio("avg(b.kwh)", "any_value(a.operating_capacity_kva) * 720")} FROM electricity_accounts a`
      + ` JOIN electricity_bills b ON b.uscc = a.uscc AND ${within("b.month", 6)} GROUP BY a.uscc`,
  },
  {
    name: "ut_water_growth", table: "water_bills", unit: "ratio", direction: "higher-better", sourceItem: water.used, window: "18m",
    sql: `${ratio(recent(cubic, "month", 6), earlier(cubic, "month", 18, 12))} - 1`,
  },
  {
    name: "ut_water_days_late", table: "water_bills", unit: "days", direction: "lower-better", sourceItem: water.account, window: "12m",
    sql: recent("avg(days_late)", "month", 12),
  },
  {
    name: "ut_gas_growth", table: "gas_bills", unit: "ratio", direction: "higher-better", sourceItem: gas.used, window: "18m",
    sql: `${ratio(recent(cubic, "month", 6), earlier(cubic, "month", 18, 12))} - 1`,
  },
  {
    name: "ut_gas_days_late", table: "gas_bills", unit: "days", direction: "lower-better", sourceItem: gas.account, window: "12m",
    sql: recent("avg(days_late)", "month", 12),
  },
];
