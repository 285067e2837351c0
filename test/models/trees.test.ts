import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { grow, type Asked, type Grown } from "../../models/trees/grow.ts";
import { siblingCells } from "../../models/trees/histogram.ts";
import { treeImportance } from "../../models/trees/importance.ts";
import { treeModelSchema, type Cut, type SymmetricTree } from "../../models/trees/model.ts";
import { noiseLog2Sd, treeParamsSchema, type TreeParams, type TreeParamsInput } from "../../models/trees/params.ts";
import { plainTrees } from "../../models/trees/plain.ts";
import { bareParams, cellNoise, treeData, type Column, type TreeData } from "../support/tree-data.ts";

const fixed = 2 ** 12;
const add = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const train = (data: TreeData, params: TreeParamsInput, more: Partial<Parameters<typeof plainTrees>[0]> = {}): Grown =>
  plainTrees({ ...data, params: bareParams(params), ...more });

/** Everything again from the definitions: direct sums over rows for every subset a feature may go left with. */
type Group = { rows: number[]; prefixes: number[] };
class Naive {
  readonly g: number[];
  readonly h: number[];
  readonly #data: TreeData;
  readonly #params: TreeParams;

  constructor(data: TreeData, params: TreeParams, scores: readonly number[]) {
    this.#data = data;
    this.#params = params;
    const p = scores.map((s) => 1 / (1 + Math.exp(-s / 2 ** 20)));
    this.g = p.map((x, row) => Math.round((x - (data.label[row] as number)) * fixed));
    this.h = p.map((x) => Math.round(x * (1 - x) * fixed));
  }

  sums(rows: readonly number[]): [g: number, h: number] {
    return [add(rows.map((r) => this.g[r] as number)), add(rows.map((r) => this.h[r] as number))];
  }

