// A guest or a host that deviates while trees are grown: what is refused, in whose name, at which step, and what has not left by then.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import type { Kernels, PlainColumns } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { bank, namesOf, openGuard, pooledFeatures, smallTrees, treePrograms, treeTables, type TreeOptions } from "../support/gbdt.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { createWorld, partyWith, type Entry, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const [hostA, hostB] = [partyId("host_a"), partyId("host_b")];
const tables = treeTables({ rows: 403, trainRows: 300, seed: 4, own: 1, hosts: [2, 1] });
const small: TreeOptions = { params: { ...smallTrees, trees: 2, bins: 5 } };
const numericBins = 5;

function start(tamper?: Tamper, options: TreeOptions = {}): { world: World; done: Promise<unknown> } {
  const world = createWorld({ parties: namesOf(tables), seed: 1, kernels, ...(tamper && { tamper }) });
  return { world, done: world.run(treePrograms(tables, { ...small, ...options })) };
}
async function refused(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  return assert.fail("nothing was refused");
}
const attempt = async (tamper: Tamper, options: TreeOptions = {}): Promise<AppError> => refused(start(tamper, options).done);
type Next = TypedBody<"trees/next">;
type Bits = TypedBody<"trees/bits">;
/** A step of a kind to a host (the first, or the one after `skip` others), in another form. */
function step(kind: Next["step"], to: PartyId, replace: (body: Next) => readonly Next[], skip = 0): Tamper {
  let seen = 0;
  return (m: Entry) => {
    if (m.type !== "trees/next" || m.to !== to || (m.body as Next).step !== kind || seen++ !== skip) return undefined;
    return replace(m.body as Next).map((body) => encodeFrame("trees/next", body));
  };
}
const bits = (change: (b: Bits) => Readonly<Record<string, unknown>>): Tamper => withBody("trees/bits", change, hostA);

const changed = (change: (byte: number, isLast: boolean) => number): Tamper =>
  bits((b) => ({ ...b, bytes: b.bytes.map((x, i) => change(x, i === b.bytes.length - 1)) }));
const shorter = (by: number) => (b: { bytes: Uint8Array }) => ({ ...b, bytes: b.bytes.subarray(by) });

