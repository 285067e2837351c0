// Attacks on a job of boosted trees, from the guest's view of it: which bin of a host's column each company is in. From the bitmaps
// alone, from the sums alone, and from both.
import { countFine, type FineShape } from "../../../models/binning/fine.ts";
import { bitsPerRow, type HostCut } from "../../../federation/gbdt/cuts.ts";
import { rightOfCode, type Cut } from "../../../models/trees/model.ts";
import type { PlainInput } from "../../../models/trees/plain.ts";
import { seededDraw } from "../draw.ts";
import { equationsOf, estimateBins } from "./linear-estimate.ts";
import { openedSums, type Target, type TreeView } from "./tree-view.ts";

/** Features of all hosts in list order, over all rows. `index`: place in the job's list. */
export type HostColumn = FineShape & { readonly index: number; readonly binOf: Uint8Array };

export type KnownBits = {
  /** Average of -log2 of the share of rows that share a row's sides in all cuts: what the bitmaps say about a company. */
  readonly bits: number;
  /** Average of -log2 of the share of a row's bin: all there is to know. */
  readonly entropy: number;
  /** What the host's book charges for these cuts. */
  readonly charged: number;
  readonly cuts: number;
};

/** What the bitmaps of a column alone say, over all rows. */
export function knownFromBits(view: TreeView, column: HostColumn): KnownBits {
  const cuts = cutsOf(view, column);
  const { pieceOf, pieces } = piecesOf(cuts, column.binOf);
  return {
    bits: entropyOf(pieceOf, pieces), entropy: entropyOf(column.binOf, 256), cuts: cuts.length,
    charged: bitsPerRow([column], cuts.map((c): HostCut => ({ feature: 0, left: c.left }))),
  };
}

export type Recovered = {
  /** Share of the training rows whose bin the attack names. */
  readonly right: number;
  /** The same by the largest bin alone. */
  readonly base: number;
};

/** From the sums alone: the columns' values are dealt out to other rows, so that no bitmap and no correlation of the model says anything
 *  about them; the sums are what the hosts would have answered. `order`: a permutation of the training rows. */
export function fromSums(view: TreeView, targets: readonly Target[], order: Int32Array): Recovered[] {
  const dealt = targets.map((t) => ({ ...t, binOf: Uint8Array.from(order, (row) => t.binOf[row] ?? 0) }));
  const rows = Int32Array.from({ length: view.trainRows }, (_, row) => row);
  const shares = dealt.map((t) => countsOf(t, view.trainRows).map((n) => n / view.trainRows));
  const estimate = estimateBins(equationsOf(view), rows, shares.flat(), dealt.flatMap((t) => openedSums(view, t)));
  let first = 0;
  return dealt.map((target, t): Recovered => {
    const guess = likeliest(estimate, rows.length, shares.flat().length, first, target.bins);
    first += target.bins;
    return { right: shareOf(guess, (i) => target.binOf[i] as number), base: Math.max(...(shares[t] ?? [])) };
  });
}

/** As deployed: bitmaps pin a row to some bins of its column, sums (with what correlates with the label) tell among them. `most`: nodes whose
 *  sums are used. */
export function fromAll(view: TreeView, column: HostColumn, target: Target, most = Infinity): Recovered {
  const { pieceOf, pieces, pieceOfCode } = piecesOf(cutsOf(view, column), column.binOf.subarray(0, view.trainRows));
  const eq = equationsOf(view, most);
  const sums = openedSums(view, target);
  // The host says how many training rows each bin has (trees/offer).
  const totals = countsOf(target, view.trainRows);
  let right = 0;
  for (let piece = 0; piece < pieces; piece++) {
    const rows = Int32Array.from([...pieceOf.keys()].filter((row) => pieceOf[row] === piece));
    const bins = rangeOf(column.bins).filter((bin) => pieceOfCode[bin] === piece);
    if (rows.length === 0) continue;
    const estimate = bins.length === 1 ? new Float64Array(rows.length)
      : estimateBins(eq, rows, bins.map((b) => (totals[b] as number) / rows.length), bins.map((b) => sums[b] as Float64Array));
    right += rows.length * shareOf(likeliest(estimate, rows.length, bins.length, 0, bins.length), (i) => bins.indexOf(target.binOf[rows[i] as number] as number));
  }
  return { right: right / view.trainRows, base: Math.max(...totals) / view.trainRows };
}

/** Of each row the largest of `bins` entries from `first` on. */
function likeliest(estimate: Float64Array, rows: number, width: number, first: number, bins: number): Uint8Array {
  return Uint8Array.from({ length: rows }, (_, i) => {
    const at = i * width + first;
    let best = 0;
    for (let b = 1; b < bins; b++) if ((estimate[at + b] as number) > (estimate[at + best] as number)) best = b;
    return best;
  });
}

function shareOf(guess: Uint8Array, truth: (i: number) => number): number {
  let right = 0;
  for (let i = 0; i < guess.length; i++) if (guess[i] === truth(i)) right++;
  return right / guess.length;
}

function countsOf({ binOf, bins }: Target, rows: number): number[] {
  return countFine(binOf, bins, rows).totals;
}

function cutsOf(view: TreeView, column: HostColumn): Cut[] {
  return view.cuts.filter((c) => c.feature === column.index);
}

/** Rows on the same side of every cut are in one piece. */
function piecesOf(cuts: readonly Cut[], codes: Uint8Array): { pieceOf: Uint8Array; pieces: number; pieceOfCode: Uint8Array } {
  const sides = cuts.map((cut) => rightOfCode(cut));
  const seen = new Map<string, number>();
  const pieceOfCode = Uint8Array.from({ length: 256 }, (_, code) => {
    const key = sides.map((right) => right[code]).join("");
    if (!seen.has(key)) seen.set(key, seen.size);
    return seen.get(key) ?? 0;
  });
  return { pieceOf: codes.map((code) => pieceOfCode[code] as number), pieces: seen.size, pieceOfCode };
}

function entropyOf(codes: Uint8Array, kinds: number): number {
  const counts = new Float64Array(kinds);
  for (const code of codes) counts[code] = (counts[code] as number) + 1;
  return counts.reduce((sum, n) => (n === 0 ? sum : sum - (n / codes.length) * Math.log2(n / codes.length)), 0);
}

const rangeOf = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The hosts' columns of a job's list, with the places of their bins among all sums. */
export function hostColumns(features: PlainInput["features"], guest: string): (HostColumn & Target & { readonly name: string; readonly party: string })[] {
  let firstCell = 0;
  return features.flatMap((feature, index) => {
    if (feature.party === guest) return [];
    const column = { ...feature, index, firstCell };
    firstCell += feature.bins;
    return [column];
  });
}

/** A permutation of so many rows. */
export function shuffled(rows: number, seed: number): Int32Array {
  const draw = seededDraw(seed);
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  for (let i = rows - 1; i > 0; i--) {
    const j = draw.int(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}
