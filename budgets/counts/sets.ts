// Companies that were counted together, as a job of a million of them is: one packed set under the key of a counter in place of a row for each.
import type { KeyedHash } from "../hashes.ts";

export const memberBytes = 16;

/** members: packed hashes, ascending, each once. Counted from `from` until `expires`, milliseconds since 1970. times: how often, absent: once. */
export type CountedSet = { readonly from: number; readonly expires: number; readonly members: Buffer; readonly times?: number };

/** The port of whoever keeps them: written together with the rows of the same `atomic`, or not at all. */
export type SetStore = {
  /** Those under a key that have not ended, oldest first. */
  of(key: string, now: number): readonly CountedSet[];
  /** The same set from the same time again: once more. */
  add(key: string, set: CountedSet): void;
  remove(key: string, set: CountedSet): void;
};

export const noSets: SetStore = {
  of: () => [],
  add: () => {
    throw new Error("a store without sets");
  },
  remove: () => {
    throw new Error("a store without sets");
  },
};

export function membersOf(packed: Buffer): number {
  return packed.length / memberBytes;
}

export function bytesOfHash(hash: KeyedHash): Buffer {
  return Buffer.from(hash, "hex");
}

export function hasMember(packed: Buffer, member: Buffer): boolean {
  let low = 0;
  let high = membersOf(packed) - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = packed.compare(member, 0, memberBytes, middle * memberBytes, (middle + 1) * memberBytes);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}

/** Whether it is one: whole members in strictly rising order. */
export function isPacked(packed: Buffer): boolean {
  if (packed.length === 0 || packed.length % memberBytes !== 0) return false;
  const words = wordsOf(packed);
  for (let at = memberBytes; at < packed.length; at += memberBytes) if (orderOf(words, at, words, at - memberBytes) <= 0) return false;
  return true;
}

/** Members of `a` that are not in `b`, in one pass. */
export function without(a: Buffer, b: Uint8Array): Buffer {
  const left = Buffer.allocUnsafe(a.length);
  const [mine, others] = [wordsOf(a), wordsOf(b)];
  let length = 0;
  let other = 0;
  for (let at = 0; at < a.length; at += memberBytes) {
    let found = 1;
    while (other < b.length && (found = orderOf(mine, at, others, other)) > 0) other += memberBytes;
    if (other < b.length && found === 0) continue;
    a.copy(left, length, at, at + memberBytes);
    length += memberBytes;
  }
  return left.subarray(0, length);
}

/** How many members are in both, in one pass. */
export function commonMembers(a: Uint8Array, b: Uint8Array): number {
  const [mine, others] = [wordsOf(a), wordsOf(b)];
  let common = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const found = orderOf(mine, i, others, j);
    if (found === 0) common++;
    if (found <= 0) i += memberBytes;
    if (found >= 0) j += memberBytes;
  }
  return common;
}

function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** As memcmp of two members: below, at or above 0. A call for each pair takes ten times as long. */
function orderOf(a: DataView, i: number, b: DataView, j: number): number {
  for (let at = 0; at < memberBytes; at += 4) {
    const difference = a.getUint32(i + at) - b.getUint32(j + at);
    if (difference !== 0) return difference;
  }
  return 0;
}
