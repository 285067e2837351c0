// The set intersection by oblivious transfer as one of the alignment protocols.
import type { SetIntersection } from "../psi/intersection.ts";
import { kkrtGuest } from "./guest.ts";
import { kkrtHost } from "./host.ts";
import type { KkrtOptions } from "./shape.ts";

export function kkrtIntersection(own: KkrtOptions = {}): SetIntersection {
  return {
    protocol: "kkrt",
    guest: (party, host, ids, options) => kkrtGuest(party, host, ids, { ...options, ...own }),
    host: (party, guest, ids, options) => kkrtHost(party, guest, ids, { ...options, ...own }),
  };
}
