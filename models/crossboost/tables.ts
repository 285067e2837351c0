// From the noisy answers of one host to tables guest cell x host bin, and the approximation of what a step on one table does to all
// others: exact on the guest's side, spread from the coarse Gram on the host's, scaled to the cells that are known.
import { AppError } from "../../core/errors.ts";
import type { GuestCells } from "./cells.ts";
import { coarseLayout, gramLength, type OfferedColumn } from "./host.ts";
import { queryLimit, scaleLimit } from "./params.ts";

/** Host bins of all columns together: bins of column j are starts[j]..starts[j+1]-1. */
export function binStarts(columns: readonly OfferedColumn[]): Int32Array {
  const starts = new Int32Array(columns.length + 1);
  columns.forEach((c, j) => {
    starts[j + 1] = (starts[j] as number) + c.shape.bins;
  });
  return starts;
}

/** A table cells x bins (row-major, query units) from answers to `cellVectors`, one per vector. An answer has, per column,
 *  folds x bins sums. `without`: leaves one fold out; -1 takes all. The cells of every column add up to the row of all guest rows, but for the
 *  hosts' noise: the table is the one that does, nearest to the answers by least squares. Throws MODEL_SHAPE. */
export function cellTable(cells: GuestCells, columns: readonly OfferedColumn[], answers: readonly Float64Array[], folds: number, without: number): Float64Array {
  const starts = binStarts(columns);
  const bins = starts[columns.length] as number;
  if (answers.length !== cells.vectors || answers.some((a) => a.length !== folds * bins)) {
    throw new AppError("MODEL_SHAPE", { vectors: answers.length, expected: cells.vectors, bins });
  }
  const table = new Float64Array(cells.total * bins);
  const first = cells.total - cells.vectors;
  answers.forEach((answer, i) => {
    const at = (first + i) * bins;
    columns.forEach(({ shape }, j) => {
      const start = starts[j] as number;
      for (let fold = 0; fold < folds; fold++) {
        if (fold === without) continue;
        const from = folds * start + fold * shape.bins;
        for (let b = 0; b < shape.bins; b++) table[at + start + b] = (table[at + start + b] as number) + (answer[from + b] as number);
      }
    });
  });
  if (first === 1) for (let b = 0; b < bins; b++) reconcile(cells, table, bins, b);
  return table;
}

/** One bin: a column's sum has the noise of as many answers as it has cells, so that sums weigh 1 / cells, and a difference is shared equally. */
function reconcile(cells: GuestCells, table: Float64Array, bins: number, b: number): void {
  let weighted = 0;
  let weights = 0;
  const sums = cells.columns.map((column, i) => {
    if (i === 0) return 0;
    let sum = 0;
    for (let k = cells.starts[i] as number; k < (cells.starts[i + 1] as number); k++) sum += table[k * bins + b] as number;
    weighted += sum / column.cells;
    weights += 1 / column.cells;
    return sum;
  });
  const all = weighted / weights;
  table[b] = all;
  cells.columns.forEach((column, i) => {
    if (i === 0) return;
    const share = (all - (sums[i] as number)) / column.cells;
    for (let k = cells.starts[i] as number; k < (cells.starts[i + 1] as number); k++) table[k * bins + b] = (table[k * bins + b] as number) + share;
  });
}

/** Boosting's view of one host. Rows of tables are guest cells, columns host bins. */
export type JointTables = {
  readonly cells: GuestCells;
  readonly starts: Int32Array;
  /** Sums of p (1 - p), never negative. */
  readonly weight: Float64Array;
  /** Sums of y - p. */
  readonly residual: Float64Array;
  /** Per guest cell, rows per unit of weight: what turns a weight into an estimate of rows. */
  readonly rowsPerWeight: Float64Array;
};

