// The file operations of an audit log behind a small interface, so that a test can make every single call fail. Node's permission
// model refuses fsync to enclaves, so files are opened for synchronous writes (O_SYNC): a write that returned is durable.
import { constants, createReadStream } from "node:fs";
import { mkdir, open, readdir, rm, stat, statfs, truncate } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../core/errors.ts";
import { writeDurably } from "../core/files.ts";

export type AuditFile = {
  /** Appends a part durably, returns how many bytes it took. */
  write(bytes: Uint8Array): Promise<number>;
  close(): Promise<void>;
};
export type AuditDisk = {
  /** Names of the files, in any order. */
  list(): Promise<readonly string[]>;
  read(name: string, from?: number): AsyncIterable<Uint8Array>;
  size(name: string): Promise<number>;
  /** For appending; made when it is not there. */
  append(name: string): Promise<AuditFile>;
  truncate(name: string, bytes: number): Promise<void>;
  remove(name: string): Promise<void>;
  /** A file as a whole, or the earlier one stays. */
  put(name: string, text: string): Promise<void>;
  /** Bytes that may still be written. */
  free(): Promise<number>;
};

/** The real file system: `folder` is made (0700) when it is not there; files 0600. */
export function auditFolder(folder: string): AuditDisk {
  const at = (name: string): string => join(folder, name);
  return {
    async list() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => entry.name);
    },
    read: (name, from = 0) => createReadStream(at(name), { start: from }),
    size: async (name) => (await stat(at(name))).size,
    async append(name) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(at(name), constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_SYNC, 0o600);
      return { write: async (bytes) => (await file.write(bytes)).bytesWritten, close: () => file.close() };
    },
    truncate: (name, bytes) => truncate(at(name), bytes),
    remove: (name) => rm(at(name), { force: true }),
    // oxlint-disable-next-line require-await
    put: async (name, text) => writeDurably(at(name), text),
    async free() {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
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

/** Names of segments, oldest first. A segment is named after the number of its first entry. */
export async function segmentsOf(disk: AuditDisk): Promise<{ readonly name: string; readonly first: number }[]> {
  const names = (await disk.list()).filter((name) => /^\d{12}\.ndjson$/.test(name)).sort();
  return names.map((name) => ({ name, first: Number(name.slice(0, 12)) }));
}

export function segmentName(first: number): string {
  return `${String(first).padStart(12, "0")}.ndjson`;
}

/** Longest line that is looked at as one: longer ones are no entries. */
export const maxLineBytes = 8192;

/** The whole lines of a file with the place after each, in bytes; `rest` is what stands after the last line end. A line without an end is
 *  cut into pieces of bounded length. */
export async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<{ readonly line: string; readonly end: number } | { readonly rest: number }> {
  let kept: Buffer = Buffer.alloc(0);
  let end = 0;
  for await (const part of source) {
    let data: Buffer = kept.length === 0 ? Buffer.from(part) : Buffer.concat([kept, part]);
    for (;;) {
      const at = data.indexOf(10);
      if (at < 0 && data.length <= maxLineBytes) break;
      const length = at < 0 ? maxLineBytes : at;
      end += length + (at < 0 ? 0 : 1);
      yield { line: data.subarray(0, length).toString("utf8"), end };
      data = data.subarray(length + (at < 0 ? 0 : 1));
    }
    kept = data;
  }
  if (kept.length > 0) yield { rest: kept.length };
}
