// Files that grow delivery by delivery.
import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { AppError } from "../core/errors.ts";

/** Writes bytes at `at`, and nothing after them, before it returns. Returns the new length. Throws DISK_FAILED. */
export function appendDurably(path: string, at: number, bytes: Uint8Array): number {
  try {
    const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_SYNC, 0o600);
    try {
      ftruncateSync(file, at);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new AppError("DISK_FAILED", {}, { cause });
  }
  return at + bytes.length;
}
