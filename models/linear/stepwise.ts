// Stepwise choice of columns from the moments alone: the sweep operator on the correlation matrix of [columns, label]
// (Beaton 1964; Goodnight 1979) gives the gain or loss of every candidate without a new fit.
import { standardise, type Moments } from "./moments.ts";
import { studentPValue } from "./student.ts";

export type StepwiseOptions = {
  readonly direction: "forward" | "backward" | "both";
  readonly criterion: "aic" | "pvalue";
  readonly pEnter: number;
  readonly pRemove: number;
  /** Candidates; default all. Constant and collinear ones never enter. */
  readonly columns?: readonly number[];
};

/** 1 - R^2 of a candidate on those inside, below which it does not enter. */
const entryTolerance = 1e-6;

/** Columns chosen, ascending. */
export function stepwise(moments: Moments, options: StepwiseOptions): number[] {
  const s = standardise(moments);
  const width = s.d + 1;
  const a = Float64Array.from(s.corr);
  const inside = new Set<number>();
  const candidates = (options.columns ?? Array.from({ length: s.d }, (_, i) => i)).filter((c) => (s.sd[c] ?? 0) > 0);
  const at = (i: number, j: number): number => a[i * width + j] ?? 0;
  const rss = (): number => Math.max(at(s.d, s.d), 1e-15);
  // A column inside has a negative diagonal after sweeping: the same quotient is then the loss of removing it.
  const change = (c: number): number => at(c, s.d) ** 2 / Math.abs(at(c, c));
  const pOf = (gain: number, smallRss: number, used: number): number => {
    const dof = s.n - used - 1;
    return dof < 1 ? 1 : studentPValue(Math.sqrt((gain * dof) / smallRss), dof);
  };
  const aicGain = (from: number, to: number): number => s.n * Math.log(from / Math.max(to, 1e-15));

  const enter = (): boolean => {
    let best = -1;
    for (const c of candidates) {
      if (!inside.has(c) && at(c, c) > entryTolerance && (best < 0 || change(c) > change(best))) best = c;
    }
    if (best < 0 || s.n - inside.size - 2 < 1) return false;
    const after = Math.max(rss() - change(best), 1e-15);
    const good = options.criterion === "aic" ? aicGain(rss(), after) > 2 : pOf(change(best), after, inside.size + 1) < options.pEnter;
    if (!good) return false;
    sweep(a, width, best, 1);
    inside.add(best);
    return true;
  };
  const leave = (): boolean => {
    let worst = -1;
    for (const c of inside) if (worst < 0 || change(c) < change(worst)) worst = c;
    if (worst < 0) return false;
    const loss = change(worst);
    const bad = options.criterion === "aic" ? aicGain(rss() + loss, rss()) < 2 : pOf(loss, rss(), inside.size) > options.pRemove;
    if (!bad) return false;
    sweep(a, width, worst, -1);
    inside.delete(worst);
    return true;
  };

  if (options.direction === "backward") {
    for (const c of candidates) {
      if (at(c, c) <= entryTolerance || s.n - inside.size - 2 < 1) continue;
      sweep(a, width, c, 1);
      inside.add(c);
    }
    while (leave());
  } else {
    // With pRemove < pEnter a column could come and go for ever: every column may enter and leave once per column.
    for (let step = 0; step < 4 * candidates.length && enter(); step++) {
      if (options.direction === "both") while (leave());
    }
  }
  return [...inside].sort((x, y) => x - y);
}

/** Sweeps pivot k of a symmetric matrix in place; direction -1 undoes it. */
function sweep(a: Float64Array, width: number, k: number, direction: 1 | -1): void {
  const pivot = a[k * width + k] ?? 1;
  const row = a.slice(k * width, (k + 1) * width);
  for (let i = 0; i < width; i++) {
    if (i === k) continue;
    const factor = (row[i] ?? 0) / pivot;
    for (let j = 0; j < width; j++) {
      if (j !== k) a[i * width + j] = (a[i * width + j] as number) - factor * (row[j] as number);
    }
  }
  for (let i = 0; i < width; i++) {
    const value = (direction * (row[i] ?? 0)) / pivot;
    if (i !== k) {
      a[i * width + k] = value;
      a[k * width + i] = value;
    }
  }
  a[k * width + k] = -1 / pivot;
}
