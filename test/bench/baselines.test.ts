import { assert } from "chai";
import { array, assert as always, boolean, integer, property, record } from "fast-check";
import { describe, it } from "mocha";
import { cellsPerCiphertext, extrapolatedTree, extrapolationNote, nodesOf, pairBits, treeCounts, type UnitCosts } from "../../bench/baselines/paillier-cost.ts";
import { bestSplit, histogram, plainTrain, type BinnedFeature } from "../../bench/baselines/plain-histogram.ts";

const feature = (binOf: readonly number[], more: Partial<BinnedFeature> = {}): BinnedFeature =>
  ({ binOf: Uint8Array.from(binOf), bins: 1 + Math.max(...binOf), isOrdered: true, missingBin: -1, ...more });
const loose = { lambda: 1, gamma: 0, minChildWeight: 0 };

describe("the Paillier baseline", () => {
  const unit: UnitCosts = { keyBits: 2048, samples: 10, encrypt: 2, add: 3, subtract: 5, shift: 7, decrypt: 11 };

  it("packs as many cells as fit, each pair wide enough for the sums over all rows", () => {
    assert.equal(pairBits(30_000), 136);
    assert.equal(cellsPerCiphertext(30_000, 2048), 15);
    assert.equal(cellsPerCiphertext(30_000, 1024), 7);
    always(property(integer({ min: 1, max: 1 << 20 }), (rows) => {
      // g moved into [0, 2): its sum, and that of h, in half of the pair.
      assert.isAbove(2 ** (pairBits(rows) / 2), 2 * rows * 2 ** 52);
    }));
  });

  it("counts a tree by hand: one stump, then a level more", () => {
    const shape = { rows: 100, features: 2, bins: 10 };
    assert.deepEqual(nodesOf(1), { summed: 1, opened: 1 });
    assert.deepEqual(nodesOf(3), { summed: 4, opened: 7 });
    // 20 cells in 2 ciphertexts of at most 16: 18 shifts with an addition each, 2 x 9 along the bins.
    assert.equal(cellsPerCiphertext(100, 2048), 17);
    assert.deepEqual(treeCounts(shape, 1, 2048), { encryptions: 100, additions: 200 + 18 + 18, subtractions: 0, shifts: 18, decryptions: 2 });
    assert.deepEqual(treeCounts(shape, 2, 2048), { encryptions: 100, additions: 300 + 54 + 54, subtractions: 20, shifts: 54, decryptions: 6 });
  });

  it("is linear in every cost, and says from what it was extrapolated", () => {
    const shape = { rows: 100, features: 2, bins: 10 };
    const cost = extrapolatedTree(shape, 2, unit);
    assert.deepEqual(cost, {
      guestEncrypts: 200, hostSums: 408 * 3 + 20 * 5 + 54 * 7, guestDecrypts: 66, total: 200 + 408 * 3 + 20 * 5 + 54 * 7 + 66, bytesUp: 51_200, bytesDown: 3072,
    });
    assert.match(extrapolationNote(shape, unit), /^extrapolated linearly to 100 rows x 2 features x 10 bins from 10 operations/);
  });
});

describe("the histogram in the clear", () => {
  it("sums one value or two, of all rows or of some", () => {
    const features = [feature([0, 1, 1, 2]), feature([1, 0, 0, 0])];
    const [g, h] = [[1, 10, 100, 1000], [1, 2, 3, 4]];
    assert.deepEqual(histogram(features, 4, g).map((s) => [...s]), [[1, 110, 1000], [1110, 1]]);
    assert.deepEqual(histogram(features, Uint32Array.of(1, 3), g, h).map((s) => [...s]), [[0, 10, 1000, 0, 2, 4], [1010, 0, 6, 0]]);
  });

  it("finds the cut that trying all prefixes finds, with missing rows on either side", () => {
    const cell = record({ g: integer({ min: -50, max: 50 }), h: integer({ min: 1, max: 20 }) });
    always(property(array(cell, { minLength: 2, maxLength: 9 }), boolean(), (made, hasMissing) => {
      const bins = made.length;
      const missingBin = hasMissing ? bins - 1 : -1;
      const sums = [Float64Array.from([...made.map((c) => c.g), ...made.map((c) => c.h)])];
      const [G, H] = [made.reduce((a, c) => a + c.g, 0), made.reduce((a, c) => a + c.h, 0)];
      const value = (g: number, h: number): number => (g * g) / (h + loose.lambda);
      let best = 0;
      for (const missingLeft of hasMissing ? [false, true] : [false]) {
        for (let cut = 1; cut <= bins; cut++) {
          const left = made.filter((_, b) => (b === missingBin ? missingLeft : b < cut));
          const [lg, lh] = [left.reduce((a, c) => a + c.g, 0), left.reduce((a, c) => a + c.h, 0)];
          best = Math.max(best, (value(lg, lh) + value(G - lg, H - lh) - value(G, H)) / 2);
        }
      }
      const found = bestSplit([feature(made.map((_, b) => b), { missingBin })], { sums, G, H }, loose);
      assert.closeTo(found?.gain ?? 0, best, 1e-9);
    }));
  });

  it("trains what its rows say: levels without order are separated, test rows follow, weight and depth are kept", () => {
    const rows = 400;
    const level = Array.from({ length: rows }, (_, i) => i % 4);
    // Levels 0 and 3 are bad in nine of ten: no threshold on the number separates them.
    const label = Uint8Array.from(level, (l, i) => ((l === 0 || l === 3) === (i % 40 < 36) ? 1 : 0));
    const params = { trees: 20, depth: 1, learningRate: 0.3, lambda: 1, gamma: 0, minChildWeight: 1 };
    const { score, leaves } = plainTrain([feature(level, { isOrdered: false })], label, 300, params);
    assert.equal(leaves, 40);
    const scores = [0, 1, 2, 3].map((l) => score[300 + l] ?? 0);
    assert.isAbove(Math.min(scores[0] ?? 0, scores[3] ?? 0), 1);
    assert.isBelow(Math.max(scores[1] ?? 0, scores[2] ?? 0), -1);
    assert.deepEqual(score.slice(0, 100), score.slice(200, 300));
    assert.equal(plainTrain([feature(level)], label, 300, { ...params, minChildWeight: 1e6 }).leaves, 20, "no cut leaves weight enough: roots alone");
  });
});
