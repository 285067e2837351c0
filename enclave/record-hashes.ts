// Keyed hashes of companies as budgets remember them: packed, ascending, so that a million of them are one buffer, go into the
// database in the order of its key, and two sets are compared in one pass.
import { createHmac } from "node:crypto";
import { commonMembers, memberBytes, without } from "../budgets/counts/sets.ts";

export const hashBytes = memberBytes;

export class RecordHashes {
  /** `hashBytes` bytes each, ascending. */
  readonly packed: Buffer;

  private constructor(packed: Buffer) {
    this.packed = packed;
  }

  /** `hashes`: packed, in any order. */
  static of(hashes: Uint8Array): RecordHashes {
    return new RecordHashes(sorted(hashes));
  }

  /** Those that are in that order already. */
  static ofSorted(packed: Buffer): RecordHashes {
    return new RecordHashes(packed);
  }

  get count(): number {
    return this.packed.length / hashBytes;
  }

  /** Views, ascending. */
  *[Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.packed.length; at += hashBytes) yield this.packed.subarray(at, at + hashBytes);
  }

  /** Those that are not among `others` (packed, ascending). */
  without(others: Uint8Array): RecordHashes {
    return new RecordHashes(without(this.packed, others));
  }
}

/** One company as the budgets of one bank remember it. */
export function hashRecord(key: Uint8Array, guest: string, id: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(`${guest}\0${id}`).digest().subarray(0, hashBytes));
}

/** Number of hashes that are in one of two ascending lists only. */
export function symmetricDifference(a: Buffer, b: Buffer): number {
  return (a.length + b.length) / hashBytes - 2 * commonMembers(a, b);
}

/** Radix sort, from the last byte to the first: linear, and no object per hash. */
function sorted(hashes: Uint8Array): Buffer {
  const count = hashes.length / hashBytes;
  let order = Uint32Array.from({ length: count }, (_, i) => i);
  let next = new Uint32Array(count);
  const starts = new Uint32Array(257);
  for (let byte = hashBytes - 1; byte >= 0; byte--) {
    starts.fill(0);
    for (let i = 0; i < count; i++) {
      const bucket = (hashes[i * hashBytes + byte] as number) + 1;
      starts[bucket] = (starts[bucket] as number) + 1;
    }
    for (let b = 1; b < 257; b++) starts[b] = (starts[b] as number) + (starts[b - 1] as number);
    for (let k = 0; k < count; k++) {
      const i = order[k] as number;
      const bucket = hashes[i * hashBytes + byte] as number;
      next[starts[bucket] as number] = i;
      starts[bucket] = (starts[bucket] as number) + 1;
    }
    [order, next] = [next, order];
  }
  const packed = Buffer.allocUnsafe(hashes.length);
  for (let k = 0; k < count; k++) packed.set(hashes.subarray((order[k] as number) * hashBytes, ((order[k] as number) + 1) * hashBytes), k * hashBytes);
  return packed;
}
