// Long lists in numbered chunks: how many, what each must look like, and work on a few of them at a time.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { chunkElements } from "./messages.ts";

export function chunkCount(size: number): number {
  return Math.ceil(size / chunkElements);
}
/** First element and end of chunk `index` of a list of `size`. */
export function chunkRange(size: number, index: number): readonly [number, number] {
  return [index * chunkElements, Math.min(size, (index + 1) * chunkElements)];
}

/** Throws PROTOCOL_OUT_OF_ORDER for another chunk than the next, PROTOCOL_WRONG_SHAPE for another length than declared. */
export function checkChunk(peer: PartyId, size: number, expected: number, index: number, bytes: Uint8Array, itemBytes: number): void {
  if (index !== expected) throw new AppError("PROTOCOL_OUT_OF_ORDER", { peer, expected, index });
  const [first, end] = chunkRange(size, index);
  const items = bytes.length / itemBytes;
  if (items !== end - first) throw new AppError("PROTOCOL_WRONG_SHAPE", { peer, expected: end - first, items });
}

// One that is worked on and one that waits for the worker; each more is a chunk in memory.
const usualAhead = 2;

/** Takes `count` inputs one after the other, works on `ahead` of them at once, and gives the results in order, numbered. */
export async function* inOrder<I, O>(
  count: number,
  input: (i: number) => I | Promise<I>,
  work: (input: I, i: number) => Promise<O>,
  ahead = usualAhead,
): AsyncGenerator<readonly [number, O]> {
  const pending: Promise<O>[] = [];
  let given = 0;
  for (let i = 0; i < count; i++) {
    const started = work(await input(i), i);
    // Its turn comes later; until then a failure must not count as unhandled.
    started.catch(() => {});
    pending.push(started);
    if (pending.length >= ahead) yield [given++, await (pending.shift() as Promise<O>)];
  }
  for (const rest of pending) yield [given++, await rest];
}
