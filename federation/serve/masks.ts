// Masks of one question: a byte per pair of providers from their own secret, that cancels in the sum over exactly the providers that the
// question names (Bonawitz et al., CCS 2017, without dropout recovery). The secret stream is bound to the company: with another company under
// the same number at another provider nothing cancels, and every provider answers a number once.
import { createHmac } from "node:crypto";
import type { JobId, PartyId } from "../../core/brand.ts";

export type MaskedAsk = { readonly n: number; readonly present: readonly PartyId[]; readonly company: string };

/** The sum mod 256 of this provider's masks with all others. keyOf: 32 secret bytes that only this provider and that peer have. */
export function maskOf(self: PartyId, service: JobId, ask: MaskedAsk, keyOf: (peer: PartyId) => Uint8Array): number {
  const label = JSON.stringify(["yunei/serve/mask/v1", service, ask.n, ask.present, ask.company]);
  let mask = 0;
  for (const peer of ask.present) {
    if (peer === self) continue;
    const byte = createHmac("sha256", keyOf(peer)).update(label).digest()[0] as number;
    mask += self < peer ? byte : -byte;
  }
  return mask & 255;
}

/** This provider's byte for a question: its own part under its masks. */
export function maskedPart(self: PartyId, service: JobId, ask: MaskedAsk, own: number, keyOf: (peer: PartyId) => Uint8Array): number {
  return (own + maskOf(self, service, ask, keyOf)) & 255;
}

/** The total over the providers of the question, signed 8 bit, from all their bytes. */
export function openTotal(parts: Iterable<number>): number {
  let sum = 0;
  for (const part of parts) sum += part;
  return (sum << 24) >> 24;
}
