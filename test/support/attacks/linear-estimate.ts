// The best linear estimate of which bin each row is in, from opened sums: Gaussian elimination in the space of the equations or of the
// rows, whichever is smaller. Pure.
import type { TreeView } from "./tree-view.ts";

/** By row, the nodes that hold it and its weights in them, over the noise's deviation: equation 2q is g of node q, 2q + 1 its h. */
export type RowEquations = {
  readonly nodes: number; readonly first: Int32Array; readonly node: Int32Array; readonly g: Float64Array; readonly h: Float64Array;
  /** Units of one step of g and of h: opened sums are divided by them, too. */
  readonly unit: { readonly g: number; readonly h: number };
};

/** Stands for no noise: small against any weight, large enough for the arithmetic. */
const exactUnit = 0.25;

/** Of the first `most` nodes: fewer make a weaker attack, and less work. */
export function equationsOf(view: TreeView, most = Infinity): RowEquations {
  const nodes = view.nodes.slice(0, most);
  const unit = { g: view.sd.g || exactUnit, h: view.sd.h || exactUnit };
  const first = new Int32Array(view.trainRows + 1);
  for (const { rows } of nodes) for (const row of rows) first[row + 1] = (first[row + 1] as number) + 1;
  for (let row = 0; row < view.trainRows; row++) first[row + 1] = (first[row + 1] as number) + (first[row] as number);
  const all = first[view.trainRows] as number;
  const [node, g, h] = [new Int32Array(all), new Float64Array(all), new Float64Array(all)];
  const next = first.slice();
  for (const [q, asked] of nodes.entries()) {
    for (let i = 0; i < asked.rows.length; i++) {
      const row = asked.rows[i] as number;
      const at = next[row] as number;
      next[row] = at + 1;
      node[at] = q;
      g[at] = (asked.g[i] as number) / unit.g;
      h[at] = (asked.h[i] as number) / unit.h;
    }
  }
  return { nodes: nodes.length, first, node, g, h, unit };
}

/** Estimates, for every row of `rows` and every bin, the probability that the row is in that bin. Beforehand each row is in bin b with
 *  probability `shares[b]`, apart from all others, and no other row is. `sums`: per bin what was opened, in the order of the equations. Bins of
 *  several columns may stand together. Returns rows x bins. */
export function estimateBins(eq: RowEquations, rows: Int32Array, shares: readonly number[], sums: readonly Float64Array[]): Float64Array {
  const bins = shares.length;
  const equations = 2 * eq.nodes;
  // One variance for all: fine bins are nearly of one size, and one factorisation serves them all.
  const variance = Math.max(1e-9, shares.reduce((sum, p) => sum + p * (1 - p), 0) / bins);
  const whole = applied(eq, rows);
  // What each sum says beyond the shares: equations x bins.
  const news = new Float64Array(equations * bins);
  for (let b = 0; b < bins; b++) {
    for (let e = 0; e < equations; e++) {
      const opened = (sums[b]?.[e] as number) / (e % 2 === 0 ? eq.unit.g : eq.unit.h);
      news[e * bins + b] = opened - (shares[b] as number) * (whole[e] as number);
    }
  }
  const off = rows.length < equations ? byRows(eq, rows, news, bins, variance) : byEquations(eq, rows, news, bins, variance);
  for (let i = 0; i < rows.length; i++) for (let b = 0; b < bins; b++) off[i * bins + b] = (off[i * bins + b] as number) + (shares[b] as number);
  return off;
}

/** Sum of the rows' weights in every equation. */
function applied(eq: RowEquations, rows: Int32Array): Float64Array {
  const out = new Float64Array(2 * eq.nodes);
  for (const row of rows) {
    for (let at = eq.first[row] as number; at < (eq.first[row + 1] as number); at++) {
      const q = 2 * (eq.node[at] as number);
      out[q] = (out[q] as number) + (eq.g[at] as number);
      out[q + 1] = (out[q + 1] as number) + (eq.h[at] as number);
    }
  }
  return out;
}

/** variance A' (variance A A' + 1)^-1 news. */
function byEquations(eq: RowEquations, rows: Int32Array, news: Float64Array, bins: number, variance: number): Float64Array {
  const size = 2 * eq.nodes;
  const gram = new Float64Array(size * size);
  for (const row of rows) {
    const [from, to] = [eq.first[row] as number, eq.first[row + 1] as number];
    for (let a = from; a < to; a++) {
      const ga = (eq.g[a] as number) * variance;
      const ha = (eq.h[a] as number) * variance;
      const upper = 2 * (eq.node[a] as number) * size;
      const lower = upper + size;
      for (let b = from; b <= a; b++) {
        const column = 2 * (eq.node[b] as number);
        const gb = eq.g[b] as number;
        const hb = eq.h[b] as number;
        gram[upper + column] = (gram[upper + column] as number) + ga * gb;
        gram[upper + column + 1] = (gram[upper + column + 1] as number) + ga * hb;
        gram[lower + column] = (gram[lower + column] as number) + ha * gb;
        gram[lower + column + 1] = (gram[lower + column + 1] as number) + ha * hb;
      }
    }
  }
  for (let e = 0; e < size; e++) gram[e * size + e] = (gram[e * size + e] as number) + 1;
  solve(gram, size, news, bins);
  const out = new Float64Array(rows.length * bins);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    for (let at = eq.first[row] as number; at < (eq.first[row + 1] as number); at++) {
      const [g, h] = [variance * (eq.g[at] as number), variance * (eq.h[at] as number)];
      const q = 2 * (eq.node[at] as number) * bins;
      for (let b = 0; b < bins; b++) out[i * bins + b] = (out[i * bins + b] as number) + g * (news[q + b] as number) + h * (news[q + bins + b] as number);
    }
  }
  return out;
}

