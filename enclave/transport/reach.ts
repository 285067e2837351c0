// Waiting for a platform that cannot be reached: back-off without an end, until the caller's signal aborts.
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";

const firstBackOffMs = 100;
const maxBackOffMs = 10_000;

/** Repeats a call to the platform while it answers JOB_PLATFORM_UNREACHABLE. Throws any other error, and the signal's reason
 *  once it has aborted. The call must be one that can be repeated. */
export async function reach<T>(call: () => Promise<T>, options: { readonly signal: AbortSignal; readonly log: Log }): Promise<T> {
  const { signal, log } = options;
  for (let backOff = firstBackOffMs; ; backOff = Math.min(backOff * 2, maxBackOffMs)) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError) || error.code !== "JOB_PLATFORM_UNREACHABLE") throw error;
      log.warn("platform-unreachable", { retryMs: backOff });
      // Cut short by the signal, which the next round looks at.
      await delay(backOff, undefined, { signal }).catch(() => undefined);
    }
  }
}
