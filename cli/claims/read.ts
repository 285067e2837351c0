// Claims as a bank writes them down: NDJSON, a claim of the API in each line, or CSV with a header.
import type { z } from "zod";
import { claimSchema } from "../../api/contract/verification.ts";
import type { AskedField } from "../../federation/verify/fields.ts";
import { explained } from "../arguments.ts";
import { csvFields, linesOf } from "./lines.ts";

/** Characters of a line. */
const mostLineBytes = 64 * 1024;
const columns = ["company", "provider", "field", "predicate", "value", "from", "to", "before", "after", "blind"] as const;
type Column = (typeof columns)[number];

export type ReadClaim = z.output<typeof claimSchema>;
/** end: byte after the line. claim: undefined for a line that is none. */
export type ClaimLine = { readonly number: number; readonly end: number; readonly claim: ReadClaim | undefined };
export type Format = "csv" | "ndjson";

export const formatOf = (path: string): Format => (/\.(ndjson|jsonl)$/i.test(path) ? "ndjson" : "csv");

/** Claims of a file in their order; a line without a provider means the only one of which the service asks that field. Throws CLI_FILE, CLI_ARGUMENT
 *  for a header that is none. from: byte and number of the line to go on with. */
export async function* readClaims(path: string, fields: readonly AskedField[], from?: { readonly end: number; readonly number: number }): AsyncGenerator<ClaimLine> {
  const isCsv = formatOf(path) === "csv";
  const header = isCsv ? await readHeader(path) : undefined;
  let end = from?.end ?? header?.bytes ?? 0;
  const first = (from?.number ?? (isCsv ? 1 : 0)) + 1;
  for await (const { number, text, bytes } of linesOf(path, { mostBytes: mostLineBytes, from: end, firstNumber: first })) {
    end += bytes;
    if (text?.trim() === "") continue;
    const given = text === undefined ? undefined : header === undefined ? parsed(text) : fromCsv(header.columns, text);
    yield { number, end, claim: given === undefined ? undefined : claimOf(given, fields) };
  }
}

async function readHeader(path: string): Promise<{ readonly columns: readonly Column[]; readonly bytes: number }> {
  for await (const { text, bytes } of linesOf(path, { mostBytes: mostLineBytes })) {
    const names = csvFields(text ?? "")?.map((name) => name.trim().toLowerCase()) ?? [];
    const known = names.filter((name): name is Column => columns.some((c) => c === name));
    if (known.length !== names.length || new Set(names).size !== names.length || !["company", "field", "predicate"].every((name) => names.includes(name))) break;
    return { columns: known, bytes };
  }
  throw explained("CLI_ARGUMENT", `the first line names the columns: ${columns.join(",")}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fromCsv(header: readonly Column[], text: string): unknown {
  const cells = csvFields(text);
  if (cells?.length !== header.length) return undefined;
  const given = Object.fromEntries(header.flatMap((name, i) => (cells[i]?.trim() === "" ? [] : [[name, cells[i]?.trim() ?? ""]]))) as Partial<Record<Column, string>>;
  const { company, provider, field, predicate = "", blind } = given;
  if (blind !== undefined && !/^(true|false|yes|no|1|0)$/i.test(blind)) return undefined;
  return { company, ...(provider === undefined ? {} : { provider }), field, blind: blind !== undefined && /^(true|yes|1)$/i.test(blind), predicate: predicateOf(predicate, given) };
}

/** Texts to what the schema wants; what does not fit is left for it to refuse. */
export function predicateOf(kind: string, { value, from, to, before, after }: Partial<Record<Column, string>>): unknown {
  const ends = (end: string | undefined): string | number | undefined => (kind === "count" && end !== undefined && /^[0-9]+$/.test(end) ? Number(end) : end);
  const given = {
    kind, ...(kind === "one-of" && value !== undefined ? { values: value.split("|").map((v) => v.trim()) } : { value }), from: ends(from), to: ends(to), before, after,
  };
  return Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
}

function claimOf(given: unknown, fields: readonly AskedField[]): ReadClaim | undefined {
  const withProvider = typeof given === "object" && given !== null && !("provider" in given) && "field" in given ? { ...given, provider: onlyProvider(String(given.field), fields) } : given;
  const claim = claimSchema.safeParse(withProvider);
  return claim.success ? claim.data : undefined;
}

export function onlyProvider(field: string, fields: readonly AskedField[]): string | undefined {
  const found = fields.filter((asked) => asked.field === field);
  return found.length === 1 ? found[0]?.party : undefined;
}
