// What the register and the courts say of a company: who it is, what changed, listings, suits and enforcement.
import type { Indicator } from "./sql.ts";
import { countOf, daysBefore, ratio, within } from "./sql.ts";

const register = "P21/市场主体登记信息";
const events = (table: string, column: string, condition?: string): string => countOf("registrations", table, column, 24, condition);

export const registryCourtsIndicators: readonly Indicator[] = [
  {
    name: "rc_age_months", unit: "months", direction: "higher-better", sourceItem: register, window: "now",
    sql: `SELECT uscc, floor(${daysBefore("established_on")} / 30.44) FROM registrations`,
  },
  {
    name: "rc_registered_capital", unit: "10,000 yuan", direction: "higher-better", sourceItem: register, window: "now",
    sql: "SELECT uscc, registered_capital_10k FROM registrations",
  },
  {
    name: "rc_kind", unit: "size or legal form", direction: "none", sourceItem: register, window: "now",
    sql: "SELECT uscc, kind FROM registrations",
  },
  {
    name: "rc_sector", unit: "section of GB/T 4754", direction: "none", sourceItem: `${register}/所属行业类型`, window: "now",
    sql: "SELECT uscc, sector FROM registrations",
  },
  {
    name: "rc_changes_24m", unit: "count", direction: "lower-better", sourceItem: `${register}/变更信息`, window: "24m",
    sql: events("changes", "changed_on"),
  },
  {
    name: "rc_key_person_changes_24m", unit: "count", direction: "lower-better", sourceItem: `${register}/变更信息`, window: "24m",
    sql: events("changes", "changed_on", "e.item IN ('legal_representative', 'shareholders')"),
  },
  {
    name: "rc_report_days_late", table: "annual_reports", unit: "days", direction: "lower-better", sourceItem: `${register}/企业年报`,
    window: "latest year", sql: "arg_max(greatest(0, date_diff('day', make_date(year + 1, 6, 30), filed_on)), year)",
  },
  {
    name: "rc_report_debt_ratio", table: "annual_reports", unit: "ratio", direction: "lower-better", sourceItem: `${register}/企业年报`,
    window: "latest year", sql: `arg_max(${ratio("total_liabilities", "total_assets")}, year)`,
  },
  {
    name: "rc_abnormal_now", unit: "count", direction: "lower-better", sourceItem: `${register}/列入经营异常名录情况`, window: "now",
    sql: "SELECT r.uscc, count(a.listed_on) FROM registrations r"
      + " LEFT JOIN abnormal_listings a ON a.uscc = r.uscc AND a.removed_on IS NULL GROUP BY r.uscc",
  },
  {
    name: "rc_abnormal_24m", unit: "count", direction: "lower-better", sourceItem: `${register}/列入经营异常名录情况`, window: "24m",
    sql: events("abnormal_listings", "listed_on"),
  },
  {
    name: "rc_defendant_24m", unit: "count", direction: "lower-better", sourceItem: "P21/司法信息/法院判决信息", window: "24m",
    sql: events("judgments", "published_on", "e.role = 'defendant'"),
  },
  {
    name: "rc_defendant_amount_share", unit: "ratio to capital", direction: "lower-better", sourceItem: "P21/司法信息/法院判决信息", window: "24m",
    sql: "SELECT r.uscc, coalesce(sum(j.amount), 0) / (any_value(r.registered_capital_10k) * 10000) FROM registrations r"
      + ` LEFT JOIN judgments j ON j.uscc = r.uscc AND j.role = 'defendant' AND ${within("j.published_on", 24)} GROUP BY r.uscc`,
  },
  {
    name: "rc_plaintiff_24m", unit: "count", direction: "none", sourceItem: "P21/司法信息/法院判决信息", window: "24m",
    sql: events("judgments", "published_on", "e.role = 'plaintiff'"),
  },
  {
    name: "rc_ended_enforcements_24m", unit: "count", direction: "lower-better", sourceItem: "P21/司法信息/终结本次执行案件信息", window: "24m",
    sql: events("ended_enforcements", "ended_on"),
  },
  {
    name: "rc_dishonest_debtor_24m", unit: "count", direction: "lower-better", sourceItem: "P24/司法信息/失信被执行人信息", window: "24m",
    sql: events("dishonest_debtors", "published_on"),
  },
];
