import { assert } from "chai";
import { assert as check, constantFrom, integer, property } from "fast-check";
import { describe, it } from "mocha";
import { approximateEffect, boost, stepUnit, type Block, type Effect } from "../../models/crossboost/boost.ts";
import { guestCells, type CellColumn, type GuestCells } from "../../models/crossboost/cells.ts";
import { samples } from "../../models/crossboost/draws.ts";
import { coarseGram, coarseLayout, type OfferedColumn } from "../../models/crossboost/host.ts";
import { crossboostParamsSchema, queryLimit, type CrossboostParams } from "../../models/crossboost/params.ts";
import { guestGram } from "../../models/crossboost/queries.ts";
import { approximateRefresh, binStarts, cellTable, jointTables, spreadGram, type JointTables } from "../../models/crossboost/tables.ts";
import { cholesky } from "../../models/linear/matrix.ts";
import { seededDraw } from "../support/draw.ts";

/** Rows with cells of the guest's columns, bins of a host's, weights and residuals in query units. */
type Small = {
  readonly cells: GuestCells; readonly cellOf: readonly Uint8Array[];
  readonly columns: readonly OfferedColumn[]; readonly binsOf: readonly Uint8Array[];
  readonly weight: Int32Array; readonly residual: Int32Array; readonly rows: number;
};

/** `dependence`: share of rows in which the first host column is a copy of the guest's first own column. */
function small(seed: number, options: { rows?: number; guest?: readonly number[]; host?: readonly number[]; dependence?: number } = {}): Small {
  const { rows = 600, guest = [], host = [5, 4], dependence = 0 } = options;
  const draw = seededDraw(seed);
  const columns: CellColumn[] = [{ kind: "all", cells: 1 }];
  for (const cells of guest) columns.push({ kind: "score", cells, edges: Array.from({ length: cells - 1 }, (_, i) => i), total: 0 });
  const cellOf = [new Uint8Array(rows), ...guest.map((cells) => Uint8Array.from({ length: rows }, () => draw.int(cells)))];
  const binsOf = host.map((bins, j) => Uint8Array.from({ length: rows }, (_, row) => (
    j === 0 && cellOf[1] && draw.uniform() < dependence ? (cellOf[1][row] as number) % bins : draw.int(bins))));
  const offered = host.map((bins, j): OfferedColumn => ({
    shape: { kind: "numeric", bins, orderedBins: bins - (j % 2), missingBin: j % 2 === 1 ? bins - 1 : -1 },
    rows: Array.from({ length: bins }, (_, b) => binsOf[j]?.reduce((sum, x) => sum + (x === b ? 1 : 0), 0) ?? 0),
  }));
  const weight = Int32Array.from({ length: rows }, () => 256 + draw.int(queryLimit - 256));
  const residual = Int32Array.from({ length: rows }, (_, row) => {
    const signal = ((binsOf[0]?.[row] ?? 0) - 2) * ((cellOf[1]?.[row] ?? 1) - 0.5) * 300;
    return Math.max(-queryLimit, Math.min(queryLimit, Math.round(signal + 1200 * draw.normal())));
  });
  return { cells: guestCells(columns), cellOf, columns: offered, binsOf, weight, residual, rows };
}

/** Sums of values over guest cells x host bins. */
function crossed(s: Small, values: ArrayLike<number>): Float64Array {
  const starts = binStarts(s.columns);
  const bins = starts[s.columns.length] as number;
  const table = new Float64Array(s.cells.total * bins);
  for (let row = 0; row < s.rows; row++) {
    s.cellOf.forEach((of, a) => s.binsOf.forEach((bin, j) => {
      const x = ((s.cells.starts[a] as number) + (of[row] as number)) * bins + (starts[j] as number) + (bin[row] as number);
      table[x] = (table[x] as number) + (values[row] as number);
    }));
  }
  return table;
}

function tablesOf(s: Small): { tables: JointTables; guestWeight: Float64Array } {
  const guestWeight = guestGram(s.cells, s.cellOf, s.weight);
  const counts = guestGram(s.cells, s.cellOf, new Int32Array(s.rows).fill(1));
  const rows = Float64Array.from({ length: s.cells.total }, (_, k) => counts[k * s.cells.total + k] as number);
  return { guestWeight, tables: jointTables(s.cells, s.columns, crossed(s, s.weight), crossed(s, s.residual), guestWeight, rows) };
}

