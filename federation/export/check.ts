// What must hold for a definition that another party sends: it is well formed, and it has the shape that was agreed on when the model was made.
// Whether its edges are those that were used in training only the owner knows.
import type { PartyId } from "../../core/brand.ts";
import { AppError, type Facts } from "../../core/errors.ts";
import { neutralBin, type FineDefinition, type FineShape } from "../../models/binning/fine.ts";

/** Throws PROTOCOL_CONTRADICTION naming the host. */
export function requireFit(fits: boolean, host: PartyId, facts: Facts = {}): asserts fits {
  if (!fits) throw new AppError("PROTOCOL_CONTRADICTION", { ...facts, party: host });
}

export function shapeOf({ kind, bins, orderedBins, missing }: FineDefinition): FineShape {
  return { kind, bins, orderedBins, missingBin: missing >= orderedBins && missing < bins ? missing : -1 };
}

/** Whether a definition has this shape and could have been made by `fineBin`. */
export function fitsShape(definition: FineDefinition, shape: FineShape): boolean {
  const own = shapeOf(definition);
  const sameShape = own.kind === shape.kind && own.bins === shape.bins && own.orderedBins === shape.orderedBins && own.missingBin === shape.missingBin;
  return sameShape && definition.orderedBins <= definition.bins && isWellFormed(definition);
}

function isWellFormed(definition: FineDefinition): boolean {
  const isBin = (bin: number): boolean => bin < definition.bins || bin === neutralBin;
  if (!isBin(definition.missing) || !isBin(definition.fallback)) return false;
  if (definition.kind === "categorical") {
    return areDistinct(definition.levels.map((l) => l.level)) && definition.levels.every((l) => isBin(l.bin));
  }
  const { edges, special, orderedBins } = definition;
  const isScale = edges.length === Math.max(0, orderedBins - 1) && edges.every((e, i) => i === 0 || e > (edges[i - 1] ?? 0));
  return isScale && areDistinct(special.map((s) => s.value)) && special.every((s) => isBin(s.bin));
}

export function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}

export function areEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i]);
}
