// Why every answer is flooded. The kernel's algebra on a small ring (degree 16, the real q), with a querier who keeps what it
// knows: y - H s is a linear equation on (D, r_c, z_c) with known coefficients, and only the flood hides it.
import { assert } from "chai";
import { describe, it } from "mocha";
import type { Rng } from "../../core/env.ts";
import { modulus as q } from "../../kernels/params.ts";
import { centred, decodeSum, integers, inverse, rngOf } from "./support.ts";

const degree = 16;
const rows = 24;
const blocks = 2;
const tBits = 38;
const unknowns = rows + 2 * degree;
type Poly = bigint[];
type Equation = { readonly coefficients: bigint[]; readonly value: bigint; readonly flood: number };

const mod = (x: bigint, m = q) => ((x % m) + m) % m;
const uniform = (rng: Rng): bigint => mod(BigInt(`0x${Buffer.from(rng(32)).toString("hex")}`));
const ternary = (rng: Rng): Poly => integers(rng, degree, 3).map((x) => BigInt(x - 1));
const small = (rng: Rng): Poly => integers(rng, degree, 43).map((x) => BigInt(x - 21));
const inner = (a: readonly bigint[], b: readonly bigint[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0n), 0n);
/** u_0 - sum u_i x^(N - i): (~u v)_0 = <u, v>. */
const reversed = (u: Poly): Poly => u.map((_, i) => (i === 0 ? (u[0] ?? 0n) : -(u[degree - i] ?? 0n)));
function times(a: Poly, b: Poly): Poly {
  const out = zeros(degree);
  for (const [i, x] of a.entries()) {
    for (const [j, y] of b.entries()) out[(i + j) % degree] = (out[(i + j) % degree] ?? 0n) + (i + j < degree ? x * y : -x * y);
  }
  return out.map((x) => mod(x));
}
const zeros = (count: number): Poly => Array.from({ length: count }, () => 0n);
const plus = (a: Poly, b: Poly): Poly => a.map((x, i) => mod(x + (b[i] ?? 0n)));

