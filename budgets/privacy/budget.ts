// A privacy budget of a data set per period, and prices of releases, in whole millionths: sums are exact.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { windowSchema } from "../counts/windows.ts";
import { epsilonOf } from "./conversion.ts";

/** Millionths: 250,000 is 0.25. */
const millionths = z.int().min(1).max(100_000_000);

export const privacyBudgetSchema = z.discriminatedUnion("kind", [
  /** Pure differential privacy, basic composition: prices in epsilon add up. Laplace noise only. */
  z.strictObject({ kind: z.literal("pure"), epsilon: millionths, period: windowSchema }),
  /** Zero-concentrated differential privacy: prices in rho add up. */
  z.strictObject({ kind: z.literal("zcdp"), rho: millionths, period: windowSchema }),
  /** The same, held against (epsilon, delta); delta is 10^-digits. */
  z.strictObject({ kind: z.literal("approximate"), epsilon: millionths, deltaDigits: z.int().min(3).max(30), period: windowSchema }),
]).refine((budget) => !("rollingSeconds" in budget.period));
export type PrivacyBudget = z.output<typeof privacyBudgetSchema>;

/** laplace: epsilon in millionths, sensitivity by sums of sizes. gaussian: rho in millionths, sensitivity by squares. */
export const priceSchema = z.discriminatedUnion("noise", [
  z.strictObject({ noise: z.literal("laplace"), epsilon: millionths }),
  z.strictObject({ noise: z.literal("gaussian"), rho: millionths }),
]);
export type Price = z.output<typeof priceSchema>;

export function parsePrivacyBudget(value: unknown): PrivacyBudget {
  const parsed = privacyBudgetSchema.safeParse(value);
  if (!parsed.success) throw new AppError("BUDGET_POLICY", {}, { cause: parsed.error });
  return parsed.data;
}

/** What was charged in a period: epsilon in millionths of Laplace releases, rho of all in units of 10^-12. */
export type Spent = { readonly epsilon: bigint; readonly rho: bigint; readonly isPure: boolean };
export const nothingSpent: Spent = { epsilon: 0n, rho: 0n, isPure: true };

/** A Laplace release costs epsilon, and epsilon^2/2 in rho (Bun, Steinke 2016), rounded up; a Gaussian one has no epsilon of its own. */
export function spend(spent: Spent, price: Price): Spent {
  if (price.noise === "gaussian") return { ...spent, rho: spent.rho + BigInt(price.rho) * 1_000_000n, isPure: false };
  const epsilon = BigInt(price.epsilon);
  return { ...spent, epsilon: spent.epsilon + epsilon, rho: spent.rho + (epsilon * epsilon + 1n) / 2n };
}

const rhoOf = (spent: Spent): number => Number(spent.rho) / 1e12;

/** Whether a period's charges are within its budget. */
export function isWithin(budget: PrivacyBudget, spent: Spent): boolean {
  if (budget.kind === "zcdp") return spent.rho <= BigInt(budget.rho) * 1_000_000n;
  const isPureEnough = spent.isPure && spent.epsilon <= BigInt(budget.epsilon);
  return isPureEnough || (budget.kind === "approximate" && epsilonOf(rhoOf(spent), 10 ** -budget.deltaDigits) <= budget.epsilon / 1e6);
}

/** What a period's releases together cost, in the unit of the budget (epsilon or rho), for statements. */
export function statedSpend(budget: PrivacyBudget, spent: Spent): number {
  const pure = Number(spent.epsilon) / 1e6;
  if (budget.kind === "pure") return pure;
  if (budget.kind === "zcdp") return rhoOf(spent);
  const converted = epsilonOf(rhoOf(spent), 10 ** -budget.deltaDigits);
  return spent.isPure ? Math.min(pure, converted) : converted;
}
