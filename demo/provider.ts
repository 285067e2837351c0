// What a data provider of the demo is: raw tables shaped like the official sharing lists, rows drawn from a company's
// latent path, and declarative indicators over those tables (the schema is enclave/data/definition.ts; a test parses it).
import type { Calendar } from "./calendar.ts";
import type { Company } from "./company.ts";
import type { Rows } from "./csv.ts";
import type { Draws } from "./draws.ts";
import type { Indicator } from "./indicators/sql.ts";
import type { Path } from "./model.ts";

export type ColumnType = "numeric" | "categorical" | "date";
/** The columns of a raw table after its first one, `uscc`, in the order of the file. */
export type Columns = Readonly<Record<string, ColumnType>>;

/** Everything that a provider sees of one company. */
export type Subject = { readonly company: Company; readonly path: Path; readonly calendar: Calendar };

export type Provider = {
  readonly folder: string;
  /** Probability that the provider knows the company at all. */
  coverage(company: Company): number;
  /** Table name -> columns. The file is `<table>.csv`. */
  readonly tables: Readonly<Record<string, Columns>>;
  /** The table with one row for each company that the provider knows. */
  readonly population: string;
  readonly indicators: readonly Indicator[];
  /** Writes the rows of one known company. */
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

/** Yuan without cents. */
export function yuan(amount: number): number {
  return Math.round(amount);
}

/** An on/off state with monthly hazards, such as "behind with payments". Returns the new state. */
export function nextState(on: boolean, startProbability: number, endProbability: number, draws: Draws): boolean {
  return on ? !draws.bernoulli(endProbability) : draws.bernoulli(startProbability);
}
