// Public records of a file in the provider's data folder: CSV or Parquet, or NDJSON as a batch has it. Cells become values by the catalogue's
// types here, in the domain; nothing is sent before the whole file has been read once without a fault.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { CatalogueField, CatalogueItem } from "../../catalogue/schema.ts";
import { AppError } from "../../core/errors.ts";
import { normaliseUscc } from "../../core/uscc.ts";
import type { RowInput } from "../../public-credit/batch.ts";
import { valueOfCell, type Value } from "../../public-credit/values.ts";
import { DataSession } from "../data/duckdb.ts";
import { checkUnchanged, defaultLimits, locate, openSource, type DataFile } from "../data/source.ts";

/** Columns that are no fields of the item. */
export const controlColumns = ["uscc", "key", "until", "region", "sector", "withdraw"] as const;
type Control = (typeof controlColumns)[number];
const isControl = (name: string): name is Control => controlColumns.some((c) => c === name);
const maxLine = 64 * 1024;

export type TableOptions = {
  readonly item: CatalogueItem;
  /** Folder of the enclave's data, and the file within it. */
  readonly folder: string; readonly file: string;
  /** Which columns to take, and as what; without it every column must be a field or a control column. */
  readonly columns?: ReadonlyMap<string, string> | undefined;
  /** Columns whose texts, joined by "/", are the key of a record. */
  readonly keys?: readonly string[] | undefined;
};

/** The rows of the file in order, as `RowCheck` and `writeBatch` take them. Throws DATA_*, PUBLIC_COLUMN, PUBLIC_VALUE, PUBLIC_ROW. */
export async function* readTable(options: TableOptions): AsyncGenerator<RowInput> {
  const file = await locate({ file: options.file }, options.folder, defaultLimits, {});
  yield* /\.(ndjson|jsonl)$/i.test(options.file) ? readLines(file) : readColumns(file, options);
  await checkUnchanged(file);
}

async function* readLines(file: DataFile): AsyncGenerator<RowInput> {
  let row = 0;
  for await (const line of createInterface({ input: createReadStream(file.path, "utf8"), crlfDelay: Infinity })) {
    row += 1;
    if (line.length > maxLine) throw new AppError("PUBLIC_LIMIT", { row, limit: maxLine });
    if (line.trim() === "") continue;
    try {
      yield JSON.parse(line) as RowInput; // RowCheck says whether it is one
    } catch {
      throw new AppError("PUBLIC_ROW", { row, json: false });
    }
  }
}

type Target = { readonly at: number; readonly name: string; readonly field: CatalogueField | undefined };

async function* readColumns(file: DataFile, options: TableOptions): AsyncGenerator<RowInput> {
  await using session = await DataSession.open({ files: [file.path], threads: 1 });
  const source = await openSource(session, file, defaultLimits);
  const names = source.columns.map((c) => c.name);
  const targets = targetsOf(names, options);
  const keys = (options.keys ?? []).map((name) => indexOf(names, name));
  const sql = `SELECT ${source.columns.map((c) => `CAST(${c.sql} AS VARCHAR)`).join(", ")} FROM ${source.from}`;
  let row = 0;
  for await (const chunk of session.chunks(sql, { code: "DATA_NOT_CSV" })) {
    for (const cells of chunk.getRows()) yield rowOf(cells.map((c) => (c === null || c === "" ? undefined : String(c))), (row += 1), targets, keys, options.item);
  }
}

function targetsOf(names: readonly string[], { item, columns }: TableOptions): Target[] {
  const wanted = columns ?? new Map(names.map((name) => [name, name]));
  const targets = [...wanted].map(([column, name]): Target => {
    const field = item.fields.find((f) => f.id === name);
    const at = indexOf(names, column);
    if (field === undefined && !isControl(name)) throw new AppError("PUBLIC_COLUMN", { item: item.id, column: at + 1 });
    return { at, name, field };
  });
  if (!targets.some((t) => t.name === "uscc")) throw new AppError("PUBLIC_COLUMN", { item: item.id, uscc: false });
  return targets;
}

function indexOf(names: readonly string[], name: string): number {
  const at = names.indexOf(name);
  if (at < 0) throw new AppError("PUBLIC_COLUMN", { missing: true });
  return at;
}

function rowOf(cells: readonly (string | undefined)[], row: number, targets: readonly Target[], keys: readonly number[], item: CatalogueItem): RowInput {
  const control: Partial<Record<Control, string>> = {};
  const values: Record<string, Value> = {};
  for (const { at, name, field } of targets) {
    const cell = cells[at];
    if (cell === undefined) continue;
    if (isControl(name)) control[name] = name === "uscc" ? normaliseUscc(cell) : cell.trim();
    // `uscc` is the company's code in every item: as a field only where the item lists it.
    if (field === undefined) continue;
    const value = valueOfCell(field, name === "uscc" ? normaliseUscc(cell) : cell);
    if (value === undefined) throw new AppError("PUBLIC_VALUE", { item: item.id, row, field: item.fields.indexOf(field) + 1 });
    values[field.id] = value;
  }
  const { uscc = "", key, withdraw, ...rest } = control;
  const named = keys.length === 0 ? key : keys.map((at) => cells[at] ?? "").join("/");
  const base = { uscc, ...(named === undefined ? {} : { key: named }) };
  // What does not fit is for RowCheck to refuse, with the row.
  return (withdraw === undefined ? { ...base, values, ...rest } : { ...base, withdraw }) as RowInput;
}
