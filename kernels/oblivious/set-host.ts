// The host's heavy work of the set intersection, as an object in a worker thread: its side of the OPRF, evaluated on its own ids.
import { blake2sState, useSession } from "./blake2s.ts";
import { bch } from "./code.ts";
import { ExtensionSender, maxChunkRows } from "./extension.ts";
import { HashedIds, repeatBytes, type PackedIds } from "./ids.ts";
import { setTagBytes } from "./set-guest.ts";
import { ObliviousWasm } from "./wasm.ts";

export class SetHost {
  readonly #wasm = new ObliviousWasm();
  readonly #ids: HashedIds;
  readonly #tags: number;
  /** Elements in order of their bin in the current table, cut into chunks. */
  readonly #list: number;
  readonly #chunkRows: number;
  #borders = new Int32Array(0);
  #table = -1;
  #extension: ExtensionSender | undefined;
  #state: { readonly at: number; readonly words: Uint8Array } = { at: 0, words: new Uint8Array(32) };

  /** size: of the own set; bins: of each table of the guest. */
  constructor(size: number, bins: number) {
    const wasm = this.#wasm;
    this.#ids = new HashedIds(wasm, size, bins);
    this.#chunkRows = Math.min(maxChunkRows, bins);
    // Also the scratch of `repeats`.
    this.#tags = wasm.allocate(Math.max(setTagBytes * size, repeatBytes(size)));
    this.#list = wasm.allocate(4 * size);
  }
  add(packed: PackedIds, slots: Int32Array, salt: Uint8Array): void {
    this.#ids.add(packed, slots, salt);
  }
  /** Ids that were there before. */
  repeats(): number {
    return this.#ids.repeats(this.#tags);
  }
  start(options: { readonly session: Uint8Array; readonly seeds: Uint8Array; readonly choices: Uint8Array }): void {
    this.#extension = new ExtensionSender(this.#wasm, bch(), { ...options, maxRows: this.#chunkRows });
    this.#state = { at: this.#wasm.allocate(32), words: blake2sState(options.session) };
  }
  /** The guest's chunk for bins [begin, begin + count) of a table, chunks in order: makes the tags of the own elements in these bins. Throws as
   *  `ExtensionSender.take`. */
  take(table: number, begin: number, count: number, chunk: { readonly columns: Uint8Array; readonly check: Uint8Array }): void {
    const wasm = this.#wasm;
    const { bins, size, positions, words } = this.#ids;
    const extension = this.#extension;
    if (extension === undefined) throw new Error("start comes first");
    if (table !== this.#table) this.#sort(table);
    extension.take(count, chunk);
    const index = begin / this.#chunkRows;
    const [from, to] = [this.#borders[index] ?? 0, this.#borders[index + 1] ?? 0];
    useSession(wasm, this.#state.at, this.#state.words);
    wasm.fn.tagElements(
      extension.rows, table * bins + begin, begin, positions + 4 * table * size, words,
      this.#list + 4 * from, to - from, extension.tables, extension.groups, this.#tags,
    );
  }
  /** Tags of elements [first, first + count) for the table that was taken last. */
  tags(first: number, count: number): Uint8Array<ArrayBuffer> {
    return this.#wasm.bytes.slice(this.#tags + setTagBytes * first, this.#tags + setTagBytes * (first + count));
  }
  wipe(): void {
    this.#extension?.wipe();
  }

  /** Lists the elements by the chunk that their bin is in (counting sort). */
  #sort(table: number): void {
    const { size, positions, bins } = this.#ids;
    const position = this.#wasm.words(positions + 4 * table * size, size);
    const list = this.#wasm.words(this.#list, size);
    const rows = this.#chunkRows;
    const borders = new Int32Array(Math.ceil(bins / rows) + 1);
    for (const at of position) bump(borders, Math.floor(at / rows) + 1, 1);
    for (let chunk = 1; chunk < borders.length; chunk++) bump(borders, chunk, borders[chunk - 1] ?? 0);
    const next = borders.slice();
    for (let element = 0; element < size; element++) {
      const chunk = Math.floor((position[element] ?? 0) / rows);
      list[bump(next, chunk, 1)] = element;
    }
    this.#borders = borders;
    this.#table = table;
  }
}

/** Adds to a counter; returns what it was. */
function bump(counters: Int32Array, at: number, by: number): number {
  const before = counters[at] ?? 0;
  counters[at] = before + by;
  return before;
}

/** For `Kernels.open`. */
export function openSetHost(size: number, bins: number): SetHost {
  return new SetHost(size, bins);
}
