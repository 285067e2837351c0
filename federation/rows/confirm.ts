// Waiting for a peer's confirmation of the row order.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { sameBytes, type Agreed } from "./digests.ts";

/** Throws PROTOCOL_ROW_ORDER naming the peer when it confirms something else. */
export async function confirmedBy(party: Party, peer: PartyId, agreed: Agreed): Promise<void> {
  const theirs = await party.receive(peer, "rows/confirm");
  const same = theirs.rows === agreed.rows && theirs.trainRows === agreed.trainRows && sameBytes(theirs.commitment, agreed.commitment);
  if (!same) throw new AppError("PROTOCOL_ROW_ORDER", { peer });
}
