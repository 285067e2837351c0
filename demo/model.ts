// The structural model: latent financial health of each company, what it drives, and the hazard of default.
// README.md explains every coefficient. The latent values never leave this process: no file holds them.
import type { Calendar } from "./calendar.ts";
import type { Company } from "./company.ts";
import type { Draws } from "./draws.ts";
import { seasonOf, sectors } from "./sectors.ts";

/** All coefficients of the latent process and of the outcome. */
export const coefficients = {
  /** Health h(t) = mean + u(t) + sector(t); u is AR(1) with persistence `persistence` and stationary sd `sd`. */
  health: {
    meanSd: 0.6, persistence: 0.96, sd: 0.8, sectorPersistence: 0.95, sectorSd: 0.1,
    size: { individual: -0.1, cooperative: 0, micro: -0.05, small: 0.1, medium: 0.25 },
  },
  /** Log revenue per unit of health, its monthly noise, and the yearly trend. */
  revenue: { health: 0.2, noise: 0.22, growthMean: 0.03, growthSd: 0.2 },
  /** Employees follow health slowly: partial adjustment per month, log response, noise. */
  employees: { adjustment: 0.15, health: 0.12, noise: 0.02 },
  /** Log monthly hazard of default: sum of these terms. */
  hazard: {
    base: -7.15,
    health: -1.3,
    discipline: -0.6,
    leverage: 0.45,
    /** Leverage above 0 times health below 0: the two only bite together. */
    leverageDistress: 0.8,
    /** Distance of the trend beyond one sd, falling or overheating. */
    extremeGrowth: 0.5,
    /** Trend (in sds) times leverage: growth on debt fails, growth on own funds lasts. No effect of its own on average. */
    growthOnDebt: 0.8,
    young: 0.35,
    unsecured: 0.15,
    /** No collateral times discipline below 0: who need not lose anything, and does not care to pay. */
    unsecuredUnwilling: 0.9,
    secured: -0.3,
    frailtySd: 0.3,
  },
  /** Age below which a company counts as young, months. */
  youngMonths: 36,
  /** The outcome looks at this many months after the application. */
  outcomeMonths: 12,
  /** Applications fall in the first months after the snapshot. */
  applicationMonths: 3,
} as const;

/** One company's latent path. Reused from company to company: read it before the next `simulate`. */
export type Path = {
  /** Months of history. */
  readonly months: number;
  /** Health for all months of history and of the outcome window. */
  readonly health: Float64Array;
  /** True monthly revenue in yuan, 0 before the company trades. */
  readonly revenue: Float64Array;
  readonly employees: Float64Array;
  /** Health at the snapshot (last month of history). */
  healthNow: number;
  /** Willingness to pay on time, standard normal, constant. */
  discipline: number;
  /** Indebtedness, standard normal, constant. */
  leverage: number;
  /** Trend of log revenue a year. */
  growth: number;
};

/** Common shocks of the sectors: one AR(1) path a sector. */
export type World = {
  readonly calendar: Calendar;
  /** Months of history and of the longest outcome window. */
  readonly horizon: number;
  /** By sector code. */
  readonly shocks: ReadonlyMap<string, Float64Array>;
  readonly seasons: ReadonlyMap<string, Float64Array>;
};

export function drawWorld(calendar: Calendar, draws: Draws): World {
  const { sectorPersistence: rho, sectorSd } = coefficients.health;
  const horizon = calendar.months + coefficients.applicationMonths + coefficients.outcomeMonths;
  const shocks = new Map<string, Float64Array>();
  for (const sector of sectors) {
    const path = new Float64Array(horizon);
    let shock = sectorSd * draws.normal();
    for (let t = 0; t < horizon; t += 1) {
      path[t] = shock;
      shock = rho * shock + sectorSd * Math.sqrt(1 - rho * rho) * draws.normal();
    }
    shocks.set(sector.code, path);
  }
  return { calendar, horizon, shocks, seasons: new Map(sectors.map((sector) => [sector.code, seasonOf(sector)])) };
}

export function emptyPath(world: World): Path {
  const { months } = world.calendar;
  const latent = { healthNow: 0, discipline: 0, leverage: 0, growth: 0 };
  const [health, revenue, employees] = [new Float64Array(world.horizon), new Float64Array(months), new Float64Array(months)];
  return { months, health, revenue, employees, ...latent };
}

/** Draws the latent path of `company` into `path`. */
export function simulate(company: Company, world: World, draws: Draws, path: Path): void {
  const { health: h, revenue: r, employees: e } = coefficients;
  const { months } = world.calendar;
  const shocks = world.shocks.get(company.sector.code);
  const season = world.seasons.get(company.sector.code);
  const mean = h.size[company.size] + h.meanSd * draws.normal();
  path.discipline = draws.normal();
  path.leverage = draws.normal();
  path.growth = r.growthMean + company.region.growth + r.growthSd * draws.normal();
  const step = h.sd * Math.sqrt(1 - h.persistence * h.persistence);
  let u = h.sd * draws.normal();
  let logEmployees = Math.log(company.employees);
  const target0 = logEmployees;
  for (let t = 0; t < world.horizon; t += 1) {
    const health = mean + u + (shocks?.[t] ?? 0);
    path.health[t] = health;
    u = h.persistence * u + step * draws.normal();
    if (t >= months) continue;
    const trend = path.growth * ((t - months / 2) / 12);
    logEmployees += e.adjustment * (target0 + e.health * health + 0.5 * trend - logEmployees) + e.noise * draws.normal();
    const ramp = t < company.start ? 0 : Math.min(1, (t - company.start + 1) / 4);
    const seasonal = season?.[world.calendar.monthOfYear(t)] ?? 0;
    path.revenue[t] = (ramp / 12) * Math.exp(company.logRevenue + trend + seasonal + r.health * health + r.noise * draws.normal());
    path.employees[t] = ramp === 0 ? 0 : Math.max(1, Math.exp(logEmployees));
  }
  path.healthNow = path.health[months - 1] ?? 0;
}

export type Collateral = "none" | "guarantee" | "equipment" | "property";

/**
 * Whether a loan applied for in month `application` (index counted like the history's) defaults within 12 months:
 * a discrete hazard 1 - exp(-exp(eta(t))) in each month, eta from `coefficients.hazard`.
 */
export function drawDefault(company: Company, path: Path, collateral: Collateral, application: number, draws: Draws): boolean {
  const c = coefficients.hazard;
  const growth = (path.growth - coefficients.revenue.growthMean) / coefficients.revenue.growthSd;
  const fixed = c.base + company.sector.risk + c.discipline * path.discipline + c.leverage * path.leverage
    + c.extremeGrowth * Math.max(0, Math.abs(growth) - 1) + c.growthOnDebt * growth * path.leverage
    + (company.ageMonths < coefficients.youngMonths ? c.young : 0)
    + (collateral === "none" ? c.unsecured + c.unsecuredUnwilling * Math.max(0, -path.discipline) : 0)
    + (collateral === "property" ? c.secured : 0)
    + c.frailtySd * draws.normal();
  for (let t = application; t < application + coefficients.outcomeMonths; t += 1) {
    const health = path.health[t] ?? 0;
    const eta = fixed + c.health * health + c.leverageDistress * Math.max(0, path.leverage) * Math.max(0, -health);
    if (draws.uniform() < 1 - Math.exp(-Math.exp(eta))) return true;
  }
  return false;
}
