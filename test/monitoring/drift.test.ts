// What of a model's stability leaves a domain, its levels over the months, and the table over all domains.
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import { levelRulesSchema, nextLevel, type LevelState } from "../../monitoring/drift/levels.ts";
import { parseStabilityReport, stabilityTable, type StabilityReport } from "../../monitoring/drift/report.ts";
import { stability } from "../../monitoring/drift/stability.ts";
import { cellsOf, leastCompanies, toldStability, type ToldOptions } from "../../monitoring/drift/told.ts";
import { codeOf } from "./support.ts";

describe("what is told of a shift", () => {
  it("rests on cells of 20 companies on both sides: neighbours are joined, the end with what is before it", () => {
    assert.equal(leastCompanies, 20);
    assert.deepEqual(cellsOf([50, 50, 50], [50, 50, 50]), [[0], [1], [2]]);
    assert.deepEqual(cellsOf([50, 50, 50], [50, 19, 50]), [[0], [1, 2]]);
    assert.deepEqual(cellsOf([50, 50, 50], [50, 50, 0]), [[0], [1, 2]], "an empty cell tells as much as a small one");
    assert.deepEqual(cellsOf([9, 9, 9, 50], [50, 50, 50, 50]), [[0, 1, 2], [3]]);
    assert.deepEqual(cellsOf([5, 5], [50, 50]), []);
  });
  it("joins bins of their own with each other, or else with the smallest cell", () => {
    const ordered: ToldOptions = { bins: { kind: "ordered", alone: 2 } };
    assert.deepEqual(cellsOf([50, 50, 30, 40], [50, 50, 30, 40], ordered), [[0], [1], [2], [3]]);
    assert.deepEqual(cellsOf([50, 90, 10, 10], [50, 90, 10, 10], ordered), [[0], [1], [2, 3]]);
    assert.deepEqual(cellsOf([50, 90, 3, 3], [50, 90, 3, 3], ordered), [[0, 2, 3], [1]]);
    assert.deepEqual(cellsOf([50, 90, 0, 30], [50, 90, 0, 30], ordered), [[0], [1], [3]], "nobody on either side is no bin");
    assert.deepEqual(cellsOf([12, 90, 12], [12, 90, 12], { bins: { kind: "nominal" } }), [[1], [0, 2]]);
  });
  it("never has a cell below the floor, loses no company, and is blind to what happens within a cell", () => {
    const side = fc.array(fc.nat(60), { minLength: 8, maxLength: 8 });
    fc.assert(fc.property(side, side, fc.nat(3), fc.boolean(), (expected, actual, alone, isNominal) => {
      const options: ToldOptions = { bins: isNominal ? { kind: "nominal" } : { kind: "ordered", alone } };
      const cells = cellsOf(expected, actual, options);
      const sum = (of: readonly number[], cell: readonly number[]): number => cell.reduce((s, i) => s + (of[i] ?? 0), 0);
      for (const cell of cells) assert.isTrue(sum(expected, cell) >= 20 && sum(actual, cell) >= 20);
      if (cells.length === 0) return;
      assert.equal(cells.flat().reduce((s, i) => s + (actual[i] ?? 0), 0), sum(actual, [...actual.keys()]));
      assert.equal(new Set(cells.flat()).size, cells.flat().length);
    }), { numRuns: 300 });
  });
  it("is the index of the joined cells to 0.01", () => {
    const told = toldStability([500, 300, 200, 4], [400, 300, 303, 3], { bins: { kind: "ordered", alone: 1 } });
    assert.deepEqual(told, { state: "told", index: Math.round(stability([500, 300, 204], [400, 300, 306]).index * 100) / 100, cells: 3 });
  });
  it("is nothing about too few, or where an unchanged population would look shifted", () => {
    assert.deepEqual(toldStability([500, 5], [500, 5]), { state: "too-few" }, "one cell");
    assert.deepEqual(toldStability([19, 500], [500, 19]), { state: "too-few" });
    // 9 * (1/200 + 1/200) = 0.09: above half of the first threshold.
    assert.deepEqual(toldStability(Array.from({ length: 10 }, () => 20), Array.from({ length: 10 }, () => 20)), { state: "too-few" });
    assert.deepEqual(toldStability(Array.from({ length: 10 }, () => 40), Array.from({ length: 10 }, () => 40)), { state: "told", index: 0, cells: 10 });
  });
});

