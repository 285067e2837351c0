// Notices that the operator's own files (policy, configuration) are others than before, also while the process was stopped.
import { existsSync } from "node:fs";
import { z } from "zod";
import { sha256Hex } from "../core/canonical.ts";
import { readBytes, writeDurably } from "../core/files.ts";
import { isStoppedError } from "./log.ts";
import type { Audit } from "./trail.ts";

const kept = z.record(z.string(), z.string());
const none = "0".repeat(64);

export class Noticed {
  readonly #audit: Audit;
  readonly #path: string;
  readonly #files: Readonly<Record<string, string>>;
  #known: Record<string, string> | undefined;

  /** path: where the digests are kept. files: path by name. */
  constructor(audit: Audit, path: string, files: Readonly<Record<string, string>>) {
    this.#audit = audit;
    this.#path = path;
    this.#files = files;
  }

  /** The digests of the files are in the log before this returns; zeros stand for no file. Throws AUDIT_STOPPED, DISK_FAILED. */
  async look(): Promise<void> {
    this.#known ??= readKept(this.#path);
    const known = this.#known;
    let isNew = false;
    for (const [name, path] of Object.entries(this.#files)) {
      const after = existsSync(path) ? sha256Hex(readBytes(path)) : none;
      const before = known[name] ?? none;
      if (after === before) continue;
      await this.#audit.record({ actor: { role: "operator" }, action: "config.changed", objects: { before, after }, facts: { file: name } });
      known[name] = after;
      isNew = true;
    }
    if (isNew) writeDurably(this.#path, JSON.stringify(known));
  }

  /** For a clock: while the log takes nothing, the next time does. */
  async lookIfWritable(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      if (!isStoppedError(error)) throw error;
    }
  }
}

function readKept(path: string): Record<string, string> {
  try {
    return existsSync(path) ? kept.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8"))) : {};
  } catch {
    return {}; // everything counts as new then
  }
}
