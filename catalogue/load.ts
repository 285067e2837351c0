// The official lists that come with this program, read and checked once. Everything here is frozen.
import { AppError } from "../core/errors.ts";
import { frozen } from "./frozen.ts";
import list2021 from "./lists/2021-52.json" with { type: "json" };
import list2024 from "./lists/2024-15.json" with { type: "json" };
import { effectiveCatalogue } from "./merge.ts";
import { listSchema, type Catalogue, type CatalogueList } from "./schema.ts";

/** A list of unknown origin, e.g. a province's own. Throws CATALOGUE_DATA with the number of problems. */
export function parseList(value: unknown): CatalogueList {
  const result = listSchema.safeParse(value);
  if (!result.success) throw new AppError("CATALOGUE_DATA", { problems: result.error.issues.length });
  return result.data;
}

/** Oldest first. */
export const officialLists: readonly CatalogueList[] = frozen([list2021, list2024].map(parseList));

const byVersion: ReadonlyMap<string, Catalogue> = new Map(
  officialLists.map((list, i) => [list.version, effectiveCatalogue(officialLists.slice(0, i + 1))]),
);

/** The catalogue as it stands today. */
export const officialCatalogue: Catalogue = catalogueAt(officialLists.at(-1)?.version ?? "");

/** The catalogue as it stood when this version was the latest. Throws CATALOGUE_VERSION. */
export function catalogueAt(version: string): Catalogue {
  const catalogue = byVersion.get(version);
  if (catalogue === undefined) throw new AppError("CATALOGUE_VERSION");
  return catalogue;
}
