// The guest's heavy work of the set intersection, as an object in a worker thread: its cuckoo table, its side of the OPRF, the look-up.
import { AppError } from "../../core/errors.ts";
import { blake2sState, useSession } from "./blake2s.ts";
import { bch } from "./code.ts";
import { ExtensionReceiver, maxChunkRows, type Extended } from "./extension.ts";
import { binsPerTable, HashedIds, slotCount, type PackedIds } from "./ids.ts";
import { ObliviousWasm } from "./wasm.ts";

/** Bytes of a tag: two sets of 2^20 ids have an equal one by accident with 2^-46. */
export const setTagBytes = 11;
/** Moves of one insertion before another salt is drawn: the expected number is below 1, its tail falls geometrically. */
const maxMoves = 1000;

export class SetGuest {
  readonly #wasm = new ObliviousWasm();
  readonly #ids: HashedIds;
  readonly #table: number;
  readonly #matched: number;
  readonly #tags: number;
  readonly #tableOf: number;
  readonly #found: number;
  readonly #mask: number;
  #extension: ExtensionReceiver | undefined;
  #state = new Uint8Array(32);
  #scratch: { readonly state: number; readonly places: number; readonly elements: number; readonly theirs: number } | undefined;

  /** bins: of each of the three tables (for tests; `binsPerTable` otherwise). */
  constructor(size: number, bins = binsPerTable(size)) {
    const wasm = this.#wasm;
    this.#ids = new HashedIds(wasm, size, bins);
    this.#table = wasm.allocate(12 * bins);
    this.#matched = wasm.allocate(4 * size);
    this.#tags = wasm.allocate(setTagBytes * size);
    this.#tableOf = wasm.allocate(size);
    this.#mask = slotCount(size) - 1;
    this.#found = wasm.allocate(8 * slotCount(size));
  }
  add(packed: PackedIds, slots: Int32Array, salt: Uint8Array): void {
    this.#ids.add(packed, slots, salt);
  }
  /** Fills the table. `fits`: whether every element found a bin; `repeats`: ids that were there before (then nothing is tried). */
  build(salt: Uint8Array): { readonly fits: boolean; readonly repeats: number } {
    const wasm = this.#wasm;
    const { size, bins, positions } = this.#ids;
    const repeats = this.#ids.repeats(this.#found);
    if (repeats > 0) return { fits: false, repeats };
    wasm.words(this.#table, 3 * bins).fill(-1);
    // The walk needs no secret, only other steps under another salt.
    const seed = new DataView(salt.buffer, salt.byteOffset).getUint32(0, true) | 1;
    return { fits: wasm.fn.cuckoo(positions, size, bins, this.#table, seed, maxMoves) === 1, repeats };
  }
  /** Begins the OPRF. */
  start(options: { readonly session: Uint8Array; readonly seeds: Uint8Array; readonly maskSeed: Uint8Array }): void {
    const wasm = this.#wasm;
    const maxRows = Math.min(maxChunkRows, this.#ids.bins);
    this.#extension = new ExtensionReceiver(wasm, bch(), { ...options, maxRows });
    this.#state = blake2sState(options.session).slice();
    this.#scratch = {
      state: wasm.allocate(32), places: wasm.allocate(4 * maxRows), elements: wasm.allocate(4 * maxRows),
      theirs: wasm.allocate(setTagBytes * tagsPerMessage),
    };
    wasm.bytes.fill(0, this.#found, this.#found + 8 * (this.#mask + 1));
    wasm.words(this.#matched, this.#ids.size).fill(-1);
  }
  /** Bins [begin, begin + count) of one of the three tables: the message, and this side's own tags are kept. */
  extend(table: number, begin: number, count: number): Extended {
    const wasm = this.#wasm;
    const [extension, scratch] = [this.#started(this.#extension), this.#started(this.#scratch)];
    const first = table * this.#ids.bins + begin;
    const filled = wasm.fn.gatherBins(this.#table + 4 * first, count, this.#ids.words, extension.words, scratch.places, scratch.elements);
    const extended = extension.extend(count);
    useSession(wasm, scratch.state, this.#state);
    wasm.fn.tagRows(extension.rows, first, scratch.places, scratch.elements, filled, this.#tags);
    wasm.fn.addTags(this.#tags, scratch.elements, filled, this.#found, this.#mask);
    for (const element of wasm.words(scratch.elements, filled)) wasm.bytes[this.#tableOf + element] = table;
    return extended;
  }
  /** Looks up the host's tags for one table; the first of them stands at position `first` of its list. PROTOCOL_DUPLICATE_ELEMENT when one of
   *  the own elements is there twice. */
  find(table: number, first: number, tags: Uint8Array): void {
    const wasm = this.#wasm;
    const { theirs } = this.#started(this.#scratch);
    const count = tags.length / setTagBytes;
    if (!Number.isInteger(count) || count > tagsPerMessage) throw new AppError("PROTOCOL_WRONG_SHAPE", { bytes: tags.length });
    wasm.bytes.set(tags, theirs);
    const once = wasm.fn.lookUp(theirs, count, first, table, this.#tags, this.#tableOf, this.#found, this.#mask, this.#matched);
    if (once === 0) throw new AppError("PROTOCOL_DUPLICATE_ELEMENT");
  }
  /** For each element the position in the host's list, or -1. */
  matched(): Int32Array {
    return this.#wasm.words(this.#matched, this.#ids.size).slice();
  }
  #started<T>(part: T | undefined): T {
    if (part === undefined) throw new Error("start comes first");
    return part;
  }
}

/** Tags of one message at most. */
export const tagsPerMessage = 262_144;

/** For `Kernels.open`. */
export function openSetGuest(size: number, bins?: number): SetGuest {
  return new SetGuest(size, bins);
}
