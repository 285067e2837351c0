// Totals under masks: exact sums at the guest, uniform bytes from each host, clips, and what each end refuses.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { receiveTotals, sendWeights } from "../../federation/totals/guest.ts";
import { receiveWeights, sendTotals } from "../../federation/totals/host.ts";
import { addTotals, partialTotals, type TotalsPlan } from "../../models/scorecard/quantise.ts";
import { seededDraw } from "../support/draw.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { refusal } from "../support/joint.ts";
import { encodeFrame } from "../../core/codec.ts";
import { createWorld, type Entry, type Program, type Tamper, type World } from "../support/world.ts";

const guest = partyId("bank");
const nameOf = (i: number): PartyId => partyId(`host_${i}`);

type Setup = { rows: number; hosts: number; seed?: number; rounds?: number; tamper?: Tamper; label?: string; present?: (host: number) => number[] };
function setup(s: Setup): { world: World; hosts: PartyId[]; programs: Record<string, Program<unknown>>; expected: Int8Array; plan: TotalsPlan } {
  const draw = seededDraw((s.seed ?? 1) * 7 + s.rows);
  const hosts = Array.from({ length: s.hosts }, (_, i) => nameOf(i));
  const clip = Math.floor(127 / s.hosts);
  const columns = hosts.map(() => [0, 1].map(() => Int8Array.from({ length: s.rows }, () => draw.int(255) - 127)));
  const plan: TotalsPlan = {
    step: 0.01,
    parties: hosts.map((party) => ({ party, clip, fractionBits: 20, offset: draw.int(2 ** 22) - 2 ** 21, weights: [draw.int(2 ** 21) - 2 ** 20, draw.int(2 ** 20)] })),
  };
  const rounds = s.rounds ?? 1;
  const world = createWorld({ parties: [guest, ...hosts], seed: s.seed ?? 1, ...(s.tamper && { tamper: s.tamper }) });
  const opening: Program<Int8Array[]> = async (party) => {
    const totals = [];
    for (let round = 0; round < rounds; round++) {
      await sendWeights(party, hosts, round, plan);
      totals.push(await receiveTotals(party, hosts, round, s.rows));
    }
    return totals;
  };
  const giving = (i: number): Program<void> => async (party) => {
    for (let round = 0; round < rounds; round++) {
      const weights = await receiveWeights(party, guest, round, 2);
      const present = s.present?.(i).map(nameOf) ?? hosts;
      await sendTotals(party, { guest, present, round, label: `${s.label ?? "totals"}/${round}`, weights, columns: columns[i] ?? [], rows: s.rows });
    }
  };
  const expected = addTotals(plan.parties.map((p, i) => partialTotals(p, columns[i] ?? [], s.rows)), s.rows);
  return { world, hosts, plan, expected, programs: { [guest]: opening, ...Object.fromEntries(hosts.map((h, i) => [h, giving(i)])) } };
}
const maskedBy = (world: World, host: PartyId): Uint8Array => ((world.view(guest).find((m) => m.from === host) as Entry).body as TypedBody<"totals/masked">).bytes;
const chiSquare = (bytes: Uint8Array): number => {
  const counts = new Float64Array(16);
  for (const byte of bytes) counts[byte & 15] = (counts[byte & 15] ?? 0) + 1;
  return counts.reduce((sum, c) => sum + (c - bytes.length / 16) ** 2 / (bytes.length / 16), 0);
};

