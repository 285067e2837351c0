// Full hash tiles that were read: they never change. Proofs of any entry share the tiles above the lowest level, which are few; those of the
// lowest level are as many as there are hundreds of entries, and keep to a small room of their own.
import { hashBytes, type Hash, type Range } from "./merkle.ts";
import { SmallTree } from "./small-tree.ts";
import { hashAt, subtreeOf, tilePath, tileWidth } from "./tiles.ts";

/** 8 KiB each. */
const lowest = 64;
/** Enough for all of 67 million entries. */
const above = 1_024;

export class TileCache {
  readonly #low = new Map<string, Uint8Array>();
  readonly #high = new Map<string, Uint8Array>();
  /** All hashes within a tile above the lowest level, as long as the tile is in use. */
  readonly #trees = new WeakMap<Uint8Array, SmallTree>();

  /** The tile of this place, by `read` unless it was used lately. Throws what `read` throws. */
  async get(level: number, index: number, read: (path: string) => Promise<Uint8Array>): Promise<Uint8Array> {
    const path = tilePath({ kind: level, index, width: tileWidth });
    const [room, size] = level === 0 ? [this.#low, lowest] : [this.#high, above];
    const tile = room.get(path) ?? await read(path);
    // The least recently used comes first.
    room.delete(path);
    room.set(path, tile);
    const [oldest] = room.keys();
    if (room.size > size && oldest !== undefined) room.delete(oldest);
    return tile;
  }

  /** The hash of 2^k neighbouring hashes of a tile of this level. */
  subtree(tile: Uint8Array, range: Range, level: number): Hash {
    if (level === 0) return subtreeOf(tile, range);
    const known = this.#trees.get(tile) ?? new SmallTree(Array.from({ length: tile.length / hashBytes }, (_, i) => hashAt(tile, i)));
    this.#trees.set(tile, known);
    return known.hash(range);
  }
}
