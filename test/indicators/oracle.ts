// Published indicators computed again over rows of CSV files, in plain TypeScript and from their definitions in words, not from their SQL.
// Undefined stands for a missing value.

export type Row = Readonly<Record<string, string>>;
export type Value = number | string | undefined;
/** table: the rows of one company in a standard table, in the order of the file. */
export type Oracle = (table: (name: string) => readonly Row[]) => Value;

const snapshot = Date.UTC(2025, 0, 1);
const dayMs = 86_400_000;
/** First day of the month `months` before the snapshot, ISO. */
const ago = (months: number): string => new Date(Date.UTC(2025, -months, 1)).toISOString().slice(0, 10);
const inLast = (rows: readonly Row[], column: string, months: number): Row[] => rows.filter((r) => text(r, column) >= ago(months));
const inSpan = (rows: readonly Row[], column: string, from: number, to: number): Row[] => inLast(rows, column, from).filter((r) => text(r, column) < ago(to));
const text = (row: Row, column: string): string => row[column] ?? "";
const num = (row: Row, column: string): number => Number(text(row, column));
const daysBefore = (date: string): number => (snapshot - Date.parse(`${date}T00:00:00Z`)) / dayMs;
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : sum(values) / values.length);
const over = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined || b === 0 ? undefined : a / b);
const less1 = (value: number | undefined): number | undefined => (value === undefined ? undefined : value - 1);
const least = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : Math.min(...values));
const latest = (rows: readonly Row[], column: string): Row | undefined => rows.toSorted((a, b) => (text(a, column) < text(b, column) ? -1 : 1)).at(-1);
const distinct = (rows: readonly Row[], column: string): number => new Set(rows.map((r) => text(r, column))).size;
const ifAny = <T>(rows: readonly Row[], value: () => T): T | undefined => (rows.length === 0 ? undefined : value());
const monthNumber = (date: string): number => 12 * Number(date.slice(0, 4)) + Number(date.slice(5, 7));

function deviation(values: readonly number[]): number | undefined {
  const centre = mean(values);
  return centre === undefined || values.length < 2 ? undefined : Math.sqrt(sum(values.map((v) => (v - centre) ** 2)) / (values.length - 1));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half] ?? 0 : ((sorted[half - 1] ?? 0) + (sorted[half] ?? 0)) / 2;
}

const monthsOpen = (opened: string): number => Math.min(12, Math.max(1, daysBefore(opened) / 30.44));
const taxGrades: Readonly<Record<string, number>> = { A: 5, B: 4, M: 3, C: 2, D: 1 };
const constructionGrades: Readonly<Record<string, number>> = { special: 4, first: 3, second: 2, third: 1 };
const customsGrades: Readonly<Record<string, number>> = { advanced_certified: 3, registered: 2, dishonest: 1 };

