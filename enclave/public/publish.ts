// Publishes public records of one item: the whole file is checked here first, by the rules that the platform applies as well, then sent in
// signed batches. A run that was cut off is run again: batches that were taken are not taken twice.
import type { KeyObject } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { BatchOutcome } from "../../api/contract/public-credit.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { maxBatchBytes, maxBatchRows, RowCheck, writeBatch, type BatchRow, type RowInput } from "../../public-credit/batch.ts";
import { publicItem } from "../../public-credit/publishable.ts";
import { readTable, type TableOptions } from "./table.ts";

/** Rows of one file. */
export const maxFileRows = 1_000_000;
/** Room for the header, and for rows that JSON escapes. */
const batchBytes = maxBatchBytes / 2;

export type PublishOptions = Omit<TableOptions, "item"> & {
  readonly party: PartyId; readonly item: string;
  /** Day (ISO) that the rows stand for. */
  readonly asOf: string;
};
export type Checked = { readonly rows: number; readonly withdrawals: number };

/** Reads the whole file and sends nothing. Throws CATALOGUE_MODE with the clause for what is not public, PUBLIC_*, DATA_*. */
export async function checkFile(options: PublishOptions): Promise<Checked> {
  const { item } = publicItem(options.item);
  const check = new RowCheck(headerOf(options, item.id), maxFileRows);
  let rows = 0;
  let withdrawals = 0;
  for await (const input of readTable({ ...options, item })) {
    const row: BatchRow = check.take(input);
    rows += 1;
    if (row.withdraw !== undefined) withdrawals += 1;
  }
  if (rows === 0) throw new AppError("DATA_NO_ROWS");
  return { rows, withdrawals };
}

function headerOf({ party, asOf }: PublishOptions, item: RowCheck["item"]["id"]) {
  return { party, item, asOf, catalogue: officialCatalogue.versions.at(-1) ?? "" };
}

/** Sends a checked file. Yields the platform's answer to each batch. Of a refusal the row is that of the file. */
export async function* publishFile(options: PublishOptions, key: KeyObject, send: (batch: { bytes: Buffer; digest: string }) => Promise<BatchOutcome>): AsyncGenerator<BatchOutcome> {
  const { item } = publicItem(options.item);
  const header = headerOf(options, item.id);
  let before = 0;
  for await (const rows of parts(readTable({ ...options, item }))) {
    yield await send(await writeBatch(rows, header, key)).catch((error: unknown) => {
      throw inFile(error, before);
    });
    before += rows.length;
  }
}

function inFile(error: unknown, before: number): unknown {
  if (!(error instanceof AppError)) return error;
  const { row } = error.facts;
  return typeof row === "number" ? new AppError(error.code, { ...error.facts, row: before + row }, { cause: error }) : error;
}

async function* parts(rows: AsyncIterable<RowInput>): AsyncGenerator<RowInput[]> {
  let part: RowInput[] = [];
  let bytes = 0;
  for await (const row of rows) {
    const size = Buffer.byteLength(JSON.stringify(row)) + 1;
    if (part.length === maxBatchRows || (part.length > 0 && bytes + size > batchBytes)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(row);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
