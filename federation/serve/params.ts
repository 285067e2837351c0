// Parameters of a standing service, as they stand in its plan: everything that one request may do is fixed here.
import { z } from "zod";

/** Most sets of providers under which one company may be scored: each beyond the first may tell one provider's own total about it. */
export const mostSets = 17;

export const serveJobSchema = z.strictObject({
  /** Term of the service from the submission, days. */
  days: z.number().int().min(1).max(366).default(90),
  /** Each provider gives its part as one masked byte; weights of the model lie at the providers since training. */
  protection: z.literal("masked-points").default("masked-points"),
  /** How long one provider may take for one request, ms. */
  timeoutMs: z.number().int().min(20).max(60_000).default(250),
  /** When a provider is away: score its features as missing and say so, or refuse the request. */
  fallback: z.enum(["missing-bin", "refuse"]).default("refuse"),
  setsPerCompany: z.number().int().min(1).max(mostSets).default(1),
  requestsPerDay: z.number().int().min(1).max(50_000_000).default(100_000),
  companiesPerMonth: z.number().int().min(1).max(5_000_000).default(50_000),
  perCompanyPerDay: z.number().int().min(1).max(10_000).default(24),
  /** A provider that failed so often in a row is left out until it answers a probe; probes go out every so many ms. */
  breaker: z.strictObject({ failures: z.number().int().min(1).max(100).default(5), probeMs: z.number().int().min(100).max(60_000).default(1000) }).prefault({}),
  /** A receipt at the latest after so many uses; after an hour otherwise. */
  receiptUses: z.number().int().min(1).max(4096).default(1000),
});
export type ServeJobParams = z.output<typeof serveJobSchema>;

const dayMs = 86_400_000;

/** The end of a service's term. createdAt: ISO time of its plan. */
export function endOfService(createdAt: string, days: number): string {
  return new Date(Date.parse(createdAt) + days * dayMs).toISOString();
}
