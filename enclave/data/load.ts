// The in-domain data door: a definition and a folder in, a checked, typed feature table out. Raw values end here: what
// leaves this folder as an error or a log line is counts and positions.
import type { EntityId } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import type { Feature } from "../../models/features.ts";
import type { DatasetCatalogue } from "./declared.ts";
import type { DatasetDefinition, FeatureTableDefinition, IndicatorSetDefinition } from "./definition.ts";
import { snapshotDigest } from "./digest.ts";
import { DataSession } from "./duckdb.ts";
import { computeIndicators } from "./indicators.ts";
import { Records } from "./records.ts";
import { readVerifiable, type Verifiable } from "./verifiable.ts";
import type { DataFile, DataLimits } from "./source.ts";
import { defaultLimits, locate, openSource } from "./source.ts";
import type { FeatureTableContent } from "./table.ts";
import { readFeatureTable } from "./table.ts";
import type { SkippedColumn } from "./writers.ts";

export type LoadOptions = {
  /** The data folder: all files lie in it. */
  readonly directory: string;
  readonly log: Log;
  readonly limits?: Partial<DataLimits>;
  /** DuckDB's memory; the result comes on top. Default 1,024. */
  readonly memoryMb?: number;
  /** Threads that parse a feature table. Default 2. Indicators use one. */
  readonly threads?: number;
  /** Ends the loading with its reason. */
  readonly signal?: AbortSignal | undefined;
};

export type LoadedDataset = {
  readonly rows: number;
  /** Normalised, each once. Order of the file, or ascending for indicators over raw tables. */
  readonly ids: readonly EntityId[];
  /** The record of each company. */
  readonly records: Records;
  /** 0 or 1 per row, if the definition names a label. */
  readonly label?: Uint8Array;
  readonly features: readonly Feature[];
  /** Undeclared text columns with too many distinct values to be categories: left out of `features`. */
  readonly skipped: readonly SkippedColumn[];
  /** SHA-256 (hex) of ids, label and features. */
  readonly snapshotDigest: string;
  /** What its declaration says of the features, where it has one. */
  readonly catalogue?: DatasetCatalogue;
  /** Fields about which claims may be verified, where it offers any. */
  readonly verifiable?: Verifiable;
};
type Content = FeatureTableContent & Pick<LoadedDataset, "records" | "verifiable">;

/** Loads a data set. Throws AppError DATA_* and CATALOGUE_*: the rule, positions and counts; never a value, also not as a cause. */
export async function loadDataset(definition: DatasetDefinition, options: LoadOptions): Promise<LoadedDataset> {
  const limits = { ...defaultLimits, ...options.limits };
  const content = "features" in definition ? await loadFeatures(definition, options, limits) : await loadIndicators(definition, options, limits);
  options.signal?.throwIfAborted();
  const { ids, records, label, features, skipped, catalogue, verifiable } = content;
  for (const { column, levels } of skipped) options.log.warn("data.column.skipped", { column, levels });
  options.log.info("data.loaded", { rows: ids.length, features: features.length, skipped: skipped.length });
  const digest = snapshotDigest(ids, label, features);
  return {
    rows: ids.length, ids, records, ...(label && { label }), features, skipped, snapshotDigest: verifiable?.digest(digest) ?? digest, ...(catalogue && { catalogue }),
    ...(verifiable && { verifiable }),
  };
}

async function loadFeatures(definition: FeatureTableDefinition, options: LoadOptions, limits: DataLimits): Promise<Content> {
  const file = await locate(definition.features, options.directory, limits, {});
  await using session = await DataSession.open({ files: [file.path], memoryMb: options.memoryMb ?? 1024, threads: options.threads ?? 2, signal: options.signal });
  const source = await openSource(session, file, limits);
  const content = await readFeatureTable(session, source, definition, limits);
  return await withVerifiable(content, (records) => readVerifiable(session, definition, async () => source, records, limits));
}

async function loadIndicators(definition: IndicatorSetDefinition, options: LoadOptions, limits: DataLimits): Promise<Content> {
  const files = new Map<string, DataFile>();
  for (const [name, table] of Object.entries(definition.tables)) {
    files.set(name, await locate(table, options.directory, limits, { table: files.size + 1 }));
  }
  await using session = await DataSession.open({ files: [...files.values()].map((f) => f.path), memoryMb: options.memoryMb ?? 1024, threads: 1, signal: options.signal });
  const content = await computeIndicators(session, definition, files, limits, options.log);
  const sourceOf = (table: string) => openSource(session, files.get(table) as DataFile, limits);
  return await withVerifiable(content, (records) => readVerifiable(session, definition, sourceOf, records, limits));
}

async function withVerifiable(content: FeatureTableContent, read: (records: Records) => Promise<Verifiable | undefined>): Promise<Content> {
  const records = new Records(content.ids);
  const verifiable = await read(records);
  return { ...content, records, ...(verifiable && { verifiable }) };
}
