// The provider of joint trees: picks entries of tables that it cannot read, and gives their sum under a mask. What is left of an answer is one coefficient of 12 bits;
// the mask of the pairs of providers is uniform modulo q, so that an answer tells nothing without those of all others, whatever the texts are.
import type { Encryptor } from "node-seal/throws";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { hideAllButOne, type Masking } from "./flood.ts";
import { linearDegree, maxEntries, mostTableProviders, tableFloodBits, tableKeyBytes, tablePrimeBits, tableTextBytes } from "./params.ts";
import { Scope, type LinearEngine } from "./seal.ts";
import { isShortForm } from "./short-form.ts";

const dataPrimes = tablePrimeBits.length - 1;

export class TableSelector implements Disposable {
  readonly #engine: LinearEngine;
  readonly #rng: Rng;
  readonly #scope = new Scope();
  readonly #encryptor: Encryptor;

  /** engine: of the ring `tablePrimeBits`. Throws KERNEL_TEXT for a key that is none, or not in its short form. */
  constructor(engine: LinearEngine, publicKey: Uint8Array, rng: Rng) {
    if (engine.dataPrimes.length !== dataPrimes) throw new AppError("KERNEL_PARAMS", { primes: engine.dataPrimes.length });
    if (!isShortForm(publicKey, tablePrimeBits.length, tableKeyBytes)) throw new AppError("KERNEL_TEXT");
    this.#engine = engine;
    this.#rng = rng;
    const key = this.#scope.keep(new engine.seal.PublicKey());
    try {
      key.loadFromArray(engine.context, publicKey);
    } catch {
      this.#scope[Symbol.dispose]();
      throw new AppError("KERNEL_TEXT");
    }
    this.#encryptor = this.#scope.keep(new engine.seal.Encryptor(engine.context, key));
  }

  /** picks: places of entries, each once. Throws KERNEL_TEXT for a text that is none, whole, compressed or of another ring, KERNEL_RANGE for picks that no text has. */
  select(text: Uint8Array, picks: readonly number[], { mask, providers }: Masking): Uint8Array {
    if (!isShortForm(text, dataPrimes, tableTextBytes)) throw new AppError("KERNEL_TEXT");
    const fits = picks.every((p) => Number.isInteger(p) && p >= 0 && p < maxEntries) && mask.length === dataPrimes && providers >= 1 && providers <= mostTableProviders;
    if (!fits) throw new AppError("KERNEL_RANGE", { picks: picks.length, providers });
    const { seal, context } = this.#engine;
    using scope = new Scope();
    const cipher = scope.keep(this.#engine.cipher(text));
    if (cipher.size() !== 2 || cipher.isNttForm() || cipher.coeffModulusSize() !== dataPrimes) throw new AppError("KERNEL_TEXT");
    const evaluator = scope.keep(new seal.Evaluator(context));
    // Coefficient 0 of w(X) x(X) mod X^N + 1 is the sum of the picked entries where x holds -1 at N - place: X^-j = -X^(N-j). Place 0 is always picked:
    // a product with zero, which SEAL refuses, does not occur, and all questions take the same way.
    const chosen = new Int8Array(linearDegree);
    chosen[0] = 1;
    for (const pick of picks) chosen[linearDegree - 1 - pick] = -1;
    const plain = scope.keep(this.#engine.plain(chosen));
    const zero = scope.keep(new seal.Ciphertext());
    evaluator.cipherTransformToNttInplace(cipher);
    evaluator.plainTransformToNttInplace(plain, scope.keep(context.firstParmsId()));
    evaluator.multiplyPlainInplace(cipher, plain);
    evaluator.cipherTransformFromNttInplace(cipher);
    this.#encryptor.encryptZero(zero);
    evaluator.addInplace(zero, cipher);
    const hidden = scope.keep(this.#engine.cipher(this.#hidden(this.#engine.save(zero), { mask, providers })));
    evaluator.cipherModSwitchToInplace(hidden, scope.keep(context.lastParmsId()));
    return this.#engine.save(hidden);
  }

  /** The saved form ends with both polynomials, prime by prime. */
  #hidden(saved: Uint8Array, { mask, providers }: Masking): Uint8Array {
    const bytes = saved.slice();
    const { dataPrimes: primes } = this.#engine;
    const words = primes.length * linearDegree;
    const at = bytes.length - 2 * words * 8;
    const first = new BigUint64Array(bytes.buffer.slice(at, at + words * 8));
    hideAllButOne(first, linearDegree, { primes, mask, flood: tableFloodBits(providers) }, this.#rng);
    bytes.set(new Uint8Array(first.buffer), at);
    return bytes;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}