  isOpen(group: Group): boolean {
    return group.rows.length >= Math.max(2, this.#params.minNodeRows, 2 * this.#params.minChildRows);
  }

  /** The two sides of a group, undefined when the floors leave it whole. */
  sides(group: Group, feature: number, left: readonly number[]): [number[], number[]] | undefined {
    if (!this.isOpen(group)) return undefined;
    const codes = (this.#data.features[feature] as Column).binOf;
    const a = group.rows.filter((r) => left.includes(codes[r] as number));
    const b = group.rows.filter((r) => !left.includes(codes[r] as number));
    const least = this.#params.minChildWeight * fixed;
    const small = (rows: number[]): boolean => rows.length < this.#params.minChildRows || this.sums(rows)[1] < Math.max(1, least);
    return small(a) || small(b) ? undefined : [a, b];
  }

  gain(groups: readonly Group[], feature: number, left: readonly number[]): number {
    const lambda = this.#params.lambda * fixed;
    const worth = (rows: readonly number[]): number => {
      const [g, h] = this.sums(rows);
      return (g * g) / (h + lambda);
    };
    return add(groups.map((group) => {
      const sides = this.sides(group, feature, left);
      return sides ? (worth(sides[0]) + worth(sides[1]) - worth(group.rows)) / 2 - this.#params.gamma * fixed : 0;
    }));
  }

  /** Every prefix of the ordered bins (or of the given order), the missing bin on either side. */
  lefts(feature: number, order: readonly number[] | undefined): number[][] {
    const { kind, orderedBins, missingBin } = this.#data.features[feature] as Column;
    const sequence = kind === "numeric" ? Array.from({ length: orderedBins }, (_, i) => i) : [...(order ?? [])];
    return sequence.flatMap((_, i) => {
      const prefix = sequence.slice(0, i + 1);
      const whole = prefix.length === sequence.length;
      return missingBin >= 0 ? [prefix, ...(whole ? [] : [[...prefix, missingBin]])] : whole ? [] : [prefix];
    });
  }
}

/** Checks every level and every leaf of a model against `Naive`. */
function verify(data: TreeData, grown: Grown, best: boolean): void {
  const { base, trees, features, params } = grown.model;
  const scores = Array.from({ length: data.trainRows }, () => base);
  for (const tree of trees) {
    const naive = new Naive(data, params, scores);
    let groups: Group[] = [{ rows: scores.map((_, i) => i), prefixes: [0] }];
    tree.cuts.forEach((cut, level) => {
      const gain = naive.gain(groups, cut.feature, cut.left);
      assert.approximately(tree.gains[level] as number, gain, 1);
      assert.isAbove(gain, 0);
      if (best) {
        features.forEach(({ order }, f) => {
          for (const left of naive.lefts(f, order)) assert.isAtMost(naive.gain(groups, f, left), gain * (1 + 1e-12));
        });
      }
      const split = groups.map((group) => [group, naive.sides(group, cut.feature, cut.left)] as const);
      assert.equal(tree.covers[level], add(split.map(([group, sides]) => (sides ? naive.sums(group.rows)[1] : 0))));
      groups = split.flatMap(([{ rows, prefixes }, sides]): Group[] => {
        const right = prefixes.map((p) => p | (1 << level));
        return sides ? [{ rows: sides[0], prefixes }, { rows: sides[1], prefixes: right }] : [{ rows, prefixes: [...prefixes, ...right] }];
      });
    });
    assert.equal(add(groups.map((g) => g.prefixes.length)), tree.leaves.length);
    for (const { rows, prefixes } of groups) {
      const [g, h] = naive.sums(rows);
      const value = Math.round((-g / (h + params.lambda * fixed)) * (params.learningRate * 2 ** 20));
      for (const prefix of prefixes) assert.equal(tree.leaves[prefix], value + 0);
      assert.equal(add(prefixes.map((p) => tree.leafCovers[p] as number)), h);
      for (const row of rows) scores[row] = (scores[row] as number) + value;
    }
  }
  assert.deepEqual([...grown.scores.subarray(0, data.trainRows)], scores);
}

describe("growing symmetric trees", () => {
  it("cuts every level where direct sums over the rows gain most, and puts the second-order value in every leaf", () => {
    const cases = [fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 4 }), fc.constantFrom(0, 1, 5)] as const;
    fc.assert(fc.property(...cases, (seed, depth, lambda) => {
      const data = treeData({ seed, trainRows: 120, testRows: 30 });
      verify(data, train(data, { trees: 2, depth, lambda, minChildWeight: lambda }), true);
    }), { numRuns: 8 });
  });

  it("does the same with floors on rows and with gamma: a node below them keeps its value", () => {
    const data = treeData({ trainRows: 400 });
    const grown = train(data, { trees: 6, depth: 4, minNodeRows: 90, minChildRows: 25, gamma: 0.2 });
    verify(data, grown, false);
    const equalLeaves = grown.model.trees.some((t) => new Set(t.leaves).size < t.leaves.length);
    assert.isTrue(equalLeaves, "no node met its floor: the test says nothing");
  });

  it("gives the same trees whoever owns the columns", () => {
    const data = treeData();
    const alone = plainTrees({ ...data, features: data.features.map((f) => ({ ...f, party: "bank" })), params: bareParams() });
    const joint = train(data, {});
    assert.deepEqual(joint.model.trees, alone.model.trees);
    assert.deepEqual(joint.scores, alone.scores);
    assert.isTrue(joint.model.trees.some((t) => t.cuts.some((c) => c.feature >= 3)));
  });

  it("asks for one child of a split node, never for one below the floor, and for nothing twice", () => {
    const data = treeData({ trainRows: 500 });
    const cuts = new Set<string>();
    let asked = 0;
    train(data, { trees: 10, depth: 4, minNodeRows: 60 }, {
      onAsked: (a) => {
        if (a.kind === "bits") {
          assert.isFalse(cuts.has(JSON.stringify(a.cut)));
          cuts.add(JSON.stringify(a.cut));
        }
        if (a.kind !== "histograms") return;
        asked += a.nodes.length;
        const rows = a.nodes.map(({ h }) => h.reduce((n, x) => n + (x > 0 ? 1 : 0), 0));
        for (const n of rows) assert.isAtLeast(n, 60);
        assert.isAtMost(a.nodes.length, 2 ** Math.max(0, a.level - 1));
        for (let row = 0; row < data.trainRows; row++) assert.isAtMost(a.nodes.filter(({ h }) => h[row] !== 0).length, 1);
      },
    });
    assert.isAbove(asked, 20);
    assert.isAbove(cuts.size, 3);
  });

  it("takes the sibling as the exact difference", () => {
    const cells = (scale: number): { g: Float64Array; h: Float64Array; rows: Float64Array; terms: number } =>
      ({ g: Float64Array.of(3 * scale, -(2 ** 40)), h: Float64Array.of(7, scale), rows: Float64Array.of(scale, 4), terms: scale });
    assert.deepEqual(siblingCells(cells(5), cells(2)), { g: Float64Array.of(9, 0), h: Float64Array.of(0, 3), rows: Float64Array.of(3, 0), terms: 7 });
  });

  it("orders the groups of a category by their first root sums and cuts prefixes of that order", () => {
    const data = treeData({ trainRows: 800 });
    const { model } = train(data, { trees: 12 });
    const order = model.features[6]?.order ?? [];
    const rate = order.map((bin) => {
      const rows = [...data.label.slice(0, data.trainRows).keys()].filter((r) => data.features[6]?.binOf[r] === bin);
      return add(rows.map((r) => data.label[r] as number)) / (rows.length + 8);
    });
    // g = p - y falls as the event rate rises.
    for (let i = 1; i < rate.length; i++) assert.isAtMost(rate[i] as number, (rate[i - 1] as number) + 0.02);
    const cuts = model.trees.flatMap((t) => t.cuts).filter((c) => c.feature === 6);
    assert.isNotEmpty(cuts);
    for (const cut of cuts) {
      const left = cut.left.filter((b) => b !== 255);
      assert.sameMembers(left, order.slice(0, left.length));
    }
  });

  it("learns per cut where missing values go", () => {
    const data = treeData({ trainRows: 900 });
    // Missing goes with the highest bins: the first cut of the strongest feature must put both on one side.
    const strong = { ...data, features: data.features.map((f, i) => (i === 3 ? f : { ...f, binOf: f.binOf.map(() => 0) })) };
    const cut = train(strong, { trees: 1, depth: 1 }).model.trees[0]?.cuts[0] as Cut;
    assert.equal(cut.feature, 3);
    assert.isFalse(cut.left.includes(8));
    assert.isFalse(cut.left.includes(255), "rows without a bin go with the missing ones");
    const turned = { ...strong, label: strong.label.map((y, row) => (data.features[3]?.binOf[row] === 8 ? 0 : y)) };
    const other = train(turned, { trees: 1, depth: 1 }).model.trees[0]?.cuts[0] as Cut;
    assert.isTrue(other.left.includes(8) && other.left.includes(255));
  });

  it("sums gain, cover and cuts of each feature, and of each party", () => {
    const { model } = train(treeData(), { trees: 10 });
    const { features, parties } = treeImportance(model);
    const levels = model.trees.flatMap((t) => t.cuts.map((cut, l) => ({ cut, gain: t.gains[l] as number, cover: t.covers[l] as number })));
    features.forEach((f, i) => {
      const own = levels.filter((l) => l.cut.feature === i);
      assert.equal(f.splits, own.length);
      assert.approximately(f.gain, add(own.map((l) => l.gain)) / fixed, 1e-9);
      assert.approximately(f.cover, add(own.map((l) => l.cover)) / fixed, 1e-9);
    });
    assert.deepEqual(parties.map((p) => p.party), ["bank", "tax", "power"]);
    assert.equal(add(parties.map((p) => p.splits)), levels.length);
    assert.approximately(add(parties.map((p) => p.gain)), add(features.map((f) => f.gain)), 1e-9);
  });
});

