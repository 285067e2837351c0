// Opens one declared file: where it lies, what it is, how large, which columns. Everything that can be refused before
// a row is parsed is refused here. CSV text and Parquet pages alike are hostile input to a native parser.
import type { BigIntStats } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";
import { isAbsolute, join, relative, sep } from "node:path";
import type { Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";
import { readHeader } from "./csv-header.ts";
import type { FileReference } from "./definition.ts";
import type { DataSession } from "./duckdb.ts";
import { quoteText } from "./duckdb.ts";
import { scanText } from "./text-scan.ts";

export type DataLimits = {
  readonly fileBytes: number;
  readonly rows: number;
  readonly columns: number;
  /** Rows times features: 8 bytes each in memory. */
  readonly cells: number;
  /** Distinct values of a categorical column. */
  readonly levels: number;
};
export const defaultLimits: DataLimits = { fileBytes: 4 * 2 ** 30, rows: 10_000_000, columns: 4096, cells: 250_000_000, levels: 10_000 };

/** A file that may be read: checked, not yet parsed. */
export type DataFile = {
  readonly path: string;
  readonly format: "csv" | "parquet";
  readonly delimiter?: string | undefined;
  readonly bytes: number;
  /** Identity and version of the file, to notice a change. */
  readonly stamp: string;
  readonly where: Facts;
};

/** How DuckDB stores a column: texts are typed by us, Parquet numbers and dates are taken as they are. */
export type Native = "text" | "number" | "float" | "date" | "nested";
/** position: from 1. sql: the name to use in SQL. */
export type SourceColumn = { readonly name: string; readonly position: number; readonly sql: string; readonly native: Native };
/** rows: counted by us; DuckDB's serial reader drops the rest of a file after a quote that never ends, silently. */
export type CsvFacts = { readonly delimiter: string; readonly options: string; readonly rows: number };
/** from: the SQL of the table. */
export type Source = { readonly file: DataFile; readonly from: string; readonly columns: readonly SourceColumn[]; readonly csv?: CsvFacts };

const headBytes = 2 ** 20;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const unsafePath = /[*?[\]{}\u0000-\u001f]/;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const unsafeName = /[\u0000-\u001f\u007f]/;

/**
 * Checks that a declared file lies in the folder, is plain, readable, not empty and within the limit. Reads none of it.
 * where: facts that name the file in errors (its table's position). Throws DATA_FILE_*.
 */
export async function locate(reference: FileReference, directory: string, limits: DataLimits, where: Facts): Promise<DataFile> {
  const root = await realpath(directory).catch(() => undefined);
  if (root === undefined) throw new AppError("DATA_FILE_MISSING", { ...where, folder: true });
  const wanted = join(root, reference.file);
  if (unsafePath.test(wanted)) throw new AppError("DATA_FILE_NAME", where);
  if (isAbsolute(reference.file) || !inside(root, wanted)) throw new AppError("DATA_FILE_OUTSIDE", where);
  const path = await realpath(wanted).catch(fileError(where));
  if (!inside(root, path)) throw new AppError("DATA_FILE_OUTSIDE", where);
  if (unsafePath.test(path)) throw new AppError("DATA_FILE_NAME", where);
  const stats = await stat(path, { bigint: true }).catch(fileError(where));
  if (!stats.isFile()) throw new AppError("DATA_FILE_NOT_REGULAR", where);
  const bytes = Number(stats.size);
  if (bytes > limits.fileBytes) throw new AppError("DATA_FILE_TOO_LARGE", { ...where, bytes, limit: limits.fileBytes });
  if (bytes === 0) throw new AppError("DATA_FILE_EMPTY", where);
  const handle = await open(path, "r").catch(fileError(where));
  await handle.close();
  const format = reference.format ?? (/\.(parquet|pq)$/i.test(path) ? "parquet" : "csv");
  return { path, format, delimiter: reference.delimiter, bytes, stamp: stampOf(stats), where };
}

/** Reads the columns of a located file within a session that may read it. Throws DATA_NOT_*, DATA_*COLUMN*. */
export async function openSource(session: DataSession, file: DataFile, limits: DataLimits): Promise<Source> {
  const source = file.format === "csv" ? await openCsv(file, limits) : await openParquet(session, file, limits);
  const seen = new Set<string>();
  for (const { name, position } of source.columns) {
    if (name === "" || name.length > 256 || unsafeName.test(name)) throw new AppError("DATA_COLUMN_NAME", { ...file.where, column: position });
    if (seen.has(name)) throw new AppError("DATA_DUPLICATE_COLUMN", { ...file.where, column: position });
    seen.add(name);
  }
  return source;
}

/** Throws DATA_FILE_CHANGED if the file is not the one that was located. */
export async function checkUnchanged(file: DataFile): Promise<void> {
  const stats = await stat(file.path, { bigint: true }).catch(fileError(file.where));
  if (stampOf(stats) !== file.stamp) throw new AppError("DATA_FILE_CHANGED", file.where);
}

/** The SQL of a CSV file as texts named c1, c2, ... */
export function csvTable(file: DataFile, columns: number, delimiter: string, options: string): string {
  const names = Array.from({ length: columns }, (_, i) => `'c${i + 1}':'VARCHAR'`).join(",");
  return `read_csv(${quoteText(file.path)}, auto_detect=false, header=true, all_varchar=true, columns={${names}}, delim=${quoteText(delimiter)},
    quote='"', escape='"', strict_mode=true, null_padding=false, compression='none'${options})`;
}

async function openCsv(file: DataFile, limits: DataLimits): Promise<Source> {
  const length = Math.min(file.bytes, headBytes);
  const head = Buffer.alloc(length);
  const handle = await open(file.path, "r").catch(fileError(file.where));
  try {
    await handle.read(head, 0, length, 0);
  } finally {
    await handle.close();
  }
  const header = readHeader(head.toString("utf8"), file.bytes <= headBytes, file.delimiter);
  const scan = await scanText(file.path, file.where, header?.delimiter ?? ",");
  if (header === undefined) throw new AppError("DATA_NOT_CSV", file.where);
  const { names, delimiter } = header;
  checkWidth(names.length, file, limits);
  const columns = names.map((name, i) => ({ name, position: i + 1, sql: `c${i + 1}`, native: "text" as const }));
  // DuckDB's parallel reader can take a quoted field with line ends for rows when a block starts inside it.
  const options = scan.lineEndQuoted ? ", parallel=false" : "";
  return { file, from: csvTable(file, names.length, delimiter, options), columns, csv: { delimiter, options, rows: scan.records - 1 } };
}

async function openParquet(session: DataSession, file: DataFile, limits: DataLimits): Promise<Source> {
  const fault = { code: "DATA_NOT_PARQUET", facts: file.where } as const;
  const from = `read_parquet(${quoteText(file.path)}, hive_partitioning=false)`;
  const described = await session.rows(`DESCRIBE SELECT * FROM ${from}`, fault);
  checkWidth(described.length, file, limits);
  // DuckDB renames what differs in case only; a flat file's own names are those of its schema.
  const schema = await session.rows(`SELECT name FROM parquet_schema(${quoteText(file.path)})`, fault);
  const flat = schema.length === described.length + 1;
  const columns = described.map(([name, type], i) => ({
    name: String(flat ? schema[i + 1]?.[0] : name).trim(), position: i + 1, sql: `c${i + 1}`, native: nativeOf(String(type)),
  }));
  const named = `${from} AS t(${columns.map((c) => c.sql).join(", ")})`;
  const texts = columns.map((c) => (c.native === "text" ? `CAST(${c.sql} AS VARCHAR) AS ${c.sql}` : c.sql));
  return { file, from: `(SELECT ${texts.join(", ")} FROM ${named})`, columns };
}

function checkWidth(columns: number, file: DataFile, limits: DataLimits): void {
  if (columns > limits.columns) throw new AppError("DATA_TOO_MANY_COLUMNS", { ...file.where, columns, limit: limits.columns });
}

function nativeOf(type: string): Native {
  if (type.endsWith("]")) return "nested";
  if (/^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER)$/.test(type)) return "number";
  if (/^(FLOAT|DOUBLE|DECIMAL\(.*\))$/.test(type)) return "float";
  if (/^(DATE|TIMESTAMP.*)$/.test(type)) return "date";
  if (/^(VARCHAR|BOOLEAN|UUID|TIME.*|ENUM\(.*\))$/.test(type)) return "text";
  return "nested";
}

function inside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function stampOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs].join(":");
}

function fileError(where: Facts): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw new AppError(error.code === "ENOENT" || error.code === "ENOTDIR" ? "DATA_FILE_MISSING" : "DATA_FILE_UNREADABLE", where);
  };
}
