// The guest's cells: groups of its rows by its own columns and by its own score. A cell's indicator is the phi of the queries.
// Column 0 is one cell of all rows. It is asked for only when there is no other: else every column's cells add up to it.
import { z } from "zod";
import { neutralBin } from "../binning/fine.ts";
import type { OwnColumn } from "./own.ts";

/** A missing or special value has a cell of its own from this share of the rows, else it joins the middle cell. */
const apartShare = 0.05;
/** Rows of mean label rate that smooth the order of a category's levels (the guest's own column and label). */
const smoothing = 20;

export const cellColumnSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("all"), cells: z.literal(1) }),
  /** Cell of a fine bin of the guest's column `feature`; `neutral` for a row without a bin. */
  z.strictObject({
    kind: z.literal("column"), cells: z.int().min(2).max(8), feature: z.int().min(0).max(65_535),
    cellOfBin: z.array(z.int().min(0).max(7)).min(1).max(254), neutral: z.int().min(0).max(7),
  }),
  /** Number of edges <= value: the guest's own score (units of 2^-20), or an earlier total (0: the first). */
  z.strictObject({
    kind: z.enum(["score", "total"]), cells: z.int().min(2).max(8), edges: z.array(z.number()).min(1).max(7), total: z.int().min(0).max(1),
  }),
]);
export type CellColumn = z.output<typeof cellColumnSchema>;

/** Columns of cells laid out one after another; cells of column a: starts[a]..starts[a+1]-1. */
export type GuestCells = {
  readonly columns: readonly CellColumn[];
  readonly starts: Int32Array;
  /** Cells of all columns together. */
  readonly total: number;
  /** Vectors phi that are asked for: all cells of the columns after the first, or that one alone. */
  readonly vectors: number;
};
/** What rows are told apart by: fine bins of the guest's columns, its own score, totals opened before. */
export type CellSource = {
  readonly binsOf: readonly Uint8Array[];
  readonly score: Float64Array;
  readonly totals: readonly Float64Array[];
};

export function guestCells(columns: readonly CellColumn[]): GuestCells {
  const starts = new Int32Array(columns.length + 1);
  columns.forEach((c, i) => {
    starts[i + 1] = (starts[i] as number) + c.cells;
  });
  const total = starts[columns.length] as number;
  return { columns, starts, total, vectors: Math.max(1, total - 1) };
}

/** Cell within its column of every row. */
export function cellsOfRows(column: CellColumn, source: CellSource): Uint8Array {
  if (column.kind === "all") return new Uint8Array(source.score.length);
  if (column.kind === "column") {
    const map = new Uint8Array(neutralBin + 1).fill(column.neutral);
    map.set(column.cellOfBin);
    return (source.binsOf[column.feature] ?? new Uint8Array(source.score.length).fill(neutralBin)).map((bin) => map[bin] as number);
  }
  const values = column.kind === "score" ? source.score : (source.totals[column.total] ?? new Float64Array(source.score.length));
  const { edges } = column;
  return Uint8Array.from(values, (value) => {
    let cell = 0;
    while (cell < edges.length && value >= (edges[cell] as number)) cell++;
    return cell;
  });
}

/** Cells of values with about equal numbers of counted training rows; undefined when all values are equal. */
export function quantileColumn(kind: "score" | "total", values: Float64Array, counted: Uint8Array, cells: number, total = 0): CellColumn | undefined {
  const order = Uint32Array.from(counted, (_, row) => row).sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  const all = counted.reduce((sum, c) => sum + c, 0);
  const edges: number[] = [];
  let sum = 0;
  let lowest = values[order[0] ?? 0] ?? 0;
  for (const row of order) {
    if (edges.length < cells - 1 && sum >= ((edges.length + 1) * all) / cells && (values[row] as number) > lowest) {
      lowest = values[row] as number;
      edges.push(lowest);
    }
    sum += counted[row] as number;
  }
  return edges.length === 0 ? undefined : { kind, cells: edges.length + 1, edges, total };
}

