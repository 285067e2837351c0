// A feature as a file of another tool sees it: one number per company. Cells are the stretches between the thresholds of that number;
// each cell is one fine bin. Numbers keep their unit; levels of a category become small whole numbers in the order of the cuts.
import { AppError } from "../../core/errors.ts";
import { neutralBin, type FineDefinition } from "../binning/fine.ts";

/** `thresholds`: increasing float32; cell c holds thresholds[c - 1] <= x < thresholds[c]. `binOf`: fine bin (or `neutralBin`) per cell. */
export type Axis = {
  readonly thresholds: readonly number[];
  readonly binOf: readonly number[];
  /** Bin of a company without a value (NaN). */
  readonly missing: number;
  /** Only of a category: the code of every level, and of a level that training did not know. */
  readonly codes?: { readonly levels: readonly { readonly level: string; readonly code: number }[]; readonly other: number };
};

/**
 * Thresholds are the nearest float32 of the edges. Rounding keeps the order, so a value on or above an edge stays there, and one
 * below falls on the wrong side only if float32 cannot tell it from the edge: no other threshold does better, since edges are
 * values of the training rows. A special value becomes a cell of a single float32; one beyond
 * float32 stands for a text in the owner's column, for which other tools have no number. Infinities are missing here and an extreme number
 * in other tools: files want NaN for them. `rank`: of a category's bins, in the order in which they shall be coded.
 * Throws MODEL_RANGE for an edge beyond float32.
 */
export function axisOf(definition: FineDefinition, rank: (bin: number) => number): Axis {
  return definition.kind === "numeric" ? numericAxis(definition) : categoricalAxis(definition, rank);
}

export const highestSingle = 2 ** 128 - 2 ** 104;

function numericAxis(definition: FineDefinition & { kind: "numeric" }): Axis {
  const bins = new Map<number, number>();
  definition.edges.forEach((edge, i) => bins.set(single(edge), i + 1));
  const below = definition.orderedBins > 0 ? 0 : definition.fallback;
  const specials = definition.special.filter((s) => Math.abs(s.value) <= highestSingle).map((s) => ({ value: single(s.value), bin: s.bin }));
  // The number right after a special value falls back into the ordered bin around it.
  for (const { value } of specials) {
    const after = nextSingle(value);
    if (!Number.isFinite(after) || bins.has(after)) continue;
    bins.set(after, definition.orderedBins > 0 ? definition.edges.filter((e) => e <= after).length : definition.fallback);
  }
  for (const { value, bin } of specials) bins.set(value, bin);
  const thresholds = [...bins.keys()].sort((a, b) => a - b);
  return { thresholds, binOf: [below, ...thresholds.map((t) => bins.get(t) ?? neutralBin)], missing: definition.missing };
}

function categoricalAxis(definition: FineDefinition & { kind: "categorical" }, rank: (bin: number) => number): Axis {
  const used = new Set([...definition.levels.map((l) => l.bin), definition.fallback]);
  const binOf = [...used].sort((a, b) => rank(a) - rank(b) || a - b);
  const code = (bin: number): number => binOf.indexOf(bin);
  return {
    thresholds: binOf.slice(1).map((_, i) => i + 1),
    binOf,
    missing: definition.missing,
    codes: { levels: definition.levels.map(({ level, bin }) => ({ level, code: code(bin) })), other: code(definition.fallback) },
  };
}

function single(value: number): number {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) throw new AppError("MODEL_RANGE", { float32: false });
  return rounded;
}

/** The smallest float32 above a finite one. */
export function nextSingle(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getInt32(0);
  if (value === 0) return 2 ** -149;
  view.setInt32(0, bits >= 0 ? bits + 1 : bits - 1);
  return view.getFloat32(0);
}
