// What a guest holds after growing trees over domains: its own vectors, what it opened for them, and the bits of the hosts' cuts. Taken
// from the plaintext trainer, which the federated run equals bit for bit: every attack on trees starts from this and nothing else.
import type { Rng } from "../../../core/env.ts";
import { treeLimits } from "../../../federation/gbdt/floors.ts";
import { cellNoise, type CellNoise } from "../../../kernels/noise.ts";
import type { CellSums, Grown } from "../../../models/trees/grow.ts";
import { cutKey, type Cut } from "../../../models/trees/model.ts";
import { plainTrees, type PlainInput } from "../../../models/trees/plain.ts";

/** One node that hosts were asked about: its training rows and what each of them weighs. */
export type AskedNode = { readonly rows: Int32Array; readonly g: Int32Array; readonly h: Int32Array };
export type TreeView = {
  readonly grown: Grown;
  readonly trainRows: number;
  readonly nodes: readonly AskedNode[];
  /** Standard deviation of the noise in each opened sum, in units of the sums; 0 without. */
  readonly sd: { readonly g: number; readonly h: number };
  /** The noise of each node over the bins of all hosts' features, in list order; none without. */
  readonly noise: readonly CellSums[];
  /** Cuts whose bits were asked for, over all rows. */
  readonly cuts: readonly Cut[];
};
export type WatchedInput = Omit<PlainInput, "noise" | "onAsked"> & { readonly liftFloors: boolean; readonly rng: Rng };

const deviation = ({ log2Sd, shift }: CellNoise): number => 2 ** (log2Sd - shift);

/** Trains as a job of these parameters would, with its noise, and keeps what the guest saw. Hosts answer for all of their cells, also
 *  for features that the tree does not look at. Throws FLOOR_ROWS or FLOOR_TREES below the floors, and as `plainTrees`. */
export function watchTrees({ liftFloors, rng, ...input }: WatchedInput): TreeView {
  const limits = treeLimits({ trainRows: input.trainRows, params: input.params, liftFloors });
  const kinds = limits.noise;
  const nodes: AskedNode[] = [];
  const noise: CellSums[] = [];
  const cuts = new Map<string, Cut>();
  const grown = plainTrees({
    ...input, params: limits.params,
    onAsked: (asked) => {
      if (asked.kind === "bits") cuts.set(cutKey(asked.cut), asked.cut);
      if (asked.kind === "histograms") for (const node of asked.nodes) nodes.push(compact(node));
    },
    ...(kinds && {
      noise: (sums: CellSums): CellSums => {
        const more = { g: Float64Array.from(cellNoise(rng, sums.g.length, kinds.g)), h: Float64Array.from(cellNoise(rng, sums.h.length, kinds.h)) };
        noise.push(more);
        return { g: sums.g.map((x, i) => x + (more.g[i] ?? 0)), h: sums.h.map((x, i) => x + (more.h[i] ?? 0)) };
      },
    }),
  });
  return {
    grown, trainRows: input.trainRows, nodes, noise, cuts: [...cuts.values()],
    sd: { g: kinds ? deviation(kinds.g) : 0, h: kinds ? deviation(kinds.h) : 0 },
  };
}

function compact(node: { readonly g: Int32Array; readonly h: Int32Array }): AskedNode {
  const rows: number[] = [];
  for (let row = 0; row < node.g.length; row++) if (node.g[row] !== 0 || node.h[row] !== 0) rows.push(row);
  return { rows: Int32Array.from(rows), g: Int32Array.from(rows, (row) => node.g[row] ?? 0), h: Int32Array.from(rows, (row) => node.h[row] ?? 0) };
}

/** A host's column of fine bins, as the attacker wants to have it. `firstCell`: of its bins among those of all hosts' features. */
export type Target = { readonly binOf: Uint8Array; readonly bins: number; readonly firstCell: number };

/** What the guest opened about a column: per bin, g and h of every node in turn. */
export function openedSums(view: TreeView, { binOf, bins, firstCell }: Target): Float64Array[] {
  const sums = Array.from({ length: bins }, () => new Float64Array(2 * view.nodes.length));
  for (const [q, node] of view.nodes.entries()) {
    for (let i = 0; i < node.rows.length; i++) {
      const of = sums[binOf[node.rows[i] as number] as number];
      if (of === undefined) continue;
      of[2 * q] = (of[2 * q] as number) + (node.g[i] as number);
      of[2 * q + 1] = (of[2 * q + 1] as number) + (node.h[i] as number);
    }
    const noise = view.noise[q];
    if (noise === undefined) continue;
    for (const [bin, of] of sums.entries()) {
      of[2 * q] = (of[2 * q] as number) + (noise.g[firstCell + bin] as number);
      of[2 * q + 1] = (of[2 * q + 1] as number) + (noise.h[firstCell + bin] as number);
    }
  }
  return sums;
}
