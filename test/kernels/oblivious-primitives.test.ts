// The pieces under the oblivious transfer: hash against published vectors, matrices and codes against plain loops, the binary against its source.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { buildWasm, wasmBuilds } from "../../kernels/build.ts";
import { blake2sState, useSession } from "../../kernels/oblivious/blake2s.ts";
import { bch, messageBytes, picksOf, rowBytes, walshHadamard, wordTables, type LinearCode } from "../../kernels/oblivious/code.ts";
import { binsPerTable, HashedIds, packIds } from "../../kernels/oblivious/ids.ts";
import { SetGuest } from "../../kernels/oblivious/set-guest.ts";
import { ObliviousWasm, obliviousWasmUrl } from "../../kernels/oblivious/wasm.ts";
import { popcount } from "../support/uniform.ts";
import { rngOf } from "./support.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const zeroSession = new Uint8Array(16);
const bit = (bytes: Uint8Array, i: number): number => ((bytes[i >> 3] ?? 0) >> (i & 7)) & 1;

describe("oblivious kernels: the binary", () => {
  it("is what its source compiles to", async () => {
    const build = wasmBuilds.find(({ wasm }) => wasm.href === obliviousWasmUrl.href);
    assert.isDefined(build);
    assert.deepEqual(Buffer.from(await buildWasm(build.source)), await readFile(obliviousWasmUrl));
  });
});

describe("oblivious kernels: BLAKE2s", () => {
  /** The digests of texts as far as `hashIds` keeps them: 76 bits, then words 4 to 6 (positions of 2^32 bins are the words themselves). */
  function digestsOf(texts: readonly string[], session: Uint8Array): string[] {
    const wasm = new ObliviousWasm();
    const { text, offsets } = packIds(texts);
    const [at, state] = [wasm.place(text), wasm.allocate(32)];
    const offsetsAt = wasm.place(new Uint8Array(offsets.buffer));
    const slots = wasm.place(new Uint8Array(Int32Array.from(texts, (_, i) => i).buffer));
    const [words, positions] = [wasm.allocate(16 * texts.length), wasm.allocate(12 * texts.length)];
    useSession(wasm, state, blake2sState(session));
    wasm.fn.hashIds(at, offsetsAt, slots, texts.length, texts.length, 2n ** 32n, words, positions);
    return texts.map((_, i) => {
      const tail = [0, 1, 2].map((t) => wasm.bytes.slice(positions + 4 * (t * texts.length + i), positions + 4 * (t * texts.length + i) + 4));
      return hex(wasm.bytes.slice(words + 16 * i, words + 16 * i + 10)) + hex(Buffer.concat(tail));
    });
  }
  /** The same bytes of a whole digest. */
  const kept = (digest: string): string => digest.slice(0, 18) + `0${digest.slice(19, 20)}` + digest.slice(32, 56);

  it("gives the vector of RFC 7693 appendix B, and the digests of OpenSSL for every length around block ends, in any lane", () => {
    assert.deepEqual(digestsOf(["abc"], zeroSession), [kept("508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982")]);
    const texts = [0, 1, 18, 63, 64, 65, 127, 128, 129, 200, 300, 7, 64, 2].map((length, i) => String.fromCharCode(97 + i).repeat(length));
    assert.deepEqual(digestsOf(texts, zeroSession), texts.map((text) => kept(createHash("blake2s256").update(text).digest("hex"))));
  });
  it("gives the digests of Python's hashlib with salt and personalisation", () => {
    const session = Uint8Array.from({ length: 16 }, (_, i) => i);
    assert.deepEqual(digestsOf(["yunei", ""], session), [
      kept("ea1e7ee8efcf27e019e69df2323f1d495dbd56fc68693e5760f113912e2bf0c5"), kept("e6b3d691f9b420e9e5e4b7e857b0dab9f898e794a3b34f8ec0af1221f6c2cf4d"),
    ]);
  });
  it("hashes text outside ASCII as its UTF-8 bytes", () => {
    const texts = ["北京银行", "abc", "é"];
    assert.deepEqual(digestsOf(texts, zeroSession), texts.map((text) => kept(createHash("blake2s256").update(text).digest("hex"))));
  });
  it("makes pads that are the hash of row, number and part, for every length", () => {
    const wasm = new ObliviousWasm();
    const rows = Uint8Array.from(rngOf("rows")(3 * rowBytes), (x, i) => (i % rowBytes < 32 ? x : 0));
    const words = Uint8Array.from(rngOf("words")(2 * rowBytes), (x, i) => (i % rowBytes < 32 ? x : 0));
    const [rowsAt, wordsAt, state, out] = [wasm.place(rows), wasm.place(words), wasm.allocate(32), wasm.allocate(3 * 2 * 70)];
    useSession(wasm, state, blake2sState(zeroSession));
    for (const bytes of [1, 11, 32, 33, 70]) {
      wasm.fn.padRows(rowsAt, 1000, 3, wordsAt, 2, bytes, out);
      for (let row = 0; row < 3; row++) {
        for (const choice of [0, 1]) {
          const parts = Array.from({ length: Math.ceil(bytes / 32) }, (_, part) => {
            const block = new Uint8Array(64);
            for (let k = 0; k < 32; k++) block[k] = (rows[row * rowBytes + k] ?? 0) ^ (words[choice * rowBytes + k] ?? 0);
            new DataView(block.buffer).setUint32(32, 1000 + row, true);
            new DataView(block.buffer).setUint32(36, part, true);
            return createHash("blake2s256").update(block).digest();
          });
          const at = out + (row * 2 + choice) * bytes;
          assert.equal(hex(wasm.bytes.slice(at, at + bytes)), hex(Buffer.concat(parts).subarray(0, bytes)));
        }
      }
    }
  });
});

