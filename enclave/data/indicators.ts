// Raw tables -> indicators: loads the provider's own tables, typed, into the locked session and runs each definition.
// One thread: sums of doubles then come out equal on every run, and the snapshot digest with them.
import type { DuckDBDataChunk } from "@duckdb/node-api";
import type { EntityId } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import type { Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import { daysSql, numberSql, planColumns } from "./columns.ts";
import type { ColumnPlan } from "./columns.ts";
import type { IndicatorDefinition, IndicatorSetDefinition } from "./definition.ts";
import type { DataSession } from "./duckdb.ts";
import { quoteName } from "./duckdb.ts";
import { IdCollector } from "./ids.ts";
import type { DataFile, DataLimits } from "./source.ts";
import { openSource } from "./source.ts";
import { checkDeclared, indicatorSource, type DatasetCatalogue } from "./declared.ts";
import { checkIndicatorSql, type Tree } from "./sql-guard.ts";
import { readsOf, type Read } from "./sql-reads.ts";
import type { FeatureTableContent } from "./table.ts";
import { askColumns, columnOf, countRows, idColumnOf, idSql, labelSql, usableColumns, withCause } from "./table.ts";
import { CategoricalWriter, finishCategorical, LabelWriter } from "./writers.ts";

const idsTable = "yunei ids";
const labelName = "yunei label";

/**
 * Checks all SQL, loads all tables, then computes every indicator for every id of the population, ids in ascending order.
 * files: by table name, located. Throws DATA_*; facts name table and indicator by position.
 */
export async function computeIndicators(
  session: DataSession, definition: IndicatorSetDefinition, files: ReadonlyMap<string, DataFile>, limits: DataLimits, log: Log,
): Promise<FeatureTableContent> {
  const tables = Object.keys(definition.tables);
  const checked = await checkAllSql(session, definition, tables);
  const columns: Record<string, readonly string[]> = {};
  for (const name of tables) columns[name] = await loadTable(session, definition, name, files.get(name) as DataFile, limits);
  const catalogue = declaredIndicators(definition, columns, checked);
  const { ids, label } = await readPopulation(session, definition, tables, limits);
  if (ids.length * definition.indicators.length > limits.cells) {
    throw new AppError("DATA_TOO_MANY_CELLS", { rows: ids.length, columns: definition.indicators.length, limit: limits.cells });
  }
  const rowOf = new Map<string, number>(ids.map((id, row) => [id, row]));
  const queries: { name: string; query: Query; facts: Facts }[] = [];
  for (const { name, sql, facts } of checked) queries.push({ name, query: await typed(session, sql, facts), facts });
  const features: Feature[] = [];
  for (const { name, query, facts } of queries) features.push(await runIndicator(session, name, query, rowOf, limits, log, facts));
  return { ids, ...(label && { label }), features, skipped: [], ...(catalogue && { catalogue }) };
}

/** Every indicator's SQL within the rules, and its tree. Throws DATA_INDICATOR_SQL. */
async function checkAllSql(session: DataSession, definition: IndicatorSetDefinition, tables: readonly string[]): Promise<Checked[]> {
  const checked: Checked[] = [];
  for (const [i, indicator] of definition.indicators.entries()) {
    const facts = { indicator: i + 1 };
    checked.push({ indicator, name: indicator.name, ...(await checkedSql(session, definition, indicator, tables, facts)), facts });
  }
  return checked;
}

/** Holds the declaration, where there is one, against the tables (columns by table) and what each indicator reads. */
function declaredIndicators(definition: IndicatorSetDefinition, columns: Readonly<Record<string, readonly string[]>>, checked: readonly Checked[]): DatasetCatalogue | undefined {
  const lower = new Map(Object.entries(columns).map(([table, names]) => [table.toLowerCase(), new Set(names.map((n) => n.toLowerCase()))]));
  return checkDeclared(definition, columns, checked.map(({ indicator, tree }) => indicatorSource(indicator, readsOf(tree, lower))));
}

/** What a definition with raw tables declares, without loading a row. Throws what `computeIndicators` throws before it computes. */
export async function inspectIndicators(
  session: DataSession, definition: IndicatorSetDefinition, files: ReadonlyMap<string, DataFile>, limits: DataLimits,
): Promise<{ readonly tables: Readonly<Record<string, readonly string[]>>; readonly reads: readonly (readonly Read[])[] }> {
  const checked = await checkAllSql(session, definition, Object.keys(definition.tables));
  const tables: Record<string, readonly string[]> = {};
  for (const name of Object.keys(definition.tables)) {
    tables[name] = usableColumns(await openSource(session, files.get(name) as DataFile, limits), definition, definition.tables[name]?.columns ?? {}, name);
  }
  const lower = new Map(Object.entries(tables).map(([table, names]) => [table.toLowerCase(), new Set(names.map((n) => n.toLowerCase()))]));
  return { tables, reads: checked.map(({ tree }) => readsOf(tree, lower)) };
}

type Checked = { readonly indicator: IndicatorDefinition; readonly name: string; readonly sql: string; readonly tree: Tree; readonly facts: Facts };

function idNameOf(definition: IndicatorSetDefinition, table: string): string {
  return (definition.tables[table]?.idColumn ?? definition.idColumn).trim();
}

async function loadTable(
  session: DataSession, definition: IndicatorSetDefinition, name: string, file: DataFile, limits: DataLimits,
): Promise<readonly string[]> {
  const source = await openSource(session, file, limits);
  const lower = new Set<string>();
  for (const column of source.columns) {
    // SQL names ignore case.
    if (lower.has(column.name.toLowerCase())) throw new AppError("DATA_DUPLICATE_COLUMN", { ...file.where, column: column.position });
    lower.add(column.name.toLowerCase());
  }
  const idColumn = idColumnOf(source, idNameOf(definition, name));
  const isPopulation = definition.population === name;
  const labelColumn = isPopulation && definition.labelColumn !== undefined ? columnOf(source, definition.labelColumn, { label: true }) : undefined;
  const asked = askColumns(source, definition.tables[name]?.columns ?? {}, definition.missingTokens, [idColumn, labelColumn]);
  await withCause(session, source, async (fault) => {
    await countRows(session, source, asked.length, limits, fault);
    const plans = await planColumns(session, source.from, asked, file.where, fault);
    const values = plans.map((plan) => `${rawSql(plan)} AS ${quoteName(plan.column.name)}`);
    const columns = [`${idSql(idColumn)} AS ${quoteName(idColumn.name)}`, ...values];
    if (labelColumn) columns.push(`${labelSql(labelColumn, definition.missingTokens)} AS ${quoteName(labelName)}`);
    await session.run(`CREATE TABLE ${quoteName(name)} AS SELECT ${columns.join(", ")} FROM ${source.from}`, fault);
  });
  await normaliseIds(session, definition, name, idColumn.name, { ...file.where, column: idColumn.position });
  return usableColumns(source, definition, definition.tables[name]?.columns ?? {}, name, labelColumn);
}

/** SQL of a raw column with its SQL type: BIGINT, DOUBLE, DATE or VARCHAR; missing is NULL. */
function rawSql({ kind, sql, missingNumbers, integral }: ColumnPlan): string {
  if (kind === "categorical") return sql;
  if (kind === "date") return `CASE WHEN isfinite(${sql}) THEN DATE '1970-01-01' + CAST(${sql} AS INTEGER) END`;
  const dropped = missingNumbers.length === 0 ? "" : ` AND ${sql} NOT IN (${missingNumbers.map((n) => `${n}::DOUBLE`).join(", ")})`;
  return `CASE WHEN isfinite(${sql})${dropped} THEN CAST(${sql} AS ${integral ? "BIGINT" : "DOUBLE"}) END`;
}

/** Checks the ids of a raw table and rewrites those that are not in their normal form. Throws DATA_ID_*. */
async function normaliseIds(session: DataSession, definition: IndicatorSetDefinition, table: string, column: string, facts: Facts): Promise<void> {
  const ids = new IdCollector(definition.idKind, definition.missingTokens);
  const changed: [string, string][] = [];
  const id = quoteName(column);
  for await (const chunk of session.chunks(`SELECT ${id}, CAST(count(*) AS DOUBLE) FROM ${quoteName(table)} GROUP BY ${id}`)) {
    const [texts, counts] = [chunk.getColumnVector(0), chunk.getColumnVector(1)];
    for (let i = 0; i < chunk.rowCount; i += 1) {
      const raw = texts.getItem(i) as string | null;
      const normal = ids.add(raw, counts.getItem(i) as number);
      if (raw !== null && raw !== normal) changed.push([raw, normal]);
    }
  }
  ids.check(facts);
  if (changed.length === 0) return;
  await session.run(`CREATE TABLE ${quoteName(idsTable)} (raw VARCHAR, normal VARCHAR)`);
  await session.append(idsTable, changed);
  await session.run(`UPDATE ${quoteName(table)} SET ${id} = m.normal FROM ${quoteName(idsTable)} m WHERE ${quoteName(table)}.${id} = m.raw`);
  await session.run(`DROP TABLE ${quoteName(idsTable)}`);
}

/** The companies of the data set, ascending, with their labels. */
async function readPopulation(
  session: DataSession, definition: IndicatorSetDefinition, tables: readonly string[], limits: DataLimits,
): Promise<{ ids: readonly EntityId[]; label?: Uint8Array }> {
  const { population, labelColumn } = definition;
  const one = (table: string): string => `SELECT ${quoteName(idNameOf(definition, table))} AS id FROM ${quoteName(table)}`;
  const all = population === undefined ? `SELECT DISTINCT id FROM (${tables.map(one).join(" UNION ALL ")})` : one(population);
  const facts: Facts = population === undefined ? {} : { table: tables.indexOf(population) + 1 };
  const ids = new IdCollector(definition.idKind, []);
  const labels: number[] = [];
  const withLabel = population !== undefined && labelColumn !== undefined;
  const sql = withLabel
    ? `SELECT ${quoteName(idNameOf(definition, population))} AS id, ${quoteName(labelName)} FROM ${quoteName(population)} ORDER BY id`
    : `SELECT id FROM (${all}) ORDER BY id`;
  for await (const chunk of session.chunks(sql)) {
    const texts = chunk.getColumnVector(0);
    for (let i = 0; i < chunk.rowCount; i += 1) ids.add(texts.getItem(i) as string);
    if (withLabel) labels.push(...(chunk.getColumnValues(1) as number[]));
  }
  const unique = ids.unique(facts);
  if (unique.length > limits.rows) throw new AppError("DATA_TOO_MANY_ROWS", { rows: unique.length, limit: limits.rows });
  if (!withLabel) return { ids: unique };
  const label = new LabelWriter(labels.length);
  for (const [row, value] of labels.entries()) label.set(row, value);
  return { ids: unique, label: label.finish(facts) };
}

/** The SQL that gives (id, value), within the rules, and its tree. Throws DATA_INDICATOR_SQL. */
async function checkedSql(
  session: DataSession, definition: IndicatorSetDefinition, indicator: IndicatorDefinition, tables: readonly string[], facts: Facts,
): Promise<{ readonly sql: string; readonly tree: Tree }> {
  const { table } = indicator;
  const body = indicator.sql.trim().replace(/;$/, "");
  // An expression is checked alone first: it must not close the bracket that it is put into.
  if (table !== undefined) await checkIndicatorSql(session, `SELECT (${body}\n)`, tables, facts);
  const id = table === undefined ? "" : quoteName(idNameOf(definition, table));
  const query = table === undefined ? body : `SELECT ${id}, (${body}\n) FROM ${quoteName(table)} GROUP BY ${id}`;
  return { sql: query, tree: await checkIndicatorSql(session, query, tables, facts) };
}

/** text: the value is a category. */
type Query = { readonly sql: string; readonly text: boolean };

/** The query over the loaded tables, its value cast to DOUBLE or VARCHAR. Throws DATA_INDICATOR_FAILED or DATA_INDICATOR_SHAPE. */
async function typed(session: DataSession, sql: string, facts: Facts): Promise<Query> {
  const types = await session.columnTypes(sql, { code: "DATA_INDICATOR_FAILED", facts, userSql: true });
  const [idType, valueType] = types;
  const cast = castOf(valueType ?? "");
  if (types.length !== 2 || idType !== "VARCHAR" || cast === undefined) throw new AppError("DATA_INDICATOR_SHAPE", facts);
  return { sql: `SELECT id, ${cast} FROM (${sql}\n) AS q(id, value)`, text: cast === textCast };
}

const textCast = "CAST(value AS VARCHAR)";
function castOf(type: string): string | undefined {
  if (/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|BOOLEAN|DECIMAL\([\d, ]*\))$/.test(type)) return numberSql("value");
  if (/^(DATE|TIMESTAMP[A-Z_ ]*)$/.test(type)) return daysSql("CAST(value AS DATE)");
  return /^(VARCHAR|ENUM\([^[]*\))$/.test(type) ? textCast : undefined;
}

async function runIndicator(
  session: DataSession, name: string, query: Query, rowOf: ReadonlyMap<string, number>, limits: DataLimits, log: Log, facts: Facts,
): Promise<Feature> {
  const rows = rowOf.size;
  const values = new Float64Array(query.text ? 0 : rows).fill(Number.NaN);
  const category = new CategoricalWriter(query.text ? rows : 0, limits.levels);
  const seen = new Uint8Array(rows);
  let repeated = 0;
  let infinite = 0;
  const take = (chunk: DuckDBDataChunk): void => {
    const [texts, items] = [chunk.getColumnVector(0), chunk.getColumnVector(1)];
    for (let i = 0; i < chunk.rowCount; i += 1) {
      const id = texts.getItem(i) as string | null;
      const row = id === null ? undefined : rowOf.get(id);
      if (id === null || (row !== undefined && seen[row] === 1)) repeated += 1;
      if (row === undefined) continue;
      seen[row] = 1;
      const item = items.getItem(i);
      if (query.text) category.set(row, item as string | null);
      else if (Number.isFinite(item)) values[row] = (item as number) + 0;
      else if (!Number.isNaN(item)) infinite += 1;
    }
  };
  for await (const chunk of session.chunks(query.sql, { code: "DATA_INDICATOR_FAILED", facts, userSql: true })) take(chunk);
  if (repeated > 0) throw new AppError("DATA_INDICATOR_IDS", { ...facts, rows: repeated });
  if (infinite > 0) log.warn("data.indicator.infinite", { indicator: Number(facts["indicator"]), rows: infinite });
  if (!query.text) return { kind: "numeric", name, values, special: [] };
  return finishCategorical(category, name, rows, true, facts, limits.levels) as Feature;
}
