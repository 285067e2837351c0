// Boosted trees over domains: the federated run is the plaintext reference bit for bit, whatever the parties, switches and order of arrival.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import { bitsPerRow } from "../../federation/gbdt/cuts.ts";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import { gbdtGuestHalf, gbdtGuestHalfSchema, gbdtHostHalf, gbdtHostHalfSchema } from "../../federation/gbdt/half.ts";
import type { GbdtHostResult } from "../../federation/gbdt/host.ts";
import type { Party } from "../../federation/party.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { Grown } from "../../models/trees/grow.ts";
import { cutKey, rightOfCode } from "../../models/trees/model.ts";
import type { TreeParamsInput } from "../../models/trees/params.ts";
import { refusal } from "../support/joint.ts";
import {
  bank, late, namesOf, noiseIn, ownBins, plainRun, pooledFeatures, sameNoise, smallTrees, treeParams, treePrograms, treeTables, watchedKernels,
  type Opened, type TreeOptions, type TreeTables,
} from "../support/gbdt.ts";
import { createWorld, partyWith, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

type Run = { readonly world: World; readonly guest: GbdtGuestResult; readonly hosts: ReadonlyMap<string, GbdtHostResult> };
async function train(tables: TreeTables, options: TreeOptions = {}, seed: number | string = 1): Promise<Run> {
  const world = createWorld({ parties: namesOf(tables), seed, kernels });
  const results = await world.run(treePrograms(tables, options));
  return { world, guest: results[bank] as GbdtGuestResult, hosts: new Map(tables.hosts.map((h) => [h.name, results[h.name] as GbdtHostResult])) };
}
const digest = ({ model, end, added, losses, cutsOf, scores }: Grown): unknown => ({ model, end, added, losses, cutsOf, scores: [...scores] });
function assertSame(run: Run, plain: Grown): void {
  assert.deepEqual(digest(run.guest.grown), digest(plain));
}

const tables = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [2, 1] });

