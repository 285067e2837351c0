// The draws behind the demo data.
import { assert } from "chai";
import { describe, it } from "mocha";
import { streamsOf } from "../../demo/draws.ts";

function moments(draw: () => number, n = 40_000): { mean: number; sd: number } {
  const values = Array.from({ length: n }, draw);
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return { mean, sd: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / n) };
}

describe("draws", () => {
  it("repeat for the same seed and subject, and differ for another of either", () => {
    const first = (seed: number, subject: string): number[] => {
      const draws = streamsOf(seed)(subject);
      return Array.from({ length: 20 }, () => draws.uniform());
    };
    assert.deepEqual(first(7, "tax"), first(7, "tax"));
    assert.notDeepEqual(first(7, "tax"), first(8, "tax"));
    assert.notDeepEqual(first(7, "tax"), first(7, "bank"));
  });

  it("stay uniform over many buffers, without 0 and 1", () => {
    const draws = streamsOf(1)("uniform");
    const cells = new Uint32Array(10);
    for (let i = 0; i < 100_000; i += 1) {
      const u = draws.uniform();
      assert.isTrue(u > 0 && u < 1);
      cells[Math.floor(u * 10)] = (cells[Math.floor(u * 10)] ?? 0) + 1;
    }
    for (const cell of cells) assert.closeTo(cell, 10_000, 500);
  });

  it("have the mean and the spread of their distribution", () => {
    const draws = streamsOf(2)("moments");
    const normal = moments(() => draws.normal());
    assert.closeTo(normal.mean, 0, 0.02);
    assert.closeTo(normal.sd, 1, 0.02);
    const logs = moments(() => Math.log(draws.lognormal(1, 0.5)));
    assert.closeTo(logs.mean, 1, 0.02);
    assert.closeTo(logs.sd, 0.5, 0.02);
    for (const mean of [0.05, 3, 40]) {
      const poisson = moments(() => draws.poisson(mean));
      assert.closeTo(poisson.mean, mean, 0.02 * mean + 0.01);
      assert.closeTo(poisson.sd, Math.sqrt(mean), 0.03 * Math.sqrt(mean) + 0.01);
    }
    assert.closeTo(moments(() => draws.exponential(5)).mean, 5, 0.15);
    assert.closeTo(moments(() => (draws.bernoulli(0.3) ? 1 : 0)).mean, 0.3, 0.01);
  });

  it("pick in proportion to the weights and never what weighs nothing", () => {
    const draws = streamsOf(3)("pick");
    const counts = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 30_000; i += 1) counts[draws.pick(["a", "b", "c"] as const, (k) => ({ a: 1, b: 0, c: 2 })[k])] += 1;
    assert.strictEqual(counts.b, 0);
    assert.closeTo(counts.a, 10_000, 400);
  });
});
