// Lattice reduction against the sums of one small node: which of its rows are in a bin, from the exact sum of their gradients and of their
// curvatures (subset sum by LLL; Coster, Joux, LaMacchia, Odlyzko, Schnorr and Stern, "Improved low-density subset sum algorithms", 1992).

type Row = Float64Array;

/** Steps of the lattice per half unit of a row's bit: noisy equations count less than a row each and must not be rounded away. */
const grain = 256;

/** Rows of the node that are in the bin, or nothing when the reduced basis has no such vector. `weights`: per equation the weight of each
 *  row; `sums`: what was opened; `scale`: per equation what one unit of its error counts, against 1 for a row: large for an exact sum, one over
 *  the deviation for a noisy one. Weights times scale below 2^30 or so: the lattice is reduced in double precision. */
export function subsetOf(weights: readonly ArrayLike<number>[], sums: readonly number[], scale: readonly number[]): Uint8Array | undefined {
  const n = weights[0]?.length ?? 0;
  const width = n + weights.length;
  // Rows e_i doubled and the target at the middle of the cube: every subset is a vector of plus and minus ones.
  const basis = Array.from({ length: n + 1 }, (_, i): Row => Float64Array.from({ length: width }, (_x, c) => {
    if (c < n) return grain * (i === n ? 1 : i === c ? 2 : 0);
    const e = c - n;
    return Math.round(grain * (scale[e] as number) * (i === n ? (sums[e] as number) : (weights[e]?.[i] as number)));
  }));
  lll(basis, 0.99);
  // What is left of the sums must be zero where they are exact; the best candidate of a noisy one is as near as its noise.
  const candidates = basis.filter((v) => v.subarray(0, n).every((x) => Math.abs(x) === grain));
  const error = (v: Row): number => v.subarray(n).reduce((sum, x) => sum + x * x, 0);
  const best = candidates.sort((a, b) => error(a) - error(b))[0];
  if (best === undefined) return undefined;
  // The target stands in it with either sign: the ones are the subset or its complement.
  const sign = [1, -1].map((s) => Uint8Array.from(best.subarray(0, n), (x) => (x === s * grain ? 1 : 0)));
  const sumOf = (x: Uint8Array, w: ArrayLike<number>): number => x.reduce((sum, bit, i) => sum + bit * (w[i] as number), 0);
  const miss = (x: Uint8Array): number => weights.reduce((all, w, e) => all + (scale[e] as number) * Math.abs(sumOf(x, w) - (sums[e] as number)), 0);
  return miss(sign[0] as Uint8Array) <= miss(sign[1] as Uint8Array) ? sign[0] : sign[1];
}

/** Lenstra, Lenstra and Lovász, in place, with a Gram-Schmidt basis in double precision: for a few dozen dimensions. */
export function lll(basis: Row[], delta: number): void {
  const n = basis.length;
  const mu = Array.from({ length: n }, () => new Float64Array(n));
  const norms = new Float64Array(n);
  const star: Row[] = basis.map((b) => Float64Array.from(b));
  const orthogonalise = (i: number): void => {
    const own = Float64Array.from(basis[i] as Row);
    for (let j = 0; j < i; j++) {
      const m = norms[j] === 0 ? 0 : dot(basis[i] as Row, star[j] as Row) / (norms[j] as number);
      (mu[i] as Float64Array)[j] = m;
      addTo(own, star[j] as Row, -m);
    }
    star[i] = own;
    norms[i] = dot(own, own);
  };
  orthogonalise(0);
  for (let k = 1; k < n; ) {
    orthogonalise(k);
    for (let j = k - 1; j >= 0; j--) {
      const q = Math.round((mu[k] as Float64Array)[j] as number);
      if (q === 0) continue;
      addTo(basis[k] as Row, basis[j] as Row, -q);
      for (let l = 0; l < j; l++) (mu[k] as Float64Array)[l] = ((mu[k] as Float64Array)[l] as number) - q * ((mu[j] as Float64Array)[l] as number);
      (mu[k] as Float64Array)[j] = ((mu[k] as Float64Array)[j] as number) - q;
    }
    orthogonalise(k);
    const m = (mu[k] as Float64Array)[k - 1] as number;
    if ((norms[k] as number) >= (delta - m * m) * (norms[k - 1] as number)) k++;
    else {
      [basis[k - 1], basis[k]] = [basis[k] as Row, basis[k - 1] as Row];
      orthogonalise(k - 1);
      k = Math.max(1, k - 1);
    }
  }
}

function dot(a: Row, b: Row): number {
  let s = 0;
  for (let i = 0; i < a.length; i++) s += (a[i] as number) * (b[i] as number);
  return s;
}

function addTo(a: Row, b: Row, times: number): void {
  for (let i = 0; i < a.length; i++) a[i] = (a[i] as number) + times * (b[i] as number);
}
