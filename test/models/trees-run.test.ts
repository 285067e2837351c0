import { assert } from "chai";
import { describe, it } from "mocha";
import { isAppError } from "../../core/errors.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import { grow, type Asked, type Given, type GrowInput, type Grown } from "../../models/trees/grow.ts";
import type { SymmetricTree, TreeModel } from "../../models/trees/model.ts";
import { noiseLog2Sd, type TreeParamsInput } from "../../models/trees/params.ts";
import { plainBits, plainTrees } from "../../models/trees/plain.ts";
import { leafOf, scoreOf, scoreRows } from "../../models/trees/predict.ts";
import { bareParams, cellNoise, treeData, type Column, type TreeData } from "../support/tree-data.ts";

const train = (data: TreeData, params: TreeParamsInput, more: Partial<Parameters<typeof plainTrees>[0]> = {}): Grown =>
  plainTrees({ ...data, params: bareParams(params), ...more });

function refuses(code: string, work: () => unknown): Readonly<Record<string, unknown>> {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  if (!isAppError(thrown)) throw thrown ?? new Error(`expected ${code}`);
  assert.equal(thrown.code, code);
  return thrown.facts;
}

describe("going on with trees", () => {
  const hard = { trees: 14, depth: 3, subsample: 0.8, colsample: 0.7, maxCutsPerHostFeature: 3, noise: true, minChildRows: 20 } as const;
  const data = treeData({ trainRows: 700 });
  // The noise of a query depends on its number in the run: counted on over a restart, as the parties do.
  const sd = { g: 2 ** noiseLog2Sd(700).g, h: 2 ** noiseLog2Sd(700).h };

  it("from the state of any finished tree gives the identical model, with noise, caps, samples and early stopping", () => {
    for (const stopping of ["none", { rounds: 3, share: 0.3 }] as const) {
      const params = { ...hard, trees: stopping === "none" ? 14 : 90, learningRate: 0.5, earlyStopping: stopping };
      const states: { state: Uint8Array; queries: number }[] = [];
      let queries = 0;
      const whole = train(data, params, {
        noise: cellNoise(9, sd),
        onAsked: (a) => {
          if (a.kind === "histograms") queries += a.nodes.length;
          if (a.kind === "tree") states.push({ state: Uint8Array.from(a.state), queries });
        },
      });
      if (stopping !== "none") assert.equal(whole.end, "earlyStop");
      for (const { state, queries: before } of [states[0], states[4], states.at(-1)].filter((s) => s !== undefined)) {
        const noise = cellNoise(9, sd);
        const asked: Asked[] = [];
        const resumed = train(data, params, { resume: state, noise: (sums, query) => noise(sums, before + query), onAsked: (a) => asked.push(a) });
        assert.deepEqual(resumed, whole);
      }
    }
  });

  it("refuses a state that is damaged, or of another training", () => {
    let state = new Uint8Array();
    train(data, { trees: 2 }, { onAsked: (a) => { if (a.kind === "tree") state = Uint8Array.from(a.state); } });
    refuses("MODEL_TREE_STATE", () => train(data, { trees: 3 }, { resume: state }));
    refuses("MODEL_TREE_STATE", () => train(data, { trees: 2 }, { resume: state.slice(0, -1) }));
    refuses("MODEL_TREE_STATE", () => train(data, { trees: 2 }, { resume: Uint8Array.of(1, 2, 3) }));
    refuses("MODEL_TREE_STATE", () => train(treeData({ trainRows: 701 }), { trees: 2 }, { resume: state }));
  });

  it("from a model gives the same trees as growing them at once", () => {
    const params = { subsample: 0.8, colsample: 0.7 } as const;
    const whole = train(data, { ...params, trees: 12 });
    const first = train(data, { ...params, trees: 7 });
    const warm = train(data, { ...params, trees: 5 }, { from: first.model });
    assert.deepEqual(warm.model.trees, whole.model.trees);
    assert.deepEqual(warm.scores, whole.scores);
    assert.equal(warm.added, 5);
  });

  it("from a model asks for the bits of its host cuts once, before anything else, and counts them", () => {
    const first = train(data, { trees: 7, maxCutsPerHostFeature: 2 });
    const asked: Asked[] = [];
    const warm = train(data, { trees: 3, maxCutsPerHostFeature: 2 }, { from: first.model, onAsked: (a) => asked.push(a) });
    const cuts = new Set(first.model.trees.flatMap((t) => t.cuts).filter((c) => c.feature >= 3).map((c) => JSON.stringify(c)));
    const began = asked.slice(0, cuts.size).map((a) => (a.kind === "bits" ? JSON.stringify(a.cut) : a.kind));
    assert.sameMembers(began, [...cuts]);
    for (const f of [3, 4, 5, 6]) assert.isAtMost(warm.cutsOf[f] ?? 0, 2);
  });

  it("refuses to go on from a model about other features", () => {
    const { model } = train(data, { trees: 1 });
    const [head, ...tail] = model.features as [TreeModel["features"][number], ...TreeModel["features"][number][]];
    refuses("MODEL_TREE_FEATURES", () => train(data, {}, { from: { ...model, features: [{ ...head, bins: 12 }, ...tail] } }));
    refuses("MODEL_TREE_FEATURES", () => train(data, {}, { from: { ...model, features: tail } }));
  });

  it("stops after rounds without a better loss on held-out rows, keeps the best trees, and never shows held-out rows to anybody", () => {
    const small = treeData({ trainRows: 300 });
    let rows = new Set<number>();
    const grown = train(small, { trees: 200, depth: 4, learningRate: 0.5, earlyStopping: { rounds: 5, share: 0.3 } }, {
      onAsked: (a) => {
        if (a.kind === "histograms") for (const { h } of a.nodes) h.forEach((x, row) => { if (x !== 0) rows = rows.add(row); });
      },
    });
    assert.equal(grown.end, "earlyStop");
    const best = Math.min(...grown.losses);
    assert.equal(grown.losses.indexOf(best), grown.added);
    assert.equal(grown.model.trees.length, grown.added);
    assert.equal(grown.losses.length - 1, grown.added + 5);
    const labels = small.label.slice(0, 300);
    const held = [...labels.keys()].filter((row) => !rows.has(row));
    const events = labels.reduce((a, b) => a + b, 0);
    assert.equal(held.length, Math.round(0.3 * events) + Math.round(0.3 * (300 - events)));
    assert.equal(held.filter((row) => labels[row] === 1).length, Math.round(0.3 * events));
    assert.deepEqual(grown.scores, scoreRows(grown.model, small.features.map((f) => f.binOf), small.rows));
  });
});

