// One run of all checks over the declared tables, in a locked session of the data engine with a memory limit of its own. What comes out is
// counts; a check that does not fit in memory is not made, and says so.
import type { Log } from "../../core/env.ts";
import { AppError, type Facts } from "../../core/errors.ts";
import { checksOf, type Check } from "../../quality/checks.ts";
import { leastCounted, type Result } from "../../quality/rates.ts";
import type { QualitySettings } from "../../quality/settings.ts";
import type { DatasetDefinition } from "../data/definition.ts";
import { DataSession, type Fault } from "../data/duckdb.ts";
import { idFault } from "../data/ids.ts";
import { checkIndicatorSql } from "../data/sql-guard.ts";
import { checkUnchanged, defaultLimits, type DataLimits } from "../data/source.ts";
import { companiesSql, countSql } from "./sql.ts";
import { declaredTables, locateTables, openTables, type OpenTable } from "./tables.ts";

export type QualityRunOptions = {
  readonly directory: string; readonly log: Log;
  /** Today, ms since the epoch: ages are measured from it where the settings name no day. */
  readonly now: number;
  /** The data engine's own memory. Default 512. */
  readonly memoryMb?: number | undefined;
  readonly limits?: Partial<DataLimits> | undefined;
  readonly signal?: AbortSignal | undefined;
};

const standardMemoryMb = 512;

/** Throws QUALITY_BINDING, QUALITY_SQL, QUALITY_SHAPE for settings that do not fit the tables, DATA_FILE_* and DATA_* for files that cannot
 *  be read at all; then nothing was found. */
export async function runChecks(definition: DatasetDefinition, settings: QualitySettings, options: QualityRunOptions): Promise<Result[]> {
  const limits = { ...defaultLimits, ...options.limits };
  const files = await locateTables(definition, options.directory, limits);
  await using session = await DataSession.open({ files: files.map((f) => f.path), memoryMb: options.memoryMb ?? standardMemoryMb, threads: 1 });
  const names = declaredTables(definition).map((t) => t.name);
  // Before any data is read: a rule of the provider's that is not allowed costs nothing.
  for (const [i, rule] of settings.rules.entries()) await checkOwnSql(session, rule.sql, names, { rule: i + 1 });
  const tables = await openTables(session, definition, files, limits, options.log);
  const checks = checksOf(tables.map((t) => t.shape), settings);
  const today = settings.asOf ?? new Date(options.now).toISOString().slice(0, 10);
  const byName = new Map(tables.map((t) => [t.shape.name, t]));
  const results: Result[] = [];
  for (const check of checks) {
    options.signal?.throwIfAborted();
    results.push({ check, counts: await countsOf(session, { check, table: byName.get(check.table ?? ""), definition, today, log: options.log }) });
  }
  for (const file of files) await checkUnchanged(file);
  return results;
}

async function checkOwnSql(session: DataSession, sql: string, tables: readonly string[], facts: Facts): Promise<void> {
  try {
    await checkIndicatorSql(session, sql.trim().replace(/;$/, ""), tables, facts);
  } catch (error) {
    if (error instanceof AppError && error.code === "DATA_INDICATOR_SQL") throw new AppError("QUALITY_SQL", error.facts);
    throw error;
  }
}

type Asked = { readonly check: Check; readonly table: OpenTable | undefined; readonly definition: DatasetDefinition; readonly today: string; readonly log: Log };

async function countsOf(session: DataSession, asked: Asked): Promise<Result["counts"]> {
  try {
    return await (asked.check.ask.kind === "own" ? ownCounts(session, asked.check.ask) : tableCounts(session, asked));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "DATA_MEMORY") throw error;
    asked.log.warn("quality.check-not-run", { rule: asked.check.rule, ...error.facts });
    return null;
  }
}

