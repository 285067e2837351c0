// Pairwise masks that cancel in the sum over all hosts (Bonawitz et al., CCS 2017, without dropout recovery: a host that
// goes away makes the round start again with new masks under a new label).
import type { PartyId } from "../../core/brand.ts";
import type { Party } from "../party.ts";

/** Adds to `partial` (signed 8 bit, per row) the masks that this host shares with every other host, mod 256. */
export function maskTotals(party: Party, hosts: readonly PartyId[], label: string, partial: Int8Array): Uint8Array {
  const masked = new Uint8Array(partial.length);
  for (const [i, value] of partial.entries()) masked[i] = value;
  for (const peer of hosts) {
    if (peer === party.self) continue;
    const mask = party.sharedRng(peer, label)(partial.length);
    const sign = party.self < peer ? 1 : -1;
    for (let i = 0; i < masked.length; i++) masked[i] = (masked[i] ?? 0) + sign * (mask[i] ?? 0);
  }
  return masked;
}

/** The same for 16-bit shares, mod 2^16. */
export function maskShares(party: Party, hosts: readonly PartyId[], label: string, share: Uint16Array): Uint16Array {
  const masked = Uint16Array.from(share);
  for (const peer of hosts) {
    if (peer === party.self) continue;
    const bytes = party.sharedRng(peer, label)(2 * share.length);
    const sign = party.self < peer ? 1 : -1;
    for (let i = 0; i < masked.length; i++) masked[i] = (masked[i] ?? 0) + sign * ((bytes[2 * i] ?? 0) | ((bytes[2 * i + 1] ?? 0) << 8));
  }
  return masked;
}

/** The sum of all hosts' masked bytes, mod 256, as signed 8-bit totals. */
export function openTotals(masked: readonly Uint8Array[], rows: number): Int8Array {
  const totals = new Int8Array(rows);
  for (const part of masked) for (let i = 0; i < rows; i++) totals[i] = (totals[i] ?? 0) + (part[i] ?? 0);
  return totals;
}
