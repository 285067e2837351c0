// Floors, caps and bounds of boosted trees as pure decisions: what a plan may ask for, what a host's book of cuts takes, what may pass.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { bitsPerRow, CutBook, pieces, type HostCut } from "../../federation/gbdt/cuts.ts";
import { allowsExact, noiseBound, queriesPerTree, treeLimits } from "../../federation/gbdt/floors.ts";
import { gbdtMessages } from "../../federation/gbdt/messages.ts";
import { gbdtAnswers, gbdtBitsPerRow, gbdtCuts, gbdtTraffic, type GbdtSize } from "../../federation/gbdt/traffic.ts";
import { floodAdvantageBits } from "../../kernels/privacy.ts";
import type { FineShape } from "../../models/binning/fine.ts";
import { cutOptions } from "../../models/trees/columns.ts";
import { treeParamsSchema, type TreeParams, type TreeParamsInput } from "../../models/trees/params.ts";

const params = (change: TreeParamsInput = {}): TreeParams => treeParamsSchema.parse({ depth: 3, askedTrees: 0, ...change });
const limits = (trainRows: number, change: TreeParamsInput = {}, liftFloors = false): ReturnType<typeof treeLimits> =>
  treeLimits({ trainRows, params: params(change), liftFloors });
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return "none";
};
const guest = partyId("bank");

describe("floors of boosted trees", () => {
  it("need 5,000 training companies", () => {
    assert.equal(codeOf(() => limits(4999)), "FLOOR_ROWS");
    assert.equal(codeOf(() => limits(5000)), "none");
    assert.equal(codeOf(() => limits(300, {}, true)), "none");
  });

  it("put noise of two units below 20,000 companies and of one from there on, a quarter of it on h", () => {
    assert.deepEqual(limits(19_999).noise, { g: { log2Sd: 13, shift: 0 }, h: { log2Sd: 11, shift: 0 } });
    assert.deepEqual(limits(20_000).noise, { g: { log2Sd: 12, shift: 0 }, h: { log2Sd: 10, shift: 0 } });
  });

  it("allow exact sums from 20,000 companies, 0.01 queries each and nodes of 500 only", () => {
    // 25 trees of depth 3 are 200 queries.
    const few = { trees: 25, depth: 3, noise: false };
    assert.isUndefined(limits(20_000, few).noise);
    assert.equal(codeOf(() => limits(19_999, few)), "FLOOR_TREES");
    assert.equal(codeOf(() => limits(20_000, { ...few, trees: 26 })), "FLOOR_TREES");
    assert.isFalse(allowsExact(20_000, params({ ...few, minNodeRows: 499 })));
    assert.isTrue(allowsExact(21_000, params({ ...few, trees: 26 })));
    assert.isTrue(allowsExact(20_000, params({ ...few, trees: 500, askedTrees: 25 })));
  });

  it("refuse smaller nodes and children, more cuts and no cap, unless they are lifted", () => {
    for (const change of [{ minNodeRows: 499 }, { minChildRows: 99 }, { maxCutsPerHostFeature: 8 }, { maxCutsPerHostFeature: 0 }]) {
      assert.equal(codeOf(() => limits(50_000, change)), "FLOOR_TREES");
      assert.equal(codeOf(() => limits(50_000, change, true)), "none");
    }
  });

  it("ask for bins of 200 companies and one in a hundred", () => {
    assert.equal(limits(5000).minBinRows, 200);
    assert.equal(limits(30_001).minBinRows, 301);
    assert.equal(limits(30_000, {}, true).minBinRows, 1);
  });

  it("count the root and one of each pair of children, two vectors each", () => {
    assert.deepEqual([1, 2, 3, 4, 5, 6].map(queriesPerTree), [2, 4, 8, 16, 32, 64]);
    assert.equal(limits(30_000, { trees: 50, depth: 3 }).queries, 400);
    assert.equal(limits(30_000, { trees: 50, depth: 3, askedTrees: 20 }).queries, 160);
    assert.equal(limits(30_000, { trees: 5, depth: 3, askedTrees: 20 }).queries, 40);
  });

  it("bound the noise of many cells by six deviations each", () => {
    assert.equal(noiseBound(undefined, 5), 0);
    assert.equal(noiseBound({ log2Sd: 12, shift: 0 }, 3), 3 * 6 * 4095);
  });
});

