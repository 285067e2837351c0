// One figure of the bench: a number with its unit, the time that it took, the baseline that it stands beside and the bar that it must
// keep. Pure arithmetic.
import { z } from "zod";

const amount = z.number().min(0);

/** What a figure is compared with, in the figure's unit. */
export const baselineSchema = z.strictObject({
  name: z.string().min(1), value: z.number(),
  /** Measured in the same run; extrapolated from a smaller measurement of the same run; or published or measured elsewhere. */
  source: z.enum(["measured", "extrapolated", "published"]),
  /** How it came about: required of what is extrapolated. */
  note: z.string().min(1).optional(),
}).refine((b) => b.source !== "extrapolated" || b.note !== undefined, "an extrapolation says from what");

export const figureSchema = z.strictObject({
  name: z.string().min(1), value: z.number(), unit: z.string(),
  /** Time that the measured thing took, where that is not the value itself: wall, and CPU of all processes and threads. */
  wallSeconds: amount.optional(), cpuSeconds: amount.optional(),
  /** Compared by ratio, unless the unit has no meaningful zero: then by difference. */
  compare: z.enum(["ratio", "difference"]).optional(),
  baseline: baselineSchema.optional(),
  /** From the issue. */
  bar: z.union([z.strictObject({ atMost: z.number() }), z.strictObject({ atLeast: z.number() })]).optional(),
  /** How the value itself was extrapolated, if it was. */
  extrapolated: z.string().min(1).optional(),
});
export type Figure = z.output<typeof figureSchema>;
export type Baseline = z.output<typeof baselineSchema>;

/** The middle value; the mean of the two middle ones of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** One figure per name and baseline from the figures of several runs: medians of value, times and baseline, each on its own. A figure that
 *  only some runs have is the median of these. */
export function medians(runs: readonly (readonly Figure[])[]): Figure[] {
  const keyOf = (f: Figure): string => JSON.stringify([f.name, f.baseline?.name]);
  const keys = [...new Set(runs.flatMap((run) => run.map(keyOf)))];
  return keys.flatMap((key) => {
    const same = runs.flatMap((run) => run.filter((f) => keyOf(f) === key));
    const [first] = same;
    if (first === undefined) return [];
    const of = (pick: (f: Figure) => number | undefined): number => median(same.flatMap((f) => pick(f) ?? []));
    return [{
      ...first, value: of((f) => f.value),
      ...(first.wallSeconds === undefined ? {} : { wallSeconds: of((f) => f.wallSeconds) }),
      ...(first.cpuSeconds === undefined ? {} : { cpuSeconds: of((f) => f.cpuSeconds) }),
      ...(first.baseline === undefined ? {} : { baseline: { ...first.baseline, value: of((f) => f.baseline?.value) } }),
    }];
  });
}

/** Whether the bar is missed: also by a value that is no number. */
export function isMissed({ bar, value }: Figure): boolean {
  if (bar === undefined) return false;
  return "atMost" in bar ? !(value <= bar.atMost) : !(value >= bar.atLeast);
}

/** Baseline over value: above 1, the figure is the smaller one. Undefined without a baseline or when one of them is 0. */
export function ratioOf({ baseline, value, compare }: Figure): number | undefined {
  if (baseline === undefined || compare === "difference" || value === 0 || baseline.value === 0) return undefined;
  return baseline.value / value;
}

/** Cost of one more unit from two runs: what both have in common cancels out. Throws RangeError unless `more` has more units. */
export function perUnit(less: { readonly units: number; readonly cost: number }, more: { readonly units: number; readonly cost: number }): number {
  if (!(more.units > less.units)) throw new RangeError("the second run must have more units");
  return (more.cost - less.cost) / (more.units - less.units);
}

/** Slope of log cost over log size (least squares): 1 is linear. Needs two sizes. */
export function growthExponent(points: readonly (readonly [size: number, cost: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (of: 0 | 1): number => logs.reduce((sum, p) => sum + p[of], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  return logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}
