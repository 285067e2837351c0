// Which alignment protocol a pair of parties uses, from sizes that both know before the job; and what it sends at most.
import { maxChunkRows } from "../../kernels/oblivious/extension.ts";
import { binsPerTable } from "../../kernels/oblivious/ids.ts";
import { setTagBytes, tagsPerMessage as setTagsPerMessage } from "../../kernels/oblivious/set-guest.ts";
import { maxKkrtSize } from "../kkrt/messages.ts";
import type { MessageType } from "../messages.ts";
import { extensionTraffic, openingTraffic, type Traffic } from "../ot/traffic.ts";
import { chunkCount } from "./chunks.ts";
import type { SetIntersection } from "./intersection.ts";
import { pointBytes, tagBytes } from "./messages.ts";
import { tagsPerMessage } from "./reusable-messages.ts";

export type AlignmentProtocol = "ecdh" | "kkrt" | "reusable";
/** What both ends know of a pair before the job. reusable: the host keeps tags for its guests (its dataset's summary). */
export type Pair = { readonly guestRows: number; readonly hostRows: number; readonly reusable: boolean };

/** CPU of both sides by elliptic curve, microseconds (measured): blind, raise and unblind each id of the guest; tag each of the host. */
const ecdhMicros = { guestId: 244, hostId: 94 };
/** Below this the curve costs less than starting the transfers, and asks for exactly the declared ids (README of kkrt). */
const worthwhileMicros = 1_000_000;

/** Kept tags are worth their preparation from here on: below, oblivious transfer takes less than a CPU-second and 17 MB (README of kkrt). */
const leastKept = 500_000;
/** A job over kept tags costs both sides 244 us for each id of the guest, oblivious transfer 0.94 us for each of the host (measured): below a
 *  ratio of 260 it would cost more than what it replaces, in every job. */
const leastRatio = 256;

/** "reusable" where a host that keeps tags has a much larger set; else "kkrt" as soon as the curve would take a second of both CPUs together
 *  (about 3,000 ids on each side, or 10,600 at the host alone), "ecdh" for smaller sets and for sets beyond the other's limit. The same at both
 *  ends: from what is published alone. */
export function alignmentProtocol({ guestRows, hostRows, reusable }: Pair): AlignmentProtocol {
  if (reusable && hostRows >= leastKept && hostRows >= leastRatio * guestRows) return "reusable";
  if (Math.max(guestRows, hostRows) > maxKkrtSize || Math.min(guestRows, hostRows) < 1) return "ecdh";
  return guestRows * ecdhMicros.guestId + hostRows * ecdhMicros.hostId >= worthwhileMicros ? "kkrt" : "ecdh";
}

/** The protocol of a pair among those that this domain has. */
export function intersectionFor(protocols: Readonly<Record<AlignmentProtocol, SetIntersection>>, pair: Pair): SetIntersection {
  return protocols[alignmentProtocol(pair)];
}

/** bytes: payload of all messages of that type in that direction together, without the frames around them. */
export type PairTraffic = { readonly from: "guest" | "host"; readonly type: MessageType; readonly messages: number; readonly bytes: number };

/** Exactly what an intersection by oblivious transfer sends. */
export function kkrtTraffic(guestRows: number, hostRows: number): PairTraffic[] {
  const bins = binsPerTable(guestRows);
  const table = extensionTraffic("bch", bins, maxChunkRows);
  const transfers: Traffic[] = [...openingTraffic("bch"), { ...table, messages: 3 * table.messages, bytes: 3 * table.bytes }];
  return [
    { from: "guest", type: "kkrt/open", messages: 1, bytes: 64 },
    { from: "host", type: "kkrt/ready", messages: 1, bytes: 8 },
    ...transfers.map((t): PairTraffic => ({ ...t, from: t.from === "asker" ? "guest" : "host" })),
    { from: "host", type: "kkrt/tags", messages: 3 * Math.ceil(hostRows / setTagsPerMessage), bytes: 3 * setTagBytes * hostRows },
  ];
}

/** What an intersection over kept tags sends at most: the list itself passes only to a guest that does not have it. */
export function reusableTraffic(guestRows: number, hostRows: number): PairTraffic[] {
  const [points, bytes] = [chunkCount(guestRows), guestRows * pointBytes];
  return [
    { from: "guest", type: "psi/reuse-open", messages: 1, bytes: 72 },
    { from: "host", type: "psi/reuse-ready", messages: 1, bytes: 40 },
    { from: "guest", type: "psi/blinded", messages: points, bytes },
    { from: "host", type: "psi/twice", messages: points, bytes },
    { from: "host", type: "psi/reuse-tags", messages: Math.ceil(hostRows / tagsPerMessage), bytes: hostRows * tagBytes },
  ];
}
