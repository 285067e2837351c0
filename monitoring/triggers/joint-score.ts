// Drops of a borrower's whole score, over all providers of a model: one company's state and what follows from a new score. A score of which a part is
// missing is never held against a whole one, nor one of another model version.

/** A whole score that later ones are held against. */
export type HeldScore = {
  readonly score: number;
  /** Digest of the model version. */
  readonly model: string;
  /** ms */
  readonly at: number;
};

/** Higher is better. The reference is the best whole score since the last one that was told, so that small steps down add up; a drop of at least `limit` points
 *  is told, and the next one counts from there. Another model version begins anew and tells nothing. */
export function compareScore(held: HeldScore | undefined, found: HeldScore, limit: number): { readonly held: HeldScore; /** Points, when it is to be told. */ readonly drop: number | undefined } {
  if (!Number.isFinite(found.score)) throw new RangeError("a score that is no number");
  if (held?.model !== found.model || found.score >= held.score) return { held: found, drop: undefined };
  const drop = held.score - found.score;
  return drop >= limit ? { held: found, drop } : { held, drop: undefined };
}

const [hourMs, dayMs] = [3_600_000, 86_400_000];

/** How a look ended: with a whole score, with one that providers had no part in, or with a refusal and the seconds after which it may be asked again. */
export type Looked = { readonly how: "whole" } | { readonly how: "partial" } | { readonly how: "refused"; readonly retryAfter?: number | undefined };

/** Most first scores that a list is spread over a day for: shorter ones take less. */
const firstPerDay = 10_000;

/** ms until a company is scored for the first time: everybody within the first day, a short list within minutes. draw: in [0, 1). */
export function firstLook({ companies, draw }: { readonly companies: number; readonly draw: number }): number {
  return draw * dayMs * Math.min(1, companies / firstPerDay);
}

/** ms until a company is scored again. Of the period between three quarters and all, so that what was registered at once comes apart; what failed sooner, and
 *  not more often than every hour: it is charged to the service's budgets as well. */
export function nextLook(looked: Looked, { everyDays, draw }: { readonly everyDays: number; readonly draw: number }): number {
  const period = everyDays * dayMs;
  if (looked.how === "whole") return period * (0.75 + 0.25 * draw);
  if (looked.how === "partial") return 6 * hourMs * (1 + draw);
  if (looked.retryAfter !== undefined) return Math.min(period, Math.max(hourMs, looked.retryAfter * 1000) + draw * hourMs);
  return dayMs * (0.75 + 0.25 * draw);
}
