// The folders of a run: opened with tight permissions, removed again if the run fails. A full disk or a folder that
// holds something else ends in a clear error, never in a half-written data set.
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, isAppError } from "../core/errors.ts";
import { CsvTable } from "./csv.ts";
import type { Draws } from "./draws.ts";

function systemCode(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What the operating system refused, as an error with a way out; anything else stays what it is. */
function writeError(cause: unknown): unknown {
  const code = systemCode(cause);
  if (code === "" || isAppError(cause)) return cause;
  return new AppError(code === "ENOSPC" || code === "EDQUOT" ? "DEMO_DISK_FULL" : "DEMO_WRITE_FAILED", {}, { cause });
}

/** All files of one run. */
export class Output {
  readonly #directory: string;
  readonly #flags: "wx" | "w";
  readonly #tables: CsvTable[] = [];
  readonly #paths: string[] = [];

  private constructor(directory: string, flags: "wx" | "w") {
    this.#directory = directory;
    this.#flags = flags;
  }

  /** Makes `directory` if need be. Errors: DEMO_DIRECTORY_NOT_EMPTY without `force`, DEMO_WRITE_FAILED, DEMO_DISK_FULL. */
  static async open(directory: string, force: boolean): Promise<Output> {
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const entries = await readdir(directory);
      if (entries.length > 0 && !force) throw new AppError("DEMO_DIRECTORY_NOT_EMPTY", { entries: entries.length });
    } catch (error) {
      throw writeError(error);
    }
    return new Output(directory, force ? "w" : "wx");
  }

  /** Runs `work`; if it fails, closes and removes what this run had begun. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await Promise.allSettled(this.#tables.map((table) => table.abandon()));
      await Promise.allSettled(this.#paths.map((path) => rm(path, { force: true })));
      throw writeError(error);
    }
  }

  async #path(folder: string, file: string): Promise<string> {
    await mkdir(join(this.#directory, folder), { recursive: true, mode: 0o700 });
    const path = join(this.#directory, folder, file);
    this.#paths.push(path);
    return path;
  }

  async table(folder: string, name: string, columns: readonly string[], order: Draws): Promise<CsvTable> {
    const table = await CsvTable.create(await this.#path(folder, `${name}.csv`), columns, order, this.#flags);
    this.#tables.push(table);
    return table;
  }

  async json(folder: string, file: string, value: unknown): Promise<void> {
    await writeFile(await this.#path(folder, file), `${JSON.stringify(value, undefined, 2)}\n`, { flag: this.#flags, mode: 0o600 });
  }

  /** Ends the rows of one company in all tables. */
  endCompany(): void {
    for (const table of this.#tables) table.endCompany();
  }

  async flush(): Promise<void> {
    for (const table of this.#tables) await table.flush();
  }

  async finish(): Promise<void> {
    for (const table of this.#tables) await table.finish();
  }
}
