// Keyed hashes of many companies, made and compared in a worker thread: a batch of a million must not hold up the services of the same enclave. Few are
// done at once, here.
import { Pool } from "../kernels/pool.ts";
import { hashBytes, RecordHashes } from "./record-hashes.ts";
import * as here from "./record-hashes-remote.ts";

const remote = new URL("record-hashes-remote.ts", import.meta.url);
/** Ids that go over at once: handing them over takes a few milliseconds. */
const idsAtOnce = 8_192;
/** So many are done faster here than there, and in as few milliseconds. */
const fewIds = 2_048;

export class RecordWork implements AsyncDisposable {
  #pool: Pool | undefined;

  /** Of the records at these places, packed in their order. */
  hashed(key: Uint8Array, guest: string, places: Int32Array, ids: readonly string[]): Promise<Uint8Array> {
    return this.#inParts(places, ids, (part) => here.hashed(key, guest, part), (part) => this.#run("hashed", key, guest, part));
  }

  /** The same as counts that all institutions share have them. */
  hashedForAll(key: Uint8Array, places: Int32Array, ids: readonly string[]): Promise<Uint8Array> {
    return this.#inParts(places, ids, (part) => here.hashedForAll(key, part), (part) => this.#run("hashedForAll", key, part));
  }

  async sorted(hashes: Uint8Array): Promise<RecordHashes> {
    return hashes.length <= fewIds * hashBytes ? RecordHashes.of(hashes) : RecordHashes.ofSorted(bufferOf(await this.#run("sorted", whole(hashes))));
  }

  /** others: packed, ascending. */
  async without(hashes: RecordHashes, others: Uint8Array): Promise<RecordHashes> {
    if (Math.max(hashes.packed.length, others.length) <= fewIds * hashBytes) return hashes.without(others);
    return RecordHashes.ofSorted(bufferOf(await this.#run("without", whole(hashes.packed), whole(others))));
  }

  /** Companies that are in one of both only. */
  async difference(a: Uint8Array, b: Uint8Array): Promise<number> {
    return Math.max(a.length, b.length) <= fewIds * hashBytes ? here.difference(a, b) : this.#run("difference", whole(a), whole(b));
  }

  async #inParts(places: Int32Array, ids: readonly string[], few: (part: readonly string[]) => Uint8Array, many: (part: readonly string[]) => Promise<Uint8Array>): Promise<Uint8Array> {
    const packed = new Uint8Array(places.length * hashBytes);
    for (let at = 0; at < places.length; at += idsAtOnce) {
      const part = Array.from(places.subarray(at, at + idsAtOnce), (place) => ids[place] ?? "");
      packed.set(places.length <= fewIds ? few(part) : await many(part), at * hashBytes);
    }
    return packed;
  }

  #run<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    return (this.#pool ??= new Pool({ threads: 1 })).run<T>(remote, name, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
  }
}

/** With memory of its own: what goes over is not more than it. */
function whole(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
