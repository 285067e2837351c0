// The garbled comparison: against plain comparisons, what each side has of the other's, and what is noticed when something is wrong.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { bitsOf, GarbledWork, inputsOf, labelBytes, maxDepth, spareBytes, tablesBytes, type GarbledInterval } from "../../kernels/oblivious/garbled.ts";
import { bitDeviation, byteDeviation } from "../support/uniform.ts";
import { rngOf } from "./support.ts";

const work = new GarbledWork();
const domain = new Uint8Array(16).fill(7);
const rng = rngOf("garbled");

type Circuit = GarbledInterval & { readonly labels: Uint8Array };
const garbled = (value: bigint | undefined, depth: number, named = domain): Circuit => {
  const labels = rng(2 * inputsOf(depth) * labelBytes);
  return { labels, ...work.garble({ domain: named, labels, value, depth, random: rng(spareBytes(depth)) }) };
};
/** One label of each pair: what the transfers give the evaluator. */
const picked = (labels: Uint8Array, bits: Uint8Array): Uint8Array => {
  const own = new Uint8Array(bits.length * labelBytes);
  for (const [k, bit] of bits.entries()) own.set(labels.subarray((2 * k + bit) * labelBytes, (2 * k + bit + 1) * labelBytes), k * labelBytes);
  return own;
};
const opened = (circuit: Circuit, from: bigint, to: bigint, depth: number, named = domain): boolean | undefined => {
  const bits = bitsOf({ from, to }, depth);
  return work.evaluate({ domain: named, labels: picked(circuit.labels, bits), bits, depth, tables: circuit.tables, results: circuit.results });
};

describe("a garbled comparison", () => {
  it("says what a plain comparison says: all intervals, also empty ones, and all values of few bits, and no value", () => {
    for (const depth of [1, 2, 3, 4]) {
      const end = 1n << BigInt(depth);
      for (let value = -1n; value < end; value++) {
        for (let from = 0n; from < end; from++) {
          for (let to = 0n; to < end; to++) assert.equal(opened(garbled(value < 0n ? undefined : value, depth), from, to, depth), value >= 0n && from <= value && value <= to, `${depth}: ${from} ${value} ${to}`);
        }
      }
    }
  });
  it("is right for integers of every length, at the ends and beside them", () => {
    const integer = (depth: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: (1n << BigInt(depth)) - 1n });
    const cases = fc.constantFrom(18, 40, maxDepth).chain((depth) => fc.tuple(fc.constant(depth), integer(depth), integer(depth), integer(depth), fc.bigInt({ min: -1n, max: 1n })));
    fc.assert(fc.property(cases, ([depth, from, to, far, step]) => {
      const limit = (1n << BigInt(depth)) - 1n;
      const inside = (n: bigint): bigint => (n < 0n ? 0n : n > limit ? limit : n);
      for (const value of [far, inside(from + step), inside(to + step)]) assert.equal(opened(garbled(value, depth), from, to, depth), from <= value && value <= to);
    }), { numRuns: 300 });
  });
  it("has three rows a gate and as many for every value, and none", () => {
    for (const value of [0n, 5n, (1n << 40n) - 1n, undefined]) {
      const { tables, results } = garbled(value, 40);
      assert.deepEqual([tables.length, results.length], [81 * 48, 32]);
      assert.equal(tables.length, tablesBytes(40));
    }
  });
  it("opens to nothing with a label that the evaluator was not given, with changed rows on its way, and under another name", () => {
    const depth = 18;
    const [from, to] = [1000n, 2000n];
    const circuit = garbled(1500n, depth);
    const bits = bitsOf({ from, to }, depth);
    const labels = picked(circuit.labels, bits);
    const evaluated = (more: Partial<Parameters<GarbledWork["evaluate"]>[0]>): boolean | undefined => work.evaluate({ domain, labels, bits, depth, tables: circuit.tables, results: circuit.results, ...more });
    assert.isTrue(evaluated({}));
    for (let k = 0; k < bits.length; k++) {
      const wrong = labels.slice();
      wrong[k * labelBytes + 5] = (wrong[k * labelBytes + 5] as number) ^ 16;
      assert.isUndefined(evaluated({ labels: wrong }), `label ${k}`);
      // With the label of the other value in its place, and as the other value: that is another question, and it takes the label.
      const other = bits.slice();
      other[k] = 1 - (other[k] as number);
      assert.isUndefined(evaluated({ bits: other }), `bit ${k}`);
    }
    assert.isUndefined(evaluated({ domain: new Uint8Array(16) }));
    // Each row is the one of some evaluations only: of all changed at once one is met.
    assert.isUndefined(evaluated({ tables: circuit.tables.map((byte) => byte ^ 1) }));
    for (const bad of [{ tables: circuit.tables.subarray(48) }, { results: new Uint8Array(16) }, { results: new Uint8Array(32) }, { labels: labels.subarray(16) }]) assert.isUndefined(evaluated(bad));
  });
  it("does not open to both results, also where a garbler says that both are the same", () => {
    const { labels, tables, results } = garbled(5n, 18);
    const said = opened({ labels, tables, results: new Uint8Array([...results.subarray(0, 16), ...results.subarray(0, 16)]) }, 6n, 7n, 18);
    assert.isUndefined(said);
  });
  it("shows the evaluator uniform rows, whatever the value: two circuits of the same answer have nothing in common", () => {
    const samples = 60;
    const rowsOf = (value: bigint | undefined): Uint8Array => Buffer.concat(Array.from({ length: samples }, () => garbled(value, 18).tables));
    for (const value of [0n, 5n, (1n << 18n) - 1n, undefined]) {
      const sampled = rowsOf(value);
      assert.isBelow(byteDeviation(sampled), 6);
      assert.isBelow(bitDeviation(sampled), 6);
    }
    const rows = (value: bigint): string[] => {
      const { tables } = garbled(value, 18);
      return Array.from({ length: tables.length / labelBytes }, (_, at) => Buffer.from(tables.subarray(at * labelBytes, (at + 1) * labelBytes)).toString("hex"));
    };
    const first = new Set(rows(5n));
    assert.equal(first.size, tablesBytes(18) / labelBytes);
    assert.isFalse([...rows(5n), ...rows(6n)].some((row) => first.has(row)));
    // The same labels and the same randomness, another value: the value is in the rows, nowhere else.
    const labels = rng(2 * inputsOf(18) * labelBytes);
    const random = rng(spareBytes(18));
    const [a, b] = [7n, 9n].map((value) => work.garble({ domain, labels, value, depth: 18, random }));
    assert.notDeepEqual(a?.tables, b?.tables);
  });
  it("refuses labels of another circuit", () => {
    assert.throws(() => work.garble({ domain, labels: rng(16), value: 1n, depth: 18, random: rng(spareBytes(18)) }), RangeError);
    assert.throws(() => work.garble({ domain, labels: rng(4 * 64 * 16), value: 1n, depth: 64, random: rng(spareBytes(64)) }), RangeError);
  });
});
