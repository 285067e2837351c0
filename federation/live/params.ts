// Parameters that every live service has: its term, how long a provider is waited for and what happens then, how often receipts are made.
import { z } from "zod";

/** Most sets of providers under which one company may be scored: each beyond the first may tell one provider's own total about it. */
export const mostSets = 17;

export const liveParams = {
  /** Term of the service from the submission, days. */
  days: z.number().int().min(1).max(366).default(90),
  /** How long one provider may take for one request, ms. */
  timeoutMs: z.number().int().min(20).max(60_000).default(250),
  /** A provider that failed so often in a row is left out until it answers a probe; probes go out every so many ms. */
  breaker: z.strictObject({ failures: z.number().int().min(1).max(100).default(5), probeMs: z.number().int().min(100).max(60_000).default(1000) }).prefault({}),
  requestsPerDay: z.number().int().min(1).max(50_000_000).default(100_000),
  companiesPerMonth: z.number().int().min(1).max(5_000_000).default(50_000),
  perCompanyPerDay: z.number().int().min(1).max(10_000).default(24),
  /** A receipt at the latest after so many uses; after an hour otherwise. */
  receiptUses: z.number().int().min(1).max(4096).default(1000),
} as const;

/** What the asking side goes by. */
export type LiveParams = {
  readonly timeoutMs: number; readonly breaker: { readonly failures: number; readonly probeMs: number };
  /** When a provider is away: go on without it, as often as sets are allowed, or refuse the request. */
  readonly fallback: "missing-bin" | "refuse"; readonly setsPerCompany: number;
};

const dayMs = 86_400_000;

/** The end of a service's term. createdAt: ISO time of its plan. */
export function endOfService(createdAt: string, days: number): string {
  return new Date(Date.parse(createdAt) + days * dayMs).toISOString();
}
