// The declared tables as quality checks see them: opened over the files as they are, nothing copied, nothing refused for its values. A view per
// table gives typed columns: what is missing, or is not of its column's kind, is NULL there, and is counted here.
import type { ItemId } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import { AppError, type Facts } from "../../core/errors.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { checkDeclaration, type DeclaredTable } from "../../catalogue/declare.ts";
import { itemsNamed } from "../../catalogue/search.ts";
import type { ColumnKind, ColumnShape, TableShape } from "../../quality/checks.ts";
import { dateOf, groupsOf, mixedShare, numberOf, presentText, trimmed } from "../data/columns.ts";
import { featuresTable, sourceItems } from "../data/declared.ts";
import type { DatasetDefinition, FileReference } from "../data/definition.ts";
import { quoteName, type DataSession } from "../data/duckdb.ts";
import { columnOf, idColumnOf, idSql } from "../data/table.ts";
import { locate, openSource, type DataFile, type DataLimits, type Source, type SourceColumn } from "../data/source.ts";

/** Counts of one column: rows with a value, and with one of the column's kind. */
export type ColumnCounts = { readonly present: number; readonly valid: number };
export type OpenTable = {
  readonly shape: TableShape; readonly source: Source; readonly idColumn: SourceColumn;
  readonly rows: number;
  /** Different ids, 0 when they did not fit in memory: then no figure of this table leaves. */
  readonly companies: number;
  readonly counts: ReadonlyMap<string, ColumnCounts>;
  /** SQL of a column's text over `source.from`, NULL where it is missing. */
  readonly textOf: (column: string) => string;
};

type Declared = { readonly name: string; readonly file: FileReference; readonly idColumn: string; readonly columns: Readonly<Record<string, ColumnRule>>; readonly population: boolean };
type ColumnRule = { readonly type?: "numeric" | "categorical" | "date" | undefined; readonly missing?: readonly string[] | undefined; readonly ignore?: boolean | undefined };

/** The tables of a definition, whichever of its two forms it has. */
export function declaredTables(definition: DatasetDefinition): Declared[] {
  const { idColumn } = definition;
  if ("features" in definition) return [{ name: featuresTable, file: definition.features, idColumn, columns: definition.columns, population: true }];
  return Object.entries(definition.tables).map(([name, t]) => ({ name, file: t, idColumn: t.idColumn ?? idColumn, columns: t.columns, population: name === definition.population }));
}

/** Throws DATA_FILE_*. In the order of the definition. */
export async function locateTables(definition: DatasetDefinition, directory: string, limits: DataLimits): Promise<DataFile[]> {
  return Promise.all(declaredTables(definition).map((t, i) => locate(t.file, directory, limits, { table: i + 1 })));
}

const group = 64;
const firstDate = "DATE '1900-01-01'";

/** Opens all tables in a session that may read `files`. Throws DATA_* for a file that cannot be parsed, and CATALOGUE_* for a declaration that
 *  does not fit its tables. */
export async function openTables(session: DataSession, definition: DatasetDefinition, files: readonly DataFile[], limits: DataLimits, log: Log): Promise<OpenTable[]> {
  const sources: { declared: Declared; source: Source }[] = [];
  for (const [i, declared] of declaredTables(definition).entries()) sources.push({ declared, source: await openSource(session, files[i] as DataFile, limits) });
  const { catalogue } = definition;
  // An ignored column is not there unless the declaration names it, as in loading.
  const named = sources.map(({ declared, source }) => {
    const own = new Set(Object.keys(catalogue?.tables[declared.name]?.columns ?? {}).map((n) => n.toLowerCase()));
    return [declared.name, source.columns.filter((c) => ruleOf(declared, c).ignore !== true || own.has(c.name.toLowerCase())).map((c) => c.name)] as const;
  });
  const uses = catalogue === undefined ? undefined : checkDeclaration(catalogue, Object.fromEntries(named));
  const opened: OpenTable[] = [];
  for (const { declared, source } of sources) {
    const items = "indicators" in definition ? itemsOf(definition.indicators.filter((i) => i.table === declared.name).flatMap((i) => sourceItems(i))) : [];
    opened.push(await openTable(session, { definition, declared, source, uses: uses?.get(declared.name.toLowerCase()), items, log }));
  }
  return opened;
}