/** Cells of one of the guest's columns, of about equal numbers of counted rows; undefined when it has one group only. */
export function ownCells(
  column: OwnColumn, feature: number, label: Uint8Array, trainRows: number, cells: number, counted: Uint8Array,
): CellColumn | undefined {
  const rows = new Float64Array(column.bins);
  const events = new Float64Array(column.bins);
  let allEvents = 0;
  let all = 0;
  for (let row = 0; row < trainRows; row++) {
    if (counted[row] === 0) continue;
    const bin = column.binOf[row] as number;
    all++;
    rows[bin] = (rows[bin] as number) + 1;
    events[bin] = (events[bin] as number) + (label[row] as number);
    allEvents += label[row] as number;
  }
  const rate = (bin: number): number => ((events[bin] as number) + (smoothing * allEvents) / Math.max(1, all)) / ((rows[bin] as number) + smoothing);
  const bins = Array.from({ length: column.bins }, (_, bin) => bin);
  const sequence = column.kind === "numeric" ? bins.slice(0, column.orderedBins) : bins.toSorted((a, b) => rate(a) - rate(b) || a - b);
  const apart = column.kind === "numeric" ? bins.slice(column.orderedBins) : [];
  const apartRows = apart.reduce((sum, bin) => sum + (rows[bin] as number), 0);
  const ownCell = sequence.length === 0 || apartRows >= apartShare * all;
  const { cellOf, count } = equalGroups(sequence, rows, ownCell && apart.length > 0 ? cells - 1 : cells);
  const main = sequence.length === 0 ? 0 : count;
  const apartCell = ownCell ? main : Math.floor(main / 2);
  const cellOfBin = bins.map((bin) => cellOf.get(bin) ?? apartCell);
  const total = main + (ownCell && apart.length > 0 ? 1 : 0);
  if (total < 2) return undefined;
  return { kind: "column", cells: total, feature, cellOfBin, neutral: apart.length > 0 ? apartCell : Math.floor(total / 2) };
}

/** Runs of a sequence with about equal rows. */
function equalGroups(sequence: readonly number[], rows: Float64Array, groups: number): { cellOf: Map<number, number>; count: number } {
  const cellOf = new Map<number, number>();
  let left = sequence.reduce((sum, bin) => sum + (rows[bin] as number), 0);
  let group = 0;
  let size = 0;
  for (const bin of sequence) {
    const next = size + (rows[bin] as number);
    const target = left / (groups - group);
    if (size > 0 && group < groups - 1 && next > target && target - size <= next - target) {
      left -= size;
      group++;
      size = 0;
    }
    size += rows[bin] as number;
    cellOf.set(bin, group);
    if (group < groups - 1 && size >= left / (groups - group)) {
      left -= size;
      group++;
      size = 0;
    }
  }
  // The last group was opened and nothing followed.
  const count = size === 0 && group > 0 ? group : group + 1;
  return { cellOf, count };
}

export type CellChoice = {
  readonly columns: readonly OwnColumn[];
  /** Gain of each column in the guest's own trees. */
  readonly gains: readonly number[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  /** 1 for the training rows that take part in queries. */
  readonly counted: Uint8Array;
  readonly scoreCells: number;
  readonly cellsPerColumn: number;
  readonly guestColumns: number;
  readonly mostVectors: number;
};

/** All rows, the score, then own columns, the strongest first, as long as the vectors stay within `mostVectors`. */
export function chooseCells(choice: CellChoice, score: Float64Array): GuestCells {
  const { columns, gains, label, trainRows, counted, mostVectors } = choice;
  const chosen: CellColumn[] = [{ kind: "all", cells: 1 }];
  let vectors = 0;
  const add = (column: CellColumn | undefined): boolean => {
    if (column === undefined || vectors + column.cells > mostVectors) return false;
    chosen.push(column);
    vectors += column.cells;
    return true;
  };
  add(quantileColumn("score", score, counted, choice.scoreCells));
  const strongest = gains.map((_, i) => i).filter((i) => (gains[i] as number) > 0).sort((a, b) => (gains[b] as number) - (gains[a] as number) || a - b);
  let own = 0;
  for (const feature of strongest) {
    if (own >= choice.guestColumns) break;
    if (add(ownCells(columns[feature] as OwnColumn, feature, label, trainRows, choice.cellsPerColumn, counted))) own++;
  }
  return guestCells(chosen);
}
