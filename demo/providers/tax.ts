// Tax authority: VAT and income tax filings (monthly or quarterly), arrears, credit grades, financial statements.
import type { Rows } from "../csv.ts";
import type { Draws } from "../draws.ts";
import { logistic } from "../draws.ts";
import type { Subject } from "../provider.ts";
import { defineProvider, nextState, yuan } from "../provider.ts";

/** A small-scale taxpayer below this revenue a quarter pays no VAT, above it 1 %. */
const exemptPerQuarter = 300_000;

function writeFilings({ company, path, calendar }: Subject, draws: Draws, filings: Rows, arrears: Rows): void {
  const every = company.generalTaxpayer ? 1 : 3;
  let declared = 0;
  let profit = 0;
  let behind = false;
  let owed = 0;
  let owedSince = 0;
  const taxes = company.generalTaxpayer ? "vat" : "vat_and_cit";
  const close = (clearedOn: string): void => {
    if (owed >= 1) arrears.row(`${company.uscc},${taxes},${calendar.dayText(owedSince)},${yuan(owed)},${clearedOn}`);
    owed = 0;
  };
  for (let t = company.start; t < path.months; t += 1) {
    const health = path.health[t] ?? 0;
    const stopped = health < -1.6 && draws.bernoulli(0.12);
    const revenue = stopped ? 0 : (path.revenue[t] ?? 0) * draws.lognormal(0, 0.05);
    declared += revenue;
    profit += revenue * (0.2 * company.sector.valueAdded * (1 + 0.5 * health + 0.6 * draws.normal()));
    const endOfQuarter = calendar.monthOfYear(t) % 3 === 2;
    if (every === 3 && !endOfQuarter) continue;
    const vatPayable = company.generalTaxpayer
      ? declared * company.sector.vatRate * company.sector.valueAdded * draws.lognormal(-0.05, 0.3)
      : declared > exemptPerQuarter ? declared * 0.01 : 0;
    const citPayable = company.sizeFacts.form === 2 && endOfQuarter ? Math.max(0, profit) * 0.05 : 0;
    const wasBehind = behind;
    const falls = every * logistic(-4.6 - 0.8 * health - 0.4 * path.discipline);
    const recovers = Math.min(0.9, every * logistic(-1.6 + 0.6 * health));
    behind = nextState(behind, falls, recovers, draws);
    const due = calendar.firstDay(t + 1) + 14;
    if (wasBehind && !behind) close(calendar.dayText(Math.min(due, calendar.snapshotDay - 1)));
    const paidShare = behind ? 0.5 * draws.uniform() : 1;
    if (behind && due < calendar.snapshotDay) {
      if (owed === 0) owedSince = due;
      owed += (vatPayable + citPayable) * (1 - paidShare);
    }
    const late = draws.bernoulli(logistic(-2.2 - 0.7 * path.discipline - 0.4 * health));
    const filedOn = due - draws.integer(10) + (late ? 10 + Math.ceil(draws.exponential(14)) : 0);
    // What is filed for the last period after the snapshot is not yet known; and some records never arrive.
    const known = filedOn < calendar.snapshotDay && !draws.bernoulli(0.015);
    if (known) {
      const amounts = `${yuan(vatPayable)},${yuan(vatPayable * paidShare)},${yuan(citPayable)},${yuan(citPayable * paidShare)}`;
      const dates = `${calendar.monthText(t)},${calendar.dayText(due)},${calendar.dayText(filedOn)}`;
      filings.row(`${company.uscc},${dates},${yuan(declared)},${amounts}`);
    }
    declared = 0;
    if (endOfQuarter) profit = 0;
  }
  close("");
}

/** A grade of the yearly assessment, from payment behaviour and health: A best, D worst, M for those without three years. */
function grade(subject: Subject, year: number, draws: Draws): string {
  const { company, path, calendar } = subject;
  const t = Math.max(0, Math.min(path.months - 1, (year - calendar.year(0)) * 12 + 11));
  const score = 0.55 * path.discipline + 0.45 * (path.health[t] ?? 0) + 0.7 * draws.normal();
  if (score < -1.7) return "D";
  if (score < -1) return "C";
  if (company.ageMonths < 36) return "M";
  return score > 0.8 ? "A" : "B";
}

export const tax = defineProvider({
  folder: "tax",
  coverage: () => 0.97,
  population: "taxpayers",
  tables: {
    taxpayers: { kind: "categorical", registered_on: "date", status: "categorical" },
    filings: {
      period: "date", due_on: "date", filed_on: "date", declared_revenue: "numeric",
      vat_payable: "numeric", vat_paid: "numeric", cit_payable: "numeric", cit_paid: "numeric",
    },
    arrears: { tax: "categorical", owed_since: "date", amount: "numeric", cleared_on: "date" },
    credit_grades: { year: "numeric", grade: "categorical" },
    statements: { year: "numeric", total_assets: "numeric", total_liabilities: "numeric", net_profit: "numeric" },
  },
  standardNames: { arrears: "tax_arrears" },
  write(subject, draws, out) {
    const { company, path, calendar } = subject;
    const abnormal = draws.bernoulli(logistic(-5.2 - 0.7 * path.healthNow - 0.4 * path.discipline));
    const kind = company.generalTaxpayer ? "general" : "small_scale";
    const registered = calendar.dayText(company.established + draws.integer(40));
    out.taxpayers.row(`${company.uscc},${kind},${registered},${abnormal ? "abnormal" : "normal"}`);
    writeFilings(subject, draws, out.filings, out.arrears);
    const lastYear = calendar.year(path.months) - 2;
    for (let year = lastYear - 1; year <= lastYear; year += 1) {
      if (Number(calendar.dayText(company.established).slice(0, 4)) > year) continue;
      out.credit_grades.row(`${company.uscc},${year},${grade(subject, year, draws)}`);
      if (company.sizeFacts.form === 0) continue;
      const assets = Math.exp(company.logRevenue + 0.1 + 0.5 * draws.normal());
      const debtRatio = logistic(0.1 + 0.5 * path.leverage - 0.15 * path.healthNow + 0.6 * draws.normal());
      const margin = 0.2 * company.sector.valueAdded * (0.6 + 0.5 * path.healthNow + 0.6 * draws.normal());
      const profit = Math.exp(company.logRevenue) * margin;
      out.statements.row(`${company.uscc},${year},${yuan(assets)},${yuan(assets * debtRatio)},${yuan(profit)}`);
    }
  },
});
