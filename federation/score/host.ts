// Batch scoring, host: aligns the batch, applies its half of the model, sends its part under masks that cancel.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { inSlices } from "../../core/slices.ts";
import type { Feature } from "../../models/features.ts";
import { alignHost, type AlignHostInput } from "../align/host.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import { halfColumns, type HostHalf } from "../scorecard/half.ts";
import { sendTotals } from "../totals/host.ts";
import { reasonsOf, sendReasons, type HostExplain } from "./reasons-host.ts";

export type ScoreHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly half: HostHalf;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  readonly guard: HostGuard; readonly intersection: SetIntersection;
  readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
  /** When the plan and this host's own policy let it explain its part. */
  readonly explain?: HostExplain | undefined;
};

export async function scoreHost(party: Party, input: ScoreHostInput): Promise<void> {
  const { guest, guard, half, hosts } = input;
  if (half.guest !== guest) throw new AppError("JOB_MODEL_UNKNOWN");
  if (half.columns.length > 0) guard.admitCompany(hosts.filter((h) => half.hosts.includes(h)).length);
  const { rowOf } = await alignHost(party, input, "score");
  await party.phase("score", async () => {
    const columns: Int8Array[] = [];
    await inSlices(half.columns.length, (from, to) => {
      const some = half.columns.slice(from, to);
      const used = input.features.filter((f) => some.some((c) => c.feature === f.name));
      columns.push(...halfColumns({ ...half, columns: some }, used.map((f) => alignFeature(f, rowOf))));
    }, 1);
    await guard.chargeScores(half.model, hosts);
    const { party: _, ...plan } = half.plan;
    await sendTotals(party, { guest, present: hosts, round: 0, label: "score", weights: { round: 0, plan }, columns, rows: rowOf.length });
    if (input.explain !== undefined) await sendReasons(party, guest, reasonsOf(half, columns, rowOf.length, input.explain), input.explain.reasons);
    await party.send(guest, "finish/receipt", await input.receipt({ id: half.model, digest: half.digest }));
  });
}
