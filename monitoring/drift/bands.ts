// Scores into bands. The bands are those of the development sample (its deciles, the convention of the trade) and stay for the life of a model.
import { AppError } from "../../core/errors.ts";
import { countByEdges } from "../../models/metrics/calibration.ts";

/** Edges of `bands` bands with about as many scores each; bands are [edge, next edge), so equal scores share one and there may be fewer. NaN is left
 *  out. Throws STABILITY_COUNTS without any score or for fewer than 2 bands. */
export function bandEdges(scores: ArrayLike<number>, bands = 10): readonly number[] {
  const sorted = Float64Array.from(scores).filter((s) => !Number.isNaN(s)).sort();
  if (sorted.length === 0 || !Number.isSafeInteger(bands) || bands < 2 || bands > 254) throw new AppError("STABILITY_COUNTS", { expected: sorted.length, actual: bands });
  const edges = new Set(Array.from({ length: bands - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bands)] ?? 0));
  // Nothing lies below the least score: such an edge would make an empty band.
  edges.delete(sorted[0] ?? 0);
  return [...edges];
}

/** Companies per band, and of those without a score (NaN) in one more at the end: being without is a change as well. */
export function countByBands(scores: ArrayLike<number>, edges: readonly number[]): number[] {
  const known = Float64Array.from(scores).filter((score) => !Number.isNaN(score));
  return [...countByEdges(known, edges), scores.length - known.length];
}
