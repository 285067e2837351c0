// Exact noise: chi-square of every sampler against its distribution at fixed seeds, moments, extremes, and no floating point in it.
import { readFileSync } from "node:fs";
import { assert } from "chai";
import { describe, it } from "mocha";
import { bernoulli, bernoulliExp, discreteGaussian, discreteLaplace, floorSqrt, uniform, type Fraction } from "../../budgets/privacy/samplers.ts";
import type { Rng } from "../../core/env.ts";
import { seededRng } from "../../core/rng.ts";

const rngOf = (label: string): Rng => {
  // In large pieces: a cipher call per byte would take most of the time.
  const stream = seededRng(new Uint8Array(32).fill(11), label);
  let rest = stream(65_536);
  return (bytes) => {
    if (rest.length < bytes) rest = stream(Math.max(65_536, bytes));
    const out = rest.slice(0, bytes);
    rest = rest.subarray(bytes);
    return out;
  };
};

/** Standard deviations by which chi-square is off its mean. Cells expected below 10 are pooled. */
function deviation(draws: readonly bigint[], mass: (x: number) => number, reach: number): number {
  const seen = new Map<number, number>();
  for (const x of draws) seen.set(Number(x), (seen.get(Number(x)) ?? 0) + 1);
  let total = 0;
  for (let x = -reach; x <= reach; x++) total += mass(x);
  let chi = 0;
  let cells = 0;
  let pooledExpected = draws.length;
  let pooledSeen = draws.length;
  for (let x = -reach; x <= reach; x++) {
    const expected = (draws.length * mass(x)) / total;
    if (expected < 10) continue;
    const got = seen.get(x) ?? 0;
    chi += (got - expected) ** 2 / expected;
    cells++;
    pooledExpected -= expected;
    pooledSeen -= got;
  }
  if (pooledExpected > 1) {
    chi += (pooledSeen - pooledExpected) ** 2 / pooledExpected;
    cells++;
  }
  return (chi - (cells - 1)) / Math.sqrt(2 * (cells - 1));
}
const number = ({ n, d }: Fraction): number => Number(n) / Number(d);
const draws = (count: number, draw: () => bigint): bigint[] => Array.from({ length: count }, draw);
/** Passed by right samplers but for a chance of about 10^-6. */
const limit = 5.5;

