// One enclave process per folder: a second one would answer the same jobs beside the first. The lock is SQLite's own on an
// empty database, so that the operating system drops it with the process, however that ends.
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError } from "../../core/errors.ts";

/** How long a killed predecessor may take to be gone. */
const waitMs = 5_000;

/** Holds the lock until disposed. Throws ENCLAVE_STATE while another process has it. */
export function lockFolder(file: string): Disposable {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(file);
    chmodSync(file, 0o600);
    db.exec(`pragma busy_timeout = ${waitMs}; begin exclusive`);
    return { [Symbol.dispose]: () => db.close() };
  } catch (cause) {
    throw new AppError("ENCLAVE_STATE", {}, { cause });
  }
}
