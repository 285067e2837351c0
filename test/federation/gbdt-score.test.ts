// Joint prediction by boosted trees: the model's own scores to within the 8 bits that are opened, whoever is away or unknown; what every party
// sees of it; what is refused.
import { setImmediate } from "node:timers/promises";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import { gbdtGuestHalf, gbdtHostHalf, type GbdtGuestHalf, type GbdtHostHalf } from "../../federation/gbdt/half.ts";
import type { GbdtHostResult } from "../../federation/gbdt/host.ts";
import { scoreTreesGuest } from "../../federation/gbdt/score-guest.ts";
import { scoreTreesHost } from "../../federation/gbdt/score-host.ts";
import type { HostGuard } from "../../federation/guards.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { applyFine } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import { scoreFractionBits } from "../../models/trees/model.ts";
import { scoreRows } from "../../models/trees/predict.ts";
import { bank, namesOf, ownBins, smallTrees, treeParams, treePrograms, treeTables, type TreeTables } from "../support/gbdt.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { assertWithin, idOf, openHostGuard, plainIntersection, refusal } from "../support/joint.ts";
import { byteDeviation } from "../support/uniform.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const unitsPerOdds = 2 ** scoreFractionBits;

type Model = {
  readonly half: GbdtGuestHalf; readonly halves: Readonly<Record<string, GbdtHostHalf>>; readonly results: ReadonlyMap<string, GbdtHostResult>;
  readonly hosts: readonly PartyId[];
};

async function train(tables: TreeTables, params = smallTrees): Promise<Model> {
  const results = await createWorld({ parties: namesOf(tables), seed: 1, kernels }).run(treePrograms(tables, { params }));
  const hosts = tables.hosts.map((h) => h.name);
  const half = gbdtGuestHalf({
    model: "model_0", input: { hosts, own: ownBins(tables, treeParams({ params })), trainRows: tables.trainRows }, result: results[bank] as GbdtGuestResult,
    scaling: { points: 600, odds: 50, pdo: 20 },
  });
  const ofHosts = new Map(hosts.map((h) => [h as string, results[h] as GbdtHostResult]));
  const halves = Object.fromEntries([...ofHosts].map(([h, result]) => [h, gbdtHostHalf({ model: "model_0", digest: "d", guest: bank, hosts, result })]));
  return { half, halves, results: ofHosts, hosts };
}

/** Companies that training never saw, some with a level that it never saw. */
function batchLike(hosts: readonly number[], rows: number): TreeTables {
  const batch = treeTables({ rows, trainRows: rows, seed: 91, hosts, absent: 0.25 });
  const strange = (f: Feature): Feature => (
    f.kind === "numeric" ? f : { ...f, levels: [...f.levels, "unheard of"], codes: f.codes.map((code, row) => (row % 9 === 0 ? f.levels.length : code)) });
  return { ...batch, own: batch.own.map(strange), hosts: batch.hosts.map((h) => ({ ...h, features: h.features.map(strange) })) };
}

type Options = {
  readonly present?: readonly string[]; readonly tamper?: Tamper; readonly half?: GbdtGuestHalf; readonly halves?: Model["halves"];
  readonly guard?: HostGuard; readonly batch?: TreeTables; readonly seed?: number;
};
type Run = { readonly world: World; readonly scores: BatchScores; readonly programs: Record<string, Program<unknown>> };

