// Market regulator and courts: registration facts, changes, annual reports, abnormal-operation listings, judgments,
// ended enforcements, dishonest judgment debtors. Sparse events over a full register.
import type { Rows } from "../csv.ts";
import type { Draws } from "../draws.ts";
import { logistic } from "../draws.ts";
import type { Subject } from "../provider.ts";
import { anyOf, defineProvider, yuan } from "../provider.ts";

const changeItems = ["legal_representative", "address", "registered_capital", "shareholders", "business_scope"] as const;
const causes = ["sales_contract", "loan_contract", "labour", "lease", "construction_contract"] as const;

type CourtTables = { judgments: Rows; ended_enforcements: Rows; dishonest_debtors: Rows };

function writeCourts({ company, path, calendar }: Subject, draws: Draws, out: CourtTables): void {
  const { dayText } = calendar;
  const scale = 0.25 * (company.logRevenue - 14.5);
  for (let t = company.start; t < path.months; t += 1) {
    const health = path.health[t] ?? 0;
    for (let n = draws.poisson(Math.exp(-5.3 + scale)); n > 0; n -= 1) {
      const published = calendar.firstDay(t) + draws.integer(28);
      const amount = draws.lognormal(company.logRevenue - 3.5, 1.1);
      out.judgments.row(`${company.uscc},plaintiff,${anyOf(causes, draws)},${yuan(amount)},${dayText(published)}`);
    }
    const sued = Math.exp(-5 - 0.6 * health - 0.3 * path.discipline + 0.2 * path.leverage + scale);
    for (let n = draws.poisson(sued); n > 0; n -= 1) {
      const published = calendar.firstDay(t) + draws.integer(28);
      const amount = draws.lognormal(company.logRevenue - 3.2, 1.1);
      out.judgments.row(`${company.uscc},defendant,${anyOf(causes, draws)},${yuan(amount)},${dayText(published)}`);
      if (!draws.bernoulli(logistic(-0.9 - 0.6 * health - 0.3 * path.discipline))) continue;
      const filed = published + 30 + draws.integer(60);
      const ended = filed + 60 + draws.integer(90);
      if (ended < calendar.snapshotDay) out.ended_enforcements.row(`${company.uscc},${dayText(filed)},${yuan(amount)},${dayText(ended)}`);
      const listed = filed + 20 + draws.integer(60);
      if (listed >= calendar.snapshotDay || !draws.bernoulli(0.4)) continue;
      const performed = draws.bernoulli(logistic(health)) ? "partial" : "none";
      out.dishonest_debtors.row(`${company.uscc},${dayText(filed)},${dayText(listed)},${performed},${yuan(amount)}`);
    }
  }
}

function writeListings({ company, path, calendar }: Subject, draws: Draws, listings: Rows): void {
  const { dayText } = calendar;
  for (let t = company.start; t < path.months; t += 1) {
    const health = path.health[t] ?? 0;
    if (!draws.bernoulli(Math.min(0.2, Math.exp(-5.9 - 0.45 * health - 0.45 * path.discipline)))) continue;
    const listed = calendar.firstDay(t) + draws.integer(28);
    const removed = listed + Math.ceil(draws.exponential(200 * Math.exp(-0.3 * health)));
    const reason = draws.bernoulli(0.55) ? "annual_report_missing" : draws.bernoulli(0.8) ? "not_at_address" : "false_publication";
    listings.row(`${company.uscc},${reason},${dayText(listed)},${removed < calendar.snapshotDay ? dayText(removed) : ""}`);
  }
}

export const registryCourts = defineProvider({
  folder: "registry_courts",
  coverage: () => 0.98,
  population: "registrations",
  tables: {
    registrations: {
      company_name: "categorical", kind: "categorical", established_on: "date", region: "categorical", sector: "categorical",
      registered_capital_10k: "numeric", status: "categorical",
    },
    changes: { item: "categorical", changed_on: "date" },
    annual_reports: {
      year: "numeric", filed_on: "date", employees: "numeric",
      total_assets: "numeric", total_liabilities: "numeric", guarantees_given: "numeric",
    },
    abnormal_listings: { reason: "categorical", listed_on: "date", removed_on: "date" },
    judgments: { role: "categorical", cause: "categorical", amount: "numeric", published_on: "date" },
    ended_enforcements: { filed_on: "date", amount: "numeric", ended_on: "date" },
    dishonest_debtors: { filed_on: "date", published_on: "date", performance: "categorical", amount: "numeric" },
  },
  write(subject, draws, out) {
    const { company, path, calendar } = subject;
    const { uscc, region, sector } = company;
    const { dayText } = calendar;
    const established = dayText(company.established);
    out.registrations.row(
      `${uscc},${company.name},${company.size},${established},${region.code},${sector.code},${company.capital},in_business`,
    );
    for (let t = company.start; t < path.months; t += 1) {
      if (!draws.bernoulli(Math.exp(-3.9 - 0.2 * (path.health[t] ?? 0)))) continue;
      out.changes.row(`${uscc},${anyOf(changeItems, draws)},${dayText(calendar.firstDay(t) + draws.integer(28))}`);
    }
    const lastYear = calendar.year(path.months) - 2;
    for (let year = lastYear - 1; year <= lastYear; year += 1) {
      const forgotten = draws.bernoulli(logistic(-3.2 - 0.4 * path.discipline));
      if (forgotten || Number(dayText(company.established).slice(0, 4)) > year) continue;
      const deadline = Date.UTC(year + 1, 5, 30) / 86_400_000;
      const late = draws.bernoulli(logistic(-2.6 - 0.5 * path.discipline - 0.3 * path.healthNow));
      const delay = late ? Math.ceil(draws.exponential(40)) : -draws.integer(150);
      const filed = Math.min(calendar.snapshotDay - 1, deadline + delay);
      const assets = Math.exp(company.logRevenue + 0.1 + 0.6 * draws.normal());
      const debtRatio = logistic(0.1 + 0.4 * path.leverage + 0.9 * draws.normal());
      const employees = Math.max(1, Math.round(company.employees * draws.lognormal(0, 0.15)));
      const guarantees = draws.bernoulli(logistic(-2.2 + 0.4 * path.leverage)) ? 1 : 0;
      out.annual_reports.row(`${uscc},${year},${dayText(filed)},${employees},${yuan(assets)},${yuan(assets * debtRatio)},${guarantees}`);
    }
    writeListings(subject, draws, out.abnormal_listings);
    writeCourts(subject, draws, out);
  },
});
