// Encrypted sums between two roles: exact, chunked, the same after a restart, checkable in an audit, and what each end refuses.
import { assert } from "chai";
import * as fc from "fast-check";
import { after, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { Answerer } from "../../federation/sums/answerer.ts";
import { crsSeed } from "../../federation/sums/crs.ts";
import { groupSize, pieces } from "../../federation/sums/flow.ts";
import { maxChunkBytes } from "../../federation/sums/messages.ts";
import { Querier } from "../../federation/sums/querier.ts";
import { cellCount, type PlainColumns } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { CellNoise } from "../../kernels/noise.ts";
import { hintBytesPerCell } from "../../kernels/params.ts";
import { seededDraw } from "../support/draw.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { refusal } from "../support/joint.ts";
import { createWorld, partyWith, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const [bank, social] = [partyId("bank"), partyId("social")];
const joint = new Uint8Array(32).fill(9);

type Setup = { columns: Record<string, PlainColumns>; queries: Int32Array[]; maxCode?: number; tamper?: Tamper; seed?: number; hostSeed?: Uint8Array; cells?: number; noise?: CellNoise[] };
function setup(s: Setup): { world: World; programs: Record<string, Program<unknown>> } {
  const hosts = Object.keys(s.columns).map(partyId);
  const rows = s.queries[0]?.length ?? 0;
  const world = createWorld({ parties: [bank, ...hosts], seed: s.seed ?? 1, kernels, ...(s.tamper && { tamper: s.tamper }) });
  const asking: Program<bigint[][][]> = async (party) => {
    await using querier = await Querier.open(party, { use: "moments", jointSeed: joint, rows });
    const secrets = await querier.sendBatch(hosts, s.queries, s.maxCode ?? 127, s.noise ? { noise: s.noise } : {});
    return await Promise.all(hosts.map(async (host) => {
      const hint = await querier.hint(host, s.cells ?? cellCount(s.columns[host] as PlainColumns));
      return (await querier.answers(host, 0, hint, secrets)).map((sums) => [...sums]);
    }));
  };
  const answering = (host: PartyId): Program<void> => async (party) => {
    await using answerer = await Answerer.open(party, { use: "moments", querier: bank, jointSeed: s.hostSeed ?? joint, columns: s.columns[host] as PlainColumns });
    await answerer.sendHint();
    await answerer.answerBatch(s.queries.length, s.noise);
  };
  return { world, programs: { bank: asking, ...Object.fromEntries(hosts.map((h) => [h, answering(h)])) } };
}
function inTheClear(columns: PlainColumns, v: Int32Array): bigint[] {
  const dot = (x: (row: number) => number): bigint => BigInt(v.reduce((sum, value, row) => sum + value * x(row), 0));
  if (columns.kind === "codes") return columns.columns.map((c) => dot((row) => c[row] ?? 0));
  return columns.features.flatMap((f) => Array.from({ length: f.bins }, (_, bin) => dot((row) => (f.binOf[row] === bin ? 1 : 0))));
}
const draw = seededDraw(3);
const codes = (rows: number, count: number): PlainColumns => (
  { kind: "codes", rows, columns: Array.from({ length: count }, () => Int8Array.from({ length: rows }, () => draw.int(255) - 127)) });
const bins = (rows: number, sizes: readonly number[]): PlainColumns => (
  { kind: "bins", rows, features: sizes.map((size) => ({ bins: size, binOf: Uint8Array.from({ length: rows }, () => draw.int(size)) })) });
const values = (rows: number, most: number): Int32Array => Int32Array.from({ length: rows }, () => draw.int(2 * most + 1) - most);

describe("encrypted sums", () => {
  it("give the querier the exact sums of every answerer, from one query to all", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 3 }), fc.nat(500), async (rows, queries, seed) => {
        const columns = { tax: codes(rows, 1 + (seed % 4)), social: bins(rows, [1 + (seed % 7), 3]) };
        const vectors = Array.from({ length: queries }, () => values(rows, 2048));
        const { world, programs } = setup({ columns, queries: vectors, seed });
        const { bank: sums } = await world.run(programs);
        assert.deepEqual(sums, [columns.tax, columns.social].map((c) => vectors.map((v) => inTheClear(c, v))));
      }),
      { numRuns: 12, seed: 1 },
    ));

  it("send hints and queries above the size of a chunk in pieces", async () => {
    const rows = 330_000;
    const columns = { tax: bins(rows, [2]) };
    const v = values(rows, 1);
    const { world, programs } = setup({ columns, queries: [v], maxCode: 1 });
    assert.deepEqual((await world.run(programs))["bank"], [[inTheClear(columns.tax, v)]]);
    assert.lengthOf(world.sent.filter((m) => m.type === "moments/query"), 2);
    const wide = { tax: bins(40, Array.from({ length: 80 }, () => 2)) };
    const few = values(40, 5);
    const second = setup({ columns: wide, queries: [few] });
    assert.deepEqual((await second.world.run(second.programs))["bank"], [[inTheClear(wide.tax, few)]]);
    assert.lengthOf(second.world.sent.filter((m) => m.type === "moments/hint"), 2);
  });

  it("go several vectors a message, and their answers too, however large the batch is", async () => {
    const rows = 60_000;
    const columns = { tax: bins(rows, [7]), social: bins(rows, [3, 40]) };
    // 13 * 4096 * 16 bytes each: four fit into a message.
    const vectors = Array.from({ length: 10 }, () => values(rows, 2048));
    const { world, programs } = setup({ columns, queries: vectors, maxCode: 1 });
    const { bank: sums } = await world.run(programs);
    assert.deepEqual(sums, [columns.tax, columns.social].map((c) => vectors.map((v) => inTheClear(c, v))));
    const queries = world.view("tax").map((m) => m.body as { query: number; index: number; last: boolean; commitments: Uint8Array; bytes: Uint8Array });
    assert.deepEqual(queries.map((m) => [m.query, m.index, m.last, m.commitments.length / 32]), [[0, 0, false, 4], [4, 1, false, 4], [8, 2, true, 2]]);
    assert.equal(new Set(queries.flatMap((m) => Array.from({ length: m.commitments.length / 32 }, (_, k) => m.commitments.subarray(32 * k, 32 * k + 32).toHex()))).size, 10);
    assert.lengthOf(world.sent.filter((m) => m.type === "moments/answer"), 2);
  });

  it("are cut into messages so that every byte is in one, none is too long, and every query begins in one", () =>
    fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 700_000 }), (items, units) => {
      const itemBytes = 13 * units;
      const made = pieces(items, itemBytes, 13);
      assert.equal(made.reduce((sum, p) => sum + p.begins, 0), items);
      for (const [i, p] of made.entries()) {
        assert.equal(p.from, made[i - 1]?.to ?? 0);
        assert.deepEqual([p.index, p.last, p.item], [i, i === made.length - 1, Math.floor(p.from / itemBytes)]);
        assert.isAtMost(p.to - p.from, maxChunkBytes);
        assert.equal((p.to - p.from) % 13, 0);
        // Whole queries, or a piece of one; and groups that are encrypted together are whole messages.
        assert.isTrue((p.from % itemBytes === 0 && p.to % itemBytes === 0) || Math.floor(p.from / itemBytes) === Math.floor((p.to - 1) / itemBytes));
        const group = groupSize(itemBytes) * itemBytes;
        assert.equal(Math.floor(p.from / group), Math.floor((p.to - 1) / group));
      }
      assert.equal(made.at(-1)?.to, items * itemBytes);
    })));

  it("carry the agreed noise of the host, the same after a restart, and nothing else", async () => {
    const rows = 500;
    const columns = { tax: bins(rows, Array.from({ length: 40 }, () => 50)) };
    const noise = [{ log2Sd: 12, shift: 0 }, { log2Sd: 14, shift: 6 }];
    // The second vector is as large as its noise allows in no cell: sums beyond those that columns could give must open.
    const vectors = [values(rows, 2048), new Int32Array(rows)];
    const { world, programs } = setup({ columns, queries: vectors, noise });
    const { bank: sums } = await world.run(programs) as { bank: bigint[][][] };
    for (const [q, v] of vectors.entries()) {
      const exact = inTheClear(columns.tax, v);
      const found = exact.map((x, c) => Number((sums[0]?.[q]?.[c] ?? 0n) - x));
      const sd = 2 ** ((noise[q]?.log2Sd ?? 0) - (noise[q]?.shift ?? 0));
      const mean = found.reduce((a, b) => a + b, 0) / found.length;
      const deviation = Math.sqrt(found.reduce((a, b) => a + (b - mean) ** 2, 0) / found.length);
      assert.isBelow(Math.abs(mean), (6 * sd) / Math.sqrt(found.length));
      assert.closeTo(deviation / sd, 1, 6 / Math.sqrt(2 * found.length));
      assert.isAtLeast(new Set(found).size, Math.min(sd, 500));
    }
    assert.deepEqual(await world.replay("tax", programs["tax"] as Program<unknown>), undefined);
    assert.deepEqual(await world.replay("bank", programs["bank"] as Program<unknown>), sums);
    const other = setup({ columns, queries: vectors, noise, seed: 2 });
    assert.notDeepEqual((await other.world.run(other.programs))["bank"], sums);
  });

  it("refuse a list of noises that is not of the batch's length: the queries that it leaves out would be answered exactly", async () => {
    const columns = { tax: bins(50, [4]) };
    const noise = { log2Sd: 5, shift: 0 };
    for (const wrong of [[noise], [noise, noise, noise], []]) {
      const world = createWorld({ parties: [bank, partyId("tax")], seed: 1, kernels });
      const tax = partyId("tax");
      const error = await refusal(world.run({
        bank: async (party) => {
          await using querier = await Querier.open(party, { use: "moments", jointSeed: joint, rows: 50 });
          await querier.hint(tax, 4);
          await refusal(querier.sendBatch([tax], [values(50, 5), values(50, 5)], 1, { noise: wrong })).then((r) => assert.equal(r.code, "KERNEL_RANGE"));
        },
        tax: async (party) => {
          await using answerer = await Answerer.open(party, { use: "moments", querier: bank, jointSeed: joint, columns: columns.tax });
          await answerer.sendHint();
          await answerer.answerBatch(2, wrong);
        },
      }));
      assert.equal(error.code, "KERNEL_RANGE");
      assert.isFalse(world.sent.some((m) => m.type !== "moments/hint"));
    }
  });

  it("go on at the query number of a resumed role: no label twice, and not backwards", async () => {
    const columns = { tax: codes(30, 2) };
    const [v, w] = [values(30, 5), values(30, 5)];
    const world = createWorld({ parties: [bank, partyId("tax")], seed: 1, kernels });
    const tax = partyId("tax");
    const result = await world.run({
      bank: async (party) => {
        await using querier = await Querier.open(party, { use: "moments", jointSeed: joint, rows: 30 });
        querier.skipTo(6);
        const hint = await querier.hint(tax, 2);
        const first = await querier.sendBatch([tax], [v], 127);
        const one = await querier.answers(tax, 6, hint, first);
        querier.skipTo(7);
        querier.skipTo(20);
        assert.throws(() => querier.skipTo(19), /PROTOCOL_OUT_OF_ORDER/);
        const more = await querier.sendBatch([tax], [v, w], 127);
        return [...one, ...await querier.answers(tax, 20, hint, more)].map((x) => [...x]);
      },
      tax: async (party) => {
        await using answerer = await Answerer.open(party, { use: "moments", querier: bank, jointSeed: joint, columns: columns.tax });
        await answerer.sendHint();
        answerer.skipTo(6);
        await answerer.answerBatch(1);
        answerer.skipTo(20);
        assert.throws(() => answerer.skipTo(6), /PROTOCOL_OUT_OF_ORDER/);
        await answerer.answerBatch(2);
      },
    });
    assert.deepEqual(result.bank, [v, v, w].map((x) => inTheClear(columns.tax, x)));
    const numbers = world.sent.filter((m) => m.type !== "moments/hint").map((m) => (m.body as { query: number }).query);
    assert.sameMembers(numbers, [6, 6, 20, 20]);
  });

  it("are the same bytes after a restart of either end at any message", async () => {
    const { world, programs } = setup({ columns: { tax: codes(30, 2), social: bins(30, [3]) }, queries: [values(30, 5), values(30, 5)] });
    const results = await world.run(programs);
    for (const name of ["bank", "tax", "social"]) {
      const program = programs[name] as Program<unknown>;
      assert.deepEqual(await world.replay(name, program), results[name]);
      for (let frames = 0; frames < 3; frames++) await world.replay(name, program, frames);
    }
  });

  it("can be run again by a supervisor who is shown the seed: other values than declared are found", async () => {
    const v = values(50, 1).map((x) => Math.abs(x));
    const { world, programs } = setup({ columns: { tax: codes(50, 1) }, queries: [v] });
    let seed: Uint8Array | undefined;
    const watch: Program<unknown> = (party) => (programs["bank"] as Program<unknown>)(partyWith(party, {
      rng: (label) => (bytes) => (seed = party.rng(label)(bytes)),
    }));
    await world.run({ ...programs, bank: watch });
    assert(seed);
    const sent = world.view("tax")[0]?.body as { bytes: Uint8Array; commitments: Uint8Array };
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", seed.slice()));
    assert.deepEqual(sent.commitments, digest);
    await using querier = await kernels.querier({ crsSeed: crsSeed(joint, "moments"), rows: 50 });
    const again = async (declared: Int32Array): Promise<Uint8Array> =>
      (await querier.query([declared], { maxCode: 127, rngs: [seededRng(seed as Uint8Array, "query")] })).bytes;
    assert.deepEqual(await again(v), sent.bytes);
    assert.notDeepEqual(await again(v.with(7, 1 - (v[7] ?? 0))), sent.bytes);
  });

  it("have another public randomness for every use, querier and joint seed", () => {
    const seeds = [crsSeed(joint, "binning"), crsSeed(joint, "moments"), crsSeed(joint, "cross|tax"), crsSeed(joint, "cross|social"), crsSeed(joint.with(0, 1), "binning")];
    assert.equal(new Set(seeds.map((s) => s.toHex())).size, seeds.length);
  });

  describe("between parties of which one deviates", () => {
    const columns = { tax: codes(40, 3), social: codes(40, 3) };
    const queries = [values(40, 9), values(40, 9)];
    const attempt = (tamper: Tamper, more: Partial<Setup> = {}): ReturnType<typeof refusal> => {
      const { world, programs } = setup({ columns, queries, tamper, ...more });
      return refusal(world.run(programs));
    };
    type Hint = { index: number; last: boolean; firstCell: number; bytes: Uint8Array };
    type Query = { index: number; last: boolean; query: number; commitments: Uint8Array; bytes: Uint8Array };
    type Answer = { query: number; bytes: Uint8Array };
    const hint = (change: (b: Hint) => object): Tamper => withBody("moments/hint", change as never, "social");
    const query = (change: (b: Query) => object): Tamper => withBody("moments/query", change as never);
    const answer = (change: (b: Answer) => object): Tamper => withBody("moments/answer", change as never, "social");
    const cell = new Uint8Array(hintBytesPerCell);
    const longer = (b: Uint8Array, by: Uint8Array): Uint8Array => new Uint8Array(Buffer.concat([b, by]));
    /** All residues of the first coefficient set to 2^26 - 1: above every prime. */
    const noncanonical = (b: Uint8Array): Uint8Array => b.map((byte, i) => (i < 13 ? 255 : byte));
    const cases: [string, string, PartyId | undefined, Tamper][] = [
      ["a hint that starts with its second chunk", "PROTOCOL_OUT_OF_ORDER", social, hint((b) => ({ ...b, index: 1 }))],
      ["a hint that leaves the first cell out", "PROTOCOL_OUT_OF_ORDER", social, hint((b) => ({ ...b, firstCell: 1 }))],
      ["a hint of too many cells", "PROTOCOL_WRONG_SHAPE", social, hint((b) => ({ ...b, bytes: longer(b.bytes, cell) }))],
      ["a hint of too few cells that says it is complete", "PROTOCOL_WRONG_SHAPE", social, hint((b) => ({ ...b, bytes: b.bytes.subarray(hintBytesPerCell) }))],
      ["a complete hint that never says so", "PROTOCOL_WRONG_SHAPE", social, hint((b) => ({ ...b, last: false }))],
      ["a hint that is not of whole cells", "PROTOCOL_SCHEMA", undefined, hint((b) => ({ ...b, bytes: b.bytes.subarray(1) }))],
      ["a hint of random bytes", "KERNEL_SUM_IMPOSSIBLE", social, hint((b) => ({ ...b, bytes: seededRng(joint, "noise")(b.bytes.length) }))],
      ["an answer to another query", "PROTOCOL_OUT_OF_ORDER", social, answer((b) => ({ ...b, query: 1 }))],
      ["an answer with a cell too few", "PROTOCOL_WRONG_SHAPE", social, answer((b) => ({ ...b, bytes: b.bytes.subarray(6) }))],
      ["an answer with a cell too many", "PROTOCOL_WRONG_SHAPE", social, answer((b) => ({ ...b, bytes: longer(b.bytes, new Uint8Array(6)) }))],
      ["an answer with set padding", "PROTOCOL_WRONG_SHAPE", social, answer((b) => ({ ...b, bytes: b.bytes.with(b.bytes.length - 1, 255) }))],
      ["an answer of random bytes", "KERNEL_SUM_IMPOSSIBLE", social, answer((b) => ({ ...b, bytes: seededRng(joint, "noise")(b.bytes.length).with(16, 0).with(33, 0) }))],
      ["an answer that goes on after the last", "PROTOCOL_WRONG_SHAPE", social, answer((b) => ({ ...b, last: false }))],
      ["answers that start with the second message", "PROTOCOL_OUT_OF_ORDER", social, answer((b) => ({ ...b, index: 1 }))],
      ["queries with a commitment too few", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, commitments: b.commitments.subarray(32) }))],
      ["queries with a commitment too many", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, commitments: longer(b.commitments, new Uint8Array(32)) }))],
      ["queries with half a commitment", "PROTOCOL_SCHEMA", undefined, query((b) => ({ ...b, commitments: b.commitments.subarray(16) }))],
      ["residues outside the ring", "PROTOCOL_SCHEMA", undefined, query((b) => ({ ...b, bytes: noncanonical(b.bytes) }))],
      ["a query of another number", "PROTOCOL_OUT_OF_ORDER", bank, query((b) => ({ ...b, query: 1 }))],
      ["a query that starts with its second chunk", "PROTOCOL_OUT_OF_ORDER", bank, query((b) => ({ ...b, index: 1 }))],
      ["a query that is too short", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, bytes: b.bytes.subarray(13) }))],
      ["a query that is too long", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, bytes: longer(b.bytes, new Uint8Array(13)) }))],
      ["a complete query that never says so", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, last: false }))],
      ["a query without the end of its last block", "PROTOCOL_WRONG_SHAPE", bank, query((b) => ({ ...b, bytes: b.bytes.subarray(0, -13), last: true }))],
    ];
    for (const [name, code, party, tamper] of cases) {
      it(`refuse ${name}`, async () => assert.deepEqual(await attempt(tamper), { code, party }));
    }
    it("refuse a hint made with public randomness that is not the agreed one", async () => {
      const { world, programs } = setup({ columns, queries, hostSeed: new Uint8Array(32) });
      assert.equal((await refusal(world.run(programs))).code, "KERNEL_SUM_IMPOSSIBLE");
    });
    it("refuse to send values whose sums could wrap around", async () => {
      const { world, programs } = setup({ columns: { tax: codes(3, 1) }, queries: [Int32Array.of(2 ** 30, 2 ** 30, 2 ** 30)] });
      assert.equal((await refusal(world.run(programs))).code, "KERNEL_RANGE");
    });
    it("refuse a query that a host sends", async () => {
      const frame = encodeFrame("moments/query", { index: 0, last: true, query: 0, commitments: new Uint8Array(32), bytes: new Uint8Array(13) });
      assert.equal((await attempt(onFirst("moments/hint", () => [frame]))).code, "PROTOCOL_WRONG_PARTY");
    });
    for (const { type, fields, sender } of [
      { type: "moments/hint", fields: ["index", "last", "firstCell", "bytes"], sender: "tax" },
      { type: "moments/query", fields: ["index", "last", "query", "commitments", "bytes"], sender: "bank" },
      { type: "moments/answer", fields: ["index", "last", "query", "bytes"], sender: "tax" },
    ]) {
      for (const hostile of hostileCases(type, fields, sender)) {
        it(`refuse ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
      }
    }
  });
});