describe("privacy: exact samplers", () => {
  it("uniform integers, also beyond 64 bits", () => {
    const rng = rngOf("uniform");
    for (const below of [2n, 5n, 256n, 257n]) assert.isBelow(deviation(draws(20_000, () => uniform(below, rng)), (x) => (x >= 0 && x < Number(below) ? 1 : 0), 300), limit);
    const huge = 10n ** 40n;
    const mean = draws(2000, () => uniform(huge, rng)).reduce((sum, x) => sum + x, 0n) / 2000n;
    assert.closeTo(Number(mean) / 1e40, 0.5, 5 * Math.sqrt(1 / 12 / 2000));
    assert.equal(uniform(1n, rng), 0n);
    assert.throws(() => uniform(0n, rng), /BUDGET_PRIVACY_PRICE/);
  });

  it("Bernoulli(n/d) and Bernoulli(exp(-x))", () => {
    const rng = rngOf("bernoulli");
    const count = 40_000;
    const share = (draw: () => boolean): number => draws(count, () => (draw() ? 1n : 0n)).reduce((sum, x) => sum + Number(x), 0) / count;
    const near = (got: number, p: number): void => assert.closeTo(got, p, 5 * Math.sqrt((p * (1 - p)) / count) + 1e-12);
    near(share(() => bernoulli({ n: 3n, d: 7n }, rng)), 3 / 7);
    for (const x of [{ n: 0n, d: 1n }, { n: 1n, d: 1000n }, { n: 1n, d: 3n }, { n: 1n, d: 1n }, { n: 5n, d: 2n }, { n: 6n, d: 1n }]) near(share(() => bernoulliExp(x, rng)), Math.exp(-number(x)));
    assert.throws(() => bernoulliExp({ n: -1n, d: 2n }, rng), /BUDGET_PRIVACY_PRICE/);
  });

  it("discrete Laplace: chi-square, variance, at scales below, at and above one", () => {
    for (const scale of [{ n: 1n, d: 3n }, { n: 1n, d: 1n }, { n: 7n, d: 2n }, { n: 4_000_000n, d: 250_000n }]) {
      const rng = rngOf(`laplace ${scale.n}`);
      const s = number(scale);
      const list = draws(20_000, () => discreteLaplace(scale, rng));
      assert.isBelow(deviation(list, (x) => Math.exp(-Math.abs(x) / s), 1000), limit, `${s}`);
      const q = Math.exp(-1 / s);
      const variance = (2 * q) / (1 - q) ** 2;
      const fourth = list.reduce((sum, x) => sum + Number(x) ** 4, 0) / list.length;
      assert.closeTo(list.reduce((sum, x) => sum + Number(x) ** 2, 0) / list.length, variance, 5 * Math.sqrt(fourth / list.length));
    }
  });

  it("discrete Gaussian: chi-square, at variances below, at and above one", () => {
    for (const variance of [{ n: 1n, d: 5n }, { n: 1n, d: 1n }, { n: 22n, d: 7n }, { n: 100n, d: 1n }, { n: 1_000_000n, d: 2500n }]) {
      const rng = rngOf(`gaussian ${variance.n}/${variance.d}`);
      const v = number(variance);
      assert.isBelow(deviation(draws(20_000, () => discreteGaussian(variance, rng)), (x) => Math.exp((-x * x) / (2 * v)), 400), limit, `${v}`);
    }
  });

  it("these checks tell a wrong sampler from a right one", () => {
    const rng = rngOf("wrong");
    const right = draws(20_000, () => discreteGaussian({ n: 4n, d: 1n }, rng));
    assert.isBelow(deviation(right, (x) => Math.exp((-x * x) / 8), 100), limit);
    assert.isAbove(deviation(right, (x) => Math.exp((-x * x) / 8.8), 100), limit, "a variance 10 % off");
    assert.isAbove(deviation(right.map((x) => (x === 0n ? 1n : x)), (x) => Math.exp((-x * x) / 8), 100), limit);
    const twiceZero = draws(20_000, () => discreteLaplace({ n: 1n, d: 1n }, rng)).flatMap((x) => (x === 0n ? [x, x] : [x]));
    assert.isAbove(deviation(twiceZero, (x) => Math.exp(-Math.abs(x)), 100), limit, "zero twice as often: the sign not rejected");
  });

  it("stay exact where doubles end: a deviation of 10^30, and one of 10^-3", () => {
    const rng = rngOf("extreme");
    const sd = 10n ** 30n;
    const far = draws(300, () => discreteGaussian({ n: sd * sd, d: 1n }, rng)).map((x) => Number(x) / 1e30);
    assert.closeTo(far.reduce((sum, x) => sum + x * x, 0) / 300, 1, 5 * Math.sqrt(2 / 300));
    assert.isTrue(draws(300, () => discreteGaussian({ n: sd * sd, d: 1n }, rng)).some((x) => x % 2n !== 0n), "the last digit is drawn, too");
    assert.isTrue(draws(100, () => discreteGaussian({ n: 1n, d: 1_000_000n }, rng)).every((x) => x === 0n));
    for (const square of [0n, 1n, 2n, 3n, 4n, 99n, 100n, 10n ** 40n - 1n, 10n ** 40n]) {
      const root = floorSqrt(square);
      assert.isTrue(root * root <= square && (root + 1n) * (root + 1n) > square);
    }
    for (const bad of [{ n: 0n, d: 1n }, { n: 1n, d: 0n }, { n: -1n, d: 1n }]) {
      assert.throws(() => discreteGaussian(bad, rng), /BUDGET_PRIVACY_PRICE/);
      assert.throws(() => discreteLaplace(bad, rng), /BUDGET_PRIVACY_PRICE/);
    }
  });

  it("have no floating point in them, and no randomness but the one that is given", () => {
    const code = readFileSync(new URL("../../budgets/privacy/samplers.ts", import.meta.url), "utf8").split("\n").filter((line) => !/^\s*(\/\/|\*|\/\*)/.test(line)).join("\n");
    assert.notMatch(code, /Math\.(?!ceil)|Number\(|parseFloat|\d\.\d/);
    const same = (): string => draws(50, () => discreteGaussian({ n: 9n, d: 1n }, rngOf("same"))).join();
    assert.equal(same(), same());
  });
});
