// Explanations: they add up to the score exactly, they are the Shapley values of the definition, and they name what may be named.
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import { neutralBin } from "../../models/binning/fine.ts";
import { combine, nameContributions, namings, settle, type Contribution, type Naming, type Source } from "../../models/explain/contribution.ts";
import { againstTypical, explainPoints, medianOf, medianUnits, openedTerm, typicalContributions } from "../../models/explain/points.ts";
import { reasonCodes } from "../../models/explain/reasons.ts";
import { explainKnown, explainTrees, shapleyOf, termsOf, treeExplainer } from "../../models/explain/shapley.ts";
import { boostedXgboost } from "../../models/files/xgboost.ts";
import { featureKey, type SymmetricTree, type TreeModel } from "../../models/trees/model.ts";
import { scoreOf } from "../../models/trees/predict.ts";
import { dataSets, loadJob } from "../support/csv.ts";
import { binOwned, definitionsOf, drawnTrees, oddFeatures, rawOf, trainedTrees, type Owned } from "../support/model-files.ts";
import { needsRealData } from "../support/real-data.ts";
import { askXgboost, needsXgboost } from "../support/xgboost.ts";

const owned = binOwned([{ name: "bank", features: oddFeatures(1500, 1) }, { name: "tax", features: oddFeatures(1500, 2) }], 1200, 8);
const sources: Source[] = owned.map(({ party, feature }) => (
  { party, feature: feature.name, ...(feature.kind === "numeric" ? { group: "numbers" } : {}) }));
const codesOf = (all: readonly Owned[], row: number) => (feature: number): number => all[feature]?.fine.binOf[row] ?? neutralBin;
const total = (contributions: readonly { readonly value: number }[]): number => contributions.reduce((sum, c) => sum + c.value, 0);

/** EXPVALUE of the TreeSHAP paper, walked node by node. */
function expected(tree: SymmetricTree, codeOf: (feature: number) => number, known: ReadonlySet<number>): number {
  const cover = (depth: number, prefix: number): number => (
    tree.leafCovers.reduce((sum, c, leaf) => (leaf % 2 ** depth === prefix ? sum + c : sum), 0));
  const visit = (depth: number, prefix: number): number => {
    const cut = tree.cuts[depth];
    if (cut === undefined) return tree.leaves[prefix] ?? 0;
    const right = prefix + 2 ** depth;
    if (known.has(cut.feature)) return visit(depth + 1, cut.left.includes(codeOf(cut.feature)) ? prefix : right);
    const [l, r] = [cover(depth + 1, prefix), cover(depth + 1, right)];
    const [left, both] = [visit(depth + 1, prefix), visit(depth + 1, right)];
    return l + r === 0 ? (left + both) / 2 : (l * left + r * both) / (l + r);
  };
  return visit(0, 0);
}

/** Shapley's own definition: the mean over all orders in which the features become known. */
function byOrders(model: TreeModel, codeOf: (feature: number) => number, features: readonly number[]): Map<number, number> {
  const value = (known: ReadonlySet<number>): number => model.trees.reduce((sum, tree) => sum + expected(tree, codeOf, known), model.base);
  const sums = new Map(features.map((f) => [f, 0]));
  let orders = 0;
  const visit = (known: readonly number[]): void => {
    if (known.length === features.length) orders++;
    for (const f of features.filter((g) => !known.includes(g))) {
      // Counted once for each order of the rest.
      const rest = [...Array(features.length - known.length - 1).keys()].reduce((p, k) => p * (k + 1), 1);
      sums.set(f, (sums.get(f) ?? 0) + rest * (value(new Set([...known, f])) - value(new Set(known))));
      visit([...known, f]);
    }
  };
  visit([]);
  for (const [f, sum] of sums) sums.set(f, sum / orders);
  return sums;
}

describe("settled explanations", () => {
  it("add up to the score exactly and stay within one unit of what they round", () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(values, fc.double({ min: -1e6, max: 1e6, noNaN: true }), (terms, base) => {
      const score = Math.round(terms.reduce((a, b) => a + b, base));
      const made = settle(score, base, terms.map((value) => ({ source: { party: "a" }, value })));
      assert.equal(made.base + total(made.contributions), score);
      assert.isTrue(made.contributions.every((c, i) => Number.isInteger(c.value) && Math.abs(c.value - (terms[i] ?? 0)) <= 2));
    }));
  });

  it("round nothing away: whole terms stay as they are", () => {
    const made = settle(12, 2, [4, -1, 7].map((value, i) => ({ source: { party: `p${i}` }, value })));
    assert.deepEqual(made.contributions.map((c) => c.value), [4, -1, 7]);
    assert.deepEqual(settle(7, 7.3, []), { score: 7, base: 7, contributions: [] });
  });

  it("refuse terms that are not this score's", () => {
    assert.throws(() => settle(10, 2, [{ source: { party: "a" }, value: 4 }]), /MODEL_EXPLANATION/);
    assert.throws(() => settle(10, Number.NaN, [{ source: { party: "a" }, value: 8 }]), /MODEL_EXPLANATION/);
    assert.throws(() => settle(1.5, 0, [{ source: { party: "a" }, value: 1.5 }]), /MODEL_EXPLANATION/);
  });
});

