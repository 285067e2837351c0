import { assert } from "chai";
import { describe, it } from "mocha";
import { publishable, spread, type Counts, type Protection, type Published } from "../../evaluation/suppress.ts";
import { draws } from "./support.ts";

const plain: Protection = { rows: "rest", columns: "rest", trait: false, base: 1 };

function counts(cells: readonly (readonly number[])[]): Counts {
  return { rows: cells.map((_, i) => `r${i}`), columns: (cells[0] ?? []).map((_, j) => `c${j}`), cells };
}

const shown = (table: Published | null): Published => table ?? assert.fail("all is withheld");
const hiddenAt = (table: Published): boolean[][] => table.cells.map((row) => row.map((n) => n === null));

/** Every table of whole numbers that agrees with what is published, by trying all of them: least and greatest value of each hidden cell. */
function possible(table: Published): { least: number[][]; greatest: number[][] } {
  const least = table.cells.map((row) => row.map(() => Infinity));
  const greatest = table.cells.map((row) => row.map(() => -Infinity));
  const at = table.cells.flatMap((row, i) => row.flatMap((n, j) => (n === null ? [[i, j] as const] : [])));
  const rowLeft = table.rowTotals.map((n, i) => n - (table.cells[i] ?? []).reduce<number>((s, c) => s + (c ?? 0), 0));
  const columnLeft = table.columnTotals.map((n, j) => n - table.cells.reduce((s, row) => s + (row[j] ?? 0), 0));
  const value: number[] = [];
  const walk = (k: number): void => {
    const cell = at[k];
    if (cell === undefined) {
      if (![...rowLeft, ...columnLeft].every((n) => n === 0)) return;
      for (const [n, [i, j]] of at.entries()) {
        (least[i] as number[])[j] = Math.min(least[i]?.[j] ?? 0, value[n] ?? 0);
        (greatest[i] as number[])[j] = Math.max(greatest[i]?.[j] ?? 0, value[n] ?? 0);
      }
      return;
    }
    const [i, j] = cell;
    const most = Math.min(rowLeft[i] ?? 0, columnLeft[j] ?? 0);
    const lastOfRow = !at.slice(k + 1).some(([r]) => r === i);
    for (let v = lastOfRow ? (rowLeft[i] ?? 0) : 0; v <= most; v++) {
      value[k] = v;
      rowLeft[i] = (rowLeft[i] ?? 0) - v;
      columnLeft[j] = (columnLeft[j] ?? 0) - v;
      walk(k + 1);
      rowLeft[i] = (rowLeft[i] ?? 0) + v;
      columnLeft[j] = (columnLeft[j] ?? 0) + v;
    }
  };
  walk(0);
  return { least, greatest };
}

