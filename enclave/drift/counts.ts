// What was scored in a month, as one small histogram for each model and column: companies of a service one by one, each once in a month; batches by the
// largest one of the month, whose companies are different ones anyway. Decisions are made in memory and written with the group of their answers.
import { z } from "zod";
import { monthSchema } from "../../monitoring/drift/levels.ts";
import type { Clock } from "../../core/env.ts";
import { inSlices } from "../../core/slices.ts";
import type { Feature } from "../../models/features.ts";
import type { StateDatabase } from "../store/database.ts";
import { countPlaces, placesOf, type DriftColumn } from "./columns.ts";

const countsSchema = z.array(z.array(z.int().min(0)));
/** Histograms of all columns of one model, in their order. */
export type MonthCounts = { readonly companies: number; readonly columns: readonly (readonly number[])[] };
/** Companies that wait for a disk that fails: the oldest are given up beyond it. */
const maxNoted = 100_000;
export type DriftSource = "service" | "batch";

export const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);

export class DriftCounts {
  readonly #db: StateDatabase;
  readonly #now: Clock;
  readonly #recordOf: (company: string) => Uint8Array;
  readonly #model: string;
  readonly #columns: readonly DriftColumn[];
  #noted: { readonly month: string; readonly record: Uint8Array; readonly places: readonly number[] }[] = [];

  constructor(options: { readonly db: StateDatabase; readonly now: Clock; readonly recordOf: (company: string) => Uint8Array; readonly model: string; readonly columns: readonly DriftColumn[] }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#recordOf = options.recordOf;
    this.#model = options.model;
    this.#columns = options.columns;
  }

  /** One company that was scored; features: of one row, by name. A feature that is not there counts nothing. */
  note(company: string, featureOf: (name: string) => Feature | undefined): void {
    if (this.#columns.length === 0) return;
    const places = this.#columns.map((column) => {
      const feature = featureOf(column.feature);
      return feature === undefined ? -1 : (placesOf(column, feature)[0] ?? -1);
    });
    this.#noted.push({ month: monthOf(this.#now()), record: this.#recordOf(company), places });
  }

  /** Within the transaction of a group; what is undone with it is written with the next. */
  write(): void {
    const noted = this.#noted;
    if (noted.length === 0) return;
    this.#noted = [];
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) this.#noted = [...noted, ...this.#noted].slice(-maxNoted);
    });
    for (const month of new Set(noted.map((n) => n.month))) {
      const fresh = noted.filter((n) => n.month === month && this.#db.run("insert or ignore into drift_seen values (?, ?, ?)", this.#model, month, n.record) === 1);
      if (fresh.length === 0) continue;
      const before = readCounts(this.#db, this.#model, month, "service");
      const columns = this.#columns.map((column, at) => {
        const counts = [...(before?.columns[at] ?? Array.from({ length: column.placeOf.length + 1 }, () => 0))];
        for (const { places } of fresh) {
          const place = places[at] ?? -1;
          if (place >= 0) counts[place] = (counts[place] ?? 0) + 1;
        }
        return counts;
      });
      this.#put(month, "service", { companies: (before?.companies ?? 0) + fresh.length, columns });
    }
  }

  /** Companies of one batch, each once. features: of their rows, by name. The same batch again, after a restart, says the same. */
  async noteBatch(companies: number, featureOf: (name: string) => Feature | undefined): Promise<void> {
    if (this.#columns.length === 0 || companies === 0) return;
    const month = monthOf(this.#now());
    const columns: number[][] = [];
    await inSlices(this.#columns.length, (from, to) => {
      for (const column of this.#columns.slice(from, to)) {
        const feature = featureOf(column.feature);
        columns.push(feature === undefined ? [] : countPlaces(column, placesOf(column, feature)));
      }
    }, 1);
    this.#db.transaction(() => {
      if ((readCounts(this.#db, this.#model, month, "batch")?.companies ?? 0) < companies) this.#put(month, "batch", { companies, columns });
    });
  }

  #put(month: string, source: DriftSource, { companies, columns }: MonthCounts): void {
    this.#db.run("insert or replace into drift_counts values (?, ?, ?, ?, ?)", this.#model, month, source, companies, JSON.stringify(columns));
  }
}

export function readCounts(db: StateDatabase, model: string, month: string, source: DriftSource): MonthCounts | undefined {
  const row = db.get("select companies, counts from drift_counts where model = ? and month = ? and source = ?", model, month, source);
  return row === undefined ? undefined : { companies: Number(row["companies"]), columns: countsSchema.parse(JSON.parse(String(row["counts"]))) };
}

/** Of a month the source with more companies: added up, one company could count twice. */
export function countsOf(db: StateDatabase, model: string, month: string): MonthCounts | undefined {
  const [service, batch] = [readCounts(db, model, month, "service"), readCounts(db, model, month, "batch")];
  return (service?.companies ?? 0) >= (batch?.companies ?? 0) ? service : batch;
}

/** Models and months with something in them, months that have ended alone. */
export function endedMonths(db: StateDatabase, now: number): { readonly model: string; readonly month: string }[] {
  return db.all("select distinct model, month from drift_counts where month < ? order by month, model", monthOf(now))
    .map((row) => ({ model: String(row["model"]), month: monthSchema.parse(row["month"]) }));
}