describe("explanations of boosted trees", () => {
  it("are Shapley's, by the definition over all orders", () => {
    fc.assert(fc.property(fc.nat(1e6), fc.integer({ min: 1, max: 4 }), fc.nat(1499), (seed, depth, row) => {
      const model = drawnTrees(owned.slice(0, 5), 1200, { seed, trees: 2, depth });
      const codeOf = codesOf(owned, row);
      const { values, known } = shapleyOf(treeExplainer(model), codeOf);
      const slow = byOrders(model, codeOf, [0, 1, 2, 3, 4]);
      for (const [feature, value] of slow) assert.closeTo(values[feature] ?? 0, value, 1e-6);
      assert.closeTo(known, scoreOf(model, codeOf), 1e-6);
    }), { numRuns: 30 });
  });

  it("add up to the integer score for every company, features of all parties told apart", () => {
    const model = drawnTrees(owned, 1200, { seed: 4, trees: 30, depth: 6 });
    const explainer = treeExplainer(model);
    for (let row = 0; row < 1500; row++) {
      const score = scoreOf(model, codesOf(owned, row));
      const made = explainTrees(explainer, codesOf(owned, row), score, sources);
      assert.equal(made.base + total(made.contributions), score);
      assert.equal(made.base, Math.round(explainer.expected));
    }
    assert.throws(() => explainTrees(explainer, codesOf(owned, 0), scoreOf(model, codesOf(owned, 0)) + 5, sources), /MODEL_EXPLANATION/);
    assert.throws(() => explainTrees(explainer, codesOf(owned, 0), 0, sources.slice(1)), /MODEL_SHAPE/);
  });

  it("give nothing to a feature that changes nothing, and the same to two that are alike", () => {
    const tree: SymmetricTree = {
      cuts: [{ feature: 0, left: [0] }, { feature: 1, left: [0] }, { feature: 2, left: [0] }],
      leaves: [0, 8, 8, 16, 0, 8, 8, 16], gains: [1, 1, 0], covers: [8, 8, 8], leafCovers: [1, 1, 1, 1, 1, 1, 1, 1],
    };
    const model = { ...drawnTrees(owned.slice(0, 3), 1200, { seed: 1, trees: 1, depth: 1 }), base: 100, trees: [tree] };
    const { values } = shapleyOf(treeExplainer(model), () => 1);
    assert.deepEqual([...values], [4, 4, 0]);
  });

  it("can be told where no training row was: an empty branch counts as half", () => {
    const tree: SymmetricTree = {
      cuts: [{ feature: 0, left: [0] }, { feature: 1, left: [0] }], leaves: [0, 10, 20, 60], gains: [1, 1], covers: [4, 4], leafCovers: [3, 0, 1, 0],
    };
    const model = { ...drawnTrees(owned.slice(0, 2), 1200, { seed: 1, trees: 1, depth: 1 }), base: 0, trees: [tree] };
    const made = explainTrees(treeExplainer(model), () => 1, 60, sources.slice(0, 2));
    assert.deepEqual([made.base, ...made.contributions.map((c) => c.value)], [5, 35, 20]);
  });

  it("tell the guest's own part without any code of a host, and leave the rest to the others", () => {
    const model = drawnTrees(owned, 1200, { seed: 8, trees: 20, depth: 4 });
    const explainer = treeExplainer(model, (f) => owned[f]?.party === "bank");
    for (let row = 0; row < 200; row++) {
      const codeOf = (feature: number): number => {
        assert.equal(owned[feature]?.party, "bank", "nothing else is asked for");
        return codesOf(owned, row)(feature);
      };
      const score = scoreOf(model, codesOf(owned, row));
      const made = explainKnown(explainer, codeOf, score, sources, { party: "tax" });
      assert.equal(made.base + total(made.contributions), score);
      assert.lengthOf(made.contributions.filter((c) => c.source.party === "tax"), 1);
    }
    const row = 3;
    const slow = byOrders({ ...model, trees: model.trees.slice(0, 2) }, codesOf(owned, row), [0, 1, 2, 3, 4, 5]);
    const few = treeExplainer({ ...model, trees: model.trees.slice(0, 2) }, (f) => f < 6);
    for (const [feature, value] of slow) assert.closeTo(shapleyOf(few, codesOf(owned, row)).values[feature] ?? 0, value, 1e-6);
  });
});

