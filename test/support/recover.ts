// The attacks of the tests: what somebody with exact sums can make of them. They get only what the attacker has.
import { cholesky, solveCholesky } from "../../models/linear/matrix.ts";

/** Bins of single rows from linear sums of their codes, by the best linear estimate and Bayes' rule row by row. Rows after the first
 *  `summed` were in no sum: what it finds there follows from the correlations alone. */
export function recoverBins(known: {
  /** What the guest knows per row. */
  readonly label: Uint8Array;
  readonly summed: number;
  /** Rows and bads of each bin, and the code of each bin: counted and chosen by the guest. */
  readonly bins: readonly { readonly total: number; readonly events: number }[];
  readonly codes: readonly number[];
  /** The guest's vectors, and the sum of vector times code over the rows for each of them. */
  readonly vectors: readonly ArrayLike<number>[];
  readonly sums: readonly number[];
}): Uint8Array {
  const { label, bins, codes, vectors, sums, summed: n } = known;
  const classes = [0, 1].map((y) => {
    const counts = bins.map((b) => (y === 1 ? b.events : b.total - b.events));
    const rows = counts.reduce((a, b) => a + b, 0);
    const prior = counts.map((c) => c / rows);
    const mean = prior.reduce((sum, p, b) => sum + p * (codes[b] ?? 0), 0);
    const variance = prior.reduce((sum, p, b) => sum + p * ((codes[b] ?? 0) - mean) ** 2, 0);
    return { rows, prior, mean, variance };
  });
  const of = (row: number): (typeof classes)[number] => classes[label[row] ?? 0] as (typeof classes)[number];
  // Class means of the codes are known exactly: only what a vector does inside a class is news.
  const centred = vectors.map((v) => {
    const means = [0, 1].map((y) => {
      let sum = 0;
      for (let i = 0; i < n; i++) if (label[i] === y) sum += v[i] ?? 0;
      return sum / Math.max(1, classes[y]?.rows ?? 1);
    });
    return Float64Array.from(label, (y, i) => (v[i] ?? 0) - (means[y] ?? 0));
  });
  const news = sums.map((sum, q) => {
    let explained = 0;
    for (let i = 0; i < n; i++) explained += (vectors[q]?.[i] ?? 0) * of(i).mean;
    return sum - explained;
  });
  const k = vectors.length;
  const matrix = new Float64Array(k * k);
  for (let a = 0; a < k; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      const [x, z] = [centred[a] as Float64Array, centred[b] as Float64Array];
      for (let i = 0; i < n; i++) sum += of(i).variance * (x[i] as number) * (z[i] as number);
      matrix[a * k + b] = sum;
      matrix[b * k + a] = sum;
    }
  }
  for (let a = 0; a < k; a++) matrix[a * k + a] = (matrix[a * k + a] ?? 0) * (1 + 1e-9) + 1e-9;
  const factor = cholesky(matrix, k);
  if (!factor) throw new Error("the vectors are not independent");
  const weights = solveCholesky(factor, k, Float64Array.from(news));
  const share = Math.min(k / n, 1 - 1e-6);
  return Uint8Array.from(label, (_, i) => {
    const { mean, variance, prior } = of(i);
    let shift = 0;
    for (let q = 0; q < k; q++) shift += (weights[q] ?? 0) * (centred[q]?.[i] ?? 0);
    // The estimate moves by `share` of the truth and has the noise of what it does not see.
    const value = mean + (variance * shift) / share;
    const noise = (variance * (1 - share)) / share + 1e-6;
    const score = codes.map((code, b) => Math.log((prior[b] ?? 0) + 1e-300) - (value - code) ** 2 / (2 * noise));
    return score.indexOf(Math.max(...score));
  });
}

