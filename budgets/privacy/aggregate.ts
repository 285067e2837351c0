// Sums of what companies contribute, with the sensitivity that was declared: whatever the data hold, one company moves the result by no more.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { isKeyedHash, type KeyedHash } from "../hashes.ts";

export const maxCells = 4096;
const bound = z.int().min(-1e12).max(1e12);

/** cells: numbers of the result. low, high: what one company adds to one cell, in whole units (companies, fen). perCompany: cells that it can be in. */
export const declarationSchema = z.strictObject({
  cells: z.int().min(1).max(maxCells), low: bound, high: bound, perCompany: z.int().min(1).max(maxCells).default(1),
}).refine(({ low, high, cells, perCompany }) => low <= high && (low !== 0 || high !== 0) && perCompany <= cells);
export type Declaration = z.output<typeof declarationSchema>;

/** One company's values by cell; a missing one is undefined or NaN and adds nothing. */
export type Contribution = { readonly company: KeyedHash; readonly values: readonly (readonly [cell: number, value: number | undefined])[] };

/** How far one company, come or gone, moves the result: sum of sizes, and sum of squares. */
export function sensitivityOf({ low, high, perCompany }: Declaration): { readonly l1: bigint; readonly l2Squared: bigint } {
  const most = BigInt(Math.max(Math.abs(low), Math.abs(high)));
  return { l1: most * BigInt(perCompany), l2Squared: most * most * BigInt(perCompany) };
}

/**
 * The exact sums, for noise only: never released as they are. Companies come in strictly rising order, so that none counts twice (BUDGET_COMPANY_SET).
 * A company's values of one cell are added and then clamped to [low, high], and of its cells the first `perCompany` count, in the order of their numbers.
 */
export function clampedSums(declaration: Declaration, contributions: Iterable<Contribution>): bigint[] {
  const { cells, low, high, perCompany } = declaration;
  const sums: bigint[] = Array.from({ length: cells }, () => 0n);
  let last = "";
  for (const { company, values } of contributions) {
    if (!isKeyedHash(company) || company <= last) throw new AppError("BUDGET_COMPANY_SET");
    last = company;
    const own = new Map<number, number>();
    for (const [cell, value] of values) {
      if (!Number.isInteger(cell) || cell < 0 || cell >= cells) throw new AppError("BUDGET_PRIVACY_PRICE");
      if (value !== undefined && !Number.isNaN(value)) own.set(cell, (own.get(cell) ?? 0) + value);
    }
    for (const [cell, value] of [...own].sort(([a], [b]) => a - b).slice(0, perCompany)) {
      // Infinity less Infinity is no number; it adds nothing, like a missing value.
      const clamped = Number.isNaN(value) ? 0 : Math.trunc(Math.min(high, Math.max(low, value)));
      sums[cell] = (sums[cell] ?? 0n) + BigInt(clamped);
    }
  }
  return sums;
}
