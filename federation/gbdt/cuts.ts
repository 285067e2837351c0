// A host's book of the cuts that the guest asked for: what it refuses, and how much the bitmaps together say about a company.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { neutralBin, type FineShape } from "../../models/binning/fine.ts";

/** One cut of a host's own feature: the codes (fine bins, and 255 for rows without a bin) that go left, ascending. */
export type HostCut = { readonly feature: number; readonly left: readonly number[] };

export class CutBook {
  readonly #shapes: readonly FineShape[];
  readonly #maxCuts: number;
  readonly #guest: PartyId;
  readonly #cuts: HostCut[] = [];

  /** maxCuts: distinct cuts of one feature, at most. */
  constructor(shapes: readonly FineShape[], options: { readonly maxCuts: number; readonly guest: PartyId }) {
    this.#shapes = shapes;
    this.#maxCuts = options.maxCuts;
    this.#guest = options.guest;
  }

  get cuts(): readonly HostCut[] {
    return this.#cuts;
  }

  /** Takes the next cut. Throws PROTOCOL_SPLIT when it is none of this feature or was asked before (the guest keeps its bitmaps), BUDGET_CUTS
   *  beyond the cap. Returns how many more bits about each company its bitmap says at most. */
  admit(cut: HostCut): number {
    const { feature } = cut;
    const shape = this.#shapes[feature];
    const before = this.#cuts.filter((c) => c.feature === feature);
    const fits = shape !== undefined && splits(shape, cut.left) && before.every((c) => !sameSides(shape, c, cut) && areNested(shape, c, cut));
    if (!fits) throw new AppError("PROTOCOL_SPLIT", { party: this.#guest, feature, cut: this.#cuts.length });
    if (before.length >= this.#maxCuts) throw new AppError("BUDGET_CUTS", { party: this.#guest, feature, limit: this.#maxCuts });
    this.#cuts.push(cut);
    return Math.log2(pieces(shape, [...before, cut])) - Math.log2(pieces(shape, before));
  }
}

/** Into how many pieces cuts of one feature divide its bins (and the rows without one): log2 of it bounds what their bitmaps say about a
 *  company. Ordered bins with k cuts make k + 1 pieces; special and missing values may make one more each. */
export function pieces(shape: FineShape, cuts: readonly HostCut[]): number {
  const sides = cuts.map((c) => new Set(c.left));
  const codes = [...Array.from({ length: shape.bins }, (_, bin) => bin), neutralBin];
  return new Set(codes.map((code) => sides.map((left) => (left.has(code) ? "0" : "1")).join(""))).size;
}

/** Bits that the bitmaps of all these cuts say about one company, at most. */
export function bitsPerRow(shapes: readonly FineShape[], cuts: readonly HostCut[]): number {
  return shapes.reduce((sum, shape, feature) => sum + Math.log2(pieces(shape, cuts.filter((c) => c.feature === feature))), 0);
}

const binsOf = (shape: FineShape, left: readonly number[]): number[] => left.filter((code) => code < shape.bins);

/** A proper subset of the bins, ascending, nothing else in it but the code of rows without a bin; of ordered bins the first ones. */
function splits(shape: FineShape, left: readonly number[]): boolean {
  const bins = binsOf(shape, left);
  const isAscending = left.every((code, i) => i === 0 || code > (left[i - 1] ?? 0));
  const isKnown = left.every((code) => code < shape.bins || code === neutralBin);
  const isProper = bins.length > 0 && bins.length < shape.bins;
  const isPrefix = shape.kind === "categorical" || bins.filter((b) => b < shape.orderedBins).every((b, i) => b === i);
  return isAscending && isKnown && isProper && isPrefix;
}

function sameSides(shape: FineShape, a: HostCut, b: HostCut): boolean {
  return binsOf(shape, a.left).join() === binsOf(shape, b.left).join();
}

/** The cuts of a categorical feature are prefixes of one order of its bins: one of two holds the other. Free subsets would say a bit per
 *  company each. */
function areNested(shape: FineShape, a: HostCut, b: HostCut): boolean {
  if (shape.kind !== "categorical") return true;
  const [small, large] = [binsOf(shape, a.left), binsOf(shape, b.left)].sort((x, y) => x.length - y.length);
  return (small ?? []).every((code) => large?.includes(code));
}
