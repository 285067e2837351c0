// Scores under an encrypted linear model: right sums, what the provider's answer hides, and what is refused.
import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { uniformPlain, WeightApplier } from "../../kernels/linear/applier.ts";
import { addFlood, floodPlan } from "../../kernels/linear/flood.ts";
import { ModelOwner, requireFits, type SealedModel } from "../../kernels/linear/owner.ts";
import { floodBits, linearDegree, linearPlainBits, maxCode, maxWeight } from "../../kernels/linear/params.ts";
import { LinearEngine, Scope } from "../../kernels/linear/seal.ts";

const wrap = (value: number): number => Number(BigInt.asIntN(linearPlainBits, BigInt(value)));

/** Deterministic, for the data of the tests only. */
function draws(seed: string): (below: number) => number {
  let block = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  return (below) => {
    if (at + 4 > block.length) {
      block = createHash("sha512").update(`${seed}/${count++}`).digest();
      at = 0;
    }
    at += 4;
    return block.readUInt32LE(at - 4) % below;
  };
}

function table(rows: number, columns: number, seed: string): { weights: Int32Array; codes: Int16Array[]; scores: Int32Array } {
  const next = draws(seed);
  const signed = (most: number): number => next(2 * most + 1) - most;
  const weights = Int32Array.from({ length: columns }, () => signed(maxWeight));
  const codes = Array.from({ length: columns }, () => Int16Array.from({ length: rows }, () => signed(maxCode)));
  const scores = Int32Array.from({ length: rows }, (_, i) => weights.reduce((sum, w, j) => sum + w * (codes[j]?.[i] ?? 0), 0));
  return { weights, codes, scores };
}

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
};

