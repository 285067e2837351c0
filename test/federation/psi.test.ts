// The intersection against plain sets, and both views: what each party sees, what it must not see, and what it refuses.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { CurvePool, inlineCurve } from "../../federation/psi/curve-pool.ts";
import { domainOf, type CurveWork } from "../../federation/psi/curve.ts";
import { ecdhIntersection } from "../../federation/psi/ecdh.ts";
import type { Party } from "../../federation/party.ts";
import type { Admit, GuestMatches, HostOrder, SetOpening } from "../../federation/psi/intersection.ts";
import { setDigest } from "../../federation/psi/own-set.ts";
import { PackedSet } from "../../federation/psi/packed-set.ts";
import { secretPermutation } from "../../federation/psi/permutation.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, partyWith, type Program, type Tamper, type World } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const idsOf = (...names: (string | number)[]): EntityId[] => names.map((name) => `company-${name}` as EntityId);
const range = (from: number, to: number): EntityId[] => idsOf(...Array.from({ length: to - from }, (_, i) => from + i));
const setSecret = new Uint8Array(32).fill(5);
const secretFor = { setSecret };

type Setup = { guest: EntityId[]; host: EntityId[]; seed?: number; job?: string; tamper?: Tamper; admit?: Admit; curve?: CurveWork };
type Run = { world: World; guest: GuestMatches; host: HostOrder };

