// Work on keyed hashes of many companies in a worker thread (kernels/pool.ts calls it by name).
import { hashRecord, hashBytes, RecordHashes, symmetricDifference } from "./record-hashes.ts";
import { KeyedHashes } from "../budgets/hashes.ts";

/** Of ids, packed in their order. */
export function hashed(key: Uint8Array, guest: string, ids: readonly string[]): Uint8Array {
  return pack(ids, (id) => hashRecord(key, guest, id));
}

/** The same as counts that all institutions share have them. */
export function hashedForAll(key: Uint8Array, ids: readonly string[]): Uint8Array {
  const hashes = new KeyedHashes(key);
  return pack(ids, (id) => Buffer.from(hashes.company(id), "hex"));
}

/** Ascending. */
export function sorted(hashes: Uint8Array): Uint8Array {
  return whole(RecordHashes.of(hashes).packed);
}

/** Both ascending. */
export function without(hashes: Uint8Array, others: Uint8Array): Uint8Array {
  return whole(RecordHashes.ofSorted(buffer(hashes)).without(others).packed);
}

/** Both ascending. */
export function difference(a: Uint8Array, b: Uint8Array): number {
  return symmetricDifference(buffer(a), buffer(b));
}

function pack(ids: readonly string[], hashOf: (id: string) => Uint8Array): Uint8Array {
  const packed = new Uint8Array(ids.length * hashBytes);
  for (const [i, id] of ids.entries()) packed.set(hashOf(id), i * hashBytes);
  return packed;
}

function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** With memory of its own: it can be moved. */
function whole(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
