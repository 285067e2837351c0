// What an alignment protocol offers to the job, whichever it is: today ECDH, later an OPRF from OT extension.
import type { EntityId, PartyId } from "../../core/brand.ts";
import type { Party } from "../party.ts";

/** What the guest learns: for each of its ids (same order as given) the position in the host's shuffled list, or -1. */
export type GuestMatches = { readonly matched: Int32Array; readonly hostSize: number };
/** What the host keeps: for each position of its shuffled list its own record. It does not learn which ones matched. */
export type HostOrder = { readonly order: Int32Array; readonly guestSize: number };

export type SetOpening = { readonly size: number; readonly setDigest: Uint8Array };
/** Throws (an AppError) when a budget refuses this set. After a restart it is asked again for the same job: it must then
 *  answer the same and count nothing twice. */
export type Admit = (open: SetOpening) => void | Promise<void>;
/** Elements done of all elements. */
export type Progress = (done: number, total: number) => void;

export type GuestOptions = {
  /** >= 32 secret bytes, the same for every job of this (guest, host) pair and different for another host. */
  readonly setSecret: Uint8Array;
  readonly progress?: Progress;
};
export type HostOptions = { readonly admit: Admit; readonly progress?: Progress };

/** A private set intersection between the guest and one host. The guest's set is the one that is looked up. */
export interface SetIntersection {
  readonly protocol: string;
  guest(party: Party, host: PartyId, ids: readonly EntityId[], options: GuestOptions): Promise<GuestMatches>;
  host(party: Party, guest: PartyId, ids: readonly EntityId[], options: HostOptions): Promise<HostOrder>;
}
