// The host's side of the tables: label-free fine bins, crossed with public folds where the design has them, and its own coarse
// Gram, the only statistic that it sends beside answers to queries.
import { AppError } from "../../core/errors.ts";
import { neutralBin, type FineOptions, type FineShape } from "../binning/fine.ts";
import type { Feature } from "../features.ts";
import { floorRows } from "../scorecard/params.ts";
import { levelRows, type CrossboostParams, type Design } from "./params.ts";

/** Fine binning of a host's feature: every bin has at least 20 rows (a level group 50) in each fold on average. */
export function hostFineOptions(feature: Feature, trainRows: number, params: CrossboostParams, design: Design): FineOptions {
  return feature.kind === "numeric"
    ? { trainRows, maxBins: params.hostBins, minRows: floorRows * design.folds }
    : { trainRows, maxBins: params.hostLevels, minRows: levelRows * design.folds };
}

/** Fine binning of the guest's own feature. */
export function guestFineOptions(trainRows: number, params: CrossboostParams): FineOptions {
  return { trainRows, maxBins: params.guestBins, minRows: floorRows };
}

/** A host's column as the guest knows it: shape and training rows of each bin. */
export type OfferedColumn = { readonly shape: FineShape; readonly rows: readonly number[] };

/** Cells of the encrypted sums: cell = fold * bins + bin. One fold: the bins themselves. */
export function foldedCells(binOf: Uint8Array, bins: number, foldOf: Uint8Array, folds: number): Uint8Array {
  if (bins * folds > neutralBin) throw new AppError("MODEL_SHAPE", { bins, folds });
  return foldOf.map((fold, row) => fold * bins + (binOf[row] as number));
}

/** Most coarse groups of a column's main bins; bins that stand apart (missing, special) make one more. */
export const coarseGroups = 4;
/** Counts of the coarse Gram are rounded to this base: no cell below half of it shows, and no difference isolates fewer rows. */
export const gramBase = floorRows;

/** Group of every bin of a column, from what the guest knows too: runs of main bins with about a quarter of the rows each. */
export function coarseGroupOf(column: OfferedColumn): number[] {
  const { orderedBins, bins } = column.shape;
  const main = column.rows.slice(0, orderedBins).reduce((a, b) => a + b, 0);
  let before = 0;
  const groups = column.rows.slice(0, orderedBins).map((rows) => {
    const middle = before + rows / 2;
    before += rows;
    return Math.min(coarseGroups - 1, Math.floor((coarseGroups * middle) / Math.max(1, main)));
  });
  // Without gaps: the group numbers that occur, in order.
  const seen = [...new Set(groups)];
  const dense = groups.map((g) => seen.indexOf(g));
  return [...dense, ...Array.from({ length: bins - orderedBins }, () => seen.length)];
}

/** Coarse groups of all columns, one after another. */
export type CoarseLayout = { readonly groupOf: readonly (readonly number[])[]; readonly total: number };
export function coarseLayout(columns: readonly OfferedColumn[]): CoarseLayout {
  let total = 0;
  const groupOf = columns.map((column) => {
    const groups = coarseGroupOf(column).map((g) => total + g);
    total = Math.max(total - 1, ...groups) + 1;
    return groups;
  });
  return { groupOf, total };
}

/** Numbers of a coarse Gram: group a with group b < a of another column, the upper triangle left out. */
export function gramLength(layout: CoarseLayout): number {
  return (layout.total * (layout.total - 1)) / 2;
}

/** Host: rows of the training part in both groups, for every pair of groups (a, b < a), as multiples of 20, at place
 *  a (a - 1) / 2 + b. Pairs within a column are 0: they follow from the counts that were offered. */
export function coarseGram(columns: readonly { readonly binOf: Uint8Array }[], layout: CoarseLayout, trainRows: number, base = gramBase): Int32Array {
  const groups = columns.map(({ binOf }, column) => {
    const map = Uint16Array.from(layout.groupOf[column] ?? []);
    return Uint16Array.from({ length: trainRows }, (_, row) => map[binOf[row] as number] as number);
  });
  const gram = new Int32Array(gramLength(layout));
  for (let a = 1; a < groups.length; a++) {
    const of = groups[a] as Uint16Array;
    for (let b = 0; b < a; b++) {
      const other = groups[b] as Uint16Array;
      for (let row = 0; row < trainRows; row++) {
        const x = of[row] as number;
        const place = (x * (x - 1)) / 2 + (other[row] as number);
        gram[place] = (gram[place] as number) + 1;
      }
    }
  }
  return gram.map((count) => base * Math.round(count / base));
}
