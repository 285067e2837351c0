// What several versions of the list add up to. A later version adds items, adds fields and ways to items that it continues, and
// may withdraw items; nothing else disappears (P24, article 4: the scope of sharing is widened further).
import type { ItemId } from "../core/brand.ts";
import { canonicalJson } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { frozen } from "./frozen.ts";
import { gradeOf, highestGrade } from "./grades.ts";
import { personalKinds } from "./schema.ts";
import type {
  Catalogue, CatalogueCategory, CatalogueField, CatalogueItem, CatalogueList, Change, Listing, Personal, Row, Way,
} from "./schema.ts";

type Found = { readonly row: Row; readonly listing: Listing };

/**
 * The effective catalogue of lists, oldest first. Throws CATALOGUE_DATA when versions are out of order, when a row uses an id of
 * another item (without `continues`), continues or withdraws what is not there, or has a grade against the rule of `grades.ts`.
 */
export function effectiveCatalogue(lists: readonly CatalogueList[]): Catalogue {
  const [first, ...later] = lists;
  if (first === undefined) throw new AppError("CATALOGUE_DATA");
  for (const [i, list] of later.entries()) requireData((lists[i] ?? first).issued < list.issued, { list: i + 2 });
  requireData(new Set(lists.map((l) => l.version)).size === lists.length, {});

  const found = new Map<ItemId, Found[]>();
  const withdrawn = new Set<ItemId>();
  for (const [i, list] of lists.entries()) {
    // Against the lists before this one: an item cannot be added and withdrawn at once.
    for (const id of list.withdrawn) {
      requireData(found.has(id) && !withdrawn.has(id), { list: i + 1 });
      withdrawn.add(id);
    }
    for (const entry of rowsOf(list)) {
      const { number, position } = entry.listing;
      const earlier = found.get(entry.row.id);
      const at = { list: i + 1, number, position };
      requireData((earlier !== undefined) === (entry.row.continues === true) && !withdrawn.has(entry.row.id), at);
      requireData(hasRuledGrades(entry.row), at);
      found.set(entry.row.id, [...(earlier ?? []), entry]);
    }
  }
  const latest = lists.at(-1)?.version ?? first.version;
  const items = [...found].filter(([id]) => !withdrawn.has(id)).map(([id, rows]) => effectiveItem(id, rows, latest));
  const byId = new Map<string, CatalogueItem>(items.map((item) => [item.id, item]));
  return frozen({ versions: lists.map((l) => l.version), categories: categoriesOf(lists), items, find: (id: string) => byId.get(id) });
}

function requireData(holds: boolean, facts: Readonly<Record<string, number>>): void {
  if (!holds) throw new AppError("CATALOGUE_DATA", facts);
}

function hasRuledGrades(row: Row): boolean {
  const { ways } = row.sharing;
  if (row.whole !== undefined && row.whole.grade !== gradeOf({ personal: row.whole.personal }, ways)) return false;
  return row.fields.every((f) => f.grade === gradeOf(f, ways));
}

function rowsOf(list: CatalogueList): Found[] {
  return list.categories.flatMap((category) => category.items.map((row, i) => ({
    row,
    listing: {
      version: list.version, document: list.document, number: category.number, position: i + 1, category: category.id,
      named: row.named, zh: row.zh, en: row.en, sharing: row.sharing, departments: row.departments, due: row.due,
      fields: row.fields.map((f) => f.id),
    },
  })));
}

function effectiveItem(id: ItemId, found: readonly Found[], latest: string): CatalogueItem {
  const last = found.at(-1);
  if (last === undefined) throw new AppError("CATALOGUE_DATA");
  const best = found.findLast((f) => f.row.named) ?? last;
  const fields = fieldsOf(found, latest);
  const versions = unique(found.map((f) => f.listing.version));
  const ways = uniqueWays(found);
  const before = uniqueWays(found.filter((f) => f.listing.version !== latest));
  const isChanged = ways.length > before.length || fields.some((f) => f.change !== "kept");
  const wholes = found.flatMap((f) => (f.row.whole === undefined || fields.length > 0 ? [] : [f.row.whole]));
  return {
    id, category: last.listing.category, categories: unique(found.map((f) => f.listing.category)),
    named: best.row.named, zh: best.row.zh, en: best.row.en, ways, fields,
    personal: highestPersonal([...fields, ...wholes].map((d) => d.personal)),
    grade: highestGrade([...fields, ...wholes].map((d) => d.grade)),
    departments: unique(found.flatMap((f) => (f.row.departments?.duties ?? []).map((d) => d.department))),
    due: found.map((f) => f.row.due?.by ?? null).findLast((d) => d !== null) ?? null,
    versions, change: changeOf(versions, latest, isChanged), listings: found.map((f) => f.listing),
  };
}

/** The fields of all rows of an item. A later row's wording holds; of grades the highest does. */
function fieldsOf(found: readonly Found[], latest: string): CatalogueField[] {
  const ids = unique(found.flatMap((f) => f.listing.fields));
  return ids.flatMap((id) => {
    const holders = found.filter((f) => f.listing.fields.includes(id));
    const own = holders.flatMap((f) => f.row.fields.filter((field) => field.id === id));
    const newest = own.at(-1);
    if (newest === undefined) return [];
    const relevant = found.filter((f) => holders.includes(f) || f.listing.fields.length === 0);
    const ways = uniqueWays(relevant);
    const grade = highestGrade([...own.map((f) => f.grade), ...relevant.map((f) => gradeOf(newest, f.row.sharing.ways))]);
    const earlier = own.at(-2);
    const isChanged = ways.length > uniqueWays(relevant.filter((f) => f.listing.version !== latest)).length
      || (earlier !== undefined && canonicalJson({ ...earlier, grade: "" }) !== canonicalJson({ ...newest, grade: "" }));
    const versions = unique(holders.map((f) => f.listing.version));
    return [{ ...newest, grade, ways, versions, change: changeOf(versions, latest, isChanged) }];
  });
}

/** In a catalogue of one version everything counts as added. */
function changeOf(versions: readonly string[], latest: string, isChanged: boolean): Change {
  if (!versions.includes(latest)) return "kept";
  if (versions.length === 1) return "added";
  return isChanged ? "changed" : "kept";
}

function categoriesOf(lists: readonly CatalogueList[]): CatalogueCategory[] {
  const listings = lists.flatMap((l) => l.categories.map(({ id, number, zh, en }) => ({ id, version: l.version, number, zh, en })));
  return unique(listings.map((l) => l.id)).flatMap((id) => {
    const own = listings.filter((l) => l.id === id).map(({ version, number, zh, en }) => ({ version, number, zh, en }));
    const newest = own.at(-1);
    return newest === undefined ? [] : [{ id, zh: newest.zh, en: newest.en, listings: own }];
  });
}

function uniqueWays(found: readonly Found[]): Way[] {
  return [...new Map(found.flatMap((f) => f.row.sharing.ways).map((w) => [canonicalJson(w), w])).values()];
}

function highestPersonal(some: readonly Personal[]): Personal {
  return personalKinds[Math.max(0, ...some.map((p) => personalKinds.indexOf(p)))] ?? "none";
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
