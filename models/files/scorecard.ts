// A whole scorecard, put together from all parties' parts for a file: points per merged bin under the owners' definitions.
import { AppError } from "../../core/errors.ts";
import { neutralBin, type FineDefinition } from "../binning/fine.ts";
import type { Scaling } from "../scorecard/points.ts";

export type CardFeature = {
  readonly party: string;
  readonly name: string;
  readonly definition: FineDefinition;
  /** Merged bin of each fine bin, and points of each merged bin in units of 10^-decimals. */
  readonly mergedOf: readonly number[];
  readonly units: readonly number[];
  /** Points of the typical company (population median), in the same units: what reason codes are measured from. */
  readonly medianUnits: number;
};
export type WholeScorecard = {
  readonly model: string;
  /** Points of a company with all WOE 0, units of 10^-decimals. */
  readonly baseUnits: number;
  readonly scaling: Pick<Scaling, "points" | "odds" | "pdo" | "decimals">;
  readonly features: readonly CardFeature[];
};

/** Points of a fine bin in units; a company without a bin has WOE 0. */
export function unitsOfBin(feature: CardFeature, bin: number): number {
  return bin === neutralBin ? 0 : (feature.units[feature.mergedOf[bin] ?? -1] ?? 0);
}

/** Throws MODEL_NO_FEATURE for an empty card and MODEL_SHAPE for parts that do not belong together. */
export function checkCard(card: WholeScorecard): void {
  if (card.features.length === 0) throw new AppError("MODEL_NO_FEATURE", { features: 0 });
  for (const f of card.features) {
    const fits = f.mergedOf.length === f.definition.bins && f.mergedOf.every((m) => f.units[m] !== undefined);
    if (!fits || ![...f.units, f.medianUnits].every(Number.isSafeInteger)) throw new AppError("MODEL_SHAPE", { bins: f.definition.bins });
  }
}
