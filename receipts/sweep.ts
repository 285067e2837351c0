// What a crash leaves in the log's folder beyond its checkpoint: files of a batch that was never committed, temporary files,
// partial tiles that fuller ones have replaced. Only the neighbourhood of the right edge can hold any.
import type { Disk } from "./disk.ts";
import { maxLevels, parseTilePath, tilePath, tileWidth, widthAt, type TileKind } from "./tiles.ts";

/** Whether a tree of `size` has this file: full tiles, and the one partial tile of a kind at its right width. */
export function belongs(path: string, size: number): boolean {
  const name = parseTilePath(path);
  return name !== undefined && (name.kind === "entries" || name.kind < maxLevels) && widthAt(size, name.kind, name.index) === name.width;
}

/** Removes the remains of a batch of at most `batch` entries after a tree of `size`. */
export async function sweep(disk: Disk, size: number, batch: number): Promise<void> {
  for (const name of await disk.list("")) if (name.endsWith(".tmp")) await disk.remove(name);
  const kinds: TileKind[] = ["entries", 0, 1, 2, 3, 4, 5, 6];
  for (const kind of kinds) {
    const unit = tileWidth ** (kind === "entries" ? 1 : kind + 1);
    const first = Math.max(0, Math.floor((size - batch) / unit));
    const last = Math.floor((size + batch) / unit);
    const folders = new Set<string>();
    for (let index = first; index <= last; index++) folders.add(parentOf(tilePath({ kind, index, width: tileWidth })));
    for (const folder of folders) await sweepFolder(disk, folder, size);
  }
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

async function sweepFolder(disk: Disk, folder: string, size: number): Promise<void> {
  for (const name of await disk.list(folder)) {
    const path = `${folder}/${name}`;
    if (name.endsWith(".p")) {
      const widths = await disk.list(path);
      const stale = widths.filter((width) => !belongs(`${path}/${width}`, size));
      for (const width of stale) await disk.remove(`${path}/${width}`);
      if (stale.length === widths.length) await disk.removeFolder(path);
    } else if (/^\d{3}(\.tmp)?$/.test(name) && !belongs(path, size)) {
      await disk.remove(path);
    }
  }
}
