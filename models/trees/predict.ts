// Scores of rows from their fine bins, with parties that may be away.
import { AppError } from "../../core/errors.ts";
import { neutralBin } from "../binning/fine.ts";
import { rightOfCode, type SymmetricTree, type TreeModel } from "./model.ts";

/** Leaf of one row. `codeOf`: the row's fine bin of a feature, `neutralBin` without one. */
export function leafOf(tree: SymmetricTree, codeOf: (feature: number) => number): number {
  return tree.cuts.reduce((leaf, cut, level) => leaf | (cut.left.includes(codeOf(cut.feature)) ? 0 : 1 << level), 0);
}

/** Score of one row in units of 2^-20 log odds. */
export function scoreOf(model: TreeModel, codeOf: (feature: number) => number): number {
  return model.trees.reduce((score, tree) => score + (tree.leaves[leafOf(tree, codeOf)] as number), model.base);
}

/** Scores of rows in units of 2^-20 log odds. `columns`: fine bins per feature of the model's list; undefined when its owner is
 *  away: every cut of it then goes where missing values go (see `Cut`). Throws MODEL_SHAPE for columns of other lengths. */
export function scoreRows(model: TreeModel, columns: readonly (Uint8Array | undefined)[], rows: number): Float64Array {
  if (columns.length !== model.features.length) throw new AppError("MODEL_SHAPE", { features: model.features.length, columns: columns.length });
  columns.forEach((column, feature) => {
    if (column !== undefined && column.length !== rows) throw new AppError("MODEL_SHAPE", { feature, rows, given: column.length });
  });
  const scores = new Float64Array(rows).fill(model.base);
  const leaves = new Uint8Array(rows);
  for (const tree of model.trees) {
    leaves.fill(0);
    tree.cuts.forEach((cut, level) => {
      const right = rightOfCode(cut);
      const column = columns[cut.feature];
      const away = right[neutralBin] as number;
      for (let row = 0; row < rows; row++) {
        const bit = column === undefined ? away : (right[column[row] as number] as number);
        leaves[row] = (leaves[row] as number) | (bit << level);
      }
    });
    for (let row = 0; row < rows; row++) scores[row] = (scores[row] as number) + (tree.leaves[leaves[row] as number] as number);
  }
  return scores;
}