describe("what limits the questions to hosts", () => {
  const cutsOf = (asked: readonly Asked[], feature: number): number => asked.filter((a) => a.kind === "bits" && a.cut.feature === feature).length;
  const watch = (params: TreeParamsInput, more: Partial<Parameters<typeof plainTrees>[0]> = {}): { asked: Asked[]; grown: Grown; data: TreeData } => {
    const data = treeData({ trainRows: 900 });
    const asked: Asked[] = [];
    const grown = train(data, params, { onAsked: (a) => asked.push(a), ...more });
    return { asked, grown, data };
  };

  it("never asks for more cuts of a host feature than the cap, and goes on with those it knows", () => {
    const { asked, grown } = watch({ trees: 40, maxCutsPerHostFeature: 2 });
    for (const f of [3, 4, 5, 6]) {
      assert.isAtMost(cutsOf(asked, f), 2);
      assert.equal(grown.cutsOf[f], cutsOf(asked, f));
    }
    assert.equal(cutsOf(asked, 3), 2);
    const late = grown.model.trees.slice(20).flatMap((t) => t.cuts).filter((c) => c.feature === 3);
    assert.isNotEmpty(late);
    const free = watch({ trees: 40 });
    assert.isAbove(cutsOf(free.asked, 3), 2);
  });

  it("does not ask for sums once every host feature has its cuts", () => {
    const { asked } = watch({ trees: 40, maxCutsPerHostFeature: 1 });
    const last = Math.max(...asked.flatMap((a) => (a.kind === "bits" ? [asked.indexOf(a)] : [])));
    assert.equal([3, 4, 5, 6].reduce((sum, f) => sum + cutsOf(asked, f), 0), 4);
    const later = asked.slice(last + 1);
    assert.isNotEmpty(later.filter((a) => a.kind === "tree"));
    assert.isEmpty(later.filter((a) => a.kind === "histograms" && a.tree > 0 && asked.indexOf(a) > last + 4));
  });

  it("asks in the first trees only when told so, and still cuts hosts' features afterwards", () => {
    const { asked, grown } = watch({ trees: 12, askedTrees: 3 });
    const trees = asked.flatMap((a) => (a.kind === "histograms" ? [a.tree] : []));
    assert.deepEqual([...new Set(trees)], [0, 1, 2]);
    assert.isTrue(grown.model.trees.slice(3).some((t) => t.cuts.some((c) => c.feature >= 3)));
    verify(treeData({ trainRows: 900 }), grown, false);
  });

  it("under noise the leaves stay exact and the floors hold: noise can only change which cuts are asked for", () => {
    const sd = { g: 2 ** noiseLog2Sd(900).g, h: 2 ** noiseLog2Sd(900).h };
    const noise = cellNoise(3, sd);
    const { grown, data, asked } = watch({ trees: 15, noise: true, minNodeRows: 100, minChildRows: 30, maxCutsPerHostFeature: 3 }, { noise });
    verify(data, grown, false);
    let row = 0;
    for (const a of asked) {
      row = a.kind === "bits" ? row + 1 : 0;
      assert.isAtMost(row, 2, "new cuts asked for in one level");
    }
    for (let seed = 1; seed <= 8; seed++) {
      const capped = watch({ trees: 6, noise: true, maxCutsPerHostFeature: 1 }, { noise: cellNoise(seed, sd) }).asked;
      for (const f of [3, 4, 5, 6]) assert.isAtMost(cutsOf(capped, f), 1);
    }
    const exact = watch({ trees: 15, minNodeRows: 100, minChildRows: 30, maxCutsPerHostFeature: 3 });
    assert.notDeepEqual(asked.filter((a) => a.kind === "bits"), exact.asked.filter((a) => a.kind === "bits"));
    assert.deepEqual(watch({ trees: 15, noise: true, minNodeRows: 100, minChildRows: 30, maxCutsPerHostFeature: 3 }, { noise }).grown, grown);
  });
});