/** A scoring job over a batch. A host holds the companies that it knows in an order of its own, and strangers. */
async function score(model: Model, batch: TreeTables, o: Options = {}): Promise<Run> {
  const hosts = batch.hosts.filter((h) => o.present?.includes(h.name) ?? true);
  const present = hosts.map((h) => h.name);
  const held = new Map(hosts.map(({ name, rowOf, features }) => {
    const records = [...rowOf.keys()].filter((row) => (rowOf[row] ?? -1) >= 0).toReversed();
    const rows = Int32Array.from([...records, -1, -1]);
    const ids = Array.from(rows, (row, i) => (row < 0 ? (`stranger-${name}-${i}` as EntityId) : idOf(row)));
    return [name, { ids, features: features.map((f) => alignFeature(f, rows)) }] as const;
  }));
  const intersection = plainIntersection(Object.fromEntries([...held].map(([name, { ids }]) => [name, ids])));
  const world = createWorld({ parties: [bank, ...present], seed: o.seed ?? 2, job: "job_scoring000000000", kernels, ...(o.tamper && { tamper: o.tamper }) });
  const guest: Program<BatchScores> = (party) => scoreTreesGuest(party, {
    hosts: present, half: o.half ?? model.half, ids: Array.from({ length: batch.rows }, (_, i) => idOf(i)), features: batch.own,
    setSecret: () => new Uint8Array(32), intersection,
  });
  const hostOf = (name: PartyId): Program<void> => (party) => scoreTreesHost(party, {
    guest: bank, hosts: present, half: (o.halves ?? model.halves)[name] as GbdtHostHalf, ...(held.get(name) ?? { ids: [], features: [] }),
    guard: o.guard ?? openHostGuard, intersection,
    receipt: async ({ id, digest }) => ({ receipt: `${name} ${id} ${digest}`, account: { phases: [], sent: [], peakRssMb: 1, layers: [] } }),
  });
  const programs = { [bank]: guest, ...Object.fromEntries(present.map((h) => [h, hostOf(h)])) };
  return { world, programs, scores: (await world.run(programs))[bank] as BatchScores };
}

/** Log odds by the pooled columns; a host that is away has none. */
function expected(model: Model, batch: TreeTables, away: readonly string[] = []): Float64Array {
  const own = model.half.own.map(({ name, definition }) => applyFine(definition, batch.own.find((f) => f.name === name) as Feature));
  const others = batch.hosts.flatMap(({ name, features, rowOf }) => (model.results.get(name)?.fine ?? []).map(({ name: feature, fine }) => (
    away.includes(name) ? undefined : applyFine(fine.definition, alignFeature(features.find((f) => f.name === feature) as Feature, rowOf)))));
  return scoreRows(model.half.trees, [...own, ...others], batch.rows).map((units) => units / unitsPerOdds);
}

/** What rounding may change: 128 units of the opened byte per host and half a unit per table, where a unit is what makes 16 bits hold all trees. */
function bound({ half: { trees } }: Model, hosts: number): number {
  const halfWidth = trees.trees.reduce((sum, t) => sum + (Math.max(...t.leaves) - Math.min(...t.leaves)) / 2, 0);
  const unit = Math.max(1, Math.ceil(halfWidth / 29_000));
  return (unit * (128 * hosts + trees.trees.length / 2 + 1)) / unitsPerOdds;
}
const largest = (a: Float64Array, b: Float64Array): number => a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0);
const spread = (x: Float64Array): number => Math.max(...x) - Math.min(...x);
const typesSeen = (world: World, party: string): string[] => [...new Set(world.view(party).map((m) => m.type))].sort();

const shape = [2, 1];
const params = { ...smallTrees, trees: 8 };
const batch = batchLike(shape, 600);
let model: Model;
let run: Run;
before(async () => {
  model = await train(treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: shape }), params);
  run = await score(model, batch);
});

