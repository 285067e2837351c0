// From the published system to an enclave: the declaration of standard tables, and the indicators that a provider can compute from the
// tables that it has and has declared, in the form of its dataset definition (enclave/data/definition.ts).
import { z } from "zod";
import { checkDeclaration, checkIndicators, parseDeclaration } from "../catalogue/declare.ts";
import type { Declaration, DeclaredTables } from "../catalogue/declare.ts";
import { catalogueAt, officialCatalogue } from "../catalogue/load.ts";
import type { Use } from "../catalogue/modes.ts";
import { AppError, isAppError, type Code } from "../core/errors.ts";
import { publishedSystem, type IndicatorSystem } from "./load.ts";
import { asOfMark, subjectColumn, type PublishedIndicator } from "./schema.ts";

/** One entry of `indicators` in a dataset definition. */
export type DatasetIndicator = {
  readonly name: string;
  readonly table?: string;
  readonly sql: string;
  readonly unit: string;
  readonly direction: PublishedIndicator["direction"];
  /** Ids of the items; several are separated by " + ". */
  readonly sourceItem: string;
  readonly window: string;
};

/** By table, the names of its columns. */
export type Tables = Readonly<Record<string, readonly string[]>>;

/** Why an indicator is not among those of a provider: tables or columns that it reads are not there, or the catalogue's refusal. */
export type LeftOut = { readonly id: string; readonly reason: "table" | "column" | Code };

const isoDate = z.iso.date();

/** SQL of an indicator that looks back from `asOf` (YYYY-MM-DD). Throws INDICATOR_AS_OF. */
export function formulaAt(indicator: PublishedIndicator, asOf: string): string {
  if (!isoDate.safeParse(asOf).success) throw new AppError("INDICATOR_AS_OF");
  return indicator.formula.replaceAll(asOfMark, `DATE '${asOf}'`);
}

export function datasetIndicator(indicator: PublishedIndicator, asOf: string): DatasetIndicator {
  const { id, table, unit, direction, items, window } = indicator;
  const sql = formulaAt(indicator, asOf);
  return { name: id, ...(table !== undefined && { table }), sql, unit: unit.en, direction, sourceItem: items.join(" + "), window };
}

/**
 * What the indicators of a provider are: those whose tables and columns it has and whose use its declaration allows.
 * tables: standard names; a provider whose own are called otherwise names its files so, or exports a view. use: what they are for.
 * Throws what `checkDeclaration` throws when the declaration does not fit the tables, and INDICATOR_AS_OF.
 */
export function datasetIndicators(
  declaration: Declaration, tables: Tables, options: { readonly asOf: string; readonly use: Use }, system: IndicatorSystem = publishedSystem,
): { readonly indicators: readonly DatasetIndicator[]; readonly leftOut: readonly LeftOut[] } {
  const declared = checkDeclaration(declaration, tables);
  const catalogue = catalogueAt(declaration.catalogue);
  const indicators: DatasetIndicator[] = [];
  const leftOut: LeftOut[] = [];
  for (const indicator of system.indicators) {
    const reason = missing(indicator, declared) ?? refusal(() => checkIndicators(declared, [sourceOf(indicator)], options.use, catalogue));
    if (reason === undefined) indicators.push(datasetIndicator(indicator, options.asOf));
    else leftOut.push({ id: indicator.id, reason });
  }
  return { indicators, leftOut };
}

/** What an indicator says that it is made of, for the checks of the catalogue. */
export function sourceOf({ items, reads }: PublishedIndicator): { items: readonly string[]; reads: { table: string; column: string }[] } {
  return { items, reads: Object.entries(reads).flatMap(([table, columns]) => columns.map((column) => ({ table, column }))) };
}

function missing(indicator: PublishedIndicator, declared: DeclaredTables): "table" | "column" | undefined {
  const read = Object.entries(indicator.reads);
  if (read.some(([table]) => !declared.has(table))) return "table";
  return read.some(([table, columns]) => columns.some((c) => declared.get(table)?.columns.has(c) !== true)) ? "column" : undefined;
}

function refusal(work: () => unknown): Code | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return error.code;
  }
}

/** The declaration of standard tables. Throws INDICATOR_DATA for a table that the system does not have. */
export function standardDeclaration(names: readonly string[], system: IndicatorSystem = publishedSystem): Declaration {
  const tables = names.map((name) => {
    const table = system.tables.get(name);
    if (table === undefined) throw new AppError("INDICATOR_DATA", { problems: 1 });
    const columns = Object.entries(table.columns).map(([column, { items }]) => [column, { items }] as const);
    return [name, { subject: subjectColumn, columns: Object.fromEntries(columns) }] as const;
  });
  return parseDeclaration({ version: 1, catalogue: officialCatalogue.versions.at(-1), tables: Object.fromEntries(tables) });
}
