// Housing provident fund: contributors and deposits by month; a month without a deposit has no row (a gap).
import { logistic } from "../draws.ts";
import { defineProvider, nextState, yuan } from "../provider.ts";

export const housingFund = defineProvider({
  folder: "housing_fund",
  coverage: (company) => (company.size === "individual" || company.size === "cooperative" ? 0.8 : 0.9),
  population: "units",
  tables: {
    units: { opened_on: "date", rate_percent: "numeric", status: "categorical" },
    deposits: { month: "date", contributors: "numeric", amount: "numeric", days_late: "numeric" },
  },
  standardNames: { units: "fund_units" },
  write({ company, path, calendar }, draws, out) {
    const share = company.sizeFacts.form === 2 ? 0.45 + 0.5 * draws.uniform() : 0.3 + 0.4 * draws.uniform();
    const ratePercent = Math.max(5, Math.min(12, Math.round(6.5 + 0.8 * (path.health[0] ?? 0) + 2 * draws.normal())));
    const wage = draws.lognormal(8.7 + 0.04 * Math.log(company.employees), 0.3);
    const opened = company.established + 30 + draws.integer(120);
    const status = draws.bernoulli(0.02) ? "sealed" : "normal";
    out.units.row(`${company.uscc},${calendar.dayText(Math.min(opened, calendar.snapshotDay - 30))},${ratePercent},${status}`);
    let gap = false;
    for (let t = company.start; t < path.months; t += 1) {
      const health = path.health[t] ?? 0;
      gap = nextState(gap, logistic(-3.8 - 0.9 * health - 0.35 * path.discipline), logistic(-0.6 + 0.5 * health), draws);
      if (gap || calendar.firstDay(t + 1) <= opened) continue;
      const contributors = Math.max(1, Math.round((path.employees[t] ?? 0) * share * draws.lognormal(0, 0.03)));
      const base = contributors * wage * (1 + 0.05 * Math.floor(t / 12));
      const amount = base * ((2 * ratePercent) / 100) * draws.lognormal(0, 0.04);
      const late = draws.bernoulli(logistic(-2.6 - 0.4 * path.discipline - 0.3 * health)) ? 1 + Math.floor(draws.exponential(9)) : 0;
      out.deposits.row(`${company.uscc},${calendar.monthText(t)},${contributors},${yuan(amount)},${late}`);
    }
  },
});
