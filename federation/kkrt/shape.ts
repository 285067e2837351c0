// What both sides of the intersection agree on from the sizes alone, and how ids get to a worker.
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { maxChunkRows } from "../../kernels/oblivious/extension.ts";
import { binsPerTable, idsPerChunk, packIds } from "../../kernels/oblivious/ids.ts";
import type { Remote } from "../../kernels/pool.ts";
import { maxKkrtSize } from "./messages.ts";

export const sessionName = "kkrt";

export type KkrtOptions = {
  /** Bins of each of the guest's three tables for its size; the same at both ends. Only tests ask for another number. */
  readonly binsPerTable?: (size: number) => number;
};

export function bins(size: number, options: KkrtOptions): number {
  return (options.binsPerTable ?? binsPerTable)(size);
}

/** Throws PSI_EMPTY_SET or PSI_SET_TOO_LARGE. Duplicates are found when the ids are hashed. */
export function checkSize(size: number): void {
  if (size === 0) throw new AppError("PSI_EMPTY_SET");
  if (size > maxKkrtSize) throw new AppError("PSI_SET_TOO_LARGE", { size, limit: maxKkrtSize });
}

export type BinChunk = { readonly table: number; readonly begin: number; readonly count: number };

/** The messages of the extension: which bins of which table each one is for, in order. */
export function chunksOf(perTable: number): BinChunk[] {
  const ofTable = (table: number): BinChunk[] =>
    Array.from({ length: chunkCount(perTable, maxChunkRows) }, (_, i) => {
      const begin = i * maxChunkRows;
      return { table, begin, count: Math.min(maxChunkRows, perTable - begin) };
    });
  return [0, 1, 2].flatMap(ofTable);
}

export function chunkCount(size: number, perChunk: number): number {
  return Math.ceil(size / perChunk);
}

/** Sends all ids to a worker object (`add`), a chunk at a time: id k becomes element `slots[k]`, or k. */
export async function addIds(work: Remote, ids: readonly EntityId[], slots: Int32Array | undefined, salt: Uint8Array): Promise<void> {
  for (let first = 0; first < ids.length; first += idsPerChunk) {
    const chunk = ids.slice(first, first + idsPerChunk);
    const packed = packIds(chunk);
    const places = slots?.slice(first, first + idsPerChunk) ?? Int32Array.from(chunk, (_, k) => first + k);
    await work.call("add", [packed, places, salt], [packed.text.buffer, packed.offsets.buffer, places.buffer]);
  }
}
