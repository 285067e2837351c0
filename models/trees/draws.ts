// Seeded draws of the training: the validation part, the rows and the features of each tree. The same seed gives the same draws on
// every machine, so that a resumed, a repeated and the plaintext run agree.
import { seededRng } from "../../core/rng.ts";

function stream(seed: number, label: string): (bytes: number) => Uint8Array {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, seed, true);
  return seededRng(key, `trees/${label}`);
}

function words(seed: number, label: string, count: number): Uint32Array {
  const view = new DataView(stream(seed, label)(4 * count).buffer);
  return Uint32Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
}

/** 1 for the rows of the validation part: round(share * class size) rows of each class, drawn without replacement. */
export function validationRows(seed: number, label: Uint8Array, trainRows: number, share: number): Uint8Array {
  const keys = words(seed, "validation", trainRows);
  const chosen = new Uint8Array(trainRows);
  for (const kind of [0, 1]) {
    const rows: number[] = [];
    for (let row = 0; row < trainRows; row++) if (label[row] === kind) rows.push(row);
    rows.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
    for (const row of rows.slice(0, Math.round(share * rows.length))) chosen[row] = 1;
  }
  return chosen;
}

/** The rows a tree sees, ascending: each row that is not held out, with probability `share`. */
export function treeRows(seed: number, tree: number, heldOut: Uint8Array, share: number): Int32Array {
  const rows = new Int32Array(heldOut.length);
  const keys = share < 1 ? words(seed, `rows/${tree}`, heldOut.length) : undefined;
  const limit = share * 2 ** 32;
  let count = 0;
  for (let row = 0; row < rows.length; row++) {
    if (heldOut[row] === 0 && (keys === undefined || (keys[row] as number) < limit)) rows[count++] = row;
  }
  return rows.slice(0, count);
}

/** The features a tree sees, ascending: max(1, round(share * count)) of them. */
export function treeFeatures(seed: number, tree: number, count: number, share: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  if (share >= 1) return all;
  const keys = words(seed, `features/${tree}`, count);
  all.sort((a, b) => (keys[a] as number) - (keys[b] as number) || a - b);
  return all.slice(0, Math.max(1, Math.round(share * count))).sort((a, b) => a - b);
}
