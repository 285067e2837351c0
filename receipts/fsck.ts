// The check of a log from the ground: every entry is hashed again, every tile compared, the roots of the checkpoints derived
// from the entries alone. It changes nothing and needs the log's public key only.
import { AppError } from "../core/errors.ts";
import { openCheckpoint, type Checkpoint } from "./checkpoint.ts";
import type { Disk } from "./disk.ts";
import { checkpointPath, witnessedPath } from "./log.ts";
import { emptyRoot, leafHash, sameHash, type Hash } from "./merkle.ts";
import type { NoteKey } from "./note.ts";
import { belongs } from "./sweep.ts";
import { rootOfEdge, subtreeOf, tilePath, tileWidth, unpackEntries, widthAt, maxLevels } from "./tiles.ts";

export type FsckProblem =
  | { readonly kind: "no-checkpoint" | "bad-checkpoint" | "bad-witnessed" }
  | { readonly kind: "missing" | "bad-tile" | "bad-bundle"; readonly path: string }
  | { readonly kind: "wrong-root"; readonly path: string; readonly size: number }
  | { readonly kind: "bad-entry"; readonly index: number };
/** stray: files that no committed tree has, the remains of a crash; harmless, and removed when the log is opened. */
export type FsckReport = { readonly size: number; readonly root: Hash; readonly problems: readonly FsckProblem[]; readonly stray: readonly string[]; readonly ok: boolean };

/** Derives the tree again. entry: an optional check of each entry's content, false for a bad one. At most 100 problems. */
export async function fsck(disk: Disk, key: NoteKey, entry: (bytes: Uint8Array, index: number) => boolean = () => true): Promise<FsckReport> {
  const problems: FsckProblem[] = [];
  const report = (problem: FsckProblem): void => void (problems.length < 100 && problems.push(problem));
  const heads: { path: string; head: Checkpoint }[] = [];
  for (const path of [checkpointPath, witnessedPath]) {
    const head = await readHead(disk, path, key);
    if (head === undefined && path === checkpointPath) report({ kind: "no-checkpoint" });
    if (head === "bad") report({ kind: path === checkpointPath ? "bad-checkpoint" : "bad-witnessed" });
    if (head !== undefined && head !== "bad") heads.push({ path, head });
  }
  const size = heads.find(({ path }) => path === checkpointPath)?.head.size ?? 0;
  const tree = new Rebuild();
  const check = async (): Promise<void> => {
    for (const { path, head } of heads) {
      if (head.size === tree.size && !sameHash(tree.root(), head.root)) report({ kind: "wrong-root", path, size: head.size });
    }
    for (const { path, bytes } of tree.takeFull()) await compare(path, bytes);
  };
  const compare = async (path: string, expected: Uint8Array): Promise<void> => {
    const found = await disk.read(path);
    if (found === undefined) report({ kind: "missing", path });
    else if (Buffer.compare(found, expected) !== 0) report({ kind: "bad-tile", path });
  };
  await check();
  for (let n = 0; n * tileWidth < size; n++) {
    const width = widthAt(size, "entries", n);
    const path = tilePath({ kind: "entries", index: n, width });
    const entries = await readBundle(disk, path, width);
    if (entries === undefined) {
      // Without these entries no root after them can be derived.
      report({ kind: (await disk.read(path)) === undefined ? "missing" : "bad-bundle", path });
      return { size, root: emptyRoot, problems, stray: await strays(disk, size), ok: false };
    }
    for (const bytes of entries) {
      if (!entry(bytes, tree.size)) report({ kind: "bad-entry", index: tree.size });
      tree.push(leafHash(bytes));
      await check();
    }
  }
  for (const [level, bytes] of tree.edge().entries()) {
    if (bytes.length === 0) continue;
    const index = Math.floor(size / tileWidth ** (level + 1));
    await compare(tilePath({ kind: level, index, width: bytes.length / 32 }), bytes);
  }
  for (const { path, head } of heads) if (head.size > size) report({ kind: "wrong-root", path, size: head.size });
  return { size, root: tree.root(), problems, stray: await strays(disk, size), ok: problems.length === 0 };
}

async function readHead(disk: Disk, path: string, key: NoteKey): Promise<Checkpoint | "bad" | undefined> {
  const bytes = await disk.read(path);
  if (bytes === undefined) return undefined;
  try {
    return openCheckpoint(Buffer.from(bytes).toString("utf8"), key);
  } catch (error) {
    if (error instanceof AppError) return "bad";
    throw error;
  }
}

async function readBundle(disk: Disk, path: string, width: number): Promise<Uint8Array[] | undefined> {
  const bytes = await disk.read(path);
  if (bytes === undefined) return undefined;
  try {
    return unpackEntries(bytes, width);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
}

/** The tiles of a growing tree, apart from the code that writes them. */
class Rebuild {
  size = 0;
  readonly #rows: Hash[][] = Array.from({ length: maxLevels }, () => []);
  #full: { readonly path: string; readonly bytes: Uint8Array }[] = [];

  push(leaf: Hash): void {
    this.size++;
    let hash = leaf;
    for (const [level, row] of this.#rows.entries()) {
      row.push(hash);
      if (row.length < tileWidth) return;
      const bytes = Buffer.concat(row.splice(0));
      this.#full.push({ path: tilePath({ kind: level, index: this.size / tileWidth ** (level + 1) - 1, width: tileWidth }), bytes });
      hash = subtreeOf(bytes, [0, tileWidth]);
    }
  }

  takeFull(): readonly { readonly path: string; readonly bytes: Uint8Array }[] {
    if (this.#full.length === 0) return [];
    const full = this.#full;
    this.#full = [];
    return full;
  }

  edge(): Uint8Array[] {
    return this.#rows.map((row) => Buffer.concat(row));
  }

  root(): Hash {
    return rootOfEdge(this.edge());
  }
}

async function strays(disk: Disk, size: number): Promise<string[]> {
  const found: string[] = (await disk.list("")).filter((name) => ![checkpointPath, witnessedPath, "tile"].includes(name));
  const walk = async (folder: string): Promise<void> => {
    for (const name of [...await disk.list(folder)].sort()) {
      const path = `${folder}/${name}`;
      const isFolder = /^(x\d{3}|\d{3}\.p|entries|\d)$/.test(name) && !folder.endsWith('.p');
      if (isFolder) await walk(path);
      else if (!belongs(path, size)) found.push(path);
    }
  };
  await walk("tile");
  return found;
}
