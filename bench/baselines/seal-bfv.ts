// Baseline of the encrypted sums: BFV of Microsoft SEAL (npm node-seal), N = 8192 and a 162-bit modulus, g and h packed into one
// plaintext coefficient. A block of 8192 rows is a polynomial; the provider multiplies it with the reversed 0/1 polynomial of a cell,
// kept in transformed form, so that coefficient 0 is the cell's sum; an encryption of zero and a uniform polynomial hide the other
// coefficients. Sums are exact and checked. It is NOT circuit private (no flooding of the noise): our answers are.
import { systemRng } from "../../core/rng.ts";
import { timed, type Spent } from "../measure.ts";
import { baselineModule } from "./module.ts";
import type { BinnedFeature } from "./plain-histogram.ts";

type Handle = { delete(): void };
type Plain = Handle & { saveToArray(mode: unknown): Uint8Array; loadFromArray(context: unknown, bytes: Uint8Array): void };
type Cipher = Handle & { saveToArray(mode: unknown): Uint8Array };
type Ops = {
  cipherTransformToNtt(from: Cipher, to: Cipher): void; cipherTransformFromNttInplace(c: Cipher): void;
  plainTransformToNtt(from: Plain, level: unknown, to: Plain): void;
  multiplyPlain(c: Cipher, p: Plain, to: Cipher): void; addInplace(c: Cipher, other: Cipher): void; addPlainInplace(c: Cipher, p: Plain): void;
};
type Encrypts = { encryptSymmetric(p: Plain, to: Cipher): void; encryptZero(to: Cipher): void };
type Decrypts = { decrypt(c: Cipher, to: Plain): void; invariantNoiseBudget(c: Cipher): number };
type Seal = {
  readonly SchemeType: { readonly bfv: unknown }; readonly SecLevelType: { readonly tc128: unknown }; readonly ComprModeType: { readonly none: unknown };
  readonly CoeffModulus: { Create(degree: number, bits: Int32Array): unknown };
  readonly Modulus: new (value: bigint) => unknown;
  readonly EncryptionParameters: new (scheme: unknown) => {
    setPolyModulusDegree(n: number): void; setCoeffModulus(m: unknown): void; setPlainModulus(m: unknown): void;
  };
  readonly SEALContext: new (parameters: unknown, expand: boolean, level: unknown) => { parametersSet(): boolean; firstParmsId(): unknown };
  readonly KeyGenerator: new (context: unknown) => { secretKey(): unknown; createPublicKey(): unknown };
  readonly Encryptor: new (context: unknown, publicKey: unknown, secretKey: unknown) => Encrypts;
  readonly Decryptor: new (context: unknown, secretKey: unknown) => Decrypts;
  readonly Evaluator: new (context: unknown) => Ops;
  readonly Plaintext: new (capacity?: number, coefficients?: number) => Plain;
  readonly Ciphertext: new () => Cipher;
  vecFromArrayModulus(bits: Int32Array): unknown;
};

const degree = 8192;
const primeBits = [54, 54, 54, 56] as const;
const plainBits = 55n;
/** g takes the bits above: 30,000 h of 10 bits stay below. */
const gShift = 26n;
/** Where the coefficients begin in a saved plaintext. */
const headerBytes = 88;

export type SealRun = {
  readonly cells: number; readonly encrypt: Spent; readonly prepare: Spent; readonly sums: Spent; readonly masking: Spent; readonly decrypt: Spent;
  readonly bytesUp: number; readonly bytesDown: number; readonly wrong: number;
};

