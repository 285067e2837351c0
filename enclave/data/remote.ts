// The party's own data loaded in a worker thread (kernels/pool.ts opens it by name): files, checks and digests never hold up the enclave's other work. What
// was loaded is handed over in parts, arrays moved, texts in blocks: no part takes the receiver longer than some milliseconds.
import type { EntityId } from "../../core/brand.ts";
import type { Log } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { Feature } from "../../models/features.ts";
import type { EnclaveConfig } from "../config.ts";
import { readSplit } from "../split.ts";
import type { DatasetCatalogue } from "./declared.ts";
import { loadOwn } from "./own.ts";
import type { VerifiableColumn } from "./verifiable.ts";
import type { SkippedColumn } from "./writers.ts";

export type OwnData = Pick<EnclaveConfig, "dataset" | "dataFolder" | "ownData" | "splitFile" | "splitIdColumn">;
export type Note = { readonly level: keyof Log; readonly event: string; readonly facts: NonNullable<Parameters<Log["info"]>[1]> };
/** What comes first: sizes and what is small. */
export type RemoteHead = {
  /** What there is to log. */
  readonly notes: readonly Note[];
  readonly rows: number; readonly features: number; readonly snapshotDigest: string; readonly skipped: readonly SkippedColumn[]; readonly catalogue: DatasetCatalogue | undefined;
  readonly verifiable: { readonly version: string | undefined; readonly fields: readonly { readonly field: VerifiableColumn["field"]; readonly entries: number; readonly texts: number }[] } | undefined;
};
export type RemoteOwn = {
  head(): RemoteHead;
  ids(from: number, to: number): EntityId[];
  /** Outcomes, and the split, where there are any. Each array is moved: it can be asked for once. */
  marks(): { readonly label: Uint8Array | undefined; readonly trainOf: Uint8Array | undefined };
  feature(at: number): Feature;
  /** Of a verifiable field: where each record's entries begin, and which of its texts each entry is. */
  entries(field: number): { readonly starts: Uint32Array; readonly textOf: Uint32Array };
  texts(field: number, from: number, to: number): string[];
};

/** How soon a wish to stop is seen. */
const lookEveryMs = 50;

/** stopped: shared; 1 once the loading is to end: a thread in which the data engine works cannot be ended from outside (it takes the process along). Throws what
 *  `loadOwn` and `readSplit` refuse, JOB_CANCELLED when it was stopped. */
export async function openOwn(config: OwnData, memoryKey: Uint8Array, stopped: Int32Array): Promise<RemoteOwn> {
  const stop = new AbortController();
  const looking = setInterval(() => {
    if (Atomics.load(stopped, 0) === 1) stop.abort(new AppError("JOB_CANCELLED"));
  }, lookEveryMs);
  try {
    return await load(config, memoryKey, stop.signal);
  } catch (error) {
    // What was interrupted fails in its own way.
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    clearInterval(looking);
  }
}

async function load(config: OwnData, memoryKey: Uint8Array, signal: AbortSignal): Promise<RemoteOwn> {
  const notes: Note[] = [];
  const keep = (level: Note["level"]) => (event: string, facts: Note["facts"] = {}): void => void notes.push({ level, event, facts });
  const log: Log = { info: keep("info"), warn: keep("warn"), error: keep("error") };
  const { ids, rows, label, features, skipped, snapshotDigest, catalogue, verifiable } = await loadOwn(config, memoryKey, log, signal);
  const trainOf = config.splitFile === undefined ? undefined : await readSplit(config.splitFile, ids, {
    directory: config.dataFolder, idColumn: config.splitIdColumn ?? config.dataset.idColumn, idKind: config.dataset.idKind, log, signal,
  });
  const fields = verifiable?.columns.map(({ field, starts, entries }) => ({ field, starts, entries: entries.length, ...distinct(entries) })) ?? [];
  return {
    head: () => ({
      notes, rows, features: features.length, snapshotDigest, skipped, catalogue,
      verifiable: verifiable && { version: verifiable.version, fields: fields.map(({ field, entries, texts }) => ({ field, entries, texts: texts.length })) },
    }),
    ids: (from, to) => ids.slice(from, to),
    marks: () => ({ label, trainOf }),
    feature: (at) => features[at] as Feature,
    entries: (at) => {
      const { starts = new Uint32Array(), textOf = new Uint32Array() } = fields[at] ?? {};
      return { starts, textOf };
    },
    texts: (at, from, to) => fields[at]?.texts.slice(from, to) ?? [],
  };
}

/** Texts that stand in a field, each once, and which of them each entry is. */
function distinct(entries: readonly string[]): { readonly texts: readonly string[]; readonly textOf: Uint32Array } {
  const numbers = new Map<string, number>();
  const textOf = new Uint32Array(entries.length);
  for (const [i, entry] of entries.entries()) {
    const number = numbers.get(entry) ?? numbers.size;
    numbers.set(entry, number);
    textOf[i] = number;
  }
  return { texts: [...numbers.keys()], textOf };
}
