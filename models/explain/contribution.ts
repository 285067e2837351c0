// An additive explanation of one score: base + contributions = score, in whole units, and what of it may be named to whom.
import { AppError } from "../../core/errors.ts";

/** Where a contribution comes from. `group`: a label under which its owner may speak of several features together (the item of the
 *  sharing list that the indicator is computed from). Without `feature` it is a party's whole part. */
export type Source = { readonly party: string; readonly feature?: string | undefined; readonly group?: string | undefined };
/** Before rounding: in units, not yet whole. */
export type Term = { readonly source: Source; readonly value: number };
export type Contribution = { readonly source: Source; readonly value: number };
/** Whole units of the score: 2^-20 log odds of an event, or 10^-decimals points. */
export type Explanation = { readonly score: number; readonly base: number; readonly contributions: readonly Contribution[] };

/** Terms of one company, and the score that they add up to, must agree within this many units before rounding. */
const tolerance = 1;

/** Makes whole contributions with exactly base + sum = score: each term is rounded down or up, up where most is lost (largest remainder;
 *  ties to the first). `expected`: the score without any of the terms. Throws MODEL_EXPLANATION when the terms miss the score. */
export function settle(score: number, expected: number, terms: readonly Term[]): Explanation {
  const sum = terms.reduce((a, t) => a + t.value, expected);
  if (!Number.isSafeInteger(score) || !(Math.abs(sum - score) <= tolerance + 1e-9 * Math.abs(score))) {
    throw new AppError("MODEL_EXPLANATION", { terms: terms.length });
  }
  const base = terms.length === 0 ? score : Math.round(expected);
  const values = terms.map((t) => Math.floor(t.value));
  const byLoss = terms.map((t, i) => ({ i, lost: t.value - Math.floor(t.value) })).sort((a, b) => b.lost - a.lost || a.i - b.i);
  let left = score - base - values.reduce((a, v) => a + v, 0);
  for (let k = 0; left !== 0; k = (k + 1) % byLoss.length) {
    const step = Math.sign(left);
    const at = byLoss.at(step > 0 ? k : -1 - k)?.i ?? 0;
    values[at] = (values[at] ?? 0) + step;
    left -= step;
  }
  return { score, base, contributions: terms.map((t, i) => ({ source: t.source, value: (values[i] ?? 0) + 0 })) };
}

/** Explanations of the parts of a sum as one: `weight` in units of the whole per unit of the part. Equal sources are added up. */
export function combine(
  parts: readonly { readonly weight: number; readonly expected: number; readonly terms: readonly Term[] }[],
): { readonly expected: number; readonly terms: readonly Term[] } {
  const terms = new Map<string, Term>();
  for (const { weight, terms: own } of parts) {
    for (const { source, value } of own) {
      const key = sourceKey(source);
      terms.set(key, { source, value: (terms.get(key)?.value ?? 0) + weight * value });
    }
  }
  return { expected: parts.reduce((sum, p) => sum + p.weight * p.expected, 0), terms: [...terms.values()] };
}

/** One text per source. */
export function sourceKey({ party, feature, group }: Source): string {
  return JSON.stringify([party, feature ?? null, group ?? null]);
}

/** What a party lets others see of its features in an explanation. */
export const namings = ["nothing", "groups", "features"] as const;
export type Naming = (typeof namings)[number];
export type Label =
  | { readonly kind: "feature"; readonly party: string; readonly feature: string; readonly group?: string }
  | { readonly kind: "group"; readonly party: string; readonly group: string }
  | { readonly kind: "party"; readonly party: string }
  | { readonly kind: "other" };
export type NamedContribution = { readonly label: Label; readonly value: number };

/**
 * Contributions under the names that each party allows; what may not be told apart is added up. "features": every feature by name;
 * "groups": groups by name, features without one together under the party's name; "nothing": all such parties together as other
 * data, not even their name. A party without an entry allows nothing. `most`: a limit over all parties.
 */
export function nameContributions(
  contributions: readonly Contribution[], allowed: Readonly<Record<string, Naming>>, most: Naming = "features",
): NamedContribution[] {
  const named = new Map<string, NamedContribution>();
  for (const { source, value } of contributions) {
    const own = Object.hasOwn(allowed, source.party) ? (allowed[source.party] ?? "nothing") : "nothing";
    const label = labelOf(source, namings[Math.min(namings.indexOf(own), namings.indexOf(most))] ?? "nothing");
    const key = JSON.stringify(label);
    named.set(key, { label, value: (named.get(key)?.value ?? 0) + value });
  }
  return [...named.values()];
}

function labelOf(source: Source, naming: Naming): Label {
  const { party, feature, group } = source;
  if (naming === "nothing") return { kind: "other" };
  if (naming === "features" && feature !== undefined) return { kind: "feature", party, feature, ...(group === undefined ? {} : { group }) };
  return group === undefined ? { kind: "party", party } : { kind: "group", party, group };
}
