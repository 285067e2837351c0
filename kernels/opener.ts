// Opening in one thread: exact inner products of secrets with hint cells, and sums from them and the answers.
import { ringDegree } from "./params.ts";
import type { SumsWasm } from "./wasm.ts";

/** What opening needs of a query. `largestSum`: no honest sum is larger in size; undefined for masked answers, which stay in [0, t). */
export type OpeningKey = { readonly trits: Uint8Array; readonly tBits: number; readonly largestSum: number | undefined };

const secretBytes = 2 * ringDegree + 16;
const productBytes = 16;

export class HintOpener {
  readonly #wasm: SumsWasm;
  readonly #digits: number;
  #secrets = 0;
  #count = 0;

  constructor(wasm: SumsWasm) {
    this.#wasm = wasm;
    this.#digits = wasm.allocate(1024);
  }

  /** Prepares the secrets that the next `products` are for. */
  use(keys: readonly OpeningKey[]): void {
    this.#secrets = this.#wasm.scratch("secrets", secretBytes * keys.length);
    this.#count = keys.length;
    for (const [k, { trits }] of keys.entries()) {
      this.#wasm.bytes.set(trits, this.#digits);
      this.#wasm.fn.expandTernaryShort(this.#digits, this.#secrets + k * secretBytes);
    }
  }

  /** (H s)_0 over the rounded coefficients of `cells` cells at address `at`, for every secret in use: 16 bytes each (a signed integer,
   *  least significant byte first), secret by secret. A copy: decoding asks for memory, and memory that grows takes views away. */
  products(at: number, cells: number): Uint8Array {
    const out = this.#wasm.scratch("products", productBytes * cells * this.#count);
    this.#wasm.fn.hintDots(at, cells, this.#secrets, this.#count, out);
    return this.#wasm.bytes.slice(out, out + productBytes * cells * this.#count);
  }

  /** Forgets the secrets. */
  wipe(): void {
    this.#wasm.bytes.fill(0, this.#digits, this.#digits + 1024);
    this.#wasm.bytes.fill(0, this.#secrets, this.#secrets + this.#count * secretBytes);
  }

  /** Sums of some cells into `out`. products: 16 bytes a cell; answers: as `unpackAnswer` gives them. Returns the first cell whose sum
   *  is larger than any honest one, or -1. */
  decode(products: Uint8Array, answers: Float64Array, { tBits, largestSum }: Omit<OpeningKey, "trits">, out: BigInt64Array): number {
    const cells = answers.length;
    const productsAt = this.#wasm.scratch("decode/products", productBytes * cells);
    const answersAt = this.#wasm.scratch("decode/answers", 8 * cells);
    const outAt = this.#wasm.scratch("decode/out", 8 * cells);
    this.#wasm.bytes.set(products, productsAt);
    this.#wasm.doubles(answersAt, cells).set(answers);
    const bad = this.#wasm.fn.decodeSums(productsAt, answersAt, cells, tBits, largestSum ?? -1, outAt);
    out.set(this.#wasm.integers(outAt, cells));
    return bad;
  }
}
