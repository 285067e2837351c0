// Sums of g, h and rows per bin of a node, the guest's own columns in the clear; and what is kept of the hosts' answers.
// Only one child of a split node is summed or asked for: the other is the parent less that child, exactly.
import { AppError } from "../../core/errors.ts";
import type { CellSums, GrowFeature, NodeVectors } from "./grow.ts";
import type { Node } from "./split.ts";

/** Cells of one node; `rows` only where rows are known. `terms`: answers that were added or subtracted (for the bound of noise). */
export type Cells = { readonly g: Float64Array; readonly h: Float64Array; readonly rows: Float64Array | undefined; readonly terms: number };

/** Where each feature's bins begin in the cells of its kind (own or host), and how many cells there are. */
export type Layout = { readonly offsets: readonly number[]; readonly own: number; readonly host: number };

export function layoutOf(features: readonly GrowFeature[]): Layout {
  let own = 0;
  let host = 0;
  const offsets = features.map((f) => {
    const at = f.binOf !== undefined ? own : host;
    if (f.binOf !== undefined) own += f.bins;
    else host += f.bins;
    return at;
  });
  return { offsets, own, host };
}

/** Sums of one column over the given rows into cells offset..offset+bins-1. */
export function addColumn(codes: Uint8Array, rows: Int32Array, v: NodeVectors, cells: Omit<Cells, "terms">, offset: number): void {
  const { g, h, rows: counts } = cells;
  for (const row of rows) {
    const cell = offset + (codes[row] as number);
    g[cell] = (g[cell] as number) + (v.g[row] as number);
    h[cell] = (h[cell] as number) + (v.h[row] as number);
    if (counts !== undefined) counts[cell] = (counts[cell] as number) + 1;
  }
}

/** Cells of the guest's own features in `chosen`. */
export function ownCells(features: readonly GrowFeature[], chosen: readonly number[], layout: Layout, node: Node, v: NodeVectors): Cells {
  const cells = { g: new Float64Array(layout.own), h: new Float64Array(layout.own), rows: new Float64Array(layout.own), terms: 1 };
  for (const f of chosen) {
    const codes = features[f]?.binOf;
    if (codes !== undefined) addColumn(codes, node.rows, v, cells, layout.offsets[f] as number);
  }
  return cells;
}

/** The other child of a split node. */
export function siblingCells(parent: Cells, child: Cells): Cells {
  const { rows } = parent;
  return {
    g: parent.g.map((x, i) => x - (child.g[i] as number)),
    h: parent.h.map((x, i) => x - (child.h[i] as number)),
    rows: rows?.map((x, i) => x - (child.rows?.[i] as number)),
    terms: parent.terms + child.terms,
  };
}

/** Vectors over all training rows, 0 outside the node. */
export function nodeVectors(node: Node, v: NodeVectors): NodeVectors {
  const g = new Int32Array(v.g.length);
  const h = new Int32Array(v.h.length);
  for (const row of node.rows) {
    g[row] = v.g[row] as number;
    h[row] = v.h[row] as number;
  }
  return { g, h };
}

/** An answer of the hosts, checked: one finite integer per cell and, when no noise was added, every wanted feature's bins adding up to
 *  the node. Throws MODEL_SHAPE, MODEL_TREE_SUMS (naming the first feature that is wrong). */
export function hostCells(
  sums: CellSums | undefined, features: readonly GrowFeature[], wanted: readonly number[], layout: Layout, node: Node, noise: boolean,
): Cells {
  if (sums === undefined || sums.g.length !== layout.host || sums.h.length !== layout.host) {
    throw new AppError("MODEL_SHAPE", { cells: layout.host, given: sums?.g.length ?? 0 });
  }
  for (const feature of wanted) {
    let g = 0;
    let h = 0;
    const from = layout.offsets[feature] as number;
    for (let cell = from; cell < from + (features[feature]?.bins ?? 0); cell++) {
      g += sums.g[cell] as number;
      h += sums.h[cell] as number;
    }
    if (!Number.isSafeInteger(g) || !Number.isSafeInteger(h) || (!noise && (g !== node.g || h !== node.h))) {
      throw new AppError("MODEL_TREE_SUMS", { feature });
    }
  }
  return { g: sums.g, h: sums.h, rows: undefined, terms: 1 };
}
