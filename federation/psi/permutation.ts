// A secret uniform order: neither side may conclude from a position in a list to a row of the other's table.
import type { Rng } from "../../core/env.ts";

/** A uniform permutation of 0..n-1: Fisher-Yates with rejection sampling, so no position is favoured. */
export function secretPermutation(n: number, rng: Rng): Int32Array {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  const next = words(rng);
  for (let i = n - 1; i > 0; i--) {
    const bound = i + 1;
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let word = next();
    while (word >= limit) word = next();
    const j = word % bound;
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
  return order;
}

/** Uniform 32-bit integers, drawn from the stream in blocks. */
function words(rng: Rng): () => number {
  let block = new DataView(new ArrayBuffer(0));
  let at = 0;
  return () => {
    if (at === block.byteLength) {
      block = new DataView(rng(4096).buffer);
      at = 0;
    }
    const word = block.getUint32(at, true);
    at += 4;
    return word;
  };
}
