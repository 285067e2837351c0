// Brings this enclave's receipts to the platform's log, one after the other, until each is proved to be there; goes on after a restart.
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import type { StateDatabase } from "../store/database.ts";
import type { LogPlatform } from "../transport/log.ts";
import { reach } from "../transport/reach.ts";
import type { ReceiptBook } from "./book.ts";
import { knownLogKey, pinLogKey } from "./log-key.ts";

const idleMs = 3_600_000;
const refusedMs = 60_000;

/** Runs until the signal aborts. A log that cannot be reached is waited for; one that refuses is asked again every minute, and the refusal is kept
 *  for the operator (`yunei enclave receipts list`). */
export async function deliverReceipts(parts: { db: StateDatabase; book: ReceiptBook; platform: LogPlatform; log: Log; signal: AbortSignal }): Promise<void> {
  const { db, book, platform, log, signal } = parts;
  while (!signal.aborted) {
    const receipt = book.pending();
    if (receipt === undefined) {
      await book.issued(idleMs, signal);
      continue;
    }
    try {
      const key = knownLogKey(db) ?? pinLogKey(db, (await reach(() => platform.offer(0, 0, signal), { signal, log })).key);
      const place = await reach(() => platform.putReceipt(receipt.jws, signal), { signal, log });
      book.acknowledge(receipt, place, key);
      log.info("receipt-logged", { job: receipt.job, index: place.index });
    } catch (error) {
      if (signal.aborted) return;
      if (!isAppError(error)) throw error;
      book.refuse(receipt, error.code);
      log.error("receipt-refused", { job: receipt.job, code: error.code });
      await delay(refusedMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
