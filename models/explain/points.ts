// Explanations of a scorecard, and of any sum of parts, against the typical company: each part minus its population median.
import { AppError } from "../../core/errors.ts";
import { sourceKey, type Contribution, type Explanation, type Source, type Term } from "./contribution.ts";

/** Of one company: points of a feature (or of a party's opened total) and their population median, in whole units of 10^-decimals. */
export type PointsPart = { readonly source: Source; readonly units: number; readonly medianUnits: number };

/** base = points of the typical company, contributions = differences to it, sum = score: whole numbers throughout. */
export function explainPoints(baseUnits: number, parts: readonly PointsPart[]): Explanation {
  const base = parts.reduce((sum, p) => sum + p.medianUnits, baseUnits);
  const contributions = parts.map((p) => ({ source: p.source, value: p.units - p.medianUnits }));
  const score = contributions.reduce((sum, c) => sum + c.value, base);
  if (![base, score].every(Number.isSafeInteger)) throw new AppError("MODEL_RANGE", { parts: parts.length });
  return { base, score, contributions };
}

/** Lower median over a population given as rows per value (a feature's merged bins: points, and training rows of each). Throws
 *  MODEL_SHAPE for lists that do not fit, MODEL_TOO_FEW_ROWS for an empty population. */
export function medianUnits(values: readonly number[], rows: readonly number[]): number {
  if (values.length !== rows.length) throw new AppError("MODEL_SHAPE", { values: values.length, rows: rows.length });
  const all = rows.reduce((sum, r) => sum + r, 0);
  if (!(all > 0)) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: all });
  const order = [...values.keys()].sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  let seen = 0;
  for (const i of order) {
    seen += rows[i] ?? 0;
    if (2 * seen >= all) return values[i] ?? 0;
  }
  throw new AppError("MODEL_COUNTS", { rows: all });
}

/** Lower median of one number per company, e.g. of opened totals. Throws MODEL_TOO_FEW_ROWS without any. */
export function medianOf(values: ArrayLike<number>): number {
  if (values.length === 0) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: 0 });
  const sorted = Float64Array.from(values).sort();
  return sorted[(sorted.length - 1) >> 1] ?? 0;
}

/** A part that enters the score linearly and of which only its opened total is known (hosts of a joint scorecard, of crossboost): the
 *  total against `typical` (its mean or median over the population), `weight` units of the score per unit of the total. */
export function openedTerm(source: Source, total: number, typical: number, weight: number): Term {
  return { source, value: weight * (total - typical) };
}

/** Median contribution of every source over a population; a source without a contribution to somebody counts as 0 there. Throws
 *  MODEL_TOO_FEW_ROWS for an empty population. */
export function typicalContributions(population: readonly Explanation[]): Contribution[] {
  const values = new Map<string, { source: Source; found: number[] }>();
  for (const { contributions } of population) {
    for (const { source, value } of contributions) {
      const key = sourceKey(source);
      const entry = values.get(key) ?? { source, found: [] };
      entry.found.push(value);
      values.set(key, entry);
    }
  }
  if (population.length === 0) throw new AppError("MODEL_TOO_FEW_ROWS", { rows: 0 });
  return [...values.values()].map(({ source, found }) => {
    const all = new Float64Array(population.length);
    all.set(found);
    return { source, value: medianOf(all) };
  });
}

/** The same score, told against the typical company (of whatever explanation: Shapley values are against the mean): each contribution
 *  less its median, the base with all medians. */
export function againstTypical(explanation: Explanation, typical: readonly Contribution[]): Explanation {
  const left = new Map(typical.map((t) => [sourceKey(t.source), t]));
  const own = explanation.contributions.map(({ source, value }) => {
    const key = sourceKey(source);
    const median = left.get(key)?.value ?? 0;
    left.delete(key);
    return { source, value: value - median };
  });
  const others = [...left.values()].filter((t) => t.value !== 0).map(({ source, value }) => ({ source, value: -value }));
  return {
    score: explanation.score, base: typical.reduce((sum, t) => sum + t.value, explanation.base), contributions: [...own, ...others],
  };
}
