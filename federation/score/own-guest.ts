// Batch scoring by a model that the bank brings, guest: aligns the batch and takes what its providers answer; the model was sent before.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { linearDegree } from "../../kernels/linear/params.ts";
import { alignBatch, type MatchInput } from "../align/guest.ts";
import { collectReceipts } from "../finish/end.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { oddsOfUnits } from "../serve/odds.ts";
import type { BatchScores } from "./guest.ts";
import { unitRowsPerChunk } from "./messages.ts";

export type OwnGuestInput = MatchInput & { readonly intersection: SetIntersection };
/** The sum of these texts modulo 2^28 for each of so many companies: with the bank's key. */
export type OpenSum = (texts: readonly Uint8Array[], rows: number) => Promise<Int32Array>;
type Answered = Pick<BatchScores, "refused" | "byHost" | "receipts">;

/** Weighted sums over the providers, by own record; 0 for those that are refused. */
export async function scoreEncryptedGuest(party: Party, input: OwnGuestInput & { readonly openSum: OpenSum }): Promise<Answered & { readonly sums: Int32Array }> {
  const { hosts, ids, openSum } = input;
  const { rows, byHost, refused } = await party.phase("align", () => alignBatch(party, input));
  return party.phase("score", async () => {
    const sums = new Int32Array(ids.length);
    for (let at = 0, index = 0; at < rows.length; at += linearDegree, index++) {
      const size = Math.min(linearDegree, rows.length - at);
      const texts = await Promise.all(hosts.map((host) => blockOf(party, host, index, at + size >= rows.length)));
      const block = await openSum(texts, size);
      for (let i = 0; i < size; i++) sums[rows[at + i] as number] = block[i] as number;
      party.progress(at + size, rows.length);
    }
    return { sums, byHost, refused, receipts: await collectReceipts(party, hosts) };
  });
}

/** Log odds of an event, of 8 bits each, by own record. */
export async function scoreWholeGuest(party: Party, input: OwnGuestInput): Promise<Answered & { readonly odds: Float64Array }> {
  const { ids, hosts } = input;
  const { rows, byHost, refused } = await party.phase("align", () => alignBatch(party, input));
  return party.phase("score", async () => {
    const [host] = hosts;
    if (host === undefined || hosts.length !== 1) throw new AppError("JOB_PARAMS", { hosts: hosts.length });
    const odds = new Float64Array(ids.length).fill(Number.NaN);
    for (let at = 0, index = 0; at < rows.length; at += unitRowsPerChunk, index++) {
      const part = await party.receive(host, "score/odds");
      const size = Math.min(unitRowsPerChunk, rows.length - at);
      if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index });
      if (part.units.length !== size || part.last !== at + size >= rows.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
      const units = new Int8Array(part.units.buffer, part.units.byteOffset, size);
      for (let i = 0; i < size; i++) odds[rows[at + i] as number] = oddsOfUnits(units[i] as number);
      party.progress(at + size, rows.length);
    }
    return { odds, byHost, refused, receipts: await collectReceipts(party, hosts) };
  });
}

async function blockOf(party: Party, host: PartyId, index: number, last: boolean): Promise<Uint8Array> {
  const part = await party.receive(host, "score/encrypted-part");
  if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index });
  if (part.last !== last) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
  return part.text;
}
