// Choice of columns after the moments are known: correlation, variance inflation, sign and stepwise.
import type { Moments } from "./moments.ts";
import { standardise } from "./moments.ts";
import { solveMoments, type DropReason } from "./solve.ts";
import { stepwise, type StepwiseOptions } from "./stepwise.ts";

export type ColumnDropReason = DropReason | "correlation" | "vif" | "sign" | "stepwise";
export type SelectOptions = {
  readonly lambda: number;
  /** Of two columns with a larger absolute correlation the one with the lower IV goes; 1 switches it off. */
  readonly correlationMax: number;
  /** The column with the largest VIF goes until none is above; 0 switches it off. */
  readonly vifMax: number;
  /** Sign that every weight must have (the WOE of a good fit never changes the direction of risk); 0 switches it off. */
  readonly sign: -1 | 0 | 1;
  readonly stepwise: Omit<StepwiseOptions, "columns" | "direction"> & { readonly direction: "none" | StepwiseOptions["direction"] };
};
export type Selection = { readonly columns: number[]; readonly dropped: { readonly column: number; readonly reason: ColumnDropReason }[] };

/** Columns to fit, by falling IV, and why the others are out. `iv` has one entry per column. */
export function selectColumns(moments: Moments, iv: readonly number[], options: SelectOptions): Selection {
  const s = standardise(moments);
  const dropped: { column: number; reason: ColumnDropReason }[] = [];
  let columns = Array.from({ length: s.d }, (_, i) => i).sort((a, b) => (iv[b] ?? 0) - (iv[a] ?? 0) || a - b);

  const uncorrelated: number[] = [];
  for (const c of columns) {
    const twin = uncorrelated.some((k) => Math.abs(s.corr[c * (s.d + 1) + k] ?? 0) > options.correlationMax);
    if (twin) dropped.push({ column: c, reason: "correlation" });
    else uncorrelated.push(c);
  }
  columns = uncorrelated;

  const first = solveMoments(moments, { lambda: options.lambda, columns });
  dropped.push(...first.dropped);
  const out = new Set(first.dropped.map((x) => x.column));
  columns = columns.filter((c) => !out.has(c));
  if (options.vifMax > 0) columns = shedVif(moments, columns, options, dropped);
  if (options.stepwise.direction !== "none") {
    const chosen = new Set(stepwise(moments, { ...options.stepwise, direction: options.stepwise.direction, columns }));
    for (const c of columns) if (!chosen.has(c)) dropped.push({ column: c, reason: "stepwise" });
    columns = columns.filter((c) => chosen.has(c));
  }
  if (options.sign !== 0) columns = shedSigns(moments, columns, options, dropped);
  return { columns, dropped };
}

function shedVif(
  moments: Moments, start: readonly number[], options: SelectOptions, dropped: { column: number; reason: ColumnDropReason }[],
): number[] {
  let columns = [...start];
  for (;;) {
    const { vif } = solveMoments(moments, { lambda: options.lambda, columns });
    const worst = columns.reduce((a, b) => ((vif[b] ?? 0) > (vif[a] ?? 0) ? b : a), columns[0] ?? 0);
    if (columns.length < 2 || (vif[worst] ?? 0) <= options.vifMax) return columns;
    columns = columns.filter((c) => c !== worst);
    dropped.push({ column: worst, reason: "vif" });
  }
}

/** Removes the columns with a wrong sign, the strongest tenth of them at a time, and fits again. */
function shedSigns(
  moments: Moments, start: readonly number[], options: SelectOptions, dropped: { column: number; reason: ColumnDropReason }[],
): number[] {
  let columns = [...start];
  for (;;) {
    const fit = solveMoments(moments, { lambda: options.lambda, columns });
    const wrong = columns.filter((c) => (fit.weights[c] ?? 0) * options.sign < 0);
    if (wrong.length === 0) return columns;
    wrong.sort((a, b) => Math.abs(fit.tValues[b] ?? 0) - Math.abs(fit.tValues[a] ?? 0));
    const gone = new Set(wrong.slice(0, Math.ceil(wrong.length / 10)));
    columns = columns.filter((c) => !gone.has(c));
    for (const column of gone) dropped.push({ column, reason: "sign" });
  }
}
