// Tails of the distributions that tests of a model need: normal, chi-square, binomial; and the correction for many tests at once.
import { incompleteBeta, lnGamma } from "../linear/student.ts";

/** P(Z >= z). */
export function normalTail(z: number): number {
  const tail = 0.5 * upperGamma(0.5, (z * z) / 2);
  return z >= 0 ? tail : 1 - tail;
}

/** P(|Z| >= |z|). */
export function normalPValue(z: number): number {
  return Math.min(1, 2 * normalTail(Math.abs(z)));
}

/** z with P(|Z| <= z) = level, 0 < level < 1: 1.96 for 0.95. */
export function normalWidth(level: number): number {
  let low = 0;
  let high = 40;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (normalPValue(middle) > 1 - level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(X >= x) for chi-square with `dof` degrees of freedom. */
export function chiSquareTail(x: number, dof: number): number {
  return x <= 0 || dof <= 0 ? 1 : upperGamma(dof / 2, x / 2);
}

/** Exact two-sided p-value of k events among n at probability p: twice the smaller tail, at most 1. */
export function binomialPValue(k: number, n: number, p: number): number {
  const atMost = k >= n ? 1 : incompleteBeta(n - k, k + 1, 1 - p);
  const atLeast = k <= 0 ? 1 : incompleteBeta(k, n - k + 1, p);
  return Math.min(1, 2 * Math.min(atMost, atLeast));
}

/** p-values adjusted for the number of tests, in the given order (Holm 1979): all that stay below alpha may be called significant, with a chance of
 *  alpha of one false call among them. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => (pValues[a] ?? 0) - (pValues[b] ?? 0));
  const out = pValues.map(() => 1);
  let least = 0;
  order.forEach((i, rank) => {
    least = Math.max(least, Math.min(1, (pValues.length - rank) * (pValues[i] ?? 1)));
    out[i] = least;
  });
  return out;
}

/** Q(a, x), the regularised upper incomplete gamma function: series below a + 1, continued fraction of Lentz above. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - lnGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 100_000 && term > sum * 1e-17; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - front * sum);
  }
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 100_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (Math.abs(an * d + b) < tiny ? tiny : an * d + b);
    c = Math.abs(b + an / c) < tiny ? tiny : b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return front * h;
}
