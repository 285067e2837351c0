import { assert } from "chai";
import { assert as check, integer, property } from "fast-check";
import { describe, it } from "mocha";
import { cellsOfRows, chooseCells, guestCells, quantileColumn, type CellColumn } from "../../models/crossboost/cells.ts";
import { countedRows, publicFolds, samples } from "../../models/crossboost/draws.ts";
import type { OfferedColumn } from "../../models/crossboost/host.ts";
import type { OwnColumn } from "../../models/crossboost/own.ts";
import { cellNoise, crossboostParamsSchema, queryLimit } from "../../models/crossboost/params.ts";
import { askedColumns, cellVectors, gradientOf } from "../../models/crossboost/queries.ts";
import { drawNoise } from "../../models/crossboost/oracle.ts";
import { buildLookup, choiceOf, chosenSums, openedBits, rowEntries, slotsOf, sumLimit, totalOf, type Lookup } from "../../models/crossboost/total.ts";
import { seededDraw } from "../support/draw.ts";

const bytes = new Uint8Array(32).fill(1);
const cells = guestCells([{ kind: "all", cells: 1 }, { kind: "score", cells: 4, edges: [0, 1, 2], total: 0 }, { kind: "score", cells: 3, edges: [0, 1], total: 0 }]);
const offered = (...bins: readonly number[]): OfferedColumn[] => bins.map((b, j) => ({
  shape: { kind: "numeric", bins: b, orderedBins: b - (j % 2), missingBin: j % 2 === 1 ? b - 1 : -1 }, rows: Array.from({ length: b }, (_, i) => 20 + i),
}));

/** Tables of random values, some rows' cells. */
function lookupOf(seed: number, hosts: readonly (readonly OfferedColumn[])[], rows = 200): { lookup: Lookup; cellOf: Uint8Array[]; parts: Float64Array[] } {
  const draw = seededDraw(seed);
  const cellOf = cells.columns.map((c) => Uint8Array.from({ length: rows }, () => draw.int(c.cells)));
  const parts = hosts.map((columns) => Float64Array.from({ length: cells.total * columns.reduce((sum, c) => sum + c.shape.bins, 0) }, () => 0.3 * draw.normal()));
  const lookup = buildLookup(cells, hosts.map((columns, h) => ({ columns, parts: [parts[h] as Float64Array] })), cellOf, new Uint8Array(rows));
  return { lookup, cellOf, parts };
}

