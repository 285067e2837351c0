// Rows of a bank's file of loan outcomes: CSV, Parquet or NDJSON, one row per loan and month. Read as a stream; what a row holds is judged in import.ts,
// row by row, so that one wrong row costs no other.
import { createReadStream } from "node:fs";
import { basename, dirname } from "node:path";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { loanStatuses } from "../../models/outcomes/record.ts";
import { DataSession } from "../data/duckdb.ts";
import { checkUnchanged, defaultLimits, locate, openSource, type DataFile } from "../data/source.ts";
import { withCause } from "../data/table.ts";

/** Besides what becomes of a loan: an application that was turned down, for reject inference. */
export const rowStatuses = [...loanStatuses, "rejected"] as const;
/** A month, or a day of it. */
const month = z.string().regex(/^(19|20)\d{2}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?$/).transform((text) => text.slice(0, 7));

export const outcomeRowSchema = z.strictObject({
  /** Number of the loan or application in the bank's own books. It is kept as a keyed hash. */
  loan: z.string().trim().min(1).max(128),
  /** As the bank's data set names companies. */
  company: z.string().max(256).optional(),
  originated: month,
  amount: z.number().min(0).max(1e13).optional(),
  /** Model version that the loan was granted by: its id at this enclave, or its digest. With `score`, the probability of bad that it gave. */
  model: z.string().regex(/^(model_[0-9a-f]{24}|[0-9a-f]{64})$/).optional(),
  score: z.number().gt(0).lt(1).optional(),
  /** The month that the status is of; of an application that was turned down: none needed. */
  month: month.optional(),
  status: z.enum(rowStatuses),
}).refine((r) => r.status === "rejected" || r.month !== undefined, { path: ["month"] }).refine((r) => r.score === undefined || r.model !== undefined, { path: ["model"] });
export type OutcomeRow = z.output<typeof outcomeRowSchema>;

export const outcomeColumns = ["loan", "company", "originated", "amount", "model", "score", "month", "status"] as const;
type Column = (typeof outcomeColumns)[number];
const required: readonly Column[] = ["loan", "originated", "month", "status"];
const numbers: readonly Column[] = ["amount", "score"];
const maxLineBytes = 64 * 1024;

export type RowsOptions = {
  readonly file: string;
  /** Name of a column in the file → what it is; without it every column must have one of our names. */
  readonly columns?: ReadonlyMap<string, string> | undefined;
};
/** A row of a file, from 1; undefined: a line that is no JSON. */
export type FileRow = { readonly row: number; readonly value: unknown };

/** Throws DATA_* for a file that cannot be read as what its name says, OUTCOME_COLUMN with the place of a column that has no meaning here or the number of
 *  those that are missing, OUTCOME_LINE for a line of more than 64 KiB. */
export async function* readOutcomeFile({ file, columns }: RowsOptions): AsyncGenerator<FileRow> {
  const located = await locate({ file: basename(file) }, dirname(file), defaultLimits, {});
  yield* /\.(ndjson|jsonl)$/i.test(file) ? readJsonLines(located) : readTable(located, columns);
  await checkUnchanged(located);
}

async function* readJsonLines({ path }: DataFile): AsyncGenerator<FileRow> {
  let row = 0;
  for await (const line of linesOf(path)) {
    row += 1;
    if (line.trim() !== "") yield { row, value: jsonOf(line) };
  }
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Never more than a line in memory, however long the file says that it is. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  let row = 1;
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = part.indexOf(10); end !== -1; end = part.indexOf(10, from)) {
      const line = Buffer.concat([rest, part.subarray(from, end)]);
      if (line.length > maxLineBytes) throw new AppError("OUTCOME_LINE", { row, limit: maxLineBytes });
      yield line.toString("utf8").replace(/^\uFEFF/, "");
      rest = Buffer.alloc(0);
      from = end + 1;
      row += 1;
    }
    rest = Buffer.concat([rest, part.subarray(from)]);
    if (rest.length > maxLineBytes) throw new AppError("OUTCOME_LINE", { row, limit: maxLineBytes });
  }
  if (rest.length > 0) yield rest.toString("utf8");
}

async function* readTable(file: DataFile, columns: ReadonlyMap<string, string> | undefined): AsyncGenerator<FileRow> {
  await using session = await DataSession.open({ files: [file.path], threads: 1 });
  const source = await openSource(session, file, defaultLimits);
  const targets = targetsOf(source.columns.map((c) => c.name), columns);
  const cells = targets.map(({ at }) => `CAST(c${at + 1} AS VARCHAR)`).join(", ");
  // A file that breaks off in the middle is noticed before a row is taken.
  await withCause(session, source, (fault) => session.rows(`SELECT count(*) FROM ${source.from}`, fault));
  let row = 0;
  for await (const chunk of session.chunks(`SELECT ${cells} FROM ${source.from}`, { code: "DATA_CSV_SYNTAX" })) {
    for (const values of chunk.getRows()) {
      row += 1;
      yield { row, value: Object.fromEntries(targets.flatMap(({ name }, i) => (values[i] === null || values[i] === "" ? [] : [[name, cellOf(name, String(values[i]))]]))) };
    }
  }
}

function targetsOf(names: readonly string[], columns: ReadonlyMap<string, string> | undefined): { readonly at: number; readonly name: Column }[] {
  const wanted = columns ?? new Map(names.map((name) => [name, name]));
  const targets = [...wanted].map(([column, name]) => {
    const at = names.indexOf(column);
    const known = outcomeColumns.find((c) => c === name);
    if (at < 0 || known === undefined) throw new AppError("OUTCOME_COLUMN", { column: at + 1, missing: at < 0 ? 1 : 0 });
    return { at, name: known };
  });
  const missing = required.filter((c) => !targets.some((t) => t.name === c));
  if (missing.length > 0 || new Set(targets.map((t) => t.name)).size !== targets.length) throw new AppError("OUTCOME_COLUMN", { column: 0, missing: missing.length });
  return targets;
}

/** A text that is no number stays one, and is refused as such with its row. */
function cellOf(name: Column, text: string): string | number {
  return numbers.includes(name) && /^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$/.test(text) ? Number(text) : text.trim();
}
