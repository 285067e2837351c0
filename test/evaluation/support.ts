// Made-up runs for the tests of full-coverage evaluation.
import type { EntityId } from "../../core/brand.ts";
import { seededRng } from "../../core/rng.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { ungraded, type Evaluation } from "../../evaluation/combine.ts";
import { baselineScorecard, cardFor, type Basis, type Card } from "../../evaluation/load.ts";
import { Draws } from "../../demo/draws.ts";

export const cards: Readonly<Record<Basis, Card>> = { open: cardFor(baselineScorecard, "open"), full: cardFor(baselineScorecard, "full") };

export function draws(label: string): Draws {
  return new Draws(seededRng(new TextEncoder().encode(label.padEnd(32, ".").slice(0, 32)), label));
}

/** A made-up code with a right check character, registered at this place. */
export function codeAt(place: string, n: number): EntityId {
  const first17 = `91${place}${`${n}`.padStart(9, "0")}`;
  return `${first17}${usccCheckCharacter(first17) ?? ""}` as EntityId;
}

/** An evaluation with these scores, graded by the card; `null` is a company without a grade. */
export function evaluationOf(scores: readonly (number | null)[], change: Partial<Evaluation> & { readonly card?: Evaluation["card"] } = {}, basis: Basis = "full"): Evaluation {
  const card = cards[basis];
  return {
    card: { id: card.id, version: card.version, digest: card.digest }, basis, asOf: "2025-01-01", absent: [], partial: false,
    scores: Int16Array.from(scores, (s) => s ?? card.base), coverage: Int16Array.from(scores, (s) => (s === null ? 300 : 1000)),
    grades: Uint8Array.from(scores, (s) => (s === null ? ungraded : card.grades.findIndex((g) => s >= g.from))), ...change,
  };
}
