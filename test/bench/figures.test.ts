import { assert } from "chai";
import { assert as always, integer, property } from "fast-check";
import { describe, it } from "mocha";
import { baselineSchema, figureSchema, growthExponent, isMissed, median, medians, perUnit, ratioOf, type Figure } from "../../bench/figures.ts";
import { cells, comparison, markdownTable, short, textTable } from "../../bench/render.ts";

const figure = (value: number, more: Partial<Figure> = {}): Figure => ({ name: "n", value, unit: "s", ...more });
const measured = (value: number) => ({ name: "rival", value, source: "measured" as const });

describe("figures of the bench", () => {
  it("take the median of several runs, name by name, of times and baselines too", () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1]), 2.5);
    assert.isNaN(median([]));
    const runs = [5, 1, 9].map((value) => [figure(value, { cpuSeconds: 10 - value, baseline: measured(2 * value) }), figure(value * 2, { name: "other" })]);
    assert.deepEqual(medians(runs), [figure(5, { cpuSeconds: 5, baseline: measured(10) }), figure(10, { name: "other" })]);
  });

  it("keep a figure that only some runs have, and one name beside two baselines apart", () => {
    const beside = (name: string) => figure(1, { baseline: { ...measured(2), name } });
    assert.lengthOf(medians([[beside("a"), beside("b")], [beside("a"), beside("b")]]), 2);
    assert.deepEqual(medians([[figure(1)], [figure(3), figure(7, { name: "late" })]]).map((f) => [f.name, f.value]), [["n", 2], ["late", 7]]);
  });

  it("miss a bar above it, below it, and without a number", () => {
    const most = { bar: { atMost: 40 } };
    const least = { bar: { atLeast: 0.69 } };
    assert.isFalse(isMissed(figure(40, most)));
    assert.isTrue(isMissed(figure(40.1, most)));
    assert.isFalse(isMissed(figure(0.69, least)));
    assert.isTrue(isMissed(figure(0.6899, least)));
    for (const bar of [most, least]) assert.isTrue(isMissed(figure(Number.NaN, bar)));
    assert.isFalse(isMissed(figure(1e9)));
    for (const table of [textTable, markdownTable]) {
      assert.include(table([figure(50, most)]), "MISSED");
      assert.notInclude(table([figure(30, most), figure(50)]), "MISSED");
    }
  });

  it("compare by ratio, or by difference where a ratio means nothing", () => {
    assert.equal(ratioOf(figure(0.1, { baseline: measured(20) })), 200);
    assert.equal(comparison(figure(0.1, { baseline: measured(20) })), "200 x less");
    assert.equal(comparison(figure(30, { baseline: measured(2) })), "15 x more");
    assert.equal(comparison(figure(0.7, { compare: "difference", baseline: measured(0.7014) })), "-0.0014");
    assert.equal(comparison(figure(0, { baseline: measured(2) })), "");
    assert.equal(comparison(figure(2, { baseline: measured(0) })), "");
    assert.isUndefined(ratioOf(figure(1)));
  });

  it("cost per unit is exact for a cost with a constant part, whatever that part is", () => {
    always(property(integer({ min: 0, max: 1000 }), integer({ min: 0, max: 50 }), integer({ min: 1, max: 9 }), integer({ min: 1, max: 40 }),
      (constant, each, few, more) => {
        const cost = (units: number) => ({ units, cost: constant + each * units });
        assert.equal(perUnit(cost(few), cost(few + more)), each);
      }));
    assert.throws(() => perUnit({ units: 5, cost: 1 }, { units: 5, cost: 2 }), RangeError);
  });

  it("growth is the power of the size", () => {
    for (const power of [0, 1, 1.5, 2]) {
      assert.closeTo(growthExponent([10, 30, 100, 1000].map((x) => [x, 7 * x ** power])), power, 1e-12);
    }
  });

  it("an extrapolation says so wherever it is shown, and is refused without its reason", () => {
    const baseline = { name: "Paillier", value: 202, source: "extrapolated" as const };
    assert.isFalse(baselineSchema.safeParse(baseline).success);
    assert.isFalse(figureSchema.safeParse(figure(1, { baseline })).success);
    const noted = figure(1, { baseline: { ...baseline, note: "from 40 operations" } });
    assert.isTrue(figureSchema.safeParse(noted).success);
    assert.include(cells(noted).join(), "Paillier, extrapolated");
    assert.include(cells(figure(1, { baseline: { ...baseline, source: "published" } })).join(), "Paillier, published");
    assert.include(cells(figure(1, { extrapolated: "linearly" })).join(), "n (extrapolated)");
    assert.notInclude(cells(figure(1, { baseline: measured(2) })).join(), "extrapolated");
  });

  it("show three digits, all of an integer, and only columns that are used", () => {
    assert.deepEqual([0, 7, 12_345, 0.01234, 1.234, 12.34, 123.4, 5432.1].map(short), ["0", "7", "12,345", "0.012", "1.23", "12.3", "123", "5,432"]);
    assert.deepEqual([figure(0), figure(0.0123), figure(0.000_045_2)].map((f) => cells(f)[1]), ["0 s", "12.3 ms", "45.2 us"]);
    assert.deepEqual(markdownTable([figure(1)]).split("\n"), ["| figure | value |", "| --- | ---: |", "| n | 1 s |"]);
    assert.include(markdownTable([figure(1, { cpuSeconds: 2 })]), "| figure | value | CPU |");
  });
});
