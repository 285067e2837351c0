// Both views of growing trees: what each party saw and what must not be in it; the bounds of the plan; restarts and checkpoints.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import type { GbdtHostResult } from "../../federation/gbdt/host.ts";
import { gbdtBitsPerRow, gbdtTraffic, type GbdtSize } from "../../federation/gbdt/traffic.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { bank, namesOf, plainRun, smallTrees, treeParams, treePrograms, treeTables, type TreeOptions, type TreeTables } from "../support/gbdt.ts";
import { createWorld, partyWith, type Program, type World, type WorldOptions } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

type Run = { readonly world: World; readonly programs: Record<string, Program<unknown>>; readonly results: Record<string, unknown> };
async function train(tables: TreeTables, options: TreeOptions = {}, seed = 1, more: Partial<WorldOptions> = {}): Promise<Run> {
  const world = createWorld({ parties: namesOf(tables), seed, kernels, ...more });
  const programs = treePrograms(tables, options);
  return { world, programs, results: await world.run(programs) };
}
const guestOf = (run: Run): GbdtGuestResult => run.results[bank] as GbdtGuestResult;
const types = (world: World, party: string): string[] => [...new Set(world.view(party).map((m) => m.type))].sort();
const steps = (world: World, host: string): TypedBody<"trees/next">[] =>
  world.view(host).filter((m) => m.type === "trees/next").map((m) => m.body as TypedBody<"trees/next">);
const bytesOf = (body: unknown): Uint8Array => (body as { bytes: Uint8Array }).bytes;

describe("what the parties see when trees are grown", () => {
  const tables = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [2, 1] });
  const otherLabels: TreeTables = { ...tables, label: treeTables({ rows: 900, trainRows: 700, seed: 77, hosts: [2, 1] }).label };
  let one: Run;
  let other: Run;
  before(async () => {
    one = await train(tables);
    other = await train(otherLabels);
  });

  it("is hints, sums and bits at the guest; queries and words about its own cuts at a host", () => {
    assert.deepEqual(types(one.world, bank), ["trees/answer", "trees/bits", "trees/hint", "trees/offer"]);
    assert.deepEqual(types(one.world, "host_a"), ["trees/next", "trees/query", "trees/uses"]);
    // Nobody sends anything to another host.
    assert.isTrue(one.world.sent.every((m) => m.from === bank || m.to === bank));
  });

  it("tells a host of labels only in how many nodes are asked about, its own cuts and their uses: queries are as random whatever they carry", () => {
    const queries = (run: Run): Uint8Array[] => run.world.view("host_a").filter((m) => m.type === "trees/query").map((m) => bytesOf(m.body));
    const [a, b] = [queries(one)[0], queries(other)[0]];
    assert(a && b);
    assert.equal(a.length, b.length);
    // The same randomness on purpose: gradients of other labels make other secrets, and nothing of their difference shows.
    let equal = 0;
    for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
    assert.closeTo(equal / a.length, 1 / 256, 0.002);
    // Every message of the same kind has the same size: a host learns nothing from lengths.
    const perVector = new Set(queries(one).map((q) => q.length / 13 / 4096));
    assert.isTrue([...perVector].every((blocks) => blocks % 2 === 0));
    assert.notDeepEqual(steps(one.world, "host_a"), steps(other.world, "host_a"));
  });

  it("names to a host no bin, feature or level of another party", () => {
    for (const host of tables.hosts) {
      const cuts = (one.results[host.name] as GbdtHostResult).cuts;
      const asked = steps(one.world, host.name).flatMap((s) => (s.step === "bits" ? [{ feature: s.feature, left: s.left }] : []));
      assert.deepEqual(asked, [...cuts].map(({ feature, left }) => ({ feature, left: [...left] })));
      assert.isTrue(asked.every((c) => c.feature < host.features.length));
    }
    // The same words to both hosts but for what is about their own cuts.
    const common = (host: string): string[] => steps(one.world, host).filter((s) => s.step !== "bits").map((s) => JSON.stringify(s));
    assert.deepEqual(common("host_a"), common("host_b"));
  });

  it("shows the guest one bitmap per cut, however many trees use it", () => {
    for (const host of tables.hosts) {
      const { cuts, uses } = one.results[host.name] as GbdtHostResult;
      assert.lengthOf(one.world.view(bank).filter((m) => m.type === "trees/bits" && m.from === host.name), cuts.length);
      assert.isAtMost(new Set(uses.map((u) => u.cut)).size, cuts.length);
    }
    const uses = tables.hosts.reduce((sum, h) => sum + (one.results[h.name] as GbdtHostResult).uses.length, 0);
    assert.isAbove(uses, guestOf(one).bitmaps.size, "some cut is used twice");
  });

  it("never has the same pseudorandom bytes twice, but for the broadcast of a query", async () => {
    const again = await train(tables, {}, 2);
    const secret = (run: Run): string[] =>
      run.world.sent.filter((m) => /\/(hint|query|answer)$/.test(m.type)).map((m) => Buffer.from(bytesOf(m.body)).toString("base64"));
    const both = [...secret(one), ...secret(again)];
    const broadcast = [one, again].reduce((sum, run) => sum + run.world.view("host_b").filter((m) => m.type === "trees/query").length, 0);
    assert.equal(both.length - new Set(both).size, broadcast);
  });

  it("stays inside the plan's bounds: messages, bytes, numbers, bits per company", async () => {
    const wide = treeTables({ rows: 5600, trainRows: 5000, seed: 3, hosts: [3, 1] });
    const options: TreeOptions = { params: { trees: 4, depth: 4, bins: 12 }, liftFloors: false };
    for (const [t, o] of [[tables, {}], [wide, options]] as const) {
      const run = await train(t, o);
      for (const host of t.hosts) {
        const size: GbdtSize = { rows: t.rows, trainRows: t.trainRows, params: treeParams(o), liftFloors: o !== options, features: host.features.length };
        const allowed = gbdtTraffic(size);
        const between = run.world.sent.filter((m) => m.from === host.name || m.to === host.name);
        for (const type of new Set(between.map((m) => m.type))) {
          const bound = allowed.find((a) => a.type === type);
          assert(bound, type);
          const sent = between.filter((m) => m.type === type);
          assert.isAtMost(sent.length, bound.messages, type);
          assert.isAtMost(sent.reduce((sum, m) => sum + m.bytes, 0), bound.bytes + 256 * sent.length, type);
        }
        const { bitsPerRow, queries } = run.results[host.name] as GbdtHostResult;
        assert.isAtMost(bitsPerRow, gbdtBitsPerRow(size));
        assert.isAtMost(queries, size.params.trees * 2 ** size.params.depth);
      }
    }
  });
});

