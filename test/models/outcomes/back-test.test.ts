import { assert } from "chai";
import { describe, it } from "mocha";
import { z } from "zod";
import { isAppError } from "../../../core/errors.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { backTest, outcomeCounts } from "../../../models/outcomes/back-test.ts";
import type { Loans } from "../../../models/outcomes/book.ts";
import { releasedCounts } from "../../../models/outcomes/release.ts";
import { backTestReportSchema, type BackTestReport } from "../../../models/outcomes/report-schema.ts";
import { seededDraw } from "../../support/draw.ts";
import { bookOf, modelA, modelB, portfolio, row, type Portfolio } from "./support.ts";

const han = /\p{Script=Han}/u;
const draw = seededDraw(2);
const odds = Float64Array.from({ length: 20_000 }, () => -2 + draw.normal());
const development = { probability: odds.map(sigmoid), label: Uint8Array.from(odds, (x) => (draw.uniform() < sigmoid(x) ? 1 : 0)) };
const usual: Portfolio = { first: "2023-07", months: 10, perMonth: 700, seed: 51, asOf: "2025-06" };
const reportOf = (more: Partial<Portfolio> = {}): BackTestReport => {
  const rows = portfolio({ ...usual, ...more });
  return backTest({ loans: bookOf(usual.asOf, rows), model: modelA, development });
};
const wordsOf = (report: BackTestReport): Record<string, string> => Object.fromEntries(report.verdicts.map((v) => [v.subject, v.verdict]));