/** Items of the catalogue that free texts name. */
function itemsOf(names: readonly string[]): ItemId[] {
  return [...new Set(names.flatMap((name) => {
    const found = itemsNamed(name, officialCatalogue);
    return found.length === 1 ? found.map((item) => item.id) : [];
  }))];
}

type Opening = { readonly definition: DatasetDefinition; readonly declared: Declared; readonly source: Source; readonly uses: DeclaredTable | undefined; readonly items: readonly ItemId[]; readonly log: Log };

async function openTable(session: DataSession, { definition, declared, source, uses, items, log }: Opening): Promise<OpenTable> {
  const { where } = source.file;
  const fault = { code: source.file.format === "csv" ? "DATA_CSV_SYNTAX" : "DATA_NOT_PARQUET", facts: where } as const;
  const idColumn = idColumnOf(source, declared.idColumn);
  for (const [i, name] of Object.keys(declared.columns).entries()) columnOf(source, name, { declared: i + 1 });
  const rows = Number((await session.rows(`SELECT count(*) FROM ${source.from}`, fault))[0]?.[0]);
  if (source.csv !== undefined && source.csv.rows !== rows && source.columns.length > 1) throw new AppError("DATA_CSV_SYNTAX", { ...where, rows: Math.abs(source.csv.rows - rows) });
  const asked = source.columns.filter((c) => c !== idColumn && ruleOf(declared, c).ignore !== true);
  for (const column of asked) if (column.native === "nested") throw new AppError("DATA_COLUMN_TYPE", { ...where, column: column.position });
  const text = (column: SourceColumn): string => present(column, ruleOf(declared, column).missing ?? definition.missingTokens);
  const shapes: (ColumnShape & { readonly dated: boolean })[] = [];
  const counts = new Map<string, ColumnCounts>();
  for (const columns of groupsOf(asked, group)) {
    const inner = columns.map((c) => `${text(c)} AS ${c.sql}`);
    const found = columns.flatMap((c) => [`count(${c.sql})`, `count(*) FILTER (isfinite(${numberOf(c.sql)}))`, `count(*) FILTER (${dateOf(c.sql, isDated(declared, c, uses))} >= ${firstDate})`]);
    const [row = []] = await session.rows(`SELECT ${found.join(", ")} FROM (SELECT ${inner.join(", ")} FROM ${source.from})`, fault);
    for (const [i, c] of columns.entries()) {
      const [all, numbers, dates] = row.slice(3 * i, 3 * i + 3).map(Number) as [number, number, number];
      const kind = kindOf(declaredKind(declared, c, uses), { present: all, numbers, dates });
      counts.set(c.name, { present: all, valid: kind === "number" ? numbers : kind === "date" ? dates : all });
      shapes.push({ name: c.name, kind, uses: usesOf(uses, c), dated: isDated(declared, c, uses) });
    }
  }
  await createView(session, { name: declared.name, source, idColumn, isUscc: definition.idKind === "uscc", shapes, text, where });
  const companies = await countCompanies(session, declared.name, idColumn, log);
  const shape = { name: declared.name, idColumn: idColumn.name, columns: shapes, items, population: declared.population };
  const seriesColumn = await findSeries(session, shape, rows, companies);
  return { shape: { ...shape, seriesColumn }, source, idColumn, rows, companies, counts, textOf: (name) => text(columnOf(source, name, {})) };
}

const ruleOf = (declared: Declared, column: SourceColumn): ColumnRule => (Object.hasOwn(declared.columns, column.name) ? declared.columns[column.name] ?? {} : {});

/** SQL of a present value's text. A missing number among the tokens counts in every spelling (-999, -999.0). */
function present(column: SourceColumn, tokens: readonly string[]): string {
  const text = presentText(column, tokens);
  const numbers = tokens.filter((t) => t.trim() !== "" && Number.isFinite(Number(t))).map(Number);
  return numbers.length === 0 ? text : `CASE WHEN ${numberOf(trimmed(`CAST(${column.sql} AS VARCHAR)`))} IN (${numbers.map((n) => `${n}::DOUBLE`).join(", ")}) THEN NULL ELSE ${text} END`;
}

function usesOf(table: DeclaredTable | undefined, column: SourceColumn): ColumnShape["uses"] {
  return (table?.columns.get(column.name.toLowerCase())?.uses ?? []).map(({ item, field }) => ({ item: item.id, field: item.fields.find((f) => f.id === field) }));
}

