// Work of the clock, piece by piece: a piece that fails holds up none of the others, and is tried again at the next tick.
import type { Log } from "../core/env.ts";

/** Does one after the other. What fails is logged by its kind alone: a message may quote what it failed on. */
export async function each<T>(pieces: Iterable<T>, work: (piece: T) => Promise<unknown>, log: Log): Promise<void> {
  for (const piece of pieces) {
    try {
      await work(piece);
    } catch (error) {
      log.error("tick.failed", { reason: error instanceof Error ? error.name : "unknown" });
    }
  }
}
