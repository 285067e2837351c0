// Noise on the counts of reports, where the policy wants it, and the account of what they cost. Charge and noisy numbers are on disk before anything leaves: a killed
// process has charged a release that nobody saw, never the other way round.
import { digestOf, type Json } from "../../core/canonical.ts";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { Accountant } from "../../budgets/privacy/accountant.ts";
import { slotOf } from "../../budgets/counts/windows.ts";
import type { ReportKind } from "../transport/reports.ts";
import type { StateDatabase } from "../store/database.ts";
import { priceOf, privacyBudgetOf, type BudgetsPolicy, type PrivacyPolicy } from "./policy.ts";
import { countsIn, type Behind } from "./released.ts";
import { DirectStore } from "./store.ts";

/** The account is of all that this enclave releases of its data. */
const dataset = "reports";

export type PrivacyAccount = { readonly spent: number; readonly limit: number; readonly unit: "epsilon"; readonly delta: number | null; readonly until: string };

export class PrivateReports {
  readonly #env: Pick<Env, "now">;
  readonly #policy: () => BudgetsPolicy;
  readonly #accountant: Accountant;

  /** policy: the present one. Throws AppError while it cannot be read: nothing leaves. */
  constructor(parts: { readonly db: StateDatabase; readonly env: Pick<Env, "now" | "rng">; readonly policy: () => BudgetsPolicy }) {
    this.#env = parts.env;
    this.#policy = parts.policy;
    this.#accountant = new Accountant({
      store: new DirectStore(parts.db), now: parts.env.now, rng: parts.env.rng,
      budgetOf: () => {
        const { privacy } = parts.policy();
        return privacy && privacyBudgetOf(privacy);
      },
    });
  }

  /**
   * The report as it may leave: unchanged without a privacy policy, else with noisy counts. Of one subject there are the same numbers for the time of one release,
   * whatever the data do meanwhile: that they stay the same tells nothing; a changed price makes another release. Throws BUDGET_PRIVACY when the year's budget is spent, or the counts are not known.
   */
  toRelease(kind: ReportKind, body: unknown, behind?: Behind): unknown {
    const { privacy } = this.#policy();
    if (privacy === undefined) return body;
    const found = countsIn(kind, body, behind);
    if (found === undefined) return body;
    if (found === null) throw new AppError("BUDGET_PRIVACY");
    const { subject, isOnce = false, shape, counts, perUnit, step, withNoise } = found;
    if (counts.length === 0) return withNoise([]);
    const query = digestOf([kind, subject, shape as Json]);
    const price = priceOf(privacy);
    const { values } = this.#accountant.releaseCounts({
      id: `${subject}.${isOnce ? "once" : this.#turn(privacy)}.${digestOf([query, price]).slice(0, 16)}`, dataset, query, price,
      declaration: { cells: counts.length, low: -step, high: step, perCompany: Math.min(perUnit, counts.length) },
    }, counts);
    return withNoise(values.map(Number));
  }

  /** What is spent and left of this year's budget; undefined: the policy has none. */
  account(): PrivacyAccount | undefined {
    const { privacy } = this.#policy();
    if (privacy === undefined) return undefined;
    const { spent, until } = this.#accountant.account(dataset);
    return { spent, limit: privacy.epsilonPerYear, unit: "epsilon", delta: privacy.mechanism === "laplace" ? null : privacy.delta, until: new Date(until).toISOString() };
  }

  /** Which of the year's releases it is time for. */
  #turn({ releasesPerYear }: PrivacyPolicy): string {
    const now = this.#env.now();
    const { from, to } = slotOf({ calendar: "year", timeZone: "Asia/Shanghai" }, now);
    return `${new Date((from + to) / 2).getUTCFullYear()}-${Math.floor(((now - from) / (to - from)) * releasesPerYear)}`;
  }
}
