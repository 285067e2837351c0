import { assert } from "chai";
import { describe, it } from "mocha";
import { stability, verdictOf } from "../../evaluation/stability.ts";
import { codeAt, draws, evaluationOf } from "./support.ts";

const rows = 2000;
const usccs = Array.from({ length: rows }, (_, n) => codeAt("330106", n));
const random = draws("stability");
const scores = usccs.map(() => Math.round(640 + 60 * random.normal()));
const last = { evaluation: evaluationOf(scores), usccs };
const later = { asOf: "2025-02-01" };

describe("stability of a run against the last one", () => {
  it("of the same scores is perfect, in whatever order the companies come", () => {
    const order = usccs.map((_, n) => n).toSorted((a, b) => (a * 7919) % rows - (b * 7919) % rows);
    const now = { evaluation: evaluationOf(order.map((n) => scores[n] ?? 0), later), usccs: order.map((n) => usccs[n] ?? "") };
    const found = stability(last, now);
    assert.strictEqual(found.psi, 0);
    assert.strictEqual(found.verdict, "stable");
    assert.deepEqual([found.from, found.to, found.otherAbsent], ["2025-01-01", "2025-02-01", []]);
    // Nobody moved: rows that would tell each company's present grade by its last one are hidden.
    assert.isTrue(found.migration?.cells.flat().every((c) => c === null));
  });

  it("grows with the shift, and moves grades down", () => {
    const shifted = (by: number): ReturnType<typeof stability> =>
      stability(last, { evaluation: evaluationOf(scores.map((s) => s - by + Math.round(10 * random.normal())), later), usccs });
    const [none, some, much] = [shifted(0), shifted(25), shifted(60)];
    assert.deepEqual([none.verdict, some.verdict, much.verdict], ["stable", "shifted", "changed"]);
    assert.isTrue((none.psi ?? 1) < (some.psi ?? 0) && (some.psi ?? 1) < (much.psi ?? 0));
    const table = much.migration ?? assert.fail("withheld");
    const [b, c] = [table.rows.findIndex((r) => r.join() === "B"), table.columns.findIndex((r) => r.join() === "C")];
    const after = scores.map((s) => s - 60);
    const expected = scores.filter((s, n) => s >= 600 && s < 680 && (after[n] ?? 0) >= 540 && (after[n] ?? 0) < 600).length;
    assert.closeTo(table.cells[b]?.[c] ?? 0, expected, expected * 0.15);
    assert.strictEqual(table.total, rows);
  });

  it("has companies that came, left, or lost their grade", () => {
    const now = {
      evaluation: evaluationOf([...scores.slice(300).map((s, n) => (n % 10 === 0 ? null : s - 40 + Math.round(60 * random.normal()))), ...Array.from({ length: 150 }, (_, n) => 560 + n)], later),
      usccs: [...usccs.slice(300), ...Array.from({ length: 150 }, (_, n) => codeAt("440305", n))],
    };
    const table = stability(last, now).migration ?? assert.fail("withheld");
    assert.strictEqual(table.total, rows + 150);
    assert.strictEqual(table.rowTotals[table.rows.findIndex((r) => r.includes("away"))], 150);
    assert.strictEqual(table.columnTotals[table.columns.findIndex((r) => r.includes("away"))], 300);
    assert.strictEqual(table.columnTotals[table.columns.findIndex((r) => r.includes("none"))], 170);
  });

  it("tells nothing of few companies, and leaves those without a grade out of the index", () => {
    const first = (n: number): typeof last => ({ evaluation: evaluationOf(scores.slice(0, n)), usccs: usccs.slice(0, n) });
    const next = (n: number, ungraded = 0): typeof last => ({
      evaluation: evaluationOf(scores.slice(0, n).map((s, i) => (i < ungraded ? null : s)), later), usccs: usccs.slice(0, n),
    });
    assert.isNull(stability(first(199), next(199)).psi);
    assert.isNull(stability(first(199), next(199)).verdict);
    assert.isNumber(stability(first(200), next(200)).psi);
    assert.isNull(stability(first(300), next(300, 101)).psi);
    assert.isNull(stability(first(19), next(19)).migration);
  });

  it("names indicators that one of the runs lacked", () => {
    const a = { ...last, evaluation: { ...last.evaluation, absent: ["tax_late_share_12m", "rg_age_months"] } };
    const b = { usccs, evaluation: evaluationOf(scores, { ...later, absent: ["rg_age_months", "hf_gap_share_12m"] }) };
    assert.deepEqual(stability(a, b).otherAbsent, ["hf_gap_share_12m", "tax_late_share_12m"]);
  });

  it("is refused for another basis or scale, a run that is not later, a company twice", () => {
    const now = { evaluation: evaluationOf(scores, later), usccs };
    assert.throws(() => stability(last, { usccs, evaluation: evaluationOf(scores, later, "open") }), /EVALUATION_RUNS/);
    const card = { ...now.evaluation.card, version: "2.0.0" };
    assert.throws(() => stability(last, { usccs, evaluation: evaluationOf(scores, { ...later, card }) }), /EVALUATION_RUNS/);
    assert.doesNotThrow(() => stability(last, { usccs, evaluation: evaluationOf(scores, { ...later, card: { ...card, version: "1.1.0" } }) }));
    assert.throws(() => stability(now, last), /EVALUATION_RUNS/);
    assert.throws(() => stability(last, last), /EVALUATION_RUNS/);
    assert.throws(() => stability(last, { ...now, usccs: usccs.map((u, n) => (n === 1 ? usccs[0] ?? "" : u)) }), /EVALUATION_ROWS/);
    assert.throws(() => stability(last, { ...now, usccs: usccs.slice(1) }), /EVALUATION_ROWS/);
  });

  it("has the bounds of the trade", () => {
    assert.deepEqual([0, 0.0999, 0.1, 0.2499, 0.25, 3].map(verdictOf), ["stable", "stable", "shifted", "shifted", "changed", "changed"]);
  });
});