describe("totals under masks", () => {
  it("open to the sum of all hosts' clipped parts, for any number of hosts", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 6 }), fc.nat(999), async (rows, hosts, seed) => {
        const { world, programs, expected } = setup({ rows, hosts, seed });
        assert.deepEqual((await world.run(programs))[guest], [expected]);
      }),
      { numRuns: 40, seed: 3 },
    ));
  it("open above the size of a chunk", async () => {
    const { world, programs, expected } = setup({ rows: 1_000_001, hosts: 2 });
    assert.deepEqual((await world.run(programs))[guest], [expected]);
    assert.lengthOf(world.sent.filter((m) => m.type === "totals/masked"), 4);
  });
  it("have fresh masks in every round and under every label: equal totals look different", async () => {
    const { world, programs, hosts } = setup({ rows: 500, hosts: 2, rounds: 2 });
    await world.run(programs);
    const [first, second] = world.view(guest).filter((m) => m.from === hosts[0]).map((m) => (m.body as TypedBody<"totals/masked">).bytes);
    assert(first && second);
    const difference = first.map((byte, i) => byte - (second[i] ?? 0));
    assert.isAbove(new Set(difference).size, 150);
    const other = setup({ rows: 500, hosts: 2, label: "score" });
    await other.world.run(other.programs);
    assert.notDeepEqual(maskedBy(other.world, nameOf(0)), first);
  });
  it("are uniform bytes from every single host and from every set of hosts but all", async () => {
    const { world, programs, hosts, expected } = setup({ rows: 4000, hosts: 3 });
    await world.run(programs);
    const bytes = hosts.map((h) => maskedBy(world, h));
    const sumOf = (some: readonly number[]): Uint8Array => Uint8Array.from({ length: 4000 }, (_, i) => some.reduce((sum, h) => sum + (bytes[h]?.[i] ?? 0), 0));
    // 15 degrees of freedom: 50 is passed by chance once in 80,000 times. The seed is fixed.
    for (const some of [[0], [1], [2], [0, 1], [0, 2], [1, 2]]) assert.isBelow(chiSquare(sumOf(some)), 50, `hosts ${some.join()}`);
    assert.deepEqual([...new Int8Array(sumOf([0, 1, 2]).buffer)], [...expected]);
  });
  it("with a host that believes in other hosts than its peers do open to noise, not to a part", async () => {
    const { world, programs, hosts, plan } = setup({ rows: 4000, hosts: 2, present: (host) => (host === 0 ? [0] : [0, 1]) });
    const [opened] = (await world.run(programs))[guest] as [Int8Array];
    assert.isBelow(chiSquare(new Uint8Array(opened.buffer)), 50);
    // The one that was told that it is alone is what the single-host rule of its policy is for.
    assert.isAbove(chiSquare(maskedBy(world, hosts[0] ?? guest)), 50);
    assert.isBelow(chiSquare(maskedBy(world, hosts[1] ?? guest)), 50);
    assert.isAtMost(Math.max(...new Int8Array(maskedBy(world, hosts[0] ?? guest).slice().buffer)), plan.parties[0]?.clip ?? 0);
  });
  it("are the same bytes after a restart of any party", async () => {
    const { world, programs, hosts } = setup({ rows: 50, hosts: 3, rounds: 2 });
    const results = await world.run(programs);
    for (const name of [guest, ...hosts]) {
      assert.deepEqual(await world.replay(name, programs[name] as Program<unknown>), results[name]);
      for (const frames of [0, 1]) await world.replay(name, programs[name] as Program<unknown>, frames);
    }
  });

  describe("between parties of which one deviates", () => {
    const attempt = (tamper: Tamper): ReturnType<typeof refusal> => {
      const { world, programs } = setup({ rows: 20, hosts: 2, rounds: 2, tamper });
      return refusal(world.run(programs));
    };
    type Masked = TypedBody<"totals/masked">;
    type Weights = TypedBody<"totals/weights">;
    const masked = (change: (b: Masked) => object): Tamper => withBody("totals/masked", change as never, nameOf(1));
    const weights = (change: (b: Weights) => object): Tamper => withBody("totals/weights", change as never);
    const plan = (change: (p: Weights["plan"]) => object): Tamper => weights((b) => ({ ...b, plan: change(b.plan) }));
    const cases: [string, string, PartyId | undefined, Tamper][] = [
      ["totals of another round", "PROTOCOL_OUT_OF_ORDER", nameOf(1), masked((b) => ({ ...b, round: 1 }))],
      ["totals that start with their second chunk", "PROTOCOL_OUT_OF_ORDER", nameOf(1), masked((b) => ({ ...b, index: 1 }))],
      ["totals of too few rows", "PROTOCOL_WRONG_SHAPE", nameOf(1), masked((b) => ({ ...b, bytes: b.bytes.subarray(1) }))],
      ["totals of too many rows", "PROTOCOL_WRONG_SHAPE", nameOf(1), masked((b) => ({ ...b, bytes: new Uint8Array(21) }))],
      ["totals that never end", "PROTOCOL_WRONG_SHAPE", nameOf(1), masked((b) => ({ ...b, last: false }))],
      ["weights of another round", "PROTOCOL_OUT_OF_ORDER", guest, weights((b) => ({ ...b, round: 1 }))],
      ["a weight too few", "PROTOCOL_WRONG_SHAPE", guest, plan((p) => ({ ...p, weights: p.weights.slice(1) }))],
      ["a weight too many", "PROTOCOL_WRONG_SHAPE", guest, plan((p) => ({ ...p, weights: [...p.weights, 0] }))],
      ["a clip of more than 8 bits", "PROTOCOL_SCHEMA", undefined, plan((p) => ({ ...p, clip: 128 }))],
      ["a finer step than agreed", "PROTOCOL_SCHEMA", undefined, plan((p) => ({ ...p, fractionBits: 10 }))],
      ["a weight that is not whole", "PROTOCOL_SCHEMA", undefined, plan((p) => ({ ...p, weights: p.weights.with(0, 0.5) }))],
    ];
    for (const [name, code, party, tamper] of cases) {
      it(`refuse ${name}`, async () => assert.deepEqual(await attempt(tamper), { code, party }));
    }
    it("refuse weights that a host sends", async () => {
      const frame = encodeFrame("totals/weights", { round: 0, plan: { clip: 1, fractionBits: 20, offset: 0, weights: [] } });
      assert.equal((await attempt(onFirst("totals/masked", () => [frame]))).code, "PROTOCOL_WRONG_PARTY");
    });
    for (const { type, fields, sender } of [
      { type: "totals/weights", fields: ["round", "plan"], sender: guest },
      { type: "totals/masked", fields: ["round", "index", "last", "bytes"], sender: nameOf(0) },
    ]) {
      for (const hostile of hostileCases(type, fields, sender)) {
        it(`refuse ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
      }
    }
  });
});
