// A querier's part in one thread: encrypted blocks of a column.
import { expandCrs, type Crs } from "../crs.ts";
import { blockBytes, modulus, ringDegree } from "../params.ts";
import { indexedStreams } from "../streams.ts";
import { polyBytes, SumsWasm } from "../wasm.ts";

/** One query as every part sees it. Stream j + 1 of (seed, purpose) is the noise of block j. */
export type QueryWork = { readonly seed: Uint8Array; readonly purpose: string; readonly trits: Uint8Array; readonly tBits: number };

export function openQuerierPart(options: { readonly crsSeed: Uint8Array; readonly blocks: number }): QuerierPart {
  return new QuerierPart(options);
}

export class QuerierPart {
  readonly #blocks: number;
  readonly #crs: Crs;
  readonly #wasm = new SumsWasm();
  /** Where a_j stands; the dummy block is number `blocks`. */
  readonly #places = new Map<number, number>();
  readonly #secret: number;
  readonly #poly: number;
  readonly #acc: number;
  readonly #noise: number;
  readonly #values: number;
  readonly #out: number;

  constructor(options: { readonly crsSeed: Uint8Array; readonly blocks: number }) {
    this.#blocks = options.blocks;
    this.#crs = expandCrs(options.crsSeed);
    this.#secret = this.#wasm.allocate(polyBytes);
    this.#poly = this.#wasm.allocate(polyBytes);
    this.#acc = this.#wasm.allocate(2 * polyBytes);
    this.#noise = this.#wasm.allocate(6 * ringDegree + 8);
    this.#values = this.#wasm.allocate(4 * ringDegree);
    this.#out = this.#wasm.allocate(blockBytes + 16);
  }

  /** Writes blocks `first`, `first + step`, .. of the query into `out` (shared memory), the dummy block being the last. */
  query(work: QueryWork, values: Int32Array, out: Uint8Array, first: number, step: number): void {
    const { fn } = this.#wasm;
    const streams = indexedStreams(work.seed, work.purpose);
    fn.setModulus(work.tBits);
    const qModT = BigInt.asUintN(work.tBits, modulus);
    this.#wasm.bytes.set(work.trits, this.#noise);
    fn.expandTernary(this.#noise, this.#secret);
    fn.forward(this.#secret);
    for (let j = first; j <= this.#blocks; j += step) {
      const place = this.#place(j);
      this.#wasm.bytes.fill(0, this.#acc, this.#acc + 2 * polyBytes);
      fn.pointwiseInto(this.#acc, this.#secret, place);
      fn.foldTo(this.#poly, this.#acc);
      fn.inverse(this.#poly);
      this.#wasm.bytes.set(streams(j + 1)(6 * ringDegree), this.#noise);
      const part = j < this.#blocks ? values.subarray(j * ringDegree, (j + 1) * ringDegree) : new Int32Array(0);
      new Int32Array(fn.memory.buffer, this.#values, ringDegree).set(part);
      fn.finishBlock(this.#poly, this.#noise, this.#values, part.length, qModT, work.tBits, this.#out);
      out.set(this.#wasm.bytes.subarray(this.#out, this.#out + blockBytes), j * blockBytes);
    }
    const secrets = [[this.#secret, polyBytes], [this.#noise, 6 * ringDegree], [this.#values, 4 * ringDegree]] as const;
    for (const [at, bytes] of secrets) this.#wasm.bytes.fill(0, at, at + bytes);
  }

  #place(j: number): number {
    const known = this.#places.get(j);
    if (known !== undefined) return known;
    const at = this.#wasm.allocate(polyBytes);
    const words = this.#wasm.words(at, 4 * ringDegree);
    if (j < this.#blocks) this.#crs.block(j, words);
    else this.#crs.dummy(words);
    this.#places.set(j, at);
    return at;
  }
}
