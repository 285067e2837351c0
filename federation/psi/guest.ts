// The guest of the ECDH intersection: sends its blinded set, and finds in the host's tags which of its ids the host holds.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { checkChunk, chunkCount, chunkRange, inOrder } from "./chunks.ts";
import { domainOf, keyBytes, type CurveWork } from "./curve.ts";
import type { GuestMatches, GuestOptions } from "./intersection.ts";
import { pointBytes, tagBytes } from "./messages.ts";
import { checkOwnSet, setDigest, shuffledChunk } from "./own-set.ts";
import { PackedSet } from "./packed-set.ts";
import { secretPermutation } from "./permutation.ts";

/** Aligns `ids` (distinct) with one host. Throws PSI_* for a set that cannot be aligned; PROTOCOL_OUT_OF_ORDER,
 *  PROTOCOL_WRONG_SHAPE, PROTOCOL_BAD_POINT or PROTOCOL_DUPLICATE_ELEMENT for a host that deviates. */
export async function psiGuest(
  party: Party,
  host: PartyId,
  ids: readonly EntityId[],
  options: GuestOptions & { readonly curve: CurveWork },
): Promise<GuestMatches> {
  await checkOwnSet(ids);
  const { curve, progress } = options;
  const size = ids.length;
  const domain = domainOf(party.job, party.self, host);
  const order = secretPermutation(size, party.rng(`psi/guest/${host}/order`));
  const key = party.rng(`psi/guest/${host}/key`)(keyBytes);
  const ahead = curve.workers + 1;
  const chunkIds = (i: number): EntityId[] => shuffledChunk(ids, order, i);
  try {
    await party.send(host, "psi/open", { size, setDigest: await setDigest(ids, options.setSecret) });
    const { size: hostSize } = await party.receive(host, "psi/ready");
    for await (const [index, points] of inOrder(chunkCount(size), chunkIds, (chunk) => curve.blind(chunk, domain, key), ahead)) {
      await party.send(host, "psi/blinded", { index, points });
      progress?.(chunkRange(size, index)[1], 2 * size);
    }
    const receiveTwice = async (i: number): Promise<Uint8Array> => {
      const { index, points } = await party.receive(host, "psi/twice");
      checkChunk(host, size, i, index, points, pointBytes);
      return points;
    };
    const own = new PackedSet(tagBytes);
    for await (const [index, tags] of inOrder(chunkCount(size), receiveTwice, (points, i) => curve.finish(chunkIds(i), points, key), ahead)) {
      // The numbers of the look-up are the order of sending only while all tags differ, as they do but for a chance of 2^-88.
      if (!own.addAll(tags)) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: host });
      progress?.(size + chunkRange(size, index)[1], 2 * size);
    }
    return { matched: await lookUp(party, host, hostSize, own, order), hostSize };
  } finally {
    key.fill(0);
  }
}

/** Reads the host's tags as they come; keeps only the positions of those that are the guest's own. */
async function lookUp(party: Party, host: PartyId, hostSize: number, own: PackedSet, order: Int32Array): Promise<Int32Array> {
  const matched = new Int32Array(order.length).fill(-1);
  for (let chunk = 0; chunk < chunkCount(hostSize); chunk++) {
    const { index, tags } = await party.receive(host, "psi/own");
    checkChunk(host, hostSize, chunk, index, tags, tagBytes);
    const [first] = chunkRange(hostSize, chunk);
    for (let at = 0; at < tags.length; at += tagBytes) {
      const sent = own.find(tags, at);
      if (sent < 0) continue;
      const id = order[sent] as number;
      if (matched[id] !== -1) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: host });
      matched[id] = first + at / tagBytes;
    }
  }
  return matched;
}
