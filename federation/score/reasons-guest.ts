// Reasons for scores, guest: receives what hosts tell about their own part of each score, and refuses what is no honest telling.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { labelBytes, reasonRowsPerChunk } from "./messages.ts";
import type { Label, Reasons } from "./reasons-host.ts";

/** Of one host, per record of the batch. */
export type HostReasons = Reasons & {
  readonly perCompany: number;
  /** Log odds of one unit of a size. */
  readonly unit: number;
};

/** Receives the reasons of one host over the rows. Throws PROTOCOL_OUT_OF_ORDER, or PROTOCOL_WRONG_SHAPE for another number of reasons
 *  than the plan's, a label that was not named, or reasons that are not in order, naming the host. */
export async function receiveReasons(party: Party, host: PartyId, rows: number, perCompany: number): Promise<Reasons> {
  const { labels } = await party.receive(host, "score/labels");
  const wrong = { party: host, labels: labels.length, reasons: perCompany };
  if (new Set(labels.map((l) => JSON.stringify([l.feature ?? null, l.group ?? null]))).size !== labels.length) throw new AppError("PROTOCOL_WRONG_SHAPE", wrong);
  const labelOf = new Uint16Array(rows * perCompany);
  const sizeOf = new Uint8Array(rows * perCompany);
  const perChunk = reasonRowsPerChunk * perCompany;
  for (let at = 0, index = 0; at < sizeOf.length; at += perChunk, index++) {
    const part = await party.receive(host, "score/reasons");
    const size = Math.min(perChunk, sizeOf.length - at);
    if (part.index !== index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: host, index });
    if (part.sizes.length !== size || part.labels.length !== size * labelBytes || part.last !== at + size >= sizeOf.length) {
      throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host, index });
    }
    const view = new DataView(part.labels.buffer, part.labels.byteOffset, part.labels.length);
    for (let i = 0; i < size; i++) labelOf[at + i] = view.getUint16(labelBytes * i, true);
    sizeOf.set(part.sizes, at);
    party.progress(Math.floor((at + size) / perCompany), rows);
  }
  for (let row = 0; row < rows; row++) {
    if (!isOrdered(labelOf, sizeOf, row * perCompany, perCompany, labels.length)) throw new AppError("PROTOCOL_WRONG_SHAPE", wrong);
  }
  return { labels: labels.map(plainLabel), labelOf, sizeOf };
}

/** Reasons in the order of all records of the batch. `rows`: record of each row; a record without a row has none. */
export function ofRecords(reasons: Reasons, rows: Int32Array, batch: Pick<HostReasons, "perCompany" | "unit"> & { readonly records: number }): HostReasons {
  const { records, perCompany, unit } = batch;
  const labelOf = new Uint16Array(records * perCompany);
  const sizeOf = new Uint8Array(records * perCompany);
  for (const [row, record] of rows.entries()) {
    const at = row * perCompany;
    labelOf.set(reasons.labelOf.subarray(at, at + perCompany), record * perCompany);
    sizeOf.set(reasons.sizeOf.subarray(at, at + perCompany), record * perCompany);
  }
  return { labels: reasons.labels, labelOf, sizeOf, perCompany, unit };
}

/** The strongest first, each label once, nothing after the first 0. */
function isOrdered(labelOf: Uint16Array, sizeOf: Uint8Array, from: number, count: number, labels: number): boolean {
  for (let i = from; i < from + count; i++) {
    const size = sizeOf[i] as number;
    const label = labelOf[i] as number;
    if (i > from && size > (sizeOf[i - 1] as number)) return false;
    if (size === 0 ? label !== 0 : label >= labels) return false;
    if (size > 0) for (let j = from; j < i; j++) if (labelOf[j] === label) return false;
  }
  return true;
}

function plainLabel({ feature, group }: { readonly feature?: string | undefined; readonly group?: string | undefined }): Label {
  return { ...(feature === undefined ? {} : { feature }), ...(group === undefined ? {} : { group }) };
}
