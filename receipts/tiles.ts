// The layout of C2SP tlog-tiles: hash tiles of height 8, entry bundles, partial ones at the right edge. Names, contents and
// the arithmetic between a tree's size and its files.
import { AppError } from "../core/errors.ts";
import { completeSubtrees, fold, hashBytes, nodeHash, type Hash, type Range } from "./merkle.ts";

export const tileWidth = 256;
/** A tree of safe-integer size has at most 7 levels of tiles (256^7 = 2^56). */
export const maxLevels = 7;
/** An entry's length is a 16-bit number in a bundle. */
export const maxEntryBytes = 65_535;

/** "entries", or the level of a hash tile. */
export type TileKind = number | "entries";
export type TileName = { readonly kind: TileKind; readonly index: number; readonly width: number };

/** `tile/<L>/<N>[.p/<W>]`; N in groups of three digits, all but the last marked with x. */
export function tilePath({ kind, index, width }: TileName): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/.{3}/g) ?? [];
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${kind}/${name}${width === tileWidth ? "" : `.p/${width}`}`;
}

/** The tile that a path names, or undefined. Only the one spelling of a name counts. */
export function parseTilePath(path: string): TileName | undefined {
  const match = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return undefined;
  const kind = match[1] === "entries" ? "entries" : Number(match[1]);
  const name = { kind, index: Number((match[2] ?? "").replaceAll(/[x/]/g, "")), width: match[3] === undefined ? tileWidth : Number(match[3]) } as const;
  return name.width >= 1 && tilePath(name) === path ? name : undefined;
}

/** How many hashes (or entries) of this tile a tree of `size` has: 0 to 256. */
export function widthAt(size: number, kind: TileKind, index: number): number {
  const count = Math.floor(size / tileWidth ** (kind === "entries" ? 0 : kind));
  return Math.max(0, Math.min(tileWidth, count - index * tileWidth));
}

/** The tiles at the right edge that are not full: at most one for each level, and the bundle. */
export function partialTiles(size: number): TileName[] {
  const tiles: TileName[] = [];
  for (const kind of ["entries", 0, 1, 2, 3, 4, 5, 6] as const) {
    const count = Math.floor(size / tileWidth ** (kind === "entries" ? 0 : kind));
    if (count % tileWidth !== 0) tiles.push({ kind, index: Math.floor(count / tileWidth), width: count % tileWidth });
  }
  return tiles;
}

/** Hash i of a tile. */
export function hashAt(tile: Uint8Array, i: number): Hash {
  return tile.subarray(i * hashBytes, (i + 1) * hashBytes);
}

/** The hash of 2^k neighbouring hashes of a tile. */
export function subtreeOf(tile: Uint8Array, [from, to]: Range): Hash {
  let row: Hash[] = [];
  for (let i = from; i < to; i++) row.push(hashAt(tile, i));
  while (row.length > 1) {
    const above: Hash[] = [];
    for (let i = 0; i < row.length; i += 2) above.push(nodeHash(row[i] as Hash, row[i + 1] as Hash));
    row = above;
  }
  return row[0] as Hash;
}

/** The root of a tree from its partial tiles, level 0 first (empty where a level has none): what stands for the full tiles
 *  is in the level above. */
export function rootOfEdge(edge: readonly Uint8Array[]): Hash {
  const parts = edge.map((tile) => completeSubtrees([0, tile.length / hashBytes]).map((range) => subtreeOf(tile, range)));
  return fold(parts.toReversed().flat());
}

/** The hash of the leaves [from, to) from tiles. `subtree`: `subtreeOf`, or who remembers what it gave. */
export async function hashOfRange(range: Range, tile: (level: number, index: number) => Promise<Uint8Array>, subtree: (tile: Uint8Array, range: Range, level: number) => Hash = subtreeOf): Promise<Hash> {
  const hashes: Hash[] = [];
  for (const [from, to] of completeSubtrees(range)) {
    let level = 0;
    while (to - from >= tileWidth ** (level + 1)) level++;
    const unit = tileWidth ** level;
    const index = Math.floor(from / unit / tileWidth);
    const local: Range = [from / unit - index * tileWidth, to / unit - index * tileWidth];
    hashes.push(subtree(await tile(level, index), local, level));
  }
  return fold(hashes);
}

/** Entries as a bundle: each behind its length, 16 bits, big-endian. */
export function packEntries(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle. Throws LOG_DAMAGED for another number of them or bytes left over. */
export function unpackEntries(bytes: Uint8Array, count: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= bytes.length && entries.length < count) {
    const length = (bytes[at] as number) * 256 + (bytes[at + 1] as number);
    if (at + 2 + length > bytes.length) break;
    entries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  if (entries.length !== count || at !== bytes.length) throw new AppError("LOG_DAMAGED");
  return entries;
}
