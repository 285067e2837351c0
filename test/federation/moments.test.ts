// Moments between the roles: exact for any number of hosts, host-host products hidden from both hosts, and what each end refuses.
import { assert } from "chai";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { checkAgainstBins } from "../../federation/moments/consistent.ts";
import { momentsGuest } from "../../federation/moments/guest.ts";
import { momentsHost } from "../../federation/moments/host.ts";
import { crossBits } from "../../federation/moments/shape.ts";
import type { HostGuard } from "../../federation/guards.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { plainMoments, type Moments } from "../../models/linear/moments.ts";
import type { BinDecision } from "../../models/scorecard/decide.ts";
import { seededDraw, type Draw } from "../support/draw.ts";
import { openHostGuard, refusal } from "../support/joint.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { createWorld, type Entry, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const guest = partyId("bank");
const joint = new Uint8Array(32).fill(6);
type View = { moments: Moments; products: number[] };

type Setup = { own: Int8Array[]; hosts: Int8Array[][]; label: Uint8Array; seed?: number; residuals?: Int32Array; tamper?: Tamper; guard?: HostGuard };
function setup(s: Setup): { world: World; hosts: PartyId[]; programs: Record<string, Program<unknown>> } {
  const hosts = s.hosts.map((_, i) => partyId(`host_${"dabc"[i]}`));
  const columnsOf = new Map(hosts.map((h, i) => [h, s.hosts[i]?.length ?? 0]));
  const rows = s.label.length;
  const world = createWorld({ parties: [guest, ...hosts], seed: s.seed ?? 1, kernels, ...(s.tamper && { tamper: s.tamper }) });
  const asking: Program<View> = async (party) => {
    await using got = await momentsGuest(party, { hosts, jointSeed: joint, rows, label: s.label, columns: s.own, columnsOf });
    return { moments: got.moments, products: s.residuals ? await got.residualProducts(s.residuals) : [] };
  };
  const answering = (columns: Int8Array[]): Program<undefined> => async (party) => {
    await using answerer = await momentsHost(party, {
      guest, hosts, jointSeed: joint, columns, rows, queries: s.own.length + 1, guard: s.guard ?? openHostGuard, columnsOf,
    });
    if (s.residuals) await answerer?.answerBatch(1);
  };
  return { world, hosts, programs: { [guest]: asking, ...Object.fromEntries(hosts.map((h, i) => [h, answering(s.hosts[i] ?? [])])) } };
}
const codes = (draw: Draw, rows: number, count: number): Int8Array[] => Array.from({ length: count }, () => Int8Array.from({ length: rows }, () => draw.int(255) - 127));
const labels = (draw: Draw, rows: number): Uint8Array => Uint8Array.from({ length: rows }, () => draw.int(2));
const wordsOf = (m: Entry): bigint[] => [...new BigUint64Array((m.body as { values: Uint8Array }).values.slice().buffer)];