describe("boosted trees over domains", () => {
  describe("are those of the plaintext reference, bit for bit", () => {
    for (const hosts of [[2], [2, 1], [1, 0, 2]]) {
      it(`with ${hosts.length} host(s)`, async () => {
        const t = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts });
        const run = await train(t);
        assertSame(run, plainRun(t));
        assert.equal(run.guest.grown.end, "trees");
        const owners = new Set(run.guest.grown.model.trees.flatMap((tree) => tree.cuts.map((c) => run.guest.grown.model.features[c.feature]?.party)));
        assert.isAtLeast(owners.size, 2, "the trees cut features of several parties");
      });
    }
    const switches: [string, TreeParamsInput][] = [
      ["samples of rows and features", { subsample: 0.7, colsample: 0.6, seed: 5 }],
      ["early stopping", { trees: 20, learningRate: 0.8, earlyStopping: { rounds: 2, share: 0.3 } }],
      ["balanced classes", { scalePosWeight: "balanced" }],
      ["a class weight, gamma, lambda and least weights", { scalePosWeight: 3, gamma: 1, lambda: 5, minChildWeight: 8 }],
      ["monotone directions", { monotone: { "bank/x0_0": 1, "host_a/f001": -1 } }],
      ["few cuts of each host feature", { maxCutsPerHostFeature: 1, trees: 8 }],
      ["hosts asked in the first trees only", { askedTrees: 2, trees: 6 }],
      ["depth 1", { depth: 1, trees: 8 }],
      ["depth 5", { depth: 5, trees: 3, minNodeRows: 30, minChildRows: 3 }],
      ["large nodes only", { minNodeRows: 300, minChildRows: 100 }],
    ];
    for (const [name, change] of switches) {
      it(`with ${name}`, async () => {
        const options = { params: { ...smallTrees, ...change } };
        assertSame(await train(tables, options), plainRun(tables, options));
      });
    }

    it("in any order of arrival", async () => {
      const plain = plainRun(tables);
      for (const slow of ["host_a", "host_b", bank]) {
        const wrap = (party: Party): Party => (party.self === slow ? late(party, (to, type) => (type.length + to.length) % 7 * 3) : party);
        assertSame(await train(tables, { wrap }), plain);
      }
    });

    it("with noise, when the reference gets the same: each cell once per query, of the plan's size, from every host its own", async () => {
      const t = treeTables({ rows: 6500, trainRows: 5200, seed: 9, hosts: [2, 1] });
      const options: TreeOptions = { params: { trees: 3, depth: 3, bins: 16, lambda: 1, colsample: 1 }, liftFloors: false };
      const opened: Opened = { vectors: [], sums: [] };
      const watch = (party: Party): Party => (party.self === bank ? partyWith(party, { kernels: watchedKernels(kernels, opened) }) : party);
      const run = await train(t, { ...options, wrap: watch });
      const noise = noiseIn(t, options, opened);
      assertSame(run, plainRun(t, options, { noise: sameNoise(noise) }));
      const deviation = (kind: number): number => {
        const values = noise.filter((_, query) => query % 2 === kind).flatMap((cells) => [...cells]);
        return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
      };
      // 5,200 rows: twice 2^12 for g, a quarter of that for h.
      assert.closeTo(deviation(0) / 2 ** 13, 1, 0.1);
      assert.closeTo(deviation(1) / 2 ** 11, 1, 0.1);
      const all = noise.flatMap((cells) => [...cells].filter((x) => x !== 0));
      assert.isAbove(new Set(all).size, 0.9 * all.length);
      const exact = plainRun(t, options);
      assert.notDeepEqual(run.guest.grown.model.trees, exact.model.trees);
    });

    it("with a warm start, whose cuts the hosts are asked for again", async () => {
      const first = await train(tables);
      const options = { params: { ...smallTrees, trees: 2 }, from: first.guest.grown.model };
      const run = await train(tables, options, 2);
      assertSame(run, plainRun(tables, options));
      assert.lengthOf(run.guest.grown.model.trees, 7);
    });
  });

  describe("when there is little to learn from", () => {
    it("a host with no matched company takes no part and is asked nothing", async () => {
      const t = treeTables({ rows: 600, trainRows: 500, seed: 6, hosts: [2, 1] });
      const empty: TreeTables = { ...t, hosts: t.hosts.map((h) => (h.name === "host_b" ? { ...h, rowOf: new Int32Array(600).fill(-1) } : h)) };
      const run = await train(empty);
      assertSame(run, plainRun(empty));
      assert.deepEqual(run.world.view("host_b").map((m) => m.type), ["trees/next", "trees/uses"]);
      assert.deepEqual(run.hosts.get("host_b")?.cuts, []);
    });
    it("only hosts that have nothing: the trees are the guest's own, without a query", async () => {
      const t = treeTables({ rows: 600, trainRows: 500, seed: 6, hosts: [0, 1] });
      const empty: TreeTables = { ...t, hosts: t.hosts.map((h) => ({ ...h, rowOf: new Int32Array(600).fill(-1) })) };
      const run = await train(empty);
      assertSame(run, plainRun(empty));
      assert.isAtLeast(run.guest.grown.model.trees.length, 1);
      assert.equal(run.guest.queries, 0);
    });
    it("constant features of all parties: no tree, the base rate for all", async () => {
      const flat = (name: string) => ({ kind: "numeric", name, values: new Float64Array(600).fill(3), special: [] }) as const;
      const t = treeTables({ rows: 600, trainRows: 500, seed: 6, hosts: [1] });
      const rowOf = Int32Array.from({ length: 600 }, (_, row) => row);
      const run = await train({ ...t, own: [flat("x")], hosts: t.hosts.map((h) => ({ ...h, features: [flat("y")], rowOf })) });
      assert.equal(run.guest.grown.end, "noGain");
      assert.lengthOf(run.guest.grown.model.trees, 0);
      assert.equal(new Set(run.guest.grown.scores).size, 1);
    });
    it("no cut that gains anything: training ends without a tree", async () => {
      const options = { params: { ...smallTrees, gamma: 1e5 } };
      const run = await train(tables, options);
      assertSame(run, plainRun(tables, options));
      assert.equal(run.guest.grown.end, "noGain");
    });
    it("a root below the least node: no question at all", async () => {
      const run = await train(tables, { params: { ...smallTrees, minNodeRows: 701 } });
      assert.equal(run.guest.grown.end, "tooFewRows");
      assert.equal(run.guest.queries, 0);
    });
    it("one class is refused", async () => {
      const one = { ...tables, label: new Uint8Array(tables.rows) };
      assert.equal((await refusal(train(one))).code, "MODEL_ONE_CLASS");
    });
    it("no feature at all is refused", async () => {
      const none: TreeTables = { ...tables, own: [], hosts: tables.hosts.map((h) => ({ ...h, features: [] })) };
      assert.equal((await refusal(train(none))).code, "JOB_NO_FEATURE");
    });
  });

  it("ask the hosts for nothing after the last tree that asks, and go on with the cuts that are known", async () => {
    const { world, guest, hosts } = await train(tables, { params: { ...smallTrees, askedTrees: 2, trees: 8 } });
    const steps = world.view("host_a").filter((m) => m.type === "trees/next").map((m) => (m.body as { step: string }).step);
    assert.deepEqual(steps.slice(steps.indexOf("tree", steps.indexOf("tree") + 1)), [...Array<string>(7).fill("tree"), "end"]);
    assert.lengthOf(guest.grown.model.trees, 8);
    assert.isTrue([...hosts.values()].some((h) => h.uses.some((u) => u.tree >= 2)), "later trees use hosts' cuts");
  });

  it("take one round per level, and one more for each new cut of a host", async () => {
    const { world, guest } = await train(treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [2] }));
    const asked = world.view("host_a").filter((m) => m.type === "trees/next").map((m) => (m.body as { step: string }).step);
    const levels = asked.filter((s) => s === "histograms").length;
    const cuts = asked.filter((s) => s === "bits").length;
    assert.isAtMost(levels, 5 * 3);
    assert.equal(cuts, guest.hosts.values().next().value?.cuts.length);
    assert.equal(world.phases(bank).find((p) => p.name === "trees")?.rounds, levels + cuts);
  });

  it("give both sides halves that together score every row as the training did", async () => {
    const run = await train(tables);
    const params = treeParams({});
    const own = ownBins(tables, params);
    const half = gbdtGuestHalf({ model: "model_0", input: { hosts: tables.hosts.map((h) => h.name), own, trainRows: tables.trainRows }, result: run.guest, scaling: { points: 600, odds: 50, pdo: 20 } });
    assert.deepEqual(gbdtGuestHalfSchema.parse(JSON.parse(JSON.stringify(half))), half);
    const features = pooledFeatures(tables);
    const scores = new Float64Array(tables.rows).fill(half.trees.base);
    const sides = new Map<string, Uint8Array>();
    for (const [h, host] of tables.hosts.entries()) {
      const result = run.hosts.get(host.name) as GbdtHostResult;
      const kept = gbdtHostHalf({ model: "model_0", digest: "0", guest: bank, hosts: tables.hosts.map(({ name }) => name), result });
      assert.deepEqual(gbdtHostHalfSchema.parse(JSON.parse(JSON.stringify(kept))), kept);
      // Every use stands where the guest's model has a cut of this host, and every such cut has a use.
      const first = features.findIndex((f) => f.party === host.name);
      const standing = half.trees.trees.flatMap((t, tree) => t.cuts.flatMap((c, level) => (
        half.trees.features[c.feature]?.party === host.name ? [`${tree}/${level}`] : [])));
      assert.deepEqual(kept.uses.map((u) => `${u.tree}/${u.level}`), standing);
      for (const use of kept.uses) {
        const asked = half.hosts[h]?.cuts[use.cut];
        assert(asked);
        assert.deepEqual(half.trees.trees[use.tree]?.cuts[use.level], asked);
        const cut = kept.cuts[use.cut];
        const feature = host.features.findIndex((f) => f.name === kept.features[cut?.feature ?? -1]?.name);
        assert.equal(first + feature, asked.feature);
        const right = rightOfCode({ feature: 0, left: cut?.left ?? [] });
        sides.set(`${use.tree}/${use.level}`, (features[asked.feature]?.binOf ?? new Uint8Array(0)).map((code) => right[code] ?? 0));
      }
    }
    for (const [tree, { cuts, leaves }] of half.trees.trees.entries()) {
      for (let row = 0; row < tables.rows; row++) {
        let leaf = 0;
        for (const [level, cut] of cuts.entries()) {
          const bit = sides.get(`${tree}/${level}`)?.[row] ?? rightOfCode(cut)[features[cut.feature]?.binOf[row] ?? 0] ?? 0;
          leaf |= bit << level;
        }
        scores[row] = (scores[row] ?? 0) + (leaves[leaf] ?? 0);
      }
    }
    assert.deepEqual([...scores], [...run.guest.grown.scores]);
  });

  it("leave the guest the bitmap of every cut, and both ends the same account of what they tell", async () => {
    const run = await train(tables);
    const features = pooledFeatures(tables);
    const own = features.filter((f) => f.party === bank).length;
    for (const host of tables.hosts) {
      const share = run.guest.hosts.get(host.name);
      const result = run.hosts.get(host.name);
      assert.deepEqual(share?.cuts, result?.cuts);
      assert.equal(share?.bitsPerRow, result?.bitsPerRow);
      assert.isAbove(result?.bitsPerRow ?? 0, 0);
      assert.equal(result?.queries, run.guest.queries);
      const first = features.findIndex((f) => f.party === host.name);
      for (const cut of share?.cuts ?? []) {
        const packed = run.guest.bitmaps.get(cutKey({ feature: first + cut.feature, left: cut.left }));
        const right = rightOfCode({ feature: 0, left: cut.left });
        const binOf = features[first + cut.feature]?.binOf ?? new Uint8Array(0);
        for (const [row, code] of binOf.entries()) assert.equal(((packed?.[row >> 3] ?? 0) >> (row & 7)) & 1, right[code]);
      }
    }
    // The account holds for the table: no more different rows of bits than it says.
    const cuts = [...run.guest.bitmaps].filter(([key]) => Number(key.split(":")[0]) === own);
    const shapes = features.slice(own, own + 1);
    const patterns = new Set(Array.from({ length: tables.rows }, (_, row) => cuts.map(([, b]) => ((b[row >> 3] ?? 0) >> (row & 7)) & 1).join("")));
    const told = bitsPerRow(shapes, run.hosts.get("host_a")?.cuts.filter((c) => c.feature === 0) ?? []);
    assert.isAtLeast(cuts.length, 2);
    assert.isAtMost(Math.log2(patterns.size), told + 1e-9);
  });
});
