// The fields of a data set about which claims may be verified: their entries by company, as texts. They are read beside the features and are
// none: what may only be compared is never computed with.
import { createHash } from "node:crypto";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { ClaimType } from "../../federation/verify/claims.ts";
import type { VerifiableField } from "../../federation/verify/fields.ts";
import { isReadable, type Held } from "../../federation/verify/predicates.ts";
import { dateOf, presentText } from "./columns.ts";
import { checkVerifiable } from "./declared.ts";
import type { DatasetDefinition } from "./definition.ts";
import type { DataSession } from "./duckdb.ts";
import { normaliseId } from "./ids.ts";
import type { Records } from "./records.ts";
import type { DataLimits, Source } from "./source.ts";
import { columnOf, idColumnOf, idSql, usableColumns, withCause } from "./table.ts";
import { featuresTable } from "./declared.ts";

/** Longer texts are not readable (claims.ts), and stay so when they are cut. */
const longest = 513;
/** Texts of a field that are kept once however often they stand in it. */
const maxInterned = 100_000;

/** Entries of one field: those of record r are from starts[r] to starts[r + 1]. */
export type VerifiableColumn = { readonly field: VerifiableField; readonly starts: Uint32Array; readonly entries: readonly string[] };

export class Verifiable {
  /** Version of the catalogue that the items are of, where anything is declared. */
  readonly version: string | undefined;
  readonly #columns: ReadonlyMap<string, VerifiableColumn>;
  readonly #records: Records;

  constructor(columns: readonly VerifiableColumn[], records: Records, version: string | undefined) {
    this.#columns = new Map(columns.map((column) => [column.field.name, column]));
    this.#records = records;
    this.version = version;
  }

