// A statistical audit of a flood sampler: bound, shape, and every low bit. A sampler with too few bits, of another width, or
// made from IEEE doubles (whose low bits are zero, so that an answer modulo 2 is an equation without noise) fails it.

const bits = 62;
const terms = 8;
const lowBits = 16;
/** Chance that an honest sampler fails one of the tests below: 1e-9 (two-sided for single bits). */
const normalQuantile = 6;

export type FloodAudit = {
  readonly withinBound: boolean;
  /** Chi-square of f over cells of its Irwin-Hall distribution, against its limit. */
  readonly shape: { readonly statistic: number; readonly limit: number };
  /** Chi-square of the low 8 and the next 8 bits over 256 values each: the worse one. */
  readonly lowBytes: { readonly statistic: number; readonly limit: number };
  /** Largest |z| of the counts of ones in each of the low 16 bits. */
  readonly lowBits: { readonly statistic: number; readonly limit: number };
  readonly passed: boolean;
};

/** Audits integers that claim to be U_1 + ... + U_8 - 2^64. At least 5,000 of them, or the cells are too small. */
export function auditFlood(values: readonly bigint[]): FloodAudit {
  const n = values.length;
  const withinBound = n >= 5000 && values.every((f) => f <= 1n << 64n && -f <= 1n << 64n);
  const edges = [2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5, 4.75, 5, 5.25, 5.5];
  const expected = [...edges, terms].map((edge, i) => n * (irwinHall(edge) - (i === 0 ? 0 : irwinHall(edges[i - 1] ?? 0))));
  const observed = expected.map(() => 0);
  const low = new Float64Array(256);
  const next = new Float64Array(256);
  const ones = new Float64Array(lowBits);
  for (const f of values) {
    const x = Number(f) / 2 ** bits + terms / 2;
    const cell = edges.findIndex((edge) => x < edge);
    const at = cell < 0 ? edges.length : cell;
    observed[at] = (observed[at] ?? 0) + 1;
    const tail = Number(BigInt.asUintN(lowBits, f));
    low[tail & 255] = (low[tail & 255] ?? 0) + 1;
    next[tail >> 8] = (next[tail >> 8] ?? 0) + 1;
    for (let b = 0; b < lowBits; b++) ones[b] = (ones[b] ?? 0) + ((tail >> b) & 1);
  }
  const shape = { statistic: chiSquare(observed, (i) => expected[i] ?? 0), limit: chiSquareLimit(edges.length) };
  const lowBytes = { statistic: Math.max(chiSquare(low, () => n / 256), chiSquare(next, () => n / 256)), limit: chiSquareLimit(255) };
  const single = { statistic: Math.max(...ones.map((count) => Math.abs(count - n / 2) / Math.sqrt(n / 4))), limit: normalQuantile };
  const passed = withinBound && [shape, lowBytes, single].every((t) => t.statistic <= t.limit);
  return { withinBound, shape, lowBytes, lowBits: single, passed };
}

/** Distribution function of the sum of 8 uniforms on [0, 1]. */
function irwinHall(x: number): number {
  let sum = 0;
  let binomial = 1;
  let factorial = 1;
  for (let k = 1; k <= terms; k++) factorial *= k;
  for (let k = 0; k <= Math.floor(x) && k <= terms; k++) {
    sum += (k % 2 === 0 ? 1 : -1) * binomial * (x - k) ** terms;
    binomial = (binomial * (terms - k)) / (k + 1);
  }
  return Math.min(1, sum / factorial);
}

function chiSquare(observed: ArrayLike<number>, expected: (i: number) => number): number {
  return Array.from(observed).reduce((sum, o, i) => sum + (o - expected(i)) ** 2 / expected(i), 0);
}

/** The upper point of a chi-square distribution at `normalQuantile` (Wilson and Hilferty 1931). */
function chiSquareLimit(degrees: number): number {
  const spread = 2 / (9 * degrees);
  return degrees * (1 - spread + normalQuantile * Math.sqrt(spread)) ** 3;
}
