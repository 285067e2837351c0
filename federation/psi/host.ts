// The host of the ECDH intersection: raises the guest's points to its key, and sends the tags of its own set in a secret
// order. It learns the size of the guest's set and nothing about who is in it.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { checkChunk, chunkCount, inOrder } from "./chunks.ts";
import { domainOf, keyBytes, type CurveWork } from "./curve.ts";
import type { HostOptions, HostOrder } from "./intersection.ts";
import { pointBytes, tagBytes } from "./messages.ts";
import { checkOwnSet, shuffledChunk } from "./own-set.ts";
import { PackedSet } from "./packed-set.ts";
import { secretPermutation } from "./permutation.ts";

/** Serves one guest. Throws PSI_* for an own set that cannot be aligned, whatever `admit` throws, and PROTOCOL_OUT_OF_ORDER,
 *  PROTOCOL_WRONG_SHAPE, PROTOCOL_BAD_POINT or PROTOCOL_DUPLICATE_ELEMENT for a guest that deviates. */
export async function psiHost(
  party: Party,
  guest: PartyId,
  ids: readonly EntityId[],
  options: HostOptions & { readonly curve: CurveWork },
): Promise<HostOrder> {
  await checkOwnSet(ids);
  const { curve, progress } = options;
  const size = ids.length;
  const order = secretPermutation(size, party.rng(`psi/host/${guest}/order`));
  const open = await party.receive(guest, "psi/open");
  await options.admit(open);
  const domain = domainOf(party.job, guest, party.self);
  const key = party.rng(`psi/host/${guest}/key`)(keyBytes);
  let done = 0;
  const advance = (elements: number): void => progress?.((done += elements), size + open.size);
  try {
    await party.send(guest, "psi/ready", { size });
    // Starts at once, so that it runs while the guest still blinds its set.
    const ahead = curve.workers + 1;
    const ownTags = tagsOf(ids, order, { work: (chunk) => curve.tag(chunk, domain, key), ahead, advance });
    ownTags.catch(() => {});
    await raiseGuestSet(party, guest, open.size, { work: (points) => curve.raise(points, key), ahead, advance });
    for (const [index, tags] of (await ownTags).entries()) await party.send(guest, "psi/own", { index, tags });
    return { order, guestSize: open.size };
  } finally {
    key.fill(0);
  }
}

type Task<I> = { readonly work: (input: I) => Promise<Uint8Array>; readonly ahead: number; readonly advance: (elements: number) => void };

async function tagsOf(ids: readonly EntityId[], order: Int32Array, { work, ahead, advance }: Task<readonly EntityId[]>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const [, tags] of inOrder(chunkCount(ids.length), (i) => shuffledChunk(ids, order, i), work, ahead)) {
    chunks.push(tags);
    advance(tags.length / tagBytes);
  }
  return chunks;
}

async function raiseGuestSet(party: Party, guest: PartyId, size: number, { work, ahead, advance }: Task<Uint8Array>): Promise<void> {
  // Exactly the declared number of distinct points is raised: the budget was granted for that many.
  const seen = new PackedSet(pointBytes);
  const receive = async (i: number): Promise<Uint8Array> => {
    const { index, points } = await party.receive(guest, "psi/blinded");
    checkChunk(guest, size, i, index, points, pointBytes);
    if (!seen.addAll(points)) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: guest });
    return points;
  };
  for await (const [index, points] of inOrder(chunkCount(size), receive, work, ahead)) {
    await party.send(guest, "psi/twice", { index, points });
    advance(points.length / pointBytes);
  }
}
