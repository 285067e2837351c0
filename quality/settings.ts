// What a provider says about the quality that its own tables should have: `quality.json` beside its configuration. Everything is optional;
// without it the published rules look at what tables show by themselves.
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { dimensions, severities } from "./rules.ts";

const name = z.string().min(1).max(256);
const names = z.array(name).min(1).max(64);
const permille = z.int().min(0).max(1000);

const columnSchema = z.strictObject({
  /** Share of missing values that is normal, in thousandths (a settled debt has no date of settlement yet: 1000). */
  maxMissing: permille.optional(),
  nonNegative: z.boolean().optional(),
  min: z.number().optional(),
  max: z.number().optional(),
  /** The only values that there may be. */
  values: z.array(z.string().max(256)).min(1).max(1000).optional(),
  /** A regular expression (RE2) for the whole value. */
  pattern: z.string().min(1).max(500).optional(),
}).refine((c) => c.min === undefined || c.max === undefined || c.min <= c.max, { path: ["max"] });

/** A person or a department, as the provider names them. It stays in the domain. */
export const assigneeSchema = z.string().trim().min(1).max(64).regex(/^[^\p{Cc}\p{Cf}]*$/u);

const tableSchema = z.strictObject({
  /** Who has the issues of this table from the beginning. */
  owner: assigneeSchema.optional(),
  key: names.optional(),
  /** One record per company and period. months: between records; without it each company's own shortest step. */
  series: z.strictObject({ column: name, months: z.int().min(1).max(120).optional() }).optional(),
  newest: z.strictObject({ column: name, maxAgeDays: z.int().min(1).max(3660) }).optional(),
  columns: z.record(name, columnSchema).default({}),
  /** Pairs of date columns, the earlier one first. */
  order: z.array(z.tuple([name, name])).max(64).default([]),
  /** Pairs of numeric columns: the first is never larger than the second. */
  bounds: z.array(z.tuple([name, name])).max(64).default([]),
  /** tolerance: in the columns' unit. */
  sums: z.array(z.strictObject({ total: name, parts: names, tolerance: z.number().min(0).default(0.01) })).max(64).default([]),
});
export type TableSettings = z.output<typeof tableSchema>;

const ownRuleSchema = z.strictObject({
  id: z.string().regex(/^own\.[a-z][a-z0-9-]{0,47}$/),
  dimension: z.enum(dimensions),
  en: z.string().min(1).max(500),
  zh: z.string().min(1).max(500),
  limit: permille,
  severity: z.enum(severities),
  owner: assigneeSchema.optional(),
  /** An item of the sharing catalogue under which its rate is published. */
  item: z.string().max(256).optional(),
  /** One SELECT over the declared tables that gives one row: how many records were looked at, and how many of them fail. */
  sql: z.string().min(1).max(20_000),
});

export const settingsSchema = z.strictObject({
  version: z.literal(1),
  /** The day at which ages are measured, for data that are a snapshot of that day; else today (UTC). */
  asOf: z.iso.date().optional(),
  tables: z.record(name, tableSchema).default({}),
  /** Published rules with other limits or severities here; an entry with "off": true is not looked at. */
  adjust: z.record(z.string().max(64), z.strictObject({ limit: permille.optional(), severity: z.enum(severities).optional(), off: z.literal(true).optional() })).default({}),
  rules: z.array(ownRuleSchema).max(200).default([]),
}).refine((s) => new Set(s.rules.map((r) => r.id)).size === s.rules.length, { path: ["rules"] });
export type QualitySettings = z.output<typeof settingsSchema>;

export const noSettings: QualitySettings = settingsSchema.parse({ version: 1 });

/** Throws QUALITY_SETTINGS with the number of problems. */
export function parseSettings(value: unknown): QualitySettings {
  const result = settingsSchema.safeParse(value);
  if (!result.success) throw new AppError("QUALITY_SETTINGS", { problems: result.error.issues.length });
  return result.data;
}

/** Where settings break their schema, for the provider's own screen: paths and rules, no values. */
export function settingsProblems(value: unknown): readonly string[] {
  const result = settingsSchema.safeParse(value);
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.map(String).join(".") || "(whole)"}: ${issue.code}`);
}
