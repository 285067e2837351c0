// Ecology and environment: yearly credit ratings, carbon emissions of larger companies, records of impact assessment.
import { logistic } from "../draws.ts";
import { defineProvider } from "../provider.ts";

const watched: Readonly<Record<string, number>> = { B: 0.85, C: 0.6, Q: 0.3, E: 0.12, H: 0.06 };
/** Tonnes of CO2 per kWh, roughly the national grid's. */
const tonnesPerKwh = 0.00058;

function gradeOf(score: number): string {
  if (score >= 90) return "green";
  if (score >= 80) return "blue";
  if (score >= 70) return "yellow";
  return score >= 60 ? "red" : "black";
}

export const environment = defineProvider({
  folder: "environment",
  coverage: (company) => (watched[company.sector.code] ?? 0.02) * (company.sizeFacts.form === 2 ? 1 : 0.3),
  tables: {
    environment_ratings: { score: "numeric", grade: "categorical", rated_on: "date" },
    carbon_emissions: { year: "numeric", tonnes: "numeric", quota_tonnes: "numeric" },
    assessment_records: { recorded_on: "date", points: "numeric" },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc } = company;
    const now = calendar.snapshotDay;
    const lasting = 0.5 * path.discipline + 0.4 * path.healthNow + 0.5 * draws.normal();
    for (let back = 2; back >= 0; back -= 1) {
      const rated = now - 365 * back - 120 - draws.integer(90);
      // Whoever is on the list has at least the latest rating.
      if (back > 0 && rated < company.established + 180) continue;
      const score = Math.round(Math.max(35, Math.min(100, 83 + 7 * lasting + 4 * draws.normal())));
      out.environment_ratings.row(`${uscc},${score},${gradeOf(score)},${calendar.dayText(rated)}`);
    }
    if ((company.size === "small" || company.size === "medium") && draws.bernoulli(0.8)) {
      const kwh = (Math.exp(company.logRevenue) / 10_000) * company.sector.kwh;
      const usual = kwh * tonnesPerKwh * draws.lognormal(0.2, 0.4);
      const last = calendar.year(path.months) - 2;
      for (let year = last - 1; year <= last; year += 1) {
        const tonnes = usual * Math.exp(0.6 * path.growth * (year - last) + 0.06 * path.healthNow + 0.08 * draws.normal());
        out.carbon_emissions.row(`${uscc},${year},${Math.max(1, Math.round(tonnes))},${Math.max(1, Math.round(usual * draws.lognormal(0, 0.1)))}`);
      }
    }
    for (let n = draws.poisson(0.5 * logistic(-1.2 - 0.9 * lasting)); n > 0; n -= 1) {
      out.assessment_records.row(`${uscc},${calendar.dayText(now - 1 - draws.integer(720))},${1 + draws.integer(5)}`);
    }
  },
});
