// What a service may be asked, at a provider: questions a day, companies a month, questions about one company a day, sets of providers about one
// company ever, models about one company ever. Counted over all services of the same bank and model: a second service has no fresh budget.
// Decisions are made in memory and written with the group of their answers; companies are remembered as keyed hashes.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { ServeRefusal } from "../../federation/serve/messages.ts";
import type { ServeJobParams } from "../../federation/serve/params.ts";
import type { Budgets } from "../budgets.ts";
import type { StateDatabase } from "../store/database.ts";

type Company = { readonly record: Uint8Array; month: string; day: string; asked: number; sets: string[] };
type Count = { period: string; amount: number; isChanged: boolean };
type Limits = Pick<ServeJobParams, "requestsPerDay" | "companiesPerMonth" | "perCompanyPerDay" | "setsPerCompany"> & { readonly maxModelsPerCompany: number };

/** Companies kept in memory; those that have nothing to write are forgotten beyond it. */
const maxKept = 100_000;

export class ServiceBudgets {
  readonly #db: StateDatabase;
  readonly #budgets: Budgets;
  readonly #now: Clock;
  readonly #guest: PartyId;
  readonly #dataset: string;
  readonly #model: string;
  readonly #limits: Limits;
  readonly #scope: string;
  readonly #companies = new Map<string, Company>();
  readonly #changed = new Set<Company>();
  readonly #requests: Count;
  readonly #months: Count;

  constructor(options: { db: StateDatabase; budgets: Budgets; now: Clock; guest: PartyId; dataset: string; model: string; limits: Limits }) {
    this.#db = options.db;
    this.#budgets = options.budgets;
    this.#now = options.now;
    this.#guest = options.guest;
    this.#dataset = options.dataset;
    this.#model = options.model;
    this.#limits = options.limits;
    this.#scope = `${options.guest}|${options.model}`;
    this.#requests = this.#count("requests", 10);
    this.#months = this.#count("companies", 7);
  }

  /** Charges one question, or says why not and changes nothing. set: names the providers of the question. */
  charge(company: string, set: string): ServeRefusal | undefined {
    const today = new Date(this.#now()).toISOString();
    const [day, month] = [today.slice(0, 10), today.slice(0, 7)];
    const { requestsPerDay, companiesPerMonth, perCompanyPerDay, setsPerCompany } = this.#limits;
    const requests = amountIn(this.#requests, day);
    const companies = amountIn(this.#months, month);
    const known = this.#companyOf(company);
    const asked = known.day === day ? known.asked : 0;
    const isNew = known.month !== month;
    if (requests >= requestsPerDay || (isNew && companies >= companiesPerMonth)) return "SERVICE_BUDGET";
    if (asked >= perCompanyPerDay) return "SERVICE_COMPANY_BUDGET";
    const isNewSet = !known.sets.includes(set);
    if (isNewSet && known.sets.length >= setsPerCompany) return "SERVICE_SETS";
    // Each model is one more equation about a company; batches of the same model count as the same one.
    if (known.sets.length === 0 && this.#otherModels(known.record) >= this.#limits.maxModelsPerCompany) return "BUDGET_TOTALS";
    Object.assign(this.#requests, { period: day, amount: requests + 1, isChanged: true });
    if (isNew) Object.assign(this.#months, { period: month, amount: companies + 1, isChanged: true });
    Object.assign(known, { day, month, asked: asked + 1 });
    this.#changed.add(known);
    if (isNewSet) known.sets.push(set);
    return undefined;
  }

  /** Within the transaction of a group. */
  write(): void {
    for (const [name, count] of [["requests", this.#requests], ["companies", this.#months]] as const) {
      if (count.isChanged) this.#db.run("insert or replace into service_counts values (?, ?, ?)", `${name}|${this.#scope}`, count.period, count.amount);
      count.isChanged = false;
    }
    for (const company of this.#changed) {
      this.#db.run("insert or replace into service_companies values (?, ?, ?, ?, ?, ?)", this.#scope, company.record, company.month, company.day, company.asked, JSON.stringify(company.sets));
      this.#db.run("insert or ignore into openings values (?, ?, ?, ?)", this.#guest, this.#dataset, company.record, `score|${this.#model}`);
    }
    this.#changed.clear();
    if (this.#companies.size > maxKept) this.#companies.clear();
  }

  #count(name: string, length: number): Count {
    const period = new Date(this.#now()).toISOString().slice(0, length);
    const amount = this.#db.get("select amount from service_counts where scope = ? and period = ?", `${name}|${this.#scope}`, period)?.["amount"];
    return { period, amount: Number(amount ?? 0), isChanged: false };
  }

  #companyOf(company: string): Company {
    const record = this.#budgets.hashId(this.#guest, company);
    const key = Buffer.from(record).toString("latin1");
    const known = this.#companies.get(key);
    if (known !== undefined) return known;
    const row = this.#db.get("select month, day, asked, sets from service_companies where scope = ? and record = ?", this.#scope, record);
    const read: Company = row === undefined
      ? { record, month: "", day: "", asked: 0, sets: [] }
      : { record, month: String(row["month"]), day: String(row["day"]), asked: Number(row["asked"]), sets: JSON.parse(String(row["sets"])) as string[] };
    this.#companies.set(key, read);
    return read;
  }

  #otherModels(record: Uint8Array): number {
    const row = this.#db.get("select count(*) as n from openings where guest = ? and dataset = ? and record = ? and what >= 'score|' and what < 'score}' and what <> ?",
      this.#guest, this.#dataset, record, `score|${this.#model}`);
    return Number(row?.["n"] ?? 0);
  }
}

function amountIn(count: Count, period: string): number {
  return count.period === period ? count.amount : 0;
}
