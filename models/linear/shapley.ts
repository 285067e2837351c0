// Exact Shapley split of explained variance over parties, from the moments alone: R^2 of every subset of parties.
// Nothing further is opened for it. Least squares without ridge, so that R^2 grows with the subset.
import { AppError } from "../../core/errors.ts";
import { collinearTolerance } from "./matrix.ts";
import { standardise, type Moments } from "./moments.ts";

export type PartyColumns = { readonly party: string; readonly columns: readonly number[] };
export type ShapleyShares = {
  /** R^2 of all columns, and of the guest's alone. */
  readonly r2: number;
  readonly guestR2: number;
  /** `ofWhole`: share of r2, sums to 1 over all parties. `ofGain`: share of r2 - guestR2 over the hosts (0 for the guest), sums to 1.
   *  `alone`: R^2 of that party's columns only. All are 0 when there is nothing to split. */
  readonly parties: { readonly party: string; readonly alone: number; readonly ofWhole: number; readonly ofGain: number }[];
};

const maxParties = 17;

/** Throws MODEL_TOO_MANY_PARTIES above seventeen parties (a guest and sixteen hosts) and MODEL_SHAPE when the guest is not among them. */
export function shapleyShares(moments: Moments, parties: readonly PartyColumns[], guest: string): ShapleyShares {
  const k = parties.length;
  const guestAt = parties.findIndex((p) => p.party === guest);
  if (k > maxParties) throw new AppError("MODEL_TOO_MANY_PARTIES", { parties: k });
  if (guestAt < 0) throw new AppError("MODEL_SHAPE", { guestListed: false });
  const values = subsetR2(moments, parties.map((p) => p.columns));
  const everyone = (1 << k) - 1;
  const guestBit = 1 << guestAt;
  const r2 = values[everyone] ?? 0;
  const guestR2 = values[guestBit] ?? 0;
  const gain = r2 - guestR2;
  const whole = shapley(k, (set) => values[set] ?? 0);
  // The game of the hosts: what a set of hosts adds to the guest.
  const hosts = shapley(k, (set) => (values[set | guestBit] ?? 0) - guestR2);
  return {
    r2,
    guestR2,
    parties: parties.map((p, i) => ({
      party: p.party,
      alone: values[1 << i] ?? 0,
      ofWhole: r2 > 0 ? (whole[i] ?? 0) / r2 : 0,
      ofGain: gain > 1e-12 && i !== guestAt ? (hosts[i] ?? 0) / gain : 0,
    })),
  };
}

function shapley(k: number, value: (set: number) => number): number[] {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
  return Array.from({ length: k }, (_, i) => {
    let sum = 0;
    for (let set = 0; set < 1 << k; set++) {
      if (set & (1 << i)) continue;
      const size = popcount(set);
      sum += ((factorial(size) * factorial(k - size - 1)) / factorial(k)) * (value(set | (1 << i)) - value(set));
    }
    return sum;
  });
}

function popcount(set: number): number {
  let count = 0;
  for (let rest = set; rest > 0; rest &= rest - 1) count++;
  return count;
}

/** R^2 of all 2^k subsets of groups. Depth first over the groups; each node holds only the Schur complement of the groups that
 *  are still open, so that the many deep nodes are the cheap ones. */
function subsetR2(moments: Moments, groups: readonly (readonly number[])[]): Float64Array {
  const s = standardise(moments);
  const sizes = groups.map((group) => group.filter((c) => (s.sd[c] ?? 0) > 0));
  const order = [...sizes.flat(), s.d];
  const full = new Float64Array(order.length ** 2);
  order.forEach((a, i) => order.forEach((b, j) => {
    full[i * order.length + j] = s.corr[a * (s.d + 1) + b] ?? 0;
  }));
  const values = new Float64Array(1 << groups.length);
  const visit = (group: number, set: number, matrix: Float64Array, width: number): void => {
    const size = sizes[group]?.length;
    if (size === undefined) {
      values[set] = Math.min(1, Math.max(0, 1 - (matrix[0] ?? 1)));
      return;
    }
    visit(group + 1, set, trailing(matrix, width, size), width - size);
    const swept = Float64Array.from(matrix);
    for (let k = 0; k < size; k++) eliminate(swept, width, k);
    visit(group + 1, set | (1 << group), trailing(swept, width, size), width - size);
  };
  visit(0, 0, full, order.length);
  return values;
}

function eliminate(a: Float64Array, width: number, k: number): void {
  const pivot = a[k * width + k] ?? 0;
  if (pivot <= collinearTolerance) return;
  for (let i = k + 1; i < width; i++) {
    const factor = (a[i * width + k] ?? 0) / pivot;
    if (factor === 0) continue;
    for (let j = k + 1; j < width; j++) a[i * width + j] = (a[i * width + j] as number) - factor * (a[k * width + j] as number);
  }
}

function trailing(a: Float64Array, width: number, from: number): Float64Array {
  const size = width - from;
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) out.set(a.subarray((from + i) * width + from, (from + i + 1) * width), i * size);
  return out;
}
