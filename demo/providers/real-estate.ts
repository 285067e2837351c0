// Natural resources: real estate of companies and mortgages on it. Shared by data verification alone, so no indicator is made from it.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider } from "../provider.ts";

const shares = { individual: 0.12, cooperative: 0.15, micro: 0.25, small: 0.5, medium: 0.8 } as const;

export const realEstate = defineProvider({
  folder: "real_estate",
  coverage: (company) => shares[company.size],
  tables: {
    company_properties: { unit_number: "categorical", purpose: "categorical", area_m2: "numeric", registered_on: "date" },
    company_mortgages: { unit_number: "categorical", right_type: "categorical", mortgage_registered_on: "date" },
  },
  write({ company, path, calendar }, draws, out) {
    const { uscc, region, index } = company;
    const now = calendar.snapshotDay;
    for (let n = draws.poisson(0.4); n >= 0; n -= 1) {
      const unit = `${region.code}DEMO${index}U${n}`;
      const area = Math.max(20, Math.round(Math.exp(5 + 0.5 * (company.logRevenue - 14) + 0.6 * draws.normal())));
      const registered = company.established + draws.integer(Math.max(1, now - company.established));
      out.company_properties.row(`${uscc},${unit},${anyOf(["industrial", "commercial", "office", "warehouse"], draws)},${area},${calendar.dayText(registered)}`);
      if (!draws.bernoulli(logistic(-0.6 + 0.8 * path.leverage))) continue;
      const mortgaged = registered + draws.integer(Math.max(1, now - registered));
      out.company_mortgages.row(`${uscc},${unit},${draws.bernoulli(0.7) ? "general_mortgage" : "maximum_amount_mortgage"},${calendar.dayText(mortgaged)}`);
    }
  },
});
