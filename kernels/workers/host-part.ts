// A host's part in one thread: some features (or code columns), their hint cells and their sums in answers.
import { AppError } from "../../core/errors.ts";
import { expandCrs } from "../crs.ts";
import { cellNoise, type CellNoise } from "../noise.ts";
import { blockBytes, hintBytesPerCell, modulus, ringDegree } from "../params.ts";
import { indexedStreams, sampleTrits, tritBytes, type StreamKey } from "../streams.ts";
import { polyBytes, SumsWasm } from "../wasm.ts";

export type HostPartOptions = {
  readonly kind: "bins" | "codes";
  readonly rows: number;
  readonly crsSeed: Uint8Array;
  /** Secret seed of r_c and z_c, and what it is for: see kernels/host.ts. */
  readonly hintSeed: Uint8Array;
  readonly purpose: string;
};
/** How one query is answered: streams of secrets, bound to all that they are used for (kernels/host.ts). masks: for all cells of the host. */
export type AnswerWork = {
  readonly tBits: number;
  readonly flood: StreamKey;
  readonly noise: (StreamKey & CellNoise) | undefined;
  readonly masks: BigUint64Array | undefined;
};
/** What is added to this part's cells: 64 random bytes of flood a cell, and integers mod 2^64 that are encoded modulo 2^tBits. */
export type Drawn = { readonly tBits: number; readonly flood: Uint8Array; readonly added: BigUint64Array | undefined };
/** Where sums of one query stand, and how far from each other. */
type Sums = { readonly at: number; readonly stride: number };
/** A feature: its first cell in the whole host and here, its cells, and where its sorted rows (or codes) and bin borders stand. */
type Unit = Readonly<Record<"firstCell" | "localCell" | "cells" | "data" | "offsets", number>>;

/** Most products that fit an accumulator: each is below 2^58 (assembly/ntt.ts). */
const productsPerFold = 60;
const tiles = 103;
const floodBytes = 64;

export function openHostPart(options: HostPartOptions): HostPart {
  return new HostPart(options);
}

export class HostPart {
  readonly #options: HostPartOptions;
  readonly #blocks: number;
  readonly #wasm = new SumsWasm();
  readonly #streams: (cell: number) => ReturnType<ReturnType<typeof indexedStreams>>;
  readonly #units: Unit[] = [];
  readonly #packed: number;
  readonly #block: number;
  readonly #poly: number;
  readonly #acc: number;
  #cells = 0;
  #crs: number | undefined;
  #digits: number | undefined;

  constructor(options: HostPartOptions) {
    this.#options = options;
    this.#blocks = Math.ceil(options.rows / ringDegree);
    this.#streams = indexedStreams(options.hintSeed, options.purpose);
    this.#packed = this.#wasm.allocate(blockBytes + 16);
    this.#block = this.#wasm.allocate(polyBytes);
    this.#poly = this.#wasm.allocate(polyBytes);
    this.#acc = this.#wasm.allocate(2 * polyBytes);
  }

  /** Adds a feature (bins: a bin number a row; its cells are firstCell ..) or a code column (one cell). All before the first answer. */
  add(column: Uint8Array | Int8Array, cells: number, firstCell: number): void {
    const { rows, kind } = this.#options;
    if (column.length !== rows) throw new AppError("KERNEL_COLUMNS", { rows: column.length, expected: rows });
    const localCell = this.#cells;
    this.#cells += cells;
    const bytes = new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
    if (kind === "codes") {
      const data = this.#wasm.allocate(this.#blocks * ringDegree);
      this.#wasm.bytes.set(bytes, data);
      this.#units.push({ firstCell, localCell, cells, data, offsets: 0 });
      return;
    }
    const data = this.#wasm.allocate(this.#blocks * 2 * ringDegree);
    const offsets = this.#wasm.allocate(this.#blocks * 2 * (cells + 1));
    for (let j = 0; j < this.#blocks; j++) {
      const part = bytes.subarray(j * ringDegree, (j + 1) * ringDegree);
      this.#wasm.bytes.set(part, this.#block);
      const sorted = this.#wasm.fn.sortByBin(this.#block, part.length, cells, data + j * 2 * ringDegree, offsets + j * 2 * (cells + 1));
      if (!sorted) throw new AppError("KERNEL_COLUMNS", { bins: cells });
    }
    this.#units.push({ firstCell, localCell, cells, data, offsets });
  }

