// A party's own indicators over the aligned rows, as its enclave loads them. Dates arrive as numbers of days.
// Rows 0..trainRows-1 are the training part, the rest is the test part; a row absent at the party is missing everywhere.

/** `values`: one per row; NaN and infinities are missing. `special`: codes with a meaning of their own (-999, ...). */
export type NumericFeature = {
  readonly kind: "numeric";
  readonly name: string;
  readonly values: Float64Array;
  readonly special: readonly number[];
};

/** `codes`: index into `levels` per row, -1 is missing. */
export type CategoricalFeature = {
  readonly kind: "categorical";
  readonly name: string;
  readonly codes: Int32Array;
  readonly levels: readonly string[];
};

export type Feature = NumericFeature | CategoricalFeature;
export type FeatureTable = { readonly rows: number; readonly features: readonly Feature[] };

/** Number of rows of a feature. */
export function featureRows(feature: Feature): number {
  return feature.kind === "numeric" ? feature.values.length : feature.codes.length;
}
