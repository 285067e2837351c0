// What may be public at the platform: an item, and each of its fields, that the catalogue lets the platform store (物理归集) and that is
// public by law, so that it may stand in a report. Everything else is refused with the clause.
import { AppError } from "../core/errors.ts";
import { officialCatalogue } from "../catalogue/load.ts";
import { allows, requireUse } from "../catalogue/modes.ts";
import type { Catalogue, CatalogueField, CatalogueItem } from "../catalogue/schema.ts";

const needed = ["store-at-platform", "report"] as const;

export type PublicItemSpec = { readonly item: CatalogueItem; readonly fields: readonly CatalogueField[] };

/** The item and those of its fields that may be public. Throws CATALOGUE_UNKNOWN_ITEM, or CATALOGUE_MODE with the clause. */
export function publicItem(id: string, catalogue: Catalogue = officialCatalogue): PublicItemSpec {
  const item = catalogue.find(id);
  if (item === undefined) throw new AppError("CATALOGUE_UNKNOWN_ITEM");
  for (const use of needed) requireUse(item, use);
  return { item, fields: item.fields.filter((field) => isPublic(item, field.id)) };
}

/** Throws CATALOGUE_UNKNOWN_FIELD, or CATALOGUE_MODE with the clause, naming the row. */
export function requirePublicField(item: CatalogueItem, field: string, row: number): CatalogueField {
  const found = item.fields.find((f) => f.id === field);
  if (found === undefined) throw new AppError("CATALOGUE_UNKNOWN_FIELD", { item: item.id, row });
  for (const use of needed) {
    const verdict = allows(item, use, { fields: [field] });
    if (!verdict.allowed || verdict.authorisation) {
      throw new AppError("CATALOGUE_MODE", { item: item.id, row, field: item.fields.indexOf(found) + 1, clause: verdict.clause.id });
    }
  }
  return found;
}

function isPublic(item: CatalogueItem, field: string): boolean {
  return needed.every((use) => {
    const verdict = allows(item, use, { fields: [field] });
    return verdict.allowed && !verdict.authorisation;
  });
}

/** All items of which something may be public, in the order of the lists. */
export function publicItems(catalogue: Catalogue = officialCatalogue): readonly PublicItemSpec[] {
  return catalogue.items.filter((item) => needed.every((use) => allows(item, use).allowed)).map((item) => publicItem(item.id, catalogue));
}
