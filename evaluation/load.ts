// The published scorecard, read and checked once, frozen; and what of it may be computed without a company's authorisation.
import { frozen } from "../catalogue/frozen.ts";
import { necessaryItems } from "../catalogue/purposes.ts";
import { digestOf } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import type { FinancingPurpose } from "../core/purposes.ts";
import { publishedSystem, type IndicatorSystem } from "../indicators/load.ts";
import { useOf } from "../indicators/select.ts";
import baseline from "./scorecards/baseline.json" with { type: "json" };
import { partModulus, scorecardSchema, type Entry, type Scorecard } from "./schema.ts";

/** open: from items that are public by law, for every registered company. full: from all of them, for companies that authorised it. */
export const bases = ["open", "full"] as const;
export type Basis = (typeof bases)[number];

/** A scorecard as one run uses it. */
export type Card = {
  readonly id: string;
  readonly version: string;
  readonly basis: Basis;
  readonly base: number;
  readonly minCoverage: number;
  readonly grades: Scorecard["grades"];
  readonly entries: readonly Entry[];
  /** SHA-256 (hex) of the whole scorecard and the basis: what a plan or a receipt names. */
  readonly digest: string;
};

const purpose: FinancingPurpose = "credit-evaluation";

/**
 * Checks a scorecard of unknown origin, e.g. a province's own, against the indicator system: every indicator is there, with the same
 * direction and items, may be used for a score, and is needed for credit evaluation. Throws EVALUATION_SCORECARD with the number of problems.
 */
export function parseScorecard(value: unknown, system: IndicatorSystem = publishedSystem): Scorecard {
  const parsed = scorecardSchema.safeParse(value);
  if (!parsed.success) throw new AppError("EVALUATION_SCORECARD", { problems: parsed.error.issues.length });
  const necessary = new Set(necessaryItems(purpose).map((item) => item.id as string));
  const problems = parsed.data.entries.filter((entry) => {
    const found = system.indicators.find((i) => i.id === entry.indicator);
    return found === undefined || found.direction !== entry.direction || found.items.join() !== entry.items.join()
      || !useOf(found, "scoring", system).allowed || !found.items.every((id) => necessary.has(id));
  });
  const extreme = parsed.data.entries.reduce((sum, e) => sum + Math.max(...e.points.map(Math.abs)) * 2, 0);
  // Sums are read back from residues with their sign (combine.ts).
  if (problems.length > 0 || extreme >= partModulus / 2) throw new AppError("EVALUATION_SCORECARD", { problems: Math.max(1, problems.length) });
  return frozen(parsed.data);
}

/** The part of a scorecard that a run of this basis uses. Throws EVALUATION_SCORECARD when nothing asked of every company is left. */
export function cardFor(scorecard: Scorecard, basis: Basis, system: IndicatorSystem = publishedSystem): Card {
  const { id, version, base, minCoverage, grades } = scorecard;
  const isOpen = (entry: Entry): boolean => {
    const found = system.indicators.find((i) => i.id === entry.indicator);
    const use = found === undefined ? undefined : useOf(found, "scoring", system);
    return use?.allowed === true && !use.authorisation;
  };
  const entries = basis === "full" ? scorecard.entries : scorecard.entries.filter(isOpen);
  if (!entries.some((e) => e.scope === "every")) throw new AppError("EVALUATION_SCORECARD", { problems: 1 });
  return frozen({ id, version, basis, base, minCoverage, grades, entries, digest: digestOf({ scorecard, basis }) });
}

/** The published baseline scorecard. */
export const baselineScorecard: Scorecard = parseScorecard(baseline);

/** Widest range of sums of points of a local scorecard: twice the scale of scores (the baseline's is 1,083). Who sees sums learns no more bits of a
 *  company than from so many steps, however the points were chosen. */
export const widestLocalRange = 2000;

/**
 * A province's or platform's own scorecard, as runs may name it. Throws EVALUATION_SCORECARD as `parseScorecard`, for the baseline's own id, which
 * would pass for the published one, and for sums of points that spread over more than `widestLocalRange`.
 */
export function parseLocalScorecard(value: unknown, system: IndicatorSystem = publishedSystem): Scorecard {
  const scorecard = parseScorecard(value, system);
  const range = scorecard.entries.reduce((sum, { points }) => sum + Math.max(0, ...points) - Math.min(0, ...points), 0);
  const problems = Number(scorecard.id === baselineScorecard.id) + Number(range > widestLocalRange);
  if (problems > 0) throw new AppError("EVALUATION_SCORECARD", { problems });
  return scorecard;
}

/** SHA-256 (hex) of a scorecard, by which it is published and named. */
export const scorecardDigest = (scorecard: Scorecard): string => digestOf(scorecard);
