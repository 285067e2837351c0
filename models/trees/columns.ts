// What the guest knows of each feature: all bins of its own, of a host's only what the bitmaps of earlier cuts told. Bitmaps of one
// feature are kept together: rows with equal bits share a pattern, so that k cuts of a feature take one byte a row, and any
// cut that is known is one lookup table over patterns.
import { AppError } from "../../core/errors.ts";
import { cutKey, rightOfCode, type Cut } from "./model.ts";
import type { GrowFeature } from "./grow.ts";

/** A possible cut of a feature: the first `prefix` bins of its sequence and one subset of the bins that stand apart. */
export type CutOption = {
  readonly prefix: number;
  readonly apart: number;
  /** Bins that go left, ascending, without the code of rows that have no bin. */
  readonly left: readonly number[];
  readonly key: string;
  /** Both sides hold ordered bins: a monotone direction applies. */
  readonly ordered: boolean;
};
export type CutOptions = {
  readonly sequence: readonly number[];
  readonly subsets: readonly (readonly number[])[];
  readonly options: readonly CutOption[];
};

export type KnownCut = { readonly option: number; readonly cut: Cut; readonly right: Uint8Array };
export type KnownColumn = { readonly patternOf: Uint8Array; readonly patterns: number; readonly cuts: readonly KnownCut[] };

/** Cuts of a feature. Numeric: prefixes of the ordered bins, with every side for each bin that stands apart (special values,
 *  missing; from four such bins on: all, none, one, all but one). Categorical: prefixes of `order`, once it is known. */
