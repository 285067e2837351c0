// Which alignment protocol a pair of parties uses, from sizes that both know before the job; and what it sends at most.
import { maxChunkRows } from "../../kernels/oblivious/extension.ts";
import { binsPerTable } from "../../kernels/oblivious/ids.ts";
import { setTagBytes, tagsPerMessage } from "../../kernels/oblivious/set-guest.ts";
import { maxKkrtSize } from "../kkrt/messages.ts";
import type { MessageType } from "../messages.ts";
import { extensionTraffic, openingTraffic, type Traffic } from "../ot/traffic.ts";
import type { SetIntersection } from "./intersection.ts";

export type AlignmentProtocol = "ecdh" | "kkrt";

/** CPU of both sides by elliptic curve, microseconds (measured): blind, raise and unblind each id of the guest; tag each of the host. */
const ecdhMicros = { guestId: 244, hostId: 94 };
/** Below this the curve costs less than starting the transfers, and asks for exactly the declared ids (README of kkrt). */
const worthwhileMicros = 1_000_000;

/** "kkrt" as soon as the curve would take a second of both CPUs together (about 3,000 ids on each side, or 10,600 at the host alone), "ecdh" for
 *  smaller sets and for sets beyond the other's limit. The same at both ends: from published sizes alone. */
export function alignmentProtocol(guestRows: number, hostRows: number): AlignmentProtocol {
  if (Math.max(guestRows, hostRows) > maxKkrtSize || Math.min(guestRows, hostRows) < 1) return "ecdh";
  return guestRows * ecdhMicros.guestId + hostRows * ecdhMicros.hostId >= worthwhileMicros ? "kkrt" : "ecdh";
}

/** The protocol of a pair among those that this domain has. */
export function intersectionFor(protocols: Readonly<Record<AlignmentProtocol, SetIntersection>>, guestRows: number, hostRows: number): SetIntersection {
  return protocols[alignmentProtocol(guestRows, hostRows)];
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
    { from: "host", type: "kkrt/tags", messages: 3 * Math.ceil(hostRows / tagsPerMessage), bytes: 3 * setTagBytes * hostRows },
  ];
}