/** Share of the rows whose bin is found by naming, for each class of the label, its most frequent bin. */
export function baseRate(label: Uint8Array, binOf: ArrayLike<number>, bins: readonly { readonly total: number; readonly events: number }[]): number {
  const guess = [bins.map((b) => b.total - b.events), bins.map((b) => b.events)].map((counts) => counts.indexOf(Math.max(...counts)));
  return label.reduce((sum, y, i) => sum + (guess[y] === binOf[i] ? 1 : 0), 0) / label.length;
}

/** The nearest point with these inner products: an orthonormal basis of the vectors, with the products carried along, so that it is
 *  linear algebra on what the attacker has. */
function projection(vectors: readonly Float64Array[], products: readonly number[]): (y: Float64Array) => Float64Array {
  const basis: Float64Array[] = [];
  const values: number[] = [];
  for (const [at, vector] of vectors.entries()) {
    const v = Float64Array.from(vector);
    const whole = Math.sqrt(dot(v, v));
    let value = products[at] ?? 0;
    for (let pass = 0; pass < 2; pass++) {
      for (const [k, q] of basis.entries()) {
        const along = dot(v, q);
        for (let i = 0; i < v.length; i++) v[i] = (v[i] as number) - along * (q[i] as number);
        value -= along * (values[k] ?? 0);
      }
    }
    const length = Math.sqrt(dot(v, v));
    if (length < 1e-6 * whole) continue;
    basis.push(v.map((x) => x / length));
    values.push(value / length);
  }
  return (y) => {
    const out = Float64Array.from(y);
    for (const [k, q] of basis.entries()) {
      const miss = (values[k] ?? 0) - dot(y, q);
      for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + miss * (q[i] as number);
    }
    return out;
  };
}

/** The best linear estimate of labels that are 1 with the given probabilities, given their sums over sets of rows. */
export function likelyLabels(sets: readonly Uint8Array[], sums: readonly number[], probability: Float64Array): Float64Array {
  const sd = probability.map((p) => Math.sqrt(p * (1 - p)));
  const vectors = sets.map((set) => sd.map((s, i) => s * (set[i] ?? 0)));
  const expected = sets.map((set) => probability.reduce((sum, p, i) => sum + p * (set[i] ?? 0), 0));
  const off = projection(vectors, sums.map((sum, k) => sum - (expected[k] ?? 0)))(new Float64Array(probability.length));
  return probability.map((p, i) => p + (sd[i] ?? 0) * (off[i] ?? 0));
}

/** Labels of single rows from their sums over sets of rows, by Douglas-Rachford between "these are the sums" and "each label is 0 or 1",
 *  from a first guess in [0, 1]. Returns a score per row. */
export function recoverLabels(sets: readonly Uint8Array[], sums: readonly number[], guess: Float64Array, steps = 400): Float64Array {
  const n = guess.length;
  const ontoSums = projection(sets.map((set) => Float64Array.from(set)), sums);
  const ontoLabels = (y: Float64Array): Float64Array => y.map((x) => (x > 0.5 ? 1 : 0));
  let state = Float64Array.from(guess);
  let projected = ontoSums(state);
  const seen = new Float64Array(n);
  for (let step = 0; step < steps; step++) {
    const reflected = projected.map((x, i) => 2 * x - (state[i] as number));
    const labels = ontoLabels(reflected);
    state = state.map((x, i) => x + (labels[i] as number) - (projected[i] as number));
    projected = ontoSums(state);
    // The average over the second half is steadier than the last point where there is more than one solution.
    if (step >= steps / 2) for (let i = 0; i < n; i++) seen[i] = (seen[i] as number) + (projected[i] as number);
  }
  return seen.map((x) => x / (steps / 2));
}

/** Share of bads among the rows of the highest scores, as many as there are bads. */
export function topPrecision(score: Float64Array, label: Uint8Array): number {
  const bads = label.reduce((a, b) => a + b, 0);
  const order = [...score.keys()].sort((a, b) => (score[b] ?? 0) - (score[a] ?? 0)).slice(0, bads);
  return order.reduce((sum, i) => sum + (label[i] ?? 0), 0) / bads;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}
