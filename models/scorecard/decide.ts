// What the guest decides from sums alone, in one place: the federated guest and the plaintext oracle call the same pure functions.
// (a) merged bins, WOE codes and selection from fine counts, inside the label budget of each host; (b) the fit from the moments and
// the plan of the first total; (c) the refinement step. `stages.ts` has what it decides from per-row totals.
import { AppError } from "../../core/errors.ts";
import { mergeBins, type BinCounts, type ManualBins, type Merged } from "../binning/merge.ts";
import { boundedCodes, woeTable, type WoeRow } from "../binning/woe.ts";
import { neutralBin, type FineOptions } from "../binning/fine.ts";
import type { Trend } from "../binning/partition.ts";
import type { Feature } from "../features.ts";
import type { Moments } from "../linear/moments.ts";
import { selectColumns, type ColumnDropReason } from "../linear/select.ts";
import { solveMoments, solveProducts, type LinearFit } from "../linear/solve.ts";
import { floorDummyRows, labelRankShare, rowsPerGuestColumn, type ScorecardParams } from "./params.ts";
import { planTotals, type PlanColumn, type TotalsPlan } from "./quantise.ts";

export type FeatureCounts = BinCounts & { readonly party: string; readonly name: string };
export type SelectReason =
  | NonNullable<Merged["reason"]> | "missing" | "iv-low" | "iv-high" | "label-budget" | "guest-column-budget";
export type BinDecision = {
  readonly party: string;
  readonly name: string;
  readonly selected: boolean;
  readonly reason: SelectReason | null;
  readonly mergedOf: number[];
  readonly bins: number;
  readonly trend: Trend;
  /** One row per merged bin: counts, WOE and IV in the job's convention. */
  readonly table: readonly WoeRow[];
  readonly iv: number;
  /** WOE ~ code * step, one code per merged bin. */
  readonly codes: number[];
  readonly step: number;
};

export type BinInput = {
  readonly guest: string;
  readonly features: readonly FeatureCounts[];
  readonly trainRows: number;
  readonly params: ScorecardParams;
  /** Label equations that a host may still get over this row set; default floor(0.05 * trainRows). */
  readonly labelBudget?: Readonly<Record<string, number>>;
};

/** Below this many main bins it is better to drop weak features than to merge further. */
const leastBinsUnderBudget = 4;

/** One decision per feature, in the order given. A selected feature of a host costs bins - 1 label equations; when a host's features
 *  cost more than its budget, the most bins of all its features are lowered step by step to four, then its features of lowest IV go.
 *  Throws MODEL_COUNTS when the counts of the features contradict each other or a floor, MODEL_ONE_CLASS without both classes. */
export function decideBins(input: BinInput): BinDecision[] {
  const { features, params, trainRows } = input;
  if (features.length === 0) return [];
  const events = sum(features[0]?.events ?? []);
  if (events === 0 || events === trainRows) throw new AppError("MODEL_ONE_CLASS", { rows: trainRows });
  for (const f of features) {
    if (sum(f.totals) !== trainRows || sum(f.events) !== events) throw new AppError("MODEL_COUNTS", { rows: sum(f.totals), trainRows });
    const poor = f.totals.findIndex((n) => n < params.fine.minRows);
    if (poor >= 0) throw new AppError("MODEL_COUNTS", { bin: poor });
  }
  const decisions = features.map((f) => decideFeature(f, params, params.binning.maxBins));
  for (const party of new Set(features.map((f) => f.party))) {
    const own = features.flatMap((f, i) => (f.party === party ? [i] : []));
    if (party === input.guest) refuseDummies(decisions, own);
    if (party === input.guest) limitGuest(decisions, own, Math.max(1, Math.floor(trainRows / rowsPerGuestColumn) - 1));
    else {
      const standard = Math.floor(labelRankShare * trainRows);
      limitHost(decisions, own, Math.min(standard, input.labelBudget?.[party] ?? standard), features, params);
    }
  }
  return decisions;
}

