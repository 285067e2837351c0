// Loads the party's own data in a thread of its own and takes over what was loaded. The thread, and all memory of the loading, ends with it.
import { setImmediate } from "node:timers/promises";
import type { Log } from "../../core/env.ts";
import type { Feature } from "../../models/features.ts";
import { Pool } from "../../kernels/pool.ts";
import type { LoadedDataset } from "./load.ts";
import { Records } from "./records.ts";
import type { OwnData, RemoteHead, RemoteOwn } from "./remote.ts";
import { Verifiable, type VerifiableColumn } from "./verifiable.ts";

const remoteModule = new URL("remote.ts", import.meta.url);
/** Texts in one message. */
const block = 16_384;

export type OwnVersion = {
  readonly dataset: LoadedDataset;
  /** 1 = train, 0 = test by record, where the party gives a split. */
  readonly trainOf: Uint8Array | undefined;
};

/** Throws DATA_*, CATALOGUE_*, SPLIT_*, KERNEL_WORKER_LOST when the thread has run out of memory, and the signal's reason once it has aborted. */
export async function loadApart(config: OwnData, memoryKey: Uint8Array, { log, signal }: { readonly log: Log; readonly signal?: AbortSignal }): Promise<OwnVersion> {
  await using pool = new Pool({ threads: 1 });
  signal?.throwIfAborted();
  using listening = new DisposableStack();
  const stopped = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const stop = (): void => void Atomics.store(stopped, 0, 1);
  signal?.addEventListener("abort", stop, { once: true });
  listening.defer(() => signal?.removeEventListener("abort", stop));
  const { dataset, dataFolder, ownData, splitFile, splitIdColumn } = config;
  const own: OwnData = { dataset, dataFolder, ownData, splitFile, splitIdColumn };
  const opened = await pool.open(0, remoteModule, "openOwn", [own, memoryKey, stopped]);
  const remote: Calls = (method, ...args) => {
    signal?.throwIfAborted();
    return opened.call(method, args);
  };
  const { notes, rows, features: count, snapshotDigest, skipped, catalogue, verifiable: offered } = await remote("head");
  for (const { level, event, facts } of notes) log[level](event, facts);
  const ids = await inBlocks(rows, (from, to) => remote("ids", from, to));
  const records = new Records(ids);
  const { label, trainOf } = await remote("marks");
  const features: Feature[] = [];
  for (let at = 0; at < count; at++) features.push(await remote("feature", at));
  const verifiable = offered && new Verifiable(await fieldsOf(remote, offered), records, offered.version);
  return {
    dataset: { rows, ids, records, ...(label && { label }), features, skipped, snapshotDigest, ...(catalogue && { catalogue }), ...(verifiable && { verifiable }) }, trainOf,
  };
}

type Calls = <M extends keyof RemoteOwn>(method: M, ...args: Parameters<RemoteOwn[M]>) => Promise<ReturnType<RemoteOwn[M]>>;

async function fieldsOf(remote: Calls, { fields }: NonNullable<RemoteHead["verifiable"]>): Promise<VerifiableColumn[]> {
  const columns: VerifiableColumn[] = [];
  for (const [at, { field, texts: count }] of fields.entries()) {
    const { starts, textOf } = await remote("entries", at);
    const known = await inBlocks(count, (from, to) => remote("texts", at, from, to));
    const entries: string[] = [];
    for (let from = 0; from < textOf.length; from += block) {
      for (const text of textOf.subarray(from, from + block)) entries.push(known[text] as string);
      await setImmediate();
    }
    columns.push({ field, starts, entries });
  }
  return columns;
}

async function inBlocks<T extends string>(count: number, ask: (from: number, to: number) => Promise<T[]>): Promise<T[]> {
  const all: T[] = [];
  for (let from = 0; from < count; from += block) all.push(...(await ask(from, from + block)));
  return all;
}
