// Export of a whole model, host: checks that the guest holds the model of which this is a half, then sends the half in the open.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { Party } from "../party.ts";
import { encodeHalf, openHalf, type OwnerHalf } from "./half.ts";
import { halfChunkBytes } from "./messages.ts";

export type ExportHostInput = { readonly guest: PartyId; readonly owner: OwnerHalf; readonly receipt: MakeReceipt };

/** Throws JOB_MODEL_UNKNOWN, before anything leaves, when the half belongs to another guest or to another model than the guest's. */
export async function exportHost(party: Party, { guest, owner, receipt }: ExportHostInput): Promise<void> {
  const { half } = owner;
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  await party.phase("export", async () => {
    const { model, digest } = await party.receive(guest, "export/open");
    if (model !== half.model || digest !== half.digest) throw new AppError("JOB_MODEL_UNKNOWN", { party: guest });
    const bytes = encodeHalf(openHalf(owner));
    for (let at = 0, index = 0; at < bytes.length; at += halfChunkBytes, index++) {
      const part = bytes.subarray(at, at + halfChunkBytes);
      await party.send(guest, "export/half", { index, last: at + part.length === bytes.length, bytes: part });
    }
    await party.send(guest, "finish/receipt", await receipt({ id: half.model, digest: half.digest }));
  });
}