describe("parameters of trees", () => {
  it("round-trip through the schema of the model, and refuse what is out of range", () => {
    const { model } = train(treeData(), {});
    assert.deepEqual(treeModelSchema.parse(JSON.parse(JSON.stringify(model))), model);
    const [first] = model.trees as [SymmetricTree];
    const broken = { ...model, trees: [{ ...first, leaves: first.leaves.slice(1) }] };
    assert.isFalse(treeModelSchema.safeParse(broken).success);
    assert.isFalse(treeModelSchema.safeParse({ ...model, trees: [{ ...first, cuts: first.cuts.map((c) => ({ ...c, feature: 7 })) }] }).success);
    for (const bad of [{ depth: 7 }, { trees: 0 }, { learningRate: 0 }, { subsample: 0 }, { earlyStopping: { rounds: 5 } }, { other: 1 }]) {
      assert.isFalse(treeParamsSchema.safeParse(bad).success, JSON.stringify(bad));
    }
  });

  it("weigh the classes: balanced starts at even odds, and weights of one class leave the other's integers at full width", () => {
    const data = treeData();
    const seen: { g: Int32Array; h: Int32Array }[] = [];
    const onAsked = (a: Asked): void => {
      if (a.kind === "histograms" && a.tree === 0 && a.level === 0) seen.push(...a.nodes);
    };
    const balanced = train(data, { trees: 1, scalePosWeight: "balanced" }, { onAsked });
    assert.equal(balanced.model.base, 0);
    const labels = data.label.slice(0, data.trainRows);
    const events = add([...labels]);
    const rowsG = [...(seen[0]?.g ?? [])];
    assert.sameMembers([...new Set(rowsG)], [-fixed / 2, Math.round((fixed / 2) * (events / (data.trainRows - events)))]);
    const plain = train(data, { trees: 1 });
    assert.equal(plain.model.base, Math.round(Math.log(events / (data.trainRows - events)) * 2 ** 20));
  });

  it("lambda counts unweighted rows whatever the class weights are", () => {
    const data = treeData();
    const flipped = { ...data, label: data.label.map((y) => 1 - y) };
    // Goods at half weight, or events at double: the same model up to rounding of the gradients.
    const twice = train(data, { trees: 3, scalePosWeight: 2, lambda: 20 });
    const mirrored = train(flipped, { trees: 3, scalePosWeight: 0.5, lambda: 10 });
    assert.equal(mirrored.model.base, -twice.model.base);
    twice.scores.forEach((s, row) => assert.approximately(s, -(mirrored.scores[row] as number), 2 ** 20 / 200));
  });

  it("sample rows and features per tree, by the seed", () => {
    const data = treeData({ trainRows: 1000 });
    const samples = (seed: number): { rows: string[]; features: Set<number>[] } => {
      const rows: string[] = [];
      const features: Set<number>[] = [];
      train(data, { trees: 4, subsample: 0.5, colsample: 0.5, seed }, {
        onAsked: (a) => {
          if (a.kind === "histograms" && a.level === 0) {
            const h = a.nodes[0]?.h ?? new Int32Array(0);
            rows.push([...h.keys()].filter((r) => h[r] !== 0).join());
          }
          if (a.kind === "tree") features.push(new Set(a.tree.cuts.map((c) => c.feature)));
        },
      });
      return { rows, features };
    };
    const one = samples(1);
    assert.deepEqual(samples(1), one);
    assert.notDeepEqual(samples(2).rows, one.rows);
    assert.equal(new Set(one.rows).size, one.rows.length);
    for (const rows of one.rows) assert.approximately(rows.split(",").length, 500, 80);
  });
});

describe("the generator", () => {
  it("needs nobody when no host has a feature", () => {
    const data = treeData();
    const own = data.features.slice(0, 3);
    const kinds = new Set<string>();
    const growth = grow({ ...data, features: own, params: bareParams() });
    let step = growth.next();
    while (step.done !== true) {
      kinds.add(step.value.kind);
      step = growth.next(undefined);
    }
    assert.deepEqual([...kinds], ["tree"]);
    assert.isAbove(step.value.added, 0);
  });
});
