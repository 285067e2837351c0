// The joint total of a row in integers: what the guest puts into the oblivious lookup, and what it makes of the 8 bits that are
// opened. Entries are centred per row and column: the centre is the guest's to know, so that only the part that depends on the
// host's bins uses up the 16 bits, and no choice of bins can leave them.
import { AppError } from "../../core/errors.ts";
import type { GuestCells } from "./cells.ts";
import type { OfferedColumn } from "./host.ts";
import { binStarts } from "./tables.ts";

/** Only the top 8 of 16 bits are opened. */
export const droppedBits = 8;
/** Largest |sum of entries| of a row over all columns of all hosts. Every host drops its low bits by itself, so that the opened sum is off
 *  by at most half a step per host: sixteen hosts must not carry it over the end of the 16 bits. */
export const sumLimit = 2 ** 15 - 1 - 16 * 2 ** (droppedBits - 1);

/** One host's part of the lookup. */
export type HostLookup = {
  readonly columns: readonly OfferedColumn[];
  /** F in integer units, guest cells x host bins, per set of tables. */
  readonly tables: readonly Int32Array[];
};
/** Tables of all hosts in one unit. Set s < folds serves the training rows of fold s; the last set serves all others. */
export type Lookup = {
  readonly cells: GuestCells;
  readonly hosts: readonly HostLookup[];
  /** Log odds per integer unit. */
  readonly unit: number;
};

/** Entries that a host picks from, per row: for each column one per bin, then one for a row without a bin. */
export function slotsOf(columns: readonly OfferedColumn[]): number {
  return columns.reduce((sum, c) => sum + c.shape.bins + 1, 0);
}

/** Tables F (log odds; `parts`[host][set]) to a lookup whose unit is
 *  the finest with which every given row stays within `sumLimit` whatever the hosts' bins. `cellOf`: per guest column, the cell of
 *  every row; `setOf`: the set of every row. */
export function buildLookup(
  cells: GuestCells, hosts: readonly { readonly columns: readonly OfferedColumn[]; readonly parts: readonly Float64Array[] }[],
  cellOf: readonly Uint8Array[], setOf: Uint8Array,
): Lookup {
  let reach = 0;
  const seen = new Set<string>();
  for (let row = 0; row < setOf.length; row++) {
    const key = `${setOf[row] as number}:${cellOf.map((of) => of[row] as number).join(",")}`;
    if (seen.has(key)) continue;
    seen.add(key);
    let own = 0;
    for (const { columns, parts } of hosts) own += halfRange(cells, columns, parts[setOf[row] as number] as Float64Array, cellOf, row);
    reach = Math.max(reach, own);
  }
  // Rounding of each guest column's part moves an entry by half a unit, the centre by another: kept free here.
  const slack = hosts.reduce((sum, { columns }) => sum + columns.length, 0) * (cells.columns.length + 2);
  const unit = reach > 0 ? reach / (sumLimit - slack) : 1;
  return {
    cells, unit,
    hosts: hosts.map(({ columns, parts }) => ({ columns, tables: parts.map((part) => Int32Array.from(part, (x) => Math.round(x / unit))) })),
  };
}

function halfRange(cells: GuestCells, columns: readonly OfferedColumn[], table: Float64Array, cellOf: readonly Uint8Array[], row: number): number {
  const starts = binStarts(columns);
  const sums = rowSums(cells, starts[columns.length] as number, table, cellOf, row);
  let half = 0;
  for (let j = 0; j < columns.length; j++) {
    let [low, high] = [Infinity, -Infinity];
    for (let b = starts[j] as number; b < (starts[j + 1] as number); b++) {
      low = Math.min(low, sums[b] as number);
      high = Math.max(high, sums[b] as number);
    }
    half += (high - low) / 2;
  }
  return half;
}

/** u_i: per host bin, the sum over the guest's columns at the row's cells. */
function rowSums(cells: GuestCells, bins: number, table: Float64Array | Int32Array, cellOf: readonly Uint8Array[], row: number): Float64Array {
  const sums = new Float64Array(bins);
  cellOf.forEach((of, column) => {
    const from = ((cells.starts[column] as number) + (of[row] as number)) * bins;
    for (let b = 0; b < bins; b++) sums[b] = (sums[b] as number) + (table[from + b] as number);
  });
  return sums;
}

/** What the guest keeps of its rows' entries. */
export type RowCentres = {
  /** Sum of the centres of all columns of all hosts, integer units. */
  readonly centre: Int32Array;
  /** 1, or below 1 for a row whose entries would leave the 16 bits (only cells never seen together in training can): they are shrunk. */
  readonly shrink: Float64Array;
  /** Sum of a host's entries for a row about which it knows nothing (its missing bins, else the mean), per host. */
  readonly away: readonly Int32Array[];
};
export type RowEntries = {
  /** Per host, rows x slots: |sum of one choice per column over all hosts| <= `sumLimit`. */
  readonly entries: readonly Int16Array[];
  readonly centres: RowCentres;
};

