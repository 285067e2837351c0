// Parameters of a monitoring service, as they stand in its plan: which triggers each provider watches, and how much may leave.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";
import { maxTriggers, severities, triggerSchema, type Trigger } from "../../monitoring/triggers/schema.ts";
import { liveParams } from "../live/params.ts";

/** The first look is the basis: a trigger that tells what it finds there would read a value. */
const watchedTrigger = triggerSchema.refine((t) => !("atStart" in t) || t.atStart === "baseline");

/** Drops of borrowers' whole scores: the bank's own enclave has them scored anew by a service for scores of the bank. */
const jointScore = z.strictObject({
  /** A service of the bank with this plan's purpose. Where it stands in a deployment the champion answers. */
  service: jobIdSchema,
  /** Every borrower is scored once in so many days. */
  everyDays: z.number().int().min(1).max(366).default(30),
  /** Points, from which on a drop is told. */
  drop: z.number().min(1).max(10_000),
  severity: z.enum(severities).default("major"),
});
export type JointScoreParams = z.output<typeof jointScore>;

export const watchJobSchema = z.strictObject({
  days: liveParams.days,
  /** By provider: what it watches. */
  triggers: z.record(z.string(), z.array(watchedTrigger).min(1).max(maxTriggers)),
  /** Most companies that each provider watches at a time. */
  companies: z.number().int().min(1).max(100_000).default(10_000),
  /** Most alerts that leave each provider in a day; what is over waits for the next. */
  alertsPerDay: z.number().int().min(1).max(100_000).default(1000),
  receiptUses: liveParams.receiptUses,
  jointScore: jointScore.optional(),
});
export type WatchJobInput = z.input<typeof watchJobSchema>;
export type WatchJobParams = z.output<typeof watchJobSchema>;

/** The triggers of one provider. Throws JOB_PARAMS when the plan has none for it. */
export function triggersOf({ triggers }: Pick<WatchJobParams, "triggers">, host: PartyId): readonly Trigger[] {
  const own = Object.hasOwn(triggers, host) ? triggers[host] : undefined;
  if (own === undefined) throw new AppError("JOB_PARAMS", { party: host });
  return own;
}
