// The published sharing catalogue, open to everybody.
import type { Express } from "express";
import { documents } from "../../catalogue/clauses.ts";
import { catalogueAt, officialCatalogue } from "../../catalogue/load.ts";
import { allows, uses } from "../../catalogue/modes.ts";
import type { Catalogue, CatalogueItem } from "../../catalogue/schema.ts";
import { findItem, listItems, searchItems } from "../../catalogue/search.ts";
import { catalogueEndpoints as e } from "../contract/catalogue.ts";
import { openGuard } from "../http/auth.ts";
import { route } from "../http/route.ts";

export function addCatalogue(app: Express): void {
  route(app, e.browseCatalogue, openGuard, async ({ query }) => {
    const { version, text, limit, offset, ...filter } = query;
    const catalogue = catalogueOf(version);
    const found = text === undefined ? listItems(filter, catalogue).map((item) => ({ item, fields: [] })) : searchItems(text, filter, catalogue);
    const items = found.slice(offset, offset + limit).map(({ item, fields }) => lineOf(item, fields));
    return {
      version: latestOf(catalogue), versions: [...officialCatalogue.versions], total: found.length, next: offset + limit < found.length ? offset + limit : null,
      categories: [...catalogue.categories], items,
    };
  });
  route(app, e.getCatalogueItem, openGuard, async ({ params, query }) => {
    const catalogue = catalogueOf(query.version);
    const item = findItem(params.item, catalogue);
    return { version: latestOf(catalogue), item, uses: uses.map((use) => verdictOf(item, use)) };
  });
}

const catalogueOf = (version: string | undefined): Catalogue => (version === undefined ? officialCatalogue : catalogueAt(version));
const latestOf = (catalogue: Catalogue): string => catalogue.versions.at(-1) ?? "";

function lineOf(item: CatalogueItem, matched: readonly string[]) {
  const { id, category, zh, en, ways, personal, grade, departments, due, versions, change } = item;
  return { id, category, zh, en, ways, personal, grade, departments, due, versions, change, fields: item.fields.length, matched: [...matched] };
}

function verdictOf(item: CatalogueItem, use: (typeof uses)[number]) {
  const { allowed, authorisation, clause: { id, document, article, text, en } } = allows(item, use);
  return { use, allowed, authorisation, clause: { id, document: documents[document].number, article, text, en } };
}
