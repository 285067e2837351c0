// What is kept of one watched company between two data versions: bounded, small, and nothing but what the triggers need. It holds values of
// that company (its own past), so that its owner stores it sealed in the domain and erases it with the watch.
import { z } from "zod";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { maxTriggers } from "./schema.ts";

const version = z.string().regex(/^[0-9a-f]{64}$/);
const day = z.int().min(-1_000_000).max(10_000_000);
const count = z.int().min(0).max(1_000_000);

const memorySchema = z.strictObject({
  /** Of the declaration that it belongs to. */
  digest: version,
  /** unknown: never measured. raised: the condition holds, told or owed. */
  phase: z.enum(["unknown", "clear", "raised"]),
  /** Snapshots in a row towards the other phase. */
  run: count,
  /** new-listing: snapshots in a row below its reference. */
  below: count,
  /** What it is measured against, where that is not taken from the months; frozen while raised. `spread`: indicator-drift's MAD. */
  reference: z.number().nullable(), spread: z.number().nullable(),
  /** data-gone: whether there ever was something. */
  seen: z.boolean(),
  /** Alerts so far; day of data of the last one; one is due that a cool-down holds back. */
  told: count, last: day.nullable(), owed: z.boolean(),
});
export type Memory = z.output<typeof memorySchema>;

const stateSchema = z.strictObject({
  v: z.literal(1),
  /** Number and digest of the last data version that was evaluated. */
  sequence: z.int().min(1), version,
  /** Per source that needs a past: [month, last value known in it], ascending. Months are 12 * year + month. */
  months: z.record(z.string().max(80), z.array(z.tuple([z.int(), z.number()])).max(25)),
  /** Per score: the model version that its months and references belong to. */
  models: z.record(z.string().max(80), z.string().max(80)),
  triggers: z.record(z.string().max(48), memorySchema),
}).refine((s) => Object.keys(s.triggers).length <= maxTriggers && Object.keys(s.months).length <= maxTriggers);
export type WatchState = z.output<typeof stateSchema>;

export const freshMemory = (digest: string): Memory => ({
  digest, phase: "unknown", run: 0, below: 0, reference: null, spread: null, seen: false, told: 0, last: null, owed: false,
});

/** One spelling for each state: the same inputs give the same bytes. */
export function serialiseState(state: WatchState): string {
  return canonicalJson(state);
}

/** Throws MONITOR_STATE. */
export function parseState(text: string): WatchState {
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError("MONITOR_STATE", {}, { cause: cause instanceof SyntaxError ? undefined : cause });
  }
}