/** Sums g (|g| below 2^13) and h (below 2^10) over every cell of `features`. Throws NotMeasured without the package. */
export async function sealSums(features: readonly BinnedFeature[], g: Int32Array, h: Int32Array): Promise<SealRun> {
  const { default: load } = await baselineModule<{ default: () => Promise<Seal> }>("node-seal");
  const seal = await load();
  const parameters = new seal.EncryptionParameters(seal.SchemeType.bfv);
  parameters.setPolyModulusDegree(degree);
  parameters.setCoeffModulus(seal.CoeffModulus.Create(degree, Int32Array.from(primeBits)));
  parameters.setPlainModulus(new seal.Modulus(1n << plainBits));
  const context = new seal.SEALContext(parameters, true, seal.SecLevelType.tc128);
  if (!context.parametersSet()) throw new Error("SEAL refuses the parameters");
  const keys = new seal.KeyGenerator(context);
  const encryptor = new seal.Encryptor(context, keys.createPublicKey(), keys.secretKey());
  const decryptor = new seal.Decryptor(context, keys.secretKey());
  const ops = new seal.Evaluator(context);
  const none = seal.ComprModeType.none;
  // Coefficients are written into the saved form of a full plaintext: the only way in for a modulus that is no prime.
  const template = new seal.Plaintext(degree, degree).saveToArray(none);
  const coefficients = (write: (into: BigUint64Array) => void): Plain => {
    const bytes = template.slice();
    const into = new BigUint64Array(degree);
    write(into);
    bytes.set(new Uint8Array(into.buffer), headerBytes);
    const plain = new seal.Plaintext();
    plain.loadFromArray(context, bytes);
    return plain;
  };

  const blocks = Math.ceil(g.length / degree);
  const encrypted = await timed(() => Array.from({ length: blocks }, (_, j) => {
    const plain = coefficients((into) => {
      for (let i = 0; i < degree && j * degree + i < g.length; i++) {
        const row = j * degree + i;
        into[i] = BigInt.asUintN(Number(plainBits), (BigInt(g[row] ?? 0) << gShift) + BigInt(h[row] ?? 0));
      }
    });
    const cipher = new seal.Ciphertext();
    encryptor.encryptSymmetric(plain, cipher);
    return cipher;
  }));
  const queries = encrypted.result;
  const bytesUp = queries.reduce((sum, c) => sum + c.saveToArray(none).length, 0) / 2;

  // x^-i = -x^(N-i): the indicator of row i, reversed.
  const minusOne = (1n << plainBits) - 1n;
  const prepared = await timed(() => features.flatMap(({ binOf, bins }) => Array.from({ length: bins }, (_, bin) =>
    Array.from({ length: blocks }, (__, j) => {
      const plain = coefficients((into) => {
        for (let i = 0; i < degree && j * degree + i < g.length; i++) {
          if (binOf[j * degree + i] !== bin) continue;
          into[i === 0 ? 0 : degree - i] = i === 0 ? 1n : minusOne;
        }
      });
      ops.plainTransformToNtt(plain, context.firstParmsId(), plain);
      return plain;
    }))));
  const summed = await timed(() => {
    const transformed = queries.map((c) => {
      const to = new seal.Ciphertext();
      ops.cipherTransformToNtt(c, to);
      return to;
    });
    const product = new seal.Ciphertext();
    return prepared.result.map((cell) => {
      const sum = new seal.Ciphertext();
      for (const [j, block] of transformed.entries()) {
        const indicator = cell[j];
        if (indicator === undefined) throw new Error("a cell has an indicator in every block");
        // Every cell has rows in every block here: SEAL refuses a product with the zero polynomial.
        ops.multiplyPlain(block, indicator, j === 0 ? sum : product);
        if (j > 0) ops.addInplace(sum, product);
      }
      ops.cipherTransformFromNttInplace(sum);
      return sum;
    });
  });
  // One mask for all cells: fresh ones would only add to the baseline's time.
  const uniform = coefficients((into) => {
    into.set(new BigUint64Array(systemRng(into.byteLength).buffer));
    for (let i = 0; i < degree; i++) into[i] = i === 0 ? 0n : BigInt.asUintN(Number(plainBits), into[i] ?? 0n);
  });
  const masked = await timed(() => {
    const zero = new seal.Ciphertext();
    for (const c of summed.result) {
      encryptor.encryptZero(zero);
      ops.addInplace(c, zero);
      ops.addPlainInplace(c, uniform);
    }
  });
  const opened = await timed(() => summed.result.map((c) => {
    const plain = new seal.Plaintext();
    decryptor.decrypt(c, plain);
    const saved = plain.saveToArray(none);
    plain.delete();
    return BigInt.asIntN(Number(plainBits), new DataView(saved.buffer, saved.byteOffset).getBigUint64(headerBytes, true));
  }));
  const bytesDown = summed.result.reduce((sum, c) => sum + c.saveToArray(none).length, 0);
  const wrong = opened.result.filter((sum, cell) => sum !== plainSum(features, cell, g, h)).length;
  for (const handle of [...queries, ...summed.result, ...prepared.result.flat(), uniform]) handle.delete();
  return {
    cells: opened.result.length, encrypt: encrypted.spent, prepare: prepared.spent, sums: summed.spent, masking: masked.spent, decrypt: opened.spent,
    bytesUp, bytesDown, wrong,
  };
}

function plainSum(features: readonly BinnedFeature[], cell: number, g: Int32Array, h: Int32Array): bigint {
  let bin = cell;
  let f = 0;
  while (bin >= (features[f]?.bins ?? Infinity)) bin -= features[f++]?.bins ?? 0;
  let [sumG, sumH] = [0, 0];
  for (let i = 0; i < g.length; i++) {
    if (features[f]?.binOf[i] !== bin) continue;
    sumG += g[i] ?? 0;
    sumH += h[i] ?? 0;
  }
  return (BigInt(sumG) << gShift) + BigInt(sumH);
}
