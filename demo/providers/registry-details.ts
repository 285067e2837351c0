// Market regulator, the particulars that are called by interface: representative, shareholders, branches, pledges of equity, spot checks.
import { logistic } from "../draws.ts";
import { defineProvider } from "../provider.ts";

export const registryDetails = defineProvider({
  folder: "registry_details",
  coverage: () => 0.97,
  population: "legal_representatives",
  tables: {
    legal_representatives: { legal_representative: "categorical", since: "date" },
    shareholders: { shareholder_name: "categorical", shareholder_type: "categorical", contribution_share: "numeric", contribution_10k: "numeric" },
    branches: { branch_established_on: "date", branch_status: "categorical" },
    equity_pledges: { pledge_registered_on: "date", pledged_equity_10k: "numeric", pledge_status: "categorical" },
    spot_checks: { failed_checks_3y: "numeric" },
  },
  write({ company, path, traits, calendar }, draws, out) {
    const { uscc, capital } = company;
    const { dayText, snapshotDay: now } = calendar;
    const stayed = draws.bernoulli(logistic(1 + 0.4 * path.healthNow));
    const since = stayed ? company.established : company.established + draws.integer(Math.max(1, now - company.established));
    out.legal_representatives.row(`${uscc},${traits.representative},${dayText(Math.min(since, now - 1))}`);
    const owners = company.sizeFacts.form === 0 ? 1 : 1 + draws.poisson(company.size === "micro" ? 0.7 : 1.6);
    let left = 1000;
    for (let n = 0; n < owners; n += 1) {
      const part = n === owners - 1 ? left : Math.max(1, Math.round(left * (0.35 + 0.5 * draws.uniform())));
      if (part <= 0) break;
      left -= part;
      const isPerson = n === 0 || draws.bernoulli(0.85);
      const name = n === 0 ? traits.representative : `${traits.representative}之${isPerson ? "合伙人" : "股东企业"}${n}`;
      out.shareholders.row(`${uscc},${name},${isPerson ? "person" : "company"},${part / 1000},${Math.max(1, Math.round((capital * part) / 1000))}`);
    }
    for (let n = draws.poisson(Math.exp(-3 + 0.5 * (company.logRevenue - 14))); n > 0; n -= 1) {
      const opened = Math.min(now - 1, company.established + draws.integer(Math.max(1, now - company.established)));
      out.branches.row(`${uscc},${dayText(opened)},${draws.bernoulli(logistic(1.4 + 0.5 * path.healthNow)) ? "in_business" : "deregistered"}`);
    }
    if (company.sizeFacts.form === 2 && draws.bernoulli(logistic(-3.4 + 0.7 * path.leverage))) {
      const pledged = now - 1 - draws.integer(Math.min(1000, Math.max(1, now - company.established)));
      const equity = Math.max(1, Math.round(capital * (0.1 + 0.6 * draws.uniform())));
      out.equity_pledges.row(`${uscc},${dayText(pledged)},${equity},${draws.bernoulli(0.75) ? "in_force" : "cancelled"}`);
    }
    out.spot_checks.row(`${uscc},${draws.poisson(Math.exp(-2.6 - 0.5 * path.discipline - 0.2 * path.healthNow))}`);
  },
});