describe("the joint total", () => {
  it("stays within sixteen bits whatever hosts pick, and comes back to half a step, for one to three hosts, missing and unseen bins", () => {
    check(property(integer({ min: 1, max: 1e6 }), integer({ min: 1, max: 3 }), (seed, count) => {
      const hosts = [offered(5, 9), offered(16), offered(3, 4, 6)].slice(0, count);
      const rows = 60;
      const { lookup, cellOf, parts } = lookupOf(seed, hosts, rows);
      const { entries, centres } = rowEntries(lookup, cellOf, new Uint8Array(rows));
      const draw = seededDraw(seed + 1);
      const sums = new Int32Array(rows);
      const truth = new Float64Array(rows);
      hosts.forEach((columns, h) => {
        const bins = columns.map((c) => Uint8Array.from({ length: rows }, () => (draw.uniform() < 0.05 ? 255 : draw.int(c.shape.bins))));
        chosenSums(columns, entries[h] as Int16Array, bins).forEach((x, row) => {
          sums[row] = (sums[row] as number) + x;
        });
        const width = columns.reduce((sum, c) => sum + c.shape.bins, 0);
        const u = (row: number, b: number): number => cellOf.reduce((sum, of, a) => sum + (parts[h]?.[((cells.starts[a] as number) + (of[row] as number)) * width + b] as number), 0);
        let start = 0;
        columns.forEach((c, j) => {
          const all = c.rows.reduce((a, b) => a + b, 0);
          for (let row = 0; row < rows; row++) {
            const bin = bins[j]?.[row] as number;
            const mean = c.rows.reduce((sum, n, b) => sum + n * u(row, start + b), 0) / all;
            truth[row] = (truth[row] as number) + (bin === 255 ? mean : u(row, start + bin));
          }
          start += c.shape.bins;
        });
        // The worst choice of every column, both ways.
        const slots = slotsOf(columns);
        assert.equal(entries[h]?.length, rows * slots);
      });
      let worst = 0;
      for (let row = 0; row < rows; row++) {
        let [up, down] = [0, 0];
        hosts.forEach((columns, h) => {
          const slots = slotsOf(columns);
          let slot = row * slots;
          for (const { shape } of columns) {
            const options = entries[h]?.slice(slot, slot + shape.bins + 1) ?? new Int16Array(1);
            up += Math.max(...options);
            down += Math.min(...options);
            slot += shape.bins + 1;
          }
        });
        worst = Math.max(worst, up, -down);
      }
      assert.isAtMost(worst, sumLimit);
      assert.isAbove(worst, 0.8 * sumLimit);
      const total = totalOf(lookup, openedBits(sums), centres);
      for (let row = 0; row < rows; row++) assert.approximately(total[row] as number, truth[row] as number, lookup.unit * (128 + 60));
      assert.isTrue(openedBits(sums).every((x) => x % 256 === 0));
    }), { numRuns: 30 });
  });

  it("shrinks the entries of a row whose cells never came together in training, instead of wrapping around", () => {
    const columns = offered(4, 4);
    const rows = 2;
    const part = new Float64Array(cells.total * 8);
    // Each cell alone reaches 1, together 3.
    for (let k = 0; k < cells.total; k++) part[k * 8] = 1;
    const cellOf = cells.columns.map((_, a) => Uint8Array.of(0, a === 0 ? 0 : 1));
    const lookup = buildLookup(cells, [{ columns, parts: [part.map((x, i) => (Math.floor(i / 8) === 2 || Math.floor(i / 8) === 6 ? 4 * x : x))] }], cellOf.map((c) => c.slice(0, 1)), new Uint8Array(1));
    const { entries, centres } = rowEntries(lookup, cellOf, new Uint8Array(rows));
    assert.equal(centres.shrink[0], 1);
    assert.isBelow(centres.shrink[1] as number, 1);
    assert.isTrue(entries[0]?.every((x) => Math.abs(x) <= sumLimit));
    const sums = chosenSums(columns, entries[0], [Uint8Array.of(0, 0), Uint8Array.of(1, 1)]);
    assert.approximately(totalOf(lookup, openedBits(sums), centres)[1] as number, 9, lookup.unit * 1000);
  });

  it("makes entries of any block of rows as of all", () => {
    const { lookup, cellOf } = lookupOf(3, [offered(5, 9), offered(4)]);
    const sets = new Uint8Array(200);
    const all = rowEntries(lookup, cellOf, sets);
    const part = rowEntries(lookup, cellOf, sets, 50, 80);
    assert.deepEqual(part.entries[0], all.entries[0]?.slice(50 * 16, 80 * 16));
    assert.deepEqual(part.centres.centre, all.centres.centre.slice(50, 80));
    assert.equal(choiceOf(255, offered(5)[0] as OfferedColumn), 5);
  });

  it("refuses cells of other rows", () => {
    const { lookup, cellOf } = lookupOf(4, [offered(5)]);
    assert.throws(() => rowEntries(lookup, cellOf.slice(1), new Uint8Array(200)), /MODEL_SHAPE/);
    assert.throws(() => rowEntries(lookup, cellOf, new Uint8Array(199)), /MODEL_SHAPE/);
  });
});

