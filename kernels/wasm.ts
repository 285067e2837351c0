// One instance of the WASM module (assembly/*.ts, built by build.ts) with its memory.
import { readFileSync } from "node:fs";
import { ringDegree } from "./params.ts";

/** Exports of assembly/index.ts. Numbers are byte addresses and counts; see there. */
export type SumsExports = {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  heapBase(): number;
  tableBytes(): number;
  init(at: number): void;
  setModulus(tBits: number): void;
  forward(poly: number): void;
  inverse(poly: number): void;
  multiplyInto(acc: number, poly: number, times: number): void;
  multiplyBitsInto(acc: number, masks: number, scratch: number, times: number): void;
  pointwiseInto(acc: number, a: number, b: number): void;
  foldTo(poly: number, acc: number): void;
  foldInPlace(acc: number): void;
  sortByBin(binOf: number, rows: number, bins: number, list: number, offsets: number): number;
  bitMasks(list: number, count: number, masks: number): void;
  unpackBlock(packed: number, block: number): number;
  gather(block: number, list: number, offsets: number, bins: number, cells: number): void;
  ternaryInto(cells: number, digits: number, count: number, block: number, tables: number): void;
  splitPairs(block: number, low: number, high: number): void;
  codesInto(sums: number, codes: number, low: number, high: number, short: number): void;
  foldCodes(sums: number, cells: number, count: number): void;
  finishHint(poly: number, noise: number, out: number): void;
  floodResidues(random: number, out: number): void;
  finishAnswer(cells: number, count: number, random: number, masks: number, qModT: bigint, tBits: number, out: number): void;
  finishBlock(poly: number, noise: number, values: number, count: number, qModT: bigint, tBits: number, out: number): void;
  hintDot(cell: number, secret: number, out: number): void;
  expandTernary(digits: number, poly: number): void;
  expandTernaryReversed(digits: number, poly: number): void;
  expandTernaryShort(digits: number, out: number): number;
  expandCodesReversed(codes: number, poly: number): void;
  widenCodes(codes: number, count: number, out: number): void;
  gramBlock(columns: number, stride: number, rows: number, totals: number, d: number): void;
};

// @types/node does not declare WebAssembly; this is the part that we use.
type WebAssemblyApi = { Module: new (bytes: Uint8Array) => object; Instance: new (module: object) => { exports: unknown } };
const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly;

export const sumsWasmUrl = new URL("./sums.wasm", import.meta.url);
/** Bytes of a polynomial: 4096 coefficients of four u32. */
export const polyBytes = ringDegree * 16;

/** The module with its tables built, and a bump allocator. Freed with the object: nothing is given back before. */
export class SumsWasm {
  readonly fn: SumsExports;
  #next: number;
  #bytes: Uint8Array;

  constructor() {
    this.fn = new Instance(new Module(readFileSync(sumsWasmUrl))).exports as SumsExports;
    this.#bytes = new Uint8Array(this.fn.memory.buffer);
    this.#next = this.fn.heapBase();
    this.fn.init(this.allocate(this.fn.tableBytes()));
  }

  /** The address of `bytes` zero bytes, 64-byte aligned. Views taken before are detached if the memory grows. */
  allocate(bytes: number): number {
    const at = (this.#next + 63) & ~63;
    this.#next = at + bytes;
    const missing = this.#next - this.fn.memory.buffer.byteLength;
    if (missing > 0) this.fn.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  /** All of the memory as it is now. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.fn.memory.buffer) this.#bytes = new Uint8Array(this.fn.memory.buffer);
    return this.#bytes;
  }
  words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.fn.memory.buffer, at, count);
  }
  doubles(at: number, count: number): Float64Array {
    return new Float64Array(this.fn.memory.buffer, at, count);
  }
}