describe("trees that cannot grow", () => {
  const data = treeData();

  it("are refused for a label of one class", () => {
    const facts = refuses("MODEL_ONE_CLASS", () => train({ ...data, label: data.label.map(() => 1) }, {}));
    assert.deepEqual(facts, { rows: 600, events: 600 });
    refuses("MODEL_SHAPE", () => train({ ...data, label: data.label.map(() => 2) }, {}));
  });

  it("leave the base alone when no column says anything: constant columns are neither cut nor asked about", () => {
    const one = { kind: "numeric" as const, bins: 1, orderedBins: 1, missingBin: -1 };
    const constant = data.features.map((f) => ({ ...f, ...one, binOf: f.binOf.map(() => 0) }));
    const asked: Asked[] = [];
    const grown = train({ ...data, features: constant }, {}, { onAsked: (a) => asked.push(a) });
    assert.equal(grown.end, "noGain");
    assert.isEmpty(grown.model.trees);
    assert.isEmpty(asked);
    assert.isTrue(grown.scores.every((s) => s === grown.model.base));
    const alone = data.features.map((f, i) => (i === 4 ? f : constant[i] as (typeof constant)[number]));
    assert.isTrue(train({ ...data, features: alone }, {}).model.trees.every((t) => t.cuts.every((c) => c.feature === 4)));
  });

  it("stop where nothing is gained: a gamma above every gain, or more rows asked of a node than there are", () => {
    assert.equal(train(data, { gamma: 1000 }).end, "noGain");
    const few = train(data, { minNodeRows: 601 });
    assert.equal(few.end, "tooFewRows");
    assert.isEmpty(few.model.trees);
  });

  it("are shallower when a deeper level gains nothing", () => {
    const two = { bins: 2, orderedBins: 2, missingBin: -1 };
    const halves = (f: Column): Column => ({ ...f, ...two, binOf: f.binOf.map((b) => (b > 3 ? 1 : 0)) });
    const only = data.features.map((f, i) => (i === 1 ? halves(f) : { ...f, binOf: f.binOf.map(() => 0) }));
    const { model } = train({ ...data, features: only }, { trees: 3, depth: 3 });
    assert.isNotEmpty(model.trees);
    for (const tree of model.trees) assert.deepEqual([tree.cuts.length, tree.leaves.length], [1, 2]);
  });
});

