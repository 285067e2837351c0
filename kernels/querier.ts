// The asking side: encrypts a column over the threads, opens answers with a hint.
import { createHash } from "node:crypto";
import type { Rng } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import type { HintOpening, HintSource, QuerySecret, SumsQuerier } from "./api.ts";
import { requireCrsSeed } from "./crs.ts";
import { decodeSum } from "./decode.ts";
import { unpackAnswer } from "./pack.ts";
import { dataBlocks, hintBytesPerCell, queryBytes, ringDegree, sumsParams } from "./params.ts";
import type { Pool, Remote } from "./pool.ts";
import { TernarySecret } from "./secret.ts";
import { indexedStreams, sampleTrits } from "./streams.ts";
import { SumsWasm } from "./wasm.ts";
import type { QueryWork } from "./workers/querier-part.ts";

type QueryOptions = { readonly maxCode: number; readonly rng: Rng; readonly tBits?: number };
const partUrl = new URL("./workers/querier-part.ts", import.meta.url);

export async function openQuerier(pool: Pool, options: { crsSeed: Uint8Array; rows: number }): Promise<SumsQuerier> {
  requireCrsSeed(options.crsSeed);
  const blocks = dataBlocks(options.rows);
  const parts: Remote[] = [];
  try {
    for (let slot = 0; slot < Math.min(pool.size, blocks + 1); slot++) {
      parts.push(await pool.open(slot, partUrl, "openQuerierPart", [{ crsSeed: options.crsSeed, blocks }]));
    }
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
  #opener: HintOpener | undefined;

  constructor(rows: number, crsSeed: Uint8Array, parts: readonly Remote[]) {
    this.rows = rows;
    this.#crsSeed = crsSeed;
    this.#parts = parts;
  }

  async query(values: Int32Array, options: QueryOptions): Promise<{ bytes: Uint8Array; secret: QuerySecret }> {
    const { maxCode, tBits = sumsParams.maxTBits } = options;
    if (values.length !== this.rows) throw new AppError("KERNEL_COLUMNS", { rows: values.length, expected: this.rows });
    if (!Number.isInteger(maxCode) || maxCode < 1 || maxCode > 128) throw new AppError("KERNEL_RANGE", { maxCode });
    const largestSum = maxCode * values.reduce((sum, v) => sum + Math.abs(v), 0);
    const exact = Number.isInteger(tBits) && tBits >= 1 && tBits <= sumsParams.maxTBits && 2 * largestSum < 2 ** tBits;
    if (!exact) throw new AppError("KERNEL_RANGE", { tBits });
    const seed = options.rng(32);
    // Bound to the message: two columns never share s, even under one stream. Sharing it would show their difference.
    const bound = createHash("sha256").update(this.#crsSeed).update(`${tBits}/${values.length}/`).update(values).digest("hex");
    const purpose = `query/${bound}`;
    const trits = sampleTrits(indexedStreams(seed, purpose)(0));
    const work: QueryWork = { seed, purpose, trits, tBits };
    const shared = new Int32Array(new SharedArrayBuffer(4 * values.length));
    shared.set(values);
    const out = new Uint8Array(new SharedArrayBuffer(queryBytes(this.rows)));
    await Promise.all(this.#parts.map((part, i) => part.call("query", [work, shared, out, i, this.#parts.length])));
    return { bytes: out.slice(), secret: new TernarySecret(trits, tBits, largestSum) };
  }

  async open(answer: Uint8Array, hint: HintSource, secret: QuerySecret, masked = false): Promise<BigInt64Array> {
    const opening = this.opening(hint.cells, secret);
    for await (const chunk of hint.chunks()) opening.add(chunk);
    return opening.finish(answer, masked);
  }

  opening(cells: number, secret: QuerySecret): HintOpening {
    if (!(secret instanceof TernarySecret)) throw new AppError("KERNEL_PARAMS");
    this.#opener ??= new HintOpener();
    return new Opening(this.#opener, cells, secret);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opener = undefined;
    await Promise.all(this.#parts.map((part) => part[Symbol.asyncDispose]()));
  }
}

class Opening implements HintOpening {
  readonly #opener: HintOpener;
  readonly #cells: number;
  readonly #secret: TernarySecret;
  readonly #products: bigint[] = [];

  constructor(opener: HintOpener, cells: number, secret: TernarySecret) {
    this.#opener = opener;
    this.#cells = cells;
    this.#secret = secret;
  }

  add({ firstCell, bytes }: { readonly firstCell: number; readonly bytes: Uint8Array }): void {
    const count = bytes.length / hintBytesPerCell;
    const next = firstCell === this.#products.length && Number.isInteger(count) && firstCell + count <= this.#cells;
    if (!next) throw new AppError("PROTOCOL_WRONG_SHAPE", { cell: this.#products.length, cells: this.#cells });
    // Chunks arrive asynchronously and another opening may run between them: set the secret for every chunk.
    this.#opener.use(this.#secret);
    for (let at = 0; at < bytes.length; at += hintBytesPerCell) {
      this.#products.push(this.#opener.product(bytes.subarray(at, at + hintBytesPerCell)));
    }
  }

  finish(answer: Uint8Array, masked = false): BigInt64Array {
    const { tBits, largestSum } = this.#secret;
    const rounded = unpackAnswer(answer, this.#cells);
    if (this.#products.length !== this.#cells) throw new AppError("PROTOCOL_WRONG_SHAPE", { cell: this.#products.length, cells: this.#cells });
    const largest = BigInt(largestSum);
    return BigInt64Array.from(this.#products, (product, cell) => {
      const value = decodeSum(rounded[cell] ?? 0, product, tBits);
      const signed = BigInt.asIntN(tBits, value);
      if (!masked && (signed > largest || -signed > largest)) throw new AppError("KERNEL_SUM_IMPOSSIBLE", { cell });
      return masked ? value : signed;
    });
  }
}

/** Inner products of a secret with hint cells, in the caller's thread: about a microsecond a cell, less than moving the bytes. */
export class HintOpener {
  readonly #wasm = new SumsWasm();
  readonly #digits = this.#wasm.allocate(1024);
  readonly #secret = this.#wasm.allocate(2 * ringDegree);
  readonly #cell = this.#wasm.allocate(hintBytesPerCell);
  readonly #out = this.#wasm.allocate(32);
  #bias = 0n;

  use(secret: TernarySecret): void {
    this.#wasm.bytes.set(secret.reveal(), this.#digits);
    this.#bias = BigInt(this.#wasm.fn.expandTernaryShort(this.#digits, this.#secret)) << 15n;
  }

  /** (H s)_0 over the rounded coefficients, exact: |value| < 2^64, so it is put together from its 16-bit planes as a bigint. */
  product(cell: Uint8Array): bigint {
    this.#wasm.bytes.set(cell, this.#cell);
    this.#wasm.fn.hintDot(this.#cell, this.#secret, this.#out);
    const [a = 0n, b = 0n, c = 0n, d = 0n] = new BigInt64Array(this.#wasm.fn.memory.buffer, this.#out, 4);
    return a + this.#bias + ((b + this.#bias) << 16n) + ((c + this.#bias) << 32n) + (d << 48n);
  }
}
