// The reusable intersection: tags once, then only the guest's ids; both shelves, and what is refused.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import { keyBytes, type CurveWork } from "../../federation/psi/curve.ts";
import type { Admit, GuestMatches, HostOrder } from "../../federation/psi/intersection.ts";
import { reusableTraffic } from "../../federation/psi/choose.ts";
import { reusableGuest } from "../../federation/psi/reusable-guest.ts";
import { reusableHost } from "../../federation/psi/reusable-host.ts";
import { compareTags, sortTags, type GuestShelf, type HostShelf, type KeptTags, type PublishedTags } from "../../federation/psi/reusable-tags.ts";
import { Statement } from "../../federation/statement.ts";
import { assertWithin } from "../support/joint.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const idsOf = (...names: number[]): EntityId[] => names.map((name) => `company-${name}` as EntityId);
const range = (from: number, to: number): EntityId[] => Array.from({ length: to - from }, (_, i) => `company-${from + i}` as EntityId);

class MemoryHostShelf implements HostShelf {
  readonly #key: Uint8Array;
  kept: PublishedTags | undefined;
  made = 0;
  constructor(label: string) {
    this.#key = seededRng(new Uint8Array(32), label)(keyBytes);
  }
  async key(): Promise<Uint8Array> {
    return this.#key;
  }
  async published(): Promise<KeptTags | undefined> {
    const { kept } = this;
    return kept && { ...kept, tags: () => [kept.tags] };
  }
  async keep(published: PublishedTags): Promise<void> {
    this.made++;
    this.kept = published;
  }
}
/** As a file would: lists by digest; what the job began with stays its `have`. */
class MemoryGuestShelf implements GuestShelf {
  readonly lists = new Map<string, Uint8Array[]>();
  have: Uint8Array | undefined;
  tags(digest: Uint8Array): Uint8Array[] {
    const list = this.lists.get(Buffer.from(digest).toString("hex"));
    assert.isDefined(list, "a list that was never kept");
    return list;
  }
  async keep(digest: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const list: Uint8Array[] = [];
    for await (const chunk of chunks) list.push(chunk);
    this.lists.set(Buffer.from(digest).toString("hex"), list);
  }
}

type Setup = { guest: EntityId[]; host: EntityId[]; mine: MemoryGuestShelf; theirs: MemoryHostShelf; seed?: number; snapshot?: string; tamper?: Tamper; admit?: Admit };
type Run = { world: World; guest: GuestMatches; host: HostOrder };