describe("scores under an encrypted linear model", () => {
  let engine: LinearEngine;
  let owner: ModelOwner;
  before(async () => {
    engine = await LinearEngine.load();
    owner = ModelOwner.create(engine);
  });
  after(() => {
    owner[Symbol.dispose]();
    engine[Symbol.dispose]();
  });

  const opened = (model: SealedModel, codes: readonly Int16Array[], rows: number, mask?: Int32Array, rng: Rng = systemRng): Int32Array => {
    using applier = new WeightApplier(engine, model, rng);
    return owner.open(applier.apply(codes, 0, rows, mask), rows);
  };

  it("are the sums of weights and codes, at the largest sizes and for part of a block", () => {
    for (const [rows, columns] of [[linearDegree, 30], [1, 3], [777, 1]] as const) {
      const { weights, codes, scores } = table(rows, columns, `t${rows}`);
      assert.deepEqual(opened(owner.seal(weights), codes, rows), scores);
    }
    const extreme = Int32Array.of(maxWeight, -maxWeight, maxWeight, -maxWeight);
    const codes = [maxCode, -maxCode, maxCode, -maxCode].map((code) => new Int16Array(linearDegree).fill(code));
    assert.deepEqual(opened(owner.seal(extreme), codes, linearDegree), new Int32Array(linearDegree).fill(4 * maxWeight * maxCode));
  });
  it("are right block by block of a longer table", () => {
    const { weights, codes, scores } = table(linearDegree + 1300, 5, "long");
    using applier = new WeightApplier(engine, owner.seal(weights), systemRng);
    const last = owner.open(applier.apply(codes, linearDegree, 1300), 1300);
    assert.deepEqual(last, scores.slice(linearDegree));
  });
  it("are 0 where all codes are 0, and the answer is a text like any other", () => {
    const none = [new Int16Array(10), new Int16Array(10)];
    assert.deepEqual(opened(owner.seal(Int32Array.of(5, -7)), none, 10), new Int32Array(10));
  });
  it("of one company: coefficient 0 is its score, all others are masked away", () => {
    const { weights, codes, scores } = table(1, 64, "one");
    const row = Int16Array.from(codes, (c) => c[0] ?? 0);
    using applier = new WeightApplier(engine, owner.sealForOne(weights), systemRng);
    const [first, second] = [applier.applyToOne(row), applier.applyToOne(row)].map((answer) => owner.open(answer, linearDegree));
    assert.equal(first?.[0], scores[0]);
    assert.equal(second?.[0], scores[0]);
    const same = first?.reduce((sum, value, i) => sum + Number(i > 0 && value === second?.[i]), 0) ?? 0;
    assert.isBelow(same, 5, "two answers about one company agree in the score alone");
  });
  it("of one company at several providers open together alone, also at sixteen", () => {
    const draw = (): bigint => BigInt(`0x${Buffer.from(systemRng(16)).toString("hex")}`);
    for (const providers of [2, 16]) {
      const masks = Array.from({ length: providers - 1 }, () => [draw(), draw(), draw()]);
      const cancel = [...masks, [0, 1, 2].map((k) => -masks.reduce((sum, mask) => sum + (mask[k] ?? 0n), 0n))];
      const parts = cancel.map((mask, i) => {
        const { weights, codes, scores } = table(1, 8, `many${providers}/${i}`);
        using applier = new WeightApplier(engine, owner.sealForOne(weights), systemRng);
        return { score: scores[0] ?? 0, answer: applier.applyToOne(Int16Array.from(codes, (c) => c[0] ?? 0), { mask, providers }) };
      });
      assert.equal(owner.openOne(parts.map((p) => p.answer)), parts.reduce((sum, p) => sum + p.score, 0));
      assert.isBelow(parts.filter((p) => owner.openOne([p.answer]) === p.score).length, 2);
    }
    assert.equal(codeOf(() => owner.openOne([])), "KERNEL_TEXT");
    assert.equal(codeOf(() => owner.openOne([new Uint8Array(9)])), "KERNEL_TEXT");
  });
  it("of two providers under masks that cancel add up to the score, and neither part alone is it", () => {
    const [a, b] = [table(500, 6, "a"), table(500, 4, "b")];
    const mask = uniformPlain(systemRng, 500);
    const partA = opened(owner.seal(a.weights), a.codes, 500, mask);
    const partB = opened(owner.seal(b.weights), b.codes, 500, mask.map((m) => wrap(-m)));
    assert.deepEqual(partA.map((x, i) => wrap(x + (partB[i] ?? 0))), a.scores.map((x, i) => x + (b.scores[i] ?? 0)));
    assert.isBelow(partA.reduce((sum, x, i) => sum + Number(x === a.scores[i]), 0), 5);
  });
  it("open under a key that was kept and restored", () => {
    const { weights, codes, scores } = table(40, 3, "kept");
    using restored = ModelOwner.restore(engine, owner.keys);
    using applier = new WeightApplier(engine, restored.seal(weights), systemRng);
    assert.deepEqual(owner.open(applier.apply(codes, 0, 40), 40), scores);
  });

  describe("what an answer hides", () => {
    it("both polynomials of two answers to the same question differ everywhere", () => {
      const { weights, codes } = table(100, 2, "fresh");
      using applier = new WeightApplier(engine, owner.seal(weights), systemRng);
      const [one, two] = [applier.apply(codes, 0, 100), applier.apply(codes, 0, 100)];
      assert.equal(one.length, two.length);
      const words = (bytes: Uint8Array): BigUint64Array => new BigUint64Array(bytes.slice(bytes.length - 16 * linearDegree).buffer);
      const [x, y] = [words(one), words(two)];
      assert.equal(x.reduce((sum, word, i) => sum + Number(word === y[i]), 0), 0);
    });
    it("the noise that the owner can compute is the flood's: without it, it would tell the codes apart", () => {
      const budgetOf = (answer: Uint8Array): number => {
        using scope = new Scope();
        const secret = new engine.seal.SecretKey();
        secret.loadFromArray(engine.context, owner.keys.secretKey);
        scope.keep(secret);
        return scope.keep(new engine.seal.Decryptor(engine.context, secret)).invariantNoiseBudget(scope.keep(engine.cipher(answer)));
      };
      const { weights, codes } = table(100, 2, "noise");
      const model = owner.seal(weights);
      using applier = new WeightApplier(engine, model, systemRng);
      // SEAL's measure of what decoding has left: an answer without a flood has about 110 bits, most of them known to the owner.
      assert.isAtMost(budgetOf(applier.apply(codes, 0, 100)), 2);
      assert.isAtLeast(budgetOf(applier.apply(codes, 0, 100)), 1);
    });
    it("the flood is uniform over its range: residues of one integer, all bits of it random", () => {
      const plan = floodPlan(engine.primes);
      const [p1, p2, p3] = engine.primes;
      const q = p1 * p2 * p3;
      const degree = 4096;
      const words = new BigUint64Array(3 * degree);
      addFlood(words, degree, plan, systemRng);
      const power = (base: bigint, e: bigint, p: bigint): bigint => (e === 0n ? 1n : (power((base * base) % p, e >> 1n, p) * (e & 1n ? base : 1n)) % p);
      const lift = (i: number): bigint => [p1, p2, p3].reduce((sum, p, k) => {
        const rest = q / p;
        return (sum + (words[k * degree + i] as bigint) * rest * power(rest % p, p - 2n, p)) % q;
      }, 0n);
      const range = (p1 * p2) << BigInt(floodBits);
      const values = Array.from({ length: degree }, (_, i) => (lift(i) + range / 2n) % q);
      assert.isTrue(values.every((v) => v < range), "inside its range");
      for (const bits of [0n, 53n, 54n, 100n, 124n, 128n]) {
        const cells = new Int32Array(16);
        for (const v of values) cells[Number((v >> bits) & 15n)] = (cells[Number((v >> bits) & 15n)] ?? 0) + 1;
        const chi = cells.reduce((sum, n) => sum + (n - degree / 16) ** 2 / (degree / 16), 0);
        // The top four bits are not quite uniform: the range is no power of two.
        if (bits < 128n) assert.isBelow(chi, 60, `bits from ${bits}`);
        else assert.isAbove(cells.reduce((sum, n) => sum + Number(n > 0), 0), 8);
      }
    });
  });

  describe("refused", () => {
    const small = (): SealedModel => owner.seal(Int32Array.of(1, 2));
    it("a key that is not in its short form: its second half could be chosen to hide nothing", () => {
      using scope = new Scope();
      const key = scope.keep(new engine.seal.PublicKey());
      const { publicKey, weights } = small();
      key.loadFromArray(engine.context, publicKey);
      assert.equal(codeOf(() => new WeightApplier(engine, { publicKey: engine.save(key), weights }, systemRng)), "KERNEL_TEXT");
    });
    it("a whole key that hides nothing, packed into no more bytes than the short form has", () => {
      using scope = new Scope();
      const { publicKey, weights } = small();
      const key = scope.keep(new engine.seal.PublicKey());
      key.loadFromArray(engine.context, publicKey);
      // Its numbers are zeros: so is what is encrypted under it.
      const whole = engine.save(key).slice();
      whole.fill(0, whole.length - 2 * 4 * linearDegree * 8);
      key.loadFromArray(engine.context, whole);
      const { zlib, zstd } = engine.seal.ComprModeType;
      const packed = [zlib, zstd].map((mode) => (key.saveToArray(mode) as Uint8Array).slice());
      // Its numbers alone are packed: behind the head of the whole and what the text is.
      const [numbersAt, headBytes] = [16 + 73, 16];
      const numbers = deflateSync(whole.subarray(numbersAt + headBytes));
      const inner = Buffer.concat([whole.subarray(0, numbersAt + headBytes), numbers]);
      inner.writeBigUInt64LE(BigInt(inner.length), 8);
      inner[numbersAt + 5] = 1;
      inner.writeBigUInt64LE(BigInt(headBytes + numbers.length), numbersAt + 8);
      for (const bytes of [...packed, inner]) {
        const bad = new Uint8Array(publicKey.length);
        bad.set(bytes);
        // SEAL takes it.
        key.loadFromArray(engine.context, bad);
        assert.deepEqual(engine.save(key), whole);
        assert.equal(codeOf(() => new WeightApplier(engine, { publicKey: bad, weights }, systemRng)), "KERNEL_TEXT");
      }
    });
    it("bytes that are no key, no text, or cut", () => {
      const { publicKey, weights } = small();
      const [text = new Uint8Array()] = weights;
      for (const bad of [new Uint8Array(), new Uint8Array(100), text.slice(0, -1), systemRng(text.length), publicKey]) {
        assert.equal(codeOf(() => new WeightApplier(engine, { publicKey, weights: [text, bad] }, systemRng)), "KERNEL_TEXT");
        assert.equal(codeOf(() => owner.open(bad, 1)), "KERNEL_TEXT");
      }
      assert.equal(codeOf(() => new WeightApplier(engine, { publicKey: text, weights }, systemRng)), "KERNEL_TEXT");
    });
    it("another number of columns, short columns, codes and weights beyond their range", () => {
      using applier = new WeightApplier(engine, small(), systemRng);
      const column = new Int16Array(10).fill(1);
      assert.equal(codeOf(() => applier.apply([column], 0, 10)), "KERNEL_COLUMNS");
      assert.equal(codeOf(() => applier.apply([column, column], 5, 10)), "KERNEL_COLUMNS");
      assert.equal(codeOf(() => applier.apply([column, new Int16Array(10).fill(maxCode + 1)], 0, 10)), "KERNEL_RANGE");
      assert.equal(codeOf(() => applier.apply([column, column], 0, 10, new Int32Array(9))), "KERNEL_RANGE");
      assert.equal(codeOf(() => owner.seal(Int32Array.of(maxWeight + 1))), "KERNEL_RANGE");
      assert.equal(codeOf(() => owner.seal(new Int32Array())), "KERNEL_RANGE");
      assert.equal(codeOf(() => requireFits(new Int32Array(1024).fill(maxWeight), maxCode)), "KERNEL_RANGE");
      assert.equal(requireFits(Int32Array.of(-3, 4), 10), 70);
    });
  });

  it("release what they make: as many handles are deleted as were made, whether it goes well or not", () => {
    const { seal } = engine;
    let live = 0;
    const counted = ["Plaintext", "Ciphertext", "Encryptor", "Decryptor", "Evaluator", "PublicKey"] as const;
    const real = Object.fromEntries(counted.map((name) => [name, seal[name]]));
    for (const name of counted) {
      const made = seal[name] as unknown as new (...args: unknown[]) => { delete(): void };
      Object.assign(seal, { [name]: function (...args: unknown[]) {
        const handle = new made(...args);
        live++;
        const release = handle.delete.bind(handle);
        handle.delete = () => {
          live--;
          release();
        };
        return handle;
      } });
    }
    try {
      const { weights, codes } = table(64, 8, "memory");
      const model = owner.seal(weights);
      const applier = new WeightApplier(engine, model, systemRng);
      owner.open(applier.apply(codes, 0, 64), 64);
      codeOf(() => applier.apply([...codes.slice(1), new Int16Array(64).fill(maxCode + 1)], 0, 64));
      codeOf(() => owner.open(new Uint8Array(9), 1));
      assert.isAbove(live, 8, "the weights are still there");
      applier[Symbol.dispose]();
      codeOf(() => new WeightApplier(engine, { ...model, weights: [...model.weights, new Uint8Array(9)] }, systemRng));
      assert.equal(live, 0);
    } finally {
      Object.assign(seal, real);
    }
  });
});