describe("growing trees with a party that deviates", () => {
  before(async () => {
    // The cases below need a host that is asked for cuts of a numeric feature first.
    const { world, done } = start();
    await done;
    assert.isTrue(world.view(hostA).some((m) => m.type === "trees/next" && (m.body as Next).step === "bits"));
  });

  describe("a host", () => {
    const cases: [string, string, () => Tamper][] = [
      ["offers bins that do not hold every company", "PROTOCOL_WRONG_SHAPE", () => withBody("trees/offer", ((b: TypedBody<"trees/offer">) => (
        { features: b.features.map((f, i) => (i === 1 ? { ...f, totals: f.totals.map((t) => t + 1) } : f)) })), hostA)],
      ["offers other bins than it counts", "PROTOCOL_WRONG_SHAPE", () => withBody("trees/offer", ((b: TypedBody<"trees/offer">) => (
        { features: b.features.map((f) => ({ ...f, totals: [...f.totals, 0] })) })), hostA)],
      ["sends a hint of random bytes", "KERNEL_SUM_IMPOSSIBLE", () => withBody("trees/hint", ((b: { bytes: Uint8Array }) => (
        { ...b, bytes: seededRng(new Uint8Array(32), "x")(b.bytes.length) })), hostA)],
      ["sends a hint of too few cells", "PROTOCOL_WRONG_SHAPE", () => withBody("trees/hint", shorter(26_624), hostA)],
      ["answers with a cell too few", "PROTOCOL_WRONG_SHAPE", () => withBody("trees/answer", shorter(6), hostA)],
      ["answers with random bytes", "KERNEL_SUM_IMPOSSIBLE", () => withBody("trees/answer", ((b: { bytes: Uint8Array }) => (
        { ...b, bytes: seededRng(new Uint8Array(32), "x")(b.bytes.length).map((x) => x & 0x0f) })), hostA)],
      ["answers another query", "PROTOCOL_OUT_OF_ORDER", () => withBody("trees/answer", ((b: { query: number }) => ({ ...b, query: b.query + 2 })), hostA)],
      ["sends bits of too few rows", "PROTOCOL_WRONG_SHAPE", () => bits((b) => ({ ...b, bytes: b.bytes.subarray(1) }))],
      ["sends bits of too many rows", "PROTOCOL_WRONG_SHAPE", () => bits((b) => ({ ...b, bytes: new Uint8Array([...b.bytes, 0]) }))],
      ["never says that its bits are complete", "PROTOCOL_WRONG_SHAPE", () => bits((b) => ({ ...b, last: false }))],
      ["sets bits behind the last row", "PROTOCOL_WRONG_SHAPE", () => changed((x, isLast) => (isLast ? x | 0x80 : x))],
      ["sends the bits of another cut", "PROTOCOL_OUT_OF_ORDER", () => bits((b) => ({ ...b, cut: b.cut + 1 }))],
      ["starts its bits with the second piece", "PROTOCOL_OUT_OF_ORDER", () => bits((b) => ({ ...b, index: 1 }))],
      ["sends bits that are not those of its counts", "PROTOCOL_CONTRADICTION", () => bits((b) => ({ ...b, bytes: b.bytes.with(3, (b.bytes[3] ?? 0) ^ 1) }))],
      ["sends all bits the other way round", "PROTOCOL_CONTRADICTION", () => changed((x, isLast) => x ^ (isLast ? 0x07 : 0xff))],
      ["sends as many bits of other rows", "MODEL_TREE_BITS", () => bits((b) => ({ ...b, bytes: swapped(b.bytes) }))],
    ];
    for (const [name, code, tamper] of cases) {
      it(`that ${name} is named, with ${code}`, async () => {
        const error = await attempt(tamper());
        assert.deepEqual([error.code, error.facts["party"]], [code, hostA]);
      });
    }
    it("is named with tree and level where these are known", async () => {
      for (const tamper of [cases[5], cases[11], cases[13], cases[15]].map((c) => c?.[2])) {
        assert(tamper);
        const error = await attempt(tamper());
        assert.equal(error.facts["tree"], 0, error.code);
        assert.isAtLeast(Number(error.facts["level"]), 0, error.code);
      }
    });
    // With noise a lie can hide in what twelve uniform numbers may add up to in every cell of the feature: it must be a larger one.
    for (const [noise, away] of [[false, 1], [true, 250]] as const) {
      it(`whose sums leave ${away} companies out of a feature is named, with the feature, ${noise ? "with" : "without"} noise`, async () => {
        const lying = (columns: PlainColumns): PlainColumns => {
          assert(columns.kind === "bins");
          const [first, second, ...rest] = columns.features;
          assert(first && second);
          // One more cell for the first feature, which takes companies out of the bins that it has told of, and one less for the second.
          const moved = { bins: first.bins + 1, binOf: first.binOf.map((bin, row) => (row < away ? first.bins : bin)) };
          return { ...columns, features: [moved, { bins: second.bins - 1, binOf: second.binOf.map((bin) => Math.min(bin, second.bins - 2)) }, ...rest] };
        };
        const lyingKernels: Kernels = { ...kernels, host: (o) => kernels.host({ ...o, columns: lying(o.columns) }) };
        const wrap = (party: Party): Party => (party.self === hostA ? partyWith(party, { kernels: lyingKernels }) : party);
        const error = await refused(start(undefined, { wrap, params: { ...smallTrees, trees: 2, bins: 5, noise } }).done);
        assert.deepEqual([error.code, error.facts], ["PROTOCOL_CONTRADICTION", { party: hostA, feature: 2, tree: 0, level: 0 }]);
      });
    }
    it("that counts fewer companies in a bin than the floor is refused before anything is asked", async () => {
      const lowered = withBody("trees/offer", ((b: TypedBody<"trees/offer">) => ({
        features: b.features.map((f) => ({ ...f, totals: f.totals.map((t, i) => (i === 0 ? 0 : i === 1 ? t + (f.totals[0] ?? 0) : t)) })),
      })), hostA);
      const { world, done } = start(lowered);
      const error = await refused(done);
      assert.deepEqual([error.code, error.facts["party"], error.facts["feature"]], ["FLOOR_BINS", hostA, 0]);
      assert.isFalse(world.sent.some((m) => m.from === bank));
    });
  });

  describe("a guest", () => {
    const cut = (change: Partial<Extract<Next, { step: "bits" }>>): Tamper => step("bits", hostA, (b) => [{ ...b, ...change } as Next]);
    const categorical = 2;
    const twice = { tree: 0, level: 1, cut: 0 };
    const oneAsks: TreeOptions = { params: { ...smallTrees, bins: 5, trees: 2, askedTrees: 1 } };
    const cases: [string, string, Tamper, TreeOptions?][] = [
      ["asks for a cut that is not the first bins of an ordered feature", "PROTOCOL_SPLIT", cut({ feature: 0, left: [1] })],
      ["asks for a cut with a gap", "PROTOCOL_SPLIT", cut({ feature: 0, left: [0, 2] })],
      ["asks for all bins on one side", "PROTOCOL_SPLIT", cut({ feature: 1, left: Array.from({ length: binsOf(1) }, (_, i) => i) })],
      ["asks for no bin on one side", "PROTOCOL_SPLIT", cut({ feature: 1, left: [255] })],
      ["asks for bins that the feature does not have", "PROTOCOL_SPLIT", cut({ feature: 1, left: [0, 40] })],
      ["asks for bins twice or out of order", "PROTOCOL_SPLIT", cut({ feature: categorical, left: [1, 0] })],
      ["asks for a feature that does not exist", "PROTOCOL_SPLIT", cut({ feature: 17, left: [0] })],
      ["asks for a cut under another number", "PROTOCOL_OUT_OF_ORDER", cut({ cut: 1 })],
      ["asks for the same cut twice", "PROTOCOL_SPLIT", step("bits", hostA, (b) => [b, { ...b, cut: 1 } as Next])],
      ["asks for more nodes than a tree has", "PROTOCOL_OUT_OF_ORDER", step("histograms", hostA, () => [{ step: "histograms", vectors: 10 }])],
      ["announces more queries than it sends", "PROTOCOL_WRONG_SHAPE", step("histograms", hostA, () => [{ step: "histograms", vectors: 4 }])],
      ["announces fewer queries than it sends", "PROTOCOL_WRONG_SHAPE", step("histograms", hostA, () => [{ step: "histograms", vectors: 2 }], 2)],
      ["asks for sums after the last tree that asks", "PROTOCOL_OUT_OF_ORDER", step("end", hostA, () => [{ step: "histograms", vectors: 2 }]), oneAsks],
      ["asks for a cut after the last tree that asks", "PROTOCOL_OUT_OF_ORDER", step("end", hostA, () => [{ step: "bits", cut: 0, feature: 1, left: [0] }]), oneAsks],
      ["grows more trees than the plan has", "PROTOCOL_OUT_OF_ORDER", step("end", hostA, () => [{ step: "tree" }])],
      ["names cuts at the end that were never asked for", "PROTOCOL_WRONG_SHAPE", withBody("trees/uses", (() => ({ uses: [{ tree: 0, level: 0, cut: 99 }] })))],
      ["names one level twice at the end", "PROTOCOL_WRONG_SHAPE", withBody("trees/uses", () => ({ uses: [twice, twice] }))],
    ];
    for (const [name, code, tamper, options] of cases) {
      it(`that ${name} is named, with ${code}`, async () => {
        const error = await attempt(tamper, options);
        assert.deepEqual([error.code, error.facts["party"]], [code, bank]);
      });
    }
    const series: [string, string, { feature: number; left: number[] }[], TreeOptions?][] = [
      ["asks for the same cut with the rows without a bin on the other side", "PROTOCOL_SPLIT", [{ feature: 1, left: [0, 255] }, { feature: 1, left: [0] }]],
      ["asks for parts of a categorical feature that are not of one order", "PROTOCOL_SPLIT", [{ feature: categorical, left: [0, 1] }, { feature: categorical, left: [1, 2] }]],
      ["asks for more cuts of a feature than the cap", "BUDGET_CUTS", [{ feature: 1, left: [0] }, { feature: 1, left: [0, 1] }, { feature: 1, left: [0, 1, 2] }],
        { params: { ...smallTrees, trees: 2, bins: 5, maxCutsPerHostFeature: 2 } }],
    ];
    for (const [name, code, cuts, options] of series) {
      it(`that ${name} is named, with ${code}, and gets no more bits`, async () => {
        let asked = false;
        // A guest that asks for these before its first own cut, and takes the bits.
        const wrap = (party: Party): Party => (party.self !== bank ? party : partyWith(party, {
          send: async (to, type, body) => {
            const isFirst = !asked && to === hostA && type === "trees/next" && (body as Next).step === "bits";
            if (isFirst) {
              asked = true;
              for (const [number, { feature, left }] of cuts.entries()) {
                await party.send(to, "trees/next", { step: "bits", cut: number, feature, left });
                await party.receive(hostA, "trees/bits");
              }
            }
            await party.send(to, type, body);
          },
        }));
        const { world, done } = start(undefined, { ...options, wrap });
        const error = await refused(done);
        assert.deepEqual([error.code, error.facts["party"]], [code, bank]);
        assert.lengthOf(world.sent.filter((m) => m.type === "trees/bits" && m.from === hostA), cuts.length - 1);
      });
    }
    function binsOf(feature: number): number {
      return pooledFeatures(tables, small).filter((f) => f.party === hostA)[feature]?.bins ?? 0;
    }
    it("gets no bitmap of a cut that is refused", async () => {
      const { world, done } = start(step("bits", hostA, () => [{ step: "bits", cut: 0, feature: 0, left: [1] }]));
      await refused(done);
      assert.isFalse(world.sent.some((m) => m.type === "trees/bits" && m.from === hostA));
    });
    it("has numeric features of several bins to cut in these cases", () => assert.isAtLeast(binsOf(1), numericBins));
  });

  describe("against the guards", () => {
    const refuse = (code: "BUDGET_EQUATIONS" | "BUDGET_CUTS" | "BUDGET_LABEL_RANK") => (): never => { throw new AppError(code); };
    it("a host whose budget of queries is used up sends no hint", async () => {
      const { world, done } = start(undefined, { hostGuard: (h) => (h === hostB ? { ...openGuard, chargeQueries: refuse("BUDGET_EQUATIONS") } : openGuard) });
      assert.equal((await refused(done)).code, "BUDGET_EQUATIONS");
      assert.deepEqual([...new Set(world.sent.filter((m) => m.from === hostB).map((m) => m.type))], ["trees/offer"]);
    });
    it("a host whose budget of bits is used up sends no bitmap", async () => {
      const { world, done } = start(undefined, { hostGuard: () => ({ ...openGuard, chargeBits: refuse("BUDGET_CUTS") }) });
      assert.equal((await refused(done)).code, "BUDGET_CUTS");
      assert.isFalse(world.sent.some((m) => m.type === "trees/bits"));
    });
    it("a guest whose label budget at a host is used up asks it for no cut", async () => {
      const { world, done } = start(undefined, { guestGuard: { chargeLabelRank: refuse("BUDGET_LABEL_RANK") } });
      assert.equal((await refused(done)).code, "BUDGET_LABEL_RANK");
      assert.isFalse(world.sent.some((m) => m.type === "trees/next" && (m.body as Next).step === "bits"));
    });
    it("are asked for the plan's queries once, and for each bitmap what it says", async () => {
      const said: string[] = [];
      let told = 0;
      const guard = {
        chargeQueries: (label: string, queries: number) => said.push(`${label}: ${queries}`),
        chargeBits: (label: string, more: number) => {
          said.push(label);
          told += more;
        },
      };
      const { world, done } = start(undefined, { hostGuard: (h) => (h === hostA ? guard : openGuard) });
      const results = (await done) as Record<string, { cuts: unknown[]; bitsPerRow: number }>;
      const cuts = results[hostA]?.cuts.length ?? 0;
      assert.deepEqual(said, ["trees: 16", ...Array.from({ length: cuts }, (_, k) => `bits/${k}`)]);
      assert.closeTo(told, results[hostA]?.bitsPerRow ?? 0, 1e-9);
      assert.lengthOf(world.sent.filter((m) => m.type === "trees/bits" && m.from === hostA), cuts);
    });
  });

  it("is not begun below 5,000 training companies, by guest and host alike", async () => {
    const world = createWorld({ parties: namesOf(tables), seed: 1, kernels });
    const outcomes = await world.settle(treePrograms(tables, { params: {}, liftFloors: false }));
    for (const party of namesOf(tables)) assert.equal((outcomes[party] as { error: AppError }).error.code, "FLOOR_ROWS");
    assert.lengthOf(world.sent, 0);
  });

  for (const { type, fields, sender } of [
    { type: "trees/offer", fields: ["features"], sender: hostB },
    { type: "trees/hint", fields: ["index", "last", "firstCell", "bytes"], sender: hostB },
    { type: "trees/query", fields: ["index", "last", "query", "commitments", "bytes"], sender: bank },
    { type: "trees/answer", fields: ["index", "last", "query", "bytes"], sender: hostB },
    { type: "trees/next", fields: ["step", "vectors"], sender: bank },
    { type: "trees/bits", fields: ["cut", "index", "last", "bytes"], sender: hostA },
    { type: "trees/uses", fields: ["uses"], sender: bank },
  ]) {
    for (const hostile of hostileCases(type, fields, sender)) {
      it(`refuses ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
    }
  }
  it("refuses words of the other side", async () => {
    const frame = encodeFrame("trees/next", { step: "end" });
    assert.equal((await attempt(onFirst("trees/answer", () => [frame]))).code, "PROTOCOL_WRONG_PARTY");
  });
});

/** A training row of each side changes it: as many rows left as before. */
function swapped(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  const bit = (row: number): number => ((bytes[row >> 3] ?? 0) >> (row & 7)) & 1;
  const rows = Array.from({ length: 300 }, (_, row) => row);
  for (const row of [...rows.filter((r) => bit(r) === 0).slice(0, 20), ...rows.filter((r) => bit(r) === 1).slice(0, 20)]) {
    out[row >> 3] = (out[row >> 3] ?? 0) ^ (1 << (row & 7));
  }
  return out;
}
