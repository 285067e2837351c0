// Releases aggregates with noise and keeps the account. A release is charged and its noisy numbers are written down in one step, before they are given to
// anybody; nothing is ever given back; the same release again gives the same numbers, for averaging fresh noise would undo it.
import { z } from "zod";
import { digestOf } from "../../core/canonical.ts";
import type { Clock, Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { slotOf } from "../counts/windows.ts";
import { askIdSchema, itemNameSchema } from "../quota/ask.ts";
import { readRow, type BudgetStore } from "../store.ts";
import { clampedSums, declarationSchema, sensitivityOf, type Contribution, type Declaration } from "./aggregate.ts";
import { isWithin, nothingSpent, priceSchema, spend, statedSpend, type Price, type PrivacyBudget, type Spent } from "./budget.ts";
import { discreteGaussian, discreteLaplace, type Fraction } from "./samplers.ts";

export const releaseSchema = z.strictObject({
  /** Unique per data set and period. */
  id: askIdSchema,
  dataset: itemNameSchema,
  /** SHA-256 of what is released: the plan's query, its cells and its data version. Another one under a used id is refused. */
  query: z.string().regex(/^[0-9a-f]{64}$/),
  declaration: declarationSchema,
  price: priceSchema,
});
export type Release = z.output<typeof releaseSchema>;

/** values: noisy sums per cell, of any sign. noise: scale of Laplace noise, or variance of Gaussian noise, for error bars. */
export type NoisySums = { readonly values: readonly bigint[]; readonly noise: Fraction; readonly replayed: boolean };

const whole = z.string().regex(/^-?[0-9]{1,40}$/);
const releaseRowSchema = z.strictObject({ digest: z.string(), values: z.array(whole), to: z.int() });
/** What was charged until when. */
const accountSchema = z.strictObject({ to: z.int(), epsilon: whole, rho: whole, isPure: z.boolean() });
type Charge = z.output<typeof accountSchema>;
const million = 1_000_000n;

/** The noise that a price buys for a sensitivity. */
export function noiseOf(price: Price, declaration: Declaration): Fraction {
  const { l1, l2Squared } = sensitivityOf(declaration);
  return price.noise === "laplace" ? { n: l1 * million, d: BigInt(price.epsilon) } : { n: l2Squared * million, d: 2n * BigInt(price.rho) };
}

export class Accountant {
  readonly #store: BudgetStore;
  readonly #now: Clock;
  readonly #rng: Rng;
  readonly #budgetOf: (dataset: string) => PrivacyBudget | undefined;

  /** budgetOf: of a data set; without one nothing of it is released. */
  constructor(options: { store: BudgetStore; now: Clock; rng: Rng; budgetOf: (dataset: string) => PrivacyBudget | undefined }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#rng = options.rng;
    this.#budgetOf = options.budgetOf;
  }

  /**
   * Throws BUDGET_PRIVACY when the price does not fit into what is left of the period, BUDGET_PRIVACY_PRICE, BUDGET_PRIVACY_CHANGED, BUDGET_COMPANY_SET,
   * BUDGET_STATE; then nothing was charged and nothing is released. A store that fails to commit throws, and nothing is released either.
   */
  release(given: Release, contributions: Iterable<Contribution>): NoisySums {
    return this.#released(given, (declaration) => clampedSums(declaration, contributions));
  }

  /** Of counts that are what the declaration says by how they were made: nobody is in more cells, nor in one by more. Throws as `release`; BUDGET_PRIVACY_PRICE for another
   *  number of cells. */
  releaseCounts(given: Release, counts: readonly number[]): NoisySums {
    return this.#released(given, ({ cells }) => {
      if (counts.length !== cells || !counts.every(Number.isSafeInteger)) throw new AppError("BUDGET_PRIVACY_PRICE");
      return counts.map(BigInt);
    });
  }

  #released(given: Release, sums: (declaration: Declaration) => bigint[]): NoisySums {
    const parsed = releaseSchema.safeParse(given);
    if (!parsed.success) throw new AppError("BUDGET_PRIVACY_PRICE");
    const release = parsed.data;
    const { declaration, price } = release;
    const digest = digestOf(release);
    const noise = noiseOf(price, declaration);
    const refuseOr = (): NoisySums | Charge => this.#store.atomic(() => this.#earlier(release, digest, noise) ?? this.#admit(release));
    // Refused before the data are read, and again at the charge: another release may have come between.
    const first = refuseOr();
    if ("values" in first) return first;
    const draw = price.noise === "laplace" ? discreteLaplace : discreteGaussian;
    const values = sums(declaration).map((sum) => sum + draw(noise, this.#rng));
    return this.#store.atomic(() => {
      const charge = refuseOr();
      if ("values" in charge) return charge;
      this.#store.put(accountKey(release.dataset), JSON.stringify(charge), charge.to);
      this.#store.put(releaseKey(release), JSON.stringify({ digest, values: values.map(String), to: charge.to }), charge.to);
      return { values, noise, replayed: false };
    });
  }

  /** What this period's releases of a data set cost together, in the unit of its budget, and when the next period begins. */
  account(dataset: string): { readonly budget: PrivacyBudget; readonly spent: number; readonly until: number } {
    const { budget, to, spent } = this.#period(dataset);
    return { budget, spent: statedSpend(budget, spent), until: to };
  }

  #earlier(release: Release, digest: string, noise: Fraction): NoisySums | undefined {
    const row = readRow(this.#store, releaseKey(release), releaseRowSchema);
    if (row === undefined || row.to <= this.#now()) return undefined;
    if (row.digest !== digest) throw new AppError("BUDGET_PRIVACY_CHANGED");
    return { values: row.values.map(BigInt), noise, replayed: true };
  }

  /** The account with the release charged to it. */
  #admit({ dataset, price }: Release): Charge {
    const { budget, to, spent } = this.#period(dataset);
    if (budget.kind === "pure" && price.noise === "gaussian") throw new AppError("BUDGET_PRIVACY_PRICE");
    const after = spend(spent, price);
    if (!isWithin(budget, after)) {
      throw new AppError("BUDGET_PRIVACY", { used: statedSpend(budget, spent), freeAt: to, retryAfter: Math.ceil((to - this.#now()) / 1000) });
    }
    return { to, epsilon: `${after.epsilon}`, rho: `${after.rho}`, isPure: after.isPure };
  }

  /** What was charged counts until the period ends in which it was charged, also after a clock was set back or the period of the policy was changed. */
  #period(dataset: string): { budget: PrivacyBudget; to: number; spent: Spent } {
    const budget = this.#budgetOf(dataset);
    if (budget === undefined) throw new AppError("BUDGET_PRIVACY");
    const now = this.#now();
    const { to } = slotOf(budget.period, now);
    const row = readRow(this.#store, accountKey(dataset), accountSchema);
    if (row === undefined || row.to <= now) return { budget, to, spent: nothingSpent };
    return { budget, to: Math.max(to, row.to), spent: { epsilon: BigInt(row.epsilon), rho: BigInt(row.rho), isPure: row.isPure } };
  }
}

const accountKey = (dataset: string): string => `privacy|${dataset}`;
const releaseKey = ({ dataset, id }: Release): string => `privacy-release|${dataset}|${id}`;
