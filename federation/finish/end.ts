// The end of a training job of any kind: the guest names its model, every host answers with its signed receipt.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";

export type Model = { readonly id: string; readonly digest: string };
export type FinishedHost = TypedBody<"finish/receipt"> & { readonly host: PartyId };
/** Signs a host's receipt once the model is known. */
export type MakeReceipt = (model: Model) => Promise<TypedBody<"finish/receipt">>;

/** Follows from the job: a replay names the same model. */
export function modelIdOf(job: string): string {
  return `model_${createHash("sha256").update(`yunei/model/v1|${job}`).digest("hex").slice(0, 24)}`;
}

/** Guest: tells every host the model, collects the receipts. */
export async function finishTraining(party: Party, hosts: readonly PartyId[], model: Model): Promise<FinishedHost[]> {
  await Promise.all(hosts.map((h) => party.send(h, "finish/model", { model: model.id, digest: model.digest })));
  return collectReceipts(party, hosts);
}

/** Guest: the receipt of every host. */
export async function collectReceipts(party: Party, hosts: readonly PartyId[]): Promise<FinishedHost[]> {
  return Promise.all(hosts.map(async (host) => ({ host, ...(await party.receive(host, "finish/receipt")) })));
}

/** Host: learns which model it has a part in and gives its receipt for it. */
export async function finishHost(party: Party, guest: PartyId, receipt: MakeReceipt): Promise<Model> {
  const { model: id, digest } = await party.receive(guest, "finish/model");
  await party.send(guest, "finish/receipt", await receipt({ id, digest }));
  return { id, digest };
}