describe("the ECDH intersection", () => {
  let curve: CurveWork;
  before(async () => {
    curve = await inlineCurve();
  });

  function programs(setup: Setup): { bank: Program<GuestMatches>; tax: Program<HostOrder> } {
    const psi = ecdhIntersection(setup.curve ?? curve);
    return {
      bank: (party) => psi.guest(party, tax, setup.guest, secretFor),
      tax: (party) => psi.host(party, bank, setup.host, { admit: setup.admit ?? (() => {}) }),
    };
  }
  async function run(setup: Setup): Promise<Run> {
    const { seed = 1, job, tamper } = setup;
    const world = createWorld({ parties: ["bank", "tax"], seed, ...(job !== undefined && { job }), ...(tamper && { tamper }) });
    const results = await world.run(programs(setup));
    return { world, guest: results.bank, host: results.tax };
  }
  const refusal = (setup: Setup): Promise<string> => codeOf(run(setup));
  /** What the two results say together: for each guest id the host's record, which no party alone knows. */
  const joined = ({ guest, host }: Omit<Run, "world">): (number | undefined)[] =>
    Array.from(guest.matched, (at) => (at < 0 ? undefined : host.order[at]));

  const someIds = fc.uniqueArray(fc.nat(14), { minLength: 1 });
  it("matches exactly the ids that both hold, each with its own record", () =>
    fc.assert(
      fc.asyncProperty(someIds, someIds, fc.nat(), async (a, b, seed) => {
        const result = await run({ guest: idsOf(...a), host: idsOf(...b), seed });
        assert.deepEqual(joined(result), a.map((id) => (b.includes(id) ? b.indexOf(id) : undefined)));
        assert.equal(result.guest.hostSize, b.length);
        assert.equal(result.host.guestSize, a.length);
      }),
      { numRuns: 25, seed: 1 },
    ));

  it("works over several chunks and worker threads, with progress up to the end", async () => {
    await using pool = new CurvePool();
    const world = createWorld({ parties: ["bank", "tax"], seed: 3 });
    const psi = ecdhIntersection(pool);
    const steps: number[] = [];
    const { bank: guest, tax: host } = await world.run({
      bank: (party) => psi.guest(party, tax, range(0, 4500), { setSecret, progress: (done, total) => steps.push(done / total) }),
      tax: (party) => psi.host(party, bank, range(4000, 8200), { admit: () => {} }),
    });
    assert.deepEqual(joined({ guest, host }), Array.from({ length: 4500 }, (_, i) => (i < 4000 ? undefined : i - 4000)));
    assert.equal(world.sent.filter((m) => m.type === "psi/blinded").length, 2);
    assert.deepEqual(steps, steps.toSorted((a, b) => a - b));
    assert.equal(steps.at(-1), 1);
  });

  describe("what the host sees", () => {
    it("is the same shapes whatever the guest holds", async () => {
      const host = range(0, 8);
      const a = await run({ guest: range(0, 5), host, seed: 1 });
      const b = await run({ guest: idsOf("a", "a name that is much longer than the others", "c", "d", "e"), host, seed: 2 });
      assert.deepEqual(a.world.shape("tax"), b.world.shape("tax"));
    });
    it("is a set size: its result does not depend on which ids match", async () => {
      const host = range(0, 8);
      const all = await run({ guest: range(0, 5), host });
      const none = await run({ guest: range(100, 105), host });
      assert.deepEqual(all.host, none.host);
    });
    it("has no element in common in two jobs of the same set, but the same digest", async () => {
      const setup = { guest: range(0, 5), host: range(0, 8) };
      const a = await run({ ...setup, seed: 1 });
      const b = await run({ ...setup, seed: 2, guest: setup.guest.toReversed() });
      assert.isEmpty(elements(a.world, "psi/blinded", "points", 32).intersection(elements(b.world, "psi/blinded", "points", 32)));
      assert.deepEqual(opening(a.world).setDigest, opening(b.world).setDigest);
    });
    it("has no element in common with another host of the same job", async () => {
      const world = createWorld({ parties: ["bank", "tax", "social"], seed: 1 });
      const psi = ecdhIntersection(curve);
      const serve: Program<HostOrder> = (party) => psi.host(party, bank, range(0, 8), { admit: () => {} });
      const ask = (party: Party, host: string, secret: number): Promise<GuestMatches> =>
        psi.guest(party, partyId(host), range(0, 5), { setSecret: new Uint8Array(32).fill(secret) });
      await world.run({ bank: (party) => Promise.all([ask(party, "tax", 1), ask(party, "social", 2)]), tax: serve, social: serve });
      const seenBySocial = elements(world, "psi/blinded", "points", 32, "social");
      assert.isEmpty(elements(world, "psi/blinded", "points", 32, "tax").intersection(seenBySocial));
      const openings = world.sent.filter((m) => m.type === "psi/open").map((m) => m.body as SetOpening);
      assert.notDeepEqual(openings[0], openings[1], "two hosts cannot tell that they were asked for the same set");
    });
    it("is in another order than the guest's table: no position points to a row", async () => {
      const first = new Set<string>();
      for (let seed = 0; seed < 12; seed++) {
        const guest = range(0, 6);
        const world = createWorld({ parties: ["bank", "tax"], seed });
        // What the guest blinds first is what it sends first.
        const order: string[] = [];
        const spying: CurveWork = { ...curve, blind: (ids, ...rest) => (order.push(...ids), curve.blind(ids, ...rest)) };
        await world.run(programs({ guest, host: range(0, 2), curve: spying }));
        first.add(order[0] as string);
        assert.sameMembers(order, guest);
      }
      assert.isAbove(first.size, 2);
    });
  });

  describe("what the guest sees", () => {
    it("is the same shapes whatever the host holds", async () => {
      const guest = range(0, 5);
      const a = await run({ guest, host: range(0, 8), seed: 1 });
      const b = await run({ guest, host: range(50, 58), seed: 2 });
      assert.deepEqual(a.world.shape("bank"), b.world.shape("bank"));
    });
    it("does not tell which companies the host holds beyond the matched ones, even to a guest that knows all names", async () => {
      const { world, guest } = await run({ guest: range(0, 5), host: range(3, 12) });
      const tags = elements(world, "psi/own", "tags", 16);
      const ofMatched = guest.matched.filter((at) => at >= 0).length;
      // All that a semi-honest guest can compute by itself: tags of any name under its own key, or without one.
      const ownKey = seededRng(new Uint8Array(32), "a guess")(64);
      const one = Uint8Array.of(1, ...new Uint8Array(63));
      const domain = domainOf(world.job, bank, tax);
      for (const key of [ownKey, one]) {
        const guesses = await curve.tag(range(0, 20), domain, key);
        assert.isEmpty(tags.intersection(split(guesses, 16)));
      }
      assert.equal(ofMatched, 2);
      assert.equal(tags.size, 9);
    });
    it("does not link the host's companies from one job to the next", async () => {
      const setup = { guest: range(0, 5), host: range(3, 12) };
      const a = await run({ ...setup, seed: 1 });
      const b = await run({ ...setup, seed: 2 });
      assert.isEmpty(elements(a.world, "psi/own", "tags", 16).intersection(elements(b.world, "psi/own", "tags", 16)));
      const positions = new Set<number>();
      for (let seed = 0; seed < 12; seed++) {
        const { guest } = await run({ guest: range(3, 4), host: range(3, 12), seed });
        positions.add(guest.matched[0] as number);
      }
      assert.isAbove(positions.size, 3, "a position in the shuffled list is no record number");
    });
  });

  describe("budgets and bad sets", () => {
    it("asks the host's budget before any work, and ends with its refusal", async () => {
      const asked: SetOpening[] = [];
      const admit: Admit = (open) => {
        asked.push(open);
        throw new AppError("PSI_SET_TOO_LARGE", { size: open.size });
      };
      const world = createWorld({ parties: ["bank", "tax"], seed: 1 });
      assert.equal(await codeOf(world.run(programs({ guest: range(0, 5), host: range(0, 3), admit }))), "PSI_SET_TOO_LARGE");
      assert.deepEqual(world.sent.map((m) => m.type), ["psi/open"]);
      assert.equal(asked[0]?.size, 5);
    });
    it("gives one digest to one set in any order, and another one to another set, secret or split of names", async () => {
      const digest = async (ids: EntityId[], secret = setSecret): Promise<string> => Buffer.from(await setDigest(ids, secret)).toString("hex");
      assert.equal(await digest(idsOf("a", "b")), await digest(idsOf("b", "a")));
      const joinedNames = ["company-a\ncompany-b" as EntityId];
      const others = await Promise.all([idsOf("a", "b"), idsOf("a"), idsOf("ab"), joinedNames].map((ids) => digest(ids)));
      others.push(await digest(idsOf("a", "b"), new Uint8Array(32).fill(6)));
      assert.equal(new Set(others).size, others.length);
    });
    for (const side of ["guest", "host"] as const) {
      it(`refuses an empty ${side} set and one with a duplicate`, async () => {
        const setup = { guest: range(0, 3), host: range(0, 3) };
        assert.equal(await refusal({ ...setup, [side]: [] }), "PSI_EMPTY_SET");
        assert.equal(await refusal({ ...setup, [side]: idsOf("a", "b", "a") }), "PSI_DUPLICATE_ID");
      });
    }
  });

  describe("a peer that deviates", () => {
    const setup = { guest: range(0, 5), host: range(3, 8) };
    const open = (change: (b: SetOpening) => object): Tamper => withBody("psi/open", change as never);
    const blinded = (change: (b: Points) => object): Tamper => withBody("psi/blinded", change as never);
    const twice = (change: (b: Points) => object): Tamper => withBody("psi/twice", change as never);
    const own = (change: (b: Tags) => object): Tamper => withBody("psi/own", change as never);
    const cases: [string, string, Tamper][] = [
      ["a guest that declares fewer ids than it sends", "PROTOCOL_WRONG_SHAPE", open((b) => ({ ...b, size: 4 }))],
      ["a guest that declares more ids than it sends", "PROTOCOL_WRONG_SHAPE", open((b) => ({ ...b, size: 6 }))],
      ["a guest that declares an empty set", "PROTOCOL_SCHEMA", open((b) => ({ ...b, size: 0 }))],
      ["a guest that declares more than the limit", "PROTOCOL_SCHEMA", open((b) => ({ ...b, size: 100_000_001 }))],
      ["a guest that starts with a later chunk", "PROTOCOL_OUT_OF_ORDER", blinded((b) => ({ ...b, index: 1 }))],
      ["a guest that sends half a point", "PROTOCOL_SCHEMA", blinded((b) => ({ ...b, points: b.points.subarray(16) }))],
      ["a guest that sends the neutral element", "PROTOCOL_BAD_POINT", blinded((b) => ({ ...b, points: b.points.slice().fill(0, 0, 32) }))],
      ["a guest that sends no canonical point", "PROTOCOL_BAD_POINT", blinded((b) => ({ ...b, points: b.points.with(31, 0xff) }))],
      ["a guest that sends one element twice", "PROTOCOL_DUPLICATE_ELEMENT", blinded((b) => ({ ...b, points: repeated(b.points, 32) }))],
      ["a host that returns a later chunk first", "PROTOCOL_OUT_OF_ORDER", twice((b) => ({ ...b, index: 1 }))],
      ["a host that returns fewer points", "PROTOCOL_WRONG_SHAPE", twice((b) => ({ ...b, points: b.points.subarray(32) }))],
      ["a host that returns the neutral element", "PROTOCOL_BAD_POINT", twice((b) => ({ ...b, points: b.points.slice().fill(0, 0, 32) }))],
      ["a host that lists a later chunk first", "PROTOCOL_OUT_OF_ORDER", own((b) => ({ ...b, index: 1 }))],
      ["a host that lists fewer tags than its size", "PROTOCOL_WRONG_SHAPE", own((b) => ({ ...b, tags: b.tags.subarray(16) }))],
      ["a host that lists one company twice", "PROTOCOL_DUPLICATE_ELEMENT", own((b) => ({ ...b, tags: repeated(b.tags, 16) }))],
    ];
    for (const [name, code, tamper] of cases) {
      it(`is refused: ${name}`, async () => {
        // All companies match here, so that a repeated tag is a repeated match.
        assert.equal(await refusal({ guest: range(0, 5), host: range(0, 5), tamper }), code);
      });
    }
    const points = ["index", "points"];
    const openFields = ["size", "setDigest"];
    const types = ["psi/open", "psi/ready", "psi/blinded", "psi/twice", "psi/own"];
    const fields = new Map([openFields, ["size"], points, points, ["index", "tags"]].map((names, i) => [types[i] ?? "", names]));
    for (const [type, names] of fields) {
      for (const hostile of hostileCases(type, names)) {
        it(`is refused: ${type} ${hostile.name}`, async () => {
          assert.equal(await refusal({ ...setup, tamper: hostile.tamper }), hostile.code);
        });
      }
    }
    it("is refused: a host that speaks as the guest", async () => {
      const open5 = encodeFrame("psi/open", { size: 5, setDigest: new Uint8Array(32) });
      const tamper = onFirst("psi/ready", () => [open5]);
      assert.equal(await refusal({ ...setup, tamper }), "PROTOCOL_WRONG_PARTY");
    });
  });

  describe("a restart", () => {
    it("sends the same bytes again and ends with the same result, whenever the process died", async () => {
      const setup = { guest: range(0, 6), host: range(4, 9) };
      const { world, guest, host } = await run(setup);
      const again = programs(setup);
      assert.deepEqual(await world.replay("bank", again.bank), guest);
      assert.deepEqual(await world.replay("tax", again.tax), host);
      for (let frames = 0; frames < 3; frames++) {
        assert.isUndefined(await world.replay("bank", again.bank, frames));
        if (frames < 2) assert.isUndefined(await world.replay("tax", again.tax, frames));
      }
    });
    it("would show a role that draws other randomness", async () => {
      const setup = { guest: range(0, 6), host: range(4, 9) };
      const { world } = await run(setup);
      const otherRng: Program<GuestMatches> = (party) =>
        programs(setup).bank(partyWith(party, { rng: (label) => seededRng(new Uint8Array(32), label) }));
      const failure = await world.replay("bank", otherRng).catch((error: Error) => error);
      assert.instanceOf(failure, Error);
      assert.match(failure.message, /message 1 of bank to tax differs/);
    });
  });
});

