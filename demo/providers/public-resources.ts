// Public resource trading: contracts that companies won, as announced.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider } from "../provider.ts";

const bidding: Readonly<Record<string, number>> = { E: 0.9, I: 0.5, L: 0.2, M: 0.4, C: 0, K: 0.3, O: -0.5, F: -0.4 };
const types = ["construction", "government_procurement", "state_assets", "land_and_mining"] as const;

export const publicResources = defineProvider({
  folder: "public_resources",
  coverage: (company) => (company.sizeFacts.form === 2 ? logistic(-1.6 + (bidding[company.sector.code] ?? -1.5) + 0.4 * (company.logRevenue - 15.5)) : 0),
  tables: { public_transactions: { transaction_type: "categorical", project_amount: "numeric", announced_on: "date" } },
  write({ company, path, calendar }, draws, out) {
    const usual = company.sector.code === "E" ? types[0] : types[1];
    const months = Math.min(48, company.ageMonths);
    for (let n = 1 + draws.poisson(Math.exp(0.3 + 0.25 * path.healthNow)); n > 0; n -= 1) {
      const amount = Math.max(1, Math.round(draws.lognormal(company.logRevenue - 2.8, 0.8) / 1000)) * 1000;
      const day = calendar.snapshotDay - 1 - draws.integer(months * 30);
      out.public_transactions.row(`${company.uscc},${draws.bernoulli(0.75) ? usual : anyOf(types, draws)},${amount},${calendar.dayText(day)}`);
    }
  },
});
