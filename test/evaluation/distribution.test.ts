import { assert } from "chai";
import { describe, it } from "mocha";
import { distribution } from "../../evaluation/distribution.ts";
import { provinceOf, sectionOf } from "../../evaluation/places.ts";
import type { Published } from "../../evaluation/suppress.ts";
import { codeAt, draws, evaluationOf } from "./support.ts";

const shown = (table: Published | null): Published => table ?? assert.fail("all is withheld");

describe("where a company is and what it does", () => {
  it("province: the first two digits of the registrar in a code", () => {
    assert.deepEqual(["330106", "440305", "110108", "100000", "820000"].map((place) => provinceOf(codeAt(place, 1))), ["33", "44", "11", "10", "82"]);
    assert.strictEqual(provinceOf(` ${codeAt("330106", 2).toLowerCase()} `), "33");
    // No province, no digits, a wrong check character, too short.
    const wrong = codeAt("330106", 3);
    const broken = `${wrong.slice(0, 17)}${wrong.endsWith("0") ? "1" : "0"}`;
    for (const text of [codeAt("990000", 1), codeAt("3A0106", 1), broken, "33", ""]) assert.strictEqual(provinceOf(text), "00");
  });

  it("section: a letter of GB/T 4754, alone or before a division", () => {
    assert.deepEqual(["C", "c", " I ", "C34", "I-65", "F 51"].map(sectionOf), ["C", "C", "I", "C", "I", "F"]);
    for (const text of [undefined, "", "U", "51", "Construction", "制造业"]) assert.strictEqual(sectionOf(text), "-");
  });
});

describe("the distribution of grades", () => {
  const random = draws("distribution");
  const rows = 4000;
  const places = ["330106", "440305", "310115", "110108"];
  const usccs = Array.from({ length: rows }, (_, n) => codeAt(n < 6 ? "540102" : places[random.integer(4)] ?? "", n));
  const sectors = usccs.map((_, n) => (n % 400 === 0 ? undefined : ["C", "F", "I"][random.integer(3)]));
  const scores = usccs.map((_, n) => (n % 50 === 0 ? null : Math.round(640 + 70 * random.normal())));
  const evaluation = evaluationOf(scores);
  const found = distribution(evaluation, { usccs, sectors });

  it("counts every company once, rounded", () => {
    for (const table of [found.provinceByGrade, found.sectorByGrade, found.provinceBySector].map(shown)) assert.strictEqual(table.total, rows);
    const byGrade = shown(found.provinceByGrade);
    assert.deepEqual(byGrade.columns, [["A"], ["B"], ["C"], ["D"], ["none"]]);
    const exact = [0, 1, 2, 3, 255].map((g) => evaluation.grades.filter((x) => x === g).length);
    assert.deepEqual(byGrade.columnTotals, exact.map((n) => Math.round(n / 5) * 5));
    const alone = byGrade.rows.findIndex((r) => r.length === 1);
    const [place] = byGrade.rows[alone] ?? [];
    const b = usccs.filter((uscc, n) => uscc.slice(2, 4) === place && evaluation.grades[n] === 1).length;
    assert.isAbove(b, 100);
    assert.strictEqual(byGrade.cells[alone]?.[1], Math.round(b / 5) * 5);
  });

  it("puts the six companies of one province, and the ten of no sector, with others, in the same way in both tables", () => {
    const [byGrade, bySector, both] = [shown(found.provinceByGrade), shown(found.sectorByGrade), shown(found.provinceBySector)];
    assert.isTrue(byGrade.rows.some((r) => r.includes("54") && r.length === 2));
    assert.isTrue(bySector.rows.some((r) => r.includes("-") && r.length === 2));
    assert.deepEqual(both.rows, byGrade.rows);
    assert.deepEqual(both.columns, bySector.rows);
    assert.deepEqual(both.rowTotals, byGrade.rowTotals);
    assert.deepEqual(both.columnTotals, bySector.rowTotals);
    assert.deepEqual(byGrade.columns, bySector.columns);
  });

  it("of too few companies is withheld, of companies all with one grade tells no more than that of the whole", () => {
    const few = distribution(evaluationOf(scores.slice(0, 19)), { usccs: usccs.slice(0, 19), sectors: sectors.slice(0, 19) });
    assert.deepEqual([few.provinceByGrade, few.sectorByGrade, few.provinceBySector], [null, null, null]);
    const same = distribution(evaluationOf(usccs.map(() => 700)), { usccs, sectors });
    assert.deepEqual(shown(same.provinceByGrade).columns, [["A"]]);
  });

  it("is refused when companies and evaluation are not of the same number", () => {
    assert.throws(() => distribution(evaluation, { usccs: usccs.slice(1), sectors }), /EVALUATION_ROWS/);
    assert.throws(() => distribution(evaluation, { usccs, sectors: [] }), /EVALUATION_ROWS/);
  });
});
