// What a querier keeps of a query.
import type { QuerySecret } from "./api.ts";

/** The fresh secret s of one query. JSON and structured clones do not see it. */
export class TernarySecret implements QuerySecret {
  readonly tBits: number;
  /** The largest size that an honest sum can have: maxCode * sum |v_i|. */
  readonly largestSum: number;
  readonly #trits: Uint8Array;

  constructor(trits: Uint8Array, tBits: number, largestSum: number) {
    this.#trits = trits;
    this.tBits = tBits;
    this.largestSum = largestSum;
  }
  /** The packed trits (streams.ts). */
  reveal(): Uint8Array {
    return this.#trits;
  }
}