describe("explanations of sums of parts", () => {
  it("combine a bank's own trees, an opened total, and trees over both into one that adds up", () => {
    const own = owned.filter((o) => o.party === "bank");
    const first = drawnTrees(own, 1200, { seed: 1, trees: 10, depth: 3 });
    const second = drawnTrees(own, 1200, { seed: 2, trees: 10, depth: 3 });
    const [weight, slope, typical] = [0.8, 2 ** 14, 3];
    const parts = [first, second].map((model) => ({ model, explainer: treeExplainer(model) }));
    for (let row = 0; row < 200; row++) {
      const open = (row % 40) - 20;
      const codeOf = codesOf(own, row);
      const names = own.map((o): Source => ({ party: "bank", feature: o.feature.name }));
      const { expected: mean, terms } = combine([
        ...parts.map(({ explainer }, i) => (
          { weight: i === 0 ? weight : 1, expected: explainer.expected, terms: termsOf(shapleyOf(explainer, codeOf).values, names) })),
        { weight: 1, expected: slope * typical, terms: [openedTerm({ party: "tax" }, open, typical, slope)] },
      ]);
      const score = Math.round(weight * scoreOf(first, codeOf) + scoreOf(second, codeOf) + slope * open);
      const made = settle(score, mean, terms);
      assert.equal(made.base + total(made.contributions), score);
      assert.lengthOf(made.contributions.filter((c) => c.source.party === "tax"), 1);
      assert.isAtMost(made.contributions.length, own.length + 1, "a feature of both is one part");
    }
  });

  it("measure points against the typical company", () => {
    const made = explainPoints(6000, [
      { source: { party: "bank", feature: "a" }, units: 40, medianUnits: 55 },
      { source: { party: "tax" }, units: -10, medianUnits: -30 },
    ]);
    assert.deepEqual(made, { base: 6025, score: 6030, contributions: [
      { source: { party: "bank", feature: "a" }, value: -15 }, { source: { party: "tax" }, value: 20 },
    ] });
    const points = fc.integer({ min: -500, max: 500 });
    fc.assert(fc.property(fc.array(fc.tuple(points, points)), fc.integer({ min: -9000, max: 9000 }), (parts, base) => {
      const given = parts.map(([units, median]) => ({ source: { party: "a" }, units, medianUnits: median }));
      const { score, base: from, contributions } = explainPoints(base, given);
      assert.equal(from + total(contributions), score);
      assert.equal(score, parts.reduce((sum, [units]) => sum + units, base), "the scorecard's own score");
    }));
  });

  it("can be told against the typical company instead of the mean, and still add up", () => {
    const model = drawnTrees(owned, 1200, { seed: 5, trees: 10, depth: 3 });
    const explainer = treeExplainer(model);
    const population = Array.from({ length: 301 }, (_, row) => (
      explainTrees(explainer, codesOf(owned, row), scoreOf(model, codesOf(owned, row)), sources)));
    const typical = typicalContributions(population);
    const told = population.map((e) => againstTypical(e, typical));
    told.forEach((e, i) => {
      assert.equal(e.base + total(e.contributions), population[i]?.score);
      assert.equal(e.base, told[0]?.base, "one base for all");
    });
    for (const { value } of typicalContributions(told)) assert.equal(value, 0, "the median company has nothing against the median");
    assert.throws(() => typicalContributions([]), /MODEL_TOO_FEW_ROWS/);
  });

  it("take the lower median of the population", () => {
    const population = fc.array(fc.tuple(fc.integer({ min: -9, max: 9 }), fc.nat(5)), { minLength: 1, maxLength: 8 });
    fc.assert(fc.property(population, (bins) => {
      fc.pre(bins.some(([, rows]) => rows > 0));
      const people = bins.flatMap(([value, rows]) => Array.from({ length: rows }, () => value)).sort((a, b) => a - b);
      const median = people[Math.ceil(people.length / 2) - 1];
      assert.equal(medianUnits(bins.map(([v]) => v), bins.map(([, r]) => r)), median);
      assert.equal(medianOf(Int8Array.from(people)), median);
    }));
    assert.throws(() => medianUnits([1], [0]), /MODEL_TOO_FEW_ROWS/);
    assert.throws(() => medianOf([]), /MODEL_TOO_FEW_ROWS/);
  });
});

