// node-seal, loaded once per thread, with a context of params.ts. Whatever it makes is a handle into WASM memory that must be released:
// `Scope` does it at the end of a block. Plaintexts go in and out through their saved form, since a modulus 2^28 has no batching.
import loadSeal from "node-seal/throws";
import type { Ciphertext, MainModule, Plaintext, SEALContext } from "node-seal/throws";
import { AppError } from "../../core/errors.ts";
import { linearDegree, linearPlain, linearPlainBits, linearPrimeBits } from "./params.ts";

type Handle = { delete(): void };

/** Releases what was kept in it, last first. */
export class Scope implements Disposable {
  readonly #kept: Handle[] = [];

  keep<T extends Handle>(handle: T): T {
    this.#kept.push(handle);
    return handle;
  }
  [Symbol.dispose](): void {
    for (const handle of this.#kept.splice(0).toReversed()) handle.delete();
  }
}

/** Where the coefficients begin in a saved plaintext. */
const plainHeader = 88;
const plainMask = 2 ** linearPlainBits - 1;

export class LinearEngine implements Disposable {
  readonly seal: MainModule;
  readonly context: SEALContext;
  /** The primes of the data modulus, in SEAL's order. */
  readonly dataPrimes: readonly bigint[];
  readonly #scope = new Scope();
  readonly #template: Uint8Array;

  private constructor(seal: MainModule, primeBits: readonly number[]) {
    this.seal = seal;
    const own = this.#scope;
    const parameters = own.keep(new seal.EncryptionParameters(seal.SchemeType.bfv));
    parameters.setPolyModulusDegree(linearDegree);
    const moduli = own.keep(seal.CoeffModulus.Create(linearDegree, Int32Array.from(primeBits)));
    parameters.setCoeffModulus(moduli);
    parameters.setPlainModulus(own.keep(new seal.Modulus(linearPlain)));
    this.context = own.keep(new seal.SEALContext(parameters, true, seal.SecLevelType.tc128));
    if (!this.context.parametersSet()) throw new AppError("KERNEL_PARAMS", { degree: linearDegree });
    this.dataPrimes = Array.from({ length: primeBits.length - 1 }, (_, i) => {
      const modulus = moduli.get(i);
      if (modulus === undefined) throw new AppError("KERNEL_PARAMS", { primes: i });
      const value = modulus.value();
      modulus.delete();
      return value;
    });
    this.#template = own.keep(new seal.Plaintext(linearDegree, linearDegree)).saveToArray(seal.ComprModeType.none) as Uint8Array;
  }

  /** A module of its own: its memory grows and never shrinks, so one per thread that works with it. primeBits: of the ring, the last one SEAL's own. */
  static async load(primeBits: readonly number[] = linearPrimeBits): Promise<LinearEngine> {
    return new LinearEngine(await loadSeal(), primeBits);
  }

  /** Those of the ring of linear models. Throws KERNEL_PARAMS in another one. */
  get primes(): readonly [bigint, bigint, bigint] {
    const [first, second, third] = this.dataPrimes;
    if (first === undefined || second === undefined || third === undefined) throw new AppError("KERNEL_PARAMS", { primes: this.dataPrimes.length });
    return [first, second, third];
  }

  /** A plaintext of these coefficients, signed, in place modulo t. The caller releases it. */
  plain(coefficients: ArrayLike<number>): Plaintext {
    const bytes = this.#template.slice();
    const words = new Uint32Array(2 * linearDegree); // pairs: the upper half of a coefficient is 0
    for (let i = 0; i < coefficients.length; i++) words[2 * i] = (coefficients[i] ?? 0) & plainMask;
    bytes.set(new Uint8Array(words.buffer), plainHeader);
    const plain = new this.seal.Plaintext();
    plain.loadFromArray(this.context, bytes);
    return plain;
  }

  /** The coefficients of a plaintext, signed. */
  coefficients(plain: Plaintext, count: number): Int32Array {
    const bytes = plain.saveToArray(this.seal.ComprModeType.none) as Uint8Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const half = Number(linearPlain) / 2;
    // A saved plaintext leaves out zero coefficients at its end.
    const present = Math.min(count, Math.floor((bytes.length - plainHeader) / 8));
    return Int32Array.from({ length: count }, (_, i) => {
      if (i >= present) return 0;
      const value = Number(view.getBigUint64(plainHeader + 8 * i, true));
      return value >= half ? value - Number(linearPlain) : value;
    });
  }

  save(thing: { saveToArray(mode: MainModule["ComprModeType"]["none"]): unknown }): Uint8Array {
    return thing.saveToArray(this.seal.ComprModeType.none) as Uint8Array;
  }

  /** Throws KERNEL_TEXT for bytes that are no ciphertext of this context. The caller releases it. */
  cipher(bytes: Uint8Array): Ciphertext {
    const cipher = new this.seal.Ciphertext();
    this.checked(() => cipher.loadFromArray(this.context, bytes), cipher);
    return cipher;
  }

  /** The sum of answers to one question, each of two polynomials modulo one prime. Throws KERNEL_TEXT. */
  added(scope: Scope, answers: readonly Uint8Array[]): Ciphertext {
    const [sum, ...others] = answers.map((answer) => {
      const text = scope.keep(this.cipher(answer));
      if (text.size() !== 2 || text.isNttForm() || text.coeffModulusSize() !== 1) throw new AppError("KERNEL_TEXT");
      return text;
    });
    if (sum === undefined) throw new AppError("KERNEL_TEXT");
    const evaluator = scope.keep(new this.seal.Evaluator(this.context));
    try {
      for (const text of others) evaluator.addInplace(sum, text);
    } catch {
      // Second polynomials that cancel: what WASM throws is no Error.
      throw new AppError("KERNEL_TEXT");
    }
    return sum;
  }

  /** Runs a load of foreign bytes; what WASM throws is no Error. */
  checked(load: () => void, handle: Handle): void {
    try {
      load();
    } catch {
      handle.delete();
      throw new AppError("KERNEL_TEXT");
    }
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}
