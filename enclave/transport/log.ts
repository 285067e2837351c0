// What an enclave needs from the platform's transparency log. `http.ts` is the real one; tests use their own.
import type { WitnessRefusal } from "../../api/contract/receipts.ts";
import type { Place } from "../receipts/book.ts";

/** A checkpoint to co-sign and the consistency proof (base64) from the size that was asked for. */
export type Offer = { readonly checkpoint: string; readonly path: readonly string[] };

export interface LogPlatform {
  /** Appends the next receipt of this party's chain; idempotent. */
  putReceipt(jws: string, signal: AbortSignal): Promise<Place>;
  /** Where a receipt (SHA-256 of its text) is, under the newest co-signed checkpoint that has it. */
  placeOf(digest: string, signal: AbortSignal): Promise<Place>;
  putWitness(statement: string, signal: AbortSignal): Promise<void>;
  /** The log's verifier key, and what is to be co-signed; waits up to `waitSeconds` for it. */
  offer(old: number, waitSeconds: number, signal: AbortSignal): Promise<{ readonly key: string; readonly offer: Offer | null }>;
  cosign(checkpoint: string, line: string, signal: AbortSignal): Promise<boolean>;
  refuseCheckpoint(refusal: WitnessRefusal, signal: AbortSignal): Promise<void>;
}
