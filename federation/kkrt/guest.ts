// The guest of the set intersection by oblivious transfer: it evaluates the host's pseudorandom function on its own ids, one per bin of a
// cuckoo table, and finds its values among the host's.
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { sessionBytes } from "../../kernels/oblivious/blake2s.ts";
import { codeColumns } from "../../kernels/oblivious/code.ts";
import { setTagBytes, tagsPerMessage, type SetGuest } from "../../kernels/oblivious/set-guest.ts";
import type { Extended } from "../../kernels/oblivious/extension.ts";
import type { Remote } from "../../kernels/pool.ts";
import { chunkRange } from "../ot/chunks.ts";
import { fromPeer, maskSeed, SeedOffer, sessionId } from "../ot/session.ts";
import type { Party } from "../party.ts";
import { inOrder } from "../psi/chunks.ts";
import type { GuestMatches, GuestOptions } from "../psi/intersection.ts";
import { setDigest } from "../psi/own-set.ts";
import { addIds, bins, checkSize, chunkCount, chunksOf, sessionName, type KkrtOptions } from "./shape.ts";

const workUrl = new URL("../../kernels/oblivious/set-guest.ts", import.meta.url);
/** Salts that are tried: each fails with less than 2^-40. */
const maxSalts = 16;

/** Aligns `ids` (distinct) with one host. Throws PSI_* for a set that cannot be aligned; PROTOCOL_OUT_OF_ORDER, PROTOCOL_WRONG_SHAPE,
 *  PROTOCOL_BAD_POINT or PROTOCOL_DUPLICATE_ELEMENT for a host that deviates. */
export async function kkrtGuest(party: Party, host: PartyId, ids: readonly EntityId[], options: GuestOptions & KkrtOptions): Promise<GuestMatches> {
  checkSize(ids.length);
  const size = ids.length;
  const perTable = bins(size, options);
  const label = `kkrt/guest/${host}`;
  await using work = await party.kernels.open(workUrl, "openSetGuest", [size, perTable]);
  const salt = await fillTable(work, ids, party.rng(`${label}/salt`));
  await party.send(host, "kkrt/open", { size, setDigest: await setDigest(ids, options.setSecret), salt });
  const session = sessionId(party.job, host, party.self, sessionName);
  await using offer = await SeedOffer.ask(party, host, session, label);
  const { size: hostSize } = await party.receive(host, "kkrt/ready");
  const seeds = await offer.seeds(codeColumns.bch);
  await work.call("start", [{ session, seeds, maskSeed: maskSeed(party, host, label) }]);
  seeds.fill(0);
  const total = 3 * perTable + 3 * hostSize;
  let done = 0;
  const advance = (items: number): void => options.progress?.((done += items), total);
  const chunks = chunksOf(perTable);
  const extend = ({ table, begin, count }: (typeof chunks)[number]): Promise<Extended> => work.call<Extended>("extend", [table, begin, count]);
  for await (const [index, extended] of inOrder(chunks.length, (i) => chunks[i] as (typeof chunks)[number], extend)) {
    await party.send(host, "ot/extend", { index, ...extended });
    advance(chunks[index]?.count ?? 0);
  }
  for (let table = 0; table < 3; table++) await findTags(party, host, work, { table, hostSize, advance });
  return { matched: await work.call<ReturnType<SetGuest["matched"]>>("matched", []), hostSize };
}

/** Draws salts until every id has a bin; nothing has been sent yet. Throws PSI_DUPLICATE_ID or PSI_NO_TABLE. */
async function fillTable(work: Remote, ids: readonly EntityId[], draw: (bytes: number) => Uint8Array): Promise<Uint8Array> {
  for (let tried = 0; tried < maxSalts; tried++) {
    const salt = draw(sessionBytes);
    await addIds(work, ids, undefined, salt);
    const { fits, repeats } = await work.call<ReturnType<SetGuest["build"]>>("build", [salt]);
    if (repeats > 0) throw new AppError("PSI_DUPLICATE_ID", { duplicates: repeats });
    if (fits) return salt;
  }
  throw new AppError("PSI_NO_TABLE", { ids: ids.length, salts: maxSalts });
}

type Look = { readonly table: number; readonly hostSize: number; readonly advance: (items: number) => void };

async function findTags(party: Party, host: PartyId, work: Remote, { table, hostSize, advance }: Look): Promise<void> {
  for (let chunk = 0; chunk < chunkCount(hostSize, tagsPerMessage); chunk++) {
    const message = await party.receive(host, "kkrt/tags");
    if (message.table !== table || message.index !== chunk) {
      throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer: host, expected: chunk, index: message.index, table: message.table });
    }
    const [first, end] = chunkRange(hostSize, tagsPerMessage, chunk);
    const tags = message.tags.length / setTagBytes;
    if (tags !== end - first) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer: host, expected: end - first, tags });
    await fromPeer(host, work.call("find", [table, first, message.tags]));
    advance(tags);
  }
}