/** Query units to h = w / 4 and r; noise may make a weight negative, which is cut. */
export function jointTables(
  cells: GuestCells, columns: readonly OfferedColumn[], weight: Float64Array, residual: Float64Array, guestWeight: Float64Array, guestRows: Float64Array,
): JointTables {
  const rowsPerWeight = new Float64Array(cells.total);
  for (let k = 0; k < cells.total; k++) {
    const w = (guestWeight[k * cells.total + k] as number) / (4 * queryLimit);
    rowsPerWeight[k] = w > 0 ? (guestRows[k] as number) / w : 0;
  }
  return {
    cells, starts: binStarts(columns), rowsPerWeight,
    weight: weight.map((x) => Math.max(0, x / (4 * queryLimit))),
    residual: residual.map((x) => x / queryLimit),
  };
}

/** The effect of a step D on the tables: residual -= change(D), change = c * (P_G (c * D) P_H) / W. Symmetric and, with P_G and P_H
 *  positive semidefinite, so is the whole; on the step's own cells it is exact. */
export type Refresh = {
  readonly guest: Float64Array;
  readonly host: Float64Array;
  readonly scale: Float64Array;
  /** W: sum of the weights. */
  readonly total: number;
};

/** `guestWeight`: the guest's Gram of its cells in query units. `gram`: the host's coarse counts (`coarseGram`), scaled to weights. */
export function approximateRefresh(
  tables: JointTables, columns: readonly OfferedColumn[], guestWeight: Float64Array, gram: Int32Array, trainRows: number,
): Refresh {
  const { cells, weight } = tables;
  const bins = tables.starts[columns.length] as number;
  const guest = guestWeight.map((x) => x / (4 * queryLimit));
  const total = guest[0] as number;
  const host = spreadGram(columns, gram, weight.subarray(0, bins), trainRows, total);
  const scale = new Float64Array(cells.total * bins);
  for (let k = 0; k < cells.total; k++) {
    const g = guest[k * cells.total + k] as number;
    for (let b = 0; b < bins; b++) {
      const h = host[b * bins + b] as number;
      const known = weight[k * bins + b] as number;
      scale[k * bins + b] = g > 0 && h > 0 ? Math.min(scaleLimit, Math.sqrt((known * total) / (g * h))) : 0;
    }
  }
  return { guest, host, scale, total };
}

/** P_H: coarse counts spread over the bins in proportion to their rows, then scaled on both sides so that the diagonal is the known
 *  weight of each bin. Blocks within a column are exact (bins exclude each other). */
export function spreadGram(
  columns: readonly OfferedColumn[], gram: Int32Array, binWeight: Float64Array, trainRows: number, total: number,
): Float64Array {
  const starts = binStarts(columns);
  const bins = starts[columns.length] as number;
  const layout = coarseLayout(columns);
  if (gram.length !== gramLength(layout)) throw new AppError("MODEL_SHAPE", { gram: gram.length, expected: gramLength(layout) });
  const groupOf = Int32Array.from(layout.groupOf.flat());
  const rows = Float64Array.from(columns.flatMap((c) => c.rows));
  const groupRows = new Float64Array(layout.total);
  rows.forEach((r, b) => {
    groupRows[groupOf[b] as number] = (groupRows[groupOf[b] as number] as number) + r;
  });
  // Share of the group, times the root of the bin's weight over its expected weight.
  const factor = rows.map((r, b) => {
    const expected = (r * total) / trainRows;
    const group = groupRows[groupOf[b] as number] as number;
    return group > 0 && expected > 0 ? (r / group) * Math.sqrt((binWeight[b] as number) / expected) : 0;
  });
  const out = new Float64Array(bins * bins);
  columns.forEach((_, j) => {
    for (let a = starts[j] as number; a < (starts[j + 1] as number); a++) {
      out[a * bins + a] = binWeight[a] as number;
      const x = groupOf[a] as number;
      for (let b = 0; b < (starts[j] as number); b++) {
        const count = gram[(x * (x - 1)) / 2 + (groupOf[b] as number)] as number;
        const value = count * (total / trainRows) * (factor[a] as number) * (factor[b] as number);
        out[a * bins + b] = value;
        out[b * bins + a] = value;
      }
    }
  });
  return out;
}
