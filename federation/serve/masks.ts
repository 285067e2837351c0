// Masks of one question: a secret number per pair of providers, that cancels in the sum over exactly the providers that the question names
// (Bonawitz et al., CCS 2017, without dropout recovery). The secret is bound to the company: with another company under the same number at
// another provider nothing cancels, and every provider answers a number once.
import { createHmac } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";
import { linearPlainBits } from "../../kernels/linear/params.ts";

export type MaskedAsk = { readonly n: number; readonly present: readonly PartyId[]; readonly company: string };
type KeyOf = (peer: PartyId) => Uint8Array;

/** The sum mod 256 of this provider's masks with all others. keyOf: 32 secret bytes that only this provider and that peer have. */
export function maskOf(self: PartyId, service: JobId, ask: MaskedAsk, keyOf: KeyOf): number {
  return sumOfMasks(self, ["yunei/serve/mask/v1", service, ask], keyOf) & 255;
}

/** For answers under encryption: a number for each of so many primes, of any size; modulo each prime they cancel over the providers of the question, and each is uniform. */
export function ringMaskOf(self: PartyId, service: JobId, { n, present, company }: MaskedAsk, { keyOf, primes }: { readonly keyOf: KeyOf; readonly primes: number }): bigint[] {
  const label = JSON.stringify(["yunei/serve/mask-ring/v1", service, n, present, company]);
  const mask = Array.from({ length: primes }, () => 0n);
  for (const peer of present) {
    if (peer === self) continue;
    const secret = createHmac("sha512", keyOf(peer)).update(label).digest();
    for (const k of mask.keys()) {
      // 128 bits: modulo a prime of 54 as good as uniform.
      const part = BigInt(`0x${secret.subarray(16 * k, 16 * k + 16).toString("hex")}`);
      mask[k] = (mask[k] ?? 0n) + (self < peer ? part : -part);
    }
  }
  return mask;
}

/** Modulo 2^28, signed. */
export function wrapWide(sum: number): number {
  const unused = 32 - linearPlainBits;
  return (sum << unused) >> unused;
}

/** Modulo 2^32: its low bits are the sum modulo any smaller power of two. */
function sumOfMasks(self: PartyId, [version, service, { n, present, company }]: readonly [string, JobId, MaskedAsk], keyOf: KeyOf): number {
  const label = JSON.stringify([version, service, n, present, company]);
  let sum = 0;
  for (const peer of present) {
    if (peer === self) continue;
    const secret = createHmac("sha256", keyOf(peer)).update(label).digest().readUInt32LE(0);
    sum = (self < peer ? sum + secret : sum - secret) | 0;
  }
  return sum;
}

/** This provider's byte for a question: its own part under its masks. */
export function maskedPart(self: PartyId, service: JobId, ask: MaskedAsk, own: number, keyOf: KeyOf): number {
  return (own + maskOf(self, service, ask, keyOf)) & 255;
}

/** The total over the providers of the question, signed 8 bit, from all their bytes. */
export function openTotal(parts: Iterable<number>): number {
  let sum = 0;
  for (const part of parts) sum += part;
  return (sum << 24) >> 24;
}
