// A data set's declaration (catalogue/declare.ts) held against its tables and features before anything is computed with them: a column
// without an item, or a feature that uses an item in a way which its mode forbids, ends the loading with the clause.
import { checkDeclaration, checkIndicators, type DeclaredTables, type IndicatorSource, type IndicatorUse } from "../../catalogue/declare.ts";
import { highestGrade } from "../../catalogue/grades.ts";
import { catalogueAt } from "../../catalogue/load.ts";
import { allows, type Use } from "../../catalogue/modes.ts";
import type { Catalogue, Grade } from "../../catalogue/schema.ts";
import type { ItemId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { DatasetDefinition, FeatureTableDefinition, IndicatorDefinition } from "./definition.ts";
import type { Read } from "./sql-reads.ts";

/** The one table of a data set of ready-made features, in a declaration. */
export const featuresTable = "features";
/** What the features of every data set are used for. */
export const featureUses: readonly Use[] = ["joint-modelling", "scoring"];

export type DeclaredFeature = {
  readonly items: readonly ItemId[];
  /** Of these, the items for which a score needs the authorisation of each company. */
  readonly authorised: readonly ItemId[];
  readonly grade: Grade;
};
/** What a checked declaration says of a data set. */
export type DatasetCatalogue = {
  readonly version: string;
  /** Items of the features, and of them those that need authorisation, in the order of the catalogue. */
  readonly items: readonly ItemId[];
  readonly authorised: readonly ItemId[];
  readonly features: ReadonlyMap<string, DeclaredFeature>;
};

/** The grade of a feature: "public" where nothing is declared, the highest for one that a declared data set does not have any more (a model's half
 *  may name it): what it was made of is not known. */
export function gradeOfFeature(catalogue: Pick<DatasetCatalogue, "features"> | undefined, feature: string): Grade {
  return catalogue === undefined ? "public" : (catalogue.features.get(feature)?.grade ?? "restricted");
}

/** Names of a table's columns in the order of the file; one that the definition ignores is not there unless the declaration names it. */
export type TableColumns = Readonly<Record<string, readonly string[]>>;
export type DeclaredSource = { readonly name: string; readonly source: IndicatorSource };

/** Items of an indicator; several are separated by " + ". */
export function sourceItems({ sourceItem }: Pick<IndicatorDefinition, "sourceItem">): readonly string[] {
  return sourceItem.split(" + ").map((s) => s.trim()).filter((s) => s !== "");
}

/** The ready-made features of a table as what they are made of: each its own column. */
export function columnSources(definition: FeatureTableDefinition, features: readonly string[]): readonly DeclaredSource[] {
  const table = Object.entries(definition.catalogue?.tables ?? {}).find(([name]) => name.toLowerCase() === featuresTable)?.[1];
  const named = new Map(Object.entries(table?.columns ?? {}).map(([name, { items }]) => [name.toLowerCase(), items]));
  return features.map((name) => (
    { name, source: { items: named.get(name.toLowerCase()) ?? table?.items ?? [], reads: [{ table: featuresTable, column: name }] } }));
}

export function indicatorSource(indicator: IndicatorDefinition, reads: readonly Read[]): DeclaredSource {
  return { name: indicator.name, source: { items: sourceItems(indicator), reads } };
}

/**
 * Throws CATALOGUE_VERSION, CATALOGUE_COLUMN_UNDECLARED, CATALOGUE_COLUMN_MISSING, CATALOGUE_INDICATOR_SOURCE, CATALOGUE_MODE and what else
 * `checkDeclaration` and `checkIndicators` refuse; positions count from 1 in the order of the definition. Undefined without a declaration.
 */
export function checkDeclared(definition: DatasetDefinition, tables: TableColumns, sources: readonly DeclaredSource[]): DatasetCatalogue | undefined {
  const declaration = definition.catalogue;
  if (declaration === undefined) return undefined;
  const catalogue = catalogueAt(declaration.catalogue);
  const declared = checkDeclaration(declaration, tables, catalogue);
  return usedBy(declared, sources, catalogue, declaration.catalogue);
}

function usedBy(declared: DeclaredTables, sources: readonly DeclaredSource[], catalogue: Catalogue, version: string): DatasetCatalogue {
  const verdicts = featureUses.map((use) => checkIndicators(declared, sources.map((s) => s.source), use, catalogue));
  const scoring = verdicts[featureUses.indexOf("scoring")] ?? [];
  const features = new Map(sources.map(({ name, source }, i) => [name, featureOf(withWhole(scoring[i] as IndicatorUse, source, declared), catalogue)]));
  const inOrder = (held: ReadonlySet<ItemId>): ItemId[] => catalogue.items.map((item) => item.id).filter((id) => held.has(id));
  const all = [...features.values()];
  return {
    version, features,
    items: inOrder(new Set(all.flatMap((f) => f.items))), authorised: inOrder(new Set(all.flatMap((f) => f.authorised))),
  };
}

/**
 * What the definition offers for verification, by name, where it has a declaration; tables: columns of those that it takes something from. Throws as
 * `checkDeclared`, CATALOGUE_MODE with the clause for a field that may not be compared.
 */
export function checkVerifiable(definition: DatasetDefinition, tables: TableColumns): ReadonlyMap<string, DeclaredFeature> | undefined {
  const declaration = definition.catalogue;
  if (declaration === undefined) return undefined;
  const catalogue = catalogueAt(declaration.catalogue);
  const isUsed = (name: string): boolean => Object.keys(tables).some((table) => table.toLowerCase() === name.toLowerCase());
  const own = Object.fromEntries(Object.entries(declaration.tables).filter(([name]) => isUsed(name)));
  const declared = checkDeclaration({ ...declaration, tables: own }, tables, catalogue);
  return new Map(Object.entries(definition.verification ?? {}).map(([name, { table = featuresTable, column }], i) => {
    const said = Object.entries(own).find(([known]) => known.toLowerCase() === table.toLowerCase())?.[1];
    const items = Object.entries(said?.columns ?? {}).find(([known]) => known.toLowerCase() === column.trim().toLowerCase())?.[1].items ?? said?.items ?? [];
    if (items.length === 0) throw new AppError("CATALOGUE_COLUMN_UNDECLARED", { verification: i + 1 });
    try {
      const [use] = checkIndicators(declared, [{ items, reads: [{ table, column: column.trim() }] }], "verification", catalogue);
      return [name, featureOf(use as IndicatorUse, catalogue, "verification")] as const;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const { indicator: _indicator, ...facts } = error.facts;
      throw new AppError(error.code, { ...facts, verification: i + 1 }, { cause: error });
    }
  }));
}

/** A table that is read as a whole: any of its items may be in the result. */
function withWhole(use: IndicatorUse, { reads }: IndicatorSource, declared: DeclaredTables): IndicatorUse {
  const whole = reads.filter((r) => r.column === undefined).flatMap(({ table }) => [...(declared.get(table.toLowerCase())?.columns.values() ?? [])]);
  const items = whole.flatMap((column) => column.uses.map(({ item }) => item.id));
  return { ...use, items: [...new Set([...use.items, ...items])], grade: highestGrade([use.grade, ...whole.map((column) => column.grade)]) };
}

function featureOf({ items, grade, authorisation }: IndicatorUse, catalogue: Catalogue, use: Use = "scoring"): DeclaredFeature {
  if (!authorisation) return { items, authorised: [], grade };
  const needing = items.filter((id) => {
    const item = catalogue.find(id);
    return item === undefined || allows(item, use).authorisation;
  });
  // A field may need it where the item as a whole does not: then all are asked for.
  return { items, authorised: needing.length > 0 ? needing : items, grade };
}
