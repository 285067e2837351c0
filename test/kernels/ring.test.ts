// The arithmetic under the kernel, against schoolbook products and big integers; the binary against its source.
import { readFile } from "node:fs/promises";
import { assert } from "chai";
import { describe, it } from "mocha";
import { buildSums } from "../../kernels/build.ts";
import { modulus, ringDegree, sumsParams } from "../../kernels/params.ts";
import { polyBytes, sumsWasmUrl, SumsWasm } from "../../kernels/wasm.ts";
import { fromResidues, hintCoefficient, integers, negacyclicProduct, rngOf, unpackCoefficient } from "./support.ts";

const words = 4 * ringDegree;

describe("kernels: ring", () => {
  it("the committed WASM binary is what its source compiles to", async () => {
    assert.deepEqual(Buffer.from(await buildSums()), await readFile(sumsWasmUrl));
  });

  it("transforms multiply as the schoolbook negacyclic product does", () => {
    const rng = rngOf("schoolbook");
    const a = Uint32Array.from(integers(rng, words, 2 ** 26), (x, i) => x % (sumsParams.primes[i & 3] ?? 1));
    // A sparse factor keeps the schoolbook quick; it has the wrap-around (4095), the constant and random places.
    const places = [0, 1, 4095, 2048, ...integers(rng, 40, ringDegree)];
    const b = new Uint32Array(words);
    for (const i of places) b.set(integers(rng, 4, 2 ** 26).map((x, lane) => x % (sumsParams.primes[lane] ?? 1)), 4 * i);
    const expected = new Uint32Array(words);
    for (const [lane, p] of sumsParams.primes.entries()) {
      for (const i of new Set(places)) {
        for (let j = 0; j < ringDegree; j++) {
          const product = Number((BigInt(a[4 * j + lane] ?? 0) * BigInt(b[4 * i + lane] ?? 0)) % BigInt(p));
          const at = 4 * ((i + j) % ringDegree) + lane;
          expected[at] = ((expected[at] ?? 0) + (i + j < ringDegree ? product : p - product)) % p;
        }
      }
    }
    const got = negacyclicProduct(new SumsWasm(), a, b);
    assert.deepEqual(got, expected);
  });

  it("worst-case operands stay inside their lanes", () => {
    const wasm = new SumsWasm();
    const top = Uint32Array.from({ length: words }, (_, i) => (sumsParams.primes[i & 3] ?? 1) - 1);
    // (-1 - x - ... - x^4095)^2: coefficient k is (k + 1) - (4095 - k) = 2k - 4094.
    const square = negacyclicProduct(wasm, top, top);
    for (let k = 0; k < ringDegree; k++) {
      for (const [lane, p] of sumsParams.primes.entries()) assert.equal(square[4 * k + lane], (2 * k - 4094 + p) % p);
    }
    // Forward values of inputs just below 2p end below 26 p, as the comment in ntt.ts says.
    const poly = wasm.allocate(polyBytes);
    wasm.words(poly, words).set(Uint32Array.from({ length: words }, (_, i) => 2 * (sumsParams.primes[i & 3] ?? 1) - 1));
    wasm.fn.forward(poly);
    for (const [i, x] of wasm.words(poly, words).entries()) assert.isBelow(x, 26 * (sumsParams.primes[i & 3] ?? 1));
  });

  it("the table look-ups for 0/1 columns equal the plain transform, also with row 0 in the column", () => {
    const wasm = new SumsWasm();
    const [list, masks, acc] = [wasm.allocate(8192), wasm.allocate(512), wasm.allocate(2 * polyBytes)] as const;
    const [scratch, times, out] = [wasm.allocate(polyBytes), wasm.allocate(polyBytes), wasm.allocate(polyBytes)] as const;
    for (const rows of [[0], [4095], [], Array.from({ length: ringDegree }, (_, i) => i), [0, 5, 256, 257, 2048, 4000]]) {
      const rng = rngOf(`bits/${rows.length}`);
      const factor = Uint32Array.from(integers(rng, words, 2 ** 26), (x, i) => x % (sumsParams.primes[i & 3] ?? 1));
      new Uint16Array(wasm.fn.memory.buffer, list, rows.length).set(rows.map((r) => 16 * r));
      wasm.words(times, words).set(factor);
      wasm.bytes.fill(0, acc, acc + 2 * polyBytes);
      wasm.fn.bitMasks(list, rows.length, masks);
      wasm.fn.multiplyBitsInto(acc, masks, scratch, times);
      wasm.fn.foldTo(out, acc);
      const got = wasm.words(out, words).slice();
      const reversed = new Uint32Array(words);
      for (const r of rows) {
        for (const [lane, p] of sumsParams.primes.entries()) reversed[4 * ((ringDegree - r) % ringDegree) + lane] = r === 0 ? 1 : p - 1;
      }
      wasm.words(scratch, words).set(reversed);
      wasm.bytes.fill(0, acc, acc + 2 * polyBytes);
      wasm.fn.multiplyInto(acc, scratch, times);
      wasm.fn.foldTo(out, acc);
      const expected = wasm.words(out, words);
      for (const [i, x] of got.entries()) {
        const p = sumsParams.primes[i & 3] ?? 1;
        assert.equal(x % p, (expected[i] ?? 0) % p);
      }
    }
  });

  it("hint coefficients are the nearest multiples of 2^52 of the integer mod q", () => {
    const wasm = new SumsWasm();
    const [poly, noise, out] = [wasm.allocate(polyBytes), wasm.allocate(6 * ringDegree), wasm.allocate(26624)] as const;
    const residues = Uint32Array.from(integers(rngOf("hint"), words, 2 ** 26), (x, i) => x % (sumsParams.primes[i & 3] ?? 1));
    // Borders: 0, q - 1, and values half-way between two multiples.
    const special = [0n, modulus - 1n, 1n << 51n, (1n << 51n) - 1n, (3n << 51n) + 7n, modulus / 2n, modulus - (1n << 51n)];
    for (const [i, x] of special.entries()) residues.set(sumsParams.primes.map((p) => Number(x % BigInt(p))), 4 * i);
    // `inverse` leaves a factor N, which finishHint divides out.
    wasm.words(poly, words).set(residues.map((x, i) => Number((BigInt(x) * 4096n) % BigInt(sumsParams.primes[i & 3] ?? 1))));
    wasm.fn.finishHint(poly, noise, out);
    const cell = wasm.bytes.slice(out, out + 26624);
    for (let i = 0; i < ringDegree; i++) {
      const exact = fromResidues(residues.subarray(4 * i, 4 * i + 4));
      assert.equal(hintCoefficient(cell, i), (exact + (1n << 51n)) >> 52n);
    }
  });

  it("hint noise is centred binomial with variance 10.5 and never above 21", () => {
    const wasm = new SumsWasm();
    const [poly, noise, out] = [wasm.allocate(polyBytes), wasm.allocate(6 * ringDegree), wasm.allocate(53264)] as const;
    let sum = 0;
    let squares = 0;
    const rounds = 8;
    wasm.fn.setModulus(38);
    for (let round = 0; round < rounds; round++) {
      wasm.bytes.set(rngOf(`noise/${round}`)(6 * ringDegree), noise);
      wasm.bytes.fill(0, poly, poly + polyBytes);
      wasm.fn.finishBlock(poly, noise, 0, 0, BigInt.asUintN(38, modulus), 38, out);
      for (let i = 0; i < ringDegree; i++) {
        const first = unpackCoefficient(wasm.bytes.subarray(out + 13 * i, out + 13 * i + 13), 0)[0] ?? 0;
        const e = first > 2 ** 25 ? first - (sumsParams.primes[0] ?? 0) : first;
        assert.isAtMost(Math.abs(e), 21);
        sum += e;
        squares += e * e;
      }
    }
    const n = rounds * ringDegree;
    assert.isBelow(Math.abs(sum / n), 6 * Math.sqrt(10.5 / n));
    assert.isBelow(Math.abs(squares / n - 10.5), 6 * 10.5 * Math.sqrt(2 / n));
  });
});
