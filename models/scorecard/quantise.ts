// The one total that a host opens per row: its linear part as a small clipped integer, so that the sum over all hosts fits 8 signed
// bits and can be added under masks mod 256. Integers only from here on: the oracle and every host get the same values.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { standardise, type Moments } from "../linear/moments.ts";

const fractionBits = 20;
const totalMax = 127;

/** What one host needs: its partial = clip(round((offset + sum of weight * code) / 2^fractionBits)) in [-clip, clip]. */
export const partyPlanSchema = z.strictObject({
  party: z.string(),
  clip: z.int().min(0).max(totalMax),
  fractionBits: z.literal(fractionBits),
  offset: z.int(),
  /** One per column of that party, in the order of the moments. */
  weights: z.array(z.int()),
});
export const totalsPlanSchema = z.strictObject({
  /** Log odds (or least-squares units) per unit of the total. */
  step: z.number().positive(),
  parties: z.array(partyPlanSchema),
});
export type PartyPlan = z.output<typeof partyPlanSchema>;
export type TotalsPlan = z.output<typeof totalsPlanSchema>;

export type PlanColumn = { readonly party: string; readonly codes: readonly number[] };

/** Chooses step, clips and integer weights for the hosts' parts. A part's range is its possible range, cut at `clipSds` standard
 *  deviations around its mean; clips are in proportion to the half widths and sum to at most 127. `weights` are per code. */
export function planTotals(
  input: {
    readonly columns: readonly PlanColumn[]; readonly weights: readonly number[]; readonly moments: Moments;
    readonly hosts: readonly string[]; readonly clipSds: number;
  },
): TotalsPlan {
  const { columns, weights, moments } = input;
  if (columns.length !== weights.length || columns.length !== moments.sumX.length) {
    throw new AppError("MODEL_SHAPE", { columns: columns.length, weights: weights.length, moments: moments.sumX.length });
  }
  if (input.hosts.length > totalMax) throw new AppError("MODEL_TOO_MANY_PARTIES", { parties: input.hosts.length });
  const s = standardise(moments);
  const parts = input.hosts.map((party) => {
    const own = columns.flatMap((c, i) => (c.party === party ? [i] : []));
    let [low, high, mean, variance] = [0, 0, 0, 0];
    for (const i of own) {
      const products = (columns[i]?.codes ?? []).map((code) => code * (weights[i] ?? 0));
      low += Math.min(0, ...products);
      high += Math.max(0, ...products);
      mean += (weights[i] ?? 0) * (s.mean[i] ?? 0);
      for (const j of own) {
        variance += (weights[i] ?? 0) * (s.sd[i] ?? 0) * (s.corr[i * (s.d + 1) + j] ?? 0) * (weights[j] ?? 0) * (s.sd[j] ?? 0);
      }
    }
    const reach = input.clipSds * Math.sqrt(Math.max(0, variance));
    const from = Math.max(low, mean - reach);
    const to = Math.min(high, mean + reach);
    return { party, own, centre: (from + to) / 2, half: Math.max(0, (to - from) / 2) };
  });
  const whole = parts.reduce((sum, part) => sum + part.half, 0);
  if (whole <= 0) {
    return { step: 1, parties: parts.map((p) => ({ party: p.party, clip: 0, fractionBits, offset: 0, weights: p.own.map(() => 0) })) };
  }
  // Rounding each clip adds at most one half, so the clips sum to at most 127.
  const step = whole / (totalMax - parts.length / 2);
  const unit = 2 ** fractionBits / step;
  return {
    step,
    parties: parts.map((part) => {
      const clip = Math.round(part.half / step);
      const plan = {
        party: part.party,
        clip,
        fractionBits,
        offset: Math.round(-part.centre * unit) + 0,
        weights: part.own.map((i) => Math.round((weights[i] ?? 0) * unit) + 0),
      } as const;
      if (![plan.offset, ...plan.weights].every((v) => Number.isSafeInteger(v * 128))) throw new AppError("MODEL_RANGE", { clip });
      return plan;
    }),
  };
}

/** A host's partial for rows 0..rows-1 from its code columns (in the plan's order). Throws MODEL_SHAPE when they do not fit the plan. */
export function partialTotals(plan: PartyPlan, columns: readonly Int8Array[], rows: number): Int8Array {
  if (columns.length !== plan.weights.length || columns.some((c) => c.length < rows)) {
    throw new AppError("MODEL_SHAPE", { columns: columns.length, weights: plan.weights.length, rows });
  }
  const sums = new Float64Array(rows).fill(plan.offset);
  columns.forEach((column, i) => {
    const weight = plan.weights[i] ?? 0;
    if (weight === 0) return;
    for (let row = 0; row < rows; row++) sums[row] = (sums[row] as number) + weight * (column[row] as number);
  });
  const unit = 2 ** plan.fractionBits;
  return Int8Array.from(sums, (sum) => Math.max(-plan.clip, Math.min(plan.clip, Math.round(sum / unit))));
}

/** Sum of the hosts' partials mod 256, read as signed bytes: exact because the clips sum to at most 127. */
export function addTotals(parts: readonly Int8Array[], rows: number): Int8Array {
  const total = new Int8Array(rows);
  for (const part of parts) {
    if (part.length !== rows) throw new AppError("MODEL_SHAPE", { rows, part: part.length });
    for (let row = 0; row < rows; row++) total[row] = (total[row] as number) + (part[row] as number);
  }
  return total;
}

/** The linear part that a unit of the total stands for, per code column of all hosts: weight = slope * integer weight / 2^fractionBits.
 *  Adds `slope` times the plan to `into` (one entry per column) and returns the constant that goes to the intercept. */
export function addPlanWeights(plan: TotalsPlan, columns: readonly PlanColumn[], slope: number, into: number[]): number {
  let constant = 0;
  for (const part of plan.parties) {
    const own = columns.flatMap((c, i) => (c.party === part.party ? [i] : []));
    own.forEach((column, k) => {
      into[column] = (into[column] ?? 0) + (slope * (part.weights[k] ?? 0)) / 2 ** part.fractionBits;
    });
    constant += (slope * part.offset) / 2 ** part.fractionBits;
  }
  return constant;
}
