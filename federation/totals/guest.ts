// Masked totals, guest: weights out, one total of all hosts per row back.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { TotalsPlan } from "../../models/scorecard/quantise.ts";
import type { Party } from "../party.ts";
import { openTotals } from "./masks.ts";
import { rowsPerChunk } from "./messages.ts";

/** Sends each host its weights. */
export async function sendWeights(party: Party, hosts: readonly PartyId[], round: number, plan: TotalsPlan): Promise<void> {
  await Promise.all(hosts.map((host) => {
    const own = plan.parties.find((p) => p.party === host);
    if (own === undefined) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host });
    const { party: _, ...rest } = own;
    return party.send(host, "totals/weights", { round, plan: rest });
  }));
}

/** Receives the masked totals of these hosts and adds them up: signed 8 bit per row. */
export async function receiveTotals(party: Party, hosts: readonly PartyId[], round: number, rows: number): Promise<Int8Array> {
  const parts = await Promise.all(hosts.map((host) => receiveOne(party, host, round, rows)));
  return openTotals(parts, rows);
}

async function receiveOne(party: Party, host: PartyId, round: number, rows: number): Promise<Uint8Array> {
  const all = new Uint8Array(rows);
  for (let at = 0, index = 0; at < rows; at += rowsPerChunk, index++) {
    const part = await party.receive(host, "totals/masked");
    const size = Math.min(rowsPerChunk, rows - at);
    if (part.round !== round || part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, round, index });
    if (part.bytes.length !== size || part.last !== at + size >= rows) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
    all.set(part.bytes, at);
    party.progress(at + size, rows);
  }
  return all;
}
