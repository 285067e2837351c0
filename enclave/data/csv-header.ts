// The first record of a CSV file (RFC 4180), read by us rather than by DuckDB: names go into no SQL and into no error.

const delimiters = [",", ";", "\t", "|"] as const;

/** The fields of the first record of `text`, or undefined if the record does not end within it (`whole`: the file does). */
function firstRecord(text: string, delimiter: string, whole: boolean): string[] | undefined {
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const c = text.charAt(at);
    if (quoted) {
      if (c !== '"') field += c;
      else if (text.charAt(at + 1) === '"') {
        field += '"';
        at += 1;
      } else quoted = false;
    } else if (c === '"' && field === "") quoted = true;
    else if (c === delimiter) {
      fields.push(field);
      field = "";
    } else if (c === "\n" || c === "\r") return [...fields, field];
    else field += c;
  }
  return whole && !quoted ? [...fields, field] : undefined;
}

/**
 * Column names (trimmed) and delimiter of a CSV text that starts with its header; a byte order mark is skipped.
 * delimiter: given, or the one that splits the header into most fields. Returns undefined if the header does not end.
 */
export function readHeader(text: string, whole: boolean, delimiter?: string): { names: readonly string[]; delimiter: string } | undefined {
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  let best: { names: readonly string[]; delimiter: string } | undefined;
  for (const candidate of delimiter === undefined ? delimiters : [delimiter]) {
    const names = firstRecord(body, candidate, whole);
    if (names !== undefined && names.length > (best?.names.length ?? 0)) best = { names: names.map((n) => n.trim()), delimiter: candidate };
  }
  return best;
}
