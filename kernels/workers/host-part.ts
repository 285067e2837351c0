// A host's part in one thread: some features (or code columns), their hint cells and their sums in answers.
import { AppError } from "../../core/errors.ts";
import { expandCrs } from "../crs.ts";
import { blockBytes, hintBytesPerCell, modulus, ringDegree } from "../params.ts";
import { indexedStreams, sampleTrits, tritBytes } from "../streams.ts";
import { polyBytes, SumsWasm } from "../wasm.ts";

export type HostPartOptions = {
  readonly kind: "bins" | "codes";
  readonly rows: number;
  readonly crsSeed: Uint8Array;
  /** Secret seed of r_c and z_c, and what it is for: see kernels/host.ts. */
  readonly hintSeed: Uint8Array;
  readonly purpose: string;
};
/** A feature: its first cell in the whole host and here, its cells, and where its sorted rows (or codes) and bin borders stand. */
type Unit = Readonly<Record<"firstCell" | "localCell" | "cells" | "data" | "offsets", number>>;

/** Most products that fit an accumulator: each is below 2^58 (assembly/ntt.ts). */
const productsPerFold = 60;
const tiles = 103;

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

  /** The part's sums of a query, flooded and rounded to 44 bits, cell by cell. flood: 64 secret random bytes a cell.
   *  masks: uniform integers mod 2^tBits. Throws PROTOCOL_RESIDUES. */
  answer(query: Uint8Array, flood: Uint8Array, tBits: number, masks?: BigUint64Array): Float64Array {
    const { fn } = this.#wasm;
    const digits = this.#expandDigits();
    const cells = this.#scratch("cells", 16 * this.#cells);
    this.#wasm.bytes.fill(0, cells, cells + 16 * this.#cells);
    if (this.#options.kind === "bins") this.#sumBins(query, cells);
    else this.#sumCodes(query, cells);
    this.#unpack(query, this.#blocks);
    fn.ternaryInto(cells, digits, this.#cells, this.#block, this.#scratch("tables", 8 * 243 * 16));
    if (this.#options.kind === "codes") fn.foldCodes(this.#scratch("sums", 32 * this.#cells), cells, this.#cells);
    const random = this.#scratch("random", 64 * this.#cells);
    const out = this.#scratch("out", 8 * this.#cells);
    const maskAt = masks ? this.#scratch("masks", 8 * this.#cells) : 0;
    this.#wasm.bytes.set(flood, random);
    if (masks) {
      this.#wasm.bytes.set(new Uint8Array(masks.buffer, masks.byteOffset, masks.byteLength), maskAt);
      fn.setModulus(tBits);
    }
    fn.finishAnswer(cells, this.#cells, random, maskAt, BigInt.asUintN(tBits, modulus), tBits, out);
    this.#wasm.bytes.fill(0, random, random + 64 * this.#cells);
    return this.#wasm.doubles(out, this.#cells).slice();
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

  #sumBins(query: Uint8Array, cells: number): void {
    for (let j = 0; j < this.#blocks; j++) {
      this.#unpack(query, j);
      for (const unit of this.#units) {
        const offsets = unit.offsets + j * 2 * (unit.cells + 1);
        this.#wasm.fn.gather(this.#block, unit.data + j * 2 * ringDegree, offsets, unit.cells, cells + 16 * unit.localCell);
      }
    }
  }

  #sumCodes(query: Uint8Array, cells: number): void {
    const { fn } = this.#wasm;
    const sums = this.#scratch("sums", 32 * this.#cells);
    const low = this.#poly;
    const high = this.#poly + polyBytes / 2;
    this.#wasm.bytes.fill(0, sums, sums + 32 * this.#cells);
    for (let j = 0; j < this.#blocks; j++) {
      this.#unpack(query, j);
      fn.splitPairs(this.#block, low, high);
      for (const unit of this.#units) fn.codesInto(sums + 32 * unit.localCell, unit.data + j * ringDegree, low, high, this.#acc);
    }
    this.#wasm.bytes.fill(0, cells, cells + 16 * this.#cells);
  }

  #unpack(query: Uint8Array, j: number): void {
    this.#wasm.bytes.set(query.subarray(j * blockBytes, (j + 1) * blockBytes), this.#packed);
    if (!this.#wasm.fn.unpackBlock(this.#packed, this.#block)) throw new AppError("PROTOCOL_RESIDUES", { block: j });
  }

  readonly #areas = new Map<string, number>();
  #scratch(name: string, bytes: number): number {
    const at = this.#areas.get(name) ?? this.#wasm.allocate(bytes);
    this.#areas.set(name, at);
    return at;
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
