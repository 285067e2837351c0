// A querier's part in one thread: encrypted blocks of vectors, and some chunks of every hint that it keeps.
import { expandCrs, type Crs } from "../crs.ts";
import { HintOpener, type OpeningKey } from "../opener.ts";
import { blockBytes, hintBytesPerCell, modulus, ringDegree } from "../params.ts";
import { indexedStreams, type StreamKey } from "../streams.ts";
import { polyBytes, SumsWasm } from "../wasm.ts";

/** One vector as every part sees it. Stream j + 1 of the key is the noise of block j. */
export type QueryWork = StreamKey & { readonly trits: Uint8Array; readonly tBits: number };
/** Cells of a hint that lie in this thread's memory. */
type Kept = { readonly firstCell: number; readonly cells: number; readonly at: number };

export function openQuerierPart(options: { readonly crsSeed: Uint8Array; readonly blocks: number }): QuerierPart {
  return new QuerierPart(options);
}

export class QuerierPart {
  readonly #blocks: number;
  readonly #crs: Crs;
  readonly #wasm = new SumsWasm();
  readonly #opener = new HintOpener(this.#wasm);
  readonly #hints = new Map<number, Kept[]>();
  /** Where a_j stands; the dummy block is number `blocks`. */
  readonly #places = new Map<number, number>();
  readonly #poly: number;
  readonly #acc: number;
  readonly #noise: number;
  readonly #values: number;
  readonly #out: number;

  constructor(options: { readonly crsSeed: Uint8Array; readonly blocks: number }) {
    this.#blocks = options.blocks;
    this.#crs = expandCrs(options.crsSeed);
    this.#poly = this.#wasm.allocate(polyBytes);
    this.#acc = this.#wasm.allocate(2 * polyBytes);
    this.#noise = this.#wasm.allocate(6 * ringDegree + 8);
    this.#values = this.#wasm.allocate(4 * ringDegree);
    this.#out = this.#wasm.allocate(blockBytes + 16);
  }

  /** Writes blocks `first`, `first + step`, .. of every vector's query into `out` (shared memory), one query after another, the dummy
   *  block the last of each. values: the vectors one after another. */
  query(works: readonly QueryWork[], values: Int32Array, out: Uint8Array, first: number, step: number): void {
    const { fn } = this.#wasm;
    const rows = values.length / works.length;
    const secrets = this.#wasm.scratch("secrets/query", works.length * polyBytes);
    for (const [v, { trits }] of works.entries()) {
      this.#wasm.bytes.set(trits, this.#noise);
      fn.expandTernary(this.#noise, secrets + v * polyBytes);
      fn.forward(secrets + v * polyBytes);
    }
    const streams = works.map((work) => indexedStreams(work.seed, work.purpose));
    for (let j = first; j <= this.#blocks; j += step) {
      const place = this.#place(j);
      for (const [v, { tBits }] of works.entries()) {
        fn.setModulus(tBits);
        this.#wasm.bytes.fill(0, this.#acc, this.#acc + 2 * polyBytes);
        fn.pointwiseInto(this.#acc, secrets + v * polyBytes, place);
        fn.foldTo(this.#poly, this.#acc);
        fn.inverse(this.#poly);
        this.#wasm.bytes.set(streams[v]?.(j + 1)(6 * ringDegree) ?? [], this.#noise);
        // Empty for the dummy block: j * ringDegree is past all rows there.
        const part = values.subarray(v * rows + Math.min(rows, j * ringDegree), v * rows + Math.min(rows, (j + 1) * ringDegree));
        new Int32Array(fn.memory.buffer, this.#values, ringDegree).set(part);
        fn.finishBlock(this.#poly, this.#noise, this.#values, part.length, BigInt.asUintN(tBits, modulus), tBits, this.#out);
        out.set(this.#wasm.bytes.subarray(this.#out, this.#out + blockBytes), (v * (this.#blocks + 1) + j) * blockBytes);
      }
    }
    const wiped = [[secrets, works.length * polyBytes], [this.#noise, 6 * ringDegree], [this.#values, 4 * ringDegree]] as const;
    for (const [at, bytes] of wiped) this.#wasm.bytes.fill(0, at, at + bytes);
  }

  /** Keeps a chunk of hint number `hint`. */
  keep(hint: number, firstCell: number, bytes: Uint8Array): void {
    const at = this.#wasm.allocate(bytes.length);
    this.#wasm.bytes.set(bytes, at);
    const kept = this.#hints.get(hint) ?? [];
    kept.push({ firstCell, cells: bytes.length / hintBytesPerCell, at });
    this.#hints.set(hint, kept);
  }

  /** Opens the cells that are kept here. answers, out: all cells of the first query, then of the next (shared memory). Returns the first
   *  cell whose sum is impossible, or -1. */
  open(hint: number, keys: readonly OpeningKey[], answers: Float64Array, out: BigInt64Array): number {
    const cells = answers.length / keys.length;
    let bad = -1;
    this.#opener.use(keys);
    for (const kept of this.#hints.get(hint) ?? []) {
      const products = this.#opener.products(kept.at, kept.cells);
      for (const [k, key] of keys.entries()) {
        const from = k * cells + kept.firstCell;
        const own = products.subarray(16 * k * kept.cells, 16 * (k + 1) * kept.cells);
        const wrong = this.#opener.decode(own, answers.subarray(from, from + kept.cells), key, out.subarray(from, from + kept.cells));
        if (wrong >= 0 && (bad < 0 || kept.firstCell + wrong < bad)) bad = kept.firstCell + wrong;
      }
    }
    this.#opener.wipe();
    return bad;
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
