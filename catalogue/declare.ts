// What an enclave says that its tables hold: for every column, the items of the catalogue that it belongs to. Written by the provider
// in its own domain and checked there; what is not declared is not computed with, and what is declared is used as its item allows.
import { z } from "zod";
import type { ItemId } from "../core/brand.ts";
import { AppError, type Facts } from "../core/errors.ts";
import { clause } from "./clauses.ts";
import { highestGrade, ordinaryFields } from "./grades.ts";
import { catalogueAt } from "./load.ts";
import { allows, notOfRestricted, type Use, type Verdict } from "./modes.ts";
import { gradeSchema, versionSchema } from "./schema.ts";
import type { Catalogue, CatalogueItem, Grade } from "./schema.ts";
import { itemsNamed } from "./search.ts";

/** "<item>" or "<item>#<field>"; the item by id or by its name in a list. A column with certificate numbers
 *  or the like names its field; without a field it is taken for an ordinary one (`ordinaryFields`). */
const reference = z.string().min(1).max(256);
const references = z.array(reference).min(1).max(32);
const columnName = z.string().min(1).max(256);
const columnSchema = z.union([
  references.transform((items) => ({ items, grade: undefined })),
  // A provider may hold its column for more delicate than the rule does, never for less.
  z.strictObject({ items: references, grade: gradeSchema.optional() }),
]);

export const declarationSchema = z.strictObject({
  version: z.literal(1),
  /** The version of the catalogue that the references are meant in. */
  catalogue: versionSchema,
  tables: z.record(columnName, z.strictObject({
    /** The column that names the company. */
    subject: columnName,
    /** For every column that is not in `columns`. */
    items: references.optional(),
    columns: z.record(columnName, columnSchema).default({}),
  })),
});
export type Declaration = z.output<typeof declarationSchema>;

export type ColumnUse = { readonly item: CatalogueItem; readonly field?: string };
export type DeclaredColumn = {
  /** From 1, in the order of the data. */
  readonly position: number;
  readonly isSubject: boolean;
  readonly uses: readonly ColumnUse[];
  readonly grade: Grade;
};
export type DeclaredTable = { readonly position: number; readonly columns: ReadonlyMap<string, DeclaredColumn> };
/** By table and column, both in lower case: the data engine does not tell cases apart. */
export type DeclaredTables = ReadonlyMap<string, DeclaredTable>;

/** Throws CATALOGUE_DECLARATION with the number of problems. */
export function parseDeclaration(value: unknown): Declaration {
  const result = declarationSchema.safeParse(value);
  if (!result.success) throw new AppError("CATALOGUE_DECLARATION", { problems: result.error.issues.length });
  return result.data;
}

/**
 * Holds a declaration against the tables that are there (names of columns in their order). Throws CATALOGUE_VERSION,
 * CATALOGUE_COLUMN_UNDECLARED, CATALOGUE_COLUMN_MISSING, CATALOGUE_UNKNOWN_ITEM or CATALOGUE_UNKNOWN_FIELD.
 */
export function checkDeclaration(
  declaration: Declaration, tables: Readonly<Record<string, readonly string[]>>, catalogue: Catalogue = catalogueAt(declaration.catalogue),
): DeclaredTables {
  const declared = lowerCased(declaration.tables);
  const found = lowerCased(tables);
  for (const [i, name] of [...declared.keys()].entries()) {
    if (!found.has(name)) throw new AppError("CATALOGUE_COLUMN_MISSING", { declaredTable: i + 1 });
  }
  return new Map([...found].map(([name, columns], i) => {
    const table = declared.get(name);
    if (table === undefined) throw new AppError("CATALOGUE_COLUMN_UNDECLARED", { table: i + 1, columns: columns.length });
    return [name, { position: i + 1, columns: declaredColumns(table, columns, i + 1, catalogue) }];
  }));
}

