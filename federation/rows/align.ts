// Applies a row order to a party's own features: row i of the job is record rowOf[i]; a company that the party does not
// hold is missing in all of its features.
import type { Feature } from "../../models/features.ts";

/** The feature over the job's rows. rowOf: record per row or -1. */
export function alignFeature(feature: Feature, rowOf: Int32Array): Feature {
  if (feature.kind === "numeric") {
    const values = new Float64Array(rowOf.length);
    for (let row = 0; row < values.length; row++) {
      const record = rowOf[row] as number;
      values[row] = record < 0 ? Number.NaN : (feature.values[record] ?? Number.NaN);
    }
    return { ...feature, values };
  }
  const codes = new Int32Array(rowOf.length);
  for (let row = 0; row < codes.length; row++) {
    const record = rowOf[row] as number;
    codes[row] = record < 0 ? -1 : (feature.codes[record] ?? -1);
  }
  return { ...feature, codes };
}
