// The bank of joint trees: its key, tables of small entries under it, and the total that the providers' answers add up to. Randomness of keys and texts is SEAL's
// own, as in owner.ts.
import type { SecretKey } from "node-seal/throws";
import { AppError } from "../../core/errors.ts";
import { linearPlainBits, maxEntries, tablePrimeBits, totalBits } from "./params.ts";
import { Scope, type LinearEngine } from "./seal.ts";

export type TableKeys = { readonly secretKey: Uint8Array; readonly publicKey: Uint8Array };

export class TableOwner implements Disposable {
  readonly #engine: LinearEngine;
  readonly #scope = new Scope();
  readonly #secret: SecretKey;
  readonly #publicKey: Uint8Array;

  /** engine: of the ring `tablePrimeBits`. keys: what `create` gave, kept sealed. Throws KERNEL_TEXT, KERNEL_PARAMS. */
  constructor(engine: LinearEngine, keys: TableKeys) {
    if (engine.dataPrimes.length !== tablePrimeBits.length - 1) throw new AppError("KERNEL_PARAMS", { primes: engine.dataPrimes.length });
    this.#engine = engine;
    const secret = new engine.seal.SecretKey();
    engine.checked(() => secret.loadFromArray(engine.context, keys.secretKey), secret);
    this.#secret = this.#scope.keep(secret);
    this.#publicKey = keys.publicKey;
  }

  /** A new key; the public one in its short form. */
  static create(engine: LinearEngine): TableKeys {
    using scope = new Scope();
    const generator = scope.keep(new engine.seal.KeyGenerator(engine.context));
    return { secretKey: engine.save(scope.keep(generator.secretKey())).slice(), publicKey: engine.save(scope.keep(generator.createPublicKeySerializable())).slice() };
  }

  /** One text of entries, modulo 2^12; the place before them is 0, and always picked. Throws KERNEL_RANGE for more than 8,191. */
  seal(entries: Int32Array): Uint8Array {
    if (entries.length > maxEntries) throw new AppError("KERNEL_RANGE", { entries: entries.length });
    using scope = new Scope();
    const { seal, context } = this.#engine;
    const key = scope.keep(new seal.PublicKey());
    key.loadFromArray(context, this.#publicKey);
    const encryptor = scope.keep(new seal.Encryptor(context, key, this.#secret));
    const plain = scope.keep(this.#engine.plain(Int32Array.from({ length: entries.length + 1 }, (_, i) => (i === 0 ? 0 : (entries[i - 1] ?? 0) << (linearPlainBits - totalBits)))));
    return this.#engine.save(scope.keep(encryptor.encryptSymmetricSerializable(plain)));
  }

  /** The total of all answers to one question, modulo 2^12, signed. They are added before they are opened: each by itself is uniform. Throws KERNEL_TEXT. */
  open(answers: readonly Uint8Array[]): number {
    using scope = new Scope();
    const { seal, context } = this.#engine;
    const sum = this.#engine.added(scope, answers);
    const plain = scope.keep(new seal.Plaintext());
    scope.keep(new seal.Decryptor(context, this.#secret)).decrypt(sum, plain);
    const unused = 32 - totalBits;
    return (Math.round((this.#engine.coefficients(plain, 1)[0] ?? 0) / 2 ** (linearPlainBits - totalBits)) << unused) >> unused;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}