/** What a step really does to all tables: from the rows. The exact four-way counts that nobody publishes. */
function exactEffect(s: Small): Effect {
  return (block, out) => {
    const change = crossed(s, Float64Array.from({ length: s.rows }, (_, row) => stepOf(s, block, row) * ((s.weight[row] as number) / (4 * queryLimit))));
    out.set(change);
  };
}

const stepOf = (s: Small, { guestColumn, hostColumn, values }: Block, row: number): number =>
  values[(s.cellOf[guestColumn]?.[row] as number) * (s.columns[hostColumn]?.shape.bins ?? 0) + (s.binsOf[hostColumn]?.[row] as number)] as number;

const seed = new Uint8Array(32).fill(4);
const paramsOf = (given: object = {}): CrossboostParams => crossboostParamsSchema.parse({ steps: 25, bags: 1, quadrantWeight: 1, guestColumnShare: 1, ...given });

/** Boosting on rows in the clear: a step is searched over all pairs of cuts with sums made from the rows. Returns F per row. */
function plainBoost(s: Small, params: CrossboostParams): Float64Array {
  const h = Float64Array.from(s.weight, (w) => w / (4 * queryLimit));
  const r = Float64Array.from(s.residual, (x) => x / queryLimit);
  const f = new Float64Array(s.rows);
  const guests = samples(seed, "test/0/guest", params.steps, s.cells.columns.length, params.guestColumnShare);
  const hosts = samples(seed, "test/0/host", params.steps, s.columns.length, params.hostColumnShare);
  for (let step = 0; step < params.steps; step++) {
    let best: { gain: number; quadrant: (row: number) => number; values: number[] } | undefined;
    for (const a of guests[step] ?? []) {
      for (const j of hosts[step] ?? []) {
        const cells = s.cells.columns[a]?.cells ?? 1;
        const { bins, orderedBins } = (s.columns[j] as OfferedColumn).shape;
        const main = Array.from({ length: orderedBins }, (_, b) => b);
        const apart = Array.from({ length: bins - orderedBins }, (_, b) => orderedBins + b);
        for (const sequence of apart.length > 0 ? [[...main, ...apart], [...apart, ...main]] : [main]) {
          for (let prefix = 1; prefix < sequence.length; prefix++) {
            const left = new Set(sequence.slice(0, prefix));
            for (let cut = 0; cut < Math.max(1, cells - 1); cut++) {
              const quadrant = (row: number): number => ((s.cellOf[a]?.[row] as number) > cut ? 2 : 0) + (left.has(s.binsOf[j]?.[row] as number) ? 0 : 1);
              const [S, H] = [[0, 0, 0, 0], [0, 0, 0, 0]];
              for (let row = 0; row < s.rows; row++) {
                const q = quadrant(row);
                S[q] = (S[q] as number) + (r[row] as number);
                H[q] = (H[q] as number) + (h[row] as number);
              }
              const open = H.map((x) => x >= params.quadrantWeight);
              const gains = S.map((x, q) => (open[q] ? (x * x) / ((H[q] as number) + params.ridge) : 0));
              const gain = (gains[0] as number) + (gains[1] as number) + (gains[2] as number) + (gains[3] as number);
              if (gain > (best?.gain ?? 1e-9)) {
                best = { gain, quadrant, values: S.map((x, q) => (open[q] ? stepUnit * Math.round((params.step * x) / ((H[q] as number) + params.ridge) / stepUnit) : 0)) };
              }
            }
          }
        }
      }
    }
    if (best === undefined) continue;
    for (let row = 0; row < s.rows; row++) {
      const d = best.values[best.quadrant(row)] as number;
      f[row] = (f[row] as number) + d;
      r[row] = (r[row] as number) - d * (h[row] as number);
    }
  }
  return f;
}

