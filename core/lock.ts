// One process per folder: a second one would write beside the first. The lock is SQLite's own on an empty database, so that the
// operating system drops it with the process, however that ends.
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AppError, type Code } from "./errors.ts";

/** Holds the lock until disposed (or forgotten: keep it in hand). waitMs: how long a killed predecessor may take to be gone. Throws `code` while
 *  another process has it. */
export function lockFolder(file: string, code: Code, waitMs = 5_000): Disposable {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(file);
    chmodSync(file, 0o600);
    db.exec(`pragma busy_timeout = ${waitMs}; begin exclusive`);
    return { [Symbol.dispose]: () => db.close() };
  } catch (cause) {
    throw new AppError(code, {}, { cause });
  }
}
