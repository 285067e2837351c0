import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { sha256Hex } from "../../../core/canonical.ts";
import { badDefinitionSchema } from "../../../models/outcomes/record.ts";
import { releasedCounts, releasedTable, type CountCell, type OutcomeCounts } from "../../../models/outcomes/release.ts";
import { modelA, modelB } from "./support.ts";

const cells = (counts: readonly (readonly [number, number])[]): CountCell[] => counts.map(([goods, bads], i) => ({ key: `band ${i + 1}`, goods, bads }));
const small = fc.integer({ min: 0, max: 60 });
const tables = fc.array(fc.tuple(small, small), { minLength: 1, maxLength: 12 });

describe("counts that may leave", () => {
  it("are 20 or more each, and so is what is left of the total", () => {
    fc.assert(fc.property(tables, (counts) => {
      const all = cells(counts);
      const { cells: shown, rest } = releasedTable(all, "2025-01");
      for (const c of shown) {
        assert.isTrue(c.goods >= 20 && c.bads >= 20);
        assert.deepEqual(c, all.find((a) => a.key === c.key));
      }
      const others = all.filter((a) => !shown.some((s) => s.key === a.key));
      const total = (of: readonly CountCell[]): { goods: number; bads: number } => ({ goods: of.reduce((s, c) => s + c.goods, 0), bads: of.reduce((s, c) => s + c.bads, 0) });
      if (rest !== null) {
        assert.isTrue(rest.goods >= 20 && rest.bads >= 20);
        assert.deepEqual(rest, total(others));
      } else if (shown.length > 0) {
        assert.deepEqual(total(others), { goods: 0, bads: 0 });
      }
    }));
  });

  it("fold the smallest large cell with a small one that would follow from the total", () => {
    assert.deepEqual(releasedTable(cells([[500, 40], [300, 25], [100, 3]]), "2025-01"), { asOf: "2025-01", cells: cells([[500, 40]]), rest: { goods: 400, bads: 28 } });
    assert.deepEqual(releasedTable(cells([[500, 40], [0, 0]]), "2025-01"), { asOf: "2025-01", cells: cells([[500, 40]]), rest: null });
    assert.deepEqual(releasedTable(cells([[500, 0]]), "2025-01"), { asOf: "2025-01", cells: [], rest: null });
    assert.deepEqual(releasedTable([], "2025-01"), { asOf: "2025-01", cells: [], rest: null });
  });

  const released = (asOf: string, table: readonly (readonly [number, number])[], more: Partial<OutcomeCounts> = {}): OutcomeCounts => ({
    version: 1, model: modelA, definition: badDefinitionSchema.parse({}), grouping: sha256Hex("months"), cohorts: releasedTable(cells(table), asOf), bands: { asOf, cells: [], rest: null }, ...more,
  });

  const isRepeated = (now: OutcomeCounts, told: readonly OutcomeCounts[]): boolean => releasedCounts(now, told).cohorts !== now.cohorts;

  it("are those of last time where the difference would tell fewer than 20", () => {
    const last = released("2025-01", [[500, 40], [300, 30]]);
    assert.isFalse(isRepeated(last, []));
    assert.isFalse(isRepeated(released("2025-02", [[500, 40], [300, 30]]), [last]));
    assert.deepEqual(releasedCounts(released("2025-02", [[500, 40], [310, 31]]), [last]).cohorts, last.cohorts);
    assert.isTrue(isRepeated(released("2025-02", [[500, 40], [350, 30]]), [last]), "50 loans of which none is bad");
    assert.isFalse(isRepeated(released("2025-02", [[500, 40], [320, 50]]), [last]));
    // A new cell may come; one that only moves a few loans of another may not.
    assert.isFalse(isRepeated(released("2025-02", [[500, 40], [300, 30], [90, 20]]), [last]));
    assert.isTrue(isRepeated(released("2025-02", [[500, 40], [300, 30], [19, 19]]), [last]), "folded: the rest has 19 more");
  });

  it("are held against all that was told before, not the last alone", () => {
    const first = released("2025-01", [[500, 40], [300, 30]]);
    const second = released("2025-02", [[525, 65], [300, 30]]);
    assert.isFalse(isRepeated(second, [first]));
    // Corrected downward: far from the second, one loan from the first.
    const third = released("2025-03", [[501, 41], [300, 30]]);
    assert.isFalse(isRepeated(third, [second]));
    assert.deepEqual(releasedCounts(third, [first, second]).cohorts, second.cohorts);
  });

  it("tell by no sum or difference of two releases a group of fewer than 20, over random histories", () => {
    fc.assert(fc.property(tables, tables, (first, added) => {
      const last = released("2025-01", first);
      const grown = first.map(([g, b], i) => [g + (added[i]?.[0] ?? 0), b + (added[i]?.[1] ?? 0)] as const);
      const now = released("2025-02", [...grown, ...added.slice(first.length)]);
      const counts = releasedCounts(now, [last]);
      if (counts.cohorts !== now.cohorts) {
        assert.strictEqual(counts.cohorts, last.cohorts);
        return;
      }
      const total = (t: OutcomeCounts["cohorts"]): { goods: number; bads: number } => [...t.cells, ...(t.rest === null ? [] : [t.rest])].reduce((s, c) => ({ goods: s.goods + c.goods, bads: s.bads + c.bads }), { goods: 0, bads: 0 });
      const steps = [[total(last.cohorts), total(counts.cohorts)], ...counts.cohorts.cells.flatMap((c) => {
        const before = last.cohorts.cells.find((b) => b.key === c.key);
        return before === undefined ? [] : [[before, c]];
      })];
      for (const [a, b] of steps) for (const kind of ["goods", "bads"] as const) {
        const step = Math.abs((b?.[kind] ?? 0) - (a?.[kind] ?? 0));
        assert.isTrue(step === 0 || step >= 20, `${step}`);
      }
    }), { numRuns: 500 });
  });

  it("are of one model, one definition of bad and one grouping for good", () => {
    const last = released("2025-01", [[500, 40]]);
    assert.throws(() => releasedCounts(released("2025-02", [[500, 40]], { model: modelB }), [last]), /OUTCOME_SETTINGS/);
    assert.throws(() => releasedCounts(released("2025-02", [[500, 40]], { definition: badDefinitionSchema.parse({ daysPastDue: 60 }) }), [last]), /OUTCOME_SETTINGS/);
    assert.throws(() => releasedCounts(released("2025-02", [[500, 40]], { grouping: sha256Hex("quarters") }), [last]), /OUTCOME_SETTINGS/);
    assert.throws(() => releasedCounts(released("2024-12", [[500, 40]]), [last]), /OUTCOME_SETTINGS/);
    assert.throws(() => releasedCounts({ ...last, cohorts: { asOf: "2025-01", cells: [{ key: "band 1", goods: 19, bads: 40 }], rest: null } }, []), /OUTCOME_SETTINGS/);
  });
});
