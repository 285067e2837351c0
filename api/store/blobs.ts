// Relayed frames and sealed results as files: whole and durable before they are acknowledged. Folders 0700, files 0600.
// The bytes are opaque; a name is made of checked public names, a number and a digest.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream, type ReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AppError, isAppError } from "../../core/errors.ts";

/** A body that has been received and lies in a temporary file, synced. */
export type Received = { readonly temp: string; readonly bytes: number; readonly digest: string };
const gatherBytes = 1 << 20;
const staleTempMs = 3_600_000;

export class BlobStore {
  readonly #root: string;
  readonly #known = new Set<string>();

  private constructor(root: string) {
    this.#root = root;
  }

  /** Opens or makes the folder and removes what an interrupted transfer left behind. now: ms since the epoch. */
  static async open(root: string, now: number): Promise<BlobStore> {
    const store = new BlobStore(root);
    await store.#folder(join(root, "temp"));
    for (const name of await readdir(join(root, "temp"))) {
      const path = join(root, "temp", name);
      const info = await stat(path).catch(() => undefined);
      if (info !== undefined && now - info.mtimeMs > staleTempMs) await rm(path, { force: true });
    }
    return store;
  }

  /**
   * Writes a stream of exactly `bytes` bytes to a temporary file and syncs it. `inspect` sees every chunk first.
   * Throws REQUEST_LENGTH if there are more or fewer bytes, PLATFORM_STORAGE if the disk refuses.
   */
  async receive(source: AsyncIterable<Uint8Array>, bytes: number, inspect?: (chunk: Uint8Array) => void): Promise<Received> {
    const temp = join(this.#root, "temp", randomUUID());
    const hash = createHash("sha256");
    let received = 0;
    try {
      const file = await open(temp, "wx", 0o600);
      try {
        let pending: Uint8Array[] = [];
        let pendingBytes = 0;
        for await (const chunk of source) {
          received += chunk.length;
          if (received > bytes) throw new AppError("REQUEST_LENGTH", { declared: bytes });
          inspect?.(chunk);
          hash.update(chunk);
          pending.push(chunk);
          pendingBytes += chunk.length;
          if (pendingBytes < gatherBytes) continue;
          await writeAll(file, pending);
          pending = [];
          pendingBytes = 0;
        }
        if (received < bytes) throw new AppError("REQUEST_LENGTH", { declared: bytes, received });
        await writeAll(file, pending);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await rm(temp, { force: true });
      throw asStorageError(error);
    }
    return { temp, bytes, digest: hash.digest("hex") };
  }

  /** Writes bytes to their place, durably. */
  async put(bytes: Uint8Array, name: string): Promise<void> {
    const temp = join(this.#root, "temp", randomUUID());
    try {
      const file = await open(temp, "wx", 0o600);
      try {
        await writeAll(file, [bytes]);
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      await rm(temp, { force: true });
      throw asStorageError(error);
    }
    await this.keep({ temp }, name);
  }

  /** Moves a received body to its place, durably. */
  async keep(received: Pick<Received, "temp">, name: string): Promise<void> {
    const path = join(this.#root, name);
    try {
      await this.#folder(dirname(path));
      await rename(received.temp, path);
      await syncFolder(dirname(path));
    } catch (error) {
      await rm(received.temp, { force: true });
      throw asStorageError(error);
    }
  }

  async discard(received: Received): Promise<void> {
    await rm(received.temp, { force: true });
  }

  /** Opens a kept body; undefined if it is not there (any more). */
  async read(name: string): Promise<{ stream: ReadStream; bytes: number } | undefined> {
    const path = join(this.#root, name);
    try {
      const { size } = await stat(path);
      return { stream: createReadStream(path, { highWaterMark: gatherBytes }), bytes: size };
    } catch {
      return undefined;
    }
  }

  /** Removes a file or a folder with all that is in it. */
  async remove(name: string): Promise<void> {
    const path = join(this.#root, name);
    for (const folder of this.#known) if (folder === path || folder.startsWith(`${path}/`)) this.#known.delete(folder);
    await rm(path, { recursive: true, force: true });
  }

  async #folder(path: string): Promise<void> {
    if (this.#known.has(path)) return;
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    // Each new folder is an entry in its parent, which must be on disk before a file inside is acknowledged.
    if (made !== undefined) for (let at = path; at.length >= made.length; at = dirname(at)) await syncFolder(dirname(at));
    this.#known.add(path);
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
  while (rest.length > 0) {
    const { bytesWritten } = await file.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function asStorageError(error: unknown): unknown {
  if (isAppError(error)) return error;
  const code = typeof error === "object" && error !== null && "syscall" in error ? "PLATFORM_STORAGE" : undefined;
  return code === undefined ? error : new AppError(code, {}, { cause: error });
}
