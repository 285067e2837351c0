// Full-coverage evaluation, guest: aligns the companies that it holds, adds the masked parts of all hosts and its own. No labels, no model.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { addParts, requireWithin, signed } from "../../evaluation/combine.ts";
import type { Card } from "../../evaluation/load.ts";
import type { Assignment, Part } from "../../evaluation/part.ts";
import type { Feature } from "../../models/features.ts";
import { alignBatch, type BatchRows, type MatchInput } from "../align/guest.ts";
import { collectReceipts, type FinishedHost } from "../finish/end.ts";
import type { Party } from "../party.ts";
import type { SetIntersection } from "../psi/intersection.ts";
import { rowsPerChunk } from "./messages.ts";
import { agreeOnOffers, ownPart } from "./offers.ts";

export type EvaluateGuestInput = {
  readonly hosts: readonly PartyId[]; readonly card: Card;
  readonly ids: readonly EntityId[]; readonly features: readonly Feature[];
  /** Indicators of the card that it may compute itself on this basis. */
  readonly offered: readonly string[];
  readonly setSecret: (host: PartyId) => Uint8Array; readonly intersection: SetIntersection; readonly consents?: MatchInput["consents"];
};
/** rows: row -> own record, of the companies that are evaluated; the sums are in that order. */
export type SummedParts = BatchRows & { readonly assignment: Assignment<PartyId>; readonly sum: Part; readonly receipts: readonly FinishedHost[] };

/** Throws EVALUATION_PART when the hosts' sums are none that their indicators can give: a part is wrong, or masks did not cancel. */
export async function evaluateGuest(party: Party, input: EvaluateGuestInput): Promise<SummedParts> {
  const { hosts, card } = input;
  const aligned = await party.phase("align", () => alignBatch(party, input));
  const { rows } = aligned;
  return party.phase("evaluate", async () => {
    const agreed = await agreeOnOffers(party, card, { guest: party.self, hosts }, input.offered);
    const own = ownPart(party.self, card, agreed, input.features, rows);
    const theirs = await receiveSum(party, hosts, rows.length);
    const { assignment } = agreed;
    requireWithin(card, hosts.flatMap((host) => assignment.parties.get(host) ?? []), theirs);
    return { ...aligned, assignment, sum: addParts([own, theirs]), receipts: await collectReceipts(party, hosts) };
  });
}

async function receiveSum(party: Party, hosts: readonly PartyId[], rows: number): Promise<Part> {
  const points = new Uint16Array(rows);
  const covered = new Uint16Array(rows);
  const received = new Map(hosts.map((h) => [h, 0]));
  await Promise.all(hosts.map(async (host) => {
    for (let at = 0, index = 0; at < rows; at += rowsPerChunk, index++) {
      const part = await party.receive(host, "evaluate/part");
      const size = Math.min(rowsPerChunk, rows - at);
      if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index });
      const fits = part.points.length === 2 * size && part.covered.length === 2 * size && part.last === at + size >= rows;
      if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
      addTo(points, part.points, at);
      addTo(covered, part.covered, at);
      received.set(host, at + size);
      party.progress([...received.values()].reduce((a, b) => a + b, 0), hosts.length * rows);
    }
  }));
  return { points: signed(points), covered: signed(covered) };
}

/** Adds 16-bit little-endian values mod 2^16. */
function addTo(sum: Uint16Array, bytes: Uint8Array, at: number): void {
  for (let i = 0; 2 * i < bytes.length; i++) {
    sum[at + i] = (sum[at + i] as number) + ((bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8));
  }
}
