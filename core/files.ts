// Durable files: written whole or not at all. A full disk gives an error before anything is acknowledged. Node's permission
// model refuses fsync, so files are opened for synchronous writes (O_SYNC); the commit of the state database that follows
// makes the rename durable, and a reader treats a missing file as never received.
import { closeSync, constants, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { AppError } from "./errors.ts";

const synchronous = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_SYNC;

/** Writes bytes durably (temp file with synchronous writes, rename), mode 0600. Throws DISK_FAILED. */
export function writeDurably(path: string, bytes: Uint8Array | string): void {
  const temp = `${path}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(temp, synchronous, 0o600);
    try {
      const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
      for (let at = 0; at < data.length; ) at += writeSync(file, data, at, data.length - at);
    } finally {
      closeSync(file);
    }
    renameSync(temp, path);
  } catch (cause) {
    discard(temp);
    throw new AppError("DISK_FAILED", {}, { cause });
  }
}

/** On a disk that refuses everything this fails too; the next write of that file truncates what is left. */
function discard(temp: string): void {
  try {
    rmSync(temp, { force: true });
  } catch {
    return;
  }
}

export function readBytes(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path));
  } catch (cause) {
    throw new AppError("DISK_FAILED", {}, { cause });
  }
}

export function removeTree(path: string): void {
  rmSync(path, { recursive: true, force: true });
}
