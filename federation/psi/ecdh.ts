// The ECDH intersection on ristretto255 as one of the alignment protocols.
import type { CurveWork } from "./curve.ts";
import { psiGuest } from "./guest.ts";
import { psiHost } from "./host.ts";
import type { SetIntersection } from "./intersection.ts";

export function ecdhIntersection(curve: CurveWork): SetIntersection {
  return {
    protocol: "ecdh-ristretto255",
    guest: (party, host, ids, options) => psiGuest(party, host, ids, { ...options, curve }),
    host: (party, guest, ids, options) => psiHost(party, guest, ids, { ...options, curve }),
  };
}
