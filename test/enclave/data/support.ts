// A data folder that lasts one test, and errors caught for a closer look.
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { silentLog } from "../../../core/env.ts";
import { AppError } from "../../../core/errors.ts";
import { parseDefinition } from "../../../enclave/data/definition.ts";
import type { LoadedDataset, LoadOptions } from "../../../enclave/data/load.ts";
import { loadDataset } from "../../../enclave/data/load.ts";
import type { CategoricalFeature, NumericFeature } from "../../../models/features.ts";

export class Folder implements Disposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "yunei-data-")));

  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    return path;
  }

  /** Writes a Parquet file from a SELECT, with a DuckDB that is not ours. */
  async parquet(name: string, sql: string): Promise<void> {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    await connection.run(`COPY (${sql}) TO '${join(this.path, name)}' (FORMAT parquet)`);
    connection.closeSync();
    instance.closeSync();
  }

  load(definition: object, options: Partial<LoadOptions> = {}): Promise<LoadedDataset> {
    return loadDataset(parseDefinition({ name: "test", idColumn: "id", idKind: "opaque", ...definition }), { directory: this.path, log: silentLog, ...options });
  }

  /** Loads one CSV text. */
  csv(text: string | Uint8Array, definition: object = {}, options: Partial<LoadOptions> = {}): Promise<LoadedDataset> {
    this.write("table.csv", text);
    return this.load({ features: "table.csv", ...definition }, options);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export async function refusal(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

export function numeric(data: LoadedDataset, name: string): NumericFeature {
  const feature = data.features.find((f) => f.name === name);
  if (feature?.kind !== "numeric") throw new Error(`${name} is not numeric`);
  return feature;
}

export function categorical(data: LoadedDataset, name: string): CategoricalFeature {
  const feature = data.features.find((f) => f.name === name);
  if (feature?.kind !== "categorical") throw new Error(`${name} is not categorical`);
  return feature;
}

/** Category texts by row, null for missing. */
export function texts(data: LoadedDataset, name: string): (string | null)[] {
  const { codes, levels } = categorical(data, name);
  return Array.from(codes, (code) => (code < 0 ? null : levels[code] ?? null));
}
