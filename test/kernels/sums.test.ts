// Host and querier through the worker pool: exact sums, freshness, determinism, and what is refused.
import { assert } from "chai";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import type { Rng } from "../../core/env.ts";
import type { Kernels, PlainColumns, QuerySecret } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { largestNoise } from "../../kernels/noise.ts";
import { unpackAnswer } from "../../kernels/pack.ts";
import { modulus, ringDegree, sumsParams } from "../../kernels/params.ts";
import { Pool } from "../../kernels/pool.ts";
import { TernarySecret } from "../../kernels/secret.ts";
import { ask, bytesOf, cellsOf, centred, collect, fromResidues, hintCoefficient, hintProducts } from "./support.ts";
import { integers, keep, openOne, packQuery, plainSums, reply, rngOf, unpackCoefficient } from "./support.ts";

const crsSeed = bytesOf("sums crs");

function binColumns(rng: Rng, rows: number, bins: readonly number[]): PlainColumns {
  return { kind: "bins", rows, features: bins.map((b) => ({ bins: b, binOf: Uint8Array.from(integers(rng, rows, b)) })) };
}
function codeColumns(rng: Rng, rows: number, count: number): PlainColumns {
  return { kind: "codes", rows, columns: Array.from({ length: count }, () => Int8Array.from(integers(rng, rows, 256), (x) => x - 128)) };
}

