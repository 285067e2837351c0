// The flood over the first polynomial of an answer: a fresh integer per coefficient, uniform over floodBits * p1 * p2, as residues modulo the
// three primes. Sampled by its residues (the Chinese remainder map is one-to-one), so that no multiplication of long integers is needed
// but one modulo p2 and two modulo p3.
import type { Rng } from "../../core/env.ts";
import { floodBits } from "./params.ts";

const sampleBits = 54n;
const sampleMask = (1n << sampleBits) - 1n;

/** Uniform below p, which has 54 bits: by rejection. ahead: numbers drawn at a time. */
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

/** How one provider's answer of one sum is masked. mask: one number per data prime, of any size; they cancel over the providers modulo each prime, and are uniform.
 *  providers: how many answer the question. */
export type Masking = { readonly mask: readonly bigint[]; readonly providers: number };

/** Leaves of an answer its coefficient 0, under mask and flood: `words` are runs of `degree` residues of its first polynomial, one per prime. All others are made uniform modulo q. (Masks modulo t
 *  would leave of them what a dishonest text puts between the steps of q / t.) flood: bits of its range beyond the first prime. */
export function hideAllButOne(words: BigUint64Array, degree: number, { primes, mask, flood }: { readonly primes: readonly bigint[]; readonly mask: readonly bigint[]; readonly flood: number }, rng: Rng): void {
  const noise = oneFlood(primes[0] ?? 1n, flood, rng);
  for (const [k, p] of primes.entries()) {
    const sum = (words[k * degree] ?? 0n) + noise + (mask[k] ?? 0n);
    const uniform = uniformBelow(p, rng, degree - 1);
    for (let i = 1; i < degree; i++) words[k * degree + i] = uniform.next().value;
    words[k * degree] = ((sum % p) + p) % p;
  }
}

/** Uniform over [-range / 2, range / 2), range = p * 2^bits. */
function oneFlood(p: bigint, bits: number, rng: Rng): bigint {
  const [low = 0n, high = 0n] = new BigUint64Array(rng(16).slice().buffer);
  return uniformBelow(p, rng, 1).next().value + p * BigInt.asUintN(bits, (high << 64n) | low) - (p << BigInt(bits - 1));
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
