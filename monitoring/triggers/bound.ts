// The most that triggers can tell, for the statement of leakage.
import type { Trigger } from "./schema.ts";

/** The most that leaves about one company in a time: one bit at each alert. `days` > 0. */
export function mostAlerts({ triggers }: { readonly triggers: readonly Pick<Trigger, "coolDownDays">[] }, days: number): number {
  return triggers.reduce((sum, t) => sum + Math.floor((days - 1) / t.coolDownDays) + 1, 0);
}