  get columns(): readonly VerifiableColumn[] {
    return [...this.#columns.values()];
  }

  get fields(): readonly VerifiableField[] {
    return Array.from(this.#columns.values(), ({ field }) => field);
  }

  held(field: string, company: string): Held {
    const column = this.#columns.get(field);
    const record = this.#records.get(company);
    if (column === undefined || record === undefined) return { known: false };
    return { known: true, entries: column.entries.slice(column.starts[record], column.starts[record + 1]) };
  }

  /** For the provider's own screen: how many entries each field has, and how many have a form that fits no claim. */
  counts(): readonly { readonly name: string; readonly type: ClaimType; readonly entries: number; readonly unreadable: number; readonly blind: boolean }[] {
    return Array.from(this.#columns.values(), ({ field: { name, type, single }, entries }) => (
      { name, type, entries: entries.length, unreadable: entries.filter((entry) => !isReadable(type, entry)).length, blind: single === true }));
  }

  /** Of a snapshot with this digest of its features: one changed entry changes it. */
  digest(snapshot: string): string {
    const hash = createHash("sha256").update(`${snapshot}\n`);
    for (const { field, starts, entries } of this.#columns.values()) {
      hash.update(`${canonicalJson({ ...field, entries: entries.length })}\n`).update(new Uint8Array(starts.buffer, starts.byteOffset, starts.byteLength));
      for (const entry of entries) hash.update(`${JSON.stringify(entry)}\n`);
    }
    return hash.digest("hex");
  }
}

/**
 * Reads what the definition offers for verification, for the companies of the data set. sourceOf: an opened table of the definition, or the table of
 * features. Throws DATA_MISSING_COLUMN, DATA_TOO_MANY_CELLS, and what `checkVerifiable` refuses.
 */
export async function readVerifiable(
  session: DataSession, definition: DatasetDefinition, sourceOf: (table: string) => Promise<Source>, records: Records, limits: DataLimits,
): Promise<Verifiable | undefined> {
  const offered = Object.entries(definition.verification ?? {});
  if (offered.length === 0) return undefined;
  if (records.size * offered.length > limits.cells) throw new AppError("DATA_TOO_MANY_CELLS", { rows: records.size, columns: offered.length, limit: limits.cells });
  const tables = new Map<string, Source>();
  for (const [, { table = featuresTable }] of offered) if (!tables.has(table)) tables.set(table, await sourceOf(table));
  const names = Object.fromEntries(Array.from(tables, ([table, source]) => [table, usableColumns(source, definition, columnsOf(definition, table), table)]));
  const declared = checkVerifiable(definition, names);
  const columns: VerifiableColumn[] = [];
  for (const [i, [name, { table = featuresTable, column, type }]] of offered.entries()) {
    const source = tables.get(table) as Source;
    const read = { session, definition, source, table, column, type, records, limits, position: i + 1 };
    const { starts, entries } = await readEntries(read);
    const isSingle = starts.every((start, record) => record === 0 || start - (starts[record - 1] as number) <= 1);
    const { items, authorised } = declared?.get(name) ?? { items: [], authorised: [] };
    columns.push({ field: { name, type, items: [...items], authorised: [...authorised], ...(isSingle ? { single: true as const } : {}) }, starts, entries });
  }
  return new Verifiable(columns, records, definition.catalogue?.catalogue);
}

function columnsOf(definition: DatasetDefinition, table: string) {
  return "features" in definition ? definition.columns : definition.tables[table]?.columns ?? {};
}

type Read = {
  readonly session: DataSession; readonly definition: DatasetDefinition; readonly source: Source; readonly table: string; readonly column: string; readonly type: ClaimType;
  readonly records: Records; readonly limits: DataLimits; readonly position: number;
};

async function readEntries({ session, definition, source, table, column, type, records, limits, position }: Read): Promise<Omit<VerifiableColumn, "field">> {
  const id = idColumnOf(source, ("features" in definition ? undefined : definition.tables[table]?.idColumn) ?? definition.idColumn);
  const asked = columnOf(source, column, { verification: position });
  const text = presentText(asked, columnsOf(definition, table)[asked.name]?.missing ?? definition.missingTokens);
  // Dates as they are claimed; what is none stays as it is, and matches nothing.
  const value = `left(${type === "date" ? `COALESCE(CAST(${dateOf(text, true)} AS VARCHAR), ${text})` : text}, ${longest})`;
  const found: number[] = [];
  const texts: string[] = [];
  const interned = new Map<string, string>();
  await withCause(session, source, async (fault) => {
    for await (const chunk of session.chunks(`SELECT ${idSql(id)}, ${value} FROM ${source.from}`, fault)) {
      const [idTexts, values] = [chunk.getColumnVector(0), chunk.getColumnVector(1)];
      for (let i = 0; i < chunk.rowCount; i += 1) {
        const [company, entry] = [idTexts.getItem(i) as string | null, values.getItem(i) as string | null];
        const record = company === null || entry === null ? undefined : records.get(normaliseId(company, definition.idKind));
        if (record === undefined || entry === null) continue;
        if (texts.length >= limits.cells) throw new AppError("DATA_TOO_MANY_CELLS", { rows: texts.length, limit: limits.cells });
        found.push(record);
        texts.push(intern(interned, entry));
      }
    }
  });
  return byRecord(found, texts, records.size);
}

function intern(known: Map<string, string>, text: string): string {
  const same = known.get(text);
  if (same !== undefined) return same;
  if (known.size < maxInterned) known.set(text, text);
  return text;
}

/** Counting sort by record; entries of one company stay in the order of the file. */
function byRecord(found: readonly number[], texts: readonly string[], records: number): Omit<VerifiableColumn, "field"> {
  const starts = new Uint32Array(records + 1);
  for (const record of found) starts[record + 1] = (starts[record + 1] as number) + 1;
  for (let record = 0; record < records; record++) starts[record + 1] = (starts[record + 1] as number) + (starts[record] as number);
  const next = starts.slice(0, records);
  const entries: string[] = Array.from<string>({ length: texts.length });
  for (const [i, record] of found.entries()) {
    entries[next[record] as number] = texts[i] as string;
    next[record] = (next[record] as number) + 1;
  }
  return { starts, entries };
}
