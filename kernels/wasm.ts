// One instance of the WASM module (assembly/*.ts, built by build.ts) with its memory.
import { readFileSync } from "node:fs";
import { AppError } from "../core/errors.ts";
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
  unpackBlock(packed: number, block: number, stride: number): number;
  gather(block: number, list: number, offsets: number, bins: number, cells: number): void;
  gatherTwo(block: number, list: number, offsets: number, bins: number, cells: number): void;
  ternaryInto(cells: number, stride: number, digits: number, count: number, block: number, tables: number): void;
  splitPairs(block: number, low: number, high: number): void;
  codesInto(sums: number, codes: number, low: number, high: number, short: number): void;
  foldCodes(sums: number, cells: number, count: number): void;
  finishHint(poly: number, noise: number, out: number): void;
  floodResidues(random: number, out: number): void;
  finishAnswer(cells: number, stride: number, count: number, random: number, added: number, qModT: bigint, tBits: number, out: number): void;
  finishBlock(poly: number, noise: number, values: number, count: number, qModT: bigint, tBits: number, out: number): void;
  hintDots(cells: number, count: number, secrets: number, secretCount: number, out: number): void;
  decodeSums(products: number, answers: number, count: number, tBits: number, largest: number, out: number): number;
  expandTernary(digits: number, poly: number): void;
  expandTernaryReversed(digits: number, poly: number): void;
  expandTernaryShort(digits: number, out: number): void;
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
/** Memory of one instance at most. */
const maxBytes = 2 ** 31 - 65536;

/** The module with its tables built, and a bump allocator (KERNEL_MEMORY above 2 GB). Freed with the object: nothing is given back
 *  before. */
export class SumsWasm {
  readonly fn: SumsExports;
  readonly #areas = new Map<string, { readonly at: number; readonly bytes: number }>();
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
    const at = Math.ceil(this.#next / 64) * 64;
    this.#next = at + bytes;
    // Addresses are signed in the module's loops. Two gigabytes are also all that one process should take.
    if (this.#next > maxBytes) throw new AppError("KERNEL_MEMORY", { bytes: this.#next, limit: maxBytes });
    const missing = this.#next - this.fn.memory.buffer.byteLength;
    if (missing > 0) this.fn.memory.grow(Math.ceil(missing / 65536));
    return at;
  }

  /** The address of a work area by name, at least `bytes` long. A longer one than before is another area: what was in it is lost. */
  scratch(name: string, bytes: number): number {
    const known = this.#areas.get(name);
    if (known && known.bytes >= bytes) return known.at;
    // At least twice as long as before, so that all areas of a name together are at most twice the last.
    const size = Math.max(bytes, 2 * (known?.bytes ?? 0));
    const at = this.allocate(size);
    this.#areas.set(name, { at, bytes: size });
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
  integers(at: number, count: number): BigInt64Array {
    return new BigInt64Array(this.fn.memory.buffer, at, count);
  }
}
