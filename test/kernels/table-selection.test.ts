// Sums of entries that one side picks from another's sealed tables: right totals, what an answer hides from texts of any make, and what is refused.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { WeightApplier } from "../../kernels/linear/applier.ts";
import { ModelOwner } from "../../kernels/linear/owner.ts";
import { linearDegree, maxEntries, tableFloodBits, tablePrimeBits, tableTextBytes } from "../../kernels/linear/params.ts";
import { LinearEngine, Scope } from "../../kernels/linear/seal.ts";
import type { Masking } from "../../kernels/linear/flood.ts";
import { TableSelector } from "../../kernels/linear/selector.ts";
import { TableOwner, type TableKeys } from "../../kernels/linear/tables.ts";
import { seededDraw } from "../support/draw.ts";

const alone: Masking = { mask: [0n, 0n], providers: 1 };
const wrap = (sum: number): number => (sum << 20) >> 20;
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
};

describe("sums of entries picked from sealed tables", () => {
  let engine: LinearEngine;
  let keys: TableKeys;
  let owner: TableOwner;
  let selector: TableSelector;
  before(async () => {
    engine = await LinearEngine.load(tablePrimeBits);
    keys = TableOwner.create(engine);
    owner = new TableOwner(engine, keys);
    selector = new TableSelector(engine, keys.publicKey, systemRng);
  });
  after(() => {
    for (const held of [selector, owner, engine]) held[Symbol.dispose]();
  });
  const masks = (count: number): bigint[][] => {
    const draw = (): bigint => BigInt(`0x${Buffer.from(systemRng(16)).toString("hex")}`);
    const all = Array.from({ length: count - 1 }, () => [draw(), draw()]);
    return [...all, [0, 1].map((k) => -all.reduce((sum, mask) => sum + (mask[k] ?? 0n), 0n))];
  };
  /** A text whose first polynomial is moved by `add` of each coefficient: its maker's own, of no honest encryption. */
  const forged = (of: LinearEngine, text: Uint8Array, add: (i: number) => bigint): Uint8Array => {
    const bytes = text.slice();
    const [at, n] = [16 + 73 + 16 + 8, linearDegree];
    const words = new BigUint64Array(bytes.buffer.slice(at, at + 8 * n * of.dataPrimes.length));
    for (const [k, p] of of.dataPrimes.entries()) for (let i = 0; i < n; i++) words[k * n + i] = ((words[k * n + i] ?? 0n) + add(i)) % p;
    bytes.set(new Uint8Array(words.buffer), at);
    return bytes;
  };
  /** What an answer holds of each coefficient, in 64ths (2 to the number of `doublings`) of a step of the plaintexts. */
  const fine = (of: LinearEngine, secretKey: Uint8Array, answer: Uint8Array, doublings = 6): Int32Array => {
    using scope = new Scope();
    const evaluator = scope.keep(new of.seal.Evaluator(of.context));
    const cipher = scope.keep(of.cipher(answer));
    for (let i = 0; i < doublings; i++) evaluator.addInplace(cipher, scope.keep(of.cipher(of.save(cipher))));
    const secret = scope.keep(new of.seal.SecretKey());
    secret.loadFromArray(of.context, secretKey);
    const plain = scope.keep(new of.seal.Plaintext());
    scope.keep(new of.seal.Decryptor(of.context, secret)).decrypt(cipher, plain);
    return of.coefficients(plain, linearDegree);
  };

  it("are right for none, one and all entries, first and last, and wrap at 12 bits", () => {
    const draw = seededDraw(1);
    for (const count of [1, 3, 777, maxEntries]) {
      const entries = Int32Array.from({ length: count }, () => draw.int(4096) - 2048);
      const text = owner.seal(entries);
      assert.isAtMost(text.length, tableTextBytes);
      for (const picks of [[], [0], [count - 1], [...entries.keys()], [...entries.keys()].filter(() => draw.int(2) === 1)]) {
        assert.equal(owner.open([selector.select(text, picks, alone)]), wrap(picks.reduce((sum, p) => sum + (entries[p] ?? 0), 0)));
      }
    }
  });
  it("of several providers add up under masks that cancel, also for sixteen; one or fifteen of them are uniform", () => {
    for (const providers of [2, 3, 16]) {
      const texts = Array.from({ length: providers }, (_, h) => owner.seal(Int32Array.of(5 * h - 20, 100 + h)));
      const cancel = masks(providers);
      const answers = texts.map((text, h) => selector.select(text, [h % 2], { mask: cancel[h] ?? [], providers }));
      const total = texts.reduce((sum, _, h) => sum + (h % 2 === 0 ? 5 * h - 20 : 100 + h), 0);
      assert.equal(owner.open(answers), wrap(total));
      assert.equal(owner.open(answers.toReversed()), wrap(total));
    }
    const text = owner.seal(Int32Array.of(7));
    const parts = Array.from({ length: 48 }, () => owner.open([selector.select(text, [0], { mask: masks(2)[0] ?? [], providers: 2 })]));
    assert.isAtLeast(new Set(parts).size, 40, "of 4,096 values");
  });
  it("leave nothing of the other coefficients, and no more than the stated bits of the first one, whatever the text is", () => {
    const [p1 = 1n, p2 = 1n] = engine.dataPrimes;
    const q = p1 * p2;
    const draw = seededDraw(2);
    const picks = Array.from({ length: 200 }, (_, i) => i).filter(() => draw.int(2) === 1);
    // Half a step of the plaintexts at place 0: coefficient N - 1 - p of the product says whether p was picked.
    const halfStep = q >> 29n;
    const seen = fine(engine, keys.secretKey, selector.select(forged(engine, owner.seal(Int32Array.of(0)), (i) => (i === 0 ? halfStep : 0n)), picks, alone));
    const cells = new Int32Array(16);
    for (let i = 1; i < linearDegree; i++) cells[((seen[i] ?? 0) >>> 24) & 15] = (cells[((seen[i] ?? 0) >>> 24) & 15] ?? 0) + 1;
    assert.isBelow(cells.reduce((sum, n) => sum + (n - (linearDegree - 1) / 16) ** 2 / ((linearDegree - 1) / 16), 0), 60, "uniform");
    // Two texts that differ by a 2^14th of q are not told apart: the flood is wider.
    const small = q >> 15n;
    const opened = [0, 1].map((bit) => Array.from({ length: 40 }, () => owner.open([selector.select(forged(engine, owner.seal(Int32Array.of(0)), (i) => (i === 1 ? small : 0n)), bit === 1 ? [0] : [], alone)])));
    assert.deepEqual(opened[0], opened[1]);
    assert.equal(tableFloodBits(1), 41);
    assert.equal(tableFloodBits(16), 37);
  });
  it("have a fresh zero and a flood in each answer, as wide as decoding lets it be: the same picks twice are two other texts", async () => {
    const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);
    /** The second polynomial: without the zero it is the text's own, times the picks. */
    const second = (answer: Uint8Array): BigUint64Array => new BigUint64Array(answer.slice(answer.length - linearDegree * 8).buffer);
    const equal = (a: BigUint64Array, b: BigUint64Array): number => a.reduce((n, word, i) => n + Number(word === b[i]), 0);
    for (const [providers, bits] of [[1, 15], [16, 11]] as const) {
      const text = owner.seal(Int32Array.of(3, -7));
      const answers = Array.from({ length: 40 }, () => selector.select(text, [1], { mask: [0n, 0n], providers }));
      const noise = spread(answers.map((answer) => fine(engine, keys.secretKey, answer, 0)[0] ?? 0));
      assert.isAtLeast(noise, 2 ** (bits - 1));
      assert.isAtMost(noise, 2 ** bits);
      assert.isAtMost(equal(second(answers[0] as Uint8Array), second(answers[1] as Uint8Array)), 2);
    }
    using linear = await LinearEngine.load();
    using bank = ModelOwner.create(linear);
    using applier = new WeightApplier(linear, bank.sealForOne(Int32Array.of(3)), systemRng);
    const ones = Array.from({ length: 24 }, () => applier.applyToOne(Int16Array.of(2)));
    // A quarter of a step.
    const noise = spread(ones.map((answer) => fine(linear, bank.keys.secretKey, answer)[0] ?? 0));
    assert.isAtLeast(noise, 8);
    assert.isAtMost(noise, 17);
    assert.isAtMost(equal(second(ones[0] as Uint8Array), second(ones[1] as Uint8Array)), 2);
  });
  it("under an encrypted linear model, too: a dishonest text reads no low bits of single codes", async () => {
    using linear = await LinearEngine.load();
    using bank = ModelOwner.create(linear);
    const [p1, p2, p3] = linear.primes;
    const halfStep = (p1 * p2 * p3) >> 29n;
    const { publicKey, weights: [text = new Uint8Array()] } = bank.sealForOne(Int32Array.of(0));
    using applier = new WeightApplier(linear, { publicKey, weights: [forged(linear, text, (i) => (i === 0 ? halfStep : 0n))] }, systemRng);
    const codes = Int16Array.from({ length: 512 }, (_, i) => ((i * 37) % 512) - 256);
    const seen = fine(linear, bank.keys.secretKey, applier.applyToOne(codes));
    // In 64ths of a step: an odd code would stand half a step off.
    const odd = [...codes.keys()].slice(1).filter((j) => {
      const part = (seen[linearDegree - j] ?? 0) & 63;
      return (part >= 16 && part < 48) === ((codes[j] ?? 0) % 2 !== 0);
    });
    assert.approximately(odd.length / 511, 0.5, 0.12, "a guess");
  });
  it("are refused for a key or text that is whole, compressed, of another ring or cut", () => {
    using scope = new Scope();
    const text = owner.seal(Int32Array.of(1));
    const [whole, key] = [scope.keep(engine.cipher(text)), scope.keep(new engine.seal.PublicKey())];
    key.loadFromArray(engine.context, keys.publicKey);
    const { zlib, zstd } = engine.seal.ComprModeType;
    // All zeros but one: as small as one likes.
    const cheap = engine.save(whole).slice();
    cheap.fill(0, cheap.length - 4 * linearDegree * 8 + 8);
    whole.loadFromArray(engine.context, cheap);
    const zeros = engine.save(key).slice();
    zeros.fill(0, zeros.length - 6 * linearDegree * 8);
    const texts = [engine.save(whole), ...[zlib, zstd].map((mode) => whole.saveToArray(mode) as Uint8Array), text.subarray(0, 100_000), text.subarray(0, text.length - 1), new Uint8Array(0), new Uint8Array(tableTextBytes).fill(9)];
    for (const [i, bad] of texts.entries()) assert.equal(codeOf(() => selector.select(bad.slice(), [0], alone)), "KERNEL_TEXT", `text ${i}`);
    const padded = (bytes: Uint8Array, length: number): Uint8Array => {
      const bad = new Uint8Array(length);
      bad.set(bytes);
      return bad;
    };
    assert.equal(codeOf(() => selector.select(padded(whole.saveToArray(zstd) as Uint8Array, text.length), [0], alone)), "KERNEL_TEXT", "packed into as many bytes");
    const full = engine.save(key).slice();
    key.loadFromArray(engine.context, zeros);
    const keysOf = [full, zeros, padded(key.saveToArray(zlib) as Uint8Array, keys.publicKey.length), keys.publicKey.subarray(0, 1000), new Uint8Array(0)];
    for (const [i, bad] of keysOf.entries()) assert.equal(codeOf(() => new TableSelector(engine, bad.slice(), systemRng)), "KERNEL_TEXT", `key ${i}`);
    for (const picks of [[-1], [maxEntries], [0.5]]) assert.equal(codeOf(() => selector.select(text, picks, alone)), "KERNEL_RANGE");
    assert.equal(codeOf(() => owner.seal(new Int32Array(maxEntries + 1))), "KERNEL_RANGE");
    assert.equal(codeOf(() => owner.open([text])), "KERNEL_TEXT", "a text is no answer");
    assert.equal(codeOf(() => owner.open([new Uint8Array(5)])), "KERNEL_TEXT");
    // Of providers that work together: SEAL refuses to add what leaves no second polynomial.
    const answer = selector.select(text, [0], alone);
    const opposite = scope.keep(engine.cipher(answer));
    scope.keep(new engine.seal.Evaluator(engine.context)).negateInplace(opposite);
    assert.equal(codeOf(() => owner.open([answer, engine.save(opposite)])), "KERNEL_TEXT", "answers that cancel");
    assert.equal(owner.open([selector.select(text, [0], alone)]), 1, "nothing is disturbed");
  });
});
