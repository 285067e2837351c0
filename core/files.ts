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
    const file = openTemp(temp);
    try {
      writeWhole(file, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    } finally {
      closeSync(file);
    }
    renameSync(temp, path);
  } catch (cause) {
    discard(temp);
    throw new AppError("DISK_FAILED", {}, { cause });
  }
}

/** The same for what comes in pieces and need not be in memory as a whole. What the pieces themselves throw comes out as it is. */
export async function writePiecesDurably(path: string, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  const temp = `${path}.tmp`;
  const onDisk = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw new AppError("DISK_FAILED", {}, { cause });
    }
  };
  try {
    const file = onDisk(() => openTemp(temp));
    try {
      for await (const piece of pieces) onDisk(() => writeWhole(file, typeof piece === "string" ? Buffer.from(piece) : piece));
    } finally {
      closeSync(file);
    }
    onDisk(() => renameSync(temp, path));
  } catch (error) {
    discard(temp);
    throw error;
  }
}

function openTemp(temp: string): number {
  mkdirSync(dirname(temp), { recursive: true, mode: 0o700 });
  return openSync(temp, synchronous, 0o600);
}

function writeWhole(file: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += writeSync(file, data, at, data.length - at);
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