describe("cells and queries", () => {
  const rows = 400;
  const draw = seededDraw(9);
  const label = Uint8Array.from({ length: rows }, () => (draw.uniform() < 0.3 ? 1 : 0));
  const column = (name: string, bins: number, missing: boolean): OwnColumn => ({
    party: "bank", name, kind: "numeric", bins, orderedBins: bins - (missing ? 1 : 0), missingBin: missing ? bins - 1 : -1,
    binOf: Uint8Array.from({ length: rows }, () => draw.int(bins)),
  });
  const columns = [column("a", 8, false), column("b", 5, true), column("c", 1, false)];
  const score = Float64Array.from({ length: rows }, () => Math.round(1000 * draw.normal()));
  const choose = (mostVectors: number, guestColumns = 3): ReturnType<typeof chooseCells> => chooseCells({
    columns, gains: [1, 2, 0], label, trainRows: rows, counted: new Uint8Array(rows).fill(1), scoreCells: 4, cellsPerColumn: 3, guestColumns, mostVectors,
  }, score);

  it("takes the score and the strongest columns as far as the vectors go", () => {
    assert.deepEqual(choose(20).columns.map((c: CellColumn) => c.kind === "column" ? c.feature : c.kind), ["all", "score", 1, 0]);
    assert.equal(choose(20).vectors, 10);
    assert.deepEqual(choose(9).columns.map((c) => c.cells), [1, 4, 3]);
    assert.equal(choose(20, 0).vectors, 4);
    assert.equal(choose(1).vectors, 1);
  });

  it("makes cells of about equal size, with a missing value's own", () => {
    const chosen = choose(20);
    chosen.columns.forEach((c, i) => {
      if (i === 0) return;
      const of = cellsOfRows(c, { binsOf: columns.map((x) => x.binOf), score, totals: [] });
      const counts = Array.from({ length: c.cells }, (_, k) => of.reduce((sum, x) => sum + (x === k ? 1 : 0), 0));
      assert.isTrue(counts.every((n) => n > rows / c.cells / 2), JSON.stringify(counts));
    });
    const b = chosen.columns[2];
    assert.isTrue(b?.kind === "column" && b.cellOfBin[4] === 2 && !b.cellOfBin.slice(0, 4).includes(2) && b.neutral === 2);
    assert.isUndefined(quantileColumn("score", new Float64Array(rows), new Uint8Array(rows).fill(1), 4));
  });

  it("sends residuals and weights of twelve bits, each row in one cell of a column, nothing of a row that is held back", () => {
    const counted = countedRows(bytes, label, rows, 0.2);
    const { residual, weight } = gradientOf(score.map((x) => x / 300), label, counted);
    const chosen = choose(20);
    const cellOf = chosen.columns.map((c) => cellsOfRows(c, { binsOf: columns.map((x) => x.binOf), score, totals: [] }));
    for (const values of [residual, weight]) {
      assert.isTrue(values.every((x, row) => Math.abs(x) <= queryLimit && (counted[row] === 1 || x === 0)));
      const vectors = cellVectors(chosen, cellOf, values);
      assert.equal(vectors.length, chosen.vectors);
      for (let row = 0; row < rows; row++) {
        assert.equal(vectors.reduce((sum, v) => sum + (v[row] as number), 0), (chosen.columns.length - 1) * (values[row] as number));
      }
    }
    assert.isTrue(weight.every((w, row) => counted[row] === 0 || w >= queryLimit / 16));
    assert.deepEqual(askedColumns(guestCells([{ kind: "all", cells: 1 }])), [0]);
  });

  it("holds back the same share of both classes, draws equal folds and columns without replacement", () => {
    const counted = countedRows(bytes, label, rows, 0.25);
    for (const y of [0, 1]) {
      const of = [...label.keys()].filter((row) => label[row] === y);
      assert.equal(of.filter((row) => counted[row] === 0).length, Math.round(0.25 * of.length));
    }
    const folds = publicFolds(bytes, 100, 3);
    assert.deepEqual([0, 1, 2].map((f) => folds.filter((x) => x === f).length), [34, 33, 33]);
    for (const picked of samples(bytes, "x", 20, 7, 0.5)) {
      assert.equal(new Set(picked).size, 4);
      assert.deepEqual(picked, picked.toSorted());
    }
  });

  it("draws noise of the stated spread", () => {
    const noise = cellNoise(crossboostParamsSchema.parse({}));
    const drawn = Float64Array.from(drawNoise(bytes, "n", 4000, noise));
    const average = drawn.reduce((a, b) => a + b, 0) / drawn.length;
    const sd = Math.sqrt(drawn.reduce((sum, x) => sum + (x - average) ** 2, 0) / drawn.length);
    assert.approximately(average, 0, 120);
    assert.approximately(sd, 0.5 * queryLimit, 90);
    assert.deepEqual(cellNoise(crossboostParamsSchema.parse({ noiseSd: 2 })), { log2Sd: 13, shift: 0 });
  });
});