describe("a host's book of cuts", () => {
  const numeric: FineShape = { kind: "numeric", bins: 7, orderedBins: 5, missingBin: 6 };
  const categorical: FineShape = { kind: "categorical", bins: 5, orderedBins: 4, missingBin: 4 };
  const book = (maxCuts = 10): CutBook => new CutBook([numeric, categorical], { maxCuts, guest });

  it("takes every cut that the grower can ask for, in any order, and counts what they tell", () => {
    const order = [3, 0, 4, 2, 1];
    const shapes = [numeric, categorical];
    const cuts = shapes.flatMap((shape, feature): HostCut[] => (
      cutOptions({ ...shape, party: "host", name: "f" }, feature, shape.kind === "categorical" ? order : undefined)
        .options.map((o) => ({ feature, left: o.left }))));
    assert.isAbove(cuts.length, 15);
    fc.assert(fc.property(fc.shuffledSubarray(cuts), (some) => {
      const b = book(100);
      const told = some.reduce((sum, cut) => sum + b.admit(cut), 0);
      assert.closeTo(told, bitsPerRow(shapes, some), 1e-9);
      // What the cuts tell is at most the bins themselves, and at most a bit each.
      assert.isAtMost(told, Math.min(some.length, Math.log2(8) + Math.log2(6)) + 1e-9);
    }), { numRuns: 200, seed: 1 });
  });

  it("counts k + 1 pieces for k cuts of ordered bins, and one more where missing values go another way", () => {
    const ordered = (...lefts: number[][]): number => pieces(numeric, lefts.map((left) => ({ feature: 0, left })));
    assert.equal(ordered(), 1);
    assert.equal(ordered([0]), 2);
    assert.equal(ordered([0], [0, 1, 2]), 3);
    assert.equal(ordered([0, 6], [0, 1, 2]), 4);
  });

  it("bounds free subsets of a categorical feature by one order", () => {
    const b = book();
    b.admit({ feature: 1, left: [0, 2] });
    assert.equal(codeOf(() => b.admit({ feature: 1, left: [0, 1] })), "PROTOCOL_SPLIT");
    assert.equal(codeOf(() => b.admit({ feature: 1, left: [0, 1, 2] })), "none");
  });

  it("keeps the cap of each feature apart, and a refused cut is not in it", () => {
    const b = book(1);
    b.admit({ feature: 0, left: [0] });
    assert.equal(codeOf(() => b.admit({ feature: 0, left: [0, 1] })), "BUDGET_CUTS");
    assert.equal(codeOf(() => b.admit({ feature: 1, left: [0] })), "none");
    assert.deepEqual(b.cuts, [{ feature: 0, left: [0] }, { feature: 1, left: [0] }]);
  });
});

describe("bounds of what trees put on the wire", () => {
  const size = (change: Partial<GbdtSize> = {}): GbdtSize => (
    { rows: 30_000, trainRows: 21_000, features: 18, params: params({ trees: 50 }), liftFloors: false, ...change });

  it("name every message of the protocol once, and only these", () => {
    assert.deepEqual(gbdtTraffic(size()).map((t) => t.type).sort(), Object.keys(gbdtMessages).sort());
  });
  it("agree with the figures of the README", () => {
    const of = (type: string): { messages: number; bytes: number; numbers: number } | undefined => gbdtTraffic(size()).find((t) => t.type === type);
    assert.equal(of("trees/query")?.bytes, 400 * (13 * 4096 * 7 + 32));
    // Four vectors of 372,736 bytes at most in the last level of depth 3: one message a level.
    assert.equal(of("trees/query")?.messages, 150);
    assert.equal(of("trees/bits")?.bytes, 18 * 7 * 3750);
  });
  it("bound the bits per company by the caps: 7 cuts are at most 8 pieces, and what special and missing bins add", () => {
    assert.equal(gbdtCuts(size()), 18 * 7);
    assert.isAtMost(gbdtBitsPerRow(size()), 18 * Math.log2(25));
    assert.isAtLeast(gbdtBitsPerRow(size()), 18 * 3);
    assert.isBelow(gbdtBitsPerRow(size({ params: params({ trees: 2, depth: 1 }) })), 18);
  });
  it("leave the floods 2^-40 also for a million companies, 50 features and 100 trees of depth 5", () => {
    const big = size({ rows: 1_000_000, trainRows: 1_000_000, features: 50, params: params({ trees: 100, depth: 5 }) });
    assert.isAtMost(floodAdvantageBits(gbdtAnswers(big)), -40);
  });
  it("are zero for a host without features but for the words that it gets anyway", () => {
    const none = gbdtTraffic(size({ features: 0 }));
    assert.deepEqual(none.map((t) => t.type).sort(), ["trees/next", "trees/offer", "trees/uses"]);
    assert.equal(gbdtBitsPerRow(size({ features: 0 })), 0);
  });
});