describe("moments", () => {
  it("are those of the pooled columns for any number of hosts, with or without columns, and so are the products with residuals", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 90 }), fc.nat(3), fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }), fc.nat(999), async (rows, own, sizes, seed) => {
        const draw = seededDraw(seed + 1);
        const s = { own: codes(draw, rows, own), hosts: sizes.map((d) => codes(draw, rows, d)), label: labels(draw, rows), seed };
        const residuals = Int32Array.from({ length: rows }, () => draw.int(4097) - 2048);
        const { world, programs } = setup({ ...s, residuals });
        const { moments, products } = (await world.run(programs))[guest] as View;
        const all = [...s.own, ...s.hosts.flat()];
        assert.deepEqual(moments, plainMoments(all, s.label, rows));
        assert.deepEqual(products, all.map((c) => c.reduce((sum, code, i) => sum + code * (residuals[i] ?? 0), 0)));
      }),
      { numRuns: 20, seed: 2 },
    ));

  it("of a host with very many columns come in chunks", async () => {
    const draw = seededDraw(5);
    const s = { own: [], hosts: [codes(draw, 30, 900)], label: labels(draw, 30) };
    const { world, programs } = setup(s);
    const { moments } = (await world.run(programs))[guest] as View;
    assert.deepEqual(moments, plainMoments(s.hosts.flat(), s.label, 30));
    assert.lengthOf(world.sent.filter((m) => m.type === "moments/own"), 2);
  });

  describe("between two hosts", () => {
    const draw = seededDraw(8);
    const s = { own: [], hosts: [codes(draw, 60, 14), codes(draw, 60, 16)], label: labels(draw, 60) };
    const opened: bigint[][] = [];
    let masks: bigint[][] = [];
    let hosts: PartyId[] = [];
    let world: World;
    before(async () => {
      for (const seed of [1, 2]) {
        const made = setup({ ...s, seed });
        ({ world, hosts } = made);
        await made.world.run(made.programs);
        opened.push(made.world.sent.filter((m) => m.type === "cross/opened").flatMap(wordsOf));
        masks = made.world.sent.filter((m) => m.type === "cross/masks").map(wordsOf);
      }
    });
    const truth = (): bigint[] => {
      // The host whose name sorts first asks: here the second one of the list.
      const [answering = [], asking = []] = s.hosts;
      return asking.flatMap((a) => answering.map((b) => BigInt(a.reduce((sum, code, i) => sum + code * (b[i] ?? 0), 0))));
    };
    it("open to the asking host as uniform numbers that have nothing to do with the sums", () => {
      const exact = truth();
      for (const [run, values] of opened.entries()) {
        assert.lengthOf(values, 14 * 16);
        assert.isTrue(values.every((v) => v >= 0n && v < 1n << BigInt(crossBits)));
        const counts = new Float64Array(8);
        for (const v of values) counts[Number(v >> BigInt(crossBits - 3))] = (counts[Number(v >> BigInt(crossBits - 3))] ?? 0) + 1;
        const expected = values.length / 8;
        // 7 degrees of freedom: above 40 once in 800,000 times.
        assert.isBelow(counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0), 40, `run ${run}`);
        assert.equal(values.filter((v, i) => BigInt.asIntN(crossBits, v) === exact[i]).length, 0);
      }
    });
    it("open to other numbers in another run: their difference is uniform too", () => {
      const [one = [], two = []] = opened;
      const differences = new Set(one.map((v, i) => BigInt.asUintN(crossBits, v - (two[i] ?? 0n))));
      assert.equal(differences.size, one.length);
    });
    it("add up to the sums at the guest alone", () => {
      const flat = masks.flat();
      assert.deepEqual((opened[1] ?? []).map((v, i) => BigInt.asIntN(crossBits, v - (flat[i] ?? 0n))), truth());
      const [answering, asking] = hosts;
      for (const host of [answering, asking]) {
        const seen = world.view(host ?? guest).map((m) => m.type);
        assert.isFalse(seen.includes("cross/opened") || seen.includes("cross/masks") || seen.includes("moments/own"));
      }
    });
  });

  it("charge the guest's queries before the first answer", async () => {
    const draw = seededDraw(1);
    const charged: [string, number][] = [];
    const s = { own: codes(draw, 20, 3), hosts: [codes(draw, 20, 1), codes(draw, 20, 1)], label: labels(draw, 20) };
    const made = setup({ ...s, guard: { ...openHostGuard, chargeQueries: (label, queries) => charged.push([label, queries]) } });
    await made.world.run(made.programs);
    assert.deepEqual(charged, [["moments", 4], ["moments", 4]]);
    const refusing = setup({ ...s, guard: { ...openHostGuard, chargeQueries: () => { throw new Error("no budget"); } } });
    await refusing.world.run(refusing.programs).catch(() => {});
    assert.isFalse(refusing.world.sent.some((m) => m.type === "moments/answer"));
  });

  it("are the same bytes after a restart of any party at any message", async () => {
    const draw = seededDraw(4);
    const made = setup({ own: codes(draw, 25, 1), hosts: [codes(draw, 25, 2), codes(draw, 25, 1), codes(draw, 25, 2)], label: labels(draw, 25), residuals: new Int32Array(25).fill(3) });
    const results = await made.world.run(made.programs);
    for (const name of [guest, ...made.hosts]) {
      const program = made.programs[name] as Program<unknown>;
      assert.deepEqual(await made.world.replay(name, program), results[name]);
      for (let frames = 0; frames < 5; frames++) {
        const most = Math.max(...made.world.peersOf(name).map((peer) => made.world.view(name).filter((m) => m.from === peer).length));
        if (frames < most) await made.world.replay(name, program, frames);
      }
    }
  });

  describe("against the merged bins", () => {
    const table = [{ total: 30, events: 4 }, { total: 50, events: 21 }];
    const decision = { party: "tax", codes: [-20, 35], table } as unknown as BinDecision;
    const right: Moments = { n: 80, sumX: [1150], sumY: 25, xy: [655], xx: [73_250] };
    it("are accepted when sum, square sum and product with the label agree", () => checkAgainstBins(right, [decision]));
    for (const wrong of [{ sumX: [1151] }, { xy: [656] }, { xx: [73_249] }]) {
      it(`are refused in the host's name with another ${Object.keys(wrong)[0]}`, async () => {
        assert.deepEqual(await refusal((async () => checkAgainstBins({ ...right, ...wrong }, [decision]))()), { code: "PROTOCOL_WRONG_SHAPE", party: "tax" });
      });
    }
  });

  describe("between parties of which one deviates", () => {
    const draw = seededDraw(9);
    const s = { own: codes(draw, 24, 1), hosts: [codes(draw, 24, 2), codes(draw, 24, 2)], label: labels(draw, 24) };
    // host_a sorts before host_d: host_a asks, host_d answers.
    const [answering, asking] = [partyId("host_d"), partyId("host_a")];
    const attempt = async (tamper: Tamper): ReturnType<typeof refusal> => {
      const loose: unknown[] = [];
      const onLoose = (reason: unknown): unknown => loose.push(reason);
      process.on("unhandledRejection", onLoose);
      const { world, programs } = setup({ ...s, tamper });
      const refused = await refusal(world.run(programs));
      await new Promise((resolve) => setImmediate(resolve));
      process.off("unhandledRejection", onLoose);
      assert.isEmpty(loose, "a rejection that nobody waits for would end the enclave's process");
      return refused;
    };
    type Own = TypedBody<"moments/own">;
    type Half = TypedBody<"cross/opened">;
    const own = (change: (b: Own) => object): Tamper => withBody("moments/own", change as never, answering);
    const half = (type: "cross/opened" | "cross/masks", change: (b: Half) => object): Tamper => withBody(type, change as never);
    type Bytes = { bytes: Uint8Array };
    /** Some bits of the fifth byte of every number: far outside what 24 rows can give. */
    const flipped = (byte: number, at: number): number => (at % 8 === 4 ? byte ^ 21 : byte);
    const floats = (bytes: Uint8Array, change: (values: Float64Array) => void): Uint8Array => {
      const values = new Float64Array(bytes.slice().buffer);
      change(values);
      return new Uint8Array(values.buffer);
    };
    const cases: [string, string, PartyId | undefined, Tamper][] = [
      ["an own block that starts with its second chunk", "PROTOCOL_OUT_OF_ORDER", answering, own((b) => ({ ...b, index: 1 }))],
      ["an own block with a value too few", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, values: b.values.subarray(8) }))],
      ["an own block with a value too many", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, values: new Uint8Array([...b.values, ...new Uint8Array(8)]) }))],
      ["an own block that never says that it is complete", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, last: false }))],
      ["half a number", "PROTOCOL_SCHEMA", undefined, own((b) => ({ ...b, values: b.values.subarray(1) }))],
      ["a sum that is not whole", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, values: floats(b.values, (v) => (v[0] = 0.5)) }))],
      ["a sum that is not a number", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, values: floats(b.values, (v) => (v[1] = Number.NaN)) }))],
      ["a product that 24 rows of 8 bits cannot give", "PROTOCOL_WRONG_SHAPE", answering, own((b) => ({ ...b, values: floats(b.values, (v) => (v[3] = 24 * 127 * 127 + 1)) }))],
      ["an opened half of another column", "PROTOCOL_OUT_OF_ORDER", asking, half("cross/opened", (b) => ({ ...b, column: 1 }))],
      ["an opened half about another host", "PROTOCOL_OUT_OF_ORDER", asking, half("cross/opened", (b) => ({ ...b, peer: "host_b" }))],
      ["an opened half of another length", "PROTOCOL_WRONG_SHAPE", asking, half("cross/opened", (b) => ({ ...b, values: b.values.subarray(8) }))],
      ["masks of another column", "PROTOCOL_OUT_OF_ORDER", answering, half("cross/masks", (b) => ({ ...b, column: 1 }))],
      ["masks of another length", "PROTOCOL_WRONG_SHAPE", answering, half("cross/masks", (b) => ({ ...b, values: b.values.subarray(8) }))],
      ["masks that do not belong to the opened half", "PROTOCOL_WRONG_SHAPE", answering, half("cross/masks", (b) => ({ ...b, values: b.values.map(flipped) }))],
      ["an answer to another query", "PROTOCOL_OUT_OF_ORDER", answering, withBody("moments/answer", ((b: { query: number }) => ({ ...b, query: 1 })), answering)],
      ["a cross hint of too many cells", "PROTOCOL_WRONG_SHAPE", answering, withBody("cross/hint", (b: Bytes) => ({ ...b, bytes: new Uint8Array([...b.bytes, ...b.bytes]) }))],
      ["a cross answer to another query", "PROTOCOL_OUT_OF_ORDER", answering, withBody("cross/answer", ((b: { query: number }) => ({ ...b, query: 1 })))],
      ["a cross query of another length", "PROTOCOL_WRONG_SHAPE", asking, withBody("cross/query", ((b: { bytes: Uint8Array }) => ({ ...b, bytes: b.bytes.subarray(13) })))],
    ];
    for (const [name, code, party, tamper] of cases) {
      it(`refuse ${name}`, async () => assert.deepEqual(await attempt(tamper), { code, party }));
    }
    const chunk = ["index", "last"];
    for (const { type, fields, sender } of [
      { type: "moments/own", fields: [...chunk, "values"], sender: answering },
      { type: "moments/hint", fields: [...chunk, "firstCell", "bytes"], sender: asking },
      { type: "moments/query", fields: [...chunk, "query", "commitments", "bytes"], sender: guest },
      { type: "moments/answer", fields: [...chunk, "query", "bytes"], sender: asking },
      { type: "cross/hint", fields: [...chunk, "firstCell", "bytes"], sender: answering },
      { type: "cross/query", fields: [...chunk, "query", "commitments", "bytes"], sender: asking },
      { type: "cross/answer", fields: [...chunk, "query", "bytes"], sender: answering },
      { type: "cross/opened", fields: ["column", "values"], sender: asking },
      { type: "cross/masks", fields: ["column", "values"], sender: answering },
    ]) {
      for (const hostile of hostileCases(type, fields, sender)) {
        it(`refuse ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
      }
    }
  });
});