describe("what may be named", () => {
  const contributions: Contribution[] = [
    { source: { party: "bank", feature: "secret_bank_a", group: "loans" }, value: 5 },
    { source: { party: "bank", feature: "secret_bank_b", group: "loans" }, value: -9 },
    { source: { party: "tax", feature: "secret_tax_a", group: "arrears" }, value: 7 },
    { source: { party: "tax", feature: "secret_tax_b", group: "arrears" }, value: 6 },
    { source: { party: "tax", feature: "secret_tax_c" }, value: 1 },
    { source: { party: "power", feature: "secret_power_a", group: "usage" }, value: 3 },
    { source: { party: "court" }, value: -2 },
  ];

  it("is decided by each party: features, groups, or nothing at all", () => {
    const named = nameContributions(contributions, { bank: "features", tax: "groups", power: "nothing" });
    assert.deepEqual(named, [
      { label: { kind: "feature", party: "bank", feature: "secret_bank_a", group: "loans" }, value: 5 },
      { label: { kind: "feature", party: "bank", feature: "secret_bank_b", group: "loans" }, value: -9 },
      { label: { kind: "group", party: "tax", group: "arrears" }, value: 13 },
      { label: { kind: "party", party: "tax" }, value: 1 },
      { label: { kind: "other" }, value: 1 },
    ]);
  });

  it("never holds a name above the policy, in labels or in texts, and never loses a unit", () => {
    const policy = fc.dictionary(fc.constantFrom("bank", "tax", "power", "court"), fc.constantFrom<Naming>(...namings));
    fc.assert(fc.property(policy, fc.constantFrom("groups", "features"), fc.constantFrom("negative", "positive"), (allowed, by, adverse) => {
      const named = nameContributions(contributions, allowed);
      assert.equal(total(named), total(contributions));
      const explanation = { base: 0, score: total(contributions), contributions };
      const reasons = reasonCodes(explanation, { allowed, adverse, by, count: 99 });
      for (const text of [JSON.stringify(named), JSON.stringify(reasons)]) {
        for (const { source } of contributions) {
          const may = allowed[source.party] ?? "nothing";
          if (may !== "features" && source.feature !== undefined) assert.notInclude(text, source.feature);
          if (may === "nothing") assert.isTrue(!text.includes(source.party) && (source.group === undefined || !text.includes(source.group)));
        }
      }
      if (by === "groups") assert.notInclude(JSON.stringify(reasons), "secret_");
    }));
  });

  it("does not fall for a party that is called like a property of every object", () => {
    assert.deepEqual(nameContributions([{ source: { party: "constructor", feature: "f" }, value: 1 }], {}), [{ label: { kind: "other" }, value: 1 }]);
  });

  it("makes reasons of the groups that speak against a company, the strongest first, in both languages", () => {
    const explanation = { base: 0, score: total(contributions), contributions };
    const allowed = { bank: "features", tax: "groups" } as const;
    const worse = reasonCodes(explanation, { allowed, adverse: "positive", count: 2 });
    assert.deepEqual(worse.map((r) => [r.rank, r.value]), [[1, 13], [2, 1]]);
    assert.equal(worse[0]?.en, "Data on “arrears” of tax are less favourable than for the typical company");
    assert.equal(worse[0]?.zh, "tax 的“arrears”类数据劣于一般企业");
    const points = reasonCodes(explanation, { allowed, adverse: "negative" });
    assert.deepEqual(points.map((r) => [r.label, r.value]), [[{ kind: "group", party: "bank", group: "loans" }, -4]]);
    const single = reasonCodes(explanation, { allowed, adverse: "negative", by: "features" });
    assert.deepEqual(single.map((r) => [r.label.kind, r.value]), [["feature", -9]]);
  });
});

describe("explanations beside those of XGBoost", () => {
  before(async function () {
    await needsXgboost(this);
    needsRealData(this);
  });

  it("are the same to its float32, on real loans", async () => {
    const { model, owned: all } = trainedTrees(loadJob(dataSets.sba), { trees: 25, depth: 6 });
    const { text, columns } = boostedXgboost(model, definitionsOf(all));
    const at = columns.names.map((name) => all.findIndex((o) => featureKey({ party: o.party, name: o.feature.name }) === name));
    const rows = 400;
    const numbers = Float32Array.from({ length: rows * at.length }, (_, i) => {
      const column = i % at.length;
      const raw = rawOf((all[at[column] ?? 0] as Owned).feature, Math.floor(i / at.length));
      const coded = columns.levels[columns.names[column] ?? ""];
      return typeof raw === "string" ? (coded?.codes[raw] ?? coded?.other ?? Number.NaN) : (raw ?? Number.NaN);
    });
    const { contributions } = await askXgboost(text, columns.names, numbers);
    const explainer = treeExplainer(model);
    let worst = 0;
    for (let row = 0; row < rows; row++) {
      const { values } = shapleyOf(explainer, codesOf(all, row));
      at.forEach((feature, column) => {
        worst = Math.max(worst, Math.abs((values[feature] ?? 0) / 2 ** 20 - (contributions[row]?.[column] ?? 0)));
      });
      worst = Math.max(worst, Math.abs(explainer.expected / 2 ** 20 - (contributions[row]?.[at.length] ?? 0)));
    }
    assert.isBelow(worst, 1e-5);
  });
});
