// What a party says about its data: which files, which column is the id, what the columns mean. Written by the provider
// in its own domain as JSON; never sent.
import { z } from "zod";
import { declarationSchema } from "../../catalogue/declare.ts";
import { AppError } from "../../core/errors.ts";
import { claimTypes } from "../../federation/verify/claims.ts";
import { fieldNameSchema } from "../../federation/verify/fields.ts";

export const defaultMissingTokens: readonly string[] = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"];

// eslint-disable-next-line no-control-regex -- control characters are what is refused
const printable = /^[^\u0000-\u001f\u007f]*$/;
const columnName = z.string().min(1).max(256).regex(printable);
const token = z.string().max(64).regex(printable);
const tokens = z.array(token).max(64);

const rawColumnSchema = z.strictObject({
  type: z.enum(["numeric", "categorical", "date"]).optional(),
  /** In place of the data set's missing tokens. Numbers among them also match by value (-999 matches -999.0). */
  missing: tokens.optional(),
  ignore: z.boolean().optional(),
});
const columnSchema = rawColumnSchema.extend({
  /** Codes with a meaning of their own; each gets a bin of its own. */
  special: z.array(z.union([z.number(), token.min(1)])).max(32).optional(),
});

const fileOptions = {
  /** Relative to the data folder. */
  file: z.string().min(1).max(1024),
  /** Default: Parquet if the name ends in .parquet or .pq, else CSV. */
  format: z.enum(["csv", "parquet"]).optional(),
  /** Default: the one of , ; tab | that splits the header into most fields. */
  delimiter: z.enum([",", ";", "\t", "|"]).optional(),
};

const tableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/);
const tableSchema = z.strictObject({
  ...fileOptions,
  /** Default: the data set's. */
  idColumn: columnName.optional(),
  columns: z.record(columnName, rawColumnSchema).default({}),
});

export const indicatorSchema = z.strictObject({
  name: columnName,
  /** With `table`: an aggregate expression over the rows of each id. Without: a query that gives (id, value). */
  table: tableName.optional(),
  sql: z.string().min(1).max(20_000),
  unit: z.string().max(64),
  direction: z.enum(["higher-better", "lower-better", "none"]),
  /** The item of the sharing list that it is computed from; several are separated by " + ". */
  sourceItem: z.string().max(256),
  /** The span of time it looks at, e.g. "12m"; a description, the SQL does the work. */
  window: z.string().max(64).optional(),
});

/** A column about which banks may make claims, under the name that it is published with. */
const verifiableSchema = z.strictObject({
  /** Of raw tables; of a ready-made table there is one. */
  table: tableName.optional(),
  column: columnName,
  type: z.enum(claimTypes),
});

const common = {
  name: z.string().min(1).max(64).regex(printable),
  idColumn: columnName,
  idKind: z.enum(["uscc", "opaque"]),
  labelColumn: columnName.optional(),
  missingTokens: tokens.default([...defaultMissingTokens]),
  /** Which items of the sharing catalogue the columns hold; for a ready-made table under the name `features`. */
  catalogue: declarationSchema.optional(),
  /** What may be verified (federation/verify). */
  verification: z.record(fieldNameSchema, verifiableSchema).refine((v) => Object.keys(v).length <= 256).optional(),
};

export const featureTableSchema = z.strictObject({
  ...common,
  features: z.union([z.string().min(1).max(1024).transform((file) => ({ file })), z.strictObject(fileOptions)]),
  columns: z.record(columnName, columnSchema).default({}),
}).refine((d) => Object.values(d.verification ?? {}).every(({ table }) => table === undefined), { path: ["verification"] });

export const indicatorSetSchema = z
  .strictObject({
    ...common,
    tables: z.record(tableName, tableSchema).refine((t) => Object.keys(t).length >= 1 && Object.keys(t).length <= 64),
    indicators: z.array(indicatorSchema).min(1).max(4096),
    /** The table whose rows (one per id) are the companies of the data set, and that has the label. Default: all ids of all tables. */
    population: tableName.optional(),
  })
  .refine((d) => new Set(Object.keys(d.tables).map((t) => t.toLowerCase())).size === Object.keys(d.tables).length, { path: ["tables"] })
  .refine((d) => new Set(d.indicators.map((i) => i.name)).size === d.indicators.length, { path: ["indicators"] })
  .refine((d) => d.indicators.every((i) => i.table === undefined || Object.hasOwn(d.tables, i.table)), { path: ["indicators"] })
  .refine((d) => d.population === undefined || Object.hasOwn(d.tables, d.population), { path: ["population"] })
  .refine((d) => d.labelColumn === undefined || d.population !== undefined, { path: ["labelColumn"] })
  .refine((d) => Object.values(d.verification ?? {}).every(({ table }) => table !== undefined && Object.hasOwn(d.tables, table)), { path: ["verification"] });

export const datasetDefinitionSchema = z.union([featureTableSchema, indicatorSetSchema]);

export type DatasetDefinition = z.output<typeof datasetDefinitionSchema>;
export type FeatureTableDefinition = z.output<typeof featureTableSchema>;
export type IndicatorSetDefinition = z.output<typeof indicatorSetSchema>;
export type IndicatorDefinition = z.output<typeof indicatorSchema>;
export type ColumnDeclaration = z.output<typeof columnSchema>;
export type IdKind = DatasetDefinition["idKind"];
export type FileReference = { readonly file: string; readonly format?: "csv" | "parquet" | undefined; readonly delimiter?: string | undefined };

/** By indicator, the item of the sharing list that it is computed from, where the definition says one. */
export function featureGroups(definition: DatasetDefinition): ReadonlyMap<string, string> {
  return new Map("indicators" in definition ? definition.indicators.flatMap((i) => (i.sourceItem === "" ? [] : [[i.name, i.sourceItem] as const])) : []);
}

/** Throws DATA_DEFINITION with the number of problems. */
export function parseDefinition(value: unknown): DatasetDefinition {
  const result = schemaFor(value).safeParse(value);
  if (!result.success) throw new AppError("DATA_DEFINITION", { problems: result.error.issues.length });
  return result.data;
}

/** Where a definition breaks its schema, for the provider's own screen: paths and rules, no values. */
export function definitionProblems(value: unknown): readonly string[] {
  const result = schemaFor(value).safeParse(value);
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.map(String).join(".") || "(whole)"}: ${issue.code}`);
}

function schemaFor(value: unknown): typeof featureTableSchema | typeof indicatorSetSchema {
  return typeof value === "object" && value !== null && "tables" in value ? indicatorSetSchema : featureTableSchema;
}
