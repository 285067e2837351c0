// The noise of cells: its distribution, its bound, one draw per query id, and that an answer is the exact sum plus that noise.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import type { PlainColumns } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { cellNoise, largestNoise } from "../../kernels/noise.ts";
import { ringDegree } from "../../kernels/params.ts";
import { indexedStreams, sampleTrits } from "../../kernels/streams.ts";
import { HostPart } from "../../kernels/workers/host-part.ts";
import { QuerierPart } from "../../kernels/workers/querier-part.ts";
import { ask, bytesOf, cellsOf, collect, decodeSum, hintProducts, integers, openOne, plainSums, reply, rngOf } from "./support.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const crsSeed = bytesOf("noise crs");
const key = (label: string) => ({ seed: bytesOf(label), purpose: "noise/test" });
const stream = (label: string, firstCell = 0) => indexedStreams(key(label).seed, key(label).purpose)(firstCell);
const columnsOf = (rows: number, bins: readonly number[]): Extract<PlainColumns, { kind: "bins" }> => (
  { kind: "bins", rows, features: bins.map((b, i) => ({ bins: b, binOf: Uint8Array.from(integers(rngOf(`noise/${i}`), rows, b)) })) });

describe("kernels: noise of cells", () => {
  it("is the sum of twelve uniform integers minus its mean: every cell from its own words", () => {
    const plain = cellNoise(stream("exact"), 50, { log2Sd: 12, shift: 0 });
    const words = new Uint32Array(stream("exact")(48 * 50).buffer);
    assert.deepEqual([...plain], Array.from({ length: 50 }, (_, c) => words.subarray(12 * c, 12 * c + 12).reduce((sum, w) => sum + (w % 4096), -6 * 4095)));
    const shifted = cellNoise(stream("exact"), 50, { log2Sd: 12, shift: 3 });
    assert.deepEqual([...shifted], [...plain].map((x) => Math.floor((x + 4) / 8)));
    for (const noise of [{ log2Sd: 1, shift: 0 }, { log2Sd: 0, shift: 0 }]) {
      const most = largestNoise(noise);
      assert.equal(most, 6 * (2 ** noise.log2Sd - 1));
      assert.isTrue(cellNoise(stream("small"), 5000, noise).every((x) => Math.abs(x) <= most));
    }
  });

  it("has the stated deviation, no mean, and the shape of a sum of twelve uniforms", () => {
    const count = 100_000;
    for (const noise of [{ log2Sd: 12, shift: 0 }, { log2Sd: 20, shift: 10 }, { log2Sd: 26, shift: 4 }]) {
      const sd = 2 ** (noise.log2Sd - noise.shift);
      const values = Array.from(cellNoise(stream(`moments/${noise.shift}`), count, noise), (x) => x / sd);
      const moment = (k: number): number => values.reduce((sum, x) => sum + x ** k, 0) / count;
      assert.isBelow(Math.abs(moment(1)), 5 / Math.sqrt(count));
      assert.closeTo(moment(2), 1, 5 * Math.sqrt(2 / count));
      assert.isBelow(Math.abs(moment(3)), 5 * Math.sqrt(15 / count));
      // Irwin-Hall of twelve: kurtosis 3 - 6/60.
      assert.closeTo(moment(4), 2.9, 5 * Math.sqrt(96 / count));
      // Chi-square over the distribution function by its Edgeworth series, exact to 1e-4 here.
      const edges = [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2];
      const expected = [...edges, Infinity].map((edge, i) => count * (below(edge) - (i === 0 ? 0 : below(edges[i - 1] ?? 0))));
      const observed = expected.map(() => 0);
      for (const x of values) {
        const at = edges.findIndex((edge) => x < edge);
        const cell = at < 0 ? edges.length : at;
        observed[cell] = (observed[cell] ?? 0) + 1;
      }
      const chi = observed.reduce((sum, o, i) => sum + (o - (expected[i] ?? 0)) ** 2 / (expected[i] ?? 1), 0);
      assert.isBelow(chi, 9 + 6 * Math.sqrt(18), `shape at shift ${noise.shift}`);
    }
  });

  it("is refused outside its exact range", () => {
    for (const noise of [{ log2Sd: 27, shift: 0 }, { log2Sd: -1, shift: 0 }, { log2Sd: 3.5, shift: 0 }, { log2Sd: 4, shift: 5 }, { log2Sd: 4, shift: -1 }]) {
      assert.throws(() => cellNoise(stream("range"), 1, noise), /KERNEL_RANGE/);
    }
  });

  it("is added inside the answer: the opened value is the exact sum plus the host's draw, under the worst flood", () => {
    const rows = 5000;
    const columns = columnsOf(rows, [9, 4]);
    const values = Int32Array.from(integers(rngOf("noise/v"), rows, 8001), (x) => x - 4000);
    const noise = { log2Sd: 26, shift: 0 };
    const hintSeed = bytesOf("noise hint");
    const host = new HostPart({ kind: "bins", rows, crsSeed, hintSeed, purpose: "hint/noise" });
    host.add(columns.features[0]?.binOf ?? new Uint8Array(), 9, 0);
    host.add(columns.features[1]?.binOf ?? new Uint8Array(), 4, 9);
    const trits = sampleTrits(rngOf("noise/s"));
    const blocks = Math.ceil(rows / ringDegree);
    const query = new Uint8Array((blocks + 1) * ringDegree * 13);
    new QuerierPart({ crsSeed, blocks }).query([{ ...key("q"), trits, tBits: 38 }], values, query, 0, 1);
    const draw = { ...key("host's seed"), ...noise };
    const out = new Float64Array(13);
    host.answer(query, [{ tBits: 38, flood: key("flood"), noise: draw, masks: undefined }], out);
    const hints = [host.hint(0, 0), host.hint(1, 0)].flatMap(cellsOf);
    const opened = (hintProducts([trits], hints)[0] ?? []).map((h, c) => BigInt.asIntN(38, decodeSum(out[c] ?? 0, h, 38)));
    const drawn = [...cellNoise(stream("host's seed"), 9, noise), ...cellNoise(stream("host's seed", 9), 4, noise)];
    assert.deepEqual(opened, plainSums(columns, values).map((x, c) => x + BigInt(drawn[c] ?? 0)));
    assert.isAbove(Math.max(...drawn.map(Math.abs)), 2 ** 20);
  });

  it("is one draw for one query id and its bytes: again the same, on any number of threads; composed with a mask too", async () => {
    const rows = 9000;
    const columns = columnsOf(rows, [5, 30, 2]);
    const values = new Int32Array(rows).fill(2);
    const noise = { log2Sd: 10, shift: 2 };
    const exact = plainSums(columns, values);
    const run = async (threads: number, labels: { noise: string; query?: string }): Promise<{ open: bigint[]; masked: bigint[]; bytes: Uint8Array }> => {
      await using own = createKernels({ threads });
      await using host = await own.host({ crsSeed, columns, rng: rngOf("id/h") });
      await using querier = await own.querier({ crsSeed, rows });
      const { bytes, secret } = await ask(querier, values, { maxCode: 1, rng: rngOf(labels.query ?? "id/q"), noise });
      const hint = await collect(host);
      const noised = (mask?: { rng: ReturnType<typeof rngOf>; tBits: number }) =>
        host.answer(bytes, [{ flood: rngOf("id/f"), mask, noise: { ...noise, rng: rngOf(labels.noise) } }]);
      const { answers } = await noised();
      const blind = await noised({ rng: rngOf("id/m"), tBits: 38 });
      const totals = await openOne(querier, blind.answers, hint, secret, true);
      return {
        open: (await openOne(querier, answers, hint, secret)).map((x, c) => x - (exact[c] ?? 0n)), bytes: answers,
        masked: totals.map((x, c) => BigInt.asIntN(38, x - (blind.masks[0]?.[c] ?? 0n)) - (exact[c] ?? 0n)),
      };
    };
    const first = await run(2, { noise: "id/n" });
    assert.deepEqual(await run(1, { noise: "id/n" }), first);
    const bound = BigInt(largestNoise(noise));
    for (const draws of [first.open, first.masked]) {
      assert.isAbove(new Set(draws).size, 30);
      assert.isTrue(draws.every((x) => x <= bound && -x <= bound));
    }
    assert.notDeepEqual(first.masked, first.open, "another mode of one query id is another draw");
    assert.notDeepEqual((await run(2, { noise: "id/other" })).open, first.open);
    assert.notDeepEqual((await run(2, { noise: "id/n", query: "id/q2" })).open, first.open);
  });

  it("widens what the querier takes for possible by exactly its bound, and only with the largest t", async () => {
    const rows = 4200;
    const columns: PlainColumns = { kind: "bins", rows, features: Array.from({ length: 40 }, () => ({ bins: 50, binOf: new Uint8Array(rows) })) };
    await using host = await kernels.host({ crsSeed, columns, rng: rngOf("wide/h") });
    await using querier = await kernels.querier({ crsSeed, rows });
    const hint = await collect(host);
    const values = new Int32Array(rows).fill(1);
    const noise = { log2Sd: 8, shift: 0 };
    const answer = async (bytes: Uint8Array): Promise<Uint8Array> =>
      (await host.answer(bytes, [{ flood: rngOf("wide/f"), noise: { ...noise, rng: rngOf("wide/n") } }])).answers;
    // All rows are in the first bin of every feature: half of those sums are above what columns can give.
    const unaware = await ask(querier, values, { maxCode: 1, rng: rngOf("wide/q") });
    const error = await openOne(querier, await answer(unaware.bytes), hint, unaware.secret).then(() => undefined, (e: unknown) => e);
    assert.propertyVal(error, "code", "KERNEL_SUM_IMPOSSIBLE");
    const aware = await ask(querier, values, { maxCode: 1, rng: rngOf("wide/q"), noise });
    const sums = await openOne(querier, await answer(aware.bytes), hint, aware.secret);
    assert.isTrue(sums.some((x) => x > BigInt(rows)));
    const small = await ask(querier, values, { maxCode: 1, rng: rngOf("wide/q"), noise, tBits: 30 }).then(() => undefined, (e: unknown) => e);
    assert.propertyVal(small, "code", "KERNEL_RANGE");
    assert.isOk(await reply(host, aware.bytes, rngOf("wide/f")));
  });
});

/** Distribution function of a sum of twelve uniforms, standardised: the normal with its Edgeworth term of the kurtosis -1/10. */
function below(x: number): number {
  if (x === Infinity) return 1;
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  return normal(x) + density * (0.1 / 24) * (x ** 3 - 3 * x);
}
/** Abramowitz and Stegun 26.2.17, to 7.5e-8. */
function normal(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const tail = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return x > 0 ? 1 - tail : tail;
}
