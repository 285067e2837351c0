// One party's part of an evaluation: whole numbers per company, from its own indicators alone, that add up over parties. Beside the points
// a second number counts how much of what can be known is known, so that the sum tells the coverage and no party's share of it.
import { AppError } from "../core/errors.ts";
import { featureRows, type Feature, type NumericFeature } from "../models/features.ts";
import type { Card } from "./load.ts";
import type { Entry } from "./schema.ts";

/** One entry per company, in the order of rows that all parties share. */
export type Part = {
  readonly points: Int32Array;
  /** Points at stake in what is known of the company, of entries asked of every company. */
  readonly covered: Int32Array;
};

/** Which party computes which indicators of a card. */
export type Assignment<P extends string = string> = {
  readonly parties: ReadonlyMap<P, readonly string[]>;
  /** Indicators that nobody in the run has: their providers are away, or there are none. */
  readonly absent: readonly string[];
};

export type PartBounds = { readonly lowest: number; readonly highest: number; readonly stake: number };

/** Points at stake in an entry: the best band less the worst. */
export function stakeOf(entry: Entry): number {
  return Math.max(...entry.points) - Math.min(...entry.points);
}

/** Points at stake in all that is asked of every company: the whole that coverage is a share of. */
export function wholeStake(card: Pick<Card, "entries">): number {
  return card.entries.reduce((sum, e) => sum + (e.scope === "every" ? stakeOf(e) : 0), 0);
}

/** Gives each indicator of the card to one party, the first by name of those that have it: nothing counts twice. */
export function assign<P extends string>(card: Pick<Card, "entries">, offers: ReadonlyMap<P, readonly string[]>): Assignment<P> {
  const names = [...offers.keys()].sort();
  const owner = new Map(card.entries.map(({ indicator }) => [indicator, names.find((p) => offers.get(p)?.includes(indicator) === true)]));
  const parties = names.map((p) => [p, card.entries.filter((e) => owner.get(e.indicator) === p).map((e) => e.indicator)] as const);
  return { parties: new Map(parties.filter(([, own]) => own.length > 0)), absent: [...owner].filter(([, p]) => p === undefined).map(([id]) => id) };
}

/** Between which bounds a part of these indicators lies. Throws EVALUATION_INDICATOR for one that the card does not have, or twice. */
export function boundsOf(card: Pick<Card, "entries">, indicators: readonly string[]): PartBounds {
  const entries = entriesOf(card, indicators);
  return {
    lowest: entries.reduce((sum, e) => sum + Math.min(0, ...e.points), 0),
    highest: entries.reduce((sum, e) => sum + Math.max(0, ...e.points), 0),
    stake: wholeStake({ entries }),
  };
}

/** Band of a value; undefined where it is missing (NaN, infinite, or a special code, which says nothing of the amount). */
export function bandOf(entry: Entry, value: number, special: readonly number[] = []): number | undefined {
  if (!Number.isFinite(value) || special.includes(value)) return undefined;
  let band = 0;
  while (band < entry.edges.length && value >= (entry.edges[band] as number)) band++;
  return band;
}

/**
 * A party's part: `indicators` are those assigned to it, each with a feature of `rows` values in the shared order of rows; a company that it
 * does not know is missing in all. Missing is neutral: 0 points, and not covered. Throws EVALUATION_INDICATOR for an indicator that the
 * card does not have or that is assigned twice, EVALUATION_FEATURE when one has no numbers here, or not for these rows.
 */
export function evaluatePart(card: Pick<Card, "entries">, indicators: readonly string[], features: readonly Feature[], rows: number): Part {
  const points = new Int32Array(rows);
  const covered = new Int32Array(rows);
  for (const entry of entriesOf(card, indicators)) {
    const { values, special } = numbersOf(features, entry.indicator, rows);
    const stake = entry.scope === "every" ? stakeOf(entry) : 0;
    for (let row = 0; row < rows; row++) {
      const band = bandOf(entry, values[row] as number, special);
      if (band === undefined) continue;
      points[row] = (points[row] as number) + (entry.points[band] as number);
      covered[row] = (covered[row] as number) + stake;
    }
  }
  return { points, covered };
}

function entriesOf(card: Pick<Card, "entries">, indicators: readonly string[]): Entry[] {
  const wanted = new Set(indicators);
  const entries = card.entries.filter((e) => wanted.has(e.indicator));
  if (entries.length !== indicators.length) throw new AppError("EVALUATION_INDICATOR", { asked: indicators.length, known: entries.length });
  return entries;
}

function numbersOf(features: readonly Feature[], name: string, rows: number): NumericFeature {
  const found = features.filter((f) => f.name === name);
  const [feature] = found;
  if (feature?.kind !== "numeric" || found.length > 1 || featureRows(feature) !== rows) {
    throw new AppError("EVALUATION_FEATURE", { position: features.findIndex((f) => f.name === name) + 1, rows, values: feature === undefined ? 0 : featureRows(feature) });
  }
  return feature;
}
