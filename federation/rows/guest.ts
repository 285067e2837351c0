// The guest fixes the order of the job's rows, tells each host which of its records stand where, and lets nobody compute
// before all have confirmed the same order.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { inSlices } from "../../core/slices.ts";
import type { Party } from "../party.ts";
import { confirmedBy } from "./confirm.ts";
import { MatchedDigest, orderCommitment } from "./digests.ts";
import { chunkRows, maxRows } from "./messages.ts";

/** What the guest learnt from the intersection with one host: per id the position in the host's shuffled list, or -1. */
export type HostMatches = { readonly host: PartyId; readonly matched: Int32Array };

export type RowOrder = {
  readonly ids: readonly EntityId[];
  /** Row -> index into `ids`, each at most once: the training rows first, each part in a secret random order. */
  readonly rows: Int32Array;
  /** Rows of the training part; 0 for companies that are only scored. */
  readonly trainRows: number;
  readonly hosts: readonly HostMatches[];
};

/** Sends the order to all hosts and waits until all confirm it. Returns the commitment and the salt that opens it in an
 *  audit. Throws PROTOCOL_ROW_ORDER when a host confirms another order, PROTOCOL_WRONG_SHAPE for an empty part. */
export async function rowsGuest(party: Party, order: RowOrder): Promise<{ readonly commitment: Uint8Array; readonly salt: Uint8Array }> {
  const { ids, rows, trainRows, hosts } = order;
  checkOrder(order);
  const salt = party.rng("rows/guest/salt")(32);
  const inOrder = Array.from(rows, (at) => ids[at] as EntityId);
  const agreed = { rows: rows.length, trainRows, commitment: await orderCommitment(party.job, salt, trainRows, inOrder) };
  await Promise.all(hosts.map(async ({ host, matched }) => {
    const digest = new MatchedDigest(party.job, host, rows.length, trainRows);
    await inSlices(rows.length, (from, to) => {
      for (let row = from; row < to; row++) if (matched[rows[row] as number] !== -1) digest.add(row, inOrder[row] as EntityId);
    });
    await party.send(host, "rows/open", { ...agreed, matchedDigest: digest.digest() });
    for (let first = 0; first < rows.length; first += chunkRows) {
      const part = rows.subarray(first, first + chunkRows);
      await party.send(host, "rows/order", { index: first / chunkRows, positions: packPositions(part, matched) });
    }
    await confirmedBy(party, host, agreed);
  }));
  // Only now: a host that has this knows that every other host confirmed too.
  await Promise.all(hosts.map(({ host }) => party.send(host, "rows/confirm", agreed)));
  return { commitment: agreed.commitment, salt };
}

function checkOrder({ ids, rows, trainRows, hosts }: RowOrder): void {
  const fits = trainRows >= 0 && trainRows < rows.length;
  if (!fits || rows.length > maxRows) throw new AppError("PROTOCOL_WRONG_SHAPE", { rows: rows.length, trainRows });
  const seen = new Uint8Array(ids.length);
  for (const at of rows) {
    if (at < 0 || at >= ids.length || seen[at] === 1) throw new RangeError("a row order names every id at most once");
    seen[at] = 1;
  }
  for (const { matched } of hosts) if (matched.length !== ids.length) throw new RangeError("one match per id");
}

/** 32-bit little-endian positions, -1 for a row that the host does not hold. */
function packPositions(rows: Int32Array, matched: Int32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(rows.length * 4));
  for (const [i, at] of rows.entries()) view.setInt32(i * 4, matched[at] as number, true);
  return new Uint8Array(view.buffer);
}
