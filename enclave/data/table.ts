// Reads one ready-made feature table: ids, label and one typed column per feature, streamed in groups of columns.
import type { EntityId } from "../../core/brand.ts";
import type { Facts } from "../../core/errors.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import type { Asked, ColumnPlan, ExpectedColumns } from "./columns.ts";
import { groupsOf, planColumns, presentText } from "./columns.ts";
import { checkDeclared, columnSources, featuresTable, type DatasetCatalogue } from "./declared.ts";
import type { ColumnDeclaration, DatasetDefinition, FeatureTableDefinition } from "./definition.ts";
import type { DataSession, Fault } from "./duckdb.ts";
import { IdCollector } from "./ids.ts";
import type { CsvFacts, DataLimits, Source, SourceColumn } from "./source.ts";
import { checkUnchanged, csvTable } from "./source.ts";
import type { ColumnWriter, SkippedColumn } from "./writers.ts";
import { CategoricalWriter, finishCategorical, LabelWriter, NumericWriter } from "./writers.ts";

export type FeatureTableContent = {
  readonly ids: readonly EntityId[];
  readonly label?: Uint8Array;
  readonly features: readonly Feature[];
  readonly skipped: readonly SkippedColumn[];
  /** What the definition's declaration says, where it has one. */
  readonly catalogue?: DatasetCatalogue;
};

const readGroup = 256;

/** Throws DATA_* as the codes say; rows in file order. expected: no other columns are read, and these as they say. Memory: the result, and DuckDB's
 *  buffers for 256 columns. */
export async function readFeatureTable(
  session: DataSession, source: Source, definition: FeatureTableDefinition, limits: DataLimits, expected?: ExpectedColumns,
): Promise<FeatureTableContent> {
  const { where } = source.file;
  const idColumn = idColumnOf(source, definition.idColumn);
  const labelColumn = definition.labelColumn === undefined ? undefined : columnOf(source, definition.labelColumn, { label: true });
  const all = askColumns(source, definition.columns, definition.missingTokens, [idColumn, labelColumn]);
  const asked = expected === undefined ? all : all.flatMap((a) => (expected.has(a.column.name) ? [{ ...a, expected: expected.get(a.column.name) }] : []));
  const catalogue = declaredColumns(source, definition, asked.map((a) => a.column.name));
  return withCause(session, source, async (fault) => {
    const rows = await countRows(session, source, asked.length, limits, fault);
    const plans = await planColumns(session, source.from, asked, where, fault);
    const ids = new IdCollector(definition.idKind, definition.missingTokens);
    const writers: { writer: ColumnWriter; sql: string }[] = [{ writer: idWriter(ids), sql: idSql(idColumn) }];
    const label = labelColumn && new LabelWriter(rows);
    if (label && labelColumn) writers.push({ writer: label, sql: labelSql(labelColumn, definition.missingTokens) });
    const columns = plans.map((plan) => writerFor(plan, rows, limits));
    for (const [i, plan] of plans.entries()) writers.push({ writer: columns[i] as ColumnWriter, sql: plan.sql });
    for (const group of groupsOf(writers, readGroup)) await fill(session, source, group, rows, fault);
    const checkedIds = ids.unique({ ...where, column: idColumn.position });
    const outcome = label && labelColumn ? label.finish({ ...where, column: labelColumn.position }) : undefined;
    const features: Feature[] = [];
    const skipped: SkippedColumn[] = [];
    for (const [i, plan] of plans.entries()) {
      const writer = columns[i];
      const { name, position } = plan.column;
      const feature = writer instanceof NumericWriter ? writer.feature(name, plan.special)
        : finishCategorical(writer as CategoricalWriter, name, rows, plan.declared, { ...where, column: position }, limits.levels);
      if (feature === undefined) skipped.push({ column: position, levels: (writer as CategoricalWriter).levels });
      else features.push(feature);
    }
    return { ids: checkedIds, ...(outcome && { label: outcome }), features, skipped, ...(catalogue && { catalogue }) };
  });
}

