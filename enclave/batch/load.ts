// A batch of companies to score: a file in the bank's own enclave, named by its digest, read by the same checked door as the training data.
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { ExpectedColumns } from "../data/columns.ts";
import type { DatasetDefinition, FeatureTableDefinition } from "../data/definition.ts";
import { DataSession } from "../data/duckdb.ts";
import type { LoadedDataset } from "../data/load.ts";
import { defaultLimits, locate, openSource } from "../data/source.ts";
import { readFeatureTable } from "../data/table.ts";

export type Batch = Pick<LoadedDataset, "rows" | "ids" | "features">;

export const batchFolder = (folder: string): string => join(folder, "batches");

/** Loads a staged batch. `expected`: the columns that the model needs, and as what; without, all of them, as they look. Throws BATCH_UNKNOWN, ENCLAVE_SNAPSHOT_CHANGED,
 *  JOB_PARAMS (a bank without a feature table), BATCH_COLUMNS (a column of the model is not there) and DATA_*. */
export async function loadBatch(folder: string, batch: string, definition: DatasetDefinition, log: Log, expected?: ExpectedColumns): Promise<Batch> {
  const table = tableOf(definition);
  const path = join(batchFolder(folder), `${batch}.csv`);
  if (!existsSync(path)) throw new AppError("BATCH_UNKNOWN");
  if ((await fileDigest(path)) !== batch) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
  return readBatch(folder, batch, table, log, expected);
}

/** The same for a file whose digest was just made. */
export async function readBatch(folder: string, batch: string, definition: FeatureTableDefinition, log: Log, expected?: ExpectedColumns): Promise<Batch> {
  const { name, idColumn, idKind, missingTokens, labelColumn } = definition;
  const file = await locate({ file: `${batch}.csv` }, batchFolder(folder), defaultLimits, {});
  await using session = await DataSession.open({ files: [file.path] });
  const source = await openSource(session, file, defaultLimits);
  const there = new Set(source.columns.map((c) => c.name));
  const lacking = [...expected?.keys() ?? []].filter((column) => !there.has(column)).length;
  if (lacking > 0) throw new AppError("BATCH_COLUMNS", { missing: lacking });
  const declared = Object.entries(definition.columns).filter(([column]) => column !== labelColumn && (expected === undefined || expected.has(column)));
  const columns = Object.fromEntries(declared);
  const { ids, features } = await readFeatureTable(session, source, { name, idColumn, idKind, missingTokens, columns, features: { file: `${batch}.csv` } }, defaultLimits, expected);
  log.info("data.loaded", { rows: ids.length, features: features.length });
  return { rows: ids.length, ids, features };
}

/** Throws JOB_PARAMS for indicators over raw tables: a batch has the columns of a feature table. */
export function tableOf(definition: DatasetDefinition): FeatureTableDefinition {
  if (!("features" in definition)) throw new AppError("JOB_PARAMS");
  return definition;
}

async function fileDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const piece of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(piece as Buffer);
  } catch (cause) {
    throw new AppError("DISK_FAILED", {}, { cause });
  }
  return hash.digest("hex");
}
