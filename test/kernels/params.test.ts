// The reviewed parameter table and the public polynomials, pinned.
import { createHash } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import { expandCrs } from "../../kernels/crs.ts";
import { answerBytes, dataBlocks, queryBytes, requireSumsParams } from "../../kernels/params.ts";
import { hintBytesPerCell, modulus, queryBytesPerCoefficient, sumsParams } from "../../kernels/params.ts";
import { hasCanonicalResidues } from "../../kernels/residues.ts";
import { indexedStreams, sampleBelow, sampleTrits } from "../../kernels/streams.ts";
import { polyBytes } from "../../kernels/wasm.ts";
import { bytesOf, packQuery, rngOf } from "./support.ts";

describe("kernels: parameters", () => {
  it("the table equals the reviewed one", () => {
    assert.deepEqual({ ...sumsParams, primes: [...sumsParams.primes] }, {
      degree: 4096, primes: [66969601, 66994177, 67043329, 67084289], binomial: 21, secret: "ternary", floodTerms: 8, floodBits: 62,
      hintDrop: 52, hintBits: 52, answerDrop: 60, answerBits: 44, maxTBits: 38, maxRows: 1048576,
    });
    assert.closeTo(Math.log2(Number(modulus)), 103.993, 0.001);
    assert.equal(modulus, sumsParams.primes.reduce((product, p) => product * BigInt(p), 1n));
    for (const p of sumsParams.primes) assert.equal(p % 8192, 1);
    assert.equal(hintBytesPerCell, 6.5 * 4096);
    assert.equal(queryBytesPerCoefficient, 13);
    assert.equal(queryBytes(30_000), 9 * 4096 * 13);
    assert.equal(answerBytes(736), 4048);
  });

  it("any other set is refused", () => {
    requireSumsParams({ ...sumsParams });
    const primes27 = [134176769, 134111233, 134094849, 134012929];
    const sizes = [{ degree: 8192 }, { primes: [67084289] }, { primes: primes27 }, { binomial: 20 }];
    const others = [...sizes, { floodBits: 53 }, { floodTerms: 1 }, { hintDrop: 60 }, { maxTBits: 48 }];
    for (const other of others) assert.throws(() => requireSumsParams({ ...sumsParams, ...other }), /KERNEL_PARAMS/);
    const more = { ...sumsParams, debug: 1 };
    assert.throws(() => requireSumsParams(more), /KERNEL_PARAMS/);
    assert.throws(() => dataBlocks(sumsParams.maxRows + 1), /KERNEL_RANGE/);
    assert.throws(() => dataBlocks(0), /KERNEL_RANGE/);
  });

  it("the decode bound holds: flood, hint rounding, answer rounding and noise stay below q / 2t", () => {
    const rows = BigInt(sumsParams.maxRows);
    const flood = 1n << 64n;
    const hint = 4096n << 51n;
    const answer = 1n << 59n;
    // <X, e> at 8-bit codes, <r, e'>, <z, s>, and half a unit of encoding per row and for the mask.
    const noise = rows * 21n * 128n + 2n * 4096n * 21n + (rows * 128n) / 2n + 1n;
    const total = flood + hint + answer + noise;
    assert.isTrue(2n * total * (1n << BigInt(sumsParams.maxTBits)) < modulus);
    assert.isFalse(2n * total * (1n << BigInt(sumsParams.maxTBits + 1)) < modulus, "t has no bit to spare");
  });

  it("the public polynomials are pinned: rejection sampling from the seed, one stream a block", () => {
    const crs = expandCrs(bytesOf("crs vector"));
    const out = new Uint32Array(polyBytes / 4);
    const digest = () => createHash("sha256").update(out).digest("hex");
    crs.block(0, out);
    assert.deepEqual([...out.subarray(0, 8)], vectors.first);
    assert.equal(digest(), vectors.block0);
    for (const [i, x] of out.entries()) assert.isBelow(x, sumsParams.primes[i & 3] ?? 0);
    crs.block(1, out);
    assert.equal(digest(), vectors.block1);
    crs.dummy(out);
    assert.equal(digest(), vectors.dummy);
    assert.throws(() => expandCrs(new Uint8Array(31)), /KERNEL_PARAMS/);
  });

  it("rejection sampling skips words that are not below the prime, and nothing else", () => {
    const p = sumsParams.primes[0] ?? 0;
    const stream = new Uint32Array(1024);
    // p and 2^26 - 1 are rejected, p - 1 is kept; bits above 26 are ignored.
    stream.set([p, p - 1, 0x3ffffff, 5, 0xfc000007, (p + 1) | 0xf0000000]);
    const out = new Uint32Array(5);
    sampleBelow(p, () => new Uint8Array(stream.buffer), out, 0, 1, 5);
    assert.deepEqual([...out], [p - 1, 5, 7, 0, 0]);
  });

  it("ternary secrets are uniform over the three values in every digit", () => {
    const bytes = [255, 243, 242, 0];
    const scripted = new Uint8Array(1024).fill(121);
    scripted.set(bytes);
    assert.deepEqual([...sampleTrits(() => scripted).subarray(0, 3)], [242, 0, 121], "bytes >= 243 are rejected");
    const counts = Array.from({ length: 5 }, () => [0, 0, 0]);
    const rng = rngOf("trits");
    for (let round = 0; round < 30; round++) {
      for (const byte of sampleTrits(rng)) {
        for (const [k, digit] of counts.entries()) {
          const value = Math.floor(byte / 3 ** k) % 3;
          digit[value] = (digit[value] ?? 0) + 1;
        }
      }
    }
    for (const digit of counts) for (const count of digit) assert.isBelow(Math.abs(count - 8200), 6 * Math.sqrt(24_600 * (2 / 9)));
  });

  it("streams of other indexes or purposes are independent", () => {
    const seed = bytesOf("streams");
    const take = (purpose: string, index: number) => Buffer.from(indexedStreams(seed, purpose)(index)(64)).toString("hex");
    const seen = [take("a", 0), take("a", 1), take("a", 256), take("b", 0), take("b", 1)];
    assert.equal(new Set(seen).size, seen.length);
    assert.equal(take("a", 0), seen[0]);
  });

  it("the arrival check knows canonical residues in every lane", () => {
    const good = packQuery(3, (_, lane) => (sumsParams.primes[lane] ?? 0) - 1);
    assert.isTrue(hasCanonicalResidues(good));
    for (let lane = 0; lane < 4; lane++) {
      for (const bad of [sumsParams.primes[lane] ?? 0, 0x3ffffff]) {
        assert.isFalse(hasCanonicalResidues(packQuery(3, (i, k) => (i === 2 && k === lane ? bad : 0))), `lane ${lane}`);
      }
    }
    assert.isFalse(hasCanonicalResidues(good.subarray(1)));
    assert.isTrue(hasCanonicalResidues(new Uint8Array(0)));
  });
});

/** Computed by an independent program (HKDF, ChaCha20 and the sampling written out) from the seed SHA-256("crs vector"). */
const vectors = {
  first: [3079321, 46252269, 64441018, 64146399, 47358392, 16179191, 29139722, 41308918],
  block0: "f1602fd51d3ec58dee8a131878ec8ea09d227d93a50520331b59d6622c97f41e",
  block1: "704bddb798214fdbf6de2c921287e42fbf553b45e6cb1aba3d267e318f950c7d",
  dummy: "b5b43a798aeb04d1f12089ab3a7ebacac0cc3629c348a5700e2710ab509655bc",
};
