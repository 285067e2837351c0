// Medical insurance: designated pharmacies and private institutions, and the list of designated units for verification.
import { logistic } from "../draws.ts";
import { defineProvider } from "../provider.ts";

export const medicalInsurance = defineProvider({
  folder: "medical_insurance",
  coverage: (company) => (company.sector.code === "Q" ? 0.9 : company.sector.code === "F" ? 0.05 : 0),
  population: "designated_units",
  tables: {
    designated_pharmacies: { licensed_on: "date", licence_valid_until: "date" },
    private_hospitals: { practice_licence_valid_until: "date" },
    designated_units: { is_designated: "numeric" },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc, sector } = company;
    const now = calendar.snapshotDay;
    const expired = draws.bernoulli(logistic(-2.6 - 0.5 * path.discipline - 0.4 * path.healthNow));
    const ends = calendar.dayText(expired ? now - 1 - draws.integer(180) : now + draws.integer(1800));
    if (sector.code === "Q") out.private_hospitals.row(`${uscc},${ends}`);
    else out.designated_pharmacies.row(`${uscc},${calendar.dayText(Math.min(now - 1, company.established + draws.integer(400)))},${ends}`);
    out.designated_units.row(`${uscc},${expired ? 0 : 1}`);
  },
});