  /** The hint of one unit's cells from `skip` on, 26,624 bytes each. */
  hint(unitIndex: number, skip: number): Uint8Array {
    const unit = this.#units[unitIndex];
    if (!unit) throw new AppError("KERNEL_COLUMNS", { feature: unitIndex });
    const out = new Uint8Array((unit.cells - skip) * hintBytesPerCell);
    const { fn } = this.#wasm;
    const crs = this.#expandCrs();
    const packed = this.#packed;
    for (let c = skip; c < unit.cells; c++) {
      const rng = this.#streams(unit.firstCell + c);
      // Order of draws is fixed: r_c, then z_c. The answers rebuild r_c from the same stream.
      this.#wasm.bytes.set(sampleTrits(rng), packed);
      fn.expandTernaryReversed(packed, this.#poly);
      this.#wasm.bytes.fill(0, this.#acc, this.#acc + 2 * polyBytes);
      fn.multiplyInto(this.#acc, this.#poly, crs + this.#blocks * polyBytes);
      for (let j = 0; j < this.#blocks; j++) {
        if (j % productsPerFold === productsPerFold - 1) fn.foldInPlace(this.#acc);
        this.#multiplyColumn(unit, c, j, crs + j * polyBytes);
      }
      fn.foldTo(this.#poly, this.#acc);
      fn.inverse(this.#poly);
      this.#wasm.bytes.set(rng(6 * ringDegree), packed);
      fn.finishHint(this.#poly, packed, this.#acc);
      out.set(this.#wasm.bytes.subarray(this.#acc, this.#acc + hintBytesPerCell), (c - skip) * hintBytesPerCell);
    }
    return out;
  }

  /** The part's sums of some queries, flooded and rounded to 44 bits, into `out`: all cells of the first query, then of the next.
   *  queries: one after another (shared memory, as `out`). Throws PROTOCOL_RESIDUES. */
  answer(queries: Uint8Array, works: readonly AnswerWork[], out: Float64Array): void {
    const all = out.length / works.length;
    const made = this.rounded(queries, works.map((work) => this.#draw(work)));
    for (let v = 0; v < works.length; v++) {
      for (const { firstCell, localCell, cells } of this.#units) {
        out.set(made.subarray(v * this.#cells + localCell, v * this.#cells + localCell + cells), v * all + firstCell);
      }
    }
  }

  /** Randomness of this part's cells: streams by the first cell of a unit, so that it does not depend on the number of threads. */
  #draw({ tBits, flood, noise, masks }: AnswerWork): Drawn {
    const streams = indexedStreams(flood.seed, flood.purpose);
    const noises = noise && indexedStreams(noise.seed, noise.purpose);
    const random = new Uint8Array(floodBytes * this.#cells);
    const added = masks || noise ? new BigUint64Array(this.#cells) : undefined;
    for (const { firstCell, localCell, cells } of this.#units) {
      random.set(streams(firstCell)(floodBytes * cells), floodBytes * localCell);
      if (masks) added?.set(masks.subarray(firstCell, firstCell + cells), localCell);
      if (noise && noises && added) addTo(added.subarray(localCell, localCell + cells), cellNoise(noises(firstCell), cells, noise));
    }
    return { tBits, flood: random, added };
  }

  /** Sums of this part's cells, flooded and rounded: all cells of the first query, then of the next. */
  rounded(queries: Uint8Array, drawn: readonly Drawn[]): Float64Array {
    const out = new Float64Array(drawn.length * this.#cells);
    const one = (this.#blocks + 1) * blockBytes;
    const packed = drawn.map((_, v) => queries.subarray(v * one, (v + 1) * one));
    const sums = this.#options.kind === "bins" ? this.#binSums(packed) : undefined;
    for (const [v, d] of drawn.entries()) {
      const query = packed[v] ?? queries;
      const made = this.#finish(query, d, sums?.[v] ?? this.#codeSums(query));
      out.set(made, v * this.#cells);
    }
    return out;
  }

  /** Adds what hides the sums, and rounds. The view lasts until the next call. */
  #finish(query: Uint8Array, { flood, added, tBits }: Drawn, { at, stride }: Sums): Float64Array {
    const { fn } = this.#wasm;
    this.#unpack(query, this.#blocks);
    fn.ternaryInto(at, stride, this.#expandDigits(), this.#cells, this.#block, this.#wasm.scratch("tables", 8 * 243 * 16));
    if (this.#options.kind === "codes") fn.foldCodes(this.#wasm.scratch("sums", 32 * this.#cells), at, this.#cells);
    const random = this.#wasm.scratch("random", floodBytes * this.#cells);
    const out = this.#wasm.scratch("out", 8 * this.#cells);
    const addedAt = added ? this.#wasm.scratch("added", 8 * this.#cells) : 0;
    this.#wasm.bytes.set(flood, random);
    if (added) {
      this.#wasm.bytes.set(new Uint8Array(added.buffer, added.byteOffset, added.byteLength), addedAt);
      fn.setModulus(tBits);
    }
    fn.finishAnswer(at, stride, this.#cells, random, addedAt, BigInt.asUintN(tBits, modulus), tBits, out);
    this.#wasm.bytes.fill(0, random, random + floodBytes * this.#cells);
    return this.#wasm.doubles(out, this.#cells);
  }

  /** Sums over bins of all queries, two by two: their cells lie side by side. Block by block, so that a block's lists of rows stay in
   *  the cache for all queries. */
  #binSums(queries: readonly Uint8Array[]): Sums[] {
    const { fn } = this.#wasm;
    const pairBytes = 2 * polyBytes;
    const cellBytes = 32 * this.#cells;
    const pairs = Math.ceil(queries.length / 2);
    const cells = this.#wasm.scratch("cells", pairs * cellBytes);
    const block = this.#wasm.scratch("pair", pairBytes);
    this.#wasm.bytes.fill(0, cells, cells + pairs * cellBytes);
    for (let j = 0; j < this.#blocks; j++) {
      for (let pair = 0; pair < pairs; pair++) {
        const [first, second] = [queries[2 * pair], queries[2 * pair + 1]];
        const step = second ? 32 : 16;
        if (first) this.#unpack(first, j, block, step);
        if (second) this.#unpack(second, j, block + 16, step);
        for (const unit of this.#units) {
          const list = unit.data + j * 2 * ringDegree;
          const offsets = unit.offsets + j * 2 * (unit.cells + 1);
          const target = cells + pair * cellBytes + step * unit.localCell;
          if (second) fn.gatherTwo(block, list, offsets, unit.cells, target);
          else fn.gather(block, list, offsets, unit.cells, target);
        }
      }
    }
    return queries.map((_, v) => ({ at: cells + (v >> 1) * cellBytes + 16 * (v & 1), stride: (v ^ 1) < queries.length ? 32 : 16 }));
  }

  /** Sums over codes of one query; they are folded into the cells, which are zero until then, by `#finish`. */
  #codeSums(query: Uint8Array): Sums {
    const { fn } = this.#wasm;
    const sums = this.#wasm.scratch("sums", 32 * this.#cells);
    const low = this.#poly;
    const high = this.#poly + polyBytes / 2;
    this.#wasm.bytes.fill(0, sums, sums + 32 * this.#cells);
    for (let j = 0; j < this.#blocks; j++) {
      this.#unpack(query, j);
      fn.splitPairs(this.#block, low, high);
      for (const unit of this.#units) fn.codesInto(sums + 32 * unit.localCell, unit.data + j * ringDegree, low, high, this.#acc);
    }
    const cells = this.#wasm.scratch("cells", 16 * this.#cells);
    this.#wasm.bytes.fill(0, cells, cells + 16 * this.#cells);
    return { at: cells, stride: 16 };
  }

  #multiplyColumn(unit: Unit, bin: number, j: number, times: number): void {
    const { fn } = this.#wasm;
    if (this.#options.kind === "codes") {
      fn.expandCodesReversed(unit.data + j * ringDegree, this.#poly);
      fn.multiplyInto(this.#acc, this.#poly, times);
      return;
    }
    const offsets = new Uint16Array(fn.memory.buffer, unit.offsets + j * 2 * (unit.cells + 1), unit.cells + 1);
    const first = offsets[bin] ?? 0;
    const count = (offsets[bin + 1] ?? 0) - first;
    if (count === 0) return;
    fn.bitMasks(unit.data + 2 * (j * ringDegree + first), count, this.#block);
    fn.multiplyBitsInto(this.#acc, this.#block, this.#poly, times);
  }

  #unpack(query: Uint8Array, j: number, to = this.#block, stride = 16): void {
    this.#wasm.bytes.set(query.subarray(j * blockBytes, (j + 1) * blockBytes), this.#packed);
    if (!this.#wasm.fn.unpackBlock(this.#packed, to, stride)) throw new AppError("PROTOCOL_RESIDUES", { block: j });
  }

  #expandCrs(): number {
    if (this.#crs !== undefined) return this.#crs;
    const at = this.#wasm.allocate((this.#blocks + 1) * polyBytes);
    const crs = expandCrs(this.#options.crsSeed);
    for (let j = 0; j < this.#blocks; j++) crs.block(j, this.#wasm.words(at + j * polyBytes, 4 * ringDegree));
    crs.dummy(this.#wasm.words(at + this.#blocks * polyBytes, 4 * ringDegree));
    this.#crs = at;
    return at;
  }

  /** The trits of all r_c as `ternaryInto` reads them: tile by tile, 8 bytes a cell. */
  #expandDigits(): number {
    if (this.#digits !== undefined) return this.#digits;
    const at = this.#wasm.allocate(tiles * 8 * this.#cells);
    const target = this.#wasm.bytes;
    for (const unit of this.#units) {
      for (let c = 0; c < unit.cells; c++) {
        const trits = sampleTrits(this.#streams(unit.firstCell + c));
        const column = at + 8 * (unit.localCell + c);
        for (let i = 0; i < tritBytes; i++) target[column + (i >> 3) * 8 * this.#cells + (i & 7)] = trits[i] ?? 0;
      }
    }
    this.#digits = at;
    return at;
  }
}

/** Adds signed integers modulo 2^64, in halves: a bigint a cell would cost more than its noise. */
function addTo(target: BigUint64Array, values: Int32Array): void {
  const halves = new Int32Array(target.buffer, target.byteOffset, 2 * target.length);
  for (let i = 0; i < values.length; i++) {
    const x = values[i] ?? 0;
    const low = ((halves[2 * i] ?? 0) >>> 0) + (x >>> 0);
    halves[2 * i] = low;
    halves[2 * i + 1] = (halves[2 * i + 1] ?? 0) + (x >> 31) + (low > 0xffffffff ? 1 : 0);
  }
}