describe("the pieces of the intersection", () => {
  it("draws every order equally often", () => {
    const counts = new Map<string, number>();
    const rng = seededRng(new Uint8Array(32), "orders");
    for (let i = 0; i < 6000; i++) {
      const key = secretPermutation(3, rng).join("");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.equal(counts.size, 6);
    // 1000 expected each, standard deviation 29.
    for (const count of counts.values()) assert.closeTo(count, 1000, 150);
  });
  it("keeps packed items like a plain map", () =>
    fc.assert(fc.property(fc.array(fc.nat(300), { maxLength: 400 }), (values) => {
      const packed = new PackedSet(16);
      const plain = new Map<number, number>();
      // Few distinct slots: items collide on purpose.
      const item = (v: number): Uint8Array => Uint8Array.of(...new Uint8Array(6), v & 255, v >> 8, v % 3, ...new Uint8Array(7));
      for (const v of values) {
        assert.equal(packed.add(item(v), 0), !plain.has(v));
        if (!plain.has(v)) plain.set(v, plain.size);
      }
      for (let v = 0; v <= 300; v++) assert.equal(packed.find(item(v), 0), plain.get(v) ?? -1);
      assert.equal(packed.size, plain.size);
    }), { numRuns: 30, seed: 1 }));
});

/** The second item made equal to the first. */
function repeated(items: Uint8Array, itemBytes: number): Uint8Array {
  return items.slice().copyWithin(itemBytes, 0, itemBytes);
}

type Points = { points: Uint8Array };
type Tags = { tags: Uint8Array };

function split(bytes: Uint8Array, itemBytes: number): Set<string> {
  const items = Array.from({ length: bytes.length / itemBytes }, (_, i) => bytes.subarray(i * itemBytes, (i + 1) * itemBytes));
  return new Set(items.map((item) => Buffer.from(item).toString("hex")));
}
function elements(world: World, type: string, field: string, itemBytes: number, to?: string): Set<string> {
  const messages = world.received.filter((m) => m.type === type && (to === undefined || m.to === to));
  const parts = messages.map((m) => split((m.body as Record<string, Uint8Array>)[field] as Uint8Array, itemBytes));
  return parts.reduce((all, part) => all.union(part), new Set<string>());
}
function opening(world: World): SetOpening {
  return world.received.find((m) => m.type === "psi/open")?.body as SetOpening;
}
