// Licences of trades: construction, medicine, education, road transport; each to the companies of its sectors.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider } from "../provider.ts";

const share: Readonly<Record<string, number>> = { E: 0.85, G: 0.8, Q: 0.95, P: 0.9 };
const classes = ["building", "municipal", "decoration", "electromechanical", "steel_structure", "landscaping"] as const;
const grades = ["third", "second", "first", "special"] as const;

export const qualification = defineProvider({
  folder: "qualification",
  coverage: (company) => share[company.sector.code] ?? 0,
  tables: {
    construction_qualifications: {
      qualification_series: "categorical", qualification_class: "categorical", qualification_grade: "categorical", issued_on: "date", valid_until: "date",
    },
    medical_licences: { licence_number: "categorical", valid_until: "date" },
    education_licences: { school_type: "categorical", training_type: "categorical", valid_until: "date", penalties: "numeric" },
    transport_licences: { licence_number: "categorical", business_scope: "categorical", valid_until: "date" },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc, index, sector } = company;
    /** The end of a term of `years`: renewed in time by most, and rather by the disciplined and healthy. */
    const until = (years: number): string => {
      const expired = draws.bernoulli(logistic(-2.8 - 0.6 * path.discipline - 0.5 * path.healthNow));
      return calendar.dayText(calendar.snapshotDay + (expired ? -1 - draws.integer(300) : draws.integer(365 * years)));
    };
    if (sector.code === "E") {
      const first = draws.integer(classes.length);
      const count = Math.min(classes.length, 1 + draws.poisson(0.6));
      for (let n = 0; n < count; n += 1) {
        const level = Math.floor(Math.max(0, Math.min(3, 0.5 * (company.logRevenue - 14.5) + 0.2 * path.healthNow + 0.6 * draws.normal())));
        const issued = calendar.dayText(Math.max(company.established + 1, calendar.snapshotDay - 200 - draws.integer(1600)));
        const series = level > 1 ? "general_contracting" : "professional_contracting";
        out.construction_qualifications.row(`${uscc},${series},${classes[(first + n) % classes.length]},${grades[level]},${issued},${until(5)}`);
      }
    } else if (sector.code === "Q") {
      out.medical_licences.row(`${uscc},DEMO${index}M,${until(5)}`);
    } else if (sector.code === "P") {
      const penalties = draws.poisson(Math.exp(-1.4 - 0.5 * path.discipline - 0.3 * path.healthNow));
      out.education_licences.row(`${uscc},training,${anyOf(["language", "arts", "vocational", "sports"], draws)},${until(4)},${penalties}`);
    } else {
      const scopes = 1 + draws.poisson(0.4);
      for (let n = 0; n < scopes; n += 1) {
        out.transport_licences.row(`${uscc},DEMO${index}G${n},${anyOf(["general_freight", "dangerous_goods", "containers", "passengers"], draws)},${until(4)}`);
      }
    }
  },
});
