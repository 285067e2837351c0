// What a data provider of the demo is: raw tables in the shape of the published indicator system (indicators/areas), and rows drawn
// from a company's latent path and traits. Its indicators are those of the system that its tables allow.
import type { Calendar } from "./calendar.ts";
import type { Company } from "./company.ts";
import type { Rows } from "./csv.ts";
import type { Draws } from "./draws.ts";
import type { Path } from "./model.ts";
import type { Traits } from "./traits.ts";

export type ColumnType = "numeric" | "categorical" | "date";
/** The columns of a raw table after its first one, `uscc`, in the order of the file. */
export type Columns = Readonly<Record<string, ColumnType>>;

/** Everything that a provider sees of one company. */
export type Subject = { readonly company: Company; readonly path: Path; readonly traits: Traits; readonly calendar: Calendar };

export type Provider = {
  readonly folder: string;
  /** Probability that the provider knows the company at all. */
  coverage(company: Company, traits: Traits): number;
  /** Table name -> columns. The file is `<table>.csv`. */
  readonly tables: Readonly<Record<string, Columns>>;
  /** Names in the system of tables whose files are called otherwise. */
  readonly standardNames?: Readonly<Record<string, string>>;
  /** The table with one row for each company that the provider knows. Without one they are the companies of all tables. */
  readonly population?: string;
  /** Writes the rows of one known company: at least one. */
  write(subject: Subject, draws: Draws, out: Readonly<Record<string, Rows>>): void;
};

/** Keeps the table names in the type of `write`'s last argument. */
export function defineProvider<const T extends Readonly<Record<string, Columns>>>(
  spec: Omit<Provider, "tables" | "write"> & {
    readonly tables: T;
    write(subject: Subject, draws: Draws, out: { readonly [K in keyof T]: Rows }): void;
  },
): Provider {
  return spec;
}

/** The name of a table in the definition of the data set. */
export function standardName(provider: Provider, table: string): string {
  return provider.standardNames?.[table] ?? table;
}

/** Yuan without cents. */
export function yuan(amount: number): number {
  return Math.round(amount);
}

/** One of several, equally likely. */
export function anyOf<T>(items: readonly [T, ...T[]], draws: Draws): T {
  return items[draws.integer(items.length)] ?? items[0];
}

/** An on/off state with monthly hazards, such as "behind with payments". Returns the new state. */
export function nextState(on: boolean, startProbability: number, endProbability: number, draws: Draws): boolean {
  return on ? !draws.bernoulli(endProbability) : draws.bernoulli(startProbability);
}
