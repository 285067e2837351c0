// Alignment of a job at a host: intersection, then the guest's row order, admitted by the host's own guard at both steps.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { consentedRows, consentsHost, type HostConsents } from "../consents/host.ts";
import { floors, type HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { rowsHost, type HostRows } from "../rows/host.ts";

export type AlignHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly ids: readonly EntityId[];
  readonly guard: HostGuard; readonly intersection: SetIntersection;
  /** Where this host checks the companies' consents; its party is then a `holdingParty`. */
  readonly consents?: HostConsents | undefined;
};

/** Throws FLOOR_ROWS when a training part is below the floor, CONSENT_MISSING when a company is in the rows that was not accepted, and whatever
 *  the guard refuses with. */
export async function alignHost(party: Party, input: AlignHostInput, parts: "train-and-test" | "score"): Promise<HostRows> {
  const { guest, guard, ids, consents } = input;
  return party.phase("align", async () => {
    let open: { size: number; setDigest: Uint8Array } | undefined;
    const { order } = await input.intersection.host(party, guest, ids, {
      admit: (o) => {
        open = o;
        guard.admitSet(o);
      },
      progress: (done, total) => party.progress(done, total),
    });
    const accepted = consents === undefined ? undefined : await consentsHost(party, guest, { ids, order }, consents);
    return rowsHost(party, {
      guest, otherHosts: input.hosts.filter((h) => h !== party.self), ids, order, minRows: parts === "score" ? 1 : floors.minTrainRows, parts,
      admit: async (rowOf, trainRows) => {
        if (parts !== "score" && trainRows < floors.minTrainRows) throw new AppError("FLOOR_ROWS", { rows: trainRows, floor: floors.minTrainRows });
        if (open === undefined) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest });
        const records = accepted === undefined ? undefined : consentedRows(rowOf, accepted, guest);
        await guard.admitRows(rowOf, trainRows, open);
        if (records !== undefined) consents?.admit(records);
      },
    });
  });
}
