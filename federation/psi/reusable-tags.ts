// The tags that a host publishes once and uses in many jobs: how they are made, sorted, named, kept and looked up.
import { createHash } from "node:crypto";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { chunkCount, chunkRange, inOrder } from "./chunks.ts";
import type { CurveWork } from "./curve.ts";
import type { Progress } from "./intersection.ts";
import { tagBytes } from "./messages.ts";
import { tagsPerMessage } from "./reusable-messages.ts";

/** All tags of a set in ascending order: their order is theirs, not the table's. `order`: for each tag the host's record. */
export type PublishedTags = { readonly tags: Uint8Array; readonly order: Int32Array; readonly digest: Uint8Array };
/** The same as a job reads it: the tags stay where they are kept until a guest needs them. */
export type KeptTags = {
  readonly order: Int32Array; readonly digest: Uint8Array;
  /** In the chunks of `messageChunks`. Throws before the first one when they are not what was kept. */
  readonly tags: () => Iterable<Uint8Array>;
};

/** What a host keeps for one guest and one snapshot of its ids, in the enclave's state. Answers are the same for the whole of a job. */
export interface HostShelf {
  /** `keyBytes` secret bytes, drawn once for (guest, snapshot) and kept sealed: who has them can test every company against the tags. */
  key(): Promise<Uint8Array>;
  /** Tags that were made under this key before, or undefined when the job is to make them now. Throws when that would take too long. */
  published(): Promise<KeptTags | undefined>;
  /** Keeps them. Twice the same is fine. */
  keep(published: PublishedTags): Promise<void>;
}

/** What a guest keeps of one host: the last list of its tags. */
export interface GuestShelf {
  /** Digest of the list that was there when the job began, if any; the same after a restart of the job, whatever was kept since. */
  readonly have: Uint8Array | undefined;
  /** The kept list with that digest, in order, in chunks of whole tags. Throws when it is gone. */
  tags(digest: Uint8Array): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Keeps a list in place of an older one; the chunks are to be read to their end, and nothing kept if that throws. */
  keep(digest: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Domain separation: one for every pair of parties and version of the host's ids, in all jobs. `snapshot`: its public digest. */
export function reusableDomain(guest: string, host: string, snapshot: string): string {
  return `yunei/psi/reusable/v1/ristretto255_XMD:SHA-512_R255MAP_RO_/${guest}/${host}/${snapshot.slice(0, 64)}`;
}

/** Makes the tags of a set on all workers: 94 us of CPU an id, to be done before a job needs them. Throws PSI_DUPLICATE_ID. */
export async function publishTags(curve: CurveWork, ids: readonly EntityId[], domain: string, key: Uint8Array, progress?: Progress): Promise<PublishedTags> {
  const tags = new Uint8Array(ids.length * tagBytes);
  const chunk = (i: number): EntityId[] => ids.slice(...chunkRange(ids.length, i));
  for await (const [i, part] of inOrder(chunkCount(ids.length), chunk, (some) => curve.tag(some, domain, key), curve.workers + 1)) {
    tags.set(part, chunkRange(ids.length, i)[0] * tagBytes);
    progress?.(chunkRange(ids.length, i)[1], ids.length);
  }
  const sorted = sortTags(tags);
  const duplicates = repeats(sorted.tags);
  if (duplicates > 0) throw new AppError("PSI_DUPLICATE_ID", { duplicates });
  return { ...sorted, digest: tagsDigest().update(sorted.tags).digest() };
}

export function tagsDigest(): { update(chunk: Uint8Array): { digest(): Uint8Array }; digest(): Uint8Array } {
  const hash = createHash("sha256").update("yunei/psi/reusable/v1/tags");
  const self = {
    update: (chunk: Uint8Array) => (hash.update(chunk), self),
    digest: () => new Uint8Array(hash.digest()),
  };
  return self;
}

/** Tags in ascending order, and for each the number that it had. */
export function sortTags(tags: Uint8Array): { tags: Uint8Array; order: Int32Array } {
  const count = tags.length / tagBytes;
  // By the first two bytes first: then each part is small and lies close together.
  const starts = new Int32Array(65537);
  const part = (i: number): number => ((tags[i * tagBytes] ?? 0) << 8) | (tags[i * tagBytes + 1] ?? 0);
  for (let i = 0; i < count; i++) starts[part(i) + 1] = (starts[part(i) + 1] ?? 0) + 1;
  for (let p = 1; p < starts.length; p++) starts[p] = (starts[p] ?? 0) + (starts[p - 1] ?? 0);
  const order = new Int32Array(count);
  const next = starts.slice();
  for (let i = 0; i < count; i++) {
    const at = next[part(i)] ?? 0;
    order[at] = i;
    next[part(i)] = at + 1;
  }
  for (let p = 0; p + 1 < starts.length; p++) order.subarray(starts[p], starts[p + 1]).sort((a, b) => compareTags(tags, a, tags, b));
  const sorted = new Uint8Array(tags.length);
  for (const [at, i] of order.entries()) sorted.set(tags.subarray(i * tagBytes, (i + 1) * tagBytes), at * tagBytes);
  return { tags: sorted, order };
}

/** Below 0, 0 or above, as tag i of a stands to tag j of b. */
export function compareTags(a: Uint8Array, i: number, b: Uint8Array, j: number): number {
  for (let k = 0; k < tagBytes; k++) {
    const difference = (a[i * tagBytes + k] ?? 0) - (b[j * tagBytes + k] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How many tags of a sorted list are equal to the one before. */
export function repeats(sorted: Uint8Array): number {
  let found = 0;
  for (let i = 1; i < sorted.length / tagBytes; i++) if (compareTags(sorted, i - 1, sorted, i) === 0) found++;
  return found;
}

/** The chunks of a list as they go over the wire. */
export function messageChunks(size: number): { readonly index: number; readonly first: number; readonly end: number }[] {
  const count = Math.ceil(size / tagsPerMessage);
  return Array.from({ length: count }, (_, index) => ({ index, first: index * tagsPerMessage, end: Math.min(size, (index + 1) * tagsPerMessage) }));
}
