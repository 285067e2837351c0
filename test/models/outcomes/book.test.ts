import { assert } from "chai";
import { describe, it } from "mocha";
import { isAppError, type Code } from "../../../core/errors.ts";
import { historyOf, OutcomeBook } from "../../../models/outcomes/book.ts";
import { labelLoans, outcomes } from "../../../models/outcomes/label.ts";
import { badDefinitionSchema, cohortText, loanStatuses, monthNumber, monthText } from "../../../models/outcomes/record.ts";
import { anyLives, bookOf, loanOf, modelB, row, shuffled } from "./support.ts";

const refused = (code: Code, at: number, run: () => unknown): void => {
  try {
    run();
  } catch (error) {
    assert.isTrue(isAppError(error) && error.code === code && error.facts["row"] === at, String(error));
    return;
  }
  assert.fail(`not refused with ${code}`);
};
const standard = badDefinitionSchema.parse({});

describe("the book of returned outcomes", () => {
  it("counts months over year ends", () => {
    assert.equal(monthText(monthNumber("2024-12") + 1), "2025-01");
    assert.equal(monthNumber("2025-03") - monthNumber("2023-11"), 16);
    assert.deepEqual([cohortText(monthNumber("2024-12"), "quarter"), cohortText(monthNumber("2024-01"), "quarter"), cohortText(monthNumber("2024-01"), "month")], ["2024Q4", "2024Q1", "2024-01"]);
  });

  it("holds what was returned, in whatever order the rows came, and rows that came twice once", () => {
    const rows = anyLives(7, 1_500);
    const book = new OutcomeBook({ asOf: "2025-06", maxMonths: 30 });
    for (const r of shuffled([...rows, ...rows.slice(0, 200)], 3)) book.add(r);
    const loans = book.loans();
    assert.deepEqual(book.taken(), { rows: rows.length, repeated: 200, beyond: 0 });
    assert.equal(loans.count, new Set(rows.map((r) => r.loan)).size);
    // Every row is found again, by a plain walk over the histories.
    let found = 0;
    for (let loan = 0; loan < loans.count; loan++) found += historyOf(loans, loan).filter((s) => s > 0).length;
    assert.equal(found, rows.length);
    const inOrder = bookOf("2025-06", rows, 30);
    const digest = (l: typeof loans): string[] => Array.from({ length: l.count }, (_, i) => `${l.originated[i]} ${l.score[i]} ${historyOf(l, i).join("")}`).toSorted();
    assert.deepEqual(digest(loans), digest(inOrder));
  });

  it("refuses a row that is malformed or outside of its loan's life, alone", () => {
    const book = new OutcomeBook({ asOf: "2025-06" });
    book.add(row(1, "2024-01", 0, "current"));
    for (const bad of [{ ...row(1, "2024-01", 1, "current"), extra: 1 }, { ...row(1, "2024-01", 1, "current"), status: "late" }, row(1, "2024-01", 1, "current", { score: 1 }),
      row(1, "2024-01", 1, "current", { score: Number.NaN }), row(1, "2024-01", 1, "current", { month: "2024-13" }), row(1, "2024-01", 1, "current", { loan: "91110000MA00000000" }), null, "x"]) {
      assert.throws(() => book.add(bad), /OUTCOME_RECORD/);
    }
    refused("OUTCOME_ORDER", 10, () => book.add(row(1, "2024-01", -1, "current")));
    refused("OUTCOME_ORDER", 11, () => book.add(row(1, "2024-01", 18, "current")));
    refused("OUTCOME_CONFLICT", 12, () => book.add(row(1, "2024-01", 0, "dpd30")));
    refused("OUTCOME_CONFLICT", 13, () => book.add(row(1, "2024-01", 1, "current", { score: 0.06 })));
    refused("OUTCOME_CONFLICT", 14, () => book.add(row(1, "2024-01", 1, "current", { model: modelB })));
    refused("OUTCOME_CONFLICT", 15, () => book.add(row(1, "2024-02", 1, "current")));
    book.add(row(1, "2024-01", 5, "paid"));
    refused("OUTCOME_ORDER", 17, () => book.add(row(1, "2024-01", 6, "current")));
    refused("OUTCOME_ORDER", 18, () => book.add(row(1, "2024-01", 4, "charged-off")));
    book.add(row(1, "2024-01", 6, "paid"));
    book.add(row(1, "2024-01", 4, "current"));
    const loans = book.loans();
    assert.deepEqual(Array.from(historyOf(loans, 0).slice(0, 8), (s) => loanStatuses[s - 1]), ["current", undefined, undefined, undefined, "current", "paid", "paid", undefined]);
  });

  it("names no loan in an error, and is bounded", () => {
    const book = new OutcomeBook({ asOf: "2025-06", maxLoans: 2, maxMonths: 3 });
    book.add(row(1, "2024-01", 0, "current"));
    book.add(row(2, "2024-01", 4, "current"));
    assert.deepEqual(book.taken(), { rows: 1, repeated: 0, beyond: 1 });
    try {
      book.add(row(3, "2024-01", 0, "current"));
      assert.fail();
    } catch (error) {
      assert.include(String(error), "OUTCOME_LIMIT");
      assert.notInclude(String(error), loanOf(3));
    }
    for (const bad of [{ asOf: "2025" }, { asOf: "2025-06", maxMonths: 0 }, { asOf: "2025-06", maxLoans: 0 }]) assert.throws(() => new OutcomeBook(bad), /OUTCOME_SETTINGS/);
  });
});