describe("joint prediction by boosted trees", () => {
  describe("gives the scores of the model, to within the bits that are opened", () => {
    for (const hosts of [[2], [2, 1], [1, 0, 2], [2, 1, 1]]) {
      it(`with hosts of ${hosts.join(", ")} numeric features, for companies of which hosts lack a quarter`, async () => {
        const trained = await train(treeTables({ rows: 900, trainRows: 700, seed: 4, hosts }), params);
        const companies = batchLike(hosts, 500);
        const { scores } = await score(trained, companies);
        const exact = expected(trained, companies);
        const error = largest(scores.odds, exact);
        assert.isAtMost(error, bound(trained, hosts.length));
        assert.isBelow(bound(trained, hosts.length), spread(exact) / 20, "which is little against the scores");
        assert.isAbove(new Set(exact).size, 30);
        assert.deepEqual(scores.away, []);
        assert.deepEqual(scores.receipts.map((r) => r.receipt), trained.hosts.map((h) => `${h} model_0 d`));
        for (const [h, host] of trained.hosts.entries()) {
          assert.equal(scores.byHost.get(host)?.matched, companies.hosts[h]?.rowOf.reduce((n, at) => n + (at < 0 ? 0 : 1), 0));
        }
        const owners = new Set(trained.half.trees.trees.map((t) => (
          [...new Set(t.cuts.map((c) => trained.half.trees.features[c.feature]?.party))].filter((p) => p !== bank).length)));
        if (hosts.length > 1) assert.isTrue([...owners].some((n) => n > 1), "some trees are of several hosts");
      });
    }
    it("without a lean to either side", () => {
      const exact = expected(model, batch);
      const off = run.scores.odds.map((x, i) => x - (exact[i] ?? 0));
      const mean = off.reduce((a, b) => a + b, 0) / off.length;
      assert.isBelow(Math.abs(mean), (4 * bound(model, 2)) / Math.sqrt(off.length));
      assert.isAbove(largest(run.scores.odds, exact), 0, "and it is rounded");
    });
    it("for deep trees, many of them", async () => {
      const tables = treeTables({ rows: 900, trainRows: 700, seed: 6, hosts: shape });
      const deep = await train(tables, { ...smallTrees, trees: 30, depth: 5, minNodeRows: 30, minChildRows: 3 });
      const { scores, world } = await score(deep, batch);
      assert.isAtMost(largest(scores.odds, expected(deep, batch)), bound(deep, 2));
      assertWithin(statement(30, 5), world);
    });
    it("whatever else is in the batch, and for one company", async () => {
      const one = { ...batch, rows: 1, own: batch.own.map((f) => alignFeature(f, Int32Array.of(7))), hosts: batch.hosts.map((h) => (
        { ...h, features: h.features.map((f) => alignFeature(f, Int32Array.of(7))), rowOf: Int32Array.of((h.rowOf[7] ?? -1) < 0 ? -1 : 0) })) };
      const { scores } = await score(model, one);
      assert.lengthOf(scores.odds, 1);
      assert.closeTo(scores.odds[0] ?? Number.NaN, expected(model, batch)[7] ?? 0, bound(model, 2));
    });
    it("for companies that no host knows", async () => {
      const unknown = { ...batch, hosts: batch.hosts.map((h) => ({ ...h, rowOf: new Int32Array(batch.rows).fill(-1) })) };
      const { scores } = await score(model, unknown);
      assert.isAtMost(largest(scores.odds, expected(model, unknown)), bound(model, 2));
      assert.isAbove(largest(expected(model, unknown), expected(model, batch)), 0.2, "and they are scored otherwise");
    });
  });

  describe("when a host is away", () => {
    for (const present of ["host_a", "host_b"]) {
      const away = present === "host_a" ? "host_b" : "host_a";
      it(`scores go the missing way at the splits of ${away}, and say so`, async () => {
        const { scores } = await score(model, batch, { present: [present] });
        assert.deepEqual(scores.away, [away]);
        const exact = expected(model, batch, [away]);
        assert.isAtMost(largest(scores.odds, exact), bound(model, 1));
        assert.isAbove(largest(exact, expected(model, batch)), 0.2);
      });
    }
    it("one without a split in the model is not missed", async () => {
      // Trees that see half of the features each: some have no split of host_a.
      const sampled = await train(treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [1, 1] }), { ...smallTrees, trees: 12, depth: 2, colsample: 0.4 });
      const { trees: all, features } = sampled.half.trees;
      const kept = [...all.keys()].filter((t) => all[t]?.cuts.every((c) => features[c.feature]?.party !== "host_a"));
      assert.isAtLeast(kept.length, 2);
      const half = { ...sampled.half, trees: { ...sampled.half.trees, trees: kept.flatMap((t) => all[t] ?? []) } };
      const only = sampled.halves["host_b"] as GbdtHostHalf;
      assert.isTrue(only.uses.some((u) => kept.includes(u.tree)));
      const halves = { host_b: { ...only, uses: only.uses.filter((u) => kept.includes(u.tree)).map((u) => ({ ...u, tree: kept.indexOf(u.tree) })) } };
      const companies = batchLike([1, 1], 100);
      const { scores } = await score(sampled, companies, { present: ["host_b"], half, halves });
      assert.deepEqual(scores.away, []);
      assert.isAtMost(largest(scores.odds, expected({ ...sampled, half }, companies)), bound({ ...sampled, half }, 1));
    });
    it("is refused by the one that stays unless its policy lets it be alone", async () => {
      const guard: HostGuard = { ...openHostGuard, admitCompany: (hosts) => { if (hosts < 2) throw new AppError("POLICY_SINGLE_HOST"); } };
      assert.equal((await refusal(score(model, batch, { present: ["host_b"], guard }))).code, "POLICY_SINGLE_HOST");
      await score(model, batch, { guard });
      // A party that had no part in the training is no company.
      const alone = { ...model.halves, host_b: { ...(model.halves["host_b"] as GbdtHostHalf), hosts: [partyId("host_b")] } };
      assert.equal((await refusal(score(model, batch, { halves: alone, guard }))).code, "POLICY_SINGLE_HOST");
    });
  });

  describe("shows", () => {
    it("a host nothing of leaves, scores or the guest's splits: only in which trees its own splits stand, and uniform bytes", async () => {
      for (const host of ["host_a", "host_b"]) {
        const types = typesSeen(run.world, host);
        const allowed = ["lookup/groups", "lookup/shares", "lookup/tables", "ot/base-answer", "ot/extend", "psi/open", "rows/confirm", "rows/open", "rows/order"];
        assert.includeMembers(allowed, types, host);
        const groups = run.world.view(host).filter((m) => m.type === "lookup/groups").map((m) => m.body as TypedBody<"lookup/groups">);
        assert.lengthOf(groups, 1);
        // Exactly its own uses, which it has known since training.
        const uses = (model.halves[host] as GbdtHostHalf).uses;
        assert.sameMembers(groups[0]?.groups.flatMap((g) => g.tables) ?? [], [...new Set(uses.map((u) => u.tree))]);
      }
      const tables = run.world.view("host_b").filter((m) => m.type === "lookup/tables");
      assert.isBelow(Math.abs(byteDeviation(Buffer.concat(tables.map((m) => (m.body as TypedBody<"lookup/tables">).bytes)))), 7);
    });
    it("a host the same, byte for byte but for the tables, when all leaves and the guest's splits are others", async () => {
      const { trees } = model.half;
      // No leaf at all, and the guest's cuts turned round: the tables are then constant, and still look uniform.
      const flat = trees.trees.map((t) => ({
        ...t, leaves: t.leaves.map(() => 4321),
        cuts: t.cuts.map((c) => (trees.features[c.feature]?.party === bank ? { ...c, left: [0] } : c)),
      }));
      const other = await score(model, batch, { half: { ...model.half, trees: { ...trees, trees: flat } } });
      for (const host of ["host_a", "host_b"]) {
        assert.deepEqual(other.world.shape(host), run.world.shape(host));
        const rest = (world: World): unknown[] => world.view(host).filter((m) => m.from === bank && m.type !== "lookup/tables").map((m) => m.body);
        assert.deepEqual(rest(other.world), rest(run.world));
        const bytes = other.world.view(host).filter((m) => m.type === "lookup/tables").map((m) => (m.body as TypedBody<"lookup/tables">).bytes);
        if (bytes.length > 0) assert.isBelow(Math.abs(byteDeviation(Buffer.concat(bytes))), 7, host);
      }
      assert.equal(new Set(other.scores.odds.map((x) => Math.round(x * 20))).size, 1, "all companies score alike");
    });
    it("the guest one masked byte per company and host, and nothing of any path", () => {
      assert.includeMembers(["finish/receipt", "ot/base-ask", "ot/extend", "psi/ready", "rows/confirm", "totals/masked"], typesSeen(run.world, bank));
      for (const host of model.hosts) {
        const bytes = run.world.view(bank).filter((m) => m.from === host && m.type === "totals/masked").map((m) => (m.body as TypedBody<"totals/masked">).bytes);
        const all = Buffer.concat(bytes);
        assert.lengthOf(all, batch.rows);
        assert.isBelow(Math.abs(byteDeviation(all)), 7, `${host} alone means nothing`);
        // What asks for pads is uniform too: the choices are the path.
        const asks = run.world.view(bank).filter((m) => m.from === host && m.type === "ot/extend").map((m) => m.body as { columns: Uint8Array });
        assert.isBelow(Math.abs(byteDeviation(Buffer.concat(asks.map((a) => a.columns)))), 7);
      }
    });
    it("the guest as little of a host whose every company goes the same way", async () => {
      const same = { ...batch, hosts: batch.hosts.map((h) => ({ ...h, rowOf: new Int32Array(batch.rows).fill(-1) })) };
      const { world } = await score(model, same);
      for (const type of ["ot/extend", "totals/masked"] as const) {
        const bytes = world.view(bank).filter((m) => m.from === "host_a" && m.type === type)
          .map((m) => (type === "ot/extend" ? (m.body as { columns: Uint8Array }).columns : (m.body as TypedBody<"totals/masked">).bytes));
        assert.isBelow(Math.abs(byteDeviation(Buffer.concat(bytes))), 7, type);
      }
    });
    it("hosts of each other pads and moved places alone", () => {
      const between = run.world.received.filter((m) => m.from !== bank && m.to !== bank);
      assert.includeMembers(["lookup/shares", "rows/confirm"], [...new Set(between.map((m) => m.type))]);
      const shares = between.filter((m) => m.type === "lookup/shares").map((m) => m.body as TypedBody<"lookup/shares">);
      assert.isNotEmpty(shares);
      assert.isBelow(Math.abs(byteDeviation(Buffer.concat(shares.map((s) => s.pads)))), 7);
      const places = shares.flatMap((s) => [...s.places]);
      const most = Math.max(...places) + 1;
      for (let place = 0; place < 2; place++) assert.isAtLeast(places.filter((p) => p === place).length / places.length, 0.7 / most);
    });
    it("no more than the statement of the plan says", () => {
      assertWithin(statement(params.trees, 3), run.world);
    });
  });

  it("is the same after a restart of any party at any message", async () => {
    const few = { ...batchLike(shape, 40) };
    const small = await score(model, few);
    for (const name of [bank, ...model.hosts]) {
      assert.deepEqual(await small.world.replay(name, small.programs[name] as Program<unknown>), name === bank ? small.scores : undefined);
      const most = Math.max(...small.world.peersOf(name).map((peer) => small.world.view(name).filter((m) => m.from === peer).length));
      for (let frames = 0; frames < most; frames += 2) await small.world.replay(name, small.programs[name] as Program<unknown>, frames);
    }
  });

  describe("refuses", () => {
    type Groups = TypedBody<"lookup/groups">["groups"];
    const few = batchLike(shape, 30);
    /** Deviating groups to host_a. */
    const groups = (change: (groups: Groups) => unknown): Tamper => {
      const changed = withBody("lookup/groups", (body: { groups: Groups }) => ({ groups: change(structuredClone(body.groups)) }));
      return (m) => (m.to === "host_a" ? changed(m) : undefined);
    };
    const edit = (change: (first: Groups[number]) => unknown) => groups(([first, ...rest]) => [change(first as Groups[number]), ...rest]);
    const cases: readonly [string, Tamper][] = [
      ["a tree without a split of the host", edit((g) => ({ ...g, tables: [...g.tables, 999] }))],
      ["a tree twice in a group", edit((g) => ({ ...g, tables: [g.tables[0], ...g.tables] }))],
      ["a tree in two groups", groups((all) => [...all, { ...all.at(-1), group: (all.at(-1)?.group ?? 0) + 1 }])],
      ["fewer trees than the model has", edit((g) => ({ ...g, hosts: g.hosts, tables: g.tables.slice(1).length > 0 ? g.tables.slice(1) : [998] }))],
      ["no group at all", groups(() => [])],
      ["fewer choices than the host's splits have", edit((g) => ({ ...g, hosts: g.hosts.map((h) => (h.host === "host_a" ? { ...h, choices: h.choices + 1 } : h)) }))],
      ["groups without the host", edit((g) => ({ ...g, hosts: [{ host: "host_b", choices: 2 }] }))],
      ["groups out of order", groups((all) => all.toReversed())],
      ["the guest itself as the one that opens", edit((g) => ({ ...g, hosts: [...g.hosts.filter((h) => h.host === "host_a"), { host: bank, choices: 2 }] }))],
      ["a host that is not in the job", edit((g) => ({ ...g, hosts: [...g.hosts.filter((h) => h.host === "host_a"), { host: "host_z", choices: 2 }] }))],
      ["a host twice", edit((g) => ({ ...g, hosts: [...g.hosts, ...g.hosts.filter((h) => h.host === "host_a")] }))],
      ["a table of more entries than a tree has leaves", edit((g) => ({ ...g, hosts: [...g.hosts.filter((h) => h.host === "host_a"), { host: "host_b", choices: 128 }] }))],
      ["hosts in another order than the job's", groups((all) => all.map((g) => ({ ...g, hosts: g.hosts.toReversed() })))],
    ];
    for (const [name, tamper] of cases) {
      it(`${name}, in the guest's name`, async () => {
        assert.deepEqual(await refusal(score(model, few, { tamper })), { code: "PROTOCOL_SPLIT", party: partyId("bank") });
      });
    }
    for (const hostile of hostileCases("lookup/groups", ["groups"], bank)) {
      it(`lookup/groups ${hostile.name}`, async () => assert.equal((await refusal(score(model, few, { tamper: hostile.tamper }))).code, hostile.code));
    }
    it("a guest that the model was not made for", async () => {
      const halves = { ...model.halves, host_b: { ...(model.halves["host_b"] as GbdtHostHalf), guest: partyId("other") } };
      assert.equal((await refusal(score(model, few, { halves }))).code, "JOB_MODEL_UNKNOWN");
    });
    it("data that lack a feature of the model, at either side", async () => {
      const used = model.halves["host_a"]?.features[0]?.name;
      const without = { ...few, hosts: few.hosts.map((h) => ({ ...h, features: h.features.filter((f) => f.name !== used) })) };
      assert.equal((await refusal(score(model, without))).code, "JOB_MODEL_UNKNOWN");
      assert.equal((await refusal(score(model, { ...few, own: few.own.slice(1) }))).code, "JOB_MODEL_UNKNOWN");
    });
    it("a score beyond the host's budget, before anything of its data leaves", async () => {
      const guard: HostGuard = { ...openHostGuard, chargeScores: async () => { await setImmediate(); throw new AppError("BUDGET_TOTALS"); } };
      const seen: string[] = [];
      const tamper: Tamper = (m) => {
        seen.push(m.type);
        return undefined;
      };
      assert.equal((await refusal(score(model, few, { guard, tamper }))).code, "BUDGET_TOTALS");
      for (const type of ["ot/extend", "lookup/shares", "totals/masked"]) assert.notInclude(seen, type);
    });
  });
});

/** The statement of a scoring job of this batch. */
function statement(trees: number, depth: number): ReturnType<typeof compileLeakage> {
  const size = (rows: number, features: number, labelled: boolean) => ({ name: "loans", rows, features, labelled, snapshotDigest: "0".repeat(64) });
  const datasets = { [bank]: size(900, 3, true), ...Object.fromEntries(batch.hosts.map((h) => [h.name, size(batch.rows, h.features.length, false)])) };
  const plan = { batch: "0".repeat(64), rows: batch.rows, shape: { kind: "gbdt", trees, depth } };
  return compileLeakage({ kind: "score", guest: bank, hosts: batch.hosts.map((h) => h.name), datasets, params: plan });
}
