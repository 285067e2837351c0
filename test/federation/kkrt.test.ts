// The set intersection by oblivious transfer against plain sets, and both views: what each party sees and must not see.
import { assert } from "chai";
import * as fc from "fast-check";
import { after, before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { kkrtIntersection } from "../../federation/kkrt/kkrt.ts";
import type { KkrtOptions } from "../../federation/kkrt/shape.ts";
import type { Admit, GuestMatches, HostOrder, SetOpening } from "../../federation/psi/intersection.ts";
import { setDigest } from "../../federation/psi/own-set.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { bitDeviation, byteDeviation } from "../support/uniform.ts";
import { codeOf, createWorld, partyWith, type Program, type World } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const idsOf = (...names: (string | number)[]): EntityId[] => names.map((name) => `company-${name}` as EntityId);
const range = (from: number, to: number): EntityId[] => Array.from({ length: to - from }, (_, i) => `company-${from + i}` as EntityId);
const setSecret = new Uint8Array(32).fill(5);

type Setup = { guest: EntityId[]; host: EntityId[]; seed?: number; admit?: Admit; options?: KkrtOptions };
type Run = { world: World; guest: GuestMatches; host: HostOrder };

describe("the set intersection by oblivious transfer", () => {
  let kernels: Kernels;
  before(() => {
    kernels = createKernels({ threads: 2 });
  });
  after(() => kernels[Symbol.asyncDispose]());

  function programs(setup: Setup): { bank: Program<GuestMatches>; tax: Program<HostOrder> } {
    const psi = kkrtIntersection(setup.options);
    return {
      bank: (party) => psi.guest(party, tax, setup.guest, { setSecret }),
      tax: (party) => psi.host(party, bank, setup.host, { admit: setup.admit ?? (() => {}) }),
    };
  }
  const worldOf = (seed = 1): World => createWorld({ parties: ["bank", "tax"], seed, kernels });
  async function run(setup: Setup): Promise<Run> {
    const world = worldOf(setup.seed);
    const results = await world.run(programs(setup));
    return { world, guest: results.bank, host: results.tax };
  }
  /** What the two results say together: for each guest id the host's record, which no party alone knows. */
  const joined = ({ guest, host }: Omit<Run, "world">): (number | undefined)[] =>
    Array.from(guest.matched, (at) => (at < 0 ? undefined : host.order[at]));

  const someIds = fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 50 });
  it("matches exactly the ids that both hold, each with its own record", () =>
    fc.assert(
      fc.asyncProperty(someIds, someIds, fc.nat(), async (a, b, seed) => {
        const result = await run({ guest: idsOf(...a), host: idsOf(...b), seed });
        assert.deepEqual(joined(result), a.map((id) => (b.includes(id) ? b.indexOf(id) : undefined)));
        assert.equal(result.guest.hostSize, b.length);
        assert.equal(result.host.guestSize, a.length);
      }),
      { numRuns: 10, seed: 1 },
    ));
  it("matches nothing, everything, one id against one, and very unequal sets", async () => {
    assert.isTrue((await run({ guest: range(0, 40), host: range(40, 90) })).guest.matched.every((at) => at === -1));
    const all = await run({ guest: range(0, 40), host: range(0, 40).toReversed() });
    assert.deepEqual(joined(all), Array.from({ length: 40 }, (_, i) => 39 - i));
    assert.deepEqual(joined(await run({ guest: idsOf("a"), host: idsOf("a") })), [0]);
    assert.deepEqual(joined(await run({ guest: idsOf("a"), host: idsOf("b") })), [undefined]);
    assert.deepEqual(joined(await run({ guest: idsOf(77), host: range(0, 3000) })), [77]);
    assert.equal((await run({ guest: range(0, 3000), host: idsOf(77) })).guest.matched.indexOf(0), 77);
  });
  it("keeps ids apart that differ in one letter, in case, in length or outside ASCII", async () => {
    const guest = ["a", "A", "aa", "\u00e9", "e\u0301", "京", "x".repeat(63), "x".repeat(64), "x".repeat(65), "x".repeat(130)] as EntityId[];
    const host = ["b", "aa", "e\u0301", "京", "x".repeat(64), "x".repeat(66), "x".repeat(130)] as EntityId[];
    assert.deepEqual(joined(await run({ guest, host })), guest.map((id) => (host.includes(id) ? host.indexOf(id) : undefined)));
  });
  it("works over several chunks of every kind, with progress up to the end, and cheaply on the wire", async () => {
    const world = worldOf(3);
    const psi = kkrtIntersection();
    const steps: number[][] = [[], []];
    const watch = (side: number) => (done: number, total: number): unknown => steps[side]?.push(done / total);
    const { bank: guest, tax: host } = await world.run({
      bank: (party) => psi.guest(party, tax, range(0, 170_000), { setSecret, progress: watch(0) }),
      tax: (party) => psi.host(party, bank, range(169_000, 440_000), { admit: () => {}, progress: watch(1) }),
    });
    const expected = Array.from({ length: 170_000 }, (_, i) => (i < 169_000 ? undefined : i - 169_000));
    assert.isTrue(joined({ guest, host }).every((record, i) => record === expected[i]));
    const count = (type: string): number => world.sent.filter((m) => m.type === type).length;
    assert.deepEqual([count("ot/extend"), count("kkrt/tags")], [1 + 6, 6]);
    for (const done of steps) {
      assert.deepEqual(done, done.toSorted((a, b) => a - b));
      assert.equal(done.at(-1), 1);
    }
    assert.isBelow(world.bytesSent("bank") / 170_000, 80);
    assert.isBelow(world.bytesSent("tax") / 271_000, 34);
  }).timeout(60_000);

  describe("what the host sees", () => {
    it("is the same shapes whatever the guest holds, and its own result too", async () => {
      const host = range(0, 30);
      const a = await run({ guest: range(0, 20), host });
      const b = await run({ guest: idsOf(...Array.from({ length: 20 }, (_, i) => `another much longer name ${i}`)), host });
      assert.deepEqual(a.world.shape("tax"), b.world.shape("tax"));
      assert.deepEqual(a.host, b.host);
    });
    it("looks uniform for any ids", async () => {
      for (const guest of [range(0, 500), idsOf("a"), idsOf("b")]) {
        const { world } = await run({ guest, host: range(0, 3) });
        const columns = matrices(world).map((b) => b.columns);
        for (const part of columns) assert.isBelow(Math.abs(byteDeviation(part)), 8);
        for (const body of matrices(world)) assert.isBelow(Math.abs(bitDeviation(body.check)), 7.5);
      }
    });
    it("has nothing in common in two jobs of the same set but the digest, and no digest in common with another host", async () => {
      const setup = { guest: range(0, 20), host: range(0, 8) };
      const a = await run({ ...setup, seed: 1 });
      const b = await run({ ...setup, seed: 2, guest: setup.guest.toReversed() });
      const [first, second] = [a, b].map(({ world }) => bodies(world, "kkrt/open")[0] as SetOpening & { salt: Uint8Array });
      assert.deepEqual(first?.setDigest, second?.setDigest);
      assert.deepEqual(first?.setDigest, await setDigest(setup.guest, setSecret));
      assert.notDeepEqual(first?.salt, second?.salt);
      const columns = [a, b].map(({ world }) => matrices(world)[0]?.columns);
      // 15,360 bytes: 60 are equal by accident, standard deviation 7.7.
      assert.isBelow(columns[0]?.filter((x, i) => x === columns[1]?.[i]).length ?? 0, 125);
    });
  });

  describe("what the guest sees", () => {
    it("is the same shapes whatever the host holds", async () => {
      const guest = range(0, 5);
      const a = await run({ guest, host: range(0, 8), seed: 1 });
      const b = await run({ guest, host: range(50, 58), seed: 2 });
      assert.deepEqual(a.world.shape("bank"), b.world.shape("bank"));
    });
    it("is uniform tags, none of them twice, whether companies match or not", async () => {
      for (const host of [range(0, 2000), range(2000, 4000)]) {
        const { world } = await run({ guest: range(0, 2000), host });
        const tags = bodies(world, "kkrt/tags").map((b) => b["tags"] as Uint8Array);
        const all = Buffer.concat(tags);
        assert.isBelow(Math.abs(byteDeviation(all)), 8);
        assert.equal(split(all, 11).size, 3 * 2000);
      }
    });
    it("does not link the host's companies from one job to the next", async () => {
      const setup = { guest: range(0, 5), host: range(3, 30) };
      const tags = [1, 2].map(async (seed) => split(Buffer.concat(bodies((await run({ ...setup, seed })).world, "kkrt/tags").map((b) => b["tags"] as Uint8Array)), 11));
      const [a, b] = await Promise.all(tags);
      assert.isTrue(a?.isDisjointFrom(b ?? new Set()));
      const positions = new Set<number>();
      for (let seed = 0; seed < 12; seed++) positions.add((await run({ guest: range(3, 4), host: range(3, 30), seed })).guest.matched[0] as number);
      assert.isAbove(positions.size, 5, "a position in the shuffled list is no record number");
    });
  });

  describe("budgets and bad sets", () => {
    it("asks the host's budget before it answers anything, and ends with its refusal", async () => {
      const asked: SetOpening[] = [];
      const admit: Admit = (open) => {
        asked.push(open);
        throw new AppError("PSI_SET_TOO_LARGE", { size: open.size });
      };
      const world = worldOf();
      assert.equal(await codeOf(world.run(programs({ guest: range(0, 5), host: range(0, 3), admit }))), "PSI_SET_TOO_LARGE");
      assert.deepEqual(world.sent.map((m) => m.type), ["kkrt/open", "ot/base-ask"]);
      assert.deepEqual(asked, [{ size: 5, setDigest: await setDigest(range(0, 5), setSecret) }]);
    });
    for (const side of ["guest", "host"] as const) {
      it(`refuses an empty ${side} set and one with a duplicate, before anything of it is sent`, async () => {
        for (const [ids, code] of [[[], "PSI_EMPTY_SET"], [idsOf("a", "b", "a"), "PSI_DUPLICATE_ID"]] as const) {
          const world = worldOf();
          const setup = { guest: range(0, 3), host: range(0, 3), [side]: ids };
          assert.equal(await codeOf(world.run(programs(setup))), code);
          assert.notInclude(world.sent.map((m) => m.from), side === "guest" ? bank : tax);
        }
      });
    }
    it("draws another salt when the table does not hold all ids, before anything is sent", async () => {
      const guest = range(0, 30);
      // 33 bins for 30 ids: about every other salt fails.
      const options = { binsPerTable: () => 11 };
      let redrawn = 0;
      for (let seed = 0; seed < 8; seed++) {
        const world = worldOf(seed);
        const drawn: Uint8Array[] = [];
        const programsOf = programs({ guest, host: range(20, 60), options });
        const counting: Program<GuestMatches> = (party) =>
          programsOf.bank(partyWith(party, {
            rng: (label) => {
              const rng = party.rng(label);
              return label.endsWith("/salt") ? (bytes) => (assert.isEmpty(world.sent), drawn.push(rng(bytes)), drawn.at(-1) as Uint8Array<ArrayBuffer>) : rng;
            },
          }));
        const results = await world.run({ bank: counting, tax: programsOf.tax });
        assert.deepEqual(joined({ guest: results.bank, host: results.tax }), guest.map((_, i) => (i < 20 ? undefined : i - 20)));
        assert.deepEqual(bodies(world, "kkrt/open")[0]?.["salt"], drawn.at(-1));
        redrawn += drawn.length - 1;
      }
      assert.isAbove(redrawn, 0);
    });
    it("gives up when no salt fits, and has sent nothing", async () => {
      const world = worldOf();
      assert.equal(await codeOf(world.run(programs({ guest: range(0, 30), host: range(0, 3), options: { binsPerTable: () => 9 } }))), "PSI_NO_TABLE");
      assert.isEmpty(world.sent);
    });
  });

  describe("a restart", () => {
    it("sends the same bytes again and ends with the same result, whenever the process died", async () => {
      const setup = { guest: range(0, 60), host: range(40, 90) };
      const { world, guest, host } = await run(setup);
      const again = programs(setup);
      assert.deepEqual(await world.replay("bank", again.bank), guest);
      assert.deepEqual(await world.replay("tax", again.tax), host);
      for (let frames = 0; frames < 5; frames++) assert.isUndefined(await world.replay("bank", again.bank, frames));
      for (let frames = 0; frames < 4; frames++) assert.isUndefined(await world.replay("tax", again.tax, frames));
    });
    it("would show a role that draws other randomness", async () => {
      const setup = { guest: range(0, 6), host: range(4, 9) };
      const { world } = await run(setup);
      const otherRng: Program<GuestMatches> = (party) => programs(setup).bank(partyWith(party, { rng: (label) => seededRng(new Uint8Array(32), label) }));
      const failure = await world.replay("bank", otherRng).catch((error: Error) => error);
      assert.instanceOf(failure, Error);
      assert.match(failure.message, /message 0 of bank to tax differs/);
    });
  });
});

function bodies(world: World, type: string): Record<string, unknown>[] {
  return world.received.filter((m) => m.type === type).map((m) => m.body as Record<string, unknown>);
}
/** What the host takes of the extension itself (the first `ot/extend` of a session goes the other way). */
function matrices(world: World): { columns: Uint8Array; check: Uint8Array }[] {
  const taken = world.view("tax").filter((m) => m.type === "ot/extend");
  return taken.map((m) => m.body as { columns: Uint8Array; check: Uint8Array });
}
function split(bytes: Uint8Array, itemBytes: number): Set<string> {
  return new Set(Array.from({ length: bytes.length / itemBytes }, (_, i) => Buffer.from(bytes.subarray(i * itemBytes, (i + 1) * itemBytes)).toString("hex")));
}
