// What a data set declares, for the provider's own screen: items, what each may be used for, and every problem rather than the first. It reads
// the heads of the files and the SQL of the indicators, no row.
import { checkDeclaration, checkIndicators, declaredItems, type Declaration, type DeclaredTables } from "../../catalogue/declare.ts";
import { catalogueAt, officialCatalogue } from "../../catalogue/load.ts";
import { allows, uses, type Use, type Verdict } from "../../catalogue/modes.ts";
import type { Catalogue, CatalogueItem } from "../../catalogue/schema.ts";
import { isAppError, type Code, type Facts } from "../../core/errors.ts";
import { columnSources, featuresTable, indicatorSource, type DeclaredSource, type TableColumns } from "./declared.ts";
import type { DatasetDefinition } from "./definition.ts";
import { DataSession } from "./duckdb.ts";
import { inspectIndicators } from "./indicators.ts";
import { defaultLimits, locate, openSource, type DataFile } from "./source.ts";
import { askColumns, columnOf, idColumnOf, usableColumns } from "./table.ts";

export type Problem = { readonly at: string; readonly code: Code; readonly facts: Facts };
export type Allowance = Readonly<Record<Use, Pick<Verdict, "allowed" | "authorisation"> & { readonly clause: string }>>;
export type CatalogueView = {
  /** Undefined where the definition declares nothing. */
  readonly version: string | undefined;
  readonly items: readonly { readonly item: CatalogueItem; readonly uses: Allowance }[];
  /** Features and what each may be used for; its items. */
  readonly features: readonly { readonly name: string; readonly items: readonly string[]; readonly uses: Readonly<Record<Use, "yes" | "authorised" | "no">> }[];
  readonly problems: readonly Problem[];
};

/** Throws DATA_* when files or SQL cannot be read at all. */
export async function viewCatalogue(definition: DatasetDefinition, directory: string): Promise<CatalogueView> {
  const declaration = definition.catalogue;
  if (declaration === undefined) return { version: undefined, items: [], features: [], problems: [] };
  const { tables, sources } = await inspect(definition, directory);
  const problems: Problem[] = [];
  const catalogue = tried(problems, "catalogue", () => catalogueAt(declaration.catalogue)) ?? officialCatalogue;
  const declared = tried([], "", () => checkDeclaration(declaration, tables, catalogue));
  if (declared === undefined) columnProblems(declaration, tables, catalogue, problems);
  return {
    version: declaration.catalogue,
    items: declared === undefined ? [] : declaredItems(declared, catalogue).map((id) => allowanceOf(catalogue.find(id) as CatalogueItem)),
    features: declared === undefined ? [] : sources.map((source) => featureOf(declared, source, catalogue, problems)),
    problems,
  };
}

async function inspect(definition: DatasetDefinition, directory: string): Promise<{ tables: TableColumns; sources: readonly DeclaredSource[] }> {
  if ("features" in definition) {
    const file = await locate(definition.features, directory, defaultLimits, {});
    await using session = await DataSession.open({ files: [file.path], threads: 1 });
    const source = await openSource(session, file, defaultLimits);
    const label = definition.labelColumn === undefined ? undefined : columnOf(source, definition.labelColumn, { label: true });
    const asked = askColumns(source, definition.columns, definition.missingTokens, [idColumnOf(source, definition.idColumn), label]);
    const tables = { [featuresTable]: usableColumns(source, definition, definition.columns, featuresTable, label) };
    return { tables, sources: columnSources(definition, asked.map((a) => a.column.name)) };
  }
  const files = new Map<string, DataFile>();
  for (const [name, table] of Object.entries(definition.tables)) files.set(name, await locate(table, directory, defaultLimits, { table: files.size + 1 }));
  await using session = await DataSession.open({ files: [...files.values()].map((f) => f.path), threads: 1 });
  const { tables, reads } = await inspectIndicators(session, definition, files, defaultLimits);
  return { tables, sources: definition.indicators.map((indicator, i) => indicatorSource(indicator, reads[i] ?? [])) };
}

/** Table by table and column by column, as the whole did not pass. */
function columnProblems(declaration: Declaration, tables: TableColumns, catalogue: Catalogue, problems: Problem[]): void {
  const lower = (name: string): string => name.toLowerCase();
  for (const name of Object.keys(declaration.tables)) {
    if (!Object.keys(tables).some((t) => lower(t) === lower(name))) problems.push({ at: name, code: "CATALOGUE_COLUMN_MISSING", facts: {} });
  }
  for (const [table, columns] of Object.entries(tables)) {
    const own = Object.entries(declaration.tables).find(([name]) => lower(name) === lower(table))?.[1];
    if (own === undefined) {
      problems.push({ at: table, code: "CATALOGUE_COLUMN_UNDECLARED", facts: { columns: columns.length } });
      continue;
    }
    const named = [own.subject, ...Object.keys(own.columns)];
    for (const column of named.filter((c) => !columns.some((there) => lower(there) === lower(c)))) {
      problems.push({ at: `${table}.${column}`, code: "CATALOGUE_COLUMN_MISSING", facts: {} });
    }
    for (const column of columns) {
      const said = Object.entries(own.columns).filter(([name]) => lower(name) === lower(column));
      const alone: Declaration = { ...declaration, tables: { [table]: { ...own, columns: Object.fromEntries(said) } } };
      const beside = lower(column) === lower(own.subject) ? [column] : [own.subject, column];
      tried(problems, `${table}.${column}`, () => checkDeclaration(alone, { [table]: beside }, catalogue));
    }
  }
}

function featureOf(declared: DeclaredTables, { name, source }: DeclaredSource, catalogue: Catalogue, problems: Problem[]): CatalogueView["features"][number] {
  const found: Problem[] = [];
  const verdictOf = (use: Use): "yes" | "authorised" | "no" => {
    const verdict = tried(found, name, () => checkIndicators(declared, [source], use, catalogue))?.[0];
    return verdict === undefined ? "no" : verdict.authorisation ? "authorised" : "yes";
  };
  const all = Object.fromEntries(uses.map((use) => [use, verdictOf(use)])) as Record<Use, "yes" | "authorised" | "no">;
  // What a data set's features are for is modelling and scoring: that another use is forbidden is no problem of theirs.
  const [first] = found.filter((p) => p.code !== "CATALOGUE_MODE" || all["joint-modelling"] === "no" || all.scoring === "no");
  if (first !== undefined) problems.push(first);
  return { name, items: source.items, uses: all };
}

function allowanceOf(item: CatalogueItem): CatalogueView["items"][number] {
  const of = (use: Use): Allowance[Use] => {
    const { allowed, authorisation, clause } = allows(item, use);
    return { allowed, authorisation, clause: clause.id };
  };
  return { item, uses: Object.fromEntries(uses.map((use) => [use, of(use)])) as Allowance };
}

function tried<T>(problems: Problem[], at: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isAppError(error)) throw error;
    const { table: _t, column: _c, indicator: _i, ...facts } = error.facts;
    problems.push({ at, code: error.code, facts });
    return undefined;
  }
}
