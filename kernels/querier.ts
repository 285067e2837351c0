// The asking side: encrypts vectors over the threads, keeps hints in the threads' memory, opens answers with them.
import { createHash } from "node:crypto";
import { AppError } from "../core/errors.ts";
import type { AskOptions, HintKeeper, HintOpening, HintSource, Queries, QuerySecret, SumsQuerier } from "./api.ts";
import { requireCrsSeed } from "./crs.ts";
import { largestNoise, requireNoise, type CellNoise } from "./noise.ts";
import { HintOpener, type OpeningKey } from "./opener.ts";
import { unpackAnswer } from "./pack.ts";
import { answerBytes, dataBlocks, hintBytesPerCell, queryBytes, sumsParams } from "./params.ts";
import type { Pool, Remote } from "./pool.ts";
import { TernarySecret } from "./secret.ts";
import { indexedStreams, sampleTrits } from "./streams.ts";
import { SumsWasm } from "./wasm.ts";
import type { QueryWork } from "./workers/querier-part.ts";

const partUrl = new URL("./workers/querier-part.ts", import.meta.url);

export async function openQuerier(pool: Pool, options: { crsSeed: Uint8Array; rows: number }): Promise<SumsQuerier> {
  requireCrsSeed(options.crsSeed);
  const blocks = dataBlocks(options.rows);
  const parts: Remote[] = [];
  try {
    const { crsSeed } = options;
    for (let slot = 0; slot < pool.size; slot++) parts.push(await pool.open(slot, partUrl, "openQuerierPart", [{ crsSeed, blocks }]));
  } catch (error) {
    await Promise.all(parts.map((p) => p[Symbol.asyncDispose]()));
    throw error;
  }
  return new PooledQuerier(options.rows, options.crsSeed, parts);
}

class PooledQuerier implements SumsQuerier {
  readonly rows: number;
  readonly #crsSeed: Uint8Array;
  readonly #parts: readonly Remote[];
  #hints = 0;
  #opener: { readonly wasm: SumsWasm; readonly hints: HintOpener } | undefined;

  constructor(rows: number, crsSeed: Uint8Array, parts: readonly Remote[]) {
    this.rows = rows;
    this.#crsSeed = crsSeed;
    this.#parts = parts;
  }