/** Holds the declaration of a ready-made table, where there is one, against its columns. `features`: those that are one each. */
export function declaredColumns(source: Source, definition: FeatureTableDefinition, features: readonly string[]): DatasetCatalogue | undefined {
  const label = definition.labelColumn === undefined ? undefined : columnOf(source, definition.labelColumn, { label: true });
  const columns = usableColumns(source, definition, definition.columns, featuresTable, label);
  return checkDeclared(definition, { [featuresTable]: columns }, columnSources(definition, features));
}

/** Names of the columns that a declaration has to speak of: those that are read, and what it names of the rest. Outcomes are the party's own. */
export function usableColumns(
  source: Source, { catalogue }: Pick<DatasetDefinition, "catalogue">, columns: Readonly<Record<string, ColumnDeclaration>>, table: string, label?: SourceColumn,
): readonly string[] {
  const named = Object.entries(catalogue?.tables ?? {}).find(([name]) => name.toLowerCase() === table.toLowerCase())?.[1];
  const spokenOf = new Set(Object.keys(named?.columns ?? {}).map((name) => name.toLowerCase()));
  const isIgnored = (name: string): boolean => Object.hasOwn(columns, name) && columns[name]?.ignore === true;
  return source.columns.filter((c) => c !== label && (!isIgnored(c.name) || spokenOf.has(c.name.toLowerCase()))).map((c) => c.name);
}

/** The columns that become features, with what the definition says of each. Throws DATA_MISSING_COLUMN. */
export function askColumns(
  source: Source, declared: Readonly<Record<string, ColumnDeclaration>>, missingTokens: readonly string[],
  reserved: readonly (SourceColumn | undefined)[],
): Asked[] {
  for (const [i, name] of Object.keys(declared).entries()) columnOf(source, name, { declared: i + 1 });
  return source.columns.flatMap((column) => {
    const declaration = Object.hasOwn(declared, column.name) ? declared[column.name] ?? {} : {};
    return reserved.includes(column) || declaration.ignore === true ? [] : [{ column, declaration, missing: declaration.missing ?? missingTokens }];
  });
}

/** Throws DATA_MISSING_COLUMN. facts: which of the definition's names it is. */
export function columnOf(source: Source, name: string, facts: Facts): SourceColumn {
  const column = source.columns.find((c) => c.name === name.trim());
  if (column === undefined) throw new AppError("DATA_MISSING_COLUMN", { ...source.file.where, ...facts });
  return column;
}

/** Throws DATA_MISSING_COLUMN or DATA_ID_TYPE: a float has lost digits of a long id. */
export function idColumnOf(source: Source, name: string): SourceColumn {
  const column = columnOf(source, name, { id: true });
  if (column.native !== "text" && column.native !== "number") throw new AppError("DATA_ID_TYPE", { ...source.file.where, column: column.position });
  return column;
}
/** SQL: the id as it stands in the file. */
export function idSql(column: SourceColumn): string {
  return `CAST(${column.sql} AS VARCHAR)`;
}
/** SQL: 0, 1, NaN for missing, -1 for anything else. */
export function labelSql(column: SourceColumn, missing: readonly string[]): string {
  const text = presentText(column, missing);
  return `CASE WHEN ${text} IS NULL THEN 'nan'::DOUBLE WHEN lower(${text}) = 'true' THEN 1::DOUBLE WHEN lower(${text}) = 'false' THEN 0::DOUBLE
    ELSE COALESCE(TRY_CAST(${text} AS DOUBLE), -1::DOUBLE) END`;
}

