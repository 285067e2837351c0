// What services of one bank and model have used at this enclave: questions of the day, companies of the month, and of each company its questions of the day
// and the sets of providers it was scored under. One instance for all services of a scope. In memory, written with the group of the answers; companies are
// remembered as keyed hashes. A clock that is set back finds the latest period, not a fresh one.
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { StateDatabase } from "../store/database.ts";

export type Company = {
  readonly record: Uint8Array; month: string; day: string; asked: number; sets: readonly string[];
  /** Other models that have scored it, when it has just been read. */
  others: number | undefined;
};
/** By company: models of questions that are charged and not written yet, over all services of an enclave. */
export type Opening = Map<string, Set<string>>;
type Count = { period: string; amount: number; isChanged: boolean };
export type Periods = { readonly day: string; readonly month: string };

/** What openings by one model under different sets of providers are called. */
export function setOpening(model: string): `set/${string}` {
  return `set/${model}`;
}

/** Companies kept in memory; those that have nothing to write are forgotten beyond it. */
const maxKept = 100_000;

export class ServiceCounts {
  readonly #db: StateDatabase;
  readonly #now: Clock;
  readonly #hashOf: (company: string) => Uint8Array;
  readonly #guest: PartyId;
  readonly #dataset: string;
  readonly #model: string;
  readonly #scope: string;
  readonly #opening: Opening;
  readonly #companies = new Map<string, Company>();
  readonly #changed = new Set<Company>();
  readonly #requests: Count;
  readonly #months: Count;

  constructor(options: { db: StateDatabase; now: Clock; hashOf: (company: string) => Uint8Array; guest: PartyId; dataset: string; model: string; opening: Opening }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#hashOf = options.hashOf;
    this.#guest = options.guest;
    this.#dataset = options.dataset;
    this.#model = options.model;
    this.#opening = options.opening;
    this.#scope = `${options.guest}|${options.model}`;
    this.#requests = this.#read("requests");
    this.#months = this.#read("companies");
  }

  /** The present day and month (UTC), or the latest that was charged. */
  get periods(): Periods {
    const today = new Date(this.#now()).toISOString();
    return { day: later(today.slice(0, 10), this.#requests.period), month: later(today.slice(0, 7), this.#months.period) };
  }
  get requests(): number {
    return amountIn(this.#requests, this.periods.day);
  }
  get companies(): number {
    return amountIn(this.#months, this.periods.month);
  }

  companyOf(company: string): Company {
    const record = this.#hashOf(company);
    const key = Buffer.from(record).toString("latin1");
    const known = this.#companies.get(key);
    if (known !== undefined) {
      known.others = undefined;
      return known;
    }
    // Both at once: each query goes through the locks of the file.
    const row = this.#db.get(`select month, day, asked, sets, (${othersSql}) as others from (select 1) left join service_companies on scope = ?5 and record = ?3`,
      this.#guest, this.#dataset, record, `score|${this.#model}`, this.#scope);
    const others = Number(row?.["others"] ?? 0);
    const read: Company = typeof row?.["month"] !== "string"
      ? { record, month: "", day: "", asked: 0, sets: [], others }
      : { record, month: row["month"], day: String(row["day"]), asked: Number(row["asked"]), sets: JSON.parse(String(row["sets"])) as string[], others };
    this.#companies.set(key, read);
    return read;
  }

  /** Counts one question under a set of providers. */
  count(company: Company, set: string, { day, month }: Periods): void {
    Object.assign(this.#requests, { period: day, amount: amountIn(this.#requests, day) + 1, isChanged: true });
    if (company.month < month) Object.assign(this.#months, { period: month, amount: amountIn(this.#months, month) + 1, isChanged: true });
    if (company.sets.length === 0) {
      const key = this.#openingKey(company);
      this.#opening.set(key, (this.#opening.get(key) ?? new Set()).add(this.#model));
    }
    Object.assign(company, {
      others: undefined,
      day, month: later(month, company.month), asked: (company.day === day ? company.asked : 0) + 1, sets: company.sets.includes(set) ? company.sets : [...company.sets, set],
    });
    this.#changed.add(company);
  }

  /** Other models by which jobs or services have scored this company for this bank. */
  otherModels(company: Company): number {
    const { record, others } = company;
    company.others = undefined;
    const written = others ?? Number(this.#db.get(`select (${othersSql}) as n`, this.#guest, this.#dataset, record, `score|${this.#model}`)?.["n"] ?? 0);
    const opening = this.#opening.get(this.#openingKey(company));
    return written + (opening === undefined ? 0 : opening.size - (opening.has(this.#model) ? 1 : 0));
  }

  /** Sets of providers under which this company was scored by the model, by services or jobs. */
  openedSets({ record, sets }: Company): ReadonlySet<string> {
    const kind = setOpening(this.#model);
    const rows = this.#db.all("select what from openings where guest = ? and dataset = ? and record = ? and what >= ? and what < ?", this.#guest, this.#dataset, record, `${kind}|`, `${kind}}`);
    return new Set([...sets, ...rows.map((row) => String(row["what"]).slice(kind.length + 1))]);
  }

  #openingKey({ record }: Company): string {
    return `${this.#dataset}|${Buffer.from(record).toString("latin1")}`;
  }

  /** Within the transaction of a group. What is undone is written with the next one. */
  write(): void {
    const counts = ([["requests", this.#requests], ["companies", this.#months]] as const).filter(([, count]) => count.isChanged);
    const companies = [...this.#changed];
    // Also where nothing but refusals came.
    if (this.#companies.size > maxKept && companies.length === 0) this.#companies.clear();
    if (counts.length + companies.length === 0) return;
    this.#changed.clear();
    for (const [, count] of counts) count.isChanged = false;
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) {
        for (const [, count] of counts) count.isChanged = true;
        for (const company of companies) this.#changed.add(company);
        return;
      }
      for (const company of companies) {
        const key = this.#openingKey(company);
        const models = this.#opening.get(key);
        models?.delete(this.#model);
        if (models?.size === 0) this.#opening.delete(key);
      }
      if (this.#companies.size > maxKept && this.#changed.size === 0) this.#companies.clear();
    });
    for (const [name, count] of counts) this.#db.run("insert or replace into service_counts values (?, ?, ?)", `${name}|${this.#scope}`, count.period, count.amount);
    for (const company of companies) {
      this.#db.run("insert or replace into service_companies values (?, ?, ?, ?, ?, ?)", this.#scope, company.record, company.month, company.day, company.asked, JSON.stringify(company.sets));
      // Without a set of providers nothing was scored.
      const sets = company.sets.filter((set) => set !== "");
      if (sets.length > 0) this.#db.run("insert or ignore into openings values (?, ?, ?, ?)", this.#guest, this.#dataset, company.record, `score|${this.#model}`);
      for (const set of sets) this.#db.run("insert or ignore into openings values (?, ?, ?, ?)", this.#guest, this.#dataset, company.record, `${setOpening(this.#model)}|${set}`);
    }
  }

  /** The latest period that was charged. */
  #read(name: string): Count {
    const row = this.#db.get("select period, amount from service_counts where scope = ? order by period desc limit 1", `${name}|${this.#scope}`);
    return { period: String(row?.["period"] ?? ""), amount: Number(row?.["amount"] ?? 0), isChanged: false };
  }
}

const othersSql = "select count(*) from openings where guest = ?1 and dataset = ?2 and record = ?3 and what >= 'score|' and what < 'score}' and what <> ?4";

function amountIn(count: Count, period: string): number {
  return count.period === period ? count.amount : 0;
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}