describe("the back-test report", () => {
  const good = reportOf();

  it("finds nothing where nothing changed, fits its schema, and reads in both languages", () => {
    assert.deepEqual(wordsOf(good), { sample: "ok", stability: "ok", calibration: "ok", discrimination: "ok", vintages: "ok" });
    assert.equal(good.verdict, "ok");
    assert.deepEqual(backTestReportSchema.parse(JSON.parse(JSON.stringify(good))), good);
    for (const v of good.verdicts) {
      assert.match(v.zh, han);
      assert.notMatch(v.en, han);
      assert.notMatch(v.en + v.zh, /NaN|undefined|Infinity/);
    }
    const schema = z.toJSONSchema(backTestReportSchema, { io: "input" }) as { properties?: object; additionalProperties?: boolean };
    assert.equal(schema.additionalProperties, false);
    assert.includeMembers(Object.keys(schema.properties ?? {}), ["vintages", "rollRates", "calibration", "discrimination", "verdicts"]);
  });

  it("holds together: its parts count the same loans", () => {
    const { population: p, vintages, calibration, discrimination } = good;
    assert.equal(p.loans, 7_000);
    assert.equal(p.good + p.bad + p.indeterminate + p.immature + p.lost, p.loans);
    assert.equal(vintages.reduce((s, v) => s + v.loans, 0), p.loans);
    assert.equal(calibration.bands.reduce((s, b) => s + b.loans, 0), p.good + p.bad);
    assert.equal(calibration.bands.reduce((s, b) => s + b.bads, 0), p.bad);
    assert.equal(discrimination.all?.bads, p.bad);
    assert.equal(discrimination.cohorts.reduce((s, c) => s + c.bads, 0), p.bad);
    // The window ends in the month of the report for no cohort: all are mature, and their bads by month 12 are the bads.
    assert.equal(vintages.reduce((s, v) => s + (v.cells.find((c) => c.month === 12)?.bads ?? 0), 0), p.bad);
  });

  it("tells what went wrong, each thing under its name", () => {
    const later = reportOf({ drift: () => 0.5 });
    assert.deepInclude(wordsOf(later), { calibration: "act", stability: "ok", discrimination: "ok" });
    const blind = reportOf({ known: 0.3 });
    assert.deepInclude(wordsOf(blind), { discrimination: "act", stability: "ok" });
    const others = reportOf({ moved: (m) => (m >= 8 ? 0.8 : 0) });
    assert.deepInclude(wordsOf(others), { stability: "act", calibration: "ok" });
    const newest = reportOf({ drift: (m) => (m === 9 ? 1 : 0) });
    assert.deepInclude(wordsOf(newest), { vintages: "act" });
    const lost = reportOf({ lost: 0.05 });
    assert.deepInclude(wordsOf(lost), { sample: "watch" });
    for (const report of [later, blind, others, newest]) assert.equal(report.verdict, "act");
  });

  it("says too few, and no figure, where there are too few", () => {
    const few = reportOf({ perMonth: 3 });
    assert.deepEqual(wordsOf(few), { sample: "too-few", stability: "too-few", calibration: "too-few", discrimination: "too-few", vintages: "too-few" });
    assert.equal(few.verdict, "too-few");
    assert.isNull(few.discrimination.all);
    assert.deepEqual(few.discrimination.cohorts, []);
    // All too young: cohorts of this spring.
    const young = reportOf({ first: "2025-01", months: 6 });
    assert.equal(young.population.immature, young.population.loans);
    assert.equal(wordsOf(young)["sample"], "too-few");
    assert.notEqual(wordsOf(young)["stability"], "too-few");
    assert.doesNotThrow(() => backTestReportSchema.parse(young));
  });

  it("is about one version of the model only, and refuses others and wrong settings", () => {
    const rows = [...portfolio(usual), row(1_000_000, "2023-08", 0, "current", { model: modelB }), row(1_000_000, "2023-08", 6, "dpd90", { model: modelB })];
    const loans = bookOf(usual.asOf, rows);
    assert.deepEqual(backTest({ loans, model: modelA, development }), good);
    assert.equal(backTest({ loans, model: modelB, development }).population.bad, 1);
    const code = (run: () => unknown): string => {
      try {
        run();
        return "none";
      } catch (error) {
        return isAppError(error) ? error.code : String(error);
      }
    };
    assert.equal(code(() => backTest({ loans, model: "0".repeat(64), development })), "OUTCOME_MODEL");
    assert.equal(code(() => backTest({ loans, model: modelA, development: { probability: new Float64Array(5), label: new Uint8Array(5) } })), "MODEL_TOO_FEW_ROWS");
    assert.equal(code(() => backTest({ loans, model: modelA, development: { probability: Float64Array.of(0.1, Number.NaN, 0.2, 0.3), label: Uint8Array.of(0, 1, 0, 1) } })), "OUTCOME_SETTINGS");
    for (const settings of [{ level: 1 }, { bands: 1 }, { psiWatch: 0.3 }, { months: [6, 3] }, { minEach: 1 }]) assert.equal(code(() => backTest({ loans, model: modelA, development, settings })), "OUTCOME_SETTINGS");
    assert.equal(code(() => backTest({ loans, model: modelA, development, definition: { windowMonths: 40 } })), "OUTCOME_SETTINGS");
  });

  it("lets out counts only, which add up to the finished loans", () => {
    const loans: Loans = bookOf(usual.asOf, portfolio(usual));
    const counts = outcomeCounts({ loans, model: modelA, development });
    for (const table of [counts.cohorts, counts.bands]) {
      const all = [...table.cells, ...(table.rest === null ? [] : [table.rest])];
      assert.isTrue(all.every((c) => c.goods >= 20 && c.bads >= 20));
      assert.equal(all.reduce((s, c) => s + c.bads, 0), good.population.bad);
      assert.equal(all.reduce((s, c) => s + c.goods, 0), good.population.good);
    }
    assert.deepEqual(releasedCounts(counts, []), counts);
    // Two cohorts more: these are told; the bands are not, as the least risky one has a few bads more only.
    const more = portfolio({ ...usual, months: 12 });
    const now = outcomeCounts({ loans: bookOf(usual.asOf, more), model: modelA, development });
    const told = releasedCounts(now, [counts]);
    assert.deepEqual([told.cohorts, told.bands], [now.cohorts, counts.bands]);
    const byQuarter = outcomeCounts({ loans: bookOf(usual.asOf, more), model: modelA, development, settings: { cohort: "quarter" } });
    assert.throws(() => releasedCounts(byQuarter, [counts]), /OUTCOME_SETTINGS/);
    assert.equal(told.cohorts.cells.length, counts.cohorts.cells.length + 2);
    assert.notMatch(JSON.stringify(counts), /rate|score|prob|auc/i);
  });
});
