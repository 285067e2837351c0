// The shape of the published indicator system: one JSON file per area in `areas/`, checked against these schemas and, in load.ts,
// against the sharing catalogue and against each other.
import { z } from "zod";

/** The column that names the company, in every table. */
export const subjectColumn = "uscc";
/** Stands in a formula for the day at which it looks back; `formulaAt` puts the date. */
export const asOfMark = "{as_of}";

export const directions = ["higher-better", "lower-better", "none"] as const;
export const frequencies = ["daily", "monthly", "quarterly", "yearly"] as const;
export const columnTypes = ["numeric", "categorical", "date"] as const;

const chinese = z.string().min(1).max(400).regex(/\p{Script=Han}/u);
const english = z.string().min(1).max(400).regex(/^[\x20-\x7e]+$/);
const bilingual = { zh: chinese, en: english };
// Part of ids, of table names and of names of features: what SQL and every file format takes without quotes.
const name = z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/).max(63);
const word = z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/).max(48);
/** "<item>" or "<item>#<field>" of the sharing catalogue. */
const reference = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+(#[a-z0-9_]+)?$/);
const item = z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/);

const columnSchema = z.strictObject({ type: z.enum(columnTypes), items: z.array(reference).min(1).max(4), ...bilingual });
const tableSchema = z.strictObject({ ...bilingual, columns: z.record(name, columnSchema).refine((c) => !Object.hasOwn(c, subjectColumn)) });

const indicatorSchema = z.strictObject({
  /** Given once; stays what it means. Also the name of the feature in models. */
  id: name,
  ...bilingual,
  definition: z.strictObject(bilingual),
  // A unit may be a bare symbol in Chinese as well.
  unit: z.strictObject({ zh: z.string().min(1).max(64), en: english.max(64) }),
  direction: z.enum(directions),
  /** How far it looks back: months, what stands at the snapshot, the latest year on record, or everything. */
  window: z.string().regex(/^(\d{1,3}m|now|latest-year|all)$/),
  /** How often its source changes: computing it more often gives nothing new. */
  frequency: z.enum(frequencies),
  /** Items of the catalogue that it is computed from. */
  items: z.array(item).min(1).max(4),
  /** With it the formula is an aggregate expression over the rows of each company; without, a query that gives (company, value). */
  table: name.optional(),
  /** Tables and columns that the formula reads: no more and no less. */
  reads: z.record(name, z.array(name).min(1)).refine((r) => Object.keys(r).length > 0),
  /** DuckDB SQL within the rules of the enclave's data door; `{as_of}` is the snapshot date. */
  formula: z.string().min(1).max(2000).refine((sql) => !/[{}]/.test(sql.replaceAll(asOfMark, ""))),
});

const isUnique = (values: readonly string[]): boolean => new Set(values).size === values.length;

export const areaSchema = z.strictObject({
  area: word,
  /** Begins the ids of its indicators. */
  prefix: z.string().regex(/^[a-z]{2,3}$/),
  ...bilingual,
  /** Categories of the catalogue that it covers. */
  categories: z.array(word).min(1),
  /** What a provider's tables look like to the formulas; the first column of each is `uscc`. */
  tables: z.record(name, tableSchema).refine((t) => Object.keys(t).length > 0),
  indicators: z.array(indicatorSchema),
  /** Items from which no indicator is made, with the reason. */
  without: z.array(z.strictObject({ item, ...bilingual })),
})
  .refine((a) => isUnique(a.indicators.map((i) => i.id)), { path: ["indicators"] })
  .refine((a) => isUnique(a.without.map((w) => w.item)), { path: ["without"] })
  .refine((a) => a.indicators.every((i) => i.id.startsWith(`${a.prefix}_`)), { path: ["prefix"] })
  .refine((a) => a.indicators.every((i) => i.table === undefined || Object.hasOwn(i.reads, i.table)), { path: ["indicators"] });

export type Area = z.output<typeof areaSchema>;
export type StandardTable = Area["tables"][string];
export type StandardColumn = StandardTable["columns"][string];
export type PublishedIndicator = Area["indicators"][number];
export type ColumnType = (typeof columnTypes)[number];
