// How a batch of queries or answers is cut into messages. Both ends know the number of items and their size, so both know every message.
import { maxChunkBytes } from "./messages.ts";

/** One message: bytes [from, to) of the batch; item number `item` (of the batch) begins or goes on there, `begins` items begin in it. */
export type Piece = Readonly<{ index: number; last: boolean; item: number; begins: number; from: number; to: number }>;

/** As many whole items a message as fit into `maxChunkBytes`; an item that is longer is cut, at multiples of `unit` bytes. */
export function pieces(items: number, itemBytes: number, unit: number): Piece[] {
  const whole = Math.floor(maxChunkBytes / itemBytes);
  const step = whole > 0 ? whole * itemBytes : maxChunkBytes - (maxChunkBytes % unit);
  const out: Piece[] = [];
  const total = items * itemBytes;
  for (let from = 0; from < total;) {
    const item = Math.floor(from / itemBytes);
    const end = whole > 0 ? total : (item + 1) * itemBytes;
    const to = Math.min(from + step, end);
    const begins = Math.ceil(to / itemBytes) - Math.ceil(from / itemBytes);
    out.push({ index: out.length, last: to === total, item, begins, from, to });
    from = to;
  }
  return out;
}

/** Queries that are encrypted and answered together: those of one message, or a pair (a value and its weight) when they are long. */
export function groupSize(queryBytes: number): number {
  return Math.max(2, Math.floor(maxChunkBytes / queryBytes));
}