describe("the outcome of a loan", () => {
  const outcomeOf = (asOf: string, ages: Record<number, (typeof loanStatuses)[number]>, definition: Partial<typeof standard> = {}): string => {
    const loans = bookOf(asOf, Object.entries(ages).map(([age, status]) => row(1, "2024-01", Number(age), status)));
    return outcomes[labelLoans(loans, { ...standard, ...definition }).outcome[0] ?? 9] ?? "?";
  };

  it("is bad from 90 days past due within 12 months, good when that time passed, and nothing before", () => {
    assert.equal(outcomeOf("2025-01", { 0: "current", 12: "current" }), "good");
    assert.equal(outcomeOf("2025-01", { 0: "current", 12: "dpd90" }), "bad");
    assert.equal(outcomeOf("2025-01", { 0: "current", 5: "charged-off" }), "bad");
    assert.equal(outcomeOf("2025-01", { 0: "current", 12: "dpd60" }), "good");
    assert.equal(outcomeOf("2025-02", { 0: "current", 12: "current", 13: "dpd90" }), "good");
    // The window ends in January 2025: until then a bad is not counted, as goods could not be.
    assert.equal(outcomeOf("2024-12", { 0: "current", 3: "dpd90" }), "immature");
    assert.equal(outcomeOf("2025-01", { 0: "current", 3: "paid" }), "good");
    assert.equal(outcomeOf("2025-01", { 0: "current", 11: "current" }), "lost");
    // Rows that go on after the window show that it lived.
    assert.equal(outcomeOf("2025-02", { 0: "current", 13: "current" }), "good");
  });

  it("follows the definition that is asked for", () => {
    assert.equal(outcomeOf("2025-01", { 0: "current", 6: "dpd60", 12: "current" }, { daysPastDue: 60 }), "bad");
    assert.equal(outcomeOf("2025-01", { 0: "current", 6: "dpd30", 12: "current" }, { daysPastDue: 60 }), "good");
    assert.equal(outcomeOf("2024-07", { 0: "current", 6: "dpd30" }, { daysPastDue: 30, windowMonths: 6 }), "bad");
    assert.equal(outcomeOf("2025-01", { 0: "current", 6: "dpd30", 12: "current" }, { indeterminateFrom: 30 }), "indeterminate");
    assert.equal(outcomeOf("2025-01", { 0: "current", 6: "dpd30", 12: "current" }, { indeterminateFrom: 60 }), "good");
    assert.equal(outcomeOf("2025-01", { 0: "current", 6: "dpd60", 9: "dpd90" }, { indeterminateFrom: 30 }), "bad");
    assert.throws(() => outcomeOf("2025-01", { 0: "current" }, { daysPastDue: 60, indeterminateFrom: 60 }), /OUTCOME_SETTINGS/);
    assert.throws(() => outcomeOf("2025-01", { 0: "current" }, { windowMonths: 37 }), /OUTCOME_SETTINGS/);
  });

  it("is that of a plain reading of all rows", () => {
    const rows = anyLives(11, 2_000);
    const loans = bookOf("2025-06", rows);
    const labels = labelLoans(loans, standard);
    const byLoan = [...Map.groupBy(rows, (r) => r.loan).values()];
    byLoan.forEach((of, i) => {
      const age = (r: (typeof rows)[number]): number => monthNumber(r.month) - monthNumber(r.originated);
      const inWindow = of.filter((r) => age(r) <= 12);
      const isMature = monthNumber(of[0]?.originated ?? "") + 12 <= monthNumber("2025-06");
      const isBad = inWindow.some((r) => r.status === "dpd90" || r.status === "charged-off");
      const isKnown = of.some((r) => age(r) >= 12 || r.status === "paid");
      const expected = !isMature ? "immature" : isBad ? "bad" : isKnown ? "good" : "lost";
      assert.equal(outcomes[labels.outcome[i] ?? 9], expected);
      const ages = of.map(age);
      assert.equal(labels.gaps[i], Math.max(...ages) - Math.min(...ages) + 1 - of.length);
    });
    assert.isTrue(["good", "bad", "immature", "lost"].every((o) => labels.outcome.includes(outcomes.indexOf(o as "good"))));
  });
});
