// Social insurance: insured employees, contributions and arrears by month.
import { logistic } from "../draws.ts";
import { defineProvider, nextState, yuan } from "../provider.ts";

/** Employer's share of pension, medical, unemployment and injury insurance. */
const employerRate = 0.27;

export const socialInsurance = defineProvider({
  folder: "social_insurance",
  coverage: (company) => (company.size === "individual" ? 0.86 : 0.95),
  population: "units",
  tables: {
    units: { opened_on: "date", status: "categorical" },
    contributions: {
      month: "date", insured_employees: "numeric", contribution_base: "numeric", due_amount: "numeric", paid_amount: "numeric",
    },
    arrears: { owed_since: "date", amount: "numeric", cleared_on: "date" },
  },
  standardNames: { units: "insured_units", arrears: "contribution_arrears" },
  write({ company, path, calendar }, draws, out) {
    const share = company.sizeFacts.form === 2 ? 0.65 + 0.35 * draws.uniform() : 0.4 + 0.4 * draws.uniform();
    const wage = draws.lognormal(8.75 + 0.04 * Math.log(company.employees), 0.28);
    const opened = company.established + 20 + draws.integer(60);
    out.units.row(`${company.uscc},${calendar.dayText(opened)},${draws.bernoulli(0.02) ? "suspended" : "active"}`);
    let behind = false;
    let owed = 0;
    let owedSince = 0;
    const close = (clearedOn: string): void => {
      if (owed >= 1) out.arrears.row(`${company.uscc},${calendar.dayText(owedSince)},${yuan(owed)},${clearedOn}`);
      owed = 0;
    };
    for (let t = company.start; t < path.months; t += 1) {
      const health = path.health[t] ?? 0;
      const insured = Math.max(1, Math.round((path.employees[t] ?? 0) * share * draws.lognormal(0, 0.03)));
      const yearsIn = Math.floor(t / 12);
      const base = insured * wage * (1 + 0.05 * yearsIn) * draws.lognormal(0.03 * health, 0.04);
      const due = base * employerRate;
      const wasBehind = behind;
      behind = nextState(behind, logistic(-4.4 - 0.9 * health - 0.4 * path.discipline), logistic(-1.3 + 0.6 * health), draws);
      if (wasBehind && !behind) close(calendar.dayText(calendar.firstDay(t) + draws.integer(28)));
      const paidAmount = behind ? due * (draws.bernoulli(0.6) ? 0 : draws.uniform()) : due;
      if (behind) {
        if (owed === 0) owedSince = calendar.firstDay(t) + 24;
        owed += due - paidAmount;
      }
      if (draws.bernoulli(0.01)) continue;
      out.contributions.row(`${company.uscc},${calendar.monthText(t)},${insured},${yuan(base)},${yuan(due)},${yuan(paidAmount)}`);
    }
    close("");
  },
});