describe("oblivious kernels: matrices", () => {
  it("turn columns into rows and rows into columns as plain loops do", () => {
    for (const [columns, rows, stride] of [[16, 128, 16], [480, 640, 144], [256, 1152, 208]] as const) {
      const wasm = new ObliviousWasm();
      const input = rngOf(`columns ${columns}`)(columns * stride);
      const [from, to] = [wasm.place(input), wasm.allocate(rows * rowBytes)];
      wasm.fn.columnsToRows(from, stride, columns, rows, to);
      for (let r = 0; r < rows; r++) {
        const row = wasm.bytes.slice(to + r * rowBytes, to + (r + 1) * rowBytes);
        for (let c = 0; c < columns; c++) if (bit(row, c) !== bit(input.subarray(c * stride), r)) assert.fail(`column ${c}, row ${r}`);
        assert.isTrue(row.subarray(columns / 8).every((x) => x === 0), "the rest of a row is left alone");
      }
    }
    const wasm = new ObliviousWasm();
    const words = rngOf("rows")(16 * 256);
    const [from, to] = [wasm.place(words), wasm.allocate(80 * 48)];
    wasm.fn.rowsToColumns(from, 256, 80, to, 48);
    for (let r = 0; r < 256; r++) {
      for (let c = 0; c < 80; c++) assert.equal(bit(wasm.bytes.subarray(to + 48 * c), r), bit(words.subarray(16 * r), c));
    }
  });
});