/** What the provider, or else the catalogue's field, says that a column is. */
function declaredKind(declared: Declared, column: SourceColumn, table: DeclaredTable | undefined): ColumnKind | undefined {
  const { type } = ruleOf(declared, column);
  if (type !== undefined) return type === "numeric" ? "number" : type === "date" ? "date" : "text";
  if (column.native === "date") return "date";
  const types = new Set(usesOf(table, column).map((u) => u.field?.type));
  const [only] = types;
  if (types.size !== 1) return undefined;
  return only === "money" || only === "number" ? "number" : only === "date" ? "date" : undefined;
}
/** Only a column that is said to hold dates takes eight digits for one. */
const isDated = (declared: Declared, column: SourceColumn, table: DeclaredTable | undefined): boolean => declaredKind(declared, column, table) === "date";

/** Undeclared columns are what nearly all of their values are, as the data door reads them (data/columns.ts). */
function kindOf(declared: ColumnKind | undefined, counts: { readonly present: number; readonly numbers: number; readonly dates: number }): ColumnKind {
  if (declared !== undefined) return declared;
  if (counts.present === 0) return "text";
  if (counts.numbers >= mixedShare * counts.present) return "number";
  return counts.dates >= mixedShare * counts.present ? "date" : "text";
}

type View = { readonly name: string; readonly source: Source; readonly idColumn: SourceColumn; readonly isUscc: boolean; readonly shapes: readonly (ColumnShape & { readonly dated: boolean })[]; readonly text: (column: SourceColumn) => string; readonly where: Facts };

async function createView(session: DataSession, { name, source, idColumn, isUscc, shapes, text, where }: View): Promise<void> {
  const lower = new Set([idColumn.name.toLowerCase(), ...shapes.map((s) => s.name.toLowerCase())]);
  // SQL names ignore case.
  if (lower.size !== shapes.length + 1) throw new AppError("DATA_DUPLICATE_COLUMN", where);
  const id = trimmed(idSql(idColumn));
  const inner = [`${isUscc ? `upper(${id})` : id} AS id`, ...shapes.map((s, i) => `${text(columnOf(source, s.name, where))} AS v${i}`)];
  const typed = shapes.map((s, i) => `${typedSql(s, `v${i}`)} AS ${quoteName(s.name)}`);
  await session.run(`CREATE VIEW ${quoteName(name)} AS SELECT id AS ${quoteName(idColumn.name)}${typed.map((t) => `, ${t}`).join("")} FROM (SELECT ${inner.join(", ")} FROM ${source.from})`);
}

function typedSql({ kind, dated }: { readonly kind: ColumnKind; readonly dated: boolean }, sql: string): string {
  if (kind === "text") return sql;
  if (kind === "number") return `CASE WHEN isfinite(${numberOf(sql)}) THEN ${numberOf(sql)} END`;
  return `CASE WHEN ${dateOf(sql, dated)} >= ${firstDate} THEN ${dateOf(sql, dated)} END`;
}

/** Ids by their 64-bit hash: a table of ten million companies needs the hashes in memory and no more. */
async function countCompanies(session: DataSession, table: string, idColumn: SourceColumn, log: Log): Promise<number> {
  try {
    return Number((await session.rows(`SELECT count(DISTINCT hash(${quoteName(idColumn.name)})) FROM ${quoteName(table)}`))[0]?.[0]);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "DATA_MEMORY") throw error;
    log.warn("quality.companies-not-counted");
    return 0;
  }
}

const monthly = 0.99;
const recordsPerCompany = 3;

/** The only date column of a table with several records per company, when its dates are first days of months. */
async function findSeries(session: DataSession, { name, columns, population }: TableShape, rows: number, companies: number): Promise<string | undefined> {
  const dates = columns.filter((c) => c.kind === "date");
  const [only] = dates;
  if (population || only === undefined || dates.length > 1 || companies === 0 || rows < recordsPerCompany * companies) return undefined;
  const column = quoteName(only.name);
  const [row = []] = await session.rows(`SELECT count(${column}), count(*) FILTER (day(${column}) = 1) FROM ${quoteName(name)}`);
  return Number(row[0]) > 0 && Number(row[1]) >= monthly * Number(row[0]) ? only.name : undefined;
}