/** F of the tables, per row. */
function rowsOf(s: Small, f: Float64Array): Float64Array {
  const starts = binStarts(s.columns);
  const bins = starts[s.columns.length] as number;
  return Float64Array.from({ length: s.rows }, (_, row) => {
    let sum = 0;
    s.cellOf.forEach((of, a) => s.binsOf.forEach((bin, j) => {
      sum += f[((s.cells.starts[a] as number) + (of[row] as number)) * bins + (starts[j] as number) + (bin[row] as number)] as number;
    }));
    return sum;
  });
}

describe("boosting on tables", () => {
  it("equals stump boosting on the rows bit for bit when the guest has one cell, with the approximate effect made exact by an exact Gram", () => {
    for (const [seedOf, host] of [[1, [6]], [2, [7]], [3, [9]]] as const) {
      const s = small(seedOf, { host });
      const { tables, guestWeight } = tablesOf(s);
      // One host column: its block of P_H is exact, and so is everything else.
      const refresh = approximateRefresh(tables, s.columns, guestWeight, new Int32Array(coarseGram([], { groupOf: [], total: coarseLayout(s.columns).total }, 0)), s.rows);
      const f = boost({ tables, columns: s.columns, effect: approximateEffect(tables, refresh), params: paramsOf(), seed, label: "test" });
      assert.deepEqual(rowsOf(s, f), plainBoost(s, paramsOf()));
      assert.isAbove(Math.max(...f.map(Math.abs)), 0.05);
    }
  });

  it("equals boosting with guest x host cuts on the rows bit for bit when the four-way counts are exact, several columns", () => {
    for (const seedOf of [1, 2]) {
      const s = small(seedOf, { guest: [3, 4], host: [5, 4], dependence: 0.5 });
      const { tables } = tablesOf(s);
      const f = boost({ tables, columns: s.columns, effect: exactEffect(s), params: paramsOf({ steps: 12 }), seed, label: "test" });
      assert.deepEqual(rowsOf(s, f), plainBoost(s, paramsOf({ steps: 12 })));
    }
  });

  it("lowers the model's loss at every step and stays bounded, also when a host column copies a guest column", () => {
    check(property(integer({ min: 1, max: 1e6 }), constantFrom(0, 0.5, 1), (seedOf, dependence) => {
      const s = small(seedOf, { guest: [3, 4], host: [5, 4, 6], dependence });
      const { tables, guestWeight } = tablesOf(s);
      const gram = coarseGram(s.binsOf.map((binOf) => ({ binOf })), coarseLayout(s.columns), s.rows);
      const refresh = approximateRefresh(tables, s.columns, guestWeight, gram, s.rows);
      let steps = 0;
      const f = boost({
        tables, columns: s.columns, effect: approximateEffect(tables, refresh), params: paramsOf({ steps: 60, bags: 2 }), seed, label: "test",
        onStep: (fall) => {
          steps++;
          assert.isAbove(fall, 0);
        },
      });
      assert.isAbove(steps, 20);
      assert.isTrue(f.every((x) => Number.isFinite(x) && Math.abs(x) <= 4));
      // The real squared loss on the rows falls too: the approximation did not run away.
      const all = rowsOf(s, f);
      let [before, after] = [0, 0];
      for (let row = 0; row < s.rows; row++) {
        const h = (s.weight[row] as number) / (4 * queryLimit);
        const x = (s.residual[row] as number) / queryLimit / h;
        before += h * x * x;
        after += h * (x - (all[row] as number)) ** 2;
      }
      assert.isBelow(after, before);
    }), { numRuns: 15 });
  });

  it("has a positive semidefinite model of all tables, whatever the dependence", () => {
    check(property(integer({ min: 1, max: 1e6 }), constantFrom(0, 0.7, 1), (seedOf, dependence) => {
      const s = small(seedOf, { rows: 300, guest: [3], host: [5, 4], dependence });
      const { tables, guestWeight } = tablesOf(s);
      const gram = coarseGram(s.binsOf.map((binOf) => ({ binOf })), coarseLayout(s.columns), s.rows, 1);
      const { host, guest, scale, total } = approximateRefresh(tables, s.columns, guestWeight, gram, s.rows);
      const bins = binStarts(s.columns)[s.columns.length] as number;
      const size = s.cells.total * bins;
      const whole = new Float64Array(size * size);
      for (let x = 0; x < size; x++) {
        for (let y = 0; y < size; y++) {
          whole[x * size + y] = ((scale[x] as number) * (scale[y] as number) * (guest[Math.floor(x / bins) * s.cells.total + Math.floor(y / bins)] as number)
            * (host[(x % bins) * bins + (y % bins)] as number)) / total + (x === y ? 1e-6 : 0);
        }
      }
      assert.isDefined(cholesky(whole, size));
      // Exact on a cell itself: what it takes from its own table is its weight.
      for (let x = 0; x < size; x++) if ((scale[x] as number) < 3) assert.approximately((whole[x * size + x] as number) - 1e-6, tables.weight[x] as number, 1e-9);
    }), { numRuns: 20 });
  });

  it("spreads the coarse counts so that they add up to the bins they came from", () => {
    const s = small(5, { host: [9, 6] });
    const rows = s.rows;
    const gram = coarseGram(s.binsOf.map((binOf) => ({ binOf })), coarseLayout(s.columns), rows, 1);
    const counts = Float64Array.from(s.columns.flatMap((c) => c.rows));
    const spread = spreadGram(s.columns, gram, counts, rows, rows);
    const bins = counts.length;
    for (let b = 0; b < 9; b++) {
      let sum = 0;
      for (let z = 9; z < bins; z++) sum += spread[b * bins + z] as number;
      assert.approximately(sum, counts[b] as number, 1e-6 + 0.2 * (counts[b] as number));
    }
    let all = 0;
    for (let b = 0; b < 9; b++) for (let z = 9; z < bins; z++) all += spread[b * bins + z] as number;
    assert.approximately(all, rows, 1e-6);
  });

  it("publishes no coarse count but multiples of 20", () => {
    const s = small(6, { host: [9, 6, 5] });
    const gram = coarseGram(s.binsOf.map((binOf) => ({ binOf })), coarseLayout(s.columns), s.rows);
    assert.isTrue(gram.every((count) => count % 20 === 0));
    assert.isTrue(gram.some((count) => count > 0));
  });
});

