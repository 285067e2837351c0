// The published areas, read and checked once, frozen. What no schema of one file can say is checked here: ids and names of tables are
// unique over all areas, what is read is there, and every item and field is in the sharing catalogue as it stands today.
import { frozen } from "../catalogue/frozen.ts";
import { officialCatalogue } from "../catalogue/load.ts";
import type { Catalogue } from "../catalogue/schema.ts";
import { AppError } from "../core/errors.ts";
import administrative from "./areas/administrative.json" with { type: "json" };
import agriculture from "./areas/agriculture.json" with { type: "json" };
import customs from "./areas/customs.json" with { type: "json" };
import environment from "./areas/environment.json" with { type: "json" };
import housingFund from "./areas/housing-fund.json" with { type: "json" };
import intellectualProperty from "./areas/intellectual-property.json" with { type: "json" };
import judicial from "./areas/judicial.json" with { type: "json" };
import marriage from "./areas/marriage.json" with { type: "json" };
import medicalInsurance from "./areas/medical-insurance.json" with { type: "json" };
import publicResources from "./areas/public-resources.json" with { type: "json" };
import qualification from "./areas/qualification.json" with { type: "json" };
import realEstate from "./areas/real-estate.json" with { type: "json" };
import registry from "./areas/registry.json" with { type: "json" };
import research from "./areas/research.json" with { type: "json" };
import socialInsurance from "./areas/social-insurance.json" with { type: "json" };
import tax from "./areas/tax.json" with { type: "json" };
import utilities from "./areas/utilities.json" with { type: "json" };
import { areaSchema, subjectColumn, type Area, type PublishedIndicator, type StandardTable } from "./schema.ts";

/** What the areas add up to. */
export type IndicatorSystem = {
  readonly areas: readonly Area[];
  /** In the order of the areas. */
  readonly indicators: readonly PublishedIndicator[];
  /** All standard tables by name. */
  readonly tables: ReadonlyMap<string, StandardTable>;
};

/** Checks areas of unknown origin, e.g. a province's own beside the published ones. Throws INDICATOR_DATA with the number of problems. */
export function indicatorSystem(values: readonly unknown[], catalogue: Catalogue = officialCatalogue): IndicatorSystem {
  const results = values.map((value) => areaSchema.safeParse(value));
  const broken = results.reduce((sum, r) => sum + (r.success ? 0 : r.error.issues.length), 0);
  if (broken > 0) throw new AppError("INDICATOR_DATA", { problems: broken });
  const areas = results.flatMap((r) => (r.success ? [r.data] : []));
  const indicators = areas.flatMap((a) => a.indicators);
  const named = areas.flatMap((a) => Object.entries(a.tables));
  const tables = new Map(named);
  const problems = [
    ...repeated(areas.map((a) => a.area)), ...repeated(areas.map((a) => a.prefix)),
    ...repeated(indicators.map((i) => i.id)), ...repeated(named.map(([name]) => name)),
    ...areas.flatMap((a) => a.categories.filter((c) => !catalogue.categories.some((known) => known.id === c))),
    ...areas.flatMap((a) => a.without.map((w) => w.item)).filter((id) => catalogue.find(id) === undefined),
    ...named.flatMap(([, t]) => Object.values(t.columns).flatMap((c) => c.items)).filter((text) => !isInCatalogue(text, catalogue)),
    ...indicators.flatMap((i) => i.items).filter((text) => !isInCatalogue(text, catalogue)),
    ...indicators.flatMap((i) => Object.entries(i.reads).flatMap(([table, columns]) => columns.filter((column) => !hasColumn(tables.get(table), column)))),
  ];
  if (problems.length > 0) throw new AppError("INDICATOR_DATA", { problems: problems.length });
  return frozen({ areas, indicators, tables });
}

function repeated(values: readonly string[]): string[] {
  return values.filter((value, i) => values.indexOf(value) < i);
}

function hasColumn(table: StandardTable | undefined, column: string): boolean {
  return table !== undefined && (column === subjectColumn || Object.hasOwn(table.columns, column));
}

function isInCatalogue(reference: string, catalogue: Catalogue): boolean {
  const [id = "", field] = reference.split("#");
  const item = catalogue.find(id);
  return item !== undefined && (field === undefined || item.fields.some((f) => f.id === field));
}

/** The published system, in the order in which people read it. */
export const publishedSystem: IndicatorSystem = indicatorSystem([
  tax, socialInsurance, housingFund, utilities, registry, judicial, customs, environment, intellectualProperty, qualification, research,
  agriculture, administrative, publicResources, medicalInsurance, realEstate, marriage,
]);