describe("monotone directions", () => {
  it("hold for every row and every pair of bins, deep trees, missing bins, floors and noise included", () => {
    const data = treeData({ trainRows: 500, seed: 8 });
    const directions = { "bank/x1": 1, "tax/x3": -1, "tax/x4": 1, "power/x5": -1 } as const;
    for (const more of [{}, { noise: true, minChildRows: 20, maxCutsPerHostFeature: 4 }] as const) {
      const sd = { g: 2 ** noiseLog2Sd(500).g, h: 2 ** noiseLog2Sd(500).h };
      const params = { trees: 25, depth: 5, learningRate: 0.5, lambda: 0, monotone: directions, ...more };
      const { model } = train(data, params, { noise: "noise" in more ? cellNoise(4, sd) : undefined });
      let moved = 0;
      for (const [feature, direction] of [[1, 1], [3, -1], [4, 1], [5, -1]] as const) {
        for (let row = 0; row < data.rows; row++) {
          const score = (bin: number): number => scoreOf(model, (f) => (f === feature ? bin : (data.features[f]?.binOf[row] ?? 255)));
          for (let bin = 1; bin < 8; bin++) {
            const rise = direction * (score(bin) - score(bin - 1));
            assert.isAtLeast(rise, 0, `feature ${feature}, bin ${bin}`);
            if (rise > 0) moved++;
          }
        }
      }
      assert.isAbove(moved, 500);
    }
  });

  it("leave a feature alone that only goes the other way", () => {
    const data = treeData();
    const only = { ...data, features: data.features.map((f, i) => (i === 4 ? f : { ...f, binOf: f.binOf.map(() => 0) })) };
    assert.isNotEmpty(train(only, { monotone: { "tax/x4": -1 } }).model.trees);
    assert.equal(train(only, { monotone: { "tax/x4": 1 } }).end, "noGain");
  });

  it("matter: the free model breaks them", () => {
    const data = treeData({ trainRows: 500, seed: 8 });
    const { model } = train(data, { trees: 25, depth: 5, learningRate: 0.5, lambda: 0 });
    const score = (row: number, bin: number): number => scoreOf(model, (f) => (f === 1 ? bin : (data.features[f]?.binOf[row] ?? 255)));
    const falls = Array.from({ length: 200 }, (_, row) => score(row, 7) < score(row, 6) || score(row, 4) < score(row, 3)).filter(Boolean);
    assert.isNotEmpty(falls);
  });

  it("are refused for a name that is not there and for a category", () => {
    const data = treeData();
    refuses("MODEL_TREE_MONOTONE", () => train(data, { monotone: { "bank/none": 1 } }));
    refuses("MODEL_TREE_MONOTONE", () => train(data, { monotone: { "power/x6": 1 } }));
  });
});

describe("scores of trees", () => {
  const data = treeData();
  const grown = train(data, { trees: 12 });
  const columns = data.features.map((f) => f.binOf);

  it("are those of the training, for rows of both parts, in bulk and one by one", () => {
    assert.deepEqual(scoreRows(grown.model, columns, data.rows), grown.scores);
    for (const row of [0, 5, data.rows - 1]) assert.equal(scoreOf(grown.model, (f) => columns[f]?.[row] ?? 255), grown.scores[row]);
    const tree = grown.model.trees[0] as SymmetricTree;
    const bits = tree.cuts.map((cut, level) => (plainBits(columns[cut.feature], cut.left)[3] as number) << level);
    assert.equal(leafOf(tree, (f) => columns[f]?.[3] ?? 255), bits.reduce((a, b) => a | b, 0));
  });

  it("of an absent party follow the missing direction: its missing bin, or the side of the larger cover", () => {
    const without = columns.map((c, i) => (data.features[i]?.party === "tax" ? undefined : c));
    const away = scoreRows(grown.model, without, data.rows);
    const neutral = scoreRows(grown.model, columns.map((c, i) => (without[i] === undefined ? c.map(() => 255) : c)), data.rows);
    assert.deepEqual(away, neutral);
    assert.notDeepEqual(away, grown.scores);
    const cuts = grown.model.trees.flatMap((t) => t.cuts);
    assert.isTrue(cuts.some((c) => c.feature === 3));
    for (const cut of cuts.filter((c) => data.features[c.feature]?.missingBin === 8)) assert.equal(cut.left.includes(255), cut.left.includes(8));
    // The first cut of a feature without a missing bin: its first level saw all rows, so its cover is theirs.
    const alone = data.features.map((f, i) => (i === 4 ? f : { ...f, binOf: f.binOf.map(() => 0) }));
    const cut = train(data, { trees: 1, depth: 1 }, { features: alone }).model.trees[0]?.cuts[0];
    assert.equal(cut?.feature, 4);
    const left = columns[4]?.slice(0, data.trainRows).filter((b) => cut?.left.includes(b)).length ?? 0;
    assert.equal(cut?.left.includes(255), 2 * left >= data.trainRows);
  });

  it("are refused for columns of another length", () => {
    refuses("MODEL_SHAPE", () => scoreRows(grown.model, columns.slice(1), data.rows));
    refuses("MODEL_SHAPE", () => scoreRows(grown.model, columns.map((c) => c.slice(1)), data.rows));
  });

  it("do not depend on the order of the hosts but for ties", () => {
    const order = [0, 1, 2, 6, 5, 4, 3];
    const turned = { ...data, features: order.map((i) => data.features[i] as (typeof data.features)[number]) };
    const auc = (g: Grown): number => ranking(g.scores, data.label, 0, data.rows).auc;
    assert.approximately(auc(train(turned, { trees: 12 })), auc(grown), 0.005);
  });
});

