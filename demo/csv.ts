// Streamed CSV files with bounded memory. Rows of one company stay together, but each batch of companies is shuffled, so
// that no two files of a run share their row order (parties must align by id, not by position).
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import type { Draws } from "./draws.ts";

/** What a party's rows go to: one line at a time, without the line end. */
export type Rows = { row(line: string): void };

/** One CSV file being written. Values are plain (no quoting): callers write numbers, ISO dates and words without commas. */
export class CsvTable implements Rows {
  readonly #handle: FileHandle;
  readonly #draws: Draws;
  #block = "";
  /** The batch, company after company; `#ends[i]` is where company i ends. Both buffers are reused: no garbage. */
  #batch = Buffer.allocUnsafe(64 * 1024);
  #shuffled = Buffer.allocUnsafe(64 * 1024);
  readonly #ends: number[] = [];
  #used = 0;
  /** Lines so far, without the header. */
  rows = 0;

  private constructor(handle: FileHandle, draws: Draws) {
    this.#handle = handle;
    this.#draws = draws;
  }

  /** Opens `path` (readable by its owner only). flags: "wx" refuses an existing file, "w" overwrites it. */
  static async create(path: string, columns: readonly string[], draws: Draws, flags: "wx" | "w"): Promise<CsvTable> {
    const handle = await open(path, flags, 0o600);
    try {
      await handle.writeFile(`${columns.join(",")}\n`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new CsvTable(handle, draws);
  }

  row(line: string): void {
    this.#block += `${line}\n`;
    this.rows += 1;
  }

  /** Ends the rows of one company. */
  endCompany(): void {
    if (this.#block === "") return;
    this.#append(this.#block);
    this.#block = "";
    this.#ends.push(this.#used);
  }

  #append(text: string): void {
    const most = this.#used + 3 * text.length;
    if (most > this.#batch.length) {
      const larger = Buffer.allocUnsafe(2 * most);
      this.#batch.copy(larger, 0, 0, this.#used);
      this.#batch = larger;
    }
    this.#used += this.#batch.write(text, this.#used);
  }

  /** Writes the companies since the last flush, in random order. */
  async flush(): Promise<void> {
    const ends = this.#ends;
    if (ends.length === 0) return;
    if (this.#shuffled.length < this.#used) this.#shuffled = Buffer.allocUnsafe(this.#batch.length);
    const order = ends.map((_, i) => i);
    let at = 0;
    for (let left = order.length; left > 0; left -= 1) {
      const slot = this.#draws.integer(left);
      const company = order[slot] ?? 0;
      order[slot] = order[left - 1] ?? 0;
      at += this.#batch.copy(this.#shuffled, at, ends[company - 1] ?? 0, ends[company]);
    }
    ends.length = 0;
    this.#used = 0;
    await this.#handle.writeFile(this.#shuffled.subarray(0, at));
  }

  /** Writes what is left and closes the file. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#handle.close();
  }

  /** Closes without writing the rest. */
  async abandon(): Promise<void> {
    await this.#handle.close();
  }
}
