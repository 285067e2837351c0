// Small nodes: exact sums of one node's gradients and curvatures over a bin name its rows, by lattice reduction, whatever their width. The
// floors keep nodes of that size from being asked about, and noise takes the attack's equations away.
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { treeLimits } from "../../federation/gbdt/floors.ts";
import { noiseLog2Sd, treeParamsSchema, type TreeParamsInput } from "../../models/trees/params.ts";
import { lll, subsetOf } from "../support/attacks/lattice.ts";
import { seededDraw } from "../support/draw.ts";

const runs = 12;
/** In units of g and of h: what the host adds from 20,000 companies on. */
const shipped = { g: 2 ** (noiseLog2Sd(20_000).g - 12), h: 2 ** (noiseLog2Sd(20_000).h - 12) };

/** How often all rows of a bin are named, and the mean share of rows whose side is right. `deviation`: times the shipped noise. */
function attack(node: { readonly rows: number; readonly bits: number; readonly trees: number; readonly deviation: number }): { whole: number; rows: number } {
  const { rows, bits, trees, deviation } = node;
  const draw = seededDraw(100 * rows + bits);
  const one = 2 ** bits;
  let [whole, right] = [0, 0];
  for (let run = 0; run < runs; run++) {
    const label = Uint8Array.from({ length: rows }, () => draw.int(2));
    const weights = Array.from({ length: trees }, () => {
      const p = Float64Array.from({ length: rows }, () => 0.05 + 0.6 * draw.uniform());
      return [p.map((x, i) => Math.round(one * (x - (label[i] ?? 0)))), p.map((x) => Math.round(one * x * (1 - x)))];
    }).flat();
    const inBin = Uint8Array.from({ length: rows }, () => (draw.uniform() < 0.3 ? 1 : 0));
    const sdOf = (e: number): number => deviation * one * (e % 2 === 0 ? shipped.g : shipped.h);
    const sums = weights.map((w, e) => w.reduce((sum, x, i) => sum + x * (inBin[i] ?? 0), 0) + Math.round(sdOf(e) * draw.normal()));
    const found = subsetOf(weights, sums, weights.map((_, e) => (deviation === 0 ? 64 : 1 / sdOf(e)))) ?? new Uint8Array(rows);
    const same = found.reduce((sum, bit, i) => sum + (bit === inBin[i] ? 1 : 0), 0);
    right += same / rows / runs;
    if (same === rows) whole++;
  }
  return { whole, rows: right };
}

function codeOf(params: TreeParamsInput, trainRows = 30_000): string {
  try {
    treeLimits({ trainRows, params: treeParamsSchema.parse(params), liftFloors: false });
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return "none";
}

describe("attack: rows of a small node by lattice reduction", () => {
  for (const [rows, bits] of [[16, 12], [20, 12], [20, 18], [24, 18]] as const) {
    it(`names every row of a bin from the exact sums of one node of ${rows} rows, g and h of ${bits} bits`, () => {
      assert.equal(attack({ rows, bits, trees: 1, deviation: 0 }).whole, runs);
    });
  }
  it("names them in 30 rows when three trees ask about the same ones, at the shipped 12 bits", () => {
    assert.equal(attack({ rows: 30, bits: 12, trees: 3, deviation: 0 }).whole, runs);
  });
  it("names hardly any set of rows from sums with the shipped noise, also when ten trees ask", function () {
    for (const trees of [1, 10]) {
      const { whole, rows } = attack({ rows: 20, bits: 12, trees, deviation: 1 });
      if (this.test) this.test.title += ` (${trees} tree(s): ${whole} of ${runs}, ${(100 * rows).toFixed(0)} % of rows, 70 % by guessing none)`;
      assert.isAtMost(whole, 1);
    }
  });
  it("gets better as the noise goes: it is the noise that stops it", () => {
    assert.isAtLeast(attack({ rows: 20, bits: 18, trees: 1, deviation: 2 ** -14 }).whole, runs - 2);
  });
  it("never gets such a node to attack: plans that ask about small nodes or for exact sums of many are refused", () => {
    assert.equal(codeOf({}), "none");
    assert.equal(codeOf({ minNodeRows: 20 }), "FLOOR_TREES");
    assert.equal(codeOf({ minChildRows: 20 }), "FLOOR_TREES");
    assert.equal(codeOf({ noise: false, trees: 50, askedTrees: 0 }), "FLOOR_TREES");
    assert.equal(codeOf({ noise: false, trees: 10, depth: 3 }, 10_000), "FLOOR_TREES");
    assert.equal(codeOf({}, 4999), "FLOOR_ROWS");
  });

  it("reduces a basis to one of the same lattice, with short vectors", () => {
    // The rows of [[1, 0, 0], [0, 1, 0], [0, 0, 1]] hidden by a product of elementary steps.
    const basis = [[1, 741, 55_312], [0, 1, 863], [0, 0, 1]].map((row) => Float64Array.from(row));
    lll(basis, 0.99);
    assert.isTrue(basis.every((row) => row.reduce((sum, x) => sum + x * x, 0) === 1));
    const [a, b, c] = basis.map((row) => row.findIndex((x) => x !== 0));
    assert.sameMembers([a, b, c], [0, 1, 2]);
  });
});
