// Batch scoring by a model that the bank brings, host: aligns the batch, has the model applied to its own columns, sends the answers.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { linearDegree } from "../../kernels/linear/params.ts";
import type { Feature } from "../../models/features.ts";
import { alignHost, type AlignHostInput } from "../align/host.ts";
import type { MakeReceipt } from "../finish/end.ts";
import type { HostGuard } from "../guards.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { alignFeature } from "../rows/align.ts";
import { codesOf, type Transform } from "../serve/linear.ts";
import { wrapWide } from "../serve/masks.ts";
import { unitRowsPerChunk } from "./messages.ts";

export type OwnHostInput = {
  readonly guest: PartyId; readonly hosts: readonly PartyId[]; readonly ids: readonly EntityId[]; readonly guard: HostGuard; readonly intersection: SetIntersection;
  readonly receipt: MakeReceipt; readonly consents?: AlignHostInput["consents"];
  /** What budgets count as one model, and what the plan calls it. */
  readonly model: string; readonly stated: { readonly id: string; readonly digest: string };
};
export type EncryptedBatch = {
  readonly columns: readonly (Feature & { readonly kind: "numeric" })[]; readonly transforms: readonly Transform[];
  readonly apply: (columns: readonly Int16Array[], rows: number, mask: Int32Array) => Promise<Uint8Array>;
  /** The answer of that number as it was made the first time: another one would be another text. */
  readonly kept: (index: number, make: () => Promise<Uint8Array>) => Promise<Uint8Array>;
};

/** One text per block of 8,192 companies. */
export async function scoreEncryptedHost(party: Party, input: OwnHostInput, { columns, transforms, apply, kept }: EncryptedBatch): Promise<void> {
  await answered(party, input, async (rowOf) => {
    const masks = maskRows(party, input.hosts, rowOf.length);
    for (let at = 0, index = 0; at < rowOf.length; at += linearDegree, index++) {
      const rows = Math.min(linearDegree, rowOf.length - at);
      const text = await kept(index, () => apply(transforms.map((t, j) => codesOf(columns[j] as (typeof columns)[number], t, (row) => rowOf[at + row] as number, rows)), rows, masks.subarray(at, at + rows)));
      await party.send(input.guest, "score/encrypted-part", { index, last: at + rows >= rowOf.length, text });
      party.progress(at + rows, rowOf.length);
    }
  });
}

/** One byte per company. score: quantised log odds for so many rows of the model's inputs, in their order. */
export async function scoreWholeHost(party: Party, input: OwnHostInput, columns: readonly Feature[], score: (columns: readonly Feature[]) => Promise<Int8Array>): Promise<void> {
  await answered(party, input, async (rowOf) => {
    for (let at = 0, index = 0; at < rowOf.length; at += unitRowsPerChunk, index++) {
      const rows = rowOf.subarray(at, Math.min(rowOf.length, at + unitRowsPerChunk));
      const units = await score(columns.map((f) => alignFeature(f, rows)));
      await party.send(input.guest, "score/odds", { index, last: at + rows.length >= rowOf.length, units: new Uint8Array(units.buffer, units.byteOffset, units.length) });
      party.progress(at + rows.length, rowOf.length);
    }
  });
}

async function answered(party: Party, input: OwnHostInput, answer: (rowOf: Int32Array) => Promise<void>): Promise<void> {
  const { guest, guard, hosts, model, stated } = input;
  guard.admitCompany(hosts.length);
  const { rowOf } = await alignHost(party, input, "score");
  await party.phase("score", async () => {
    await guard.chargeScores(model, hosts);
    await answer(rowOf);
    await party.send(guest, "finish/receipt", await input.receipt(stated));
  });
}

/** Masks with every other host, modulo 2^28, that cancel in the sum over all of the job. */
function maskRows(party: Party, hosts: readonly PartyId[], rows: number): Int32Array {
  const masks = new Int32Array(rows);
  for (const peer of hosts) {
    if (peer === party.self) continue;
    const bytes = party.sharedRng(peer, "score28")(4 * rows);
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const sign = party.self < peer ? 1 : -1;
    for (let i = 0; i < rows; i++) masks[i] = (masks[i] as number) + sign * words.getInt32(4 * i, true);
  }
  return masks.map(wrapWide);
}
