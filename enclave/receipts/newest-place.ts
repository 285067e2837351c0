// Where a receipt is under the newest checkpoint that witnesses have co-signed: the place of its acknowledgement was proved before any witness
// had seen it, and a verifier's trust file wants co-signatures.
import { isAppError, type Code } from "../../core/errors.ts";
import { receiptDigest } from "../../receipts/receipt.ts";
import type { StateDatabase } from "../store/database.ts";
import type { LogPlatform } from "../transport/log.ts";
import { checkPlace, type KeptReceipt, type Place } from "./book.ts";
import { knownLogKey } from "./log-key.ts";

const askMs = 10_000;

/** The place as the platform proves it now, checked under the known key of the log; that of the acknowledgement, and why, when it cannot. */
export async function newestPlace(
  { db, log }: { readonly db: StateDatabase; readonly log: Pick<LogPlatform, "placeOf"> }, receipt: KeptReceipt, signal?: AbortSignal,
): Promise<{ readonly place: Place | undefined; readonly code?: Code }> {
  const waiting = AbortSignal.timeout(askMs);
  try {
    const key = knownLogKey(db);
    // Nothing was acknowledged yet, so nothing was proved.
    if (key === undefined) return { place: receipt.place };
    const place = await log.placeOf(receiptDigest(receipt.jws), signal === undefined ? waiting : AbortSignal.any([signal, waiting]));
    checkPlace(receipt.jws, place, key);
    return { place };
  } catch (error) {
    if (signal?.aborted === true || !isAppError(error)) throw error;
    return { place: receipt.place, code: error.code };
  }
}
