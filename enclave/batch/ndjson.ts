// A batch as NDJSON: one JSON object a line with the columns of the bank's own table. It is checked line by line and becomes CSV on the way, so that
// there is one form in which the enclave reads batches. Bounded memory but for the ids, of which each may come once.
import { isUtf8 } from "node:buffer";
import type { LineChecker } from "./lines.ts";
import { csvField } from "../../core/csv.ts";

const maxLineBytes = 2 ** 20;
const lineFeed = 0x0a;
const pieceChars = 2 ** 20;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

export type NdjsonOptions = {
  readonly idColumn: string;
  /** Columns that are kept, in this order. */
  readonly kept: readonly string[];
  /** Columns that a line may have besides; undefined: any. */
  readonly known: ReadonlySet<string> | undefined;
  readonly checker: LineChecker;
};

/** The lines as CSV. Throws BATCH_LINES at the end, with all that is wrong, or at once for a line that does not end. */
export async function* csvOfNdjson(source: AsyncIterable<Uint8Array>, options: NdjsonOptions): AsyncGenerator<string> {
  const { idColumn, kept, known, checker } = options;
  const { report } = checker;
  const columns = kept.filter((name) => name !== idColumn).map((name) => ({ name, isOrdered: checker.isOrdered(name) }));
  const allowed = known && new Set([idColumn, ...kept, ...known]);
  let piece = `${[idColumn, ...columns.map(({ name }) => name)].map(csvField).join(",")}\n`;
  let line = 0;
  /** One line; nothing for one that is wrong as a whole. */
  const csvLine = (text: string): string => {
    const row = parsed(text);
    if (row === undefined) {
      report.add("syntax", line);
      return "";
    }
    if (allowed !== undefined && hasOther(row, allowed)) report.add("column", line);
    const id = textOf(row[idColumn]);
    checker.takeId(line, id ?? "");
    let isWhole = id !== undefined;
    let fields = csvField(id ?? "");
    for (const { name, isOrdered } of columns) {
      const value = row[name];
      const field = textOf(value);
      isWhole &&= field !== undefined;
      if (isOrdered && typeof value !== "number" && field !== undefined && field !== "") checker.takeText(line, field);
      fields += typeof value === "number" ? `,${field ?? ""}` : `,${csvField(field ?? "")}`;
    }
    if (!isWhole) report.add("value", line);
    return `${fields}\n`;
  };
  for await (const texts of textLines(source, report)) {
    for (const text of texts) {
      line += 1;
      if (text !== undefined && !isBlank(text)) piece += csvLine(text);
    }
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = "";
  }
  report.check();
  yield piece;
}

const isBlank = (text: string): boolean => text.length < 64 && text.trim() === "";

function hasOther(row: Record<string, unknown>, allowed: ReadonlySet<string>): boolean {
  for (const name in row) if (!allowed.has(name)) return true; // an object of JSON has no names but its own
  return false;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // not JSON
  }
}

/** Missing is empty, and so is a number beyond what a double holds (1e400 reads as infinite). undefined: no value of a table. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  if (typeof value === "boolean") return String(value);
  return typeof value === "string" && !control.test(value) ? value : undefined;
}

/** Lines without their ends, as many at a time as came; undefined for one that is not UTF-8 (reported). */
async function* textLines(source: AsyncIterable<Uint8Array>, report: LineChecker["report"]): AsyncGenerator<readonly (string | undefined)[]> {
  let rest = Buffer.alloc(0);
  let count = 0;
  const linesOf = (bytes: Buffer): (string | undefined)[] => {
    const texts = isUtf8(bytes) ? bytes.toString("utf8").split("\n") : oneByOne(bytes, (n) => report.add("syntax", count + n));
    if (count === 0) texts[0] = texts[0]?.replace(/^\ufeff/, "");
    count += texts.length;
    return texts;
  };
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(lineFeed);
    if (end >= 0) yield linesOf(bytes.subarray(0, end));
    rest = bytes.subarray(end + 1);
    if (rest.length > maxLineBytes) {
      report.add("syntax", count + 1);
      report.check();
    }
  }
  if (rest.length > 0) yield linesOf(rest);
}

/** wrong: hears of lines that are not UTF-8, counted from 1. */
function oneByOne(bytes: Buffer, wrong: (n: number) => void): (string | undefined)[] {
  const texts: (string | undefined)[] = [];
  for (let at = 0; at <= bytes.length; ) {
    const end = bytes.indexOf(lineFeed, at);
    const one = bytes.subarray(at, end < 0 ? bytes.length : end);
    const isText = isUtf8(one);
    texts.push(isText ? one.toString("utf8") : undefined);
    if (!isText) wrong(texts.length);
    at = end < 0 ? bytes.length + 1 : end + 1;
  }
  return texts;
}
