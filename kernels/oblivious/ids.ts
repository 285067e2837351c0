// Ids as packed bytes, a chunk at a time, and what both sides of the set intersection make of them under a salt.
import { blake2sState, useSession } from "./blake2s.ts";
import type { ObliviousWasm } from "./wasm.ts";

/** Ids that go to a worker at once. */
export const idsPerChunk = 65536;
export type PackedIds = { readonly text: Uint8Array<ArrayBuffer>; readonly offsets: Uint32Array<ArrayBuffer> };

/** The UTF-8 text of ids, one after another; id k lies from offset k to offset k + 1. */
export function packIds(ids: readonly string[]): PackedIds {
  const text = new Uint8Array(Buffer.from(ids.join("")));
  const offsets = new Uint32Array(ids.length + 1);
  let at = 0;
  for (const [k, id] of ids.entries()) offsets[k + 1] = at += id.length;
  if (at !== text.length) {
    // Not all ASCII: a letter may have more bytes than the string has units.
    at = 0;
    for (const [k, id] of ids.entries()) offsets[k + 1] = at += Buffer.byteLength(id);
  }
  return { text, offsets };
}

/** Bins of each of the three tables for `size` elements: together 1.27 bins an element from 2^14 on, 1.3 and some below. A random table of that
 *  size fails with less than 2^-40 (Pinkas, Schneider and Zohner, ACM TOPS 2018, for the large ones; README for the small ones). */
export function binsPerTable(size: number): number {
  return size >= 2 ** 14 ? Math.ceil((1.27 * size) / 3) : Math.ceil((1.3 * size) / 3) + 128;
}

/** A set in the module's memory: of each element a 76-bit word and its three positions. */
export class HashedIds {
  readonly size: number;
  /** Bins of each of the three tables. */
  readonly bins: number;
  readonly words: number;
  readonly positions: number;
  readonly #wasm: ObliviousWasm;
  readonly #state: number;
  readonly #offsets: number;
  readonly #slots: number;
  #text: { readonly at: number; readonly bytes: number } = { at: 0, bytes: 0 };

  constructor(wasm: ObliviousWasm, size: number, bins: number) {
    this.#wasm = wasm;
    this.size = size;
    this.bins = bins;
    this.words = wasm.allocate(16 * size);
    this.positions = wasm.allocate(12 * size);
    this.#state = wasm.allocate(32);
    this.#offsets = wasm.allocate(4 * (idsPerChunk + 1));
    this.#slots = wasm.allocate(4 * idsPerChunk);
  }
  /** Hashes the next ids under the 16-byte salt. Id k becomes element `slots[k]`. */
  add({ text, offsets }: PackedIds, slots: Int32Array, salt: Uint8Array): void {
    const wasm = this.#wasm;
    if (this.#text.bytes < text.length) this.#text = { at: wasm.allocate(2 * text.length), bytes: 2 * text.length };
    wasm.bytes.set(text, this.#text.at);
    wasm.words(this.#offsets, offsets.length).set(offsets);
    wasm.words(this.#slots, slots.length).set(slots);
    useSession(wasm, this.#state, blake2sState(salt));
    wasm.fn.hashIds(this.#text.at, this.#offsets, this.#slots, slots.length, this.size, BigInt(this.bins), this.words, this.positions);
  }
  /** How many ids were there already. `scratch`: at least `repeatBytes(size)` bytes that are free. */
  repeats(scratch: number): number {
    const mask = slotCount(this.size) - 1;
    this.#wasm.words(scratch, mask + 1).fill(-1);
    return this.#wasm.fn.countRepeats(this.words, this.size, scratch, mask);
  }
}

/** Entries of an open-addressing table for `size` elements: a power of two, at most half full. */
export function slotCount(size: number): number {
  return 2 ** Math.ceil(Math.log2(2 * Math.max(16, size)));
}
export function repeatBytes(size: number): number {
  return 4 * slotCount(size);
}
