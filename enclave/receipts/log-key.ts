// The key of the platform's log as this enclave knows it: that of the first time. Another key later is not believed: whoever could change it
// could show this enclave a log of its own.
import { AppError } from "../../core/errors.ts";
import { parseVerifierKey, type NoteKey } from "../../receipts/note.ts";
import type { StateDatabase } from "../store/database.ts";

const name = "log-key";

export function knownLogKey(db: StateDatabase): NoteKey | undefined {
  const text = db.get("select value from meta where key = ?", name)?.["value"];
  return typeof text === "string" ? parseVerifierKey(text) : undefined;
}

/** The log's key, kept when it is seen first. Throws LOG_KEY for another one than before, CHECKPOINT_FORMAT for none. */
export function pinLogKey(db: StateDatabase, text: string): NoteKey {
  const key = parseVerifierKey(text);
  if (key.type !== 1) throw new AppError("LOG_KEY");
  db.run("insert or ignore into meta values (?, ?)", name, text);
  if (db.get("select value from meta where key = ?", name)?.["value"] !== text) throw new AppError("LOG_KEY");
  return key;
}
