// Small pieces of DuckDB SQL that the indicator definitions share. They all look back from the same day.
import { snapshotDate } from "../calendar.ts";

export type Indicator = {
  readonly name: string;
  /** With `table`: an aggregate over the rows of each company. Without: a query that gives (uscc, value). */
  readonly table?: string;
  readonly sql: string;
  readonly unit: string;
  readonly direction: "higher-better" | "lower-better" | "none";
  /** "<list>/<category>/<item>" of the official lists: P21 (国办发〔2021〕52号) or P24 (国办发〔2024〕15号). */
  readonly sourceItem: string;
  readonly window: string;
};

/** The day that ends the history, as an SQL date. */
export const snapshot = `DATE '${snapshotDate}'`;

/** Condition: the date lies within the last `months` months before the snapshot. */
export function within(column: string, months: number): string {
  return `${column} >= ${snapshot} - INTERVAL ${months} MONTH`;
}

/** Condition: the date lies from `from` months (the older end) up to before `to` months before the snapshot. */
export function between(column: string, from: number, to: number): string {
  return `${within(column, from)} AND ${column} < ${snapshot} - INTERVAL ${to} MONTH`;
}

/** An aggregate over the rows of the last `months` months. */
export function recent(aggregate: string, column: string, months: number): string {
  return `${aggregate} FILTER (${within(column, months)})`;
}

/** An aggregate over the rows of an older span. */
export function earlier(aggregate: string, column: string, from: number, to: number): string {
  return `${aggregate} FILTER (${between(column, from, to)})`;
}

/** A quotient that is missing where the divisor is 0. */
export function ratio(dividend: string, divisor: string): string {
  return `${dividend} / nullif(${divisor}, 0)`;
}

/** Days from the date to the snapshot. */
export function daysBefore(column: string): string {
  return `date_diff('day', ${column}, ${snapshot})`;
}

/**
 * Query: for each company of `population`, the number of its rows of `table` whose date `column` lies within `months`.
 * Companies without a row count 0: the provider knows them, and knows that nothing happened.
 */
export function countOf(population: string, table: string, column: string, months: number, condition = "true"): string {
  return `SELECT p.uscc, count(e.${column}) FROM ${population} p LEFT JOIN ${table} e ON e.uscc = p.uscc`
    + ` AND ${within(`e.${column}`, months)} AND ${condition} GROUP BY p.uscc`;
}

/** Query: for each company of `population`, the sum of `amount` over its rows of `table` that are still open. */
export function openAmount(population: string, table: string, amount: string, closedOn: string): string {
  return `SELECT p.uscc, coalesce(sum(e.${amount}), 0) FROM ${population} p LEFT JOIN ${table} e ON e.uscc = p.uscc`
    + ` AND e.${closedOn} IS NULL GROUP BY p.uscc`;
}
