// What a policy says of quotas, in three layers: the platform's default, the provider's policy, and what the provider says of one institution. A
// later layer replaces a limit by its name; it can make it larger or smaller, but nothing takes a limit away.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { windowSchema } from "../counts/windows.ts";

export const limitNameSchema = z.string().regex(/^[a-z][a-z0-9-]{0,47}$/);
export const services = ["score", "verify", "watch", "evaluate", "statistics"] as const;
export type Service = (typeof services)[number];

/**
 * requests: requests. companies: different companies. claims: different claims made about values (a blind one counts each time). bits: most that
 * answers can tell, in bits, repeated claims free.
 */
export const limitSchema = z.strictObject({
  counts: z.enum(["requests", "companies", "claims", "bits"]),
  /** What has a count of its own; without "institution", all institutions share it. */
  per: z.array(z.enum(["institution", "company", "item"])).max(3).refine((per) => new Set(per).size === per.length),
  /** Of which services; absent: all. */
  services: z.array(z.enum(services)).min(1).optional(),
  window: windowSchema,
  limit: z.int().min(0).max(1e12),
});
export type Limit = z.output<typeof limitSchema>;
export type NamedLimit = Limit & { readonly name: string };

const layerSchema = z.record(limitNameSchema, limitSchema);
/** A number changes the amount only. */
const changesSchema = z.record(limitNameSchema, z.union([z.int().min(0).max(1e12), limitSchema]));

export const quotaPolicySchema = z.strictObject({
  limits: changesSchema.default({}),
  institutions: z.record(partyIdSchema, changesSchema).default({}),
});
export type QuotaPolicy = z.output<typeof quotaPolicySchema>;
export type QuotaLayer = z.output<typeof layerSchema>;

const month = { calendar: "month", timeZone: "Asia/Shanghai" } as const;
const days30 = { rollingSeconds: 30 * 86_400 } as const;

/** The platform's default. Claims and bits have rolling windows: the turn of a month gives nobody twice as many guesses. */
export const platformLimits: QuotaLayer = {
  "requests-a-day": { counts: "requests", per: ["institution"], window: { calendar: "day", timeZone: "Asia/Shanghai" }, limit: 2_000_000 },
  "companies-a-month": { counts: "companies", per: ["institution"], window: month, limit: 5_000_000 },
  "company-a-day": { counts: "requests", per: ["institution", "company"], window: { rollingSeconds: 86_400 }, limit: 10_000 },
  "claims-per-value": { counts: "claims", per: ["institution", "company", "item"], services: ["verify"], window: days30, limit: 12 },
  "bits-per-value": { counts: "bits", per: ["institution", "company", "item"], services: ["verify"], window: days30, limit: 36 },
  "claims-per-value-of-all": { counts: "claims", per: ["company", "item"], services: ["verify"], window: days30, limit: 60 },
};

/** Reads a provider's policy. Throws BUDGET_POLICY. */
export function parseQuotaPolicy(value: unknown): QuotaPolicy {
  const parsed = quotaPolicySchema.safeParse(value);
  if (!parsed.success) throw new AppError("BUDGET_POLICY", {}, { cause: parsed.error });
  return parsed.data;
}

/** The limits of one institution. Throws BUDGET_POLICY where an amount is given for a limit that no layer below has. */
export function limitsFor(institution: PartyId, policy: QuotaPolicy, platform: QuotaLayer = platformLimits): NamedLimit[] {
  const limits = new Map<string, Limit>(Object.entries(platform));
  for (const layer of [policy.limits, policy.institutions[institution] ?? {}]) {
    for (const [name, change] of Object.entries(layer)) {
      const below = limits.get(name);
      if (typeof change !== "number") limits.set(name, change);
      else if (below) limits.set(name, { ...below, limit: change });
      else throw new AppError("BUDGET_POLICY");
    }
  }
  return [...limits].map(([name, limit]) => ({ name, ...limit }));
}