async function tableCounts(session: DataSession, asked: Asked): Promise<Result["counts"]> {
  const { check: { ask }, table, definition, today } = asked;
  if (table === undefined) throw new AppError("QUALITY_BINDING");
  const { rows, companies } = table;
  if (ask.kind === "empty") return { checked: 1, failed: rows === 0 ? 1 : 0, companies };
  if (ask.kind === "id") return { checked: rows, failed: await wrongIds(session, table, definition), companies };
  if (ask.kind === "missing" || ask.kind === "type") {
    const { present, valid } = table.counts.get(ask.column) ?? { present: 0, valid: 0 };
    if (ask.kind === "missing") return { checked: rows, failed: rows - present, companies };
    return { checked: present, failed: present - valid, companies: await companiesOf(session, ask, table, present) };
  }
  const fault: Fault = { code: "QUALITY_SQL", facts: table.source.file.where, userSql: true };
  // A pattern is the provider's text; all else is ours.
  const [row = []] = await session.rows(countSql(ask, table, today), ask.kind === "code" ? fault : undefined);
  const checked = Number(row[0] ?? 0);
  return { checked, failed: Number(row[1] ?? 0), companies: await companiesOf(session, ask, table, checked) };
}

/** Above this many records those of a table's companies stand for those looked at: nobody has so many of one. */
const mostPerFew = 1_000_000;

/** Companies that a check looked at: at most as many as records. In a table with several records per company they are counted, and 0 when that
 *  does not fit in memory. */
async function companiesOf(session: DataSession, ask: Check["ask"], table: OpenTable, checked: number): Promise<number> {
  const { rows, companies } = table;
  const most = Math.min(companies, checked);
  const sql = companiesSql(ask, table);
  if (sql === undefined || rows === companies || checked > mostPerFew || most < leastCounted) return most;
  try {
    return Math.min(most, Number((await session.rows(sql))[0]?.[0] ?? 0));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "DATA_MEMORY") throw error;
    return 0;
  }
}

/** Ids are judged by the one function that also the loading of data uses: row by row, so that no list of them is in memory. */
async function wrongIds(session: DataSession, { source, idColumn }: OpenTable, { idKind, missingTokens }: DatasetDefinition): Promise<number> {
  const missing = new Set(["", ...missingTokens]);
  let failed = 0;
  let last: { readonly raw: string | null; readonly isWrong: boolean } | undefined;
  for await (const chunk of session.chunks(`SELECT CAST(${idColumn.sql} AS VARCHAR) FROM ${source.from}`)) {
    const texts = chunk.getColumnVector(0);
    for (let i = 0; i < chunk.rowCount; i += 1) {
      const raw = texts.getItem(i) as string | null;
      // Records of one company mostly follow each other.
      if (last === undefined || last.raw !== raw) last = { raw, isWrong: idFault(raw, idKind, missing) !== undefined };
      if (last.isWrong) failed += 1;
    }
  }
  return failed;
}

const whole = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\([\d, ]*\))$/;

/** The two numbers of a provider's own rule. How many companies they are about is not known: the records stand for them. */
async function ownCounts(session: DataSession, { position, sql }: { readonly position: number; readonly sql: string }): Promise<Result["counts"]> {
  const facts = { rule: position };
  const fault: Fault = { code: "QUALITY_SQL", facts, userSql: true };
  const query = sql.trim().replace(/;$/, "");
  const types = await session.columnTypes(query, fault);
  if (types.length !== 2 || !types.every((t) => whole.test(t))) throw new AppError("QUALITY_SHAPE", { ...facts, columns: types.length });
  // More than a row is an error, however many there are.
  const rows = await session.rows(`SELECT CAST(a AS DOUBLE), CAST(b AS DOUBLE) FROM (${query}\n) AS q(a, b) LIMIT 2`, fault);
  const [checked, failed] = (rows[0] ?? []).map((v) => (v === null ? 0 : Number(v)));
  const fits = rows.length === 1 && Number.isSafeInteger(checked) && Number.isSafeInteger(failed) && (failed ?? -1) >= 0 && (failed ?? 0) <= (checked ?? 0);
  if (!fits || checked === undefined || failed === undefined) throw new AppError("QUALITY_SHAPE", { ...facts, rows: rows.length });
  return { checked, failed, companies: checked };
}

