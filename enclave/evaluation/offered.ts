// Which indicators of the public scorecard this party's data give, on this basis.
import type { Card } from "../../evaluation/load.ts";
import type { LoadedDataset } from "../data/load.ts";

/** The register's section of each company, for figures by sector (indicators/areas/registry.json). */
export const sectorIndicator = "rg_sector";

/** In the card's order. Where the data are declared, a feature counts only if it was declared; on the basis `open`, only if nothing that it is made
 *  of needs a company's authorisation, whatever the published system says of the indicator. */
export function offeredIndicators({ basis, entries }: Pick<Card, "basis" | "entries">, { features, catalogue }: Pick<LoadedDataset, "features" | "catalogue">): string[] {
  const numeric = new Set(features.flatMap((f) => (f.kind === "numeric" ? [f.name] : [])));
  return entries.map((e) => e.indicator).filter((id) => {
    if (!numeric.has(id)) return false;
    if (catalogue === undefined) return true;
    const declared = catalogue.features.get(id);
    return declared !== undefined && (basis === "full" || declared.authorised.length === 0);
  });
}

/** By record; undefined where the data do not say. */
export function sectorsOf({ features, rows }: Pick<LoadedDataset, "features" | "rows">): (string | undefined)[] {
  const feature = features.find((f) => f.name === sectorIndicator);
  if (feature?.kind !== "categorical") return Array.from({ length: rows }, () => undefined);
  return Array.from(feature.codes, (code) => feature.levels[code]);
}
