// What is kept of monitoring services ends with them: at a provider the companies, their states and what was not told; at the bank its list and scores, and
// alerts a month after the institution has them.
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../core/env.ts";
import type { StateDatabase } from "../store/database.ts";

const everyMs = 60_000;
const keptMs = 30 * 86_400_000;

export async function sweepWatches(db: StateDatabase, now: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    eraseEnded(db, now());
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

/** now: ms. Services that this enclave has not finished with stay. */
export function eraseEnded(db: StateDatabase, now: number): void {
  db.transaction(() => {
    for (const table of ["watches", "watch_news", "watch_versions", "watch_list", "watch_scores"] as const) {
      db.run(`delete from ${table} where service not in (select job from jobs where state in ('seen', 'approved'))`);
    }
    db.run("delete from watch_alerts where delivered <> 0 and at < ?", now - keptMs);
  });
}