/** Rows of a source. Throws DATA_NO_ROWS, DATA_TOO_MANY_ROWS, DATA_TOO_MANY_CELLS. */
export async function countRows(session: DataSession, source: Source, columns: number, limits: DataLimits, fault: Fault): Promise<number> {
  const { where } = source.file;
  const rows = Number((await session.rows(`SELECT count(*) FROM ${source.from}`, fault))[0]?.[0]);
  // An empty line of a table with one column is a row to DuckDB and none to us; both see it as an empty id.
  const lost = source.csv === undefined ? 0 : source.csv.rows - rows;
  if (lost > 0 || (lost < 0 && source.columns.length > 1)) throw new AppError("DATA_CSV_SYNTAX", { ...where, rows: Math.abs(lost) });
  if (rows === 0) throw new AppError("DATA_NO_ROWS", where);
  if (rows > limits.rows) throw new AppError("DATA_TOO_MANY_ROWS", { ...where, rows, limit: limits.rows });
  if (rows * columns > limits.cells) throw new AppError("DATA_TOO_MANY_CELLS", { ...where, rows, columns, limit: limits.cells });
  return rows;
}

/** Runs work that parses the file; a failure to parse is explained, a changed file is said first. */
export async function withCause<T>(session: DataSession, source: Source, work: (fault: Fault) => Promise<T>): Promise<T> {
  const { file } = source;
  const fault: Fault = { code: file.format === "csv" ? "DATA_CSV_SYNTAX" : "DATA_NOT_PARQUET", facts: file.where };
  try {
    const result = await work(fault);
    await checkUnchanged(file);
    return result;
  } catch (error) {
    await checkUnchanged(file);
    if (isAppError(error) && error.code === "DATA_CSV_SYNTAX" && source.csv) throw await explainCsv(session, source, source.csv, error);
    throw error;
  }
}

/** Parses once more with DuckDB's table of rejected lines, to count what is wrong. */
async function explainCsv(session: DataSession, { file, columns }: Source, csv: CsvFacts, error: AppError): Promise<AppError> {
  const tolerant = csvTable(file, columns.length, csv.delimiter, `${csv.options}, store_rejects=true, rejects_limit=1000000`);
  const counted = columns.map((c) => `count(${c.sql})`).join(", ");
  try {
    await session.rows(`SELECT ${counted} FROM ${tolerant}`);
    const isRagged = "error_type IN ('MISSING COLUMNS', 'TOO MANY COLUMNS')";
    const rejects = await session.rows(`SELECT ${isRagged}, count(DISTINCT line) FROM reject_errors GROUP BY 1`);
    const ragged = Number(rejects.find(([kind]) => kind === true)?.[1] ?? 0);
    const broken = Number(rejects.find(([kind]) => kind === false)?.[1] ?? 0);
    if (broken > 0) return new AppError("DATA_CSV_SYNTAX", { ...file.where, rows: broken });
    return ragged > 0 ? new AppError("DATA_RAGGED_ROWS", { ...file.where, rows: ragged, columns: columns.length }) : error;
  } catch {
    return error;
  }
}

async function fill(
  session: DataSession, source: Source, group: readonly { writer: ColumnWriter; sql: string }[], rows: number, fault: Fault,
): Promise<void> {
  let at = 0;
  for await (const chunk of session.chunks(`SELECT ${group.map((g) => g.sql).join(", ")} FROM ${source.from}`, fault)) {
    const count = chunk.rowCount;
    if (at + count > rows) throw new AppError("DATA_FILE_CHANGED", source.file.where);
    for (const [i, { writer }] of group.entries()) writer.write(chunk.getColumnVector(i), at, count);
    at += count;
  }
  if (at !== rows) throw new AppError("DATA_FILE_CHANGED", source.file.where);
}

function idWriter(ids: IdCollector): ColumnWriter {
  return {
    write(vector, _at, count) {
      for (let i = 0; i < count; i += 1) ids.add(vector.getItem(i) as string | null);
    },
  };
}

function writerFor(plan: ColumnPlan, rows: number, limits: DataLimits): NumericWriter | CategoricalWriter {
  return plan.kind === "categorical" ? new CategoricalWriter(rows, limits.levels) : new NumericWriter(rows, plan.missingNumbers);
}
