// The kernel at its bounds, on the parts themselves so that floods can be chosen: decoding cannot fail, lanes cannot overflow.
import { assert } from "chai";
import { describe, it } from "mocha";
import { packAnswer, unpackAnswer } from "../../kernels/pack.ts";
import { answerBytes, blockBytes, hintBytesPerCell, modulus, ringDegree, sumsParams } from "../../kernels/params.ts";
import { HintOpener } from "../../kernels/opener.ts";
import { TernarySecret } from "../../kernels/secret.ts";
import { indexedStreams, sampleTrits, tritBytes } from "../../kernels/streams.ts";
import { SumsWasm } from "../../kernels/wasm.ts";
import { HostPart } from "../../kernels/workers/host-part.ts";
import { QuerierPart } from "../../kernels/workers/querier-part.ts";
import { bytesOf, cellsOf, centred, decodeSum, fromResidues, hintCoefficient, hintProducts, integers, packQuery, rngOf } from "./support.ts";
import { unpackCoefficient, unpackTrits } from "./support.ts";

const crsSeed = bytesOf("bounds crs");
const hintSeed = bytesOf("bounds hint");
const purpose = "hint/bounds";
const highFlood = new Uint8Array(64).fill(255);
const lowFlood = new Uint8Array(64);
const repeat = (part: Uint8Array, times: number) => Uint8Array.from({ length: part.length * times }, (_, i) => part[i % part.length] ?? 0);
const part = (kind: "bins" | "codes", rows: number) => new HostPart({ kind, rows, crsSeed, hintSeed, purpose });

function ask(values: Int32Array, tBits: number, label: string): { query: Uint8Array; secret: TernarySecret } {
  const blocks = Math.ceil(values.length / ringDegree);
  const query = new Uint8Array((blocks + 1) * blockBytes);
  const trits = sampleTrits(rngOf(`${label}/s`));
  new QuerierPart({ crsSeed, blocks }).query([{ seed: bytesOf(label), purpose: "query", trits, tBits }], values, query, 0, 1);
  return { query, secret: new TernarySecret(trits, tBits, 0) };
}

function open(host: HostPart, units: number, cells: Float64Array, secret: TernarySecret): bigint[] {
  const hints = Array.from({ length: units }, (_, u) => host.hint(u, 0));
  const products = hintProducts([secret.reveal()], hints.flatMap((h) => cellsOf(h)))[0] ?? [];
  return products.map((product, c) => BigInt.asIntN(secret.tBits, decodeSum(cells[c] ?? 0, product, secret.tBits)));
}