/** Fine binning options of one feature: manual edges are for the guest's own numeric features. */
export function fineOptions(
  feature: Feature, guest: boolean, trainRows: number, params: ScorecardParams,
): FineOptions {
  const edges = guest && feature.kind === "numeric" ? params.edges[feature.name] : undefined;
  return { trainRows, ...params.fine, ...(edges && { edges }) };
}

function decideFeature(feature: FeatureCounts, params: ScorecardParams, maxBins: number): BinDecision {
  const manual = params.manual[`${feature.party}/${feature.name}`] as ManualBins | undefined;
  const merged = mergeBins(feature, { ...params.binning, maxBins, ...(manual && { manual }) });
  const table = woeTable(merged.totals, merged.events, params.convention);
  const missing = feature.missingBin >= 0 ? (feature.totals[feature.missingBin] ?? 0) / sum(feature.totals) : 0;
  const { ivMin, ivMax, missingMax } = params.selection;
  const reason: SelectReason | null = merged.reason
    ?? (missing > missingMax ? "missing" : table.iv < ivMin ? "iv-low" : table.iv > ivMax ? "iv-high" : null);
  return {
    party: feature.party,
    name: feature.name,
    selected: reason === null,
    reason,
    mergedOf: merged.mergedOf,
    bins: merged.bins,
    trend: merged.trend,
    table: table.rows,
    iv: table.iv,
    ...boundedCodes(table.woe, merged.totals),
  };
}

/** A column of the guest whose codes single out a few companies would, as a query, be a question about these few. */
function refuseDummies(decisions: BinDecision[], own: readonly number[]): void {
  for (const i of own) {
    const decision = decisions[i];
    if (!decision?.selected) continue;
    const rowsOf = new Map<number, number>();
    for (const [bin, code] of decision.codes.entries()) rowsOf.set(code, (rowsOf.get(code) ?? 0) + (decision.table[bin]?.total ?? 0));
    const rows = [...rowsOf.values()];
    if (sum(rows) - Math.max(...rows) < floorDummyRows) decisions[i] = { ...decision, selected: false, reason: "floors" };
  }
}

function limitHost(
  decisions: BinDecision[], own: readonly number[], budget: number, features: readonly FeatureCounts[], params: ScorecardParams,
): void {
  const cost = (): number => sum(own.map((i) => (decisions[i]?.selected ? (decisions[i]?.bins ?? 1) - 1 : 0)));
  for (let maxBins = params.binning.maxBins - 1; cost() > budget && maxBins >= leastBinsUnderBudget; maxBins--) {
    for (const i of own) {
      const feature = features[i];
      if (feature && decisions[i]?.selected) decisions[i] = decideFeature(feature, params, maxBins);
    }
  }
  dropLowest(decisions, own, "label-budget", () => cost() > budget);
}

function limitGuest(decisions: BinDecision[], own: readonly number[], most: number): void {
  dropLowest(decisions, own, "guest-column-budget", () => own.filter((i) => decisions[i]?.selected).length > most);
}

function dropLowest(decisions: BinDecision[], own: readonly number[], reason: SelectReason, over: () => boolean): void {
  const byIv = [...own].sort((a, b) => (decisions[a]?.iv ?? 0) - (decisions[b]?.iv ?? 0) || b - a);
  for (const i of byIv) {
    if (!over()) return;
    const decision = decisions[i];
    if (decision?.selected) decisions[i] = { ...decision, selected: false, reason };
  }
}

/** The 8-bit code of every row of a feature at its owner; a row without a fine bin has WOE 0. */
export function codeColumn(binOf: Uint8Array, mergedOf: readonly number[], codes: readonly number[]): Int8Array {
  const codeOf = new Int8Array(256);
  for (const [bin, merged] of mergedOf.entries()) if (bin !== neutralBin) codeOf[bin] = codes[merged] ?? 0;
  const column = new Int8Array(binOf.length);
  for (let row = 0; row < column.length; row++) column[row] = codeOf[binOf[row] as number] as number;
  return column;
}

