// One pass over the bytes of a CSV file before DuckDB parses it: is it text, is it UTF-8, do its quotes end, how many
// records has it. What DuckDB then reads is compared with that count, so that no row is lost in silence.
import { isUtf8 } from "node:buffer";
import { open } from "node:fs/promises";
import type { Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";

const blockBytes = 4 * 2 ** 20;
const [quote, lineFeed, carriageReturn, space] = [0x22, 0x0a, 0x0d, 0x20];

export type TextScan = {
  /** Lines that are not empty, the header included; line ends within quotes do not count. */
  readonly records: number;
  /** A quoted field holds a line end. */
  readonly lineEndQuoted: boolean;
};

/** Throws DATA_NOT_CSV (binary), DATA_NOT_UTF8 with the first bad byte, DATA_CSV_SYNTAX with the row whose quote never ends. */
export async function scanText(path: string, where: Facts, delimiter: string): Promise<TextScan> {
  const handle = await open(path, "r").catch(() => {
    throw new AppError("DATA_FILE_UNREADABLE", where);
  });
  try {
    const records = new RecordCounter(delimiter.charCodeAt(0));
    const block = Buffer.alloc(blockBytes);
    let kept = 0;
    for (let at = 0; ; ) {
      const { bytesRead } = await handle.read(block, kept, block.length - kept, at + kept);
      const filled = kept + bytesRead;
      if (filled === 0) return records.finish(where);
      const text = bytesRead === 0 ? block.subarray(0, filled) : wholeCharacters(block.subarray(0, filled));
      if (text.includes(0)) throw new AppError("DATA_NOT_CSV", { ...where, binary: true });
      if (!isUtf8(text)) throw new AppError("DATA_NOT_UTF8", { ...where, byte: at + firstBadByte(text) + 1 });
      records.take(text);
      at += text.length;
      kept = filled - text.length;
      block.copyWithin(0, text.length, filled);
    }
  } finally {
    await handle.close();
  }
}

const lineStart = 0;
const fieldStart = 1;
const plain = 2;
const quoted = 3;
const quoteInQuoted = 4;

/** The record structure of RFC 4180, byte by byte. A quote opens a field only at its start, blanks before it allowed. */
class RecordCounter {
  readonly #delimiter: number;
  #state = lineStart;
  #records = 0;
  #lineEndQuoted = false;

  constructor(delimiter: number) {
    this.#delimiter = delimiter;
  }

  take(text: Buffer): void {
    if (this.#state === quoted || text.includes(quote) || text.includes(carriageReturn)) this.#takeBytes(text);
    else this.#takeLines(text);
  }

  /** A block without quotes: only its line feeds matter, and they are found natively. */
  #takeLines(text: Buffer): void {
    let from = 0;
    for (let end = text.indexOf(lineFeed); end >= 0; end = text.indexOf(lineFeed, from)) {
      if (end > from || this.#state !== lineStart) this.#records += 1;
      this.#state = lineStart;
      from = end + 1;
    }
    this.#takeBytes(text.subarray(from));
  }

  #takeBytes(text: Buffer): void {
    let state = this.#state;
    for (let i = 0; i < text.length; i += 1) {
      const byte = text[i] as number;
      if (state === quoted) {
        if (byte === quote) state = quoteInQuoted;
        else if (byte === lineFeed || byte === carriageReturn) this.#lineEndQuoted = true;
      } else if (byte === lineFeed || byte === carriageReturn) {
        if (state !== lineStart) this.#records += 1;
        state = lineStart;
      } else if (byte === this.#delimiter) state = fieldStart;
      else if (byte === quote && state !== plain) state = quoted;
      else if (byte !== space || state > fieldStart) state = plain;
      else state = fieldStart;
    }
    this.#state = state;
  }

  finish(where: Facts): TextScan {
    if (this.#state === quoted) throw new AppError("DATA_CSV_SYNTAX", { ...where, row: this.#records });
    return { records: this.#records + (this.#state === lineStart ? 0 : 1), lineEndQuoted: this.#lineEndQuoted };
  }
}

/** `bytes` without an unfinished character at its end. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) {
      const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return needed > back && bytes.length > back ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}

function firstBadByte(text: Buffer): number {
  let low = 0;
  for (let high = text.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (isUtf8(wholeCharacters(text.subarray(0, middle)))) low = middle;
    else high = middle;
  }
  return low;
}
