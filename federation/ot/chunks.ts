// How the transfers of one call are cut into messages, the same at both ends.

export const transferUrl = new URL("../../kernels/oblivious/transfer.ts", import.meta.url);
/** Transfers of a session: their numbers are 32 bits of a hash input. */
export const maxTransfers = 2 ** 32 - 1;

/** First item and end of chunk `index` of `size` items in chunks of `rows`. */
export function chunkRange(size: number, rows: number, index: number): readonly [number, number] {
  return [index * rows, Math.min(size, (index + 1) * rows)];
}