export function cutOptions(feature: GrowFeature, index: number, order: readonly number[] | undefined): CutOptions {
  const numeric = feature.kind === "numeric";
  const sequence = numeric ? range(0, feature.orderedBins) : (order ?? []);
  const subsets = numeric ? subsetsOf(range(feature.orderedBins, feature.bins)) : [[]];
  const options: CutOption[] = [];
  const inSequence = numeric ? feature.orderedBins : sequence.length;
  const apartBins = numeric ? feature.bins - feature.orderedBins : 0;
  const first = inSequence > 0 ? 1 : 0;
  for (let prefix = first; prefix <= inSequence; prefix++) {
    subsets.forEach((subset, apart) => {
      if (prefix === inSequence && subset.length === apartBins) return;
      // Without ordered bins a subset and its complement are one cut: the one with the first bin stands for both.
      if (inSequence === 0 && subset[0] !== feature.orderedBins) return;
      const left = [...sequence.slice(0, prefix), ...subset].sort((a, b) => a - b);
      options.push({ prefix, apart, left, key: cutKey({ feature: index, left }), ordered: numeric && prefix < inSequence });
    });
  }
  return { sequence, subsets, options };
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

function subsetsOf(bins: readonly number[]): number[][] {
  const found = new Map<string, number[]>();
  const one = bins.map((b) => [b]);
  const butOne = bins.map((b) => bins.filter((x) => x !== b));
  for (const subset of [[], [...bins], ...one, ...butOne]) found.set(subset.join(","), subset);
  return [...found.values()];
}

export class Columns {
  readonly features: readonly GrowFeature[];
  readonly rows: number;
  readonly orders: (readonly number[] | undefined)[];
  readonly #options: (CutOptions | undefined)[] = [];
  readonly #known: (KnownColumn | undefined)[] = [];
  /** First form of each cut, which fixes the side of rows without a bin. */
  readonly #cuts = new Map<string, Cut>();

  constructor(features: readonly GrowFeature[], rows: number, orders: readonly (readonly number[] | undefined)[]) {
    this.features = features;
    this.rows = rows;
    this.orders = [...orders];
  }

  own(feature: number): Uint8Array | undefined {
    return this.features[feature]?.binOf;
  }

  options(feature: number): CutOptions {
    return (this.#options[feature] ??= cutOptions(this.features[feature] as GrowFeature, feature, this.orders[feature]));
  }

  /** Fixes the sequence of a categorical feature's bins for the rest of the job. */
  setOrder(feature: number, order: readonly number[]): void {
    this.orders[feature] = order;
    this.#options[feature] = undefined;
  }

  known(feature: number): KnownColumn | undefined {
    return this.#known[feature];
  }

  cutsKnown(feature: number): number {
    return this.#known[feature]?.cuts.length ?? 0;
  }

  /** The cut of an option as it was first used, or made now. `neutralLeft`: where rows without a bin go if it is new. */
  cutOf(feature: number, option: CutOption, neutralLeft: boolean): Cut {
    const seen = this.#cuts.get(option.key);
    return seen ?? { feature, left: neutralLeft ? [...option.left, 255] : [...option.left] };
  }

  /** Fixes the form of a cut. */
  note(cut: Cut): void {
    const key = cutKey(cut);
    if (!this.#cuts.has(key)) this.#cuts.set(key, cut);
  }

  /** Whether the bits of a cut of any party need no question. */
  has(cut: Cut): boolean {
    if (this.own(cut.feature) !== undefined) return true;
    const key = cutKey(cut);
    return this.#known[cut.feature]?.cuts.some((c) => cutKey(c.cut) === key) ?? false;
  }

  /** Adds a host's answer. Throws MODEL_TREE_BITS when it is no bitmap of all rows, or contradicts the earlier ones of the feature. */
  add(cut: Cut, bits: Uint8Array): void {
    const { feature } = cut;
    const before = this.#known[feature] ?? { patternOf: new Uint8Array(this.rows), patterns: 1, cuts: [] };
    if (bits.length !== this.rows) throw new AppError("MODEL_TREE_BITS", { feature, rows: this.rows, bits: bits.length });
    const next = new Int16Array(2 * 256).fill(-1);
    const patternOf = new Uint8Array(this.rows);
    const parent: number[] = [];
    const bitOf: number[] = [];
    for (let row = 0; row < bits.length; row++) {
      const bit = bits[row] as number;
      if (bit > 1) throw new AppError("MODEL_TREE_BITS", { feature, bit: false });
      const slot = 2 * (before.patternOf[row] as number) + bit;
      let pattern = next[slot] as number;
      if (pattern < 0) {
        // Bins and the code of rows without one are at most 255 + 1 different rows; honest bits cannot tell more apart.
        if (parent.length > (this.features[feature]?.bins ?? 0)) throw new AppError("MODEL_TREE_BITS", { feature, patterns: parent.length });
        pattern = parent.length;
        next[slot] = pattern;
        parent.push(slot >> 1);
        bitOf.push(bit);
      }
      patternOf[row] = pattern;
    }
    const cuts = before.cuts.map((c) => ({ ...c, right: Uint8Array.from(parent, (p) => c.right[p] as number) }));
    const option = this.options(feature).options.findIndex((o) => o.key === cutKey(cut));
    if (option < 0) throw new AppError("MODEL_TREE_FEATURES", { feature });
    cuts.push({ option, cut, right: Uint8Array.from(bitOf) });
    // In the order of the options: which cut was asked for first must not decide a tie.
    cuts.sort((a, b) => a.option - b.option);
    this.#known[feature] = { patternOf, patterns: parent.length, cuts };
    this.note(cut);
  }

  /** Puts a column back that `known` returned before. */
  restore(feature: number, column: KnownColumn): void {
    this.#known[feature] = column;
    for (const { cut } of column.cuts) this.note(cut);
  }

  /** One code per row and the side of each code (1 = right). The cut must be known. */
  sides(cut: Cut): { codes: Uint8Array; right: Uint8Array } {
    const own = this.own(cut.feature);
    if (own !== undefined) return { codes: own, right: rightOfCode(cut) };
    const key = cutKey(cut);
    const column = this.#known[cut.feature];
    const found = column?.cuts.find((c) => cutKey(c.cut) === key);
    if (column === undefined || found === undefined) throw new AppError("MODEL_TREE_BITS", { feature: cut.feature, known: false });
    return { codes: column.patternOf, right: found.right };
  }
}