describe("oblivious kernels: codes", () => {
  const encode = (code: LinearCode, message: Uint8Array): Uint8Array => {
    const word = new Uint8Array(rowBytes);
    for (let i = 0; i < 8 * messageBytes(code); i++) if (bit(message, i)) for (let k = 0; k < rowBytes; k++) word[k] = (word[k] ?? 0) ^ (code.rows[i * rowBytes + k] ?? 0);
    return word;
  };
  const weight = (word: Uint8Array): number => word.reduce((sum, byte) => sum + popcount(byte), 0);

  it("Walsh-Hadamard: any two of its 256 words differ in exactly 128 of 256 places", () => {
    const code = walshHadamard();
    for (let c = 1; c < 256; c++) assert.equal(weight(encode(code, Uint8Array.of(c))), 128);
  });
  it("BCH: has the dimension of the published [511, 76, 171] code, and no word that was looked at is lighter than its distance", () => {
    const code = bch();
    assert.deepEqual([code.columns, code.bits, code.distance], [480, 76, 140]);
    const rng = rngOf("messages");
    let lightest = 480;
    for (let i = 0; i < 3000; i++) {
      const message = rng(10);
      message[9] = (message[9] ?? 0) & 15;
      if (i < 76) message.fill(0).set([1 << (i & 7)], i >> 3);
      lightest = Math.min(lightest, weight(encode(code, message)));
    }
    assert.isAtLeast(lightest, code.distance);
    for (const unused of [76, 77, 78, 79]) assert.equal(weight(code.rows.subarray(unused * rowBytes, (unused + 1) * rowBytes)), 0);
  });
  it("BCH: every word has the roots that its distance rests on", () => {
    // Before the last 31 places were dropped: the generator is the first row, shifted words are multiples of it.
    const { rows } = bch();
    const degree = 435;
    const powers = [1];
    for (let i = 1; i < 511; i++) powers.push(((powers[i - 1] ?? 0) << 1) ^ ((powers[i - 1] ?? 0) & 256 ? 0x211 : 0));
    assert.equal(new Set(powers).size, 511, "the field's polynomial is primitive");
    for (let root = 1; root <= 170; root++) {
      let value = 0;
      for (let i = 0; i <= degree; i++) if (bit(rows, i)) value ^= powers[(i * root) % 511] ?? 0;
      assert.equal(value, 0, `a^${root}`);
    }
  });
  it("tables, picks and both encoders of the module agree with the plain encoder", () => {
    for (const code of [walshHadamard(), bch()]) {
      const groups = messageBytes(code);
      const messages = Uint8Array.from(rngOf(`words ${code.bits}`)(16 * 128), (x, i) => (i % 16 >= groups ? 0 : i % 16 === 9 ? x & 15 : x));
      const wasm = new ObliviousWasm();
      const words = wasm.place(messages);
      const rows = wasm.allocate(128 * rowBytes);
      const full = new Uint8Array(rowBytes).fill(255);
      wasm.fn.addWords(rows, words, 128, wasm.place(wordTables(code, full)), groups);
      const [wordColumns, columns] = [wasm.allocate(8 * groups * 16), wasm.allocate(code.columns * 16)];
      wasm.fn.rowsToColumns(words, 128, 8 * groups, wordColumns, 16);
      wasm.fn.addCode(wordColumns, groups, wasm.place(picksOf(code)), wasm.allocate(4096 * groups), code.columns, 16, 1, columns);
      for (let i = 0; i < 128; i++) {
        const word = encode(code, messages.subarray(16 * i));
        assert.deepEqual(wasm.bytes.slice(rows + i * rowBytes, rows + (i + 1) * rowBytes), word);
        for (let c = 0; c < code.columns; c++) assert.equal(bit(wasm.bytes.subarray(columns + 16 * c), i), bit(word, c));
      }
    }
  });
  it("the random sums of the check are what plain loops give", () => {
    const rng = rngOf("fold");
    for (const stride of [16, 64]) {
      const wasm = new ObliviousWasm();
      const [rows, weights] = [rng(50 * stride), rng(50 * 16)];
      const [rowsAt, weightsAt, buckets, out] = [wasm.place(rows), wasm.place(weights), wasm.allocate(4096 * stride), wasm.allocate(128 * stride)];
      wasm.fn.foldRows(rowsAt, stride, 50, weightsAt, buckets);
      wasm.fn.finishFold(buckets, stride, out);
      for (let j = 0; j < 128; j++) {
        const sum = new Uint8Array(stride);
        for (let r = 0; r < 50; r++) if (bit(weights.subarray(16 * r), j)) for (let k = 0; k < stride; k++) sum[k] = (sum[k] ?? 0) ^ (rows[r * stride + k] ?? 0);
        assert.deepEqual(wasm.bytes.slice(out + j * stride, out + (j + 1) * stride), sum);
      }
    }
  });
});

describe("oblivious kernels: tables of ids", () => {
  const idsOf = (count: number): string[] => Array.from({ length: count }, (_, i) => `91${1_000_000_007 * i}`);
  const slotsOf = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i);

  it("the cuckoo table holds each id once, in one of its own three bins", () =>
    fc.assert(fc.property(fc.integer({ min: 1, max: 3000 }), fc.uint8Array({ minLength: 16, maxLength: 16 }), (count, salt) => {
      const wasm = new ObliviousWasm();
      const bins = binsPerTable(count);
      const ids = new HashedIds(wasm, count, bins);
      ids.add(packIds(idsOf(count)), slotsOf(count), salt);
      const table = wasm.allocate(12 * bins);
      wasm.words(table, 3 * bins).fill(-1);
      assert.equal(wasm.fn.cuckoo(ids.positions, count, bins, table, 1, 1000), 1);
      const held = wasm.words(table, 3 * bins);
      const positions = wasm.words(ids.positions, 3 * count);
      const found = new Set<number>();
      for (const [bin, element] of held.entries()) {
        if (element < 0) continue;
        assert.equal(positions[Math.floor(bin / bins) * count + element], bin % bins);
        found.add(element);
      }
      assert.equal(found.size, count);
    }), { numRuns: 20, seed: 1 }));

  it("says that a table is too small instead of losing an id, and how many ids are repeated", () => {
    const salt = new Uint8Array(16).fill(3);
    const small = new SetGuest(1000, 334);
    small.add(packIds(idsOf(1000)), slotsOf(1000), salt);
    assert.deepEqual(small.build(salt), { fits: false, repeats: 0 });
    const twice = new SetGuest(5);
    twice.add(packIds(["a", "b", "a", "c", "a"]), slotsOf(5), salt);
    assert.deepEqual(twice.build(salt), { fits: false, repeats: 2 });
  });
});
