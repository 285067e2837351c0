// What budgets ask of whoever keeps them: rows under a key, written together or not at all.
import type { z } from "zod";
import { AppError } from "../core/errors.ts";

/**
 * Durable rows. Keys hold public names and keyed hashes only. A request is answered after its rows are on disk: when `atomic` has come back, or,
 * in a store that commits several together, after that commit.
 */
export type BudgetStore = {
  /** Runs `work`; when it throws, or the process dies, none of its writes happened. Calls inside of one join it. */
  atomic<T>(work: () => T): T;
  get(key: string): string | undefined;
  /** `until`, milliseconds since 1970: after it the row may be forgotten, never before. */
  put(key: string, value: string, until: number): void;
  delete(key: string): void;
  /** Keys that begin so, with their rows. */
  each(prefix: string): Iterable<readonly [key: string, value: string]>;
};

/** The row of a key as its schema wants it. Throws BUDGET_STATE: a row that cannot be read counts as everything used up, not as nothing. */
export function readRow<T extends z.ZodType>(store: BudgetStore, key: string, schema: T): z.output<T> | undefined {
  return readText(store, key, (value) => schema.parse(value));
}

/** Rows of whole numbers, which every question reads several of: the same without a schema. Each number is at least 0. Throws BUDGET_STATE. */
export function readNumbers(store: BudgetStore, key: string, length: number): number[] | undefined {
  return readText(store, key, (value) => requireNumbers(value, length));
}

/** The same of a list of such rows. */
export function readTable(store: BudgetStore, key: string, length: number): number[][] | undefined {
  return readText(store, key, (value) => {
    if (!Array.isArray(value)) throw new TypeError("no list");
    return value.map((row: unknown) => requireNumbers(row, length));
  });
}

/** The same of a value that was read with others. Throws BUDGET_STATE. */
export function numbersOf(text: string, length: number): number[] {
  return readValue(text, (value) => requireNumbers(value, length));
}

function requireNumbers(value: unknown, length: number): number[] {
  if (!Array.isArray(value) || value.length !== length || !value.every((n) => Number.isSafeInteger(n) && n >= 0)) throw new TypeError("no numbers");
  return value as number[];
}

function readText<T>(store: BudgetStore, key: string, read: (value: unknown) => T): T | undefined {
  const text = store.get(key);
  return text === undefined ? undefined : readValue(text, read);
}

function readValue<T>(text: string, read: (value: unknown) => T): T {
  try {
    return read(JSON.parse(text));
  } catch (cause) {
    throw new AppError("BUDGET_STATE", {}, { cause });
  }
}
