// Science and technology: who is a high-tech enterprise, and what support for research it got.
import type { Shares } from "../draws.ts";
import { logistic } from "../draws.ts";
import { defineProvider, yuan } from "../provider.ts";

const kinds: Shares<string> = [["funds", 0.55], ["talent", 0.2], ["standard", 0.15], ["laboratory", 0.1]];

export const research = defineProvider({
  folder: "research",
  coverage: (company, traits) => (company.sizeFacts.form === 2 ? logistic(2.5 * (traits.innovation - 0.4)) : 0),
  population: "research_status",
  tables: {
    research_status: { is_high_tech: "numeric", recognised_on: "date" },
    research_support: { kind: "categorical", amount: "numeric", granted_on: "date" },
  },
  write({ company, path, traits, calendar }, draws, out) {
    const { uscc } = company;
    const isHighTech = company.ageMonths > 12 && draws.bernoulli(logistic(-1.2 + 0.9 * traits.innovation + 0.2 * path.healthNow));
    const recognised = Math.max(company.established + 365, calendar.snapshotDay - 60 - draws.integer(1400));
    const day = isHighTech && recognised < calendar.snapshotDay;
    out.research_status.row(`${uscc},${day ? 1 : 0},${day ? calendar.dayText(recognised) : ""}`);
    const months = Math.min(60, company.ageMonths);
    for (let n = draws.poisson((months / 60) * Math.exp(-0.4 + 0.5 * traits.innovation + 0.2 * path.healthNow)); n > 0; n -= 1) {
      const kind = draws.pick(kinds, ([, weight]) => weight)[0];
      const amount = kind === "funds" || kind === "laboratory" ? draws.lognormal(12, 0.8) : 0;
      const granted = calendar.snapshotDay - 1 - draws.integer(Math.max(1, months * 30));
      out.research_support.row(`${uscc},${kind},${yuan(amount)},${calendar.dayText(granted)}`);
    }
  },
});
