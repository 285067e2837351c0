// The flood over the first polynomial of an answer: a fresh integer per coefficient, uniform over floodBits * p1 * p2, as residues modulo the
// three primes. Sampled by its residues (the Chinese remainder map is one-to-one), so that no multiplication of long integers is needed
// but one modulo p2 and two modulo p3.
import type { Rng } from "../../core/env.ts";
import { floodBits } from "./params.ts";

const sampleBits = 54n;
const sampleMask = (1n << sampleBits) - 1n;

/** Uniform below p, which has 54 bits: by rejection. */
function* uniformBelow(p: bigint, rng: Rng, ahead: number): Generator<bigint, never> {
  for (;;) {
    const words = new BigUint64Array(rng(8 * ahead).slice().buffer);
    for (const word of words) {
      const value = word & sampleMask;
      if (value < p) yield value;
    }
  }
}

/** Inverse of a modulo the prime p. */
function inverse(a: bigint, p: bigint): bigint {
  let result = 1n;
  let base = a % p;
  for (let e = p - 2n; e > 0n; e >>= 1n) {
    if (e & 1n) result = (result * base) % p;
    base = (base * base) % p;
  }
  return result;
}

/** What the sampler needs of the primes. */
export type FloodPlan = {
  readonly primes: readonly [bigint, bigint, bigint];
  readonly inverse12: bigint;
  readonly product12: bigint;
  /** Half of the flood's range, modulo each prime: it is centred. */
  readonly half: readonly [bigint, bigint, bigint];
};

export function floodPlan(primes: readonly [bigint, bigint, bigint]): FloodPlan {
  const [p1, p2, p3] = primes;
  const half = (p1 * p2) << BigInt(floodBits - 1);
  return { primes, inverse12: inverse(p1, p2), product12: (p1 * p2) % p3, half: [half % p1, half % p2, half % p3] };
}

/** Adds a fresh flood to `words`: three runs of `degree` residues, one per prime. */
export function addFlood(words: BigUint64Array, degree: number, plan: FloodPlan, rng: Rng): void {
  const { primes: [p1, p2, p3], inverse12, product12, half } = plan;
  const first = uniformBelow(p1, rng, degree);
  const second = uniformBelow(p2, rng, degree);
  const top = rng(4 * degree);
  const view = new DataView(top.buffer, top.byteOffset);
  for (let i = 0; i < degree; i++) {
    const r1 = first.next().value;
    const r2 = second.next().value;
    const c = BigInt(view.getUint32(4 * i, true) >>> (32 - floodBits));
    const k = ((r2 + p2 - (r1 % p2)) * inverse12) % p2;
    const r3 = r1 + (p1 % p3) * k + product12 * c;
    words[i] = ((words[i] ?? 0n) + r1 + p1 - half[0]) % p1;
    words[degree + i] = ((words[degree + i] ?? 0n) + r2 + p2 - half[1]) % p2;
    words[2 * degree + i] = ((words[2 * degree + i] ?? 0n) + r3 + p3 - half[2]) % p3;
  }
}
