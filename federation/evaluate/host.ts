// Full-coverage evaluation, host: aligns, works out its part of the public scorecard, sends it under masks that cancel over exactly the hosts of the run.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { residues } from "../../evaluation/combine.ts";
import type { Card } from "../../evaluation/load.ts";
import type { Feature } from "../../models/features.ts";
import { alignHost, type AlignHostInput } from "../align/host.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { maskShares } from "../totals/masks.ts";
import { rowsPerChunk } from "./messages.ts";
import { agreeOnOffers, ownPart } from "./offers.ts";

export type EvaluateHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly card: Card;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  /** Indicators of the card that it may compute on this basis. */
  readonly offered: readonly string[];
  readonly guard: HostGuard; readonly intersection: SetIntersection;
  readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
};

/** Throws what the guard refuses with (POLICY_SINGLE_HOST, BUDGET_TOTALS), and as the alignment. */
export async function evaluateHost(party: Party, input: EvaluateHostInput): Promise<void> {
  const { guest, hosts, card, guard } = input;
  const { rowOf } = await alignHost(party, input, "score");
  await party.phase("evaluate", async () => {
    const agreed = await agreeOnOffers(party, card, { guest, hosts }, input.offered);
    if (agreed.computing.includes(party.self)) guard.admitCompany(agreed.computing.length);
    await guard.chargeEvaluation(agreed.label);
    const part = ownPart(party.self, card, agreed, input.features, rowOf);
    const masked = (name: "points" | "covered"): Uint8Array => bytesOf(maskShares(party, hosts, `evaluate/${name}/${agreed.label}`, residues(part[name])));
    const [points, covered] = [masked("points"), masked("covered")];
    for (let at = 0, index = 0; at < rowOf.length; at += rowsPerChunk, index++) {
      const end = Math.min(at + rowsPerChunk, rowOf.length);
      await party.send(guest, "evaluate/part", { index, last: end >= rowOf.length, points: points.subarray(2 * at, 2 * end), covered: covered.subarray(2 * at, 2 * end) });
      party.progress(end, rowOf.length);
    }
    await party.send(guest, "finish/receipt", await input.receipt({ id: card.id, digest: card.digest }));
  });
}

/** 16-bit little-endian. */
function bytesOf(values: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(2 * values.length);
  for (const [i, value] of values.entries()) {
    bytes[2 * i] = value & 255;
    bytes[2 * i + 1] = value >> 8;
  }
  return bytes;
}
