// What a domain tells each month of a model's stability, and the table over all domains. Every party computes on its own counts: the bank the score
// and its own columns, each provider its own features under the names that the model has for them.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { monthSchema, nextLevel, levelRules, type LevelRules, type LevelState, type StabilityAlert, type StabilityLevel } from "./levels.ts";
import { zeroRules } from "./stability.ts";

/** The score of the whole model, in place of a feature. */
export const scoreRow = "score";
const maxRows = 5000;

const figureSchema = z.strictObject({
  feature: z.string().regex(/^[A-Za-z][A-Za-z0-9_./#-]{0,63}$/),
  /** In steps of 0.01 (told.ts); null: too few companies, or not computed. */
  index: z.number().min(0).max(100).refine((x) => Math.abs(x * 100 - Math.round(x * 100)) < 1e-6).nullable(),
});
/** All that leaves. */
export const stabilityReportSchema = z.strictObject({
  version: z.literal(1),
  model: z.string().regex(/^[a-z][a-z0-9_-]{0,79}$/),
  party: partyIdSchema,
  month: monthSchema,
  rule: z.enum(zeroRules),
  figures: z.array(figureSchema).min(1).max(maxRows),
}).refine((r) => new Set(r.figures.map((f) => f.feature)).size === r.figures.length);
export type StabilityReport = z.output<typeof stabilityReportSchema>;

/** Throws STABILITY_REPORT with the number of problems. */
export function parseStabilityReport(value: unknown): StabilityReport {
  const parsed = stabilityReportSchema.safeParse(value);
  if (!parsed.success) throw new AppError("STABILITY_REPORT", { problems: parsed.error.issues.length });
  return parsed.data;
}

export type StabilityRow = {
  readonly party: PartyId; readonly feature: string; readonly month: string;
  readonly index: number | null; readonly level: StabilityLevel;
};
export type StabilityTable = { readonly rows: readonly StabilityRow[]; readonly alerts: readonly StabilityAlert[] };

/**
 * The table of one model over parties and months, in any order of reports; a report that came twice counts once. Throws STABILITY_REPORT for another
 * model's report, another zero rule, or two figures of one party, feature and month.
 */
export function stabilityTable(reports: readonly StabilityReport[], rules: LevelRules = levelRules): StabilityTable {
  const [first] = reports;
  const cells = new Map<string, { party: PartyId; feature: string; month: string; index: number | null }>();
  for (const report of reports) {
    if (report.model !== first?.model || report.rule !== first.rule) throw new AppError("STABILITY_REPORT", { party: report.party });
    for (const { feature, index } of report.figures) {
      const key = `${report.party} ${feature} ${report.month}`;
      const known = cells.get(key);
      if (known !== undefined && known.index !== index) throw new AppError("STABILITY_REPORT", { party: report.party });
      cells.set(key, { party: report.party, feature, month: report.month, index });
    }
  }
  const states = new Map<string, LevelState>();
  const alerts: StabilityAlert[] = [];
  const inOrder = [...cells].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = inOrder.map(([, cell]): StabilityRow => {
    const series = `${first?.model ?? ""}|${cell.party}|${cell.feature}`;
    const { state, alert } = nextLevel(states.get(series), { series, ...cell }, rules);
    states.set(series, state);
    if (alert !== undefined) alerts.push(alert);
    return { ...cell, level: state.level };
  });
  return { rows, alerts };
}