describe("the level of a series", () => {
  const months = (n: number): string => `20${String(24 + Math.floor(n / 12))}-${String((n % 12) + 1).padStart(2, "0")}`;
  const run = (indices: readonly (number | null)[]): { levels: string[]; told: string[] } => {
    let state: LevelState | undefined;
    const levels: string[] = [];
    const told: string[] = [];
    indices.forEach((index, i) => {
      const next = nextLevel(state, { series: "m|bank|score", month: months(i), index });
      state = next.state;
      levels.push(next.state.level);
      if (next.alert !== undefined) told.push(`${i} ${next.alert.from}>${next.alert.to}`);
    });
    return { levels, told };
  };

  it("changes at .10 and .25, these included", () => {
    assert.deepEqual(run([0.0999]).levels, ["stable"]);
    assert.deepEqual(run([0.1]).told, ["0 stable>shifted"]);
    assert.deepEqual(run([0.2499]).levels, ["shifted"]);
    assert.deepEqual(run([0.25]).told, ["0 stable>drifted"]);
    assert.deepEqual(run([Number.POSITIVE_INFINITY]).levels, ["drifted"]);
  });
  it("is told once when the index moves around a threshold", () => {
    assert.deepEqual(run([0.11, 0.09, 0.11, 0.085, 0.12, 0.09]).told, ["0 stable>shifted"]);
    assert.deepEqual(run([0.11, 0.05, 0.11, 0.05]).told, ["0 stable>shifted"], "two months in a row end it, not one");
  });
  it("ends after two months below, and rises again with a new alert", () => {
    assert.deepEqual(run([0.3, 0.2, 0.2, 0.26, 0.05, 0.05]).told, ["0 stable>drifted", "3 shifted>drifted", "5 drifted>stable"]);
  });
  it("stays where nothing is known", () => assert.deepEqual(run([null, 0.3, null, null, null]).levels, ["stable", "drifted", "drifted", "drifted", "drifted"]));

  it("may be computed again for the latest month, never for an earlier one", () => {
    const first = nextLevel(undefined, { series: "s", month: "2025-01", index: 0.3 });
    const again = nextLevel(first.state, { series: "s", month: "2025-01", index: 0.3 });
    assert.deepEqual(again, first, "the same alert under the same id");
    const corrected = nextLevel(first.state, { series: "s", month: "2025-01", index: 0.02 });
    assert.deepEqual([corrected.state.level, corrected.alert], ["stable", undefined]);
    assert.equal(codeOf(() => nextLevel(first.state, { series: "s", month: "2024-12", index: 0.3 })), "STABILITY_MONTH");
    for (const bad of [{ month: "2025-13", index: 0 }, { month: "2025-1", index: 0 }, { month: "2025-02", index: Number.NaN }, { month: "2025-02", index: -1 }]) {
      assert.equal(codeOf(() => nextLevel(first.state, { series: "s", ...bad })), "STABILITY_COUNTS");
    }
  });
  it("has rules that do not overlap", () => {
    assert.isFalse(levelRulesSchema.safeParse({ shifted: 0.25 }).success);
    assert.isFalse(levelRulesSchema.safeParse({ margin: 0.1 }).success);
    assert.isFalse(levelRulesSchema.safeParse({ margin: 0.2, shifted: 0.3, drifted: 0.4 }).success);
  });
});

describe("the table over domains", () => {
  const report = (party: string, month: string, figures: Record<string, number | null>, more: object = {}): StabilityReport =>
    parseStabilityReport({ version: 1, model: "model_1", party, month, rule: "half", figures: Object.entries(figures).map(([feature, index]) => ({ feature, index })), ...more });

  it("has the score of the bank and the features of each party, whatever the order of the reports", () => {
    const reports = [
      report("tax", "2025-02", { x1: 0.31, x2: null }), report("bank", "2025-01", { score: 0.02 }), report("tax", "2025-01", { x1: 0.05, x2: 0.01 }), report("bank", "2025-02", { score: 0.14 }),
    ];
    const { rows, alerts } = stabilityTable(reports);
    assert.deepEqual(rows.map((r) => `${r.party} ${r.feature} ${r.month} ${r.index} ${r.level}`), [
      "bank score 2025-01 0.02 stable", "bank score 2025-02 0.14 shifted", "tax x1 2025-01 0.05 stable", "tax x1 2025-02 0.31 drifted", "tax x2 2025-01 0.01 stable", "tax x2 2025-02 null stable",
    ]);
    assert.deepEqual(alerts.map((a) => `${a.series} ${a.to}`), ["model_1|bank|score shifted", "model_1|tax|x1 drifted"]);
    assert.deepEqual(stabilityTable(reports.toReversed()), stabilityTable(reports));
    assert.deepEqual(stabilityTable([...reports, ...reports]), stabilityTable(reports));
    assert.deepEqual(stabilityTable([]), { rows: [], alerts: [] });
  });
  it("refuses two figures for one thing, another model and another zero rule", () => {
    const one = report("tax", "2025-01", { x1: 0.05 });
    for (const other of [report("tax", "2025-01", { x1: 0.06 }), report("tax", "2025-02", { x1: 0.05 }, { model: "model_2" }), report("tax", "2025-02", { x1: 0.05 }, { rule: "evidently" })]) {
      assert.equal(codeOf(() => stabilityTable([one, other])), "STABILITY_REPORT");
    }
  });
  it("takes no count, no finer index and nothing unnamed", () => {
    const bad = [{ figures: [{ feature: "x", index: 0.051 }] }, { figures: [{ feature: "x", index: -0.1 }] }, { figures: [{ feature: "x", index: 0.1, count: 7 }] }, { figures: [] },
      { figures: [{ feature: "x", index: 0.1 }, { feature: "x", index: 0.1 }] }, { month: "2025-00" }, { counts: [1, 2] }, { figures: [{ feature: "x y", index: 0.1 }] }];
    for (const more of bad) assert.equal(codeOf(() => report("tax", "2025-01", { x: 0.1 }, more)), "STABILITY_REPORT", JSON.stringify(more));
    for (let i = 0; i <= 300; i++) assert.equal(codeOf(() => report("tax", "2025-01", { x: Math.round(i) / 100 })), "fine", String(i));
  });
});
