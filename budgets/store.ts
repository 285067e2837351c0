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
};

/** The row of a key as its schema wants it. Throws BUDGET_STATE: a row that cannot be read counts as everything used up, not as nothing. */
export function readRow<T extends z.ZodType>(store: BudgetStore, key: string, schema: T): z.output<T> | undefined {
  const text = store.get(key);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError("BUDGET_STATE", {}, { cause });
  }
}