/** A selected feature, in the order of the moments: guest and hosts in the order of the plan, each party's features in its own order. */
export type Column = PlanColumn & { readonly name: string; readonly iv: number; readonly step: number };

export function columnsOf(decisions: readonly BinDecision[]): Column[] {
  return decisions.filter((d) => d.selected).map(({ party, name, codes, iv, step }) => ({ party, name, codes, iv, step }));
}

export type FitDecision = {
  readonly fit: LinearFit;
  readonly dropped: readonly { readonly column: number; readonly reason: ColumnDropReason }[];
  /** The first total: the hosts' part of the fit. */
  readonly plan: TotalsPlan;
};

/** Fits the label on the columns and plans the hosts' first total. Throws MODEL_NO_FEATURE without a usable column. */
export function decideFit(
  input: {
    readonly columns: readonly Column[]; readonly moments: Moments; readonly hosts: readonly string[]; readonly params: ScorecardParams;
  },
): FitDecision {
  const { columns, moments, params } = input;
  if (columns.length === 0) throw new AppError("MODEL_NO_FEATURE", { columns: 0 });
  const { selection, fit: fitting } = params;
  const lambda = momentRidge(moments, params);
  const chosen = selectColumns(moments, columns.map((c) => c.iv), {
    lambda,
    correlationMax: selection.correlationMax,
    vifMax: selection.vifMax,
    sign: selection.signs === "any" ? 0 : params.convention === "optbinning" ? -1 : 1,
    stepwise: {
      direction: selection.stepwise, criterion: selection.criterion, pEnter: selection.pEnter, pRemove: selection.pRemove,
    },
  });
  if (chosen.columns.length === 0) throw new AppError("MODEL_NO_FEATURE", { columns: columns.length });
  const fit = solveMoments(moments, { lambda, columns: chosen.columns });
  const plan = planTotals({ columns, weights: fit.weights, moments, hosts: input.hosts, clipSds: fitting.clipSds });
  return { fit, dropped: chosen.dropped, plan };
}

/** The prior of `params.fit.ridge` in the units of least squares: log odds weights are larger than linear ones by 1 / variance of y. */
function momentRidge(moments: Moments, params: ScorecardParams): number {
  const rate = moments.sumY / moments.n;
  return params.fit.ridge / (moments.n * Math.max(rate * (1 - rate), 1e-12));
}

/** The moments of some of the columns: a guest alone, any subset of providers. */
export function subMoments(moments: Moments, columns: readonly number[]): Moments {
  const d = moments.sumX.length;
  const pick = (values: readonly number[]): number[] => columns.map((c) => values[c] ?? 0);
  return {
    n: moments.n,
    sumX: pick(moments.sumX),
    sumY: moments.sumY,
    xy: pick(moments.xy),
    xx: columns.flatMap((a) => columns.map((b) => moments.xx[a * d + b] ?? 0)),
  };
}

/** The refinement: one Newton step on the log loss with the fixed Gram matrix for its Hessian, from the products X^T r of the integer
 *  residuals with every column of the moments (the guest's own computed in the clear). Its length does not matter: the guest fits the
 *  slope of the second total itself. */
export function decideRefinement(input: {
  readonly columns: readonly Column[];
  readonly moments: Moments;
  readonly fit: LinearFit;
  readonly products: readonly number[];
  readonly residualSum: number;
  readonly hosts: readonly string[];
  readonly params: ScorecardParams;
}): { readonly weights: number[]; readonly plan: TotalsPlan } {
  const { columns, moments, fit, hosts, params } = input;
  const weights = solveProducts(moments, fit.columns, momentRidge(moments, params), input.products, input.residualSum);
  return { weights, plan: planTotals({ columns, weights, moments, hosts, clipSds: params.fit.clipSds }) };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
