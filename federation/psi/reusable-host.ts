// The host of the reusable intersection: its tags are made once for a guest and a snapshot; a job raises only the guest's points.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { checkChunk, chunkCount, inOrder } from "./chunks.ts";
import type { CurveWork } from "./curve.ts";
import type { HostOptions, HostOrder } from "./intersection.ts";
import { maxSetSize, pointBytes, tagBytes } from "./messages.ts";
import { PackedSet } from "./packed-set.ts";
import { messageChunks, publishTags, reusableDomain, type HostShelf, type KeptTags } from "./reusable-tags.ts";

export type ReusableHostOptions = HostOptions & {
  readonly curve: CurveWork;
  readonly shelf: HostShelf;
  /** The public digest of the version of the ids that `shelf` belongs to. */
  readonly snapshot: string;
};

/** Serves one guest. Throws PSI_* for an own set that cannot be aligned, whatever `admit` throws, and PROTOCOL_OUT_OF_ORDER,
 *  PROTOCOL_WRONG_SHAPE, PROTOCOL_BAD_POINT or PROTOCOL_DUPLICATE_ELEMENT for a guest that deviates. */
export async function reusableHost(party: Party, guest: PartyId, ids: readonly EntityId[], options: ReusableHostOptions): Promise<HostOrder> {
  const { curve, shelf, progress } = options;
  const size = ids.length;
  if (size === 0) throw new AppError("PSI_EMPTY_SET");
  if (size > maxSetSize) throw new AppError("PSI_SET_TOO_LARGE", { size, limit: maxSetSize });
  const { have, ...open } = await party.receive(guest, "psi/reuse-open");
  await options.admit(open);
  const key = (await shelf.key()).slice();
  const publish = async (): Promise<KeptTags> => {
    const made = await publishTags(curve, ids, reusableDomain(guest, party.self, options.snapshot), key, progress);
    await shelf.keep(made);
    return { ...made, tags: () => messageChunks(size).map(({ first, end }) => made.tags.slice(first * tagBytes, end * tagBytes)) };
  };
  try {
    const kept = await shelf.published() ?? await publish();
    const { order, digest } = kept;
    if (order.length !== size) throw new Error("the kept tags are not of this snapshot");
    await party.send(guest, "psi/reuse-ready", { size, digest });
    await raise(party, guest, open.size, { raiser: (points) => curve.raise(points, key), ahead: curve.workers + 1, progress });
    if (Buffer.compare(have, digest) !== 0) {
      let index = 0;
      for (const tags of kept.tags()) await party.send(guest, "psi/reuse-tags", { index: index++, tags });
    }
    return { order, guestSize: open.size };
  } finally {
    key.fill(0);
  }
}

type Raise = { readonly raiser: (points: Uint8Array) => Promise<Uint8Array>; readonly ahead: number; readonly progress: HostOptions["progress"] };

/** Raises exactly the declared number of distinct points: the budget was granted for that many. */
async function raise(party: Party, guest: PartyId, size: number, { raiser, ahead, progress }: Raise): Promise<void> {
  const seen = new PackedSet(pointBytes);
  let done = 0;
  const receive = async (i: number): Promise<Uint8Array> => {
    const { index, points } = await party.receive(guest, "psi/blinded");
    checkChunk(guest, size, i, index, points, pointBytes);
    if (!seen.addAll(points)) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: guest });
    return points;
  };
  for await (const [index, points] of inOrder(chunkCount(size), receive, raiser, ahead)) {
    await party.send(guest, "psi/twice", { index, points });
    progress?.((done += points.length / pointBytes), size);
  }
}
