// Levels of stability over the months of one model's score or feature: thresholds .10 and .25 (Lewis, An Introduction to Credit Scoring, 1994;
// Siddiqi, 2006), with hysteresis so that an index that moves around a threshold is told once.
import { z } from "zod";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";

/** stable: below .10, no action. shifted: .10 to .25, look at it. drifted: .25 and above, the population is another. */
export const stabilityLevels = ["stable", "shifted", "drifted"] as const;
export type StabilityLevel = (typeof stabilityLevels)[number];

export const levelRulesSchema = z.strictObject({
  shifted: z.number().gt(0).max(10).default(0.1),
  drifted: z.number().gt(0).max(10).default(0.25),
  /** A level is left when the index is below its threshold by this much, for `settle` months in a row. */
  margin: z.number().min(0).max(1).default(0.02),
  settle: z.int().min(1).max(12).default(2),
}).refine((r) => r.margin < r.shifted && r.shifted < r.drifted - r.margin);
export type LevelRules = z.output<typeof levelRulesSchema>;
export const levelRules: LevelRules = levelRulesSchema.parse({});

/** `run`: months in a row below what would hold the level. */
type Standing = { readonly level: StabilityLevel; readonly run: number };
/** `before`: where it stood before `month`, so that the latest month can be evaluated again with corrected data. */
export type LevelState = Standing & { readonly month: string; readonly before: Standing };

export type StabilityAlert = {
  /** The same for the same change, however often it is evaluated. */
  readonly id: string;
  readonly series: string; readonly month: string;
  readonly from: StabilityLevel; readonly to: StabilityLevel;
};

export const monthSchema = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/);

/**
 * One month of a series ("<model>|<party>|<feature>"). index null: not known or too few; nothing changes. Alerts at every rise, and when it is stable
 * again. Throws STABILITY_MONTH for a month before the last, STABILITY_COUNTS for a broken index or month.
 */
export function nextLevel(
  state: LevelState | undefined, { series, month, index }: { series: string; month: string; index: number | null }, rules: LevelRules = levelRules,
): { readonly state: LevelState; readonly alert: StabilityAlert | undefined } {
  if (!monthSchema.safeParse(month).success || (index !== null && !(index >= 0))) throw new AppError("STABILITY_COUNTS");
  if (state !== undefined && month < state.month) throw new AppError("STABILITY_MONTH");
  const before: Standing = state === undefined ? { level: "stable", run: 0 } : month === state.month ? state.before : { level: state.level, run: state.run };
  const now = index === null ? before : standing(before, index, rules);
  const rise = stabilityLevels.indexOf(now.level) - stabilityLevels.indexOf(before.level);
  const tells = rise > 0 || (rise < 0 && now.level === "stable");
  const id = `drift_${sha256Hex(`${series}|${month}|${before.level}|${now.level}`).slice(0, 32)}`;
  return { state: { ...now, month, before }, alert: tells ? { id, series, month, from: before.level, to: now.level } : undefined };
}

function standing(before: Standing, index: number, rules: LevelRules): Standing {
  const reached = levelAt(index, 0, rules);
  const held = levelAt(index, rules.margin, rules);
  const at = stabilityLevels.indexOf(before.level);
  if (stabilityLevels.indexOf(reached) >= at) return { level: reached, run: 0 };
  if (stabilityLevels.indexOf(held) >= at) return { level: before.level, run: 0 };
  return before.run + 1 >= rules.settle ? { level: held, run: 0 } : { level: before.level, run: before.run + 1 };
}

function levelAt(index: number, margin: number, rules: LevelRules): StabilityLevel {
  return index >= rules.drifted - margin ? "drifted" : index >= rules.shifted - margin ? "shifted" : "stable";
}
