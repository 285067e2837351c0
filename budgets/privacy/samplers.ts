// Exact samplers of integer noise: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy", NeurIPS 2020 (arXiv 2004.00010), algorithms
// 1 to 3. Whole numbers only, from uniform bits: no floating point, so that what is drawn has the stated distribution to the last digit (Mironov, CCS 2012,
// for what goes wrong otherwise). They reject, so their time depends on the draw: never time a release where others can see it.
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";

/** A fraction >= 0 of whole numbers. */
export type Fraction = { readonly n: bigint; readonly d: bigint };

function requireFraction({ n, d }: Fraction, isPositive = true): void {
  if (d <= 0n || n < 0n || (isPositive && n === 0n)) throw new AppError("BUDGET_PRIVACY_PRICE");
}

/** A uniform integer of [0, below), by rejection. */
export function uniform(below: bigint, rng: Rng): bigint {
  if (below <= 0n) throw new AppError("BUDGET_PRIVACY_PRICE");
  const bits = (below - 1n).toString(2).length;
  const bytes = Math.ceil(bits / 8);
  const spare = BigInt(bytes * 8 - bits);
  for (;;) {
    const drawn = BigInt(`0x${Buffer.from(rng(bytes)).toString("hex")}`) >> spare;
    if (drawn < below) return drawn;
  }
}

/** True with probability n/d <= 1. */
export function bernoulli({ n, d }: Fraction, rng: Rng): boolean {
  return uniform(d, rng) < n;
}

/** True with probability exp(-x). */
export function bernoulliExp(x: Fraction, rng: Rng): boolean {
  requireFraction(x, false);
  const whole = x.n / x.d;
  for (let k = 0n; k < whole; k++) if (!bernoulliExpBelowOne({ n: 1n, d: 1n }, rng)) return false;
  return bernoulliExpBelowOne({ n: x.n % x.d, d: x.d }, rng);
}

/** Algorithm 1, x <= 1: the series of exp(-x) as a game that ends at step k with probability x^(k-1)/(k-1)! - x^k/k!. */
function bernoulliExpBelowOne({ n, d }: Fraction, rng: Rng): boolean {
  let k = 1n;
  while (bernoulli({ n, d: d * k }, rng)) k++;
  return k % 2n === 1n;
}

/** Algorithm 2: P[x] is proportional to exp(-|x| / scale). */
export function discreteLaplace(scale: Fraction, rng: Rng): bigint {
  requireFraction(scale);
  const { n: t, d: s } = scale;
  for (;;) {
    const u = uniform(t, rng);
    if (!bernoulliExp({ n: u, d: t }, rng)) continue;
    let v = 0n;
    while (bernoulliExpBelowOne({ n: 1n, d: 1n }, rng)) v++;
    const size = (u + t * v) / s;
    const isNegative = uniform(2n, rng) === 1n;
    if (isNegative && size === 0n) continue;
    return isNegative ? -size : size;
  }
}

/** Algorithm 3: P[x] is proportional to exp(-x^2 / (2 variance)). */
export function discreteGaussian(variance: Fraction, rng: Rng): bigint {
  requireFraction(variance);
  const { n, d } = variance;
  const t = floorSqrt(n / d) + 1n;
  for (;;) {
    const y = discreteLaplace({ n: t, d: 1n }, rng);
    const size = y < 0n ? -y : y;
    // (|y| - variance/t)^2 / (2 variance), over one denominator.
    const away = size * d * t - n;
    if (bernoulliExp({ n: away * away, d: 2n * n * d * t * t }, rng)) return y;
  }
}

/** Largest whole number whose square is at most `of`. */
export function floorSqrt(of: bigint): bigint {
  if (of < 2n) return of;
  let x = 1n << BigInt(Math.ceil(of.toString(2).length / 2));
  for (;;) {
    const next = (x + of / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