function declaredColumns(
  table: Declaration["tables"][string], columns: readonly string[], position: number, catalogue: Catalogue,
): ReadonlyMap<string, DeclaredColumn> {
  const named = lowerCased(table.columns);
  const present = new Set(columns.map((c) => c.toLowerCase()));
  const missing = [table.subject.toLowerCase(), ...named.keys()].filter((c) => !present.has(c));
  if (missing.length > 0) throw new AppError("CATALOGUE_COLUMN_MISSING", { table: position, columns: missing.length });
  const twice = columns.length - present.size;
  if (twice > 0) throw new AppError("CATALOGUE_DECLARATION", { table: position, problems: twice });
  return new Map(columns.map((column, i) => {
    const at = { table: position, column: i + 1 };
    const own = named.get(column.toLowerCase());
    const isSubject = column.toLowerCase() === table.subject.toLowerCase();
    const items = own?.items ?? table.items;
    if (isSubject && own === undefined) return [column.toLowerCase(), { position: i + 1, isSubject, uses: [], grade: "public" }];
    if (items === undefined) throw new AppError("CATALOGUE_COLUMN_UNDECLARED", at);
    const uses = items.map((text) => resolve(text, catalogue, at));
    const grade = highestGrade([...uses.map(gradeOfUse), ...(own?.grade === undefined ? [] : [own.grade])]);
    return [column.toLowerCase(), { position: i + 1, isSubject, uses, grade }];
  }));
}

function resolve(text: string, catalogue: Catalogue, at: Facts): ColumnUse {
  const hash = text.indexOf("#");
  const items = itemsNamed(hash < 0 ? text : text.slice(0, hash), catalogue);
  const [item] = items;
  if (item === undefined || items.length > 1) throw new AppError("CATALOGUE_UNKNOWN_ITEM", { ...at, found: items.length });
  if (hash < 0) return { item };
  const field = text.slice(hash + 1);
  if (!item.fields.some((f) => f.id === field)) throw new AppError("CATALOGUE_UNKNOWN_FIELD", { ...at, item: item.id });
  return { item, field };
}

function gradeOfUse({ item, field }: ColumnUse): Grade {
  if (field !== undefined) return item.fields.find((f) => f.id === field)?.grade ?? item.grade;
  return item.fields.length === 0 ? item.grade : highestGrade(ordinaryFields(item).map((f) => f.grade));
}

/** An indicator, or a feature: what it says that it is made of, and what its formula reads. Without a column: the whole table. */
export type IndicatorSource = {
  readonly items: readonly string[];
  readonly reads: readonly { readonly table: string; readonly column?: string }[];
};
export type IndicatorUse = {
  readonly items: readonly ItemId[];
  readonly grade: Grade;
  /** Whether each company must have authorised it. */
  readonly authorisation: boolean;
};

/**
 * Whether each indicator may be used so. Its items must be held by what it reads; what it reads must be held by its items and allow the
 * use; of a table that it reads as a whole every column must. Throws CATALOGUE_INDICATOR_SOURCE, CATALOGUE_UNKNOWN_ITEM,
 * CATALOGUE_UNKNOWN_FIELD, CATALOGUE_COLUMN_MISSING, and CATALOGUE_MODE with item and clause; `indicator` counts from 1.
 */
export function checkIndicators(
  declared: DeclaredTables, indicators: readonly IndicatorSource[], use: Use, catalogue: Catalogue,
): readonly IndicatorUse[] {
  return indicators.map((indicator, i) => checkIndicator(declared, indicator, use, catalogue, { indicator: i + 1 }));
}