  async query(vectors: readonly (Int32Array | Int8Array)[], options: AskOptions): Promise<Queries> {
    const { rows } = this;
    const expected = options.rngs.length;
    if (expected === 0 || vectors.length !== expected) throw new AppError("KERNEL_COLUMNS", { queries: vectors.length, expected });
    for (const { length } of vectors) if (length !== rows) throw new AppError("KERNEL_COLUMNS", { rows: length, expected: rows });
    const shared = new Int32Array(new SharedArrayBuffer(4 * rows * vectors.length));
    for (const [v, values] of vectors.entries()) shared.set(values, v * rows);
    const asked = vectors.map((_, v) => this.#prepare(shared.subarray(v * rows, (v + 1) * rows), v, options));
    const out = new Uint8Array(new SharedArrayBuffer(queryBytes(this.rows) * vectors.length));
    const works = asked.map((a) => a.work);
    await Promise.all(this.#parts.map((part, i) => part.call("query", [works, shared, out, i, this.#parts.length])));
    shared.fill(0);
    return { bytes: out, secrets: asked.map((a) => a.secret) };
  }

  #prepare(values: Int32Array, v: number, options: AskOptions): { work: QueryWork; secret: QuerySecret } {
    const { maxCode, tBits = sumsParams.maxTBits } = options;
    if (!Number.isInteger(maxCode) || maxCode < 1 || maxCode > 128) throw new AppError("KERNEL_RANGE", { maxCode });
    let sizes = 0;
    for (let i = 0; i < values.length; i++) sizes += Math.abs(values[i] ?? 0);
    const noise = options.noise?.[v];
    const largestSum = maxCode * sizes + (noise === undefined ? 0 : noiseOf(noise, tBits));
    const exact = Number.isInteger(tBits) && tBits >= 1 && tBits <= sumsParams.maxTBits && 2 * largestSum < 2 ** tBits;
    if (!exact) throw new AppError("KERNEL_RANGE", { tBits });
    const rng = options.rngs[v];
    if (rng === undefined) throw new AppError("KERNEL_COLUMNS", { queries: v, expected: options.rngs.length });
    const seed = rng(32);
    // Bound to the message: two columns never share s, even under one stream. Sharing it would show their difference.
    const bound = createHash("sha256").update(this.#crsSeed).update(`${tBits}/${values.length}/`).update(values).digest("hex");
    const purpose = `query/${bound}`;
    const trits = sampleTrits(indexedStreams(seed, purpose)(0));
    return { work: { seed, purpose, trits, tBits }, secret: new TernarySecret(trits, tBits, largestSum) };
  }

  keep(cells: number): HintKeeper {
    return new Keeper(cells, this.#hints++, this.#parts);
  }

  async open(answers: Uint8Array, hint: HintSource, secrets: readonly QuerySecret[], masked = false): Promise<readonly BigInt64Array[]> {
    // A keeper of another querier has other parts: only this one's own are known here.
    if (!(hint instanceof Keeper) || !hint.belongsTo(this.#parts)) throw new AppError("KERNEL_PARAMS");
    const { cells } = hint;
    const keys = secrets.map((secret) => openingKey(secret, masked));
    const rounded = unpackAnswers(answers, cells, keys.length);
    if (hint.next !== cells) throw new AppError("PROTOCOL_WRONG_SHAPE", { cell: hint.next, cells });
    const out = new BigInt64Array(new SharedArrayBuffer(8 * cells * keys.length));
    const bad = await Promise.all(this.#parts.map((part) => part.call<number>("open", [hint.number, keys, rounded, out])));
    const first = Math.min(...bad.filter((cell) => cell >= 0));
    if (Number.isFinite(first)) throw new AppError("KERNEL_SUM_IMPOSSIBLE", { cell: first });
    return keys.map((_, k) => out.slice(k * cells, (k + 1) * cells));
  }

  opening(cells: number, secrets: readonly QuerySecret[]): HintOpening {
    if (this.#opener === undefined) {
      const wasm = new SumsWasm();
      this.#opener = { wasm, hints: new HintOpener(wasm) };
    }
    return new Opening(this.#opener.wasm, this.#opener.hints, cells, secrets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opener = undefined;
    await Promise.all(this.#parts.map((part) => part[Symbol.asyncDispose]()));
  }
}

/** A host adds its noise modulo the largest t: a smaller one would wrap it elsewhere. */
function noiseOf(noise: CellNoise, tBits: number): number {
  requireNoise(noise);
  if (tBits !== sumsParams.maxTBits) throw new AppError("KERNEL_RANGE", { tBits });
  return largestNoise(noise);
}

function openingKey(secret: QuerySecret, masked: boolean): OpeningKey {
  if (!(secret instanceof TernarySecret)) throw new AppError("KERNEL_PARAMS");
  return { trits: secret.reveal(), tBits: secret.tBits, largestSum: masked ? undefined : secret.largestSum };
}

/** Answers to `queries` queries, one after another, in memory that threads may share. */
function unpackAnswers(answers: Uint8Array, cells: number, queries: number): Float64Array {
  const one = answerBytes(cells);
  const expected = one * queries;
  if (queries === 0 || answers.length !== expected) throw new AppError("PROTOCOL_WRONG_SHAPE", { bytes: answers.length, expected });
  const out = new Float64Array(new SharedArrayBuffer(8 * cells * queries));
  for (let k = 0; k < queries; k++) unpackAnswer(answers.subarray(k * one, (k + 1) * one), out.subarray(k * cells, (k + 1) * cells));
  return out;
}

/** The number of cells in a chunk that must follow `next` cells of `cells`. */
function followingCells(chunk: { readonly firstCell: number; readonly bytes: Uint8Array }, next: number, cells: number): number {
  const count = chunk.bytes.length / hintBytesPerCell;
  const follows = chunk.firstCell === next && Number.isInteger(count) && next + count <= cells;
  if (!follows) throw new AppError("PROTOCOL_WRONG_SHAPE", { cell: next, cells });
  return count;
}

class Keeper implements HintKeeper {
  readonly cells: number;
  readonly number: number;
  readonly #parts: readonly Remote[];
  #next = 0;
  #turn = 0;

  constructor(cells: number, number: number, parts: readonly Remote[]) {
    this.cells = cells;
    this.number = number;
    this.#parts = parts;
  }
  get next(): number {
    return this.#next;
  }
  belongsTo(parts: readonly Remote[]): boolean {
    return parts === this.#parts;
  }

  async add(chunk: { readonly firstCell: number; readonly bytes: Uint8Array }): Promise<void> {
    const count = followingCells(chunk, this.#next, this.cells);
    this.#next += count;
    // A share for every thread: hints of a few chunks are opened by all of them too. Who gets a cell too many changes.
    const { length } = this.#parts;
    const first = this.#turn++;
    let from = 0;
    await Promise.all(this.#parts.map(async (_, i) => {
      const to = Math.floor((count * (i + 1)) / length);
      // A copy that is moved: a view would be cloned with all of its buffer.
      const bytes = chunk.bytes.slice(from * hintBytesPerCell, to * hintBytesPerCell);
      const firstCell = chunk.firstCell + from;
      from = to;
      if (bytes.length > 0) await this.#parts[(first + i) % length]?.call("keep", [this.number, firstCell, bytes], [bytes.buffer]);
    }));
  }
}

class Opening implements HintOpening {
  readonly #wasm: SumsWasm;
  readonly #opener: HintOpener;
  readonly #cells: number;
  readonly #secrets: readonly QuerySecret[];
  readonly #products: Uint8Array[];
  #next = 0;

  constructor(wasm: SumsWasm, opener: HintOpener, cells: number, secrets: readonly QuerySecret[]) {
    this.#wasm = wasm;
    this.#opener = opener;
    this.#cells = cells;
    this.#secrets = secrets;
    this.#products = secrets.map(() => new Uint8Array(16 * cells));
  }

  add(chunk: { readonly firstCell: number; readonly bytes: Uint8Array }): void {
    const count = followingCells(chunk, this.#next, this.#cells);
    const at = this.#wasm.scratch("chunk", chunk.bytes.length);
    this.#wasm.bytes.set(chunk.bytes, at);
    // Chunks arrive asynchronously and another opening may run between them: set the secrets for every chunk.
    this.#opener.use(this.#secrets.map((secret) => openingKey(secret, true)));
    const made = this.#opener.products(at, count);
    for (const [k, products] of this.#products.entries()) products.set(made.subarray(16 * k * count, 16 * (k + 1) * count), 16 * this.#next);
    this.#opener.wipe();
    this.#next += count;
  }

  finish(answers: Uint8Array, masked = false): readonly BigInt64Array[] {
    const cells = this.#cells;
    const rounded = unpackAnswers(answers, cells, this.#secrets.length);
    if (this.#next !== cells) throw new AppError("PROTOCOL_WRONG_SHAPE", { cell: this.#next, cells });
    return this.#secrets.map((secret, k) => {
      const out = new BigInt64Array(cells);
      const products = this.#products[k] ?? new Uint8Array(0);
      const bad = this.#opener.decode(products, rounded.subarray(k * cells, (k + 1) * cells), openingKey(secret, masked), out);
      if (bad >= 0) throw new AppError("KERNEL_SUM_IMPOSSIBLE", { cell: bad });
      return out;
    });
  }
}
