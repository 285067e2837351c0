// The host of the set intersection by oblivious transfer: evaluates its pseudorandom function on its own ids, in a secret order. It learns the
// size of the guest's set and nothing about who is in it.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { codeColumns } from "../../kernels/oblivious/code.ts";
import { tagsPerMessage } from "../../kernels/oblivious/set-guest.ts";
import { chunkRange } from "../ot/chunks.ts";
import { chooseSeeds, fromPeer, sessionId, wiped } from "../ot/session.ts";
import type { Party } from "../party.ts";
import { inOrder } from "../psi/chunks.ts";
import type { HostOptions, HostOrder } from "../psi/intersection.ts";
import { secretPermutation } from "../psi/permutation.ts";
import { addIds, bins, checkSize, chunkCount, chunksOf, sessionName, type KkrtOptions } from "./shape.ts";

const workUrl = new URL("../../kernels/oblivious/set-host.ts", import.meta.url);

/** Serves one guest. Throws PSI_* for an own set that cannot be aligned, whatever `admit` throws, and PROTOCOL_OUT_OF_ORDER,
 *  PROTOCOL_WRONG_SHAPE, PROTOCOL_BAD_POINT or PROTOCOL_OT_CHECK for a guest that deviates. */
export async function kkrtHost(party: Party, guest: PartyId, ids: readonly EntityId[], options: HostOptions & KkrtOptions): Promise<HostOrder> {
  checkSize(ids.length);
  const size = ids.length;
  const label = `kkrt/host/${guest}`;
  const order = secretPermutation(size, party.rng(`${label}/order`));
  const { salt, ...open } = await party.receive(guest, "kkrt/open");
  await options.admit(open);
  const perTable = bins(open.size, options);
  const work = await party.kernels.open(workUrl, "openSetHost", [size, perTable]);
  try {
    const slots = new Int32Array(size);
    for (const [slot, record] of order.entries()) slots[record] = slot;
    await addIds(work, ids, slots, salt);
    const duplicates = await work.call<number>("repeats", []);
    if (duplicates > 0) throw new AppError("PSI_DUPLICATE_ID", { duplicates });
    await party.send(guest, "kkrt/ready", { size });

    const session = sessionId(party.job, party.self, guest, sessionName);
    const { choices, seeds } = await chooseSeeds(party, guest, session, codeColumns.bch, label);
    await work.call("start", [{ session, seeds, choices }]);
    for (const secret of [choices, seeds]) secret.fill(0);
    let done = 0;
    const advance = (items: number): void => options.progress?.((done += items), 3 * perTable + 3 * size);
    const chunks = chunksOf(perTable);
    for (let table = 0; table < 3; table++) {
      const ofTable = chunks.filter((chunk) => chunk.table === table);
      const receive = async (i: number): Promise<{ columns: Uint8Array; check: Uint8Array }> => {
        const { index, ...extended } = await party.receive(guest, "ot/extend");
        const expected = table * ofTable.length + i;
        if (index !== expected) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: guest, expected, index });
        return extended;
      };
      const take = (extended: object, i: number): Promise<void> =>
        fromPeer(guest, work.call("take", [table, ofTable[i]?.begin, ofTable[i]?.count, extended]));
      for await (const [i] of inOrder(ofTable.length, receive, take)) advance(ofTable[i]?.count ?? 0);
      for (let index = 0; index < chunkCount(size, tagsPerMessage); index++) {
        const [first, end] = chunkRange(size, tagsPerMessage, index);
        const tags = await work.call<Uint8Array>("tags", [first, end - first]);
        await party.send(guest, "kkrt/tags", { table, index, tags });
        advance(end - first);
      }
    }
    return { order, guestSize: open.size };
  } finally {
    await wiped(work);
  }
}