function checkIndicator(
  declared: DeclaredTables, indicator: IndicatorSource, use: Use, catalogue: Catalogue, at: Facts,
): IndicatorUse {
  if (indicator.items.length === 0 || indicator.reads.length === 0) throw new AppError("CATALOGUE_INDICATOR_SOURCE", at);
  const claims = indicator.items.map((text) => resolve(text, catalogue, at));
  const claimed = new Set(claims.map((c) => c.item.id));
  const read = indicator.reads.flatMap(({ table, column }) => {
    const found = declared.get(table.toLowerCase());
    if (found === undefined) throw new AppError("CATALOGUE_COLUMN_MISSING", at);
    if (column === undefined) return [...found.columns.values()].map((c) => ({ column: c, table: found.position, isWhole: true }));
    const one = found.columns.get(column.toLowerCase());
    if (one === undefined) throw new AppError("CATALOGUE_COLUMN_MISSING", { ...at, table: found.position });
    return [{ column: one, table: found.position, isWhole: false }];
  });
  const held = new Set(read.flatMap((r) => r.column.uses.map((u) => u.item.id)));
  const notHeld = claims.find((c) => !held.has(c.item.id));
  if (notHeld !== undefined) throw new AppError("CATALOGUE_INDICATOR_SOURCE", { ...at, item: notHeld.item.id });

  const verdicts = claims.map((c) => requireOneUse([c], use, at));
  for (const { column, table, isWhole } of read) {
    if (column.uses.length === 0) continue;
    const place = { ...at, table, column: column.position };
    const uses = isWhole ? column.uses : column.uses.filter((u) => claimed.has(u.item.id));
    verdicts.push(requireColumnUse({ ...column, uses }, use, place));
  }
  const sources = read.filter((r) => r.column.uses.some((u) => claimed.has(u.item.id)));
  const grade = highestGrade(sources.map((r) => r.column.grade));
  return { items: [...claimed], grade, authorisation: verdicts.some((v) => v.authorisation) };
}

/** Columns that are features as they are. Throws CATALOGUE_MODE for the first that may not be used so; subjects are passed over. */
export function checkColumns(declared: DeclaredTables, use: Use): readonly IndicatorUse[] {
  return [...declared.values()].flatMap((table) => [...table.columns.values()].filter((c) => c.uses.length > 0).map((column) => {
    const verdict = requireColumnUse(column, use, { table: table.position, column: column.position });
    return { items: [...new Set(column.uses.map((u) => u.item.id))], grade: column.grade, authorisation: verdict.authorisation };
  }));
}

/** All items that tables hold, in the order of the catalogue: what a dataset publishes of itself. */
export function declaredItems(declared: DeclaredTables, catalogue: Catalogue): readonly ItemId[] {
  const held = new Set([...declared.values()].flatMap((t) => [...t.columns.values()].flatMap((c) => c.uses.map((u) => u.item.id))));
  return catalogue.items.map((item) => item.id).filter((id) => held.has(id));
}

function requireColumnUse(column: DeclaredColumn, use: Use, at: Facts): Verdict {
  const [first] = column.uses;
  // Also where the provider itself raised the grade.
  if (column.grade === "restricted" && first !== undefined && notOfRestricted.includes(use)) {
    throw new AppError("CATALOGUE_MODE", { ...at, item: first.item.id, clause: clause("P21-9-release").id });
  }
  return requireOneUse(column.uses, use, at);
}

/** A column of several items may be used as any one of them allows; of none that the indicator names, not at all. */
function requireOneUse(uses: readonly ColumnUse[], use: Use, at: Facts): Verdict {
  const verdicts = uses.map(({ item, field }) => ({ item, verdict: allows(item, use, field === undefined ? {} : { fields: [field] }) }));
  const best = verdicts.find((v) => v.verdict.allowed && !v.verdict.authorisation) ?? verdicts.find((v) => v.verdict.allowed);
  if (best !== undefined) return best.verdict;
  const [first] = verdicts;
  if (first === undefined) throw new AppError("CATALOGUE_INDICATOR_SOURCE", at);
  throw new AppError("CATALOGUE_MODE", { ...at, item: first.item.id, clause: first.verdict.clause.id });
}

function lowerCased<T>(record: Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  const entries = Object.entries(record).map(([name, value]) => [name.toLowerCase(), value] as const);
  const map = new Map(entries);
  if (map.size !== entries.length) throw new AppError("CATALOGUE_DECLARATION", { problems: entries.length - map.size });
  return map;
}