describe("tables from answers", () => {
  const s = small(7, { guest: [3, 4], host: [5, 4] });
  const bins = 9;
  const exact = crossed(s, s.weight);
  const answersOf = (noise: () => number): Float64Array[] =>
    Array.from({ length: s.cells.total - 1 }, (_, k) => exact.slice((k + 1) * bins, (k + 2) * bins).map((x) => x + noise()));

  it("are the sums themselves without noise, the row of all rows included", () => {
    assert.deepEqual([...cellTable(s.cells, s.columns, answersOf(() => 0), 1, -1)].map(Math.round), [...exact]);
  });

  it("add up in every column whatever the noise, and are nearer to the truth than the answers", () => {
    const draw = seededDraw(8);
    const answers = answersOf(() => 2048 * draw.normal());
    const table = cellTable(s.cells, s.columns, answers, 1, -1);
    for (let b = 0; b < bins; b++) {
      for (const [from, to] of [[1, 4], [4, 8]] as const) {
        let sum = 0;
        for (let k = from; k < to; k++) sum += table[k * bins + b] as number;
        assert.approximately(sum, table[b] as number, 1e-6);
      }
    }
    const off = (values: Float64Array, from: number): number => values.reduce((sum, x, i) => sum + (x - (exact[from + i] as number)) ** 2, 0);
    const raw = answers.reduce((sum, a, k) => sum + off(a, (k + 1) * bins), 0);
    assert.isBelow(off(table.slice(bins), bins), raw);
  });

  it("leave a fold out when asked to", () => {
    const folded = answersOf(() => 0).map((a) => Float64Array.from([...a.slice(0, 5), ...a.slice(0, 5).map((x) => 10 * x), ...a.slice(5), ...a.slice(5).map((x) => 10 * x)]));
    const rest = cellTable(s.cells, s.columns, folded, 2, 1);
    assert.deepEqual([...rest].map(Math.round), [...exact]);
    assert.deepEqual([...cellTable(s.cells, s.columns, folded, 2, -1)].map(Math.round), [...exact].map((x) => 11 * x));
  });
});
