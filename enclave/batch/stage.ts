// Puts a batch into the bank's own enclave: CSV or NDJSON, from a file or a stream, checked whole before anything is asked of anybody. Nothing of a
// refused batch stays.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { maxResultBytes } from "../../api/contract/endpoint.ts";
import type { Clock, Log } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { writePiecesDurably } from "../../core/files.ts";
import { enclavePaths, readConfig } from "../config.ts";
import type { ExpectedColumns } from "../data/columns.ts";
import type { DatasetDefinition, FeatureTableDefinition } from "../data/definition.ts";
import { defaultLimits } from "../data/source.ts";
import { StateDatabase } from "../store/database.ts";
import { headerOf, tableColumns } from "./columns.ts";
import { csvRecords } from "./csv-lines.ts";
import { mostBytes, stagedBytes, sweepBatches } from "./keep.ts";
import { LineChecker } from "./lines.ts";
import { batchFolder, readBatch, tableOf } from "./load.ts";
import { csvOfNdjson } from "./ndjson.ts";

/** Companies of one batch. */
export const maxBatchRows = 1_000_000;
/** A line of scores besides its id, and what sealing adds (base64). */
const lineBytes = 24;
const sealedShare = 4 / 3;

export type StageOptions = {
  /** The enclave's folder and its data folder. */
  readonly folder: string; readonly dataFolder: string;
  readonly definition: DatasetDefinition;
  /** The columns that the model needs, and as what. */
  readonly expected?: ExpectedColumns | undefined;
  readonly log: Log;
  /** Bytes of all that is staged. */
  readonly mostStaged?: number;
  readonly now: Clock;
};

/** For the enclave in a folder. Throws what reading its configuration throws. */
export function stageOptions(folder: string, { log, now }: Pick<StageOptions, "log" | "now">, expected?: ExpectedColumns): StageOptions {
  const { dataFolder, dataset } = readConfig(folder);
  return { folder, dataFolder, definition: dataset, log, now, expected };
}

/**
 * Stages a batch from a file or a stream. Returns digest and number of rows. Throws BATCH_COLUMNS (a column that the bank's table does not have, or one
 * of the model that is missing), BATCH_LINES (cause: a LineReport), DATA_*, BATCH_DISK, DISK_FAILED.
 */
export async function stageBatch(source: string | AsyncIterable<Uint8Array>, options: StageOptions): Promise<{ batch: string; rows: number }> {
  const { folder, log, expected } = options;
  const definition = tableOf(options.definition);
  const known = await tableColumns(definition, options.dataFolder);
  const checker = (): LineChecker => new LineChecker({ idKind: definition.idKind, missing: definition.missingTokens, expected });
  const { first, bytes } = await peek(typeof source === "string" ? createReadStream(source, { highWaterMark: 2 ** 20 }) : source);
  if (first === undefined) throw new AppError("DATA_FILE_EMPTY");
  const isJson = first === 0x7b;
  const kept = keptColumns(definition, expected, known);
  if (isJson && kept === undefined) throw new AppError("BATCH_COLUMNS", { unknown: true });
  const pieces = isJson ? csvOfNdjson(bytes, { idColumn: definition.idColumn, kept: kept ?? [], known, checker: checker() }) : bytes;
  const hash = createHash("sha256");
  const incoming = join(batchFolder(folder), `incoming-${process.pid}.csv`);
  await writePiecesDurably(incoming, hashed(pieces, hash));
  const batch = hash.digest("hex");
  const path = join(batchFolder(folder), `${batch}.csv`);
  const wasThere = existsSync(path);
  renameSync(incoming, path);
  try {
    makeRoom(options, batch);
    if (!isJson) await checkHeader(path, definition, known);
    const { rows, ids } = await readBatch(folder, batch, definition, log, expected).catch(async (error: unknown) => {
      if (!isJson) await explain(error, path, definition, checker());
      throw error;
    });
    // Long ids: their scores would not go through the platform, which is better said now than at the end.
    const perLine = ids.reduce((sum, id) => sum + id.length + lineBytes, 0) / rows;
    const limit = Math.min(maxBatchRows, Math.floor(maxResultBytes / (perLine * sealedShare)));
    if (rows > limit) throw new AppError("DATA_TOO_MANY_ROWS", { rows, limit });
    return { batch, rows };
  } catch (error) {
    if (!wasThere) rmSync(path, { force: true });
    throw error;
  }
}

