// Data quality counted a second time, in plain TypeScript over the texts of a CSV file: nothing of the product's own code.
import { readFileSync, writeFileSync } from "node:fs";

export type Cells = Record<string, string>;
export type Table = { readonly header: readonly string[]; rows: Cells[] };
export type Counts = { readonly checked: number; readonly failed: number };

export function readCsv(path: string): Table {
  const [head = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const header = head.split(",");
  return { header, rows: lines.map((line) => Object.fromEntries(line.split(",").map((cell, i) => [header[i] ?? "", cell]))) };
}

export function writeCsv(path: string, { header, rows }: Table): void {
  writeFileSync(path, `${[header.join(","), ...rows.map((row) => header.map((name) => row[name] ?? "").join(","))].join("\n")}\n`);
}

const counted = (rows: readonly Cells[], looksAt: (row: Cells) => boolean, fails: (row: Cells) => boolean): Counts => {
  const looked = rows.filter(looksAt);
  return { checked: looked.length, failed: looked.filter(fails).length };
};
const has = (...columns: string[]) => (row: Cells): boolean => columns.every((c) => (row[c] ?? "") !== "");
const number = (row: Cells, column: string): number => Number(row[column]);
const isNumber = (row: Cells, column: string): boolean => has(column)(row) && Number.isFinite(number(row, column));
/** A day that the calendar has. */
const isDay = (text: string | undefined): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") && !Number.isNaN(Date.parse(text ?? "")) && new Date(text ?? "").toISOString().startsWith(text ?? "");

/** GB 32100-2015 by its table of weights, written out. */
export function isCode(code: string): boolean {
  const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  const weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
  if (code.length !== 18 || !/^[0-9A-HJ-NPQRTUWXY]*$/.test(code)) return false;
  const sum = weights.reduce((s, w, i) => s + w * alphabet.indexOf(code.charAt(i)), 0);
  return alphabet.indexOf(code.charAt(17)) === (31 - (sum % 31)) % 31;
}

export const oracle = {
  missing: (rows: readonly Cells[], column: string): Counts => counted(rows, () => true, (r) => r[column] === ""),
  ids: (rows: readonly Cells[]): Counts => counted(rows, () => true, (r) => !isCode(r["uscc"] ?? "")),
  numbers: (rows: readonly Cells[], column: string): Counts => counted(rows, has(column), (r) => !isNumber(r, column)),
  dates: (rows: readonly Cells[], column: string): Counts => counted(rows, has(column), (r) => !isDay(r[column]) || (r[column] ?? "") < "1900-01-01"),
  below: (rows: readonly Cells[], column: string, least: number): Counts => counted(rows, (r) => isNumber(r, column), (r) => number(r, column) < least),
  bound: (rows: readonly Cells[], lesser: string, greater: string): Counts => counted(rows, (r) => isNumber(r, lesser) && isNumber(r, greater), (r) => number(r, lesser) > number(r, greater)),
  order: (rows: readonly Cells[], earlier: string, later: string): Counts => counted(rows, (r) => isDay(r[earlier]) && isDay(r[later]), (r) => (r[earlier] ?? "") > (r[later] ?? "")),
  sum: (rows: readonly Cells[], total: string, parts: readonly string[], tolerance: number): Counts => counted(
    rows, (r) => [total, ...parts].every((c) => isNumber(r, c)), (r) => Math.abs(number(r, total) - parts.reduce((s, p) => s + number(r, p), 0)) > tolerance + 1e-9),
  code: (rows: readonly Cells[], column: string, values: readonly string[]): Counts => counted(rows, has(column), (r) => !values.includes(r[column] ?? "")),
  key(rows: readonly Cells[], columns: readonly string[]): Counts {
    const seen = new Set(rows.map((r) => columns.map((c) => r[c]).join("\u0000")));
    return { checked: rows.length, failed: rows.length - seen.size };
  },
  reference(rows: readonly Cells[], population: readonly Cells[]): Counts {
    const known = new Set(population.map((r) => r["uscc"]));
    return counted(rows, () => true, (r) => !known.has(r["uscc"]));
  },
  /** Walks through every company's months one by one. */
  series(rows: readonly Cells[], column: string, months?: number): Counts {
    const byCompany = new Map<string, Set<number>>();
    for (const r of rows) {
      if (!isDay(r[column])) continue;
      const [year, month] = (r[column] ?? "").split("-").map(Number) as [number, number];
      const set = byCompany.get(r["uscc"] ?? "") ?? new Set();
      byCompany.set(r["uscc"] ?? "", set.add(12 * year + month));
    }
    let checked = 0;
    let failed = 0;
    for (const set of byCompany.values()) {
      if (set.size < 2) continue;
      const sorted = [...set].sort((a, b) => a - b);
      const step = months ?? Math.min(...sorted.slice(1).map((m, i) => m - (sorted[i] ?? 0)));
      for (let m = sorted[0] ?? 0; m <= (sorted.at(-1) ?? 0); m += step) {
        checked++;
        if (!set.has(m)) failed++;
      }
    }
    return { checked, failed };
  },
};
