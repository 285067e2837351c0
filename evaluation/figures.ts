// What of a run may be published: suppressed counts, stability against the last run, and what was absent. The schema has no room for a single
// company, for a count below the least, or for one that was not rounded.
import { z } from "zod";
import { partyIdSchema } from "../core/names.ts";
import type { Evaluation } from "./combine.ts";
import { distribution, type Companies } from "./distribution.ts";
import { bases } from "./load.ts";
import { stability, type Run } from "./stability.ts";
import { leastCompanies, roundingBase } from "./suppress.ts";

const total = z.int().min(0).max(100_000_000).multipleOf(roundingBase);
/** Of a cell: none, at least the least, or hidden. */
const cell = total.refine((n) => n === 0 || n >= leastCompanies).nullable();
const label = z.string().max(16);
const labels = z.array(z.array(label).min(1).max(40)).max(40);

export const publishedSchema = z.strictObject({
  rows: labels, columns: labels, cells: z.array(z.array(cell).max(40)).max(40), rowTotals: z.array(total).max(40), columnTotals: z.array(total).max(40), total,
  hidden: z.strictObject({ primary: z.int().min(0), complementary: z.int().min(0) }),
}).refine((t) => t.cells.length === t.rows.length && t.rowTotals.length === t.rows.length && t.columnTotals.length === t.columns.length && t.cells.every((row) => row.length === t.columns.length));

const indicators = z.array(z.string().max(63).regex(/^[a-z][a-z0-9_]*$/)).max(200);
const table = publishedSchema.nullable();

export const figuresSchema = z.strictObject({
  card: z.strictObject({ id: z.string().max(48), version: z.string().max(16), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
  basis: z.enum(bases), asOf: z.iso.date(),
  /** Indicators of the card that no party of the run had. */
  absent: indicators,
  partial: z.boolean(),
  /** Providers of the evaluation without which it went. */
  away: z.array(partyIdSchema).max(16),
  provinceByGrade: table, sectorByGrade: table, provinceBySector: table,
  /** null: there is no earlier run on this scale. */
  stability: z.strictObject({
    from: z.iso.date(), to: z.iso.date(), psi: z.number().min(0).max(1000).nullable(), verdict: z.enum(["stable", "shifted", "changed"]).nullable(),
    migration: table, otherAbsent: indicators,
  }).nullable(),
});
export type Figures = z.output<typeof figuresSchema>;

/** `last`: the run before on the same scale, if there is one. Throws EVALUATION_ROWS, EVALUATION_RUNS. */
export function figuresOf(evaluation: Evaluation, companies: Companies, options: { readonly away: Figures["away"]; readonly last?: Run | undefined }): Figures {
  const { last, away } = options;
  const change = last === undefined ? null : stability(last, { evaluation, usccs: companies.usccs });
  return figuresSchema.parse({ ...distribution(evaluation, companies), away: [...away], stability: change });
}
