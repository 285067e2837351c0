// Masked totals, host: applies its weights to its own columns, quantises to its share of 8 bits, masks, sends.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partialTotals } from "../../models/scorecard/quantise.ts";
import type { TypedBody } from "../messages.ts";
import type { Party } from "../party.ts";
import { maskTotals } from "./masks.ts";
import { rowsPerChunk } from "./messages.ts";

/** Receives this host's weights of a round; they must fit its selected columns. */
export async function receiveWeights(party: Party, guest: PartyId, round: number, columns: number): Promise<TypedBody<"totals/weights">> {
  const weights = await party.receive(guest, "totals/weights");
  if (weights.round !== round) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: guest, round });
  if (weights.plan.weights.length !== columns) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: guest, round });
  return weights;
}

/** Sends the masked totals of one round over all rows. `present`: the hosts whose masks cancel. */
export async function sendTotals(party: Party, options: {
  guest: PartyId; present: readonly PartyId[]; round: number; label: string;
  weights: TypedBody<"totals/weights">; columns: readonly Int8Array[]; rows: number;
}): Promise<void> {
  const { guest, weights, rows, round } = options;
  const partial = partialTotals({ party: party.self, ...weights.plan }, options.columns, rows);
  await sendMasked(party, guest, round, maskTotals(party, options.present, options.label, partial));
}

/** Sends one masked byte per row. */
export async function sendMasked(party: Party, guest: PartyId, round: number, masked: Uint8Array): Promise<void> {
  for (let at = 0, index = 0; at < masked.length; at += rowsPerChunk, index++) {
    const bytes = masked.subarray(at, Math.min(at + rowsPerChunk, masked.length));
    await party.send(guest, "totals/masked", { round, index, last: at + bytes.length >= masked.length, bytes });
  }
}