/** The same as (A' A + 1 / variance)^-1 A' news. */
function byRows(eq: RowEquations, rows: Int32Array, news: Float64Array, bins: number, variance: number): Float64Array {
  const size = rows.length;
  const gram = new Float64Array(size * size);
  const out = new Float64Array(size * bins);
  // Members of each node among the rows.
  const members: { row: number; g: number; h: number }[][] = Array.from({ length: eq.nodes }, () => []);
  for (let i = 0; i < size; i++) {
    const row = rows[i] as number;
    for (let at = eq.first[row] as number; at < (eq.first[row + 1] as number); at++) {
      const q = eq.node[at] as number;
      const [g, h] = [eq.g[at] as number, eq.h[at] as number];
      members[q]?.push({ row: i, g, h });
      const [ofG, ofH] = [2 * q * bins, (2 * q + 1) * bins];
      for (let b = 0; b < bins; b++) out[i * bins + b] = (out[i * bins + b] as number) + g * (news[ofG + b] as number) + h * (news[ofH + b] as number);
    }
  }
  for (const of of members) {
    const [index, g, h] = [Int32Array.from(of, (m) => m.row), Float64Array.from(of, (m) => m.g), Float64Array.from(of, (m) => m.h)];
    for (let a = 0; a < index.length; a++) {
      const at = (index[a] as number) * size;
      const [ga, ha] = [g[a] as number, h[a] as number];
      for (let b = 0; b <= a; b++) gram[at + (index[b] as number)] = (gram[at + (index[b] as number)] as number) + ga * (g[b] as number) + ha * (h[b] as number);
    }
  }
  for (let i = 0; i < size; i++) gram[i * size + i] = (gram[i * size + i] as number) + 1 / variance;
  solve(gram, size, out, bins);
  return out;
}

/** x := a^-1 x for a positive definite `a` (lower half given, overwritten by its Cholesky factor) and `columns` right sides, row-major. */
function solve(a: Float64Array, size: number, x: Float64Array, columns: number): void {
  factorise(a, size);
  const subtract = (from: number, by: number, times: number): void => {
    for (let c = 0; c < columns; c++) x[from + c] = (x[from + c] as number) - times * (x[by + c] as number);
  };
  const divide = (at: number, by: number): void => {
    for (let c = 0; c < columns; c++) x[at + c] = (x[at + c] as number) / by;
  };
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < i; k++) subtract(i * columns, k * columns, a[i * size + k] as number);
    divide(i * columns, a[i * size + i] as number);
  }
  for (let i = size - 1; i >= 0; i--) {
    divide(i * columns, a[i * size + i] as number);
    for (let k = 0; k < i; k++) subtract(k * columns, i * columns, a[i * size + k] as number);
  }
}

/** Lower Cholesky factor in place. Four columns at a time share the loads of a row: it is most of an attack's time. */
function factorise(a: Float64Array, size: number): void {
  const dot = (x: number, y: number, from: number, to: number): number => {
    let s = 0;
    for (let k = from; k < to; k++) s += (a[x + k] as number) * (a[y + k] as number);
    return s;
  };
  for (let i = 0; i < size; i++) {
    const own = i * size;
    let j = 0;
    for (; j + 4 <= i; j += 4) {
      const [o0, o1, o2, o3] = [j * size, (j + 1) * size, (j + 2) * size, (j + 3) * size];
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let k = 0; k < j; k++) {
        const x = a[own + k] as number;
        s0 += x * (a[o0 + k] as number);
        s1 += x * (a[o1 + k] as number);
        s2 += x * (a[o2 + k] as number);
        s3 += x * (a[o3 + k] as number);
      }
      for (const [n, s] of [s0, s1, s2, s3].entries()) {
        const other = (j + n) * size;
        a[own + j + n] = ((a[own + j + n] as number) - s - dot(own, other, j, j + n)) / (a[other + j + n] as number);
      }
    }
    for (; j < i; j++) a[own + j] = ((a[own + j] as number) - dot(own, j * size, 0, j)) / (a[j * size + j] as number);
    a[own + i] = Math.sqrt(Math.max((a[own + i] as number) - dot(own, own, 0, i), 1e-12));
  }
}
