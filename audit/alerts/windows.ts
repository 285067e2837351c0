// Counts per key in a sliding window of ten buckets, for a bounded number of keys. It speaks once when a count reaches the limit, and
// again only after the count has fallen below half of it.
const buckets = 10;
const maxKeys = 20_000;
type Count = { counts: number[]; last: number; isRaised: boolean };

export class Windows {
  readonly #bucketMs: number;
  readonly #limit: number;
  readonly #max: number;
  readonly #keys = new Map<string, Count>();

  /** windowMs Infinity: what was counted stays until `forget`. */
  constructor(windowMs: number, limit: number, max = maxKeys) {
    this.#bucketMs = windowMs / buckets;
    this.#limit = limit;
    this.#max = max;
  }

  /** Returns the count when the limit is reached, once. */
  add(key: string, time: number, times: number): number | undefined {
    const bucket = Math.floor(time / this.#bucketMs);
    const known = this.#keys.get(key) ?? { counts: Array.from({ length: buckets }, () => 0), last: bucket, isRaised: false };
    // The one seen last is the one forgotten last.
    this.#keys.delete(key);
    this.#keys.set(key, known);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > this.#max && oldest !== undefined) this.#keys.delete(oldest);
    for (let b = known.last + 1; b <= bucket && b <= known.last + buckets; b++) known.counts[b % buckets] = 0;
    known.last = Math.max(known.last, bucket);
    if (sumOf(known) < this.#limit / 2) known.isRaised = false;
    const place = known.last % buckets;
    known.counts[place] = (known.counts[place] ?? 0) + times;
    const sum = sumOf(known);
    if (known.isRaised || sum < this.#limit) return undefined;
    known.isRaised = true;
    return sum;
  }

  forget(key: string): void {
    this.#keys.delete(key);
  }

  get size(): number {
    return this.#keys.size;
  }
}

function sumOf({ counts }: Count): number {
  return counts.reduce((a, b) => a + b, 0);
}
