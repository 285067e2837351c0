// Which columns of a batch are read, and as what. A model's own columns say it: a batch in which a level looks like a number, or a whole column is
// missing, is read as the training data were.
import { open } from "node:fs/promises";
import type { GuestHalf } from "../../federation/scorecard/finish.ts";
import { readHeader } from "../data/csv-header.ts";
import type { ExpectedColumns } from "../data/columns.ts";
import type { FeatureTableDefinition } from "../data/definition.ts";
import { DataSession } from "../data/duckdb.ts";
import { defaultLimits, locate, openSource } from "../data/source.ts";

const headBytes = 2 ** 20;

/** The bank's own columns of a scorecard. */
export function modelColumns(half: Pick<GuestHalf, "columns">, self: string): ExpectedColumns {
  return new Map(half.columns.filter((c) => c.party === self).map((c) => [c.name, c.own?.definition.kind === "categorical" ? "categorical" : "ordered"]));
}

/** Names of all columns of the bank's own table, which a batch may have; undefined where the table cannot be read from here. */
export async function tableColumns(definition: FeatureTableDefinition, dataFolder: string): Promise<ReadonlySet<string> | undefined> {
  try {
    const file = await locate(definition.features, dataFolder, defaultLimits, {});
    if (file.format === "csv") return new Set((await headerOf(file.path, file.delimiter))?.names);
    await using session = await DataSession.open({ files: [file.path], threads: 1 });
    return new Set((await openSource(session, file, defaultLimits)).columns.map((c) => c.name));
  } catch {
    return undefined; // another user's folder: the enclave itself reads it, this command need not
  }
}

/** The header of a CSV file. */
export async function headerOf(path: string, delimiter?: string): Promise<ReturnType<typeof readHeader>> {
  const handle = await open(path, "r");
  try {
    const head = Buffer.alloc(headBytes);
    const { bytesRead } = await handle.read(head, 0, headBytes, 0);
    return readHeader(head.subarray(0, bytesRead).toString("utf8"), bytesRead < headBytes, delimiter);
  } finally {
    await handle.close();
  }
}
