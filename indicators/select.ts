// Finding indicators: by id, area, item of the catalogue, provider's tables, and what they may be used for.
import { officialCatalogue } from "../catalogue/load.ts";
import { allows, type Use } from "../catalogue/modes.ts";
import type { Catalogue } from "../catalogue/schema.ts";
import { AppError } from "../core/errors.ts";
import { publishedSystem, type IndicatorSystem } from "./load.ts";
import type { Area, PublishedIndicator } from "./schema.ts";

/** Every condition that is there must hold. */
export type IndicatorFilter = {
  readonly area?: string | undefined;
  /** Id of an item of the sharing catalogue. */
  readonly item?: string | undefined;
  /** Names of the tables that a provider has: all that the formula reads are among them. */
  readonly tables?: readonly string[] | undefined;
  readonly use?: Use | undefined;
};

/** The indicators for which the filter holds, in the order of the system. Throws INDICATOR_AREA when there is no such area. */
export function listIndicators(filter: IndicatorFilter = {}, system: IndicatorSystem = publishedSystem): readonly PublishedIndicator[] {
  const { area, item, tables, use } = filter;
  if (area !== undefined && !system.areas.some((a) => a.area === area)) throw new AppError("INDICATOR_AREA");
  const known = tables === undefined ? undefined : new Set(tables.map((t) => t.toLowerCase()));
  return system.areas.filter((a) => area === undefined || a.area === area).flatMap((a) => a.indicators)
    .filter((i) => item === undefined || i.items.includes(item))
    .filter((i) => known === undefined || Object.keys(i.reads).every((t) => known.has(t)))
    .filter((i) => use === undefined || useOf(i, use, system).allowed);
}

/** Throws INDICATOR_UNKNOWN. */
export function findIndicator(id: string, system: IndicatorSystem = publishedSystem): PublishedIndicator {
  const found = system.indicators.find((i) => i.id === id);
  if (found === undefined) throw new AppError("INDICATOR_UNKNOWN");
  return found;
}

/** Throws INDICATOR_UNKNOWN. */
export function areaOf(id: string, system: IndicatorSystem = publishedSystem): Area {
  const found = system.areas.find((a) => a.indicators.some((i) => i.id === id));
  if (found === undefined) throw new AppError("INDICATOR_UNKNOWN");
  return found;
}

/** Whether the fields that an indicator reads may be used so, and whether each company must have authorised it. */
export function useOf(
  indicator: PublishedIndicator, use: Use, system: IndicatorSystem = publishedSystem, catalogue: Catalogue = officialCatalogue,
): { readonly allowed: boolean; readonly authorisation: boolean } {
  const verdicts = referencesOf(indicator, system).flatMap((reference) => {
    const [id = "", field] = reference.split("#");
    const item = catalogue.find(id);
    return item === undefined || !indicator.items.includes(id) ? [] : [allows(item, use, field === undefined ? {} : { fields: [field] })];
  });
  const allowed = verdicts.length > 0 && verdicts.every((v) => v.allowed);
  return { allowed, authorisation: allowed && verdicts.some((v) => v.authorisation) };
}

/** What the columns that it reads are in the catalogue, each once. */
export function referencesOf(indicator: PublishedIndicator, system: IndicatorSystem = publishedSystem): readonly string[] {
  return [...new Set(Object.entries(indicator.reads).flatMap(([table, columns]) => columns.flatMap((c) => system.tables.get(table)?.columns[c]?.items ?? [])))];
}
