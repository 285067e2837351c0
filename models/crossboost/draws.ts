// Seeded draws: the guest's held-back rows and column samples (from its own secret seed), and the public folds.
import { seededRng } from "../../core/rng.ts";

/** `count` 32-bit words of (seed, label). */
export function words(seed: Uint8Array, label: string, count: number): Uint32Array {
  const bytes = seededRng(seed, `crossboost/${label}`)(4 * count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

/** 1 for the rows that count in queries, 0 for round(share * class size) rows of each class. Secret: hosts must not know which. */
export function countedRows(seed: Uint8Array, label: Uint8Array, trainRows: number, share: number): Uint8Array {
  const keys = words(seed, "held-back", trainRows);
  const counted = new Uint8Array(trainRows).fill(1);
  for (const kind of [0, 1]) {
    const rows: number[] = [];
    for (let row = 0; row < trainRows; row++) if (label[row] === kind) rows.push(row);
    rows.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
    for (const row of rows.slice(0, Math.round(share * rows.length))) counted[row] = 0;
  }
  return counted;
}

/** Fold of every training row, sizes equal to one row. `seed` is public and joint: every party computes the same folds. */
export function publicFolds(seed: Uint8Array, trainRows: number, folds: number): Uint8Array {
  const keys = words(seed, "folds", trainRows);
  const order = Uint32Array.from({ length: trainRows }, (_, i) => i).sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
  const fold = new Uint8Array(trainRows);
  order.forEach((row, i) => {
    fold[row] = i % folds;
  });
  return fold;
}

/** For every step, max(1, round(share * count)) of `count` things, ascending, without replacement. */
export function samples(seed: Uint8Array, label: string, steps: number, count: number, share: number): readonly Uint16Array[] {
  const keys = words(seed, label, steps * count);
  const size = Math.max(1, Math.round(share * count));
  return Array.from({ length: steps }, (_, step) => {
    const key = (i: number): number => keys[step * count + i] as number;
    return Uint16Array.from({ length: count }, (_x, i) => i).sort((a, b) => key(a) - key(b) || a - b).slice(0, size).sort();
  });
}
