// A batch of companies to score: a file in the bank's own enclave, read by the same checked door as the training data.
import { join } from "node:path";
import type { Log } from "../core/env.ts";
import { sha256Hex } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import type { DatasetDefinition } from "./data/definition.ts";
import { loadDataset, type LoadedDataset } from "./data/load.ts";
import { readBytes, writeDurably } from "../core/files.ts";

/** Puts a file into the enclave's batch folder under its digest. Returns digest and number of rows. */
export async function stageBatch(folder: string, file: string, definition: DatasetDefinition, log: Log): Promise<{ batch: string; rows: number }> {
  const bytes = readBytes(file);
  const batch = sha256Hex(bytes);
  writeDurably(batchPath(folder, batch), bytes);
  return { batch, rows: (await loadBatch(folder, batch, definition, log)).rows };
}

/** Loads a staged batch: the columns of the enclave's own feature table, without a label. */
export async function loadBatch(folder: string, batch: string, definition: DatasetDefinition, log: Log): Promise<LoadedDataset> {
  if (!("features" in definition)) throw new AppError("JOB_PARAMS");
  const path = batchPath(folder, batch);
  if (sha256Hex(readBytes(path)) !== batch) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
  const { labelColumn, ...rest } = definition;
  const columns = Object.fromEntries(Object.entries(definition.columns).filter(([name]) => name !== labelColumn));
  return loadDataset({ ...rest, columns, features: { file: `${batch}.csv` } }, { directory: join(folder, "batches"), log });
}

function batchPath(folder: string, batch: string): string {
  return join(folder, "batches", `${batch}.csv`);
}