describe("the suppression of small cells", () => {
  it("publishes a table of large cells whole", () => {
    const table = shown(publishable(counts([[100, 50], [40, 20]]), plain));
    assert.deepEqual(table.cells, [[100, 50], [40, 20]]);
    assert.deepEqual([table.rowTotals, table.columnTotals, table.total], [[150, 60], [140, 70], 210]);
    assert.deepEqual(table.hidden, { primary: 0, complementary: 0 });
  });

  it("hides a small cell and three more, so that the totals do not give it away", () => {
    const table = shown(publishable(counts([[100, 19, 60], [40, 30, 70], [90, 80, 25]]), plain));
    assert.strictEqual(table.hidden.primary, 1);
    assert.isAtLeast(table.hidden.complementary, 3);
    for (const line of [...hiddenAt(table), ...[0, 1, 2].map((j) => hiddenAt(table).map((row) => row[j]))]) {
      assert.notStrictEqual(line.filter(Boolean).length, 1, "one hidden cell is the total less the others");
    }
    assert.isNull(table.cells[0]?.[1]);
  });

  it("shows zeros and cells from the least number on", () => {
    assert.deepEqual(shown(publishable(counts([[20, 0, 50], [0, 20, 30]]), plain)).cells, [[20, 0, 50], [0, 20, 30]]);
  });

  it("puts small labels together: as a rest, or with a neighbour", () => {
    const cells = [[300, 40, 6], [200, 30, 0], [7, 0, 0], [0, 0, 0], [2, 0, 0], [60, 40, 2]];
    const rest = shown(publishable(counts(cells), { ...plain, columns: "neighbour" }));
    // Rows of 7 and 2 are 9 together, still too few: the smallest large one joins them. The column of 8 joins the one of 110.
    assert.deepEqual(rest.rows, [["r0"], ["r1"], ["r2", "r4", "r5"]]);
    assert.deepEqual(rest.columns, [["c0"], ["c1", "c2"]]);
    assert.deepEqual(rest.cells, [[300, 46], [200, 30], [69, 42]]);
    const beside = shown(publishable(counts(cells), { ...plain, rows: "neighbour" }));
    assert.deepEqual(beside.rows, [["r0"], ["r1"], ["r2", "r4", "r5"]]);
    assert.isNull(publishable(counts([[10, 4], [3, 2]]), plain), "19 companies are no table");
  });

  it("hides a row of companies that all have the same trait, where the trait is not public", () => {
    const cells = [[50, 0, 0], [30, 40, 35], [60, 30, 25]];
    assert.strictEqual(shown(publishable(counts(cells), plain)).hidden.primary, 0);
    const table = shown(publishable(counts(cells), { ...plain, trait: true }));
    assert.deepEqual(table.cells[0], [null, null, null]);
    const { least, greatest } = possible(table);
    assert.isAtLeast((greatest[0]?.[0] ?? 0) - (least[0]?.[0] ?? 0), 20);
  });

  it("rounds what it shows, totals as well", () => {
    const table = shown(publishable(counts([[101, 52], [43, 24]]), { ...plain, base: 5 }));
    assert.deepEqual(table.cells, [[100, 50], [45, 25]]);
    assert.deepEqual([table.rowTotals, table.columnTotals, table.total], [[155, 65], [145, 75], 220]);
  });

  it("leaves every hidden cell a range at least as wide as the threshold, tried over all possible tables", () => {
    const random = draws("tables");
    let tables = 0;
    let hidden = 0;
    let nontrivial = 0;
    for (let n = 0; n < 250; n++) {
      const [height, width] = [2 + random.integer(2), 2 + random.integer(3)];
      const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => (random.bernoulli(0.25) ? 0 : random.integer(random.bernoulli(0.4) ? 3 : 9))));
      const table = publishable(counts(cells), { rows: "rest", columns: "neighbour", trait: n % 2 === 0, least: 3, base: 1 });
      if (table === null) continue;
      tables++;
      assert.isTrue([...table.rowTotals, ...table.columnTotals].every((t) => t >= 3));
      const { least, greatest } = possible(table);
      const merged = table.rows.map((r) => table.columns.map((c) =>
        r.reduce((s, i) => s + c.reduce((t, j) => t + (cells[Number(i.slice(1))]?.[Number(j.slice(1))] ?? 0), 0), 0)));
      for (const [i, row] of merged.entries()) {
        const isUniform = n % 2 === 0 && merged.length > 1 && row.length > 1 && row.filter((v) => v > 0).length === 1;
        for (const [j, v] of row.entries()) {
          const isSensitive = (v > 0 && v < 3) || isUniform;
          if (isSensitive) assert.isNull(table.cells[i]?.[j]);
          if (table.cells[i]?.[j] !== null) assert.strictEqual(table.cells[i]?.[j], v);
          else {
            hidden++;
            const range = (greatest[i]?.[j] ?? 0) - (least[i]?.[j] ?? 0);
            // The audit by flows against the trial of all tables: two ways to the same bounds.
            assert.strictEqual(spread(merged, hiddenAt(table), [i, j], 1000), range, `table ${n}`);
            if (isSensitive) assert.isAtLeast(range, 3, `table ${n}`);
            if (table.cells.flat().some((c) => c !== null)) nontrivial++;
          }
        }
      }
    }
    assert.isAbove(tables, 200);
    assert.isAbove(hidden, 300);
    assert.isAbove(nontrivial, 100);
  });

  it("finds a cell that is fixed although no line has a single hidden cell", () => {
    // Two squares of hidden cells joined by one: the one between is total less total, whatever the squares are.
    const cells = [[5, 5, 7, 0, 0], [5, 5, 0, 0, 0], [0, 0, 5, 5, 0], [0, 0, 5, 5, 9]];
    const hidden = [[true, true, true, false, false], [true, true, false, false, false], [false, false, true, true, false], [false, false, true, true, false]];
    assert.strictEqual(spread(cells, hidden, [0, 2], 100), 0);
    assert.isAbove(spread(cells, hidden, [0, 0], 100), 0);
  });

  it("ends on a table of all provinces and sections", () => {
    const random = draws("large");
    const cells = Array.from({ length: 34 }, () => Array.from({ length: 21 }, () => (random.bernoulli(0.3) ? 0 : Math.floor(random.lognormal(3.5, 1.5)))));
    const table = shown(publishable(counts(cells), { rows: "rest", columns: "rest", trait: false }));
    assert.isAbove(table.hidden.primary, 50);
    assert.isAbove(table.cells.flat().filter((c) => c !== null).length, 150, "and is of use");
  });
});