describe("answers of hosts that cannot be right", () => {
  const data = treeData();
  /** Runs the generator with honest answers, changed by `change`. */
  const run = (params: TreeParamsInput, change: (asked: Asked, given: Given) => Given, of = data): void => {
    const features = of.features.map((f) => (f.party === "bank" ? f : { ...f, binOf: undefined }));
    const input: GrowInput = { ...of, features, params: bareParams(params) };
    const growth = grow(input);
    let step = growth.next();
    while (step.done !== true) {
      const asked = step.value;
      let given: Given;
      if (asked.kind === "bits") given = plainBits(of.features[asked.cut.feature]?.binOf, asked.cut.left);
      if (asked.kind === "histograms") {
        given = asked.nodes.map((node) => {
          const hosts = of.features.slice(3);
          const sum = (v: Int32Array): Float64Array => Float64Array.from(hosts.flatMap((f) =>
            Array.from({ length: f.bins }, (_, bin) => v.reduce((s, x, row) => s + (f.binOf[row] === bin ? x : 0), 0))));
          return { g: sum(node.g), h: sum(node.h) };
        });
      }
      step = growth.next(change(asked, given));
    }
  };
  const exact = { trees: 2 } as const;

  it("are refused: sums that do not add up to the node, of the wrong number, or no integers", () => {
    const spoil = (work: (cells: Float64Array) => Float64Array) => (asked: Asked, given: Given): Given =>
      (asked.kind === "histograms" && Array.isArray(given) ? given.map((c: { g: Float64Array; h: Float64Array }) => ({ ...c, g: work(c.g) })) : given);
    assert.deepEqual(refuses("MODEL_TREE_SUMS", () => run(exact, spoil((g) => g.with(9 + 8 + 2, 5)))), { feature: 5 });
    refuses("MODEL_SHAPE", () => run(exact, spoil((g) => g.slice(1))));
    refuses("MODEL_TREE_SUMS", () => run({ trees: 2, noise: true }, spoil((g) => g.with(0, 0.5))));
    refuses("MODEL_SHAPE", () => run(exact, (asked, given) => (asked.kind === "histograms" ? [] : given)));
  });

  it("are refused: bits of another cut, of the wrong length, or no bits", () => {
    const bits = (work: (bits: Uint8Array) => Given) => (asked: Asked, given: Given): Given =>
      (asked.kind === "bits" && given instanceof Uint8Array ? work(given) : given);
    const turned = bits((b) => b.map((x) => 1 - x));
    assert.isNumber(refuses("MODEL_TREE_BITS", () => run(exact, turned))["feature"]);
    // Under noise the sums of many rows still tell.
    const many = treeData({ trainRows: 20_000 });
    const dull = { ...many, features: many.features.map((f) => (f.party === "bank" ? { ...f, binOf: f.binOf.map(() => 0) } : f)) };
    run({ trees: 1, depth: 1, noise: true }, (_, given) => given, dull);
    refuses("MODEL_TREE_BITS", () => run({ trees: 1, depth: 1, noise: true }, turned, dull));
    refuses("MODEL_TREE_BITS", () => run(exact, bits((b) => b.slice(1))));
    refuses("MODEL_TREE_BITS", () => run(exact, bits((b) => b.with(0, 2))));
    refuses("MODEL_TREE_BITS", () => run(exact, bits(() => undefined)));
  });

  it("are refused: bits of one feature that tell more rows apart than it has bins", () => {
    let count = 0;
    const scramble = (b: Uint8Array): Uint8Array => {
      count++;
      // Test rows are in no sum: only the count of patterns can find this.
      return b.map((x, row) => (row < data.trainRows ? x : (row >> (count % 8)) & 1));
    };
    refuses("MODEL_TREE_BITS", () => run({ trees: 60, depth: 2 }, (asked, given) =>
      (asked.kind === "bits" && given instanceof Uint8Array ? scramble(given) : given)));
  });
});