describe("kernels: hinted sums", () => {
  let pool: Pool;
  let kernels: Kernels;
  before(() => {
    pool = new Pool({ threads: 2 });
    kernels = createKernels({ pool });
  });
  after(() => pool[Symbol.asyncDispose]());

  it("gives the plain sums for any shape, open and masked", async () => {
    const shape = fc.record({
      rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4090, max: 4100 }), fc.integer({ min: 8000, max: 13_000 })),
      bins: fc.option(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }), { nil: undefined }),
      codes: fc.integer({ min: 1, max: 5 }),
      chunk: fc.integer({ min: 1, max: 60 }),
      size: fc.integer({ min: 1, max: 2000 }),
      seed: fc.integer(),
    });
    await fc.assert(fc.asyncProperty(shape, async ({ rows, bins, codes, chunk, size, seed }) => {
      const rng = rngOf(`shape/${seed}`);
      const columns = bins ? binColumns(rng, rows, bins) : codeColumns(rng, rows, codes);
      const values = Int32Array.from(integers(rng, rows, 2 * size + 1), (x) => x - size);
      await using host = await kernels.host({ crsSeed, columns, rng });
      await using querier = await kernels.querier({ crsSeed, rows });
      const hint = await collect(host, chunk);
      const { bytes, secret } = await ask(querier, values, { maxCode: bins ? 1 : 128, rng });
      const open = await reply(host, bytes, rng);
      const expected = plainSums(columns, values);
      assert.deepEqual([...(await openOne(querier, open.answer, hint, secret))], expected);
      const masked = await reply(host, bytes, rng, { rng, tBits: secret.tBits });
      const totals = await openOne(querier, masked.answer, hint, secret, true);
      assert.deepEqual([...totals].map((x, i) => BigInt.asIntN(secret.tBits, x - (masked.masks?.[i] ?? 0n))), expected);
    }), { numRuns: 15, seed: 7 });
    assert.equal(pool.liveHandles, 0);
  });

  it("a batch gives what its queries give alone: the same bytes and sums, in any mix of open, masked and noised", async () => {
    const shape = fc.record({
      rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 4090, max: 4100 }), fc.integer({ min: 8000, max: 13_000 })),
      bins: fc.option(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 4 }), { nil: undefined }),
      modes: fc.array(fc.constantFrom("open", "masked", "noised"), { minLength: 1, maxLength: 6 }),
      seed: fc.integer(),
    });
    await fc.assert(fc.asyncProperty(shape, async ({ rows, bins, modes, seed }) => {
      const rng = rngOf(`batch/${seed}`);
      const columns = bins ? binColumns(rng, rows, bins) : codeColumns(rng, rows, 3);
      const maxCode = bins ? 1 : 128;
      const vectors = modes.map((_, v) => {
        const values = integers(rng, rows, 255).map((x) => x - 127);
        return v % 2 === 0 ? Int32Array.from(values) : Int8Array.from(values);
      });
      const noise = { log2Sd: 9, shift: 1 };
      const own = (name: string, v: number) => rngOf(`batch/${seed}/${name}/${v}`);
      await using host = await kernels.host({ crsSeed, columns, rng });
      await using querier = await kernels.querier({ crsSeed, rows });
      const hint = await keep(querier, await collect(host, 7));
      const noises = modes.map((mode) => (mode === "noised" ? noise : undefined));
      const together = await querier.query(vectors, { maxCode, rngs: modes.map((_, v) => own("q", v)), noise: noises });
      const options = modes.map((mode, v) => ({
        flood: own("f", v),
        ...(mode === "masked" && { mask: { rng: own("m", v), tBits: 38 } }), ...(mode === "noised" && { noise: { ...noise, rng: own("n", v) } }),
      }));
      const made = await host.answer(together.bytes, options);
      const [q, a] = [together.bytes.length / modes.length, made.answers.length / modes.length];
      const opened = await querier.open(made.answers, hint, together.secrets, true);
      for (const [v, values] of vectors.entries()) {
        const alone = await querier.query([values], { maxCode, rngs: [own("q", v)], noise: [noises[v]] });
        assert.deepEqual(alone.bytes.slice(), together.bytes.slice(v * q, (v + 1) * q));
        const again = modes[v] === "open" ? { flood: own("f", v) } : modes[v] === "masked"
          ? { flood: own("f", v), mask: { rng: own("m", v), tBits: 38 } } : { flood: own("f", v), noise: { ...noise, rng: own("n", v) } };
        const single = await host.answer(alone.bytes, [again]);
        assert.deepEqual(single.answers, made.answers.slice(v * a, (v + 1) * a));
        assert.deepEqual(single.masks[0], made.masks[v]);
        const differences = plainSums(columns, Int32Array.from(values)).map((x, c) => BigInt.asIntN(38, (opened[v]?.[c] ?? 0n) - (made.masks[v]?.[c] ?? 0n) - x));
        const most = modes[v] === "noised" ? BigInt(largestNoise(noise)) : 0n;
        assert.isTrue(differences.every((x) => x <= most && -x <= most));
      }
      const honest = modes.flatMap((mode, v) => (mode === "masked" ? [] : [v]));
      if (honest.length > 0) {
        const bytes = new Uint8Array(Buffer.concat(honest.map((v) => made.answers.subarray(v * a, (v + 1) * a))));
        const sums = await querier.open(bytes, hint, honest.map((v) => together.secrets[v] as QuerySecret));
        assert.deepEqual(sums, honest.map((v) => (opened[v] ?? new BigInt64Array()).map((x) => BigInt.asIntN(38, x))));
      }
    }), { numRuns: 12, seed: 11 });
    assert.equal(pool.liveHandles, 0);
  });

  it("refuses batches whose parts do not fit together, and hints of another querier", async () => {
    const rows = 100;
    const columns = binColumns(rngOf("parts"), rows, [4]);
    await using host = await kernels.host({ crsSeed, columns, rng: rngOf("parts/h") });
    await using querier = await kernels.querier({ crsSeed, rows });
    await using other = await kernels.querier({ crsSeed, rows });
    const values = new Int32Array(rows).fill(1);
    await refused(querier.query([], { maxCode: 1, rngs: [] }), "KERNEL_COLUMNS");
    await refused(querier.query([values, values], { maxCode: 1, rngs: [rngOf("one")] }), "KERNEL_COLUMNS");
    const { bytes, secrets } = await querier.query([values, values], { maxCode: 1, rngs: [rngOf("parts/0"), rngOf("parts/1")] });
    const flood = rngOf("parts/f");
    await refused(host.answer(bytes, [{ flood }]), "PROTOCOL_WRONG_SHAPE");
    await refused(host.answer(bytes, []), "PROTOCOL_WRONG_SHAPE");
    await refused(host.answer(bytes, [{ flood }, { flood, noise: { log2Sd: 40, shift: 0, rng: flood } }]), "KERNEL_RANGE");
    const { answers } = await host.answer(bytes, [{ flood }, { flood }]);
    const list = await collect(host);
    const hint = await keep(querier, list);
    await refused(querier.open(answers, hint, secrets.slice(0, 1)), "PROTOCOL_WRONG_SHAPE");
    await refused(querier.open(answers, hint, []), "PROTOCOL_WRONG_SHAPE");
    await refused(querier.open(answers, await keep(other, list), secrets), "KERNEL_PARAMS");
    await refused(querier.open(answers, { cells: 4 }, secrets), "KERNEL_PARAMS");
    await refused(querier.open(answers, hint, [{ tBits: 38 }, { tBits: 38 }]), "KERNEL_PARAMS");
    assert.lengthOf(await querier.open(answers, hint, secrets), 2);
  });

  it("two hints never share r_c: an answer does not open with another hint of the same columns", async () => {
    const columns = binColumns(rngOf("fresh"), 5000, [8, 8]);
    const values = new Int32Array(5000).fill(1);
    await using first = await kernels.host({ crsSeed, columns, rng: rngOf("fresh/1") });
    await using second = await kernels.host({ crsSeed, columns, rng: rngOf("fresh/2") });
    await using querier = await kernels.querier({ crsSeed, rows: 5000 });
    const { bytes, secret } = await ask(querier, values, { maxCode: 1, rng: rngOf("fresh/q") });
    const { answer } = await reply(first, bytes, rngOf("fresh/f"));
    const right = await openOne(querier, answer, await collect(first), secret, true);
    const wrong = await openOne(querier, answer, await collect(second), secret, true);
    assert.deepEqual([...right], plainSums(columns, values));
    for (const [i, x] of wrong.entries()) assert.notEqual(x, right[i]);
  });

  it("even one stream handed in twice gives other r_c for other columns, and another s for another message", async () => {
    const columns = binColumns(rngOf("misuse"), 5000, [8, 8]);
    const changed = structuredClone(columns) as Extract<PlainColumns, { kind: "bins" }>;
    const column = changed.features[1]?.binOf ?? new Uint8Array(1);
    column[17] = ((column[17] ?? 0) + 1) % 8;
    await using first = await kernels.host({ crsSeed, columns, rng: rngOf("misuse/h") });
    await using second = await kernels.host({ crsSeed, columns: changed, rng: rngOf("misuse/h") });
    await using querier = await kernels.querier({ crsSeed, rows: 5000 });
    const values = new Int32Array(5000).fill(3);
    const one = await ask(querier, values, { maxCode: 1, rng: rngOf("misuse/q") });
    const { answer } = await reply(first, one.bytes, rngOf("misuse/f"));
    const right = plainSums(columns, values);
    for (const [i, x] of (await openOne(querier, answer, await collect(second), one.secret, true)).entries()) assert.notEqual(x, right[i]);
    values[0] = 4;
    const two = await ask(querier, values, { maxCode: 1, rng: rngOf("misuse/q") });
    const integer = (query: Uint8Array, i: number) => fromResidues(unpackCoefficient(query, i));
    const differences = Array.from({ length: 2 * ringDegree }, (_, i) => centred(integer(one.bytes, i) - integer(two.bytes, i)));
    const small = differences.filter((d) => d < 1n << 90n && -d < 1n << 90n).length;
    assert.isBelow(small, 20, "a shared s would leave errors and multiples of q/t only");
    const flooded = await reply(first, two.bytes, rngOf("misuse/f"));
    assert.notDeepEqual(flooded.answer, answer);
  });

  it("the same streams give the same bytes again, on any number of threads and from any cell on", async () => {
    const columns = binColumns(rngOf("again"), 9000, [5, 30, 2]);
    const values = Int32Array.from(integers(rngOf("again/v"), 9000, 100));
    const run = async (k: Kernels) => {
      await using host = await k.host({ crsSeed, columns, rng: rngOf("again/h") });
      await using querier = await k.querier({ crsSeed, rows: 9000 });
      const { bytes } = await ask(querier, values, { maxCode: 1, rng: rngOf("again/q") });
      const { answer, masks } = await reply(host, bytes, rngOf("again/f"), { rng: rngOf("again/m"), tBits: 20 });
      const tail: { firstCell: number; bytes: Uint8Array }[] = [];
      for await (const chunk of host.hint(10, 20)) tail.push(chunk);
      return { bytes, answer, masks, hint: (await collect(host, 10)).list, tail };
    };
    await using single = createKernels({ threads: 1 });
    const [a, b] = [await run(kernels), await run(single)];
    assert.deepEqual(a, b);
    assert.deepEqual(a.hint.map((c) => [c.firstCell, c.bytes.length / 26624]), [[0, 10], [10, 10], [20, 10], [30, 7]]);
    assert.deepEqual(a.tail, a.hint.slice(2));
  });

  it("a hint looks uniform even if all rows are in one bin, and the flood is in what the querier can compute", async () => {
    const rows = 5000;
    const columns: PlainColumns = { kind: "bins", rows, features: Array.from({ length: 40 }, () => ({ bins: 8, binOf: new Uint8Array(rows) })) };
    await using host = await kernels.host({ crsSeed, columns, rng: rngOf("simulator/h") });
    await using querier = await kernels.querier({ crsSeed, rows });
    const hint = await collect(host);
    const low = new Float64Array(256);
    const high = new Float64Array(64);
    const top = Number(modulus >> 52n);
    let count = 0;
    for (const { bytes } of hint.list) {
      for (const one of cellsOf(bytes).filter((_, cell) => cell % 5 === 0)) {
        for (let i = 0; i < ringDegree; i += 3, count++) {
          const h = hintCoefficient(one, i);
          low[Number(h & 255n)] = (low[Number(h & 255n)] ?? 0) + 1;
          const at = Math.min(63, Math.floor((Number(h) / top) * 64));
          high[at] = (high[at] ?? 0) + 1;
        }
      }
    }
    const chi = (cells: Float64Array) => cells.reduce((sum, o) => sum + (o - count / cells.length) ** 2 / (count / cells.length), 0);
    assert.isBelow(chi(low), 255 + 6 * Math.sqrt(2 * 255));
    assert.isBelow(chi(high), 63 + 7 * Math.sqrt(2 * 63));
    // y - H s - (q/t) sum, which the querier can compute, has the flood's spread: 0.8165 * 2^62 with the roundings.
    const residues: number[] = [];
    for (let round = 0; round < 4; round++) {
      const values = new Int32Array(rows).fill(1);
      const { bytes, secret } = await ask(querier, values, { maxCode: 1, rng: rngOf(`simulator/q/${round}`) });
      const { answer } = await reply(host, bytes, rngOf(`simulator/f/${round}`));
      const sums = await openOne(querier, answer, hint, secret);
      assert.deepEqual([...sums], plainSums(columns, values));
      residues.push(...residuals(answer, hint.list, secret, sums));
    }
    const deviation = Math.sqrt(residues.reduce((s, x) => s + x * x, 0) / residues.length);
    assert.closeTo(deviation, Math.sqrt(8 / 12) * 4, 0.25, `in units of 2^60, over ${residues.length} answers`);
  });

  it("refuses wrong lengths, residues at or above a prime, and other seeds", async () => {
    const rows = 5000;
    const columns = binColumns(rngOf("refuse"), rows, [4]);
    await using host = await kernels.host({ crsSeed, columns, rng: rngOf("refuse/h") });
    await using querier = await kernels.querier({ crsSeed, rows });
    const hint = await collect(host);
    const { bytes, secret } = await ask(querier, new Int32Array(rows).fill(1), { maxCode: 1, rng: rngOf("refuse/q") });
    const flood = rngOf("refuse/f");
    for (const wrong of [bytes.subarray(13), bytes.subarray(0, bytes.length - 1), new Uint8Array(0), new Uint8Array(bytes.length + 13)]) {
      await refused(reply(host, wrong, flood), "PROTOCOL_WRONG_SHAPE");
    }
    for (const [block, lane] of [[0, 0], [1, 3], [2, 1]] as const) {
      const bad = bytes.slice();
      bad.set(packQuery(1, (_, k) => (k === lane ? (sumsParams.primes[k] ?? 0) : 0)), (block * ringDegree + 99) * 13);
      await refused(reply(host, bad, flood), "PROTOCOL_RESIDUES");
    }
    for (const tBits of [0, 39, 1.5]) await refused(reply(host, bytes, flood, { rng: flood, tBits }), "KERNEL_RANGE");
    const { answer } = await reply(host, bytes, flood);
    await refused(openOne(querier, answer.subarray(1), hint, secret), "PROTOCOL_WRONG_SHAPE");
    await refused(openOne(querier, answer, { cells: 5, list: hint.list }, secret), "PROTOCOL_WRONG_SHAPE");
    await refused(openOne(querier, answer, { cells: 4, list: [] }, secret), "PROTOCOL_WRONG_SHAPE");
    const late = { firstCell: 1, bytes: new Uint8Array(26624) };
    await refused(openOne(querier, answer, { cells: 4, list: [late] }, secret), "PROTOCOL_WRONG_SHAPE");
    await using stranger = await kernels.querier({ crsSeed: bytesOf("another seed"), rows });
    const other = await ask(stranger, new Int32Array(rows).fill(1), { maxCode: 1, rng: rngOf("refuse/q") });
    await refused(openOne(stranger, (await reply(host, other.bytes, flood)).answer, hint, other.secret), "KERNEL_SUM_IMPOSSIBLE");
    // After all that the host still answers.
    assert.deepEqual([...(await openOne(querier, answer, hint, secret))], plainSums(columns, new Int32Array(rows).fill(1)));
  });

  it("opens chunk by chunk while a hint comes in, two openings in turn, and only the whole hint in order", async () => {
    const rows = 5000;
    const columns = binColumns(rngOf("opening"), rows, [4, 3]);
    await using host = await kernels.host({ crsSeed, columns, rng: rngOf("opening/h") });
    await using querier = await kernels.querier({ crsSeed, rows });
    const { list } = await collect(host, 3);
    const asked = await Promise.all([1, -2].map(async (value) => {
      const values = new Int32Array(rows).fill(value);
      const { bytes, secret } = await ask(querier, values, { maxCode: 1, rng: rngOf(`opening/${value}`) });
      return { values, secret, answer: (await reply(host, bytes, rngOf(`opening/f/${value}`))).answer };
    }));
    const openings = asked.map(({ secret }) => querier.opening(host.cells, [secret]));
    const early = async () => openings[0]?.finish(asked[0]?.answer ?? new Uint8Array(0));
    await refused(early(), "PROTOCOL_WRONG_SHAPE");
    for (const chunk of list) for (const opening of openings) opening.add(chunk);
    for (const [i, { values, answer }] of asked.entries()) assert.deepEqual([...(openings[i]?.finish(answer)[0] ?? [])], plainSums(columns, values));
    for (const chunk of list) await refused((async () => openings[0]?.add(chunk))(), "PROTOCOL_WRONG_SHAPE");
  });

  it("refuses columns and values outside the exact range", async () => {
    const rng = rngOf("range");
    const host = (columns: PlainColumns) => kernels.host({ crsSeed, columns, rng });
    await refused(host({ kind: "bins", rows: 3, features: [{ bins: 2, binOf: new Uint8Array(4) }] }), "KERNEL_COLUMNS");
    await refused(host({ kind: "bins", rows: 3, features: [{ bins: 2, binOf: new Uint8Array([0, 1, 2]) }] }), "KERNEL_COLUMNS");
    await refused(host({ kind: "bins", rows: 3, features: [{ bins: 257, binOf: new Uint8Array(3) }] }), "KERNEL_COLUMNS");
    await refused(host({ kind: "bins", rows: 3, features: [] }), "KERNEL_COLUMNS");
    await refused(host({ kind: "codes", rows: 3, columns: [new Int8Array(2)] }), "KERNEL_COLUMNS");
    await refused(host({ kind: "codes", rows: 0, columns: [new Int8Array(0)] }), "KERNEL_RANGE");
    await refused(kernels.host({ crsSeed: new Uint8Array(16), columns: binColumns(rng, 3, [2]), rng }), "KERNEL_PARAMS");
    await refused(kernels.querier({ crsSeed: new Uint8Array(33), rows: 3 }), "KERNEL_PARAMS");
    await using querier = await kernels.querier({ crsSeed, rows: 3 });
    await refused(ask(querier, new Int32Array(2), { maxCode: 1, rng }), "KERNEL_COLUMNS");
    await refused(ask(querier, Int32Array.of(1, -1, 2), { maxCode: 1, rng, tBits: 3 }), "KERNEL_RANGE");
    await refused(ask(querier, Int32Array.of(1, -1, 1), { maxCode: 1, rng, tBits: 39 }), "KERNEL_RANGE");
    await refused(ask(querier, Int32Array.of(2 ** 30, 2 ** 30, 0), { maxCode: 128, rng }), "KERNEL_RANGE");
    await refused(ask(querier, Int32Array.of(1, 1, 1), { maxCode: 129, rng }), "KERNEL_RANGE");
    assert.isOk(await ask(querier, Int32Array.of(1, -1, 1), { maxCode: 1, rng, tBits: 3 }));
  });
});

async function refused(work: Promise<unknown>, code: string): Promise<void> {
  const error = await work.then(() => undefined, (e: unknown) => e);
  assert.propertyVal(error, "code", code);
}

/** y - (H s)_0 - q sum / t of every cell, in units of 2^60. */
function residuals(answer: Uint8Array, chunks: readonly { bytes: Uint8Array }[], secret: unknown, sums: readonly bigint[]): number[] {
  assert.instanceOf(secret, TernarySecret);
  const y = new Float64Array(sums.length);
  unpackAnswer(answer, y);
  return (hintProducts([secret.reveal()], chunks.flatMap(({ bytes }) => cellsOf(bytes)))[0] ?? []).map((product, c) => {
    const exact = (modulus * (sums[c] ?? 0n)) >> 38n;
    return Number(centred((BigInt(y[c] ?? 0) << 60n) - (product << 52n) - exact)) / 2 ** 60;
  });
}
