// Lines of a file of any length, in bounded memory: one that is longer than allowed is given without its text.
import { createReadStream } from "node:fs";
import { csvField } from "../../core/csv.ts";
import { AppError } from "../../core/errors.ts";

/** number: from 1. bytes: up to and with its line end. */
export type Line = { readonly number: number; readonly text: string | undefined; readonly bytes: number };

/** From byte `from`, which begins line `firstNumber`. Empty lines are given, too. Throws CLI_FILE. */
export async function* linesOf(path: string, options: { readonly mostBytes: number; readonly from?: number; readonly firstNumber?: number }): AsyncGenerator<Line> {
  const { mostBytes, from = 0 } = options;
  let number = options.firstNumber ?? 1;
  let held: Buffer[] = [];
  let size = 0;
  const line = (end: number): Line => {
    const bytes = size + end;
    const text = bytes > mostBytes ? undefined : decoded(Buffer.concat(held));
    const isFirst = from === 0 && number === 1;
    [held, size] = [[], 0];
    // A byte order mark begins a file, not a line.
    return { number: number++, text: isFirst ? text?.replace(/^\uFEFF/, "") : text, bytes };
  };
  try {
    for await (const chunk of createReadStream(path, { start: from }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; ) {
        const end = chunk.indexOf(10, at);
        const piece = chunk.subarray(at, end < 0 ? chunk.length : end);
        if (size + piece.length <= mostBytes) held.push(piece);
        size += piece.length;
        at += piece.length + 1;
        if (end >= 0) yield line(1);
      }
    }
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("CLI_FILE", {}, { cause });
  }
  if (size > 0) yield line(0);
}

/** undefined for what is not UTF-8. The CR of a line end is no part of it. */
function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\r$/, "");
  } catch {
    return undefined;
  }
}

/** Fields of one line of CSV (RFC 4180); undefined for one whose quotes do not fit. */
export function csvFields(text: string): string[] | undefined {
  const fields: string[] = [];
  for (let at = 0; ; ) {
    if (text[at] === '"') {
      let value = "";
      for (at += 1; ; ) {
        const end = text.indexOf('"', at);
        if (end < 0) return undefined;
        value += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        value += '"';
        at += 1;
      }
      if (at < text.length && text[at] !== ",") return undefined;
      fields.push(value);
    } else {
      const end = text.indexOf(",", at);
      const value = text.slice(at, end < 0 ? text.length : end);
      if (value.includes('"')) return undefined;
      fields.push(value);
      at = end < 0 ? text.length : end;
    }
    if (at >= text.length) return fields;
    at += 1;
    if (at === text.length) return [...fields, ""];
  }
}

/** One line of CSV without its end. */
export function csvLine(fields: readonly (string | number)[]): string {
  return fields.map((field) => csvField(String(field))).join(",");
}
