// Oblivious-transfer extension: from one base transfer per column of a code to as many transfers as wanted, one per row. Ishai, Kilian, Nissim
// and Petrank (CRYPTO 2003), with code words instead of repeated bits (Kolesnikov and Kumaresan, CRYPTO 2013; for sets, Kolesnikov et al., CCS
// 2016) and the consistency check of Orru, Orsini and Scholl (CT-RSA 2017), made non-interactive. Pure; runs in a worker thread.
import { createCipheriv, createHash, timingSafeEqual, type Cipheriv } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { messageBytes, picksOf, rowBytes, wordTables, type LinearCode } from "./code.ts";
import type { ObliviousWasm } from "./wasm.ts";

/** Bytes of a base-transfer seed: an AES-128 key. */
export const seedBytes = 16;
/** Random sums that the check compares, and as many random rows that hide them. A chunk that is not made of code words passes with 2^-128. */
export const checkRows = 128;
/** Rows of one message at most, so that its columns stay below 4 MiB for every code. */
export const maxChunkRows = 65536 - checkRows;
const weightBytes = checkRows / 8;

/** What the receiver sends for one chunk. */
export type Extended = { readonly columns: Uint8Array<ArrayBuffer>; readonly check: Uint8Array<ArrayBuffer> };

/** Bytes of one column of a chunk of `rows` rows: with the rows of the check, rounded up to whole blocks of AES. */
export function columnBytes(rows: number): number {
  return Math.ceil((rows + checkRows) / 128) * 16;
}
/** Bytes of `Extended.columns` and `Extended.check` of a chunk. */
export function extendedBytes(code: LinearCode, rows: number): { readonly columns: number; readonly check: number } {
  return { columns: code.columns * columnBytes(rows), check: checkRows * (messageBytes(code) + code.columns / 8) };
}

/** Memory that both sides need for chunks of up to `maxRows` rows. */
class Chunk {
  readonly wasm: ObliviousWasm;
  readonly code: LinearCode;
  readonly groups: number;
  /** Bytes from one column to the next: 64 more than a power of two, or all columns would share the same few cache lines. */
  readonly stride: number;
  readonly columns: number;
  /** The rows of the last chunk, `rowBytes` each. */
  readonly rows: number;
  readonly weights: number;
  readonly buckets: number;
  readonly sums: number;
  readonly #session: Uint8Array;
  readonly #zeros: Uint8Array;

  constructor(wasm: ObliviousWasm, code: LinearCode, session: Uint8Array, maxRows: number) {
    const bytes = columnBytes(maxRows);
    this.wasm = wasm;
    this.code = code;
    this.groups = messageBytes(code);
    this.stride = bytes + 64;
    this.columns = wasm.allocate(code.columns * this.stride);
    this.rows = wasm.allocate(8 * bytes * rowBytes);
    this.weights = wasm.allocate(maxRows * weightBytes);
    this.buckets = wasm.allocate(256 * weightBytes * rowBytes);
    this.sums = wasm.allocate(checkRows * rowBytes);
    this.#session = session.slice();
    this.#zeros = new Uint8Array(bytes);
  }
  zeros(bytes: number): Uint8Array {
    return this.#zeros.subarray(0, bytes);
  }
  /** The weights of the check: a function of everything that the receiver is bound to. */
  drawWeights(index: number, count: number, columns: Uint8Array): void {
    const head = new DataView(new ArrayBuffer(8));
    head.setUint32(0, index, true);
    head.setUint32(4, count, true);
    const digest = createHash("sha256").update("yunei/ot/check/v1").update(this.#session).update(new Uint8Array(head.buffer)).update(columns).digest();
    const cipher = createCipheriv("aes-128-ctr", digest.subarray(0, 16), digest.subarray(16));
    this.wasm.bytes.set(cipher.update(new Uint8Array(count * weightBytes)), this.weights);
  }
  /** The sums of `count` rows of `stride` bytes, each added to one of the rows that follow them: `checkRows` of `stride` bytes. */
  sumsOf(rows: number, stride: number, count: number): number {
    const { fn, bytes } = this.wasm;
    bytes.fill(0, this.buckets, this.buckets + 256 * weightBytes * stride);
    bytes.copyWithin(this.sums, rows + count * stride, rows + (count + checkRows) * stride);
    fn.foldRows(rows, stride, count, this.weights, this.buckets);
    fn.finishFold(this.buckets, stride, this.sums);
    return this.sums;
  }
}

/** The pseudorandom stream of seed i. */
function stream(seeds: Uint8Array, i: number): Cipheriv {
  return createCipheriv("aes-128-ctr", seeds.subarray(i * seedBytes, (i + 1) * seedBytes), new Uint8Array(16));
}

/** The side that chooses: of row k it learns the one hash input that belongs to its message. */
export class ExtensionReceiver {
  /** Messages of the next chunk: 16 bytes a row, written by the caller. */
  readonly words: number;
  readonly #chunk: Chunk;
  readonly #streams: { readonly first: Cipheriv; readonly second: Cipheriv }[];
  readonly #masks: Cipheriv;
  readonly #masked: number;
  readonly #wordColumns: number;
  readonly #picks: number;
  readonly #tables: number;
  #index = 0;

