// Intellectual property offices: trademarks, patents, software copyrights and pledges of them, for companies that have any.
import type { Rows } from "../csv.ts";
import type { Draws } from "../draws.ts";
import { logistic } from "../draws.ts";
import type { Subject } from "../provider.ts";
import { anyOf, defineProvider, yuan } from "../provider.ts";

const industries = ["manufacturing", "commerce", "logistics", "finance", "education", "health"] as const;

/** The day something was applied for: within six years, not before the company. */
function appliedOn({ company, calendar }: Subject, draws: Draws): number {
  const earliest = Math.max(company.established + 1, calendar.snapshotDay - 2190);
  return Math.min(calendar.snapshotDay - 1, earliest + draws.integer(calendar.snapshotDay - earliest));
}

/** Returns how many are granted. */
function writePatents(subject: Subject, count: number, draws: Draws, patents: Rows): number {
  const { company, path, calendar } = subject;
  let granted = 0;
  for (let n = 0; n < count; n += 1) {
    const type = draws.bernoulli(0.3) ? "invention" : draws.bernoulli(0.8) ? "utility_model" : "design";
    const applied = appliedOn(subject, draws);
    const published = applied + (type === "invention" ? 500 : 180) + draws.integer(200);
    const lapsed = draws.bernoulli(logistic(-2 - 0.4 * path.healthNow - 0.3 * path.discipline));
    const isKnown = published < calendar.snapshotDay;
    const status = !isKnown ? "pending" : lapsed ? "lapsed" : "granted";
    if (status === "granted") granted += 1;
    const number = `DEMO${company.index}P${n}`;
    patents.row(`${company.uscc},${number},${type},${calendar.dayText(applied)},${isKnown ? calendar.dayText(published) : ""},${status}`);
  }
  return granted;
}

export const intellectualProperty = defineProvider({
  folder: "intellectual_property",
  coverage: (company, traits) => logistic(-1.9 + 1.1 * traits.innovation) * (company.ageMonths > 12 ? 1 : 0.3),
  tables: {
    trademarks: { registration_number: "categorical", applied_on: "date", international_class: "categorical", exclusive_from: "date", exclusive_until: "date" },
    patents: { application_number: "categorical", patent_type: "categorical", applied_on: "date", published_on: "date", legal_status: "categorical" },
    software_copyrights: { registration_number: "categorical", industry_class: "categorical", registered_on: "date" },
    ip_pledges: { kind: "categorical", pledged_on: "date", amount: "numeric" },
  },
  write(subject, draws, out) {
    const { company, path, traits, calendar } = subject;
    const { uscc, index, sector } = company;
    const patents = draws.poisson(Math.min(40, Math.exp(0.2 + 0.7 * traits.innovation + 0.15 * path.healthNow)));
    const granted = writePatents(subject, patents, draws, out.patents);
    const software = sector.code === "I" || traits.innovation > 1 ? draws.poisson(Math.min(30, Math.exp(0.4 + 0.6 * traits.innovation))) : 0;
    for (let n = 0; n < software; n += 1) {
      out.software_copyrights.row(`${uscc},DEMO${index}S${n},${anyOf(industries, draws)},${calendar.dayText(appliedOn(subject, draws))}`);
    }
    // Whoever is known has at least a trademark.
    const trademarks = Math.max(patents + software === 0 ? 1 : 0, draws.poisson(Math.exp(0.1 * (company.logRevenue - 13))));
    for (let n = 0; n < trademarks; n += 1) {
      const from = Math.max(calendar.snapshotDay - 3900, company.established + 1);
      const applied = from + draws.integer(Math.max(1, calendar.snapshotDay - 400 - from));
      const exclusive = Math.min(calendar.snapshotDay - 1, applied + 250 + draws.integer(120));
      const days = [Math.min(applied, calendar.snapshotDay - 1), exclusive, exclusive + 3652].map((day) => calendar.dayText(day));
      out.trademarks.row(`${uscc},DEMO${index}T${n},${days[0]},${1 + draws.integer(45)},${days[1]},${days[2]}`);
    }
    if (granted > 0 && draws.bernoulli(logistic(-2.2 + 0.5 * path.leverage))) {
      const pledged = calendar.snapshotDay - 1 - draws.integer(1000);
      out.ip_pledges.row(`${uscc},patent,${calendar.dayText(pledged)},${yuan(draws.lognormal(company.logRevenue - 2.5, 0.6))}`);
    }
  },
});