describe("a restart while trees are grown", () => {
  const tables = treeTables({ rows: 420, trainRows: 330, seed: 4, own: 1, hosts: [2, 1] });
  const options: TreeOptions = { params: { ...smallTrees, trees: 4, bins: 6, earlyStopping: { rounds: 3, share: 0.2 } } };
  let run: Run;
  before(async () => {
    run = await train(tables, options);
  });
  const model = (r: Run): object => {
    const { grown, bitmaps, queries } = guestOf(r);
    return { ...grown, scores: [...grown.scores], bitmaps: [...bitmaps], queries };
  };

  it("leaves a checkpoint after every tree on every side", () => {
    assert.deepEqual(model(run), { ...model(run), ...plain() });
    for (const party of namesOf(tables)) assert.lengthOf(run.world.checkpoints(party), 4, party);
    function plain(): object {
      const grown = plainRun(tables, options);
      return { ...grown, scores: [...grown.scores] };
    }
  });
  for (const name of [bank, "host_a", "host_b"] as const) {
    it(`of ${name} at each checkpoint gives the same end, with the same bytes to all`, async () => {
      for (let made = 0; made <= 4; made++) {
        const again = await run.world.resume(name, run.programs[name] as Program<unknown>, made);
        if (name === bank) {
          assert.deepEqual(model({ ...run, results: { [bank]: again } }), model(run));
          continue;
        }
        const { cuts, uses, queries } = run.results[name] as GbdtHostResult;
        const { cuts: cutsAgain, uses: usesAgain, queries: queriesAgain } = again as GbdtHostResult;
        assert.deepEqual({ cuts: cutsAgain, uses: usesAgain, queries: queriesAgain }, { cuts, uses, queries });
      }
    });
    it(`of ${name} after any message sends the same bytes again`, async () => {
      const perPeer = run.world.peersOf(name).map((peer) => run.world.view(name).filter((m) => m.from === peer).length);
      for (let frames = 0; frames < Math.max(...perPeer); frames += 3) await run.world.replay(name, run.programs[name] as Program<unknown>, frames);
    });
  }
  it("of one party after the other in the middle of trees gives the identical model", async () => {
    const again = await train(tables, options, 1, { kills: { [bank]: [23, 41], host_a: [19, 12], host_b: [30] } });
    assert.deepEqual(model(again), model(run));
    assert.deepEqual(again.world.sent.map((m) => m.type).sort(), run.world.sent.map((m) => m.type).sort());
  });
  it("would be noticed if a host drew its noise and floods anew", async () => {
    const fresh = (party: Party): Party => partyWith(party, { rng: (label) => party.rng(`${label}/again`) });
    const changed = treePrograms(tables, { ...options, wrap: fresh });
    const message = await run.world.replay("host_a", changed["host_a"] as Program<unknown>, 8).then(() => "", (e: Error) => e.message);
    assert.match(message, /differs/);
  });
  it("keeps no more at the guest than the trees, the cuts and their bits", () => {
    const sizes = run.world.checkpoints(bank).map((c) => c.state.length);
    const bitmaps = guestOf(run).bitmaps.size;
    // A bit per row and cut here, at most a byte per row and feature in the grower's state, and the trees.
    const parts = bitmaps * (tables.rows / 8 + 40) + 5 * tables.rows + 4 * 3000;
    assert.isAtMost(Math.max(...sizes), parts);
  });
});
