// Administrative action, as collected from all departments: licences, penalties, coercive measures.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider, yuan } from "../provider.ts";

const licences = ["ordinary", "concession", "recognition", "registration"] as const;
const offences = ["market_order", "product_quality", "fire_safety", "environment", "labour", "tax"] as const;

export const administrative = defineProvider({
  folder: "administrative",
  coverage: () => 0.96,
  tables: {
    administrative_licences: { licence_type: "categorical", decided_on: "date", valid_until: "date", licence_status: "categorical" },
    administrative_penalties: { offence_type: "categorical", fine: "numeric", confiscated: "numeric", decided_on: "date" },
    coercive_measures: { form: "categorical", enforced_on: "date" },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc } = company;
    const { dayText, snapshotDay: now } = calendar;
    for (let n = 1 + draws.poisson(0.5 + 0.15 * Math.max(0, company.logRevenue - 13)); n > 0; n -= 1) {
      const decided = Math.max(company.established, now - 10 - draws.integer(1500));
      const expired = draws.bernoulli(logistic(-2.2 - 0.4 * path.discipline - 0.3 * path.healthNow));
      const ends = expired ? now - 1 - draws.integer(200) : now + draws.integer(1500);
      const status = expired && draws.bernoulli(0.5) ? "ended" : "in_force";
      out.administrative_licences.row(`${uscc},${anyOf(licences, draws)},${dayText(Math.min(decided, now - 1))},${dayText(ends)},${status}`);
    }
    const scale = 0.2 * (company.logRevenue - 14.5);
    for (let t = company.start; t < path.months; t += 1) {
      const rate = Math.exp(-5 - 0.35 * (path.health[t] ?? 0) - 0.5 * path.discipline + scale);
      if (!draws.bernoulli(Math.min(0.3, rate))) continue;
      const decided = calendar.firstDay(t) + draws.integer(28);
      const fine = Math.round(draws.lognormal(8.6 + 0.4 * scale, 1.1) / 100) * 100;
      const confiscated = draws.bernoulli(0.15) ? yuan(draws.lognormal(9, 1)) : 0;
      out.administrative_penalties.row(`${uscc},${anyOf(offences, draws)},${fine},${confiscated},${dayText(decided)}`);
      const enforced = decided + 60 + draws.integer(90);
      if (enforced < now && draws.bernoulli(logistic(-1.2 - 0.7 * path.discipline))) {
        out.coercive_measures.row(`${uscc},${anyOf(["additional_fine", "seizure", "auction"], draws)},${dayText(enforced)}`);
      }
    }
  },
});
