// What must hold among a host's answers: the sums over all bins of a feature are the guest's own sum of the node (up to the bound of the
// noise), and the bits of a cut give the row counts of its bins.
import { AppError } from "../../core/errors.ts";
import type { PartyId } from "../../core/brand.ts";
import type { CellSums, NodeVectors } from "../../models/trees/grow.ts";
import { noiseBound, type TreeLimits } from "./floors.ts";
import { askedCells, type HostFeature } from "./offers.ts";

/** Where in the training: facts of errors. `level` is absent before the first histograms of a tree. */
export type Step = { readonly tree: number; readonly level?: number };
type Level = Step & { readonly nodes: readonly NodeVectors[]; readonly sums: readonly CellSums[] };

/** Throws PROTOCOL_CONTRADICTION naming host, feature, tree and level when a feature's cells do not add up to the node. */
export function checkSums(host: PartyId, features: readonly HostFeature[], level: Level, noise: TreeLimits["noise"]): void {
  for (const [n, node] of level.nodes.entries()) {
    for (const kind of ["g", "h"] as const) {
      const whole = total(node[kind]);
      const cells = level.sums[n]?.[kind] ?? new Float64Array(0);
      for (const f of features) {
        const bins = askedCells(f);
        if (bins === 0) continue;
        let sum = 0;
        for (let bin = 0; bin < bins; bin++) sum += cells[f.firstCell + bin] ?? 0;
        if (Math.abs(sum - whole) > noiseBound(noise?.[kind], bins)) throw contradiction(host, f, level);
      }
    }
  }
}

/** `right`: one byte per row; `left`: codes that go left. As many training rows lie on the left as the host had said of these bins. (Their
 *  sums of g are held against the cells by the grower.) Throws PROTOCOL_CONTRADICTION. */
export function checkBits(host: PartyId, f: HostFeature, left: readonly number[], right: Uint8Array, trainRows: number, at: Step): void {
  let rows = 0;
  for (let row = 0; row < trainRows; row++) rows += 1 - (right[row] as number);
  if (rows !== left.reduce((sum, bin) => sum + (f.totals[bin] ?? 0), 0)) throw contradiction(host, f, at);
}

function total(vector: Int32Array): number {
  let sum = 0;
  for (let row = 0; row < vector.length; row++) sum += vector[row] as number;
  return sum;
}

function contradiction(host: PartyId, f: HostFeature, { tree, level }: Step): AppError {
  return new AppError("PROTOCOL_CONTRADICTION", { party: host, feature: f.index, tree, ...(level === undefined ? {} : { level }) });
}
