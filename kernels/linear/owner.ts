// The owner of a linear model: keeps the key, seals the weights once, opens the scores. Randomness of keys and texts is SEAL's own
// (the operating system's, through WebCrypto), not a job's stream: what it makes is kept before it is sent.
import type { SecretKey } from "node-seal/throws";
import { AppError } from "../../core/errors.ts";
import { linearDegree, maxScore, maxWeight, maxWeights } from "./params.ts";
import { Scope, type LinearEngine } from "./seal.ts";

/** What a provider is given: a key to encrypt zeros with, and texts that say nothing of the weights. */
export type SealedModel = { readonly publicKey: Uint8Array; readonly weights: readonly Uint8Array[] };

export class ModelOwner implements Disposable {
  readonly #engine: LinearEngine;
  readonly #scope = new Scope();
  readonly #secret: SecretKey;
  readonly #publicKey: Uint8Array;

  private constructor(engine: LinearEngine, made: { secret: SecretKey; publicKey: Uint8Array }) {
    this.#engine = engine;
    this.#secret = this.#scope.keep(made.secret);
    this.#publicKey = made.publicKey;
  }

  /** A new key. */
  static create(engine: LinearEngine): ModelOwner {
    using scope = new Scope();
    const generator = scope.keep(new engine.seal.KeyGenerator(engine.context));
    // In its short form, half of the key is the seed of a hash: nobody can choose it so that zeros under it hide nothing.
    const publicKey = engine.save(scope.keep(generator.createPublicKeySerializable()));
    return new ModelOwner(engine, { secret: generator.secretKey(), publicKey });
  }

  /** From what `keys` gave. Throws KERNEL_TEXT. */
  static restore(engine: LinearEngine, keys: { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array }): ModelOwner {
    const secret = new engine.seal.SecretKey();
    engine.checked(() => secret.loadFromArray(engine.context, keys.secretKey), secret);
    return new ModelOwner(engine, { secret, publicKey: keys.publicKey });
  }

  /** To be kept sealed in the owner's domain. */
  get keys(): { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array } {
    return { secretKey: this.#engine.save(this.#secret), publicKey: this.#publicKey };
  }

  /** For batches: a text per weight, its constant coefficient. Throws KERNEL_RANGE for weights that are no integers of 12 bits, signed. */
  seal(weights: Int32Array): SealedModel {
    checkWeights(weights);
    return { publicKey: this.#publicKey, weights: Array.from(weights, (w) => this.#text([w])) };
  }

  /** For one company at a time: one text, the weights as one polynomial. Throws KERNEL_RANGE. */
  sealForOne(weights: Int32Array): SealedModel {
    checkWeights(weights);
    return { publicKey: this.#publicKey, weights: [this.#text(weights)] };
  }

  /** Scores of up to 8,192 companies. Throws KERNEL_TEXT for bytes that are no text of this context. */
  open(answer: Uint8Array, rows: number): Int32Array {
    if (!(Number.isInteger(rows) && rows >= 1 && rows <= linearDegree)) throw new AppError("KERNEL_RANGE", { rows });
    using scope = new Scope();
    const { seal, context } = this.#engine;
    const cipher = scope.keep(this.#engine.cipher(answer));
    const plain = scope.keep(new seal.Plaintext());
    const decryptor = scope.keep(new seal.Decryptor(context, this.#secret));
    try {
      decryptor.decrypt(cipher, plain);
    } catch {
      throw new AppError("KERNEL_TEXT");
    }
    return this.#engine.coefficients(plain, rows);
  }

  /** The score of one company over all providers that answered, modulo 2^28, signed. Their answers are added before they are opened: each by itself is uniform. Throws KERNEL_TEXT. */
  openOne(answers: readonly Uint8Array[]): number {
    using scope = new Scope();
    const { seal, context } = this.#engine;
    const sum = this.#engine.added(scope, answers);
    const plain = scope.keep(new seal.Plaintext());
    scope.keep(new seal.Decryptor(context, this.#secret)).decrypt(sum, plain);
    return this.#engine.coefficients(plain, 1)[0] ?? 0;
  }

  #text(coefficients: ArrayLike<number>): Uint8Array {
    using scope = new Scope();
    const { seal, context } = this.#engine;
    const encryptor = scope.keep(new seal.Encryptor(context, this.#publicKeyOf(scope), this.#secret));
    const plain = scope.keep(this.#engine.plain(coefficients));
    return this.#engine.save(scope.keep(encryptor.encryptSymmetricSerializable(plain)));
  }

  #publicKeyOf(scope: Scope) {
    const key = scope.keep(new this.#engine.seal.PublicKey());
    key.loadFromArray(this.#engine.context, this.#publicKey);
    return key;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

function checkWeights(weights: Int32Array): void {
  const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  if (weights.length < 1 || weights.length > maxWeights || largest > maxWeight) throw new AppError("KERNEL_RANGE", { weights: weights.length, largest });
}

/** Largest |score| that these weights can give with codes up to `largestCode` in size. Throws KERNEL_RANGE when it does not fit. */
export function requireFits(weights: Int32Array, largestCode: number): number {
  const largest = largestCode * weights.reduce((sum, w) => sum + Math.abs(w), 0);
  if (!(largest <= maxScore)) throw new AppError("KERNEL_RANGE", { largest });
  return largest;
}
