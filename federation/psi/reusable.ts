// The intersection over kept tags as one of the alignment protocols of a job.
import type { PartyId } from "../../core/brand.ts";
import type { CurveWork } from "./curve.ts";
import type { SetIntersection } from "./intersection.ts";
import { reusableGuest } from "./reusable-guest.ts";
import { reusableHost } from "./reusable-host.ts";
import type { GuestShelf, HostShelf } from "./reusable-tags.ts";

/** What the party keeps, by the other one's name. */
export type Shelves = { readonly of: (guest: PartyId) => HostShelf; readonly from: (host: PartyId) => Promise<GuestShelf> };

/** snapshotOf: the public digest of a host's version of its ids. */
export function reusableIntersection(curve: CurveWork, shelves: Shelves, snapshotOf: (host: PartyId) => string): SetIntersection {
  return {
    protocol: "ecdh-ristretto255 over kept tags",
    guest: async (party, host, ids, options) => reusableGuest(party, host, ids, { ...options, curve, shelf: await shelves.from(host), snapshot: snapshotOf(host) }),
    host: (party, guest, ids, options) => reusableHost(party, guest, ids, { ...options, curve, shelf: shelves.of(guest), snapshot: snapshotOf(party.self) }),
  };
}
