// Finding items: by what the lists say of them, by their names in the lists, by words in Chinese or English.
import { AppError } from "../core/errors.ts";
import { gradeTable } from "./grades.ts";
import { officialCatalogue } from "./load.ts";
import { allows, type Use } from "./modes.ts";
import { departmentNames } from "./schema.ts";
import type { Catalogue, CatalogueItem, Change, Department, Grade, Level, SharingMode } from "./schema.ts";

/** Every condition that is there must hold. */
export type ItemFilter = {
  readonly category?: string | undefined;
  readonly department?: Department | undefined;
  readonly mode?: SharingMode | undefined;
  readonly level?: Level | undefined;
  readonly grade?: Grade | undefined;
  /** At most this grade. */
  readonly upTo?: Grade | undefined;
  /** Whether any way of sharing it, or any field, needs authorisation. */
  readonly authorisation?: boolean | undefined;
  /** Whether it holds personal information. */
  readonly personal?: boolean | undefined;
  /** Listed in this version. */
  readonly version?: string | undefined;
  readonly change?: Change | undefined;
  /** May be used so. */
  readonly use?: Use | undefined;
};

/** The items for which the filter holds, in the order of the lists. */
export function listItems(filter: ItemFilter = {}, catalogue: Catalogue = officialCatalogue): readonly CatalogueItem[] {
  return catalogue.items.filter((item) => fits(item, filter));
}

function fits(item: CatalogueItem, filter: ItemFilter): boolean {
  const is = <T>(wanted: T | undefined, holds: (wanted: T) => boolean): boolean => wanted === undefined || holds(wanted);
  return is(filter.category, (c) => item.categories.includes(c))
    && is(filter.department, (d) => item.departments.includes(d))
    && is(filter.mode, (m) => item.ways.some((w) => w.mode === m))
    && is(filter.level, (l) => item.ways.some((w) => w.levels.includes(l)))
    && is(filter.grade, (g) => item.grade === g)
    && is(filter.upTo, (g) => gradeTable[item.grade].level <= gradeTable[g].level)
    && is(filter.authorisation, (a) => a === item.ways.some((w) => w.authorisation || w.authorisedFields !== undefined))
    && is(filter.personal, (p) => p === (item.personal !== "none"))
    && is(filter.version, (v) => item.versions.includes(v))
    && is(filter.change, (c) => item.change === c)
    && is(filter.use, (u) => allows(item, u).allowed);
}

/**
 * The item of an id ("tax.payment") or of its name in a list ("P21/纳税信息/纳税信息", "P24/公共资源交易信息").
 * Throws CATALOGUE_UNKNOWN_ITEM when there is none, or several of that name.
 */
export function findItem(name: string, catalogue: Catalogue = officialCatalogue): CatalogueItem {
  const named = itemsNamed(name, catalogue);
  const [only] = named;
  if (only === undefined || named.length > 1) throw new AppError("CATALOGUE_UNKNOWN_ITEM", { found: named.length });
  return only;
}

/** All items of an id or of a name in a list. */
export function itemsNamed(name: string, catalogue: Catalogue): readonly CatalogueItem[] {
  const byId = catalogue.find(name);
  if (byId !== undefined) return [byId];
  const [document, category, ...rest] = name.split("/").map(plain);
  const title = rest.length === 0 ? undefined : rest.join("/");
  const isCategory = (id: string, version: string): boolean => catalogue.categories.some((c) => c.id === id
    && c.listings.some((l) => l.version === version && plain(l.zh) === category));
  // A name may be given without the remark that the list adds in brackets.
  const isTitle = (zh: string): boolean => plain(zh) === title || plain(zh).replace(/\(.*\)$/, "") === title;
  return catalogue.items.filter((item) => item.listings.some((l) => plain(l.document) === document && isCategory(l.category, l.version)
    && (title === undefined ? !l.named : isTitle(l.zh))));
}

export type Hit = {
  readonly item: CatalogueItem;
  readonly score: number;
  /** Ids of the fields that a word is in. */
  readonly fields: readonly string[];
};

const maxWords = 16;

/**
 * Items in whose id, name, category, fields or departments every word of the query is found; best first, then in the order of the lists.
 * Words are split at spaces, case and width do not matter; a longer Chinese word that is nowhere as such counts when half of its
 * pairs of characters are ("水电费"). Words beyond the 16th are ignored.
 */
export function searchItems(query: string, filter: ItemFilter = {}, catalogue: Catalogue = officialCatalogue): readonly Hit[] {
  const words = plain(query).split(" ").filter((w) => w !== "").slice(0, maxWords);
  if (words.length === 0) return [];
  const hits: Hit[] = [];
  for (const item of listItems(filter, catalogue)) {
    const places = placesOf(item, catalogue);
    const scores = words.map((word) => Math.max(...places.map((p) => p.weight * likeness(word, p.text))));
    if (scores.some((s) => s === 0)) continue;
    const fields = item.fields.filter((f) => words.some((w) => likeness(w, fieldText(f)) > 0)).map((f) => f.id);
    hits.push({ item, score: scores.reduce((a, b) => a + b, 0), fields });
  }
  return hits.sort((a, b) => b.score - a.score);
}

type Place = { readonly text: string; readonly weight: number };

function placesOf(item: CatalogueItem, catalogue: Catalogue): Place[] {
  const categories = catalogue.categories.filter((c) => item.categories.includes(c.id));
  return [
    ...[item.id, item.zh, item.en, ...item.listings.map((l) => l.zh)].map((text) => ({ text: plain(text), weight: 8 })),
    ...categories.flatMap((c) => [c.id, c.en, ...c.listings.map((l) => l.zh)]).map((text) => ({ text: plain(text), weight: 4 })),
    ...item.fields.map((f) => ({ text: fieldText(f), weight: 2 })),
    ...item.departments.flatMap((d) => Object.values(departmentNames[d])).map((text) => ({ text: plain(text), weight: 2 })),
  ];
}

function fieldText(field: { readonly id: string; readonly zh: string; readonly en: string }): string {
  return plain(`${field.id} ${field.zh} ${field.en}`);
}

/** 2: the whole text; 1: a part of it; up to 0.5: half of the pairs, or more, of Chinese characters; 0: not there. Both are `plain`. */
function likeness(word: string, text: string): number {
  if (word === text) return 2;
  if (text.includes(word)) return 1;
  const characters = Array.from(word);
  if (characters.length < 3 || !/^\p{Script=Han}+$/u.test(word)) return 0;
  const pairs = characters.slice(1).map((c, i) => `${characters[i] ?? ""}${c}`);
  const share = pairs.filter((p) => text.includes(p)).length / pairs.length;
  return share >= 0.5 ? share / 2 : 0;
}

function plain(text: string): string {
  return text.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();
}
