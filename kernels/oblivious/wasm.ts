// One instance of the WASM module for oblivious transfer and set intersection (assembly/oblivious, built by build.ts).
import { readFileSync } from "node:fs";

/** Exports of assembly/oblivious/index.ts. Numbers are byte addresses and counts; see there. */
export type ObliviousExports = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  heapBase(): number;
  setState(words: number): void;
  columnsToRows(from: number, stride: number, columns: number, rows: number, to: number): void;
  rowsToColumns(from: number, rows: number, columns: number, to: number, stride: number): void;
  addCode(words: number, groups: number, picks: number, tables: number, columns: number, stride: number, slices: number, masked: number): void;
  foldRows(rows: number, stride: number, count: number, weights: number, buckets: number): void;
  finishFold(buckets: number, stride: number, out: number): void;
  addWords(rows: number, words: number, count: number, tables: number, groups: number): void;
  padRows(rows: number, first: number, count: number, words: number, choices: number, bytes: number, out: number): void;
  tagRows(rows: number, first: number, places: number, slots: number, count: number, tags: number): void;
  tagElements(rows: number, first: number, begin: number, positions: number, words: number, list: number, count: number, tables: number, groups: number, tags: number): void;
  hashIds(text: number, offsets: number, slots: number, count: number, total: number, size: bigint, words: number, positions: number): void;
  countRepeats(words: number, count: number, slots: number, mask: number): number;
  cuckoo(positions: number, count: number, size: number, bins: number, seed: number, limit: number): number;
  gatherBins(bins: number, count: number, words: number, out: number, places: number, elements: number): number;
  evaluateChains(labels: number, values: number, depth: number, tables: number, states: number): void;
  evaluateGate(labels: number, number: number, table: number, out: number): void;
  garbleChain(inputs: number, value: bigint, depth: number, isAtLeast: number, number: number, spares: number, tables: number, state: number): number;
  garbleGate(a: number, b: number, number: number, truth: number, spare: number, table: number, out: number): number;
  tagLabels(labels: number, number: number, out: number): void;
  addTags(tags: number, elements: number, count: number, table: number, mask: number): void;
  lookUp(theirs: number, count: number, first: number, which: number, own: number, tableOf: number, table: number, mask: number, matched: number): number;
};

// @types/node does not declare WebAssembly; this is the part that we use.
type WebAssemblyApi = { Module: new (bytes: Uint8Array) => object; Instance: new (module: object) => { exports: unknown } };
const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

export const obliviousWasmUrl = new URL("./oblivious.wasm", import.meta.url);

/** The module with a bump allocator. Freed with the object: nothing is given back before. */
export class ObliviousWasm {
  readonly fn: ObliviousExports;
  #next: number;
  #bytes: Uint8Array;

  constructor() {
    this.fn = new Instance(new Module(readFileSync(obliviousWasmUrl))).exports as ObliviousExports;
    this.#bytes = new Uint8Array(this.fn.memory.buffer);
    this.#next = this.fn.heapBase();
  }

  /** The address of `bytes` zero bytes, 64-byte aligned, with 16 more behind them. Views taken before are detached if the memory grows. */
  allocate(bytes: number): number {
    const at = (this.#next + 63) & ~63;
    this.#next = at + bytes + 16;
    const missing = this.#next - this.fn.memory.buffer.byteLength;
    if (missing > 0) this.fn.memory.grow(Math.ceil(missing / 65536));
    return at;
  }
  /** The address of a copy of some bytes. */
  place(bytes: Uint8Array): number {
    const at = this.allocate(bytes.length);
    this.bytes.set(bytes, at);
    return at;
  }

  /** All of the memory as it is now. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.fn.memory.buffer) this.#bytes = new Uint8Array(this.fn.memory.buffer);
    return this.#bytes;
  }
  words(at: number, count: number): Int32Array {
    return new Int32Array(this.fn.memory.buffer, at, count);
  }
}
