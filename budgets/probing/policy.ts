// Thresholds of the probing signals. Defaults are set so that simulated honest use is hardly ever told of (test/budgets/probing.test.ts); a
// provider's policy, and its word on one institution, replace whole signals by name.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { Window } from "../counts/windows.ts";
import type { Thresholds } from "./verdict.ts";

/** Vectors kept of one company, and so the largest threshold of signals over them. */
export const maxVectors = 64;
/** Sketches kept of one institution and data set. */
export const maxSets = 256;

const amounts = (most: number): z.ZodType<Thresholds> => thresholds(most, (a, b) => a <= b);
const falling = (most: number): z.ZodType<Thresholds> => thresholds(most, (a, b) => a >= b);

function thresholds(most: number, isInOrder: (a: number, b: number) => boolean): z.ZodType<Thresholds> {
  const one = z.number().positive().max(most).optional();
  return z.strictObject({ alert: one, slow: one, refuse: one }).refine(({ alert, slow, refuse }) => {
    const given = [alert, slow, refuse].filter((t) => t !== undefined);
    return given.every((t, i) => i === 0 || isInOrder(given[i - 1] as number, t));
  });
}

/** What honest use does by itself: so many events per unit on average, and how many standard deviations (Poisson) more are still chance. */
const expectation = { honestRate: z.number().min(0).max(10), deviations: z.number().min(0).max(20) };

export const probingPolicySchema = z.strictObject({
  windowSeconds: z.int().min(3600).max(400 * 86_400),
  /** First wait of a slowed scope; it doubles with each unit beyond the threshold, up to an hour. */
  slowSeconds: z.int().min(1).max(3600),
  /** Different claims about one company and item. */
  claims: amounts(1e6),
  /** Bits that the answers about one company and item can tell. */
  bits: amounts(1e6),
  /** Second and later claims over all companies and items, beyond what honest corrections explain. */
  claimSpread: z.strictObject({ ...expectation, excess: amounts(1e9) }),
  /** Companies by which a set differs from an earlier one of the data set: refused below, so thresholds fall. */
  sets: z.strictObject({ differences: falling(1e6), history: z.int().min(1).max(maxSets) }),
  /** Different vectors of own features with one company; steps: those that differ in one coordinate from an earlier one; sweep: of one coordinate. */
  variants: amounts(maxVectors),
  steps: amounts(maxVectors),
  sweep: amounts(maxVectors),
  /** Steps over all companies beyond what honest use explains, in units of the model's degrees of freedom. */
  extraction: z.strictObject({ ...expectation, excess: amounts(1e6) }),
  /** Questions about one company, whatever stands in them. */
  repeats: amounts(1e6),
});
export type ProbingPolicy = z.output<typeof probingPolicySchema>;

export const platformProbing: ProbingPolicy = {
  windowSeconds: 30 * 86_400,
  slowSeconds: 60,
  claims: { alert: 5, slow: 7, refuse: 11 },
  bits: { alert: 19, slow: 25, refuse: 37 },
  claimSpread: { honestRate: 0.15, deviations: 4, excess: { alert: 10, slow: 100, refuse: 400 } },
  sets: { differences: { alert: 500, slow: 100, refuse: 20 }, history: 64 },
  variants: { alert: 12, slow: 16, refuse: 24 },
  steps: { alert: 10, slow: 14, refuse: 22 },
  sweep: { alert: 8, slow: 11, refuse: 16 },
  extraction: { honestRate: 0.5, deviations: 4, excess: { alert: 0.5, slow: 1, refuse: 3 } },
  /** Told of alone: where the answer rests on the provider's data and the company, the same question again tells nothing new. */
  repeats: { alert: 60 },
};

const layerSchema = probingPolicySchema.partial();
export const probingLayersSchema = z.strictObject({ signals: layerSchema.default({}), institutions: z.record(partyIdSchema, layerSchema).default({}) });
export type ProbingLayers = z.output<typeof probingLayersSchema>;

/** Reads a provider's policy. Throws BUDGET_POLICY. */
export function parseProbing(value: unknown): ProbingLayers {
  const parsed = probingLayersSchema.safeParse(value);
  if (!parsed.success) throw new AppError("BUDGET_POLICY", {}, { cause: parsed.error });
  return parsed.data;
}

/** Platform default < provider's policy < its word on the institution. */
export function probingFor(institution: PartyId, layers: ProbingLayers, platform: ProbingPolicy = platformProbing): ProbingPolicy {
  return probingPolicySchema.parse({ ...platform, ...layers.signals, ...layers.institutions[institution] });
}

/** The most that is done about a signal: telling, slowing down, refusing. */
export const actions = ["alert", "slow", "refuse"] as const;
export type Action = (typeof actions)[number];

/** The same thresholds, of which the graver ones only tell, or only slow down. */
export function atMost(action: Action, policy: ProbingPolicy): ProbingPolicy {
  const less = ({ alert, slow, refuse }: Thresholds): Thresholds => (action === "alert" ? { alert: alert ?? slow ?? refuse } : { alert, slow: slow ?? refuse });
  if (action === "refuse") return policy;
  return {
    ...policy, claims: less(policy.claims), bits: less(policy.bits), claimSpread: { ...policy.claimSpread, excess: less(policy.claimSpread.excess) },
    sets: { ...policy.sets, differences: less(policy.sets.differences) }, variants: less(policy.variants), steps: less(policy.steps), sweep: less(policy.sweep),
    extraction: { ...policy.extraction, excess: less(policy.extraction.excess) }, repeats: less(policy.repeats),
  };
}

export const windowOf = (policy: ProbingPolicy): Window => ({ rollingSeconds: policy.windowSeconds });

/** Events beyond what `units` of honest use explain; below zero: fewer. */
export function excessOf(events: number, units: number, { honestRate, deviations }: { readonly honestRate: number; readonly deviations: number }): number {
  const expected = honestRate * units;
  return events - expected - deviations * Math.sqrt(expected);
}
