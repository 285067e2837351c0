// A host takes the row order from the guest, checks it against its own ids, and confirms it with every other party.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { inSlices } from "../../core/slices.ts";
import type { Party } from "../party.ts";
import { confirmedBy } from "./confirm.ts";
import { MatchedDigest, sameBytes } from "./digests.ts";
import { chunkRows } from "./messages.ts";

export type HostRowsOptions = {
  readonly guest: PartyId;
  /** All other hosts of the job. */
  readonly otherHosts: readonly PartyId[];
  /** The host's own ids, by record. */
  readonly ids: readonly EntityId[];
  /** Position of the shuffled list of the intersection -> record. */
  readonly order: Int32Array;
  /** The floor of this domain's policy. */
  readonly minRows: number;
  /** Whether the job has a training and a test part, or one part that is only scored (trainRows 0). */
  readonly parts: "train-and-test" | "score";
  /** Throws when a budget refuses this row set: asked before anything is confirmed, and again after a restart. */
  readonly admit?: (rowOf: Int32Array, trainRows: number) => void | Promise<void>;
};
export type HostRows = {
  /** Row of the job -> own record, or -1 for a company that this host does not hold. */
  readonly rowOf: Int32Array;
  readonly trainRows: number;
  /** Rows that the host holds, of all and of the training part. */
  readonly matchedRows: number;
  readonly matchedTrainRows: number;
  readonly commitment: Uint8Array;
};

/** Returns once every party has confirmed the same order. Throws PROTOCOL_TOO_FEW_ROWS below the floor, PROTOCOL_WRONG_SHAPE
 *  for an empty part or positions outside the list, PROTOCOL_DUPLICATE_ELEMENT for a record named twice, PROTOCOL_ROW_ORDER
 *  when rows and ids do not belong together or another party has another order. */
export async function rowsHost(party: Party, options: HostRowsOptions): Promise<HostRows> {
  const { guest, otherHosts, ids, order, minRows, parts } = options;
  const open = await party.receive(guest, "rows/open");
  const { rows, trainRows, commitment } = open;
  if (rows < minRows) throw new AppError("PROTOCOL_TOO_FEW_ROWS", { rows, floor: minRows });
  const fits = parts === "score" ? trainRows === 0 && rows > 0 : trainRows > 0 && trainRows < rows;
  if (!fits) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: guest, rows, trainRows });
  const rowOf = await receiveOrder(party, guest, rows, order);

  const digest = new MatchedDigest(party.job, party.self, rows, trainRows);
  await inSlices(rows, (from, to) => {
    for (let row = from; row < to; row++) {
      const record = rowOf[row] as number;
      if (record !== -1) digest.add(row, ids[record] as EntityId);
    }
  });
  if (!sameBytes(digest.digest(), open.matchedDigest)) throw new AppError("PROTOCOL_ROW_ORDER", { peer: guest });

  await options.admit?.(rowOf, trainRows);
  const agreed = { rows, trainRows, commitment };
  const peers = [guest, ...otherHosts];
  await Promise.all(peers.map((peer) => party.send(peer, "rows/confirm", agreed)));
  await Promise.all(peers.map((peer) => confirmedBy(party, peer, agreed)));
  const held = (part: Int32Array): number => part.reduce((sum, record) => sum + (record === -1 ? 0 : 1), 0);
  return { rowOf, trainRows, matchedRows: held(rowOf), matchedTrainRows: held(rowOf.subarray(0, trainRows)), commitment };
}

async function receiveOrder(party: Party, guest: PartyId, rows: number, order: Int32Array): Promise<Int32Array> {
  const chunks: Int32Array[] = [];
  const seen = new Uint8Array(order.length);
  for (let first = 0; first < rows; first += chunkRows) {
    const { index, positions } = await party.receive(guest, "rows/order");
    if (index !== first / chunkRows) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: guest, index });
    const expected = Math.min(chunkRows, rows - first);
    if (positions.length !== expected * 4) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: guest, expected, bytes: positions.length });
    chunks.push(unpackPositions(positions, guest, order, seen));
  }
  // Sized by what came, not by what was declared.
  const rowOf = new Int32Array(rows);
  for (const [i, chunk] of chunks.entries()) rowOf.set(chunk, i * chunkRows);
  return rowOf;
}

function unpackPositions(positions: Uint8Array, guest: PartyId, order: Int32Array, seen: Uint8Array): Int32Array {
  const view = new DataView(positions.buffer, positions.byteOffset, positions.length);
  const records = new Int32Array(positions.length / 4);
  for (let i = 0; i < records.length; i++) {
    const position = view.getInt32(i * 4, true);
    if (position < -1 || position >= order.length) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: guest, listed: order.length });
    if (position >= 0 && seen[position] === 1) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: guest });
    if (position >= 0) seen[position] = 1;
    records[i] = position < 0 ? -1 : (order[position] as number);
  }
  return records;
}
