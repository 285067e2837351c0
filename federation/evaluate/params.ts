// Parameters of a full-coverage evaluation, as they stand in its plan. The scorecard is public: the plan names it by its digest.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { baselineScorecard, bases, cardFor, parseLocalScorecard, type Basis, type Card } from "../../evaluation/load.ts";
import { scorecardSchema } from "../../evaluation/schema.ts";
import { subscriptionSchema } from "../../evaluation/pushes.ts";

/** The built-in scorecard as runs use it, by basis. */
export const publishedCards: Readonly<Record<Basis, Card>> = { open: cardFor(baselineScorecard, "open"), full: cardFor(baselineScorecard, "full") };

/** One subscription that the run answers, and the public key (X25519, base64url) to which its rows are sealed: every party approves who gets what. */
export const pushSchema = subscriptionSchema.extend({ sealTo: z.string().regex(/^[A-Za-z0-9_-]{43}$/) });
export type PlannedPush = z.output<typeof pushSchema>;

/** Companies of a full part of a push. */
export const rowsPerPush = 100_000;

/** Most subscriptions of one run: they stand in the plan. */
export const mostPushes = 500;

export const evaluateJobSchema = z.strictObject({
  basis: z.enum(bases),
  /** Digest of scorecard and basis. */
  card: z.string().regex(/^[0-9a-f]{64}$/),
  /** Another scorecard than the built-in one, whole: who approves the plan approves its bands and points. */
  scorecard: scorecardSchema.optional(),
  /** The day that the indicators look back from. */
  asOf: z.iso.date(),
  /** Providers that belong to the evaluation and without which this run was planned. Their indicators are absent, the scores partial. */
  away: z.array(partyIdSchema).max(16).refine((a) => new Set(a).size === a.length).default([]),
  /** When a provider does not come or falls away: a run without it under masks of its own, or an end with its name. */
  whenAway: z.enum(["go-on", "fail"]).default("go-on"),
  /** The run on the basis `full` of the same day: who is pushed a company's evaluation of that run is not pushed its open one. */
  full: jobIdSchema.optional(),
  pushes: z.array(pushSchema).max(mostPushes).default([]),
}).refine((p) => p.full === undefined || p.basis === "open");
export type EvaluateJobParams = z.output<typeof evaluateJobSchema>;

/** The scorecard of a plan: the built-in one, or the one that stands in it, checked against the indicator system. Throws EVALUATION_SCORECARD for one
 *  that does not fit, JOB_PARAMS for another digest than the plan names. */
export function cardOf({ basis, card, scorecard }: Pick<EvaluateJobParams, "basis" | "card" | "scorecard">): Card {
  const found = scorecard === undefined ? publishedCards[basis] : cardFor(parseLocalScorecard(scorecard), basis);
  if (found.digest !== card) throw new AppError("JOB_PARAMS", { card: false });
  return found;
}