describe("the reusable intersection", () => {
  let curve: CurveWork;
  before(async () => {
    curve = await inlineCurve();
  });
  function programs(setup: Setup): { bank: Program<GuestMatches>; tax: Program<HostOrder> } {
    const snapshot = setup.snapshot ?? "a".repeat(64);
    return {
      bank: (party) => reusableGuest(party, tax, setup.guest, { curve, shelf: setup.mine, snapshot, setSecret: new Uint8Array(32) }),
      tax: (party) => reusableHost(party, bank, setup.host, { curve, shelf: setup.theirs, snapshot, admit: setup.admit ?? (() => {}) }),
    };
  }
  async function run(setup: Setup): Promise<Run> {
    const world = createWorld({ parties: ["bank", "tax"], seed: setup.seed ?? 1, ...(setup.tamper && { tamper: setup.tamper }) });
    const results = await world.run(programs(setup));
    return { world, guest: results.bank, host: results.tax };
  }
  const joined = ({ guest, host }: Omit<Run, "world">): (number | undefined)[] => Array.from(guest.matched, (at) => (at < 0 ? undefined : host.order[at]));
  const shelves = (label = "key"): { mine: MemoryGuestShelf; theirs: MemoryHostShelf } => ({ mine: new MemoryGuestShelf(), theirs: new MemoryHostShelf(label) });

  const someIds = fc.uniqueArray(fc.nat(14), { minLength: 1 });
  it("matches exactly the ids that both hold, each with its own record, in the first job and in later ones", () =>
    fc.assert(
      fc.asyncProperty(someIds, someIds, someIds, async (first, second, host) => {
        const kept = shelves();
        for (const [seed, ids] of [first, second].entries()) {
          const result = await run({ ...kept, guest: idsOf(...ids), host: idsOf(...host), seed });
          assert.deepEqual(joined(result), ids.map((id) => (host.includes(id) ? host.indexOf(id) : undefined)));
          assert.equal(result.world.sent.filter((m) => m.type === "psi/reuse-tags").length, seed === 0 ? 1 : 0);
          kept.mine.have = kept.theirs.kept?.digest;
        }
        assert.equal(kept.theirs.made, 1);
      }),
      { numRuns: 15, seed: 1 },
    ));
  it("sends the list again to a guest that lost it or has another, and a new snapshot has tags of its own", async () => {
    const kept = shelves();
    const setup = { ...kept, guest: range(0, 5), host: range(3, 9) };
    await run(setup);
    kept.mine.have = new Uint8Array(32).fill(1);
    const again = await run({ ...setup, seed: 2 });
    assert.include(again.world.sent.map((m) => m.type), "psi/reuse-tags");
    const newer = shelves("another key");
    const other = await run({ ...setup, ...newer, snapshot: "b".repeat(64) });
    assert.deepEqual(joined(other), [undefined, undefined, undefined, 0, 1]);
    const tagsOf = (shelf: MemoryHostShelf): Set<string> =>
      new Set(Array.from({ length: 6 }, (_, i) => Buffer.from(shelf.kept?.tags.subarray(16 * i, 16 * i + 16) ?? []).toString("hex")));
    assert.isTrue(tagsOf(kept.theirs).isDisjointFrom(tagsOf(newer.theirs)));
  });
  it("asks the budget every time before a point is raised", async () => {
    const kept = shelves();
    await run({ ...kept, guest: range(0, 3), host: range(0, 3) });
    kept.mine.have = kept.theirs.kept?.digest;
    const world = createWorld({ parties: ["bank", "tax"], seed: 2 });
    const admit: Admit = (open) => {
      throw new AppError("PSI_SET_TOO_LARGE", { size: open.size });
    };
    assert.equal(await codeOf(world.run(programs({ ...kept, guest: range(0, 4), host: range(0, 3), admit }))), "PSI_SET_TOO_LARGE");
    assert.deepEqual(world.sent.map((m) => m.type), ["psi/reuse-open"]);
  });
  it("shows the host nothing that repeats from job to job but digests, and its order no record number", async () => {
    const kept = shelves();
    const setup = { ...kept, guest: range(0, 5), host: range(0, 40) };
    const points = [1, 2].map(async (seed) => Buffer.from((await run({ ...setup, seed })).world.sent.find((m) => m.type === "psi/blinded")?.frame ?? []).toString("hex"));
    assert.equal(new Set(await Promise.all(points)).size, 2);
    assert.notDeepEqual(Array.from(kept.theirs.kept?.order ?? []), Array.from({ length: 40 }, (_, i) => i));
  });
  it("is the same after a restart, also when the list was kept in between", async () => {
    const setup = { ...shelves(), guest: range(0, 6), host: range(4, 9) };
    const { world, guest, host } = await run(setup);
    assert.deepEqual(await world.replay("bank", programs(setup).bank), guest);
    assert.deepEqual(await world.replay("tax", programs(setup).tax), host);
  });
  it("sends what the statement has: the list when it is new to the guest, and no byte of it later", async () => {
    const kept = shelves();
    const setup = { ...kept, guest: range(0, 30), host: range(20, 70) };
    const statement = new Statement();
    for (const t of reusableTraffic(30, 50)) statement.add(...(t.from === "guest" ? [bank, tax] as const : [tax, bank] as const), t.type, t.messages, t.bytes, 0);
    for (const seed of [1, 2]) {
      const { world } = await run({ ...setup, seed });
      assertWithin({ leakage: statement.items, log2FloodDistance: -1000, attacks: [] }, world);
      const bytes = (type: string): number => world.sent.filter((m) => m.type === type).reduce((sum, m) => sum + m.bytes, 0);
      for (const { type, messages, bytes: most } of reusableTraffic(30, 50)) {
        const isKept = seed === 2 && type === "psi/reuse-tags";
        assert.lengthOf(world.sent.filter((m) => m.type === type), isKept ? 0 : messages, type);
        if (!isKept) assert.isAtLeast(bytes(type), most - 16, type);
      }
      kept.mine.have = kept.theirs.kept?.digest;
    }
  });
  it("refuses bad own sets", async () => {
    for (const [ids, code] of [[[], "PSI_EMPTY_SET"], [idsOf(1, 2, 1), "PSI_DUPLICATE_ID"]] as const) {
      assert.equal(await codeOf(run({ ...shelves(), guest: range(0, 3), host: [...ids] })), code);
      assert.equal(await codeOf(run({ ...shelves(), guest: [...ids], host: range(0, 3) })), code);
    }
  });

  describe("a peer that deviates", () => {
    type Tags = { index: number; tags: Uint8Array };
    type Points = { points: Uint8Array };
    const tags = (change: (tags: Uint8Array) => Uint8Array): Tamper => withBody("psi/reuse-tags", (b: Tags) => ({ ...b, tags: change(b.tags) }));
    const cases: [string, string, Tamper][] = [
      ["a host that sends another list than it announced", "PROTOCOL_COMMITMENT", tags((t) => t.with(15, (t[15] ?? 0) ^ 1))],
      ["a host that lists a tag twice", "PROTOCOL_DUPLICATE_ELEMENT", tags((t) => t.slice().copyWithin(16, 0, 16))],
      ["a host whose list does not ascend", "PROTOCOL_DUPLICATE_ELEMENT", tags((t) => new Uint8Array([...t.subarray(16), ...t.subarray(0, 16)]))],
      ["a host that lists fewer", "PROTOCOL_WRONG_SHAPE", tags((t) => t.subarray(16))],
      ["a host that begins later", "PROTOCOL_OUT_OF_ORDER", withBody("psi/reuse-tags", (b: Tags) => ({ ...b, index: 1 }))],
      ["a guest that sends one point twice", "PROTOCOL_DUPLICATE_ELEMENT", withBody("psi/blinded", (b: Points) => ({ ...b, points: b.points.slice().copyWithin(32, 0, 32) }))],
      ["a guest that declares fewer ids than it sends", "PROTOCOL_WRONG_SHAPE", withBody("psi/reuse-open", (b: object) => ({ ...b, size: 4 }))],
    ];
    const attempt = (tamper: Tamper): Promise<Run> => run({ ...shelves(), guest: range(0, 5), host: range(0, 5), tamper });
    for (const [name, code, tamper] of cases) it(`is refused: ${name}`, async () => assert.equal(await codeOf(attempt(tamper)), code));
    it("leaves nothing on the shelf when the list was refused", async () => {
      const kept = shelves();
      await codeOf(run({ ...kept, guest: range(0, 5), host: range(0, 5), tamper: tags((t) => t.with(15, (t[15] ?? 0) ^ 1)) }));
      assert.equal(kept.mine.lists.size, 0);
    });
    for (const [type, fields] of [["psi/reuse-open", ["size", "setDigest", "have"]], ["psi/reuse-ready", ["size", "digest"]], ["psi/reuse-tags", ["index", "tags"]]] as const) {
      for (const hostile of hostileCases(type, fields)) {
        it(`is refused: ${type} ${hostile.name}`, async () => assert.equal(await codeOf(attempt(hostile.tamper)), hostile.code));
      }
    }
  });
});

describe("sorted tags", () => {
  it("hold every tag once, ascending, with the number that it had", () =>
    fc.assert(fc.property(fc.array(fc.uint8Array({ minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 60 }), (heads) => {
      // Few distinct leading bytes: equal parts and equal tags occur.
      const tags = new Uint8Array(heads.length * 16);
      for (const [i, head] of heads.entries()) tags.set(head.map((x, k) => (k === 2 ? x : x % 2)), 16 * i);
      const { tags: sorted, order } = sortTags(tags);
      assert.deepEqual([...order].sort((a, b) => a - b), heads.map((_, i) => i));
      for (const [at, i] of order.entries()) {
        assert.deepEqual(sorted.subarray(16 * at, 16 * at + 16), tags.subarray(16 * i, 16 * i + 16));
        if (at > 0) assert.isAtMost(compareTags(sorted, at - 1, sorted, at), 0);
      }
    }), { seed: 1 }));
});
