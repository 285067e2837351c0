// The records of a CSV file one by one with the line on which each begins (RFC 4180): to say which lines of a refused batch are wrong.
import { createReadStream } from "node:fs";

export type CsvRecord = { readonly line: number; readonly fields: readonly string[] };

export async function* csvRecords(path: string, delimiter: string): AsyncGenerator<CsvRecord> {
  let fields: string[] = [];
  let field = "";
  let isQuoted = false;
  let hadQuote = false;
  let line = 1;
  let began = 1;
  let last = "";
  for await (const text of createReadStream(path, "utf8") as AsyncIterable<string>) {
    for (const c of text) {
      // A quote within quotes ends them; a second one right after is one of the text.
      if (c === '"' && (isQuoted || field === "" || hadQuote)) {
        if (!isQuoted && hadQuote && last === '"') field += '"';
        isQuoted = !isQuoted;
        hadQuote = true;
      } else if (isQuoted) field += c;
      else if (c === delimiter || c === "\n") {
        fields.push(c === "\n" ? field.replace(/\r$/, "") : field);
        field = "";
        hadQuote = false;
        if (c === "\n") {
          if (fields.length > 1 || fields[0] !== "") yield { line: began, fields };
          fields = [];
        }
      } else field += c;
      if (c === "\n") {
        line += 1;
        if (!isQuoted && fields.length === 0) began = line;
      }
      last = c;
    }
  }
  if (fields.length > 0 || field !== "") yield { line: began, fields: [...fields, field.replace(/\r$/, "")] };
}