/** Entries of rows `from`..`to` - 1. Throws MODEL_SHAPE for cells or sets of other lengths. */
export function rowEntries(lookup: Lookup, cellOf: readonly Uint8Array[], setOf: Uint8Array, from = 0, to = setOf.length): RowEntries {
  const { cells, hosts } = lookup;
  if (cellOf.length !== cells.columns.length || cellOf.some((of) => of.length !== setOf.length)) throw new AppError("MODEL_SHAPE", { columns: cellOf.length });
  const rows = to - from;
  const slots = hosts.map((h) => slotsOf(h.columns));
  const starts = hosts.map((h) => binStarts(h.columns));
  const raw = slots.map((n) => new Int32Array(n));
  const entries = slots.map((n) => new Int16Array(rows * n));
  const centre = new Int32Array(rows);
  const shrink = new Float64Array(rows).fill(1);
  const away = hosts.map(() => new Int32Array(rows));
  for (let i = 0; i < rows; i++) {
    const row = from + i;
    let reach = 0;
    hosts.forEach((host, h) => {
      const table = host.tables[setOf[row] as number];
      const at = starts[h] as Int32Array;
      if (table === undefined) throw new AppError("MODEL_SHAPE", { sets: host.tables.length });
      const sums = rowSums(cells, at[host.columns.length] as number, table, cellOf, row);
      const out = raw[h] as Int32Array;
      let slot = 0;
      host.columns.forEach((column, j) => {
        const first = at[j] as number;
        let [low, high, weighted, all] = [Infinity, -Infinity, 0, 0];
        for (let b = 0; b < column.shape.bins; b++) {
          const u = sums[first + b] as number;
          low = Math.min(low, u);
          high = Math.max(high, u);
          weighted += u * (column.rows[b] as number);
          all += column.rows[b] as number;
        }
        const middle = Math.floor((low + high) / 2);
        centre[i] = (centre[i] as number) + middle;
        reach += Math.max(high - middle, middle - low);
        for (let b = 0; b < column.shape.bins; b++) out[slot++] = (sums[first + b] as number) - middle;
        out[slot++] = all > 0 ? Math.round(weighted / all) - middle : 0;
      });
    });
    const factor = reach > sumLimit ? sumLimit / reach : 1;
    shrink[i] = factor;
    hosts.forEach((host, h) => {
      const out = entries[h] as Int16Array;
      const from16 = i * (slots[h] as number);
      (raw[h] as Int32Array).forEach((value, s) => {
        out[from16 + s] = factor === 1 ? value : Math.trunc(value * factor);
      });
      let slot = 0;
      for (const { shape } of host.columns) {
        const absent = shape.missingBin >= 0 ? shape.missingBin : shape.bins;
        (away[h] as Int32Array)[i] = ((away[h] as Int32Array)[i] as number) + (out[from16 + slot + absent] as number);
        slot += shape.bins + 1;
      }
    });
  }
  return { entries, centres: { centre, shrink, away } };
}

/** A host's choice per row and column: its bin, or the last slot without one. */
export function choiceOf(bin: number, column: OfferedColumn): number {
  return Math.min(bin, column.shape.bins);
}

/** Sum of the chosen entries of one host, in the clear (the oracle). `binsOf`: fine bins of the same rows per column. */
export function chosenSums(columns: readonly OfferedColumn[], entries: Int16Array, binsOf: readonly Uint8Array[], from = 0): Int32Array {
  const slots = slotsOf(columns);
  const sums = new Int32Array(entries.length / slots);
  let slot = 0;
  columns.forEach((column, j) => {
    const bins = binsOf[j] as Uint8Array;
    for (let i = 0; i < sums.length; i++) {
      sums[i] = (sums[i] as number) + (entries[i * slots + slot + choiceOf(bins[from + i] as number, column)] as number);
    }
    slot += column.shape.bins + 1;
  });
  return sums;
}

/** The sum over all hosts as far as the opened 8 bits tell it, rounded to the middle of the step (the oracle; the lookup's own rounding adds
 *  to it). */
export function openedBits(sums: Int32Array): Int16Array {
  return Int16Array.from(sums, (sum) => ((sum + (1 << (droppedBits - 1))) >> droppedBits) << droppedBits);
}

/** Log odds of the joint total, from the opened bits and what the guest knows. `absent`: hosts (by place) whose part is not in them. */
export function totalOf(lookup: Lookup, opened: Int16Array, centres: RowCentres, absent: readonly number[] = []): Float64Array {
  return Float64Array.from(opened, (sum, i) => {
    const missing = absent.reduce((all, h) => all + (centres.away[h]?.[i] ?? 0), 0);
    return lookup.unit * ((centres.centre[i] as number) + (sum + missing) / (centres.shrink[i] as number));
  });
}
