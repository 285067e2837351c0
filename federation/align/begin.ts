// How every training job begins, at both ends: alignment, the row order that all confirm, and the joint public seed.
import type { Party } from "../party.ts";
import type { GuestGuard } from "../guards.ts";
import type { HostRows } from "../rows/host.ts";
import { jointSeed } from "../seeds/joint.ts";
import { alignGuest, type AlignInput, type GuestAlignment } from "./guest.ts";
import { alignHost, type AlignHostInput } from "./host.ts";

export type Begun = {
  readonly alignment: GuestAlignment;
  /** Labels in row order. */
  readonly label: Uint8Array;
  readonly seed: Uint8Array;
};

/** Guest. Throws as `alignGuest` and `jointSeed`. */
export async function beginGuest(party: Party, input: AlignInput & { readonly guard: Pick<GuestGuard, "setRows"> }): Promise<Begun> {
  const alignment = await party.phase("align", () => alignGuest(party, input));
  const label = Uint8Array.from(alignment.rows, (record) => input.label[record] ?? 0);
  input.guard.setRows(alignment.rowSetDigest, alignment.trainRows);
  return { alignment, label, seed: await party.phase("seeds", () => jointSeed(party, input.hosts, "sums")) };
}

/** Host. Throws as `alignHost` and `jointSeed`. */
export async function beginHost(party: Party, input: AlignHostInput): Promise<HostRows & { readonly seed: Uint8Array }> {
  const aligned = await alignHost(party, input, "train-and-test");
  const peers = [input.guest, ...input.hosts.filter((h) => h !== party.self)];
  return { ...aligned, seed: await party.phase("seeds", () => jointSeed(party, peers, "sums")) };
}
