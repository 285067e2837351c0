// Utilities: electricity, water and gas accounts with monthly usage, bills, days late and arrears.
import type { Company } from "../company.ts";
import type { Rows } from "../csv.ts";
import type { Draws } from "../draws.ts";
import { logistic } from "../draws.ts";
import type { Subject } from "../provider.ts";
import { defineProvider, yuan } from "../provider.ts";
import { climateOf, regions } from "../sectors.ts";

const climates = new Map(regions.map((region) => [region.code, climateOf(region)]));
/** Yuan a kWh and a cubic metre of water and of gas. */
const price = { electricity: 0.72, water: 4.1, gas: 3.6 } as const;
type Kind = keyof typeof price;
/** How use follows activity (elasticity), its noise, and how much of the climate's swing it shows. */
const use = {
  electricity: { activity: 0.65, noise: 0.1, climate: 1 },
  water: { activity: 0.5, noise: 0.2, climate: 0.3 },
  gas: { activity: 0.55, noise: 0.18, climate: -0.2 },
} as const satisfies Record<Kind, unknown>;

/** Typical use a month at neutral activity. */
function level(kind: Kind, company: Company, draws: Draws): number {
  const tenThousands = Math.exp(company.logRevenue) / 12 / 10_000;
  const perUnit = kind === "electricity" ? company.sector.kwh : kind === "water" ? company.sector.water : 0.06 * company.sector.kwh;
  return Math.max(kind === "electricity" ? 60 : 4, perUnit * tenThousands ** 0.9) * draws.lognormal(0, 0.4);
}

/** Writes the bills of one kind; returns what is still unpaid at the snapshot and how many bills were paid very late. */
function writeBills(kind: Kind, { company, path, calendar }: Subject, draws: Draws, bills: Rows): { unpaid: number; breaches: number } {
  const { activity, noise, climate } = use[kind];
  const typical = level(kind, company, draws);
  const swing = climates.get(company.region.code);
  const normalRevenue = Math.exp(company.logRevenue) / 12;
  // An occasional vacancy: premises closed or moved, no readings for some months.
  const vacantFrom = draws.bernoulli(0.04) ? draws.integer(path.months) : path.months;
  const vacantTo = vacantFrom + 2 + draws.integer(4);
  let unpaid = 0;
  let breaches = 0;
  for (let t = company.start; t < path.months; t += 1) {
    if (t >= vacantFrom && t < vacantTo) continue;
    const health = path.health[t] ?? 0;
    const running = Math.max(0.15, (path.revenue[t] ?? 0) / normalRevenue);
    const weather = climate * (swing?.[calendar.monthOfYear(t)] ?? 0);
    const quantity = typical * running ** activity * Math.exp(weather + 0.04 * health + noise * draws.normal());
    const amount = quantity * price[kind];
    const late = draws.bernoulli(logistic(-2 - 0.6 * path.discipline - 0.6 * health));
    const days = late ? 1 + Math.floor(draws.exponential(9 * Math.exp(-0.3 * health))) : 0;
    const dueDay = calendar.firstDay(t + 1) + 10;
    const open = dueDay < calendar.snapshotDay && dueDay + days >= calendar.snapshotDay;
    if (open) unpaid += amount;
    if (days > 30 && dueDay + 30 < calendar.snapshotDay) breaches += 1;
    if (draws.bernoulli(0.012)) continue;
    const daysLate = Math.max(0, Math.min(days, calendar.snapshotDay - dueDay));
    bills.row(`${company.uscc},${calendar.monthText(t)},${Math.round(quantity)},${yuan(amount)},${daysLate},${open ? yuan(amount) : 0}`);
  }
  return { unpaid, breaches };
}

const billed = { amount: "numeric", days_late: "numeric", unpaid_amount: "numeric" } as const;

export const utilities = defineProvider({
  folder: "utilities",
  coverage: () => 0.94,
  population: "electricity_accounts",
  tables: {
    electricity_accounts: {
      opened_on: "date", voltage: "categorical", contract_capacity_kva: "numeric", operating_capacity_kva: "numeric",
      status: "categorical", arrears_amount: "numeric", breaches_24m: "numeric",
    },
    electricity_bills: { month: "date", kwh: "numeric", ...billed },
    water_bills: { month: "date", cubic_metres: "numeric", ...billed },
    gas_bills: { month: "date", cubic_metres: "numeric", ...billed },
  },
  write(subject, draws, out) {
    const { company, path, calendar } = subject;
    const bills = writeBills("electricity", subject, draws, out.electricity_bills);
    const demandKva = (Math.exp(company.logRevenue) / 12 / 10_000) ** 0.9 * company.sector.kwh / 250;
    const capacity = Math.max(5, Math.round(demandKva * draws.lognormal(0.2, 0.3)));
    const operating = Math.max(5, Math.round(capacity * (0.75 + 0.25 * draws.uniform())));
    const status = path.healthNow < -1.5 && draws.bernoulli(0.15) ? "suspended" : "normal";
    const opened = calendar.dayText(company.established + draws.integer(90));
    const voltage = capacity >= 100 ? "10kV" : "380V";
    out.electricity_accounts.row(
      `${company.uscc},${opened},${voltage},${capacity},${operating},${status},${yuan(bills.unpaid)},${bills.breaches}`,
    );
    if (draws.bernoulli(0.9)) writeBills("water", subject, draws, out.water_bills);
    if (draws.bernoulli(company.sector.gas)) writeBills("gas", subject, draws, out.gas_bills);
  },
});
