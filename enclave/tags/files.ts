// Lists of tags as files: read in pieces, since ten million tags are 160 MB, and put in their place whole.
import { closeSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import { AppError } from "../../core/errors.ts";
import { tagBytes } from "../../federation/psi/messages.ts";
import { tagsPerMessage } from "../../federation/psi/reusable-messages.ts";

const pieceBytes = tagsPerMessage * tagBytes;

/** A file in pieces of as many tags as a message takes, each in a buffer of its own. Throws ENCLAVE_TAGS when it cannot be read. */
export function* piecesOf(path: string): Generator<Uint8Array> {
  const file = reading(() => openSync(path, "r"));
  try {
    for (;;) {
      const piece = new Uint8Array(pieceBytes);
      let length = 0;
      for (let read = -1; read !== 0 && length < pieceBytes; length += read) {
        read = reading(() => readSync(file, piece, length, pieceBytes - length, null));
      }
      if (length > 0) yield piece.subarray(0, length);
      if (length < pieceBytes) return;
    }
  } finally {
    closeSync(file);
  }
}

function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new AppError("ENCLAVE_TAGS", {}, { cause });
  }
}

/** Whether there is such a file, of that length. */
export function hasLength(path: string, bytes: number): boolean {
  return statSync(path, { throwIfNoEntry: false })?.size === bytes;
}

/** Gives a file its name, in place of one that has it. Throws DISK_FAILED. */
export function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (cause) {
    rmSync(from, { force: true });
    throw new AppError("DISK_FAILED", {}, { cause });
  }
}
