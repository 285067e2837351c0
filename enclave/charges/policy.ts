// The section `budgets` of an enclave's policy: quotas of questions, what is done about probing, privacy of released figures.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { isAppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { isWithin, parsePrivacyBudget, type Price, type PrivacyBudget } from "../../budgets/privacy/budget.ts";
import { actions, atMost, probingFor, probingLayersSchema, type ProbingPolicy } from "../../budgets/probing/policy.ts";
import { limitsFor, quotaPolicySchema, type NamedLimit } from "../../budgets/quota/policy.ts";

/** Noise on figures that this party releases. delta counts with gaussian noise alone. */
export const privacyPolicySchema = z.strictObject({
  /** Of one data set over a calendar year (Asia/Shanghai). */
  epsilonPerYear: z.number().min(0.01).max(100),
  delta: z.number().min(1e-30).max(1e-3).default(1e-9),
  mechanism: z.enum(["laplace", "gaussian"]).default("gaussian"),
  /** Releases of new data that the year's budget is shared among; the same data again cost nothing. */
  releasesPerYear: z.int().min(1).max(10_000).default(60),
});
export type PrivacyPolicy = z.output<typeof privacyPolicySchema>;

export const budgetsPolicySchema = z.strictObject({
  quotas: quotaPolicySchema.prefault({}),
  probing: probingLayersSchema.extend({
    /** The most that is done about a signal. */
    action: z.enum(actions).default("refuse"),
  }).prefault({}),
  privacy: privacyPolicySchema.optional(),
}).superRefine(({ quotas, probing }, context) => {
  // What no later question should find out.
  for (const institution of ["any", ...Object.keys(quotas.institutions), ...Object.keys(probing.institutions)]) {
    try {
      limitsFor(partyIdSchema.parse(institution), quotas);
      probingFor(partyIdSchema.parse(institution), probing);
    } catch (error) {
      if (!isAppError(error) && !(error instanceof z.ZodError)) throw error;
      context.addIssue({ code: "custom", path: ["institutions"], message: "does not fit" });
    }
  }
});
export type BudgetsPolicy = z.output<typeof budgetsPolicySchema>;
export const standardBudgets: BudgetsPolicy = budgetsPolicySchema.parse({});

/** What holds for one institution, worked out once for each version of the policy. */
export class InstitutionRules {
  readonly #policy: () => BudgetsPolicy;
  #of: BudgetsPolicy | undefined;
  readonly #limits = new Map<PartyId, readonly NamedLimit[]>();
  readonly #probing = new Map<PartyId, ProbingPolicy>();

  /** policy: asked at each question; the same object while nothing has changed. Throws BUDGET_POLICY where it cannot be read. */
  constructor(policy: () => BudgetsPolicy) {
    this.#policy = policy;
  }

  limits(institution: PartyId): readonly NamedLimit[] {
    const { quotas } = this.#now();
    const known = this.#limits.get(institution) ?? limitsFor(institution, quotas);
    this.#limits.set(institution, known);
    return known;
  }

  probing(institution: PartyId): ProbingPolicy {
    const { probing } = this.#now();
    const known = this.#probing.get(institution) ?? atMost(probing.action, probingFor(institution, probing));
    this.#probing.set(institution, known);
    return known;
  }

  #now(): BudgetsPolicy {
    const policy = this.#policy();
    if (policy !== this.#of) {
      this.#of = policy;
      this.#limits.clear();
      this.#probing.clear();
    }
    return policy;
  }
}

const million = 1_000_000;

/** The year's budget of a data set. delta is rounded down to a power of ten. */
export function privacyBudgetOf({ epsilonPerYear, delta, mechanism }: PrivacyPolicy): PrivacyBudget {
  const period = { calendar: "year", timeZone: "Asia/Shanghai" };
  const epsilon = Math.floor(epsilonPerYear * million);
  return parsePrivacyBudget(mechanism === "laplace" ? { kind: "pure", epsilon, period } : { kind: "approximate", epsilon, deltaDigits: Math.max(3, Math.ceil(-Math.log10(delta) - 1e-9)), period });
}

/** The price of one release, of so many that fit into the year. */
export function priceOf(policy: PrivacyPolicy): Price {
  const { epsilonPerYear, mechanism, releasesPerYear } = policy;
  if (mechanism === "laplace") return { noise: "laplace", epsilon: Math.max(1, Math.floor((epsilonPerYear * million) / releasesPerYear)) };
  const budget = privacyBudgetOf(policy);
  // The largest rho of which that many are within the budget: the conversion has no closed form.
  let [low, high] = [1, 100 * million];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const year = { epsilon: 0n, rho: BigInt(middle) * BigInt(releasesPerYear) * BigInt(million), isPure: false };
    if (isWithin(budget, year)) low = middle;
    else high = middle - 1;
  }
  return { noise: "gaussian", rho: low };
}
