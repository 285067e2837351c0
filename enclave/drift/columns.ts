// The columns of a scorecard's half as histograms: merged bins in an order in which neighbours may be joined, and one more for what training had no
// bin for.
import type { PartyId } from "../../core/brand.ts";
import type { GuestHalf } from "../../federation/scorecard/finish.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { applyFine, neutralBin, type FineDefinition } from "../../models/binning/fine.ts";
import type { Feature } from "../../models/features.ts";
import type { ToldOptions } from "../../monitoring/drift/told.ts";

export type DriftColumn = {
  readonly feature: string;
  readonly definition: FineDefinition; readonly mergedOf: readonly number[];
  /** Merged bins of each place in the histogram; the last place is for what training had no bin for. */
  readonly placeOf: readonly number[];
  readonly bins: NonNullable<ToldOptions["bins"]>;
  /** Training companies by place; undefined for a half of an earlier version. */
  readonly expected: readonly number[] | undefined;
};

export function hostColumns(half: HostHalf): DriftColumn[] {
  return half.columns.map(({ feature, definition, mergedOf, rows }) => columnOf({ feature, definition, mergedOf, rows }));
}

export function guestColumns(half: GuestHalf, self: PartyId): DriftColumn[] {
  return half.columns.flatMap(({ party, name, own, bins }) => (party !== self || own === undefined ? [] : [columnOf({ feature: name, ...own, rows: bins?.rows })]));
}

function columnOf({ feature, definition, mergedOf, rows }: { feature: string; definition: FineDefinition; mergedOf: readonly number[]; rows: readonly number[] | undefined }): DriftColumn {
  const merged = Math.max(0, ...mergedOf) + 1;
  const firstOf = (bin: number): number => mergedOf.indexOf(bin);
  const order = Array.from({ length: merged }, (_, bin) => bin).sort((a, b) => firstOf(a) - firstOf(b));
  // Special values and missing come after the ranges among the fine bins.
  const alone = order.filter((bin) => firstOf(bin) >= definition.orderedBins).length;
  const placeOf = Array.from({ length: merged }, (_, bin) => order.indexOf(bin));
  const counts = rows?.length === merged ? [...order.map((bin) => rows[bin] ?? 0), 0] : undefined;
  return {
    feature, definition, mergedOf, placeOf, expected: counts,
    bins: definition.kind === "categorical" ? { kind: "nominal" } : { kind: "ordered", alone: alone + 1 },
  };
}

/** The place of each row of a feature. */
export function placesOf({ definition, mergedOf, placeOf }: DriftColumn, feature: Feature): Uint8Array {
  const none = placeOf.length;
  return applyFine(definition, feature).map((bin) => (bin === neutralBin ? none : (placeOf[mergedOf[bin] ?? -1] ?? none)));
}

/** Rows by place. */
export function countPlaces(column: DriftColumn, places: Uint8Array): number[] {
  const counts = Array.from({ length: column.placeOf.length + 1 }, () => 0);
  for (const place of places) counts[place] = (counts[place] ?? 0) + 1;
  return counts;
}
