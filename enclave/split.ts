// A split given by the bank: CSV `id,part` with train/test, read by the same checked door as any data.
import type { EntityId } from "../core/brand.ts";
import type { Log } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import type { IdKind } from "./data/definition.ts";
import { featureTableSchema } from "./data/definition.ts";
import { loadDataset, type LoadedDataset } from "./data/load.ts";

/** 1 = train, 0 = test, in the order of `ids`; every id needs a part. Throws SPLIT_* codes with counts. */
export async function readSplit(file: string, ids: readonly EntityId[], options: { directory: string; idColumn: string; idKind: IdKind; log: Log; signal?: AbortSignal }): Promise<Uint8Array> {
  const read = (idColumn: string): Promise<LoadedDataset> => loadDataset(featureTableSchema.parse({
    name: "split", idColumn, idKind: options.idKind, features: file, columns: { part: { type: "categorical" } },
  }), { directory: options.directory, log: options.log, signal: options.signal });
  // The id column is called as in the data, or plainly `id`.
  const table = await read(options.idColumn).catch((error: unknown) => {
    if (error instanceof AppError && error.code === "DATA_MISSING_COLUMN" && options.idColumn !== "id") return read("id");
    throw error;
  });
  const part = table.features.find((f) => f.name === "part");
  if (part === undefined || part.kind !== "categorical") throw new AppError("SPLIT_COLUMN");
  const wrong = part.levels.filter((l) => l !== "train" && l !== "test").length;
  if (wrong > 0) throw new AppError("SPLIT_VALUES", { values: wrong });
  const partOf = new Map(table.ids.map((id, i) => [id, part.levels[part.codes[i] ?? -1]]));
  const missing = ids.reduce((n, id) => n + (partOf.get(id) === undefined ? 1 : 0), 0);
  if (missing > 0) throw new AppError("SPLIT_MISSING", { ids: missing });
  return Uint8Array.from(ids, (id) => (partOf.get(id) === "train" ? 1 : 0));
}
