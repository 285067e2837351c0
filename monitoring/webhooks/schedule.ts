// When a failed delivery is tried again: exponential backoff with jitter, bounded; what the receiver asks for (Retry-After, RFC 9110) is kept to
// within the bound. Half of each delay is fixed and half drawn ("equal jitter"), so that receivers that failed together come back apart.
import { z } from "zod";
import type { Rng } from "../../core/env.ts";

export const scheduleSchema = z.strictObject({
  /** Delay after the first failure, ms; each further one is `factor` times as long, at most `maxDelayMs`. */
  firstDelayMs: z.int().min(100).max(3_600_000).default(5_000),
  factor: z.number().min(1).max(20).default(5),
  maxDelayMs: z.int().min(1_000).max(7 * 86_400_000).default(86_400_000),
  /** With 10: about 3 days in all, as the specification's example. */
  maxAttempts: z.int().min(1).max(50).default(10),
  /** After it an attempt without outcome counts as failed (the sender was killed); above the request's own time-out of 15 to 30 s. */
  leaseMs: z.int().min(1_000).max(600_000).default(60_000),
  /** Deliveries that wait, per receiver. */
  maxWaiting: z.int().min(1).max(1_000_000).default(10_000),
}).refine((s) => s.firstDelayMs <= s.maxDelayMs);
export type Schedule = z.output<typeof scheduleSchema>;
export const defaultSchedule: Schedule = scheduleSchema.parse({});

/** Delay after failure number `failures` (from 1), ms, in [d/2, d) for the exponential d. */
export function retryDelay(failures: number, rng: Rng, schedule: Schedule = defaultSchedule): number {
  const whole = Math.min(schedule.maxDelayMs, schedule.firstDelayMs * schedule.factor ** (failures - 1));
  const bytes = rng(4);
  const drawn = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32;
  return Math.floor(whole / 2 + (whole / 2) * drawn);
}

/** Retry-After as delay in ms: whole seconds or an HTTP date (IMF-fixdate); undefined for anything else. */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const at = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
