// The guest of the reusable intersection: it gets the tags of its own ids blindly, and looks them up in the list that it kept from the host.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Party } from "../party.ts";
import { checkChunk, chunkCount, chunkRange, inOrder } from "./chunks.ts";
import { keyBytes, type CurveWork } from "./curve.ts";
import type { GuestMatches, GuestOptions } from "./intersection.ts";
import { pointBytes, tagBytes } from "./messages.ts";
import { checkOwnSet, setDigest, shuffledChunk } from "./own-set.ts";
import { secretPermutation } from "./permutation.ts";
import { compareTags, messageChunks, repeats, reusableDomain, sortTags, tagsDigest, type GuestShelf } from "./reusable-tags.ts";

export type ReusableGuestOptions = GuestOptions & {
  readonly curve: CurveWork;
  readonly shelf: GuestShelf;
  /** The public digest of the version of the host's ids (its dataset's snapshot in the plan). */
  readonly snapshot: string;
};

/** Aligns `ids` (distinct) with one host. Throws PSI_* for a set that cannot be aligned; PROTOCOL_OUT_OF_ORDER, PROTOCOL_WRONG_SHAPE,
 *  PROTOCOL_BAD_POINT, PROTOCOL_DUPLICATE_ELEMENT or PROTOCOL_COMMITMENT (other tags than announced) for a host that deviates. */
export async function reusableGuest(party: Party, host: PartyId, ids: readonly EntityId[], options: ReusableGuestOptions): Promise<GuestMatches> {
  await checkOwnSet(ids);
  const { curve, shelf, progress } = options;
  const size = ids.length;
  const domain = reusableDomain(party.self, host, options.snapshot);
  const order = secretPermutation(size, party.rng(`psi/guest/${host}/order`));
  const key = party.rng(`psi/guest/${host}/key`)(keyBytes);
  const ahead = curve.workers + 1;
  const chunkIds = (i: number): EntityId[] => shuffledChunk(ids, order, i);
  try {
    const have = shelf.have ?? new Uint8Array(32);
    await party.send(host, "psi/reuse-open", { size, setDigest: await setDigest(ids, options.setSecret), have });
    const { size: hostSize, digest } = await party.receive(host, "psi/reuse-ready");
    for await (const [index, points] of inOrder(chunkCount(size), chunkIds, (chunk) => curve.blind(chunk, domain, key), ahead)) {
      await party.send(host, "psi/blinded", { index, points });
      progress?.(chunkRange(size, index)[1], 2 * size);
    }
    const own = new Uint8Array(size * tagBytes);
    const receive = async (i: number): Promise<Uint8Array> => {
      const { index, points } = await party.receive(host, "psi/twice");
      checkChunk(host, size, i, index, points, pointBytes);
      return points;
    };
    for await (const [index, tags] of inOrder(chunkCount(size), receive, (points, i) => curve.finish(chunkIds(i), points, key), ahead)) {
      own.set(tags, chunkRange(size, index)[0] * tagBytes);
      progress?.(size + chunkRange(size, index)[1], 2 * size);
    }
    if (Buffer.compare(have, digest) !== 0) await shelf.keep(digest, receivedTags(party, host, hostSize, digest));
    const mine = sortTags(own);
    if (repeats(mine.tags) > 0) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: host });
    const found = await lookUp(mine.tags, shelf.tags(digest));
    if (found.listed !== hostSize) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: host, expected: hostSize, tags: found.listed });
    const matched = new Int32Array(size);
    for (const [at, sent] of mine.order.entries()) matched[order[sent] ?? 0] = found.positions[at] ?? -1;
    return { matched, hostSize };
  } finally {
    key.fill(0);
  }
}

/** The host's list as it comes in; ends with an error unless it is the announced one, in strictly ascending order. */
async function* receivedTags(party: Party, host: PartyId, size: number, digest: Uint8Array): AsyncGenerator<Uint8Array> {
  const hash = tagsDigest();
  let last = new Uint8Array(0);
  for (const chunk of messageChunks(size)) {
    const { index, tags } = await party.receive(host, "psi/reuse-tags");
    if (index !== chunk.index) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: host, expected: chunk.index, index });
    const expected = chunk.end - chunk.first;
    if (tags.length !== expected * tagBytes) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: host, expected, tags: tags.length / tagBytes });
    const ascends = last.length === 0 || compareTags(last, 0, tags, 0) < 0;
    if (!ascends || !isAscending(tags)) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT", { peer: host });
    last = tags.slice(-tagBytes);
    hash.update(tags);
    yield tags;
  }
  if (Buffer.compare(hash.digest(), digest) !== 0) throw new AppError("PROTOCOL_COMMITMENT", { peer: host });
}

function isAscending(tags: Uint8Array): boolean {
  for (let i = 1; i < tags.length / tagBytes; i++) if (compareTags(tags, i - 1, tags, i) >= 0) return false;
  return true;
}

/** For each of the sorted tags its position in the host's sorted list, or -1; and how many that list has. */
async function lookUp(mine: Uint8Array, theirs: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<{ positions: Int32Array; listed: number }> {
  const count = mine.length / tagBytes;
  const positions = new Int32Array(count).fill(-1);
  let listed = 0;
  let next = 0;
  for await (const chunk of theirs) {
    const last = chunk.length / tagBytes - 1;
    for (; next < count && compareTags(mine, next, chunk, last) <= 0; next++) {
      let [low, high] = [0, last];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (compareTags(chunk, middle, mine, next) < 0) low = middle + 1;
        else high = middle;
      }
      if (compareTags(chunk, low, mine, next) === 0) positions[next] = listed + low;
    }
    listed += last + 1;
  }
  return { positions, listed };
}