export const oracles: Readonly<Record<string, Oracle>> = {
  tax_revenue_12m: (t) => {
    const rows = inLast(t("filings"), "period", 12);
    return ifAny(rows, () => sum(rows.map((r) => num(r, "declared_revenue"))));
  },
  tax_revenue_growth: (t) => {
    const revenue = (from: number, to: number): number | undefined => mean(inSpan(t("filings"), "period", from, to).map((r) => num(r, "declared_revenue")));
    return less1(over(revenue(9, 1), revenue(21, 13)));
  },
  tax_revenue_volatility: (t) => {
    const values = inLast(t("filings"), "period", 24).map((r) => num(r, "declared_revenue"));
    return over(deviation(values), mean(values));
  },
  tax_low_revenue_share: (t) => {
    const typical = median(t("filings").map((r) => num(r, "declared_revenue")));
    return mean(inLast(t("filings"), "period", 12).map((r) => (num(r, "declared_revenue") < 0.35 * typical ? 1 : 0)));
  },
  tax_late_share_12m: (t) => mean(inLast(t("filings"), "period", 12).map((r) => (text(r, "filed_on") > text(r, "due_on") ? 1 : 0))),
  tax_days_since_normal_payment: (t) => least(t("filings")
    .filter((r) => num(r, "vat_paid") + num(r, "cit_paid") >= num(r, "vat_payable") + num(r, "cit_payable") && text(r, "filed_on") <= text(r, "due_on"))
    .map((r) => daysBefore(text(r, "filed_on")))),
  tax_arrears_open: (t) => sum(t("tax_arrears").filter((r) => text(r, "cleared_on") === "").map((r) => num(r, "amount"))),
  tax_arrears_events_24m: (t) => inLast(t("tax_arrears"), "owed_since", 24).length,
  tax_abnormal_taxpayer: (t) => (t("taxpayers").some((r) => text(r, "status") === "abnormal") ? 1 : 0),
  tax_credit_grade: (t) => taxGrades[text(latest(t("credit_grades"), "year") ?? {}, "grade")],
  tax_debt_ratio: (t) => {
    const row = latest(t("statements"), "year");
    return row && over(num(row, "total_liabilities"), num(row, "total_assets"));
  },
  si_insured_from_peak: (t) => {
    const insured = (months: number): number[] => inLast(t("contributions"), "month", months).map((r) => num(r, "insured_employees"));
    return over(mean(insured(2)), insured(24).length === 0 ? undefined : Math.max(...insured(24)));
  },
  si_base_per_head: (t) => {
    const rows = inLast(t("contributions"), "month", 12);
    return over(sum(rows.map((r) => num(r, "contribution_base"))), sum(rows.map((r) => num(r, "insured_employees"))));
  },
  si_unpaid_months_24m: (t) => {
    const rows = inLast(t("contributions"), "month", 24);
    return ifAny(rows, () => rows.filter((r) => num(r, "paid_amount") < num(r, "due_amount")).length);
  },
  hf_gap_share_12m: (t) => {
    const opened = text(t("fund_units")[0] ?? {}, "opened_on");
    return Math.max(0, 1 - inLast(t("deposits"), "month", 12).length / monthsOpen(opened));
  },
  hf_continuous_months_12m: (t) => {
    const rows = inLast(t("deposits"), "month", 12).toSorted((a, b) => (text(a, "month") < text(b, "month") ? -1 : 1));
    const broken = rows.filter((r, i) => num(r, "days_late") > 0 || (i > 0 && monthNumber(text(r, "month")) - monthNumber(text(rows[i - 1] ?? {}, "month")) > 1));
    const last = broken.at(-1);
    return last === undefined ? Math.floor(monthsOpen(text(t("fund_units")[0] ?? {}, "opened_on"))) : 12 * 2025 + 1 - monthNumber(text(last, "month")) - 1;
  },
  ut_capacity_use: (t) => over(mean(inLast(t("electricity_bills"), "month", 6).map((r) => num(r, "kwh"))), num(t("electricity_accounts")[0] ?? {}, "operating_capacity_kva") * 720),
  ut_electricity_days_late: (t) => {
    const rows = inLast(t("electricity_bills"), "month", 12);
    return ifAny(rows, () => Math.max(...rows.map((r) => num(r, "days_late"))));
  },
  rg_age_months: (t) => Math.floor(daysBefore(text(t("registrations")[0] ?? {}, "established_on")) / 30.44),
  rg_kind: (t) => t("registrations")[0]?.["kind"],
  rg_key_person_changes_24m: (t) => inLast(t("changes"), "changed_on", 24).filter((r) => ["legal_representative", "shareholders"].includes(text(r, "item"))).length,
  rg_report_days_late: (t) => {
    const row = latest(t("annual_reports"), "year");
    return row && Math.max(0, (Date.parse(text(row, "filed_on")) - Date.UTC(num(row, "year") + 1, 5, 30)) / dayMs);
  },
  rg_abnormal_now: (t) => t("abnormal_listings").filter((r) => text(r, "removed_on") === "").length,
  rg_largest_share: (t) => ifAny(t("shareholders"), () => Math.max(...t("shareholders").map((r) => num(r, "contribution_share")))),
  rg_pledged_equity: (t) => sum(t("equity_pledges").filter((r) => text(r, "pledge_status") === "in_force").map((r) => num(r, "pledged_equity_10k"))),
  rg_branches_open: (t) => t("branches").filter((r) => text(r, "branch_status") === "in_business").length,
  jd_defendant_amount_share: (t) => over(
    sum(inLast(t("judgments"), "published_on", 24).filter((r) => text(r, "role") === "defendant").map((r) => num(r, "amount"))),
    num(t("registrations")[0] ?? {}, "registered_capital_10k") * 10_000),
  jd_ended_enforcements_24m: (t) => inLast(t("ended_enforcements"), "ended_on", 24).length,
  cu_credit_grade: (t) => customsGrades[text(latest(t("customs_grades"), "applies_from") ?? {}, "credit_grade")],
  cu_grade_months: (t) => Math.floor(daysBefore(text(latest(t("customs_grades"), "applies_from") ?? {}, "applies_from")) / 30.44),
  cu_active_months_12m: (t) => ifAny(t("customs_payments"), () => inLast(t("customs_payments"), "month", 12).length),
  cu_duties_growth: (t) => {
    const paid = (from: number, to: number): number | undefined => {
      const rows = inSpan(t("customs_payments"), "month", from, to);
      return ifAny(rows, () => sum(rows.map((r) => num(r, "duty") + num(r, "import_vat"))));
    };
    return less1(over(paid(12, 0), paid(24, 12)));
  },
  en_score_change: (t) => {
    const rows = inLast(t("environment_ratings"), "rated_on", 36).toSorted((a, b) => (text(a, "rated_on") < text(b, "rated_on") ? -1 : 1));
    return rows.length < 2 ? undefined : num(rows.at(-1) ?? {}, "score") - num(rows[0] ?? {}, "score");
  },
  en_emissions_growth: (t) => {
    const rows = t("carbon_emissions").filter((r) => num(r, "year") >= 2022).toSorted((a, b) => num(a, "year") - num(b, "year"));
    return rows.length < 2 ? undefined : less1(over(num(rows.at(-1) ?? {}, "tonnes"), num(rows[0] ?? {}, "tonnes")));
  },
  en_assessment_points_24m: (t) => sum(inLast(t("assessment_records"), "recorded_on", 24).map((r) => num(r, "points"))),
  ip_trademark_classes: (t) => ifAny(t("trademarks"), () => distinct(t("trademarks").filter((r) => text(r, "exclusive_until") >= "2025-01-01"), "international_class")),
  ip_patents_applied_36m: (t) => ifAny(t("patents"), () => inLast(t("patents"), "applied_on", 36).length),
  ip_patent_lapsed_share: (t) => mean(t("patents").filter((r) => text(r, "legal_status") !== "pending").map((r) => (text(r, "legal_status") === "lapsed" ? 1 : 0))),
  ip_pledged_amount_36m: (t) => ifAny(t("ip_pledges"), () => sum(inLast(t("ip_pledges"), "pledged_on", 36).map((r) => num(r, "amount")))),
  qu_construction_grade: (t) => {
    const grades = t("construction_qualifications").filter((r) => text(r, "valid_until") >= "2025-01-01").map((r) => constructionGrades[text(r, "qualification_grade")] ?? 0);
    return grades.length === 0 ? undefined : Math.max(...grades);
  },
  qu_construction_months_left: (t) => {
    const days = t("construction_qualifications").map((r) => -daysBefore(text(r, "valid_until")));
    return days.length === 0 ? undefined : Math.max(...days) / 30.44;
  },
  rd_support_kinds_36m: (t) => distinct(inLast(t("research_support"), "granted_on", 36), "kind"),
  rd_high_tech_months: (t) => {
    const day = text(t("research_status")[0] ?? {}, "recognised_on");
    return day === "" ? 0 : Math.floor(daysBefore(day) / 30.44);
  },
  ag_operator_type: (t) => t("agricultural_operators")[0]?.["operator_type"],
  ag_insured_now: (t) => (t("agricultural_insurance").some((r) => text(r, "policy_valid_until") >= "2025-01-01") ? 1 : 0),
  ag_claims_ratio_24m: (t) => {
    const rows = inLast(t("agricultural_insurance"), "policy_valid_until", 24);
    return over(sum(rows.map((r) => num(r, "claims_amount"))), sum(rows.map((r) => num(r, "insured_amount"))));
  },
  ad_licences_valid: (t) => t("administrative_licences").filter((r) => text(r, "licence_status") === "in_force" && text(r, "valid_until") >= "2025-01-01").length,
  ad_fines_24m: (t) => sum(inLast(t("administrative_penalties"), "decided_on", 24).map((r) => num(r, "fine") + num(r, "confiscated"))),
  pr_amount_24m: (t) => sum(inLast(t("public_transactions"), "announced_on", 24).map((r) => num(r, "project_amount"))),
  pr_days_since_win: (t) => least(t("public_transactions").map((r) => daysBefore(text(r, "announced_on")))),
  mi_pharmacy_months: (t) => ifAny(t("designated_pharmacies"), () => Math.max(...t("designated_pharmacies").map((r) => daysBefore(text(r, "licensed_on")))) / 30.44),
};
