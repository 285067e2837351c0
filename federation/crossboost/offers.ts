// What hosts offer for the tables: shapes and row counts of their columns, and a coarse Gram of them.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { coarseLayout, gramLength, type OfferedColumn } from "../../models/crossboost/host.ts";
import type { Design } from "../../models/crossboost/params.ts";
import { floors } from "../guards.ts";
import type { Party } from "../party.ts";
import { gramChunkBytes } from "./messages.ts";

export type Offer = {
  readonly host: PartyId; readonly columns: readonly OfferedColumn[]; readonly gram: Int32Array;
  /** Sums of one query: folds x bins over the columns. */
  readonly cells: number;
};

/** Host: sends its offer. */
export async function sendOffer(party: Party, guest: PartyId, columns: readonly OfferedColumn[], gram: Int32Array): Promise<void> {
  await party.send(guest, "cells/offer", { features: columns.map(({ shape, rows }) => ({ shape, totals: [...rows] })) });
  const bytes = new Uint8Array(gram.buffer, gram.byteOffset, gram.byteLength);
  for (let at = 0, index = 0; index === 0 || at < bytes.length; at += gramChunkBytes, index++) {
    const counts = bytes.subarray(at, Math.min(at + gramChunkBytes, bytes.length));
    await party.send(guest, "cells/gram", { index, last: at + counts.length >= bytes.length, counts });
  }
}

/** Guest: a host's offer. Throws PROTOCOL_WRONG_SHAPE, PROTOCOL_OUT_OF_ORDER, FLOOR_BINS or PROTOCOL_CONTRADICTION naming the host. */
export async function receiveOffer(party: Party, host: PartyId, trainRows: number, design: Design): Promise<Offer> {
  const { features } = await party.receive(host, "cells/offer");
  const columns = features.map(({ shape, totals }, feature): OfferedColumn => {
    const fits = totals.length === shape.bins && shape.bins > 1 && totals.reduce((a, b) => a + b, 0) === trainRows;
    if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, feature });
    if (totals.some((t) => t < floors.minRowsPerStatistic)) throw new AppError("FLOOR_BINS", { party: host, feature, least: floors.minRowsPerStatistic });
    return { shape, rows: totals };
  });
  const gram = await receiveGram(party, host, gramLength(coarseLayout(columns)));
  // A pair of groups holds no more companies than there are; half a unit of rounding is allowed for.
  if (gram.some((count) => count < 0 || count > trainRows + floors.minRowsPerStatistic)) throw new AppError("PROTOCOL_CONTRADICTION", { party: host });
  return { host, columns, gram, cells: design.folds * columns.reduce((sum, c) => sum + c.shape.bins, 0) };
}

async function receiveGram(party: Party, host: PartyId, length: number): Promise<Int32Array> {
  const bytes = new Uint8Array(4 * length);
  for (let at = 0, index = 0; ; index++) {
    const part = await party.receive(host, "cells/gram");
    if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index: part.index });
    const end = at + part.counts.length;
    if (end > bytes.length || part.last !== (end === bytes.length)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, bytes: end, expected: bytes.length });
    bytes.set(part.counts, at);
    at = end;
    if (part.last) return new Int32Array(bytes.buffer);
  }
}