/** The flood of kernels/assembly/sample.ts (test/kernels/flood.test.ts holds them equal). */
function shippedFlood(rng: Rng): bigint {
  return new BigUint64Array(rng(64).buffer).reduce((sum, w) => sum + BigInt.asUintN(62, w), -(1n << 64n));
}
/** A Gaussian of the same width from IEEE doubles. */
function doubleFlood(rng: Rng): bigint {
  const [u = 0, v = 0] = new Uint32Array(rng(8).buffer);
  const normal = Math.sqrt(-2 * Math.log((u + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * v) / 2 ** 32);
  return BigInt(Math.round(normal * Math.sqrt(8 / 12) * 2 ** 62));
}

/** One host cell and many answered queries, as the querier sees them. */
function transcript(label: string, queries: number, flood: (rng: Rng) => bigint): { column: bigint[]; equations: Equation[]; opened: boolean } {
  const rng = rngOf(label);
  const column = integers(rng, rows, 2).map(BigInt);
  const padded = [...column, ...zeros(blocks * degree - rows)];
  const D = [padded.slice(0, degree), padded.slice(degree)];
  const a = D.map(() => Array.from({ length: degree }, () => uniform(rng)));
  const dummy = Array.from({ length: degree }, () => uniform(rng));
  const [r, z] = [ternary(rng), small(rng)];
  const hint = D.reduce((sum, d, j) => plus(sum, times(reversed(d), a[j] ?? [])), plus(times(reversed(r), dummy), z));
  const truncated = hint.map((h) => (h + (1n << 51n)) >> 52n);
  let opened = true;
  const equations = Array.from({ length: queries }, (): Equation => {
    const s = ternary(rng);
    const values = integers(rng, blocks * degree, 2001).map((v, i) => (i < rows ? BigInt(v - 1000) : 0n));
    const message = values.map((v) => (q * v + (1n << BigInt(tBits - 1))) >> BigInt(tBits));
    const errors = [...small(rng), ...small(rng)];
    const added = message.map((m, i) => m + (errors[i] ?? 0n));
    const b = D.map((_, j) => plus(times(a[j] ?? [], s), added.slice(j * degree, (j + 1) * degree)));
    const e = small(rng);
    const y = mod(inner(padded, b.flat()) + inner(r, plus(times(dummy, s), e)) + flood(rng));
    const sum = inner(padded, values);
    const exact = decodeSum(Number((y + (1n << 59n)) >> 60n), inner(truncated, reversed(s)), tBits);
    opened &&= BigInt.asIntN(tBits, exact) === sum;
    const value = centred(y - inner(hint, reversed(s)));
    // value = sum D_i (message_i + errors_i) + <r, e> - (z s)_0 + flood, over the integers.
    const coefficients = [...added.slice(0, rows), ...e, ...reversed(s).map((x) => -x)];
    return { coefficients, value, flood: Number(value - (q * sum) / (1n << BigInt(tBits))) };
  });
  return { column, equations, opened };
}

/** Gaussian elimination mod a prime: the unique solution, or undefined if there is none or more than one. */
function solve(equations: readonly Equation[], p: bigint): bigint[] | undefined {
  const matrix = equations.map(({ coefficients, value }) => [...coefficients, value].map((x) => mod(x, p)));
  for (let column = 0; column < unknowns; column++) {
    const pivot = matrix.findIndex((row, i) => i >= column && row[column] !== 0n);
    if (pivot < 0) return undefined;
    [matrix[column], matrix[pivot]] = [matrix[pivot] ?? [], matrix[column] ?? []];
    const top = matrix[column] ?? [];
    const scale = p === 2n ? 1n : inverse(top[column] ?? 1n, p);
    for (let k = column; k <= unknowns; k++) top[k] = mod((top[k] ?? 0n) * scale, p);
    for (const [i, row] of matrix.entries()) {
      const factor = row[column] ?? 0n;
      if (i === column || factor === 0n) continue;
      for (let k = column; k <= unknowns; k++) row[k] = mod((row[k] ?? 0n) - factor * (top[k] ?? 0n), p);
    }
  }
  if (matrix.slice(unknowns).some((row) => row[unknowns] !== 0n)) return undefined;
  return matrix.slice(0, unknowns).map((row) => row[unknowns] ?? 0n);
}

const large = (1n << 61n) - 1n;
const matches = (solution: bigint[] | undefined, column: bigint[]) => column.filter((d, i) => solution?.[i] === d).length;

describe("kernels: the attack that the flood stops", () => {
  it("without a flood the querier solves the host's column exactly", () => {
    const { column, equations, opened } = transcript("attack/none", unknowns + 4, () => 0n);
    assert.isTrue(opened);
    assert.equal(matches(solve(equations, large), column), rows);
  });

  it("with a flood made from doubles it solves the column modulo 2, from the answers whose flood is large", () => {
    const { column, equations } = transcript("attack/double", 160, doubleFlood);
    const clean = equations.filter((e) => Math.abs(e.flood) > 2 ** 61);
    assert.isAbove(clean.length, unknowns);
    assert.equal(matches(solve(clean, 2n), column), rows);
  });

  it("with the shipped flood the same solvers find nothing, and the rounded hint and answers still open to the exact sums", () => {
    const { column, equations, opened } = transcript("attack/shipped", 160, shippedFlood);
    assert.isTrue(opened);
    assert.isUndefined(solve(equations, large), "the equations contradict each other");
    assert.equal(matches(solve(equations.slice(0, unknowns), large), column), 0);
    assert.isUndefined(solve(equations.filter((e) => Math.abs(e.flood) > 2 ** 61), 2n));
    // As many equations as unknowns always have some solution modulo 2: it agrees with the column as a coin does.
    const guesses = Array.from({ length: 8 }, (_, k) => solve(equations.slice(k * 12, k * 12 + unknowns), 2n)).filter((s) => s !== undefined);
    assert.isAbove(guesses.length, 0);
    const share = guesses.reduce((sum, s) => sum + matches(s, column), 0) / (guesses.length * rows);
    assert.isBelow(Math.abs(share - 0.5), 0.3);
  });
});
