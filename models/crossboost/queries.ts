// The integer vectors that the guest encrypts: w * phi and r * phi over the training rows, 0 where a row is held back.
// r = y - p and w = 4 p (1 - p) from the guest's score: weights in place of counts make every later step a Newton step, for the
// same number of queries.
import { sigmoid } from "../linear/logistic.ts";
import type { GuestCells } from "./cells.ts";
import { leastWeight, queryLimit } from "./params.ts";

export type Gradient = {
  /** In units of 2^-12, |.| <= 4096, 0 for rows that do not count. */
  readonly residual: Int32Array;
  /** In units of 2^-12, 256..4096 for rows that count, else 0. */
  readonly weight: Int32Array;
};

/** Of log odds per row. `counted`: 1 for the rows that take part. */
export function gradientOf(odds: Float64Array, label: Uint8Array, counted: Uint8Array): Gradient {
  const residual = new Int32Array(counted.length);
  const weight = new Int32Array(counted.length);
  for (let row = 0; row < counted.length; row++) {
    if (counted[row] === 0) continue;
    const p = sigmoid(odds[row] as number);
    residual[row] = Math.round(((label[row] as number) - p) * queryLimit);
    weight[row] = Math.round(Math.max(leastWeight, 4 * p * (1 - p)) * queryLimit);
  }
  return { residual, weight };
}

/** Columns of cells that are asked for: all after the first, or the first alone. */
export function askedColumns(cells: GuestCells): number[] {
  return cells.columns.length === 1 ? [0] : cells.columns.map((_, i) => i).slice(1);
}

/** values * phi for every cell of the given columns. `cellOf`: per column, the cell of every row. */
export function cellVectors(cells: GuestCells, cellOf: readonly Uint8Array[], values: Int32Array, columns: readonly number[] = askedColumns(cells)): Int32Array[] {
  return columns.flatMap((column) => {
    const of = cellOf[column] as Uint8Array;
    return Array.from({ length: cells.columns[column]?.cells ?? 0 }, (_, cell) => values.map((value, row) => (of[row] === cell ? value : 0)));
  });
}

/** Sum over the rows that count of values * phi phi': cells x cells, row-major, in units of 2^-12. `use`: rows to take, e.g. a fold's
 *  complement. */
export function guestGram(cells: GuestCells, cellOf: readonly Uint8Array[], values: Int32Array, use?: (row: number) => boolean): Float64Array {
  const { total, starts } = cells;
  const gram = new Float64Array(total * total);
  const at = new Int32Array(cellOf.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number;
    if (value === 0 || (use && !use(row))) continue;
    cellOf.forEach((of, column) => {
      at[column] = (starts[column] as number) + (of[row] as number);
    });
    for (const a of at) for (const b of at) gram[a * total + b] = (gram[a * total + b] as number) + value;
  }
  return gram;
}