/** Throws BATCH_DISK when batches that jobs need, or that are new, leave none. */
function makeRoom({ folder, mostStaged = mostBytes, now }: StageOptions, batch: string): void {
  if (stagedBytes(folder) <= mostStaged) return;
  using db = new StateDatabase(enclavePaths(folder).state);
  sweepBatches(folder, db, { now: now(), bytes: mostStaged, except: batch });
  const bytes = stagedBytes(folder);
  if (bytes > mostStaged) throw new AppError("BATCH_DISK", { bytes, limit: mostStaged });
}

/** Of NDJSON: the columns of the model, else all of the bank's own table; undefined when neither is known. */
function keptColumns({ idColumn, labelColumn }: FeatureTableDefinition, expected: ExpectedColumns | undefined, known: ReadonlySet<string> | undefined): readonly string[] | undefined {
  const all = expected === undefined ? known : new Set(expected.keys());
  return all && [...all].filter((name) => name !== idColumn && name !== labelColumn);
}

async function checkHeader(path: string, { idColumn, labelColumn, columns }: FeatureTableDefinition, known: ReadonlySet<string> | undefined): Promise<void> {
  const header = await headerOf(path);
  if (header === undefined || known === undefined) return; // the reader says what is wrong with it
  const unknown = header.names.filter((name) => name !== idColumn && name !== labelColumn && !known.has(name) && !Object.hasOwn(columns, name));
  if (unknown.length > 0) throw new AppError("BATCH_COLUMNS", { unknown: unknown.length, column: header.names.indexOf(unknown[0] ?? "") + 1 });
}

/** Which lines of a CSV file a refusal is about. Throws BATCH_LINES when it finds any. */
async function explain(error: unknown, path: string, { idColumn }: FeatureTableDefinition, checker: LineChecker): Promise<void> {
  if (!isAppError(error) || !/^DATA_(ID_|DUPLICATE_ID|WRONG_TYPE|RAGGED_ROWS|CSV_SYNTAX)/.test(error.code)) return;
  const header = await headerOf(path);
  if (header === undefined) return;
  const { names, delimiter } = header;
  const at = new Map(names.map((name, i) => [name, i]));
  const ordered = names.flatMap((name, i) => (checker.isOrdered(name) ? [i] : []));
  let isFirst = true;
  for await (const { line, fields } of csvRecords(path, delimiter)) {
    if (isFirst) isFirst = false;
    else if (fields.length !== names.length) checker.report.add("fields", line);
    else {
      checker.takeId(line, fields[at.get(idColumn) ?? -1] ?? null);
      for (const i of ordered) checker.takeText(line, fields[i] ?? "");
    }
  }
  checker.report.check();
}

async function* hashed(pieces: AsyncIterable<string | Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of pieces) {
    const part = typeof piece === "string" ? Buffer.from(piece) : piece;
    bytes += part.length;
    if (bytes > defaultLimits.fileBytes) throw new AppError("DATA_FILE_TOO_LARGE", { bytes, limit: defaultLimits.fileBytes });
    hash.update(part);
    yield part;
  }
}

/** The first byte that is no blank and no byte order mark, and the same stream from its beginning. */
async function peek(source: AsyncIterable<Uint8Array>): Promise<{ first: number | undefined; bytes: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const read: Uint8Array[] = [];
  let first: number | undefined;
  while (first === undefined) {
    const { value, done } = (await iterator.next()) as IteratorResult<Uint8Array, undefined>;
    if (done === true) break;
    read.push(value);
    first = value.find((byte) => ![0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf].includes(byte));
  }
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    yield* read;
    for (;;) {
      const { value, done } = (await iterator.next()) as IteratorResult<Uint8Array, undefined>;
      if (done === true) return;
      yield value;
    }
  };
  return { first, bytes: bytes() };
}
