// The provider: applies weights that it cannot read to its own codes. An answer is a product of texts and plaintexts, plus a fresh
// encryption of zero (hides the second polynomial, which would otherwise be a known linear function of the codes), plus a flood on the first
// (hides the noise, which the owner could compute): without either the owner could solve for the codes (our research note, pitfalls).
import type { Ciphertext, Encryptor } from "node-seal/throws";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { addFlood, floodPlan, hideAllButOne, type FloodPlan, type Masking } from "./flood.ts";
import type { SealedModel } from "./owner.ts";
import { dataPrimes, linearDegree, linearPlainBits, linearPrimeBits, maxCode, maxWeights, mostTableProviders, oneFloodBits, sealedKeyBytes } from "./params.ts";
import { Scope, type LinearEngine } from "./seal.ts";
import { isShortForm } from "./short-form.ts";

export class WeightApplier implements Disposable {
  readonly #engine: LinearEngine;
  readonly #rng: Rng;
  readonly #scope = new Scope();
  readonly #weights: readonly Ciphertext[];
  readonly #encryptor: Encryptor;
  readonly #flood: FloodPlan;

  /** rng: of the flood and the masks. Throws KERNEL_TEXT for bytes that are no key or no text, KERNEL_RANGE for none or too many. */
  constructor(engine: LinearEngine, model: SealedModel, rng: Rng) {
    if (model.weights.length < 1 || model.weights.length > maxWeights) throw new AppError("KERNEL_RANGE", { weights: model.weights.length });
    if (!isShortForm(model.publicKey, linearPrimeBits.length, sealedKeyBytes)) throw new AppError("KERNEL_TEXT");
    this.#engine = engine;
    this.#rng = rng;
    this.#flood = floodPlan(engine.primes);
    try {
      const key = this.#scope.keep(new engine.seal.PublicKey());
      try {
        key.loadFromArray(engine.context, model.publicKey);
      } catch {
        throw new AppError("KERNEL_TEXT");
      }
      this.#encryptor = this.#scope.keep(new engine.seal.Encryptor(engine.context, key));
      const evaluator = this.#scope.keep(new engine.seal.Evaluator(engine.context));
      this.#weights = model.weights.map((bytes) => {
        const cipher = this.#scope.keep(engine.cipher(bytes));
        if (cipher.size() !== 2 || cipher.isNttForm() || cipher.coeffModulusSize() !== dataPrimes) throw new AppError("KERNEL_TEXT");
        evaluator.cipherTransformToNttInplace(cipher);
        return cipher;
      });
    } catch (error) {
      this.#scope[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Scores under encryption of rows [from, from + rows) of these columns, one column per weight, codes at most 256 in size. mask: added per row, modulo
   * 2^28, when the owner must see this provider's part only in a sum with others. Throws KERNEL_COLUMNS, KERNEL_RANGE.
   */
  apply(columns: readonly Int16Array[], from: number, rows: number, mask?: Int32Array): Uint8Array {
    if (columns.length !== this.#weights.length) throw new AppError("KERNEL_COLUMNS", { columns: columns.length, weights: this.#weights.length });
    if (!(rows >= 1 && rows <= linearDegree) || (mask !== undefined && mask.length !== rows)) throw new AppError("KERNEL_RANGE", { rows });
    const blocks = columns.map((column) => {
      if (column.length < from + rows) throw new AppError("KERNEL_COLUMNS", { rows: column.length });
      return column.subarray(from, from + rows);
    });
    return this.#answer(blocks, mask);
  }

  /** The score of one company under weights sealed for one. codes: one per weight of the owner's polynomial. */
  applyToOne(codes: Int16Array, masking: Masking = { mask: [], providers: 1 }): Uint8Array {
    if (this.#weights.length !== 1 || codes.length > linearDegree) throw new AppError("KERNEL_COLUMNS", { columns: codes.length, weights: this.#weights.length });
    if (!(masking.providers >= 1 && masking.providers <= mostTableProviders)) throw new AppError("KERNEL_RANGE", { providers: masking.providers });
    // Coefficient 0 of w(X) x(X) mod X^N + 1 is the inner product where x holds the codes reversed: X^-j = -X^(N-j).
    const reversed = new Int16Array(linearDegree);
    for (const [j, code] of codes.entries()) reversed[j === 0 ? 0 : linearDegree - j] = j === 0 ? code : -code;
    // The other coefficients are other sums of the codes.
    return this.#answer([reversed], undefined, masking);
  }

  /** one: coefficient 0 alone is left, under this. */
  #answer(blocks: readonly Int16Array[], mask: Int32Array | undefined, one?: Masking): Uint8Array {
    const { seal, context } = this.#engine;
    using scope = new Scope();
    const evaluator = scope.keep(new seal.Evaluator(context));
    const level = scope.keep(context.firstParmsId());
    const sum = scope.keep(new seal.Ciphertext());
    const product = scope.keep(new seal.Ciphertext());
    let isEmpty = true;
    for (const [j, block] of blocks.entries()) {
      const { any, largest } = extent(block);
      if (largest > maxCode) throw new AppError("KERNEL_RANGE", { largest });
      const weights = this.#weights[j];
      if (!any || weights === undefined) continue; // SEAL refuses a product with zero, which adds nothing
      const plain = this.#engine.plain(block);
      try {
        evaluator.plainTransformToNttInplace(plain, level);
        evaluator.multiplyPlain(weights, plain, isEmpty ? sum : product);
        if (!isEmpty) evaluator.addInplace(sum, product);
        isEmpty = false;
      } finally {
        plain.delete();
      }
    }
    const zero = scope.keep(new seal.Ciphertext());
    this.#encryptor.encryptZero(zero);
    if (!isEmpty) {
      evaluator.cipherTransformFromNttInplace(sum);
      evaluator.addInplace(zero, sum);
    }
    if (mask !== undefined) evaluator.addPlainInplace(zero, scope.keep(this.#engine.plain(mask)));
    const flooded = scope.keep(this.#engine.cipher(this.#withFlood(this.#engine.save(zero), one)));
    evaluator.cipherModSwitchToInplace(flooded, scope.keep(context.lastParmsId()));
    return this.#engine.save(flooded);
  }

  /** The saved form ends with both polynomials, prime by prime; the flood goes onto the first. */
  #withFlood(saved: Uint8Array, one: Masking | undefined): Uint8Array {
    const bytes = saved.slice();
    const words = dataPrimes * linearDegree;
    const at = bytes.length - 2 * words * 8;
    const first = new BigUint64Array(bytes.buffer.slice(at, at + words * 8));
    if (one === undefined) addFlood(first, linearDegree, this.#flood, this.#rng);
    else hideAllButOne(first, linearDegree, { primes: this.#engine.primes, mask: one.mask, flood: oneFloodBits(one.providers) }, this.#rng);
    bytes.set(new Uint8Array(first.buffer), at);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

function extent(block: Int16Array): { any: boolean; largest: number } {
  let largest = 0;
  for (const code of block) largest = Math.max(largest, Math.abs(code));
  return { any: largest > 0, largest };
}

/** Uniform modulo 2^28, signed. */
export function uniformPlain(rng: Rng, count: number): Int32Array {
  return Int32Array.from(new Int32Array(rng(4 * count).slice().buffer), (word) => word >> (32 - linearPlainBits));
}
