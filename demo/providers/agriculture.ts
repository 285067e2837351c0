// Agriculture and rural affairs: operators, their land, insurance and subsidies; farmers' particulars and land transfers for verification.
import { logistic } from "../draws.ts";
import { anyOf, defineProvider, yuan } from "../provider.ts";

const operatorTypes = ["family_farm", "cooperative", "leading_enterprise"] as const;
const insured = ["grain", "vegetables", "livestock", "fruit"] as const;
const subsidies = ["machinery", "grain_growers", "green_production", "land_protection"] as const;

export const agriculture = defineProvider({
  folder: "agriculture",
  coverage: (company) => (company.sector.code === "A" ? 0.93 : 0),
  population: "agricultural_operators",
  tables: {
    agricultural_operators: { operator_type: "categorical", person_in_charge: "categorical", land_mu: "numeric" },
    agricultural_insurance: {
      insurance_type: "categorical", insured_scale: "numeric", insured_amount: "numeric", policy_valid_until: "date", claims_amount: "numeric",
    },
    agricultural_subsidies: { subsidy_type: "categorical", subsidy: "numeric", paid_on: "date" },
    large_growers: { listed_on: "date" },
    farmers: { farmer_name: "categorical", certificate_type: "categorical", certificate: "categorical" },
    land_transfers: { transfer_fee: "numeric", land_area: "numeric", plot_code: "categorical" },
  },
  write({ company, path, traits, calendar }, draws, out) {
    const { uscc, region, index } = company;
    const now = calendar.snapshotDay;
    const type = operatorTypes[company.sizeFacts.form];
    const land = Math.max(5, Math.round(Math.exp(3.6 + 0.55 * (company.logRevenue - 13) + 0.6 * draws.normal())));
    out.agricultural_operators.row(`${uscc},${type},${traits.representative},${land}`);
    if (type === "family_farm") out.farmers.row(`${uscc},${traits.representative},resident_identity_card,${traits.certificate}`);
    const crop = anyOf(insured, draws);
    for (let back = 2; back >= 0; back -= 1) {
      const ends = now + 60 + draws.integer(240) - 365 * back;
      if (ends - 365 < company.established || ends - 365 >= now || !draws.bernoulli(logistic(0.4 + 0.5 * path.discipline + 0.2 * path.healthNow))) continue;
      const scale = Math.max(1, Math.round(land * (0.5 + 0.5 * draws.uniform())));
      const amount = scale * (crop === "livestock" ? 1500 : 800);
      const loss = draws.bernoulli(logistic(-1.4 - 0.5 * path.healthNow)) ? amount * 0.4 * draws.uniform() : 0;
      out.agricultural_insurance.row(`${uscc},${crop},${scale},${amount},${calendar.dayText(ends)},${yuan(loss)}`);
    }
    for (let n = draws.poisson(1.6); n > 0; n -= 1) {
      const paid = Math.max(company.established + 30, now - 1 - draws.integer(1000));
      if (paid < now) out.agricultural_subsidies.row(`${uscc},${anyOf(subsidies, draws)},${yuan(land * 60 * draws.lognormal(0, 0.5))},${calendar.dayText(paid)}`);
    }
    if (land > 110 && draws.bernoulli(0.85)) out.large_growers.row(`${uscc},${calendar.dayText(Math.max(company.established + 1, now - 30 - draws.integer(700)))}`);
    for (let n = draws.poisson(0.8); n > 0; n -= 1) {
      const area = Math.max(1, Math.round(land * draws.uniform() * 0.5));
      out.land_transfers.row(`${uscc},${yuan(area * 600 * draws.lognormal(0, 0.3))},${area},${region.code}DEMO${index}L${n}`);
    }
  },
});
