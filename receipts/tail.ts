// The right edge of the log in memory: the hash tiles that are not full, level by level, and the entries of the last bundle.
// It is never changed in place: a batch makes a new one, which counts when the batch is durable.
import { AppError } from "../core/errors.ts";
import type { Disk } from "./disk.ts";
import { hashBytes, leafHash, sameHash, type Hash } from "./merkle.ts";
import { hashAt, maxLevels, packEntries, partialTiles, rootOfEdge, subtreeOf, tilePath, tileWidth, unpackEntries, type TileName } from "./tiles.ts";

type TileFile = { readonly path: string; readonly bytes: Uint8Array };

export class Tail {
  readonly size: number;
  /** For each level the hashes of its partial tile, concatenated. */
  readonly #edge: readonly Uint8Array[];
  readonly #entries: readonly Uint8Array[];

  private constructor(size: number, edge: readonly Uint8Array[], entries: readonly Uint8Array[]) {
    this.size = size;
    this.#edge = edge;
    this.#entries = entries;
  }

  /** Reads the partial files of a tree of `size`. Throws LOG_DAMAGED when one is missing, has another length, or when the
   *  last entries do not hash to their tile. */
  static async load(disk: Disk, size: number): Promise<Tail> {
    const edge: Uint8Array[] = Array.from({ length: maxLevels }, () => new Uint8Array(0));
    let entries: Uint8Array[] = [];
    for (const name of partialTiles(size)) {
      const bytes = await disk.read(tilePath(name));
      if (bytes === undefined) throw new AppError("LOG_DAMAGED");
      if (name.kind === "entries") {
        entries = unpackEntries(bytes, name.width);
        continue;
      }
      if (bytes.length !== name.width * hashBytes) throw new AppError("LOG_DAMAGED");
      edge[name.kind] = bytes;
    }
    if (!entries.every((entry, i) => sameHash(leafHash(entry), hashAt(edge[0] as Uint8Array, i)))) throw new AppError("LOG_DAMAGED");
    return new Tail(size, edge, entries);
  }

  root(): Hash {
    return rootOfEdge(this.#edge);
  }

  partials(): TileName[] {
    return partialTiles(this.size);
  }

  /** The partial hash tile of this name, or undefined when it is full (or not there). */
  partial(level: number, index: number): Uint8Array | undefined {
    const at = Math.floor(this.size / tileWidth ** (level + 1));
    return index === at ? this.#edge[level] : undefined;
  }

  bundle(index: number): readonly Uint8Array[] | undefined {
    return index === Math.floor(this.size / tileWidth) ? this.#entries : undefined;
  }

  /** The edge after these entries, and the files that make it: full tiles and bundles, then the partial ones that changed. */
  with(added: readonly Uint8Array[]): { readonly tail: Tail; readonly files: readonly TileFile[] } {
    const files: TileFile[] = [];
    const rows: Hash[][] = this.#edge.map((tile) => Array.from({ length: tile.length / hashBytes }, (_, i) => hashAt(tile, i)));
    const changed = new Set<number>();
    let entries = [...this.#entries];
    let size = this.size;
    const push = (level: number, hash: Hash): void => {
      const row = rows[level];
      if (row === undefined) throw new AppError("LOG_RANGE");
      row.push(hash);
      changed.add(level);
      if (row.length < tileWidth) return;
      const tile = joined(row);
      files.push({ path: tilePath({ kind: level, index: size / tileWidth ** (level + 1) - 1, width: tileWidth }), bytes: tile });
      rows[level] = [];
      push(level + 1, subtreeOf(tile, [0, tileWidth]));
    };
    for (const entry of added) {
      entries.push(entry);
      size++;
      if (entries.length === tileWidth) {
        files.push({ path: tilePath({ kind: "entries", index: size / tileWidth - 1, width: tileWidth }), bytes: packEntries(entries) });
        entries = [];
      }
      push(0, leafHash(entry));
    }
    const edge = rows.map(joined);
    for (const name of partialTiles(size)) {
      if (name.kind === "entries") files.push({ path: tilePath(name), bytes: packEntries(entries) });
      else if (changed.has(name.kind)) files.push({ path: tilePath(name), bytes: edge[name.kind] as Uint8Array });
    }
    return { tail: new Tail(size, edge, entries), files };
  }
}

function joined(hashes: readonly Hash[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * hashBytes);
  hashes.forEach((hash, i) => bytes.set(hash, i * hashBytes));
  return bytes;
}
