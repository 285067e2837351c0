// The file operations of the log behind a small interface, so that a test can make every single call fail, cut a write
// short, or take away what was never synchronised. The log lives at the platform, where Node may call fsync.
import { mkdir, open, readdir, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError } from "../core/errors.ts";

export type DiskFile = {
  /** Writes a part, returns how many bytes it took. */
  write(bytes: Uint8Array): Promise<number>;
  /** Returns when the content is durable. */
  sync(): Promise<void>;
  close(): Promise<void>;
};

/** Paths are relative to the root, with `/`; "" is the root itself. */
export type Disk = {
  /** undefined: there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Names in a folder; none when it is not there. */
  list(folder: string): Promise<readonly string[]>;
  /** One level; fine when it is there. */
  makeFolder(folder: string): Promise<void>;
  /** A new, empty file in place of what was there. */
  create(path: string): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** Fine when it is not there. */
  remove(path: string): Promise<void>;
  /** An empty folder; fine when it is not there. */
  removeFolder(folder: string): Promise<void>;
  /** Returns when the names in the folder are durable. */
  syncFolder(folder: string): Promise<void>;
};

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";

async function unless<T>(codes: readonly string[], otherwise: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (codes.includes(codeOf(error))) return otherwise;
    throw error;
  }
}

/** The real file system under `root`, which must exist. Folders 0700, files 0600. */
export function folderDisk(root: string): Disk {
  const at = (path: string): string => join(root, path);
  return {
    read: (path) => unless<Uint8Array | undefined>(["ENOENT", "ENOTDIR"], undefined, async () => new Uint8Array(await readFile(at(path)))),
    list: (folder) => unless<readonly string[]>(["ENOENT"], [], () => readdir(at(folder))),
    makeFolder: (folder) => unless(["EEXIST"], undefined, () => mkdir(at(folder), { mode: 0o700 })),
    async create(path) {
      const file = await open(at(path), "w", 0o600);
      return {
        write: async (bytes) => (await file.write(bytes)).bytesWritten,
        sync: () => file.sync(),
        close: () => file.close(),
      };
    },
    rename: (from, to) => rename(at(from), at(to)),
    remove: (path) => rm(at(path), { force: true }),
    removeFolder: (folder) => unless(["ENOENT"], undefined, () => rmdir(at(folder))),
    async syncFolder(folder) {
      const handle = await open(at(folder), "r");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}

/** Makes DISK_FAILED of what the file system throws; errors that have a code already come out as they are. */
export async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("DISK_FAILED", {}, { cause });
  }
}

/** Writes files whole or not at all. What it returns from `publish` is durable. */
export class DurableFiles {
  readonly #disk: Disk;
  /** Folders whose own name this process has made durable: one that is merely there may be of a process that died. */
  readonly #known = new Set<string>([""]);

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** All files, then their folders. A crash in between leaves some of the files, each of them whole. Throws DISK_FAILED. */
  async publish(files: readonly { readonly path: string; readonly bytes: Uint8Array }[]): Promise<void> {
    await onDisk(async () => {
      for (const { path, bytes } of files) await this.#write(path, bytes);
      for (const folder of new Set(files.map(({ path }) => folderOf(path)))) await this.#disk.syncFolder(folder);
    });
  }

  /** Removes a folder of files; the next use makes it anew. */
  async removeFolder(folder: string): Promise<void> {
    this.#known.delete(folder);
    for (const name of await this.#disk.list(folder)) await this.#disk.remove(`${folder}/${name}`);
    await this.#disk.removeFolder(folder);
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    await this.#folder(folderOf(path));
    const temp = `${path}.tmp`;
    const file = await this.#disk.create(temp);
    try {
      for (let at = 0; at < bytes.length; ) {
        const written = await file.write(bytes.subarray(at));
        if (written <= 0) throw new Error("the disk takes no bytes");
        at += written;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await this.#disk.rename(temp, path);
  }

  async #folder(folder: string): Promise<void> {
    if (this.#known.has(folder)) return;
    const parent = folderOf(folder);
    await this.#folder(parent);
    await this.#disk.makeFolder(folder);
    await this.#disk.syncFolder(parent);
    this.#known.add(folder);
  }
}

function folderOf(path: string): string {
  const folder = dirname(path);
  return folder === "." ? "" : folder;
}