describe("kernels: bounds", () => {
  it("decodes the largest sums under the worst floods: all rows in one bin, rows not a multiple of 4096, empty bins", () => {
    const rows = 5001;
    const host = part("bins", rows);
    host.add(new Uint8Array(rows).fill(2), 4, 0);
    const values = new Int32Array(rows);
    values.fill(2 ** 31 - 1, 0, 64);
    values[rows - 1] = 63;
    const largest = 2n ** 37n - 1n;
    for (const [sign, label] of [[1, "plus"], [-1, "minus"]] as const) {
      const { query, secret } = ask(values.map((v) => sign * v), 38, label);
      for (const flood of [lowFlood, highFlood]) {
        const cells = host.rounded(query, [{ flood: repeat(flood, 4), tBits: 38, added: undefined }]);
        assert.deepEqual(open(host, 1, cells, secret), [0n, 0n, BigInt(sign) * largest, 0n]);
      }
    }
  });

  it("masked answers are right mod t at the ends: sum and mask t - 1, and a small t", () => {
    const rows = 4097;
    const host = part("bins", rows);
    host.add(Uint8Array.from({ length: rows }, (_, i) => i % 2), 2, 0);
    for (const tBits of [38, 20, 3]) {
      const values = new Int32Array(rows);
      values.set([3, -3]);
      const { query, secret } = ask(values, tBits, `masked/${tBits}`);
      const top = (1n << BigInt(tBits)) - 1n;
      for (const [masks, flood] of [[[top, 0n], highFlood], [[0n, top], lowFlood], [[1n, top - 2n], highFlood]] as const) {
        const cells = host.rounded(query, [{ flood: repeat(flood, 2), tBits, added: BigUint64Array.from(masks) }]);
        const sums = open(host, 1, cells, secret).map((x) => BigInt.asUintN(tBits, x));
        assert.deepEqual(sums, [BigInt.asUintN(tBits, 3n + masks[0]), BigInt.asUintN(tBits, masks[1] - 3n)]);
      }
    }
  });

  it("decodes at the sum of all worst errors, and would not a little past q / 2t", () => {
    const worst = (1n << 64n) + (1n << 63n) + (1n << 32n);
    const t = 1n << 38n;
    for (const sum of [0n, 1n, -1n, t / 2n - 1n, -t / 2n, 123_456_789_012n]) {
      for (const error of [worst, -worst]) {
        const exact = (modulus * sum) / t + error;
        const hint = 987_654_321_987n;
        const y = (((exact + (hint << 52n)) % modulus) + modulus) % modulus;
        assert.equal(BigInt.asIntN(38, decodeSum(Number((y + (1n << 59n)) >> 60n), hint, 38)), sum);
        const past = (((modulus * sum) / t + (modulus / (2n * t) + (1n << 60n)) * (error > 0n ? 1n : -1n)) % modulus + modulus) % modulus;
        assert.notEqual(BigInt.asIntN(38, decodeSum(Number((past + (1n << 59n)) >> 60n), 0n, 38)), sum);
      }
    }
  });

  it("sums a million rows of one bin of largest residues without overflow, and so does the hint", () => {
    const rows = sumsParams.maxRows;
    const blocks = rows / ringDegree;
    const host = part("bins", rows);
    host.add(new Uint8Array(rows), 2, 0);
    const top = packQuery(ringDegree, (_, lane) => (sumsParams.primes[lane] ?? 0) - 1);
    const query = new Uint8Array((blocks + 1) * blockBytes);
    for (let j = 0; j <= blocks; j++) query.set(top, j * blockBytes);
    // Every residue is -1: the answer is flood - rows - sum r_c, tiny against q if no lane overflowed.
    const trits = [0, 1].map((c) => unpackTrits(sampleTrits(indexedStreams(hintSeed, purpose)(c))).reduce((a, b) => a + b, 0));
    const flood = (1n << 64n) - 8n;
    const expected = [BigInt(-rows), 0n].map((sum, c) => Number((flood + sum - BigInt(trits[c] ?? 0) + (1n << 59n)) >> 60n));
    assert.deepEqual([...host.rounded(query, [{ flood: repeat(highFlood, 2), tBits: 38, added: undefined }])], expected);
    const { query: real, secret } = ask(new Int32Array(rows).fill(-131_071), 38, "million");
    assert.deepEqual(open(host, 1, host.rounded(real, [{ flood: repeat(lowFlood, 2), tBits: 38, added: undefined }]), secret), [-131_071n * BigInt(rows), 0n]);
  });

  it("sums a million rows of extreme codes without overflow", () => {
    const rows = sumsParams.maxRows;
    const blocks = rows / ringDegree;
    const host = part("codes", rows);
    host.add(new Int8Array(rows).fill(-128), 1, 0);
    host.add(new Int8Array(rows).fill(127), 1, 1);
    const block = packQuery(ringDegree, (i, lane) => (sumsParams.primes[lane] ?? 0) - 1 - (i % 2));
    const query = new Uint8Array((blocks + 1) * blockBytes);
    for (let j = 0; j < blocks; j++) query.set(block, j * blockBytes);
    const cells = host.rounded(query, [{ flood: repeat(highFlood, 2), tBits: 38, added: undefined }]);
    const total = BigInt(rows / 2) * 3n;
    for (const [c, code] of [-128n, 127n].entries()) {
      const y = (((((1n << 64n) - 8n - code * total) % modulus) + modulus) % modulus);
      assert.equal(cells[c], Number((y + (1n << 59n)) >> 60n));
    }
    const { query: real, secret } = ask(new Int32Array(rows).fill(1023), 38, "million codes");
    assert.deepEqual(open(host, 2, host.rounded(real, [{ flood: repeat(highFlood, 2), tBits: 38, added: undefined }]), secret), [-128n * 1023n * BigInt(rows), 127n * 1023n * BigInt(rows)]);
  });

  it("adds exactly the ternary combination of the dummy block", () => {
    const host = part("bins", 10);
    const cells = 9;
    host.add(new Uint8Array(10), cells, 0);
    const residues = integers(rngOf("dummy"), 4 * ringDegree, 2 ** 26).map((x, i) => x % (sumsParams.primes[i & 3] ?? 1));
    const query = new Uint8Array(2 * blockBytes);
    query.set(packQuery(ringDegree, (i, lane) => residues[4 * i + lane] ?? 0), blockBytes);
    const got = host.rounded(query, [{ flood: repeat(highFlood, cells), tBits: 38, added: undefined }]);
    for (let c = 0; c < cells; c++) {
      const trits = unpackTrits(sampleTrits(indexedStreams(hintSeed, purpose)(c)));
      const sums = sumsParams.primes.map((p, lane) => (((trits.reduce((sum, r, i) => sum + r * (residues[4 * i + lane] ?? 0), 0) % p) + p) % p));
      const y = (fromResidues(sums) + (1n << 64n) - 8n) % modulus;
      assert.equal(got[c], Number((y + (1n << 59n)) >> 60n));
    }
  });

  it("opens the exact inner product with a hint for extreme coefficients and secrets", () => {
    const cell = new Uint8Array(hintBytesPerCell).fill(255);
    const other = sampleTrits(rngOf("another"));
    const check = (trits: Uint8Array, bytes: Uint8Array) => {
      const s = unpackTrits(trits);
      let expected = hintCoefficient(bytes, 0) * BigInt(s[0] ?? 0);
      for (let i = 1; i < ringDegree; i++) expected -= hintCoefficient(bytes, i) * BigInt(s[ringDegree - i] ?? 0);
      assert.deepEqual(hintProducts([trits, other, trits], [bytes, cell]).map((p) => p[0]), [expected, hintProducts([other], [bytes])[0]?.[0], expected]);
    };
    for (const byte of [242, 0, 121]) check(new Uint8Array(tritBytes).fill(byte), cell);
    check(sampleTrits(rngOf("opener")), rngOf("opener cell")(hintBytesPerCell));
  });

  it("opens in the module as big integers do: any answer and hint, at every t, at the ends of the range", () => {
    const opener = new HintOpener(new SumsWasm());
    const words = new BigUint64Array(rngOf("decode")(8 * 3 * 2000).buffer);
    const cases = Array.from({ length: 2000 }, (_, i) => {
      // (H s)_0 is at most 2^64 in size.
      const hint = BigInt.asIntN(64, words[3 * i] ?? 0n) + (i % 3 === 0 ? BigInt.asIntN(64, words[3 * i + 1] ?? 0n) / 2n : 0n);
      return { hint: hint > 1n << 64n ? 1n << 64n : hint, answer: Number((words[3 * i + 2] ?? 0n) % (modulus >> 60n)) };
    });
    for (const hint of [0n, 1n, -1n, 1n << 64n, -(1n << 64n)]) for (const answer of [0, 1, 2 ** 44 - 1]) cases.push({ hint, answer });
    const products = new Uint8Array(16 * cases.length);
    const view = new DataView(products.buffer);
    for (const [i, { hint }] of cases.entries()) {
      view.setBigUint64(16 * i, BigInt.asUintN(64, hint), true);
      view.setBigInt64(16 * i + 8, hint >> 64n, true);
    }
    const answers = Float64Array.from(cases, (c) => c.answer);
    const out = new BigInt64Array(cases.length);
    for (const tBits of [38, 37, 20, 1]) {
      const expected = cases.map(({ hint, answer }) => decodeSum(answer, hint, tBits));
      assert.equal(opener.decode(products, answers, { tBits, largestSum: undefined }, out), -1);
      assert.deepEqual([...out], expected);
      const signed = expected.map((x) => BigInt.asIntN(tBits, x));
      const largest = signed.map((x) => (x < 0n ? -x : x)).reduce((a, b) => (a > b ? a : b));
      assert.equal(opener.decode(products, answers, { tBits, largestSum: Number(largest) }, out), -1);
      assert.deepEqual([...out], signed);
      const first = signed.findIndex((x) => x === largest || x === -largest);
      assert.equal(opener.decode(products, answers, { tBits, largestSum: Number(largest) - 1 }, out), first);
    }
  });

  it("a query's coefficients are a s + e + round(q v / t): its noise is small and exact", () => {
    const values = Int32Array.from(integers(rngOf("noise/v"), ringDegree, 2 ** 31), (x) => x - 2 ** 30);
    const zero = ask(new Int32Array(ringDegree), 38, "noise");
    const full = ask(values, 38, "noise");
    // Same secret and errors in both (a test may do that): the difference is the encoding alone.
    for (let i = 0; i < ringDegree; i++) {
      const difference = centred(fromResidues(unpackCoefficient(full.query, i)) - fromResidues(unpackCoefficient(zero.query, i)));
      const numerator = modulus * BigInt(values[i] ?? 0) + (1n << 37n);
      assert.equal(difference, numerator >> 38n);
    }
  });

  it("answers survive packing, with an odd number of cells too", () => {
    for (const cells of [[0], [2 ** 44 - 1], [1, 2 ** 43, 2 ** 44 - 1], [5, 6, 7, 8]]) {
      const packed = new Uint8Array(answerBytes(cells.length));
      const back = new Float64Array(cells.length);
      packAnswer(Float64Array.from(cells), packed);
      unpackAnswer(packed, back);
      assert.deepEqual([...back], cells);
    }
    const odd = new Uint8Array(answerBytes(1));
    packAnswer(Float64Array.of(2 ** 44 - 1), odd);
    odd[5] = (odd[5] ?? 0) | 0x10;
    assert.throws(() => unpackAnswer(odd, new Float64Array(1)), /PROTOCOL_WRONG_SHAPE/);
  });

  it("opens cells whose decoding makes the memory grow: products are no view into it", () => {
    const wasm = new SumsWasm();
    const opener = new HintOpener(wasm);
    const cells = 3;
    const hint = wasm.allocate(cells * hintBytesPerCell);
    wasm.bytes.set(rngOf("growing hint")(cells * hintBytesPerCell), hint);
    const trits = sampleTrits(rngOf("growing secret"));
    opener.use([{ trits, tBits: 38, largestSum: undefined }]);
    const products = opener.products(hint, cells);
    const before = products.slice();
    const buffer = wasm.bytes.buffer;
    wasm.allocate(64 * 1024 * 1024);
    assert.notEqual(wasm.bytes.buffer, buffer, "the memory has grown");
    assert.deepEqual(products, before);
    const out = new BigInt64Array(cells);
    opener.decode(products, new Float64Array(cells), { tBits: 38, largestSum: undefined }, out);
    assert.isTrue(out.some((x) => x !== 0n));
  });
});