  /** seeds: both seeds of each base transfer, one pair after another. maskSeed: 16 secret bytes. Both may be wiped afterwards. */
  constructor(wasm: ObliviousWasm, code: LinearCode, options: { session: Uint8Array; seeds: Uint8Array; maskSeed: Uint8Array; maxRows: number }) {
    const chunk = new Chunk(wasm, code, options.session, options.maxRows);
    this.#chunk = chunk;
    this.#streams = Array.from({ length: code.columns }, (_, i) => ({ first: stream(options.seeds, 2 * i), second: stream(options.seeds, 2 * i + 1) }));
    this.#masks = createCipheriv("aes-128-ctr", options.maskSeed, new Uint8Array(16));
    this.words = wasm.allocate(16 * 8 * columnBytes(options.maxRows));
    this.#masked = wasm.allocate(code.columns * chunk.stride);
    this.#wordColumns = wasm.allocate(8 * chunk.groups * chunk.stride);
    this.#picks = wasm.place(picksOf(code));
    this.#tables = wasm.allocate(4096 * chunk.groups);
  }
  /** Where the hash inputs of the last chunk lie, `rowBytes` a row. */
  get rows(): number {
    return this.#chunk.rows;
  }

  /** Extends by `count` rows with the messages at `words`. */
  extend(count: number): Extended {
    const chunk = this.#chunk;
    const { wasm, code, stride, groups } = chunk;
    const bytes = columnBytes(count);
    this.#maskRows(count, 8 * bytes);
    for (const [i, { first, second }] of this.#streams.entries()) {
      const column = first.update(chunk.zeros(bytes));
      wasm.bytes.set(column, chunk.columns + i * stride);
      wasm.bytes.set(second.update(column), this.#masked + i * stride);
    }
    wasm.fn.rowsToColumns(this.words, 8 * bytes, 8 * groups, this.#wordColumns, stride);
    wasm.fn.addCode(this.#wordColumns, groups, this.#picks, this.#tables, code.columns, stride, bytes / 16, this.#masked);
    const columns = new Uint8Array(code.columns * bytes);
    for (let i = 0; i < code.columns; i++) columns.set(wasm.bytes.subarray(this.#masked + i * stride, this.#masked + i * stride + bytes), i * bytes);
    wasm.fn.columnsToRows(chunk.columns, stride, code.columns, 8 * bytes, chunk.rows);
    chunk.drawWeights(this.#index++, count, columns);
    return { columns, check: this.#check(count) };
  }
  /** Behind the `count` messages: random ones for the check, then zeros. */
  #maskRows(count: number, rows: number): void {
    const { wasm, groups, code } = this.#chunk;
    const from = this.words + 16 * count;
    wasm.bytes.fill(0, from, this.words + 16 * rows);
    const random = this.#masks.update(new Uint8Array(checkRows * groups));
    const lastBits = 0xff >> (8 * groups - code.bits);
    for (let i = 0; i < checkRows; i++) {
      const last = (i + 1) * groups - 1;
      random[last] = (random[last] ?? 0) & lastBits;
      wasm.bytes.set(random.subarray(i * groups, (i + 1) * groups), from + 16 * i);
    }
  }
  #check(count: number): Uint8Array<ArrayBuffer> {
    const { wasm, code, groups } = this.#chunk;
    const itemBytes = groups + code.columns / 8;
    const check = new Uint8Array(checkRows * itemBytes);
    const put = (sums: number, stride: number, at: number, length: number): void => {
      for (let j = 0; j < checkRows; j++) check.set(wasm.bytes.subarray(sums + j * stride, sums + j * stride + length), j * itemBytes + at);
    };
    put(this.#chunk.sumsOf(this.words, 16, count), 16, 0, groups);
    put(this.#chunk.sumsOf(this.rows, rowBytes, count), rowBytes, groups, code.columns / 8);
    return check;
  }
}

/** The side that can make the pad of every message. */
export class ExtensionSender {
  readonly #chunk: Chunk;
  readonly #streams: Cipheriv[];
  readonly #choices: Uint8Array;
  /** Code words combined with the secret choices, `wordTables`. */
  readonly tables: number;
  readonly #expected: number;
  #index = 0;

  /** choices: a secret bit (0 or 1) per base transfer; seeds: the chosen seeds. `seeds` may be wiped afterwards. */
  constructor(wasm: ObliviousWasm, code: LinearCode, options: { session: Uint8Array; seeds: Uint8Array; choices: Uint8Array; maxRows: number }) {
    this.#chunk = new Chunk(wasm, code, options.session, options.maxRows);
    this.#streams = Array.from({ length: code.columns }, (_, i) => stream(options.seeds, i));
    this.#choices = options.choices.slice();
    const mask = new Uint8Array(rowBytes);
    for (const [i, bit] of this.#choices.entries()) mask[i >> 3] = (mask[i >> 3] ?? 0) | (bit << (i & 7));
    this.tables = wasm.place(wordTables(code, mask));
    this.#expected = wasm.allocate(checkRows * (16 + rowBytes));
  }
  get rows(): number {
    return this.#chunk.rows;
  }
  get groups(): number {
    return this.#chunk.groups;
  }

  /** Takes the receiver's chunk of `count` rows. Throws PROTOCOL_WRONG_SHAPE for other lengths, PROTOCOL_OT_CHECK when it is not made of code
   *  words: its sender could otherwise read the secret choices bit by bit from pads that it can guess, and with them every other pad. */
  take(count: number, { columns, check }: { readonly columns: Uint8Array; readonly check: Uint8Array }): void {
    const chunk = this.#chunk;
    const { wasm, code, stride } = chunk;
    const lengths = extendedBytes(code, count);
    if (columns.length !== lengths.columns || check.length !== lengths.check) {
      throw new AppError("PROTOCOL_WRONG_SHAPE", { expected: lengths.columns + lengths.check, bytes: columns.length + check.length });
    }
    const bytes = columnBytes(count);
    for (const [i, own] of this.#streams.entries()) {
      // The stream, plus the receiver's column where the choice is 1.
      const sent = this.#choices[i] ? columns.subarray(i * bytes, (i + 1) * bytes) : chunk.zeros(bytes);
      wasm.bytes.set(own.update(sent), chunk.columns + i * stride);
    }
    wasm.fn.columnsToRows(chunk.columns, stride, code.columns, 8 * bytes, chunk.rows);
    chunk.drawWeights(this.#index++, count, columns);
    this.#verify(count, check);
  }
  #verify(count: number, check: Uint8Array): void {
    const { wasm, code, groups } = this.#chunk;
    const itemBytes = groups + code.columns / 8;
    const [words, rows] = [this.#expected, this.#expected + 16 * checkRows];
    wasm.bytes.fill(0, words, rows + checkRows * rowBytes);
    for (let j = 0; j < checkRows; j++) {
      wasm.bytes.set(check.subarray(j * itemBytes, j * itemBytes + groups), words + 16 * j);
      wasm.bytes.set(check.subarray(j * itemBytes + groups, (j + 1) * itemBytes), rows + rowBytes * j);
    }
    wasm.fn.addWords(rows, words, checkRows, this.tables, groups);
    const sums = this.#chunk.sumsOf(this.rows, rowBytes, count);
    for (let j = 0; j < checkRows; j++) {
      const rowAt = (from: number): Uint8Array => wasm.bytes.subarray(from + rowBytes * j, from + rowBytes * j + code.columns / 8);
      if (!timingSafeEqual(rowAt(sums), rowAt(rows))) throw new AppError("PROTOCOL_OT_CHECK");
    }
  }
  /** Forgets the secret choices as far as JavaScript can. */
  wipe(): void {
    this.#choices.fill(0);
    this.#chunk.wasm.bytes.fill(0, this.tables, this.tables + this.groups * 256 * rowBytes);
  }
}
