// Typed columns that are filled chunk by chunk while a query streams: 8 bytes a number, 4 bytes a category, no rows in between.
import type { DuckDBDataChunk } from "@duckdb/node-api";
import { AppError } from "../../core/errors.ts";
import type { Facts } from "../../core/errors.ts";
import type { CategoricalFeature, Feature, NumericFeature } from "../../models/features.ts";

type Vector = ReturnType<DuckDBDataChunk["getColumnVector"]>;

/** Characters of a category; anything longer is free text. */
const longestLevel = 256;

export interface ColumnWriter {
  /** Takes the first `count` items of a vector as rows `at`, `at` + 1, ... */
  write(vector: Vector, at: number, count: number): void;
}

/** Doubles; what is not finite or is a missing number becomes NaN. */
export class NumericWriter implements ColumnWriter {
  readonly values: Float64Array;
  readonly #missing: readonly number[];

  constructor(rows: number, missing: readonly number[] = []) {
    this.values = new Float64Array(rows);
    this.#missing = missing;
  }

  write(vector: Vector, at: number, count: number): void {
    const { values } = this;
    for (let i = 0; i < count; i += 1) {
      const value = vector.getItem(i) as number;
      // + 0 makes -0 a plain zero, so that equal data has equal bytes.
      values[at + i] = Number.isFinite(value) && !this.#missing.includes(value) ? value + 0 : Number.NaN;
    }
  }

  feature(name: string, special: readonly number[]): NumericFeature {
    return { kind: "numeric", name, values: this.values, special };
  }
}

/** Category codes in order of appearance while writing, in order of the sorted levels at the end. */
export class CategoricalWriter implements ColumnWriter {
  #codes: Int32Array;
  readonly #levels = new Map<string, number>();
  readonly #limit: number;
  /** More levels than the limit, or a text too long to be a category: nothing is kept. */
  overflown = false;

  constructor(rows: number, limit: number) {
    this.#codes = new Int32Array(rows).fill(-1);
    this.#limit = limit;
  }

  get levels(): number {
    return this.#levels.size;
  }

  write(vector: Vector, at: number, count: number): void {
    for (let i = 0; i < count && !this.overflown; i += 1) this.set(at + i, vector.getItem(i) as string | null);
  }

  set(row: number, text: string | null): void {
    let code = text === null ? -1 : this.#levels.get(text);
    if (code === undefined) {
      code = this.#levels.size;
      if (code >= this.#limit || (text as string).length > longestLevel) {
        this.overflown = true;
        this.#codes = new Int32Array(0);
        return;
      }
      this.#levels.set(text as string, code);
    }
    this.#codes[row] = code;
  }

  feature(name: string): CategoricalFeature {
    const levels = [...this.#levels.keys()].sort();
    const rank = new Int32Array(levels.length);
    for (const [i, level] of levels.entries()) rank[this.#levels.get(level) as number] = i;
    const codes = this.#codes.map((code) => (code < 0 ? -1 : (rank[code] as number)));
    return { kind: "categorical", name, codes, levels };
  }
}

/** The outcome: 0 or 1 in every row. */
export class LabelWriter implements ColumnWriter {
  readonly #values: Uint8Array;
  #ones = 0;
  #missing = 0;
  #other = 0;

  constructor(rows: number) {
    this.#values = new Uint8Array(rows);
  }

  write(vector: Vector, at: number, count: number): void {
    for (let i = 0; i < count; i += 1) this.set(at + i, vector.getItem(i) as number);
  }

  /** value: 0, 1, NaN for missing; anything else is counted as wrong. */
  set(row: number, value: number): void {
    if (value === 1) this.#ones += 1;
    else if (Number.isNaN(value)) this.#missing += 1;
    else if (value !== 0) this.#other += 1;
    this.#values[row] = value === 1 ? 1 : 0;
  }

  /** Throws DATA_LABEL_MISSING, DATA_LABEL_VALUES or DATA_LABEL_ONE_CLASS. */
  finish(where: Facts): Uint8Array {
    if (this.#missing > 0) throw new AppError("DATA_LABEL_MISSING", { ...where, rows: this.#missing });
    if (this.#other > 0) throw new AppError("DATA_LABEL_VALUES", { ...where, rows: this.#other });
    if (this.#ones === 0 || this.#ones === this.#values.length) throw new AppError("DATA_LABEL_ONE_CLASS", { ...where, rows: this.#values.length });
    return this.#values;
  }
}

/** A column that was left out, and why: it has too many distinct values to be a category (a name, an address, an id). */
export type SkippedColumn = { readonly column: number; readonly levels: number };

/**
 * The feature of a categorical column. An undeclared one whose values mostly differ is no category: skipped; a declared
 * one above the limit is an error, DATA_TOO_MANY_LEVELS.
 */
export function finishCategorical(
  writer: CategoricalWriter, name: string, rows: number, declared: boolean, facts: Facts, limit: number,
): Feature | undefined {
  if (declared && writer.overflown) throw new AppError("DATA_TOO_MANY_LEVELS", { ...facts, limit });
  const freeText = writer.levels > Math.max(64, rows / 2);
  return writer.overflown || (freeText && !declared) ? undefined : writer.feature(name);
}
