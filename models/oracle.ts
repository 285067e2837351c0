// The joint scorecard on the pooled table in plaintext: the same decisions as the federated roles, the sums in the clear.
// Tests hold the protocol against it: bins, counts and moments to the last integer, weights to 1e-9.
import { AppError } from "../core/errors.ts";
import { countFine, fineBin, type FineBinning } from "./binning/fine.ts";
import type { FeatureTable } from "./features.ts";
import { plainMoments, type Moments } from "./linear/moments.ts";
import { shapleyShares, type ShapleyShares } from "./linear/shapley.ts";
import { evaluatePart, type PartMetrics } from "./metrics/evaluate.ts";
import {
  codeColumn, columnsOf, decideBins, decideFit, decideRefinement, fineOptions,
  type BinDecision, type Column, type FeatureCounts, type FitDecision,
} from "./scorecard/decide.ts";
import type { ScorecardParams } from "./scorecard/params.ts";
import { pointsTable, type PointsTable } from "./scorecard/points.ts";
import { addTotals, partialTotals, type TotalsPlan } from "./scorecard/quantise.ts";
import {
  decideGuestOnly, decideStage, finalModel, keepRefinement, residualQuery,
  type GuestOnly, type GuestRows, type OpenedTotal, type ScorecardModel, type StageDecision,
} from "./scorecard/stages.ts";

export type OracleParty = { readonly name: string; readonly table: FeatureTable };
export type OracleInput = {
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly guest: OracleParty;
  readonly hosts: readonly OracleParty[];
  readonly params: ScorecardParams;
};
export type OracleResult = {
  /** Guest first, then the hosts, features in their order: as in `decisions`. */
  readonly fine: readonly FineBinning[];
  readonly counts: readonly FeatureCounts[];
  readonly decisions: readonly BinDecision[];
  readonly columns: readonly Column[];
  /** Code columns over all rows, as `columns`. */
  readonly codes: readonly Int8Array[];
  readonly moments: Moments;
  readonly fit: FitDecision;
  readonly totals: readonly OpenedTotal[];
  readonly refinement: { readonly products: number[]; readonly residualSum: number; readonly kept: boolean } | null;
  readonly stage: StageDecision;
  readonly model: ScorecardModel;
  readonly points: PointsTable;
  readonly shares: ShapleyShares;
  readonly metrics: { readonly train: PartMetrics; readonly test: PartMetrics | null };
  readonly guestOnly: (GuestOnly & { readonly train: PartMetrics; readonly test: PartMetrics | null }) | null;
};

/** Runs everything. Throws what the decisions throw, and MODEL_SHAPE when tables and label differ in rows. */
export function pooledScorecard(input: OracleInput): OracleResult {
  const { label, trainRows, params } = input;
  const parties = [input.guest, ...input.hosts];
  for (const { table } of parties) {
    if (table.rows !== label.length) throw new AppError("MODEL_SHAPE", { rows: table.rows, labels: label.length });
  }
  const hosts = input.hosts.map((h) => h.name);
  const features = parties.flatMap(({ name, table }) => table.features.map((feature) => ({ party: name, feature })));
  const fine = features.map(({ party, feature }) => fineBin(feature, fineOptions(feature, party === input.guest.name, trainRows, params)));
  const counts = features.map(({ party, feature }, i): FeatureCounts => {
    const binning = fine[i] as FineBinning;
    return { party, name: feature.name, ...binning.shape, ...countFine(binning.binOf, binning.bins, trainRows, label) };
  });
  const decisions = decideBins({ guest: input.guest.name, features: counts, trainRows, params });
  const columns = columnsOf(decisions);
  const codes = decisions.flatMap((d, i) => (d.selected && fine[i] ? [codeColumn(fine[i].binOf, d.mergedOf, d.codes)] : []));
  const moments = plainMoments(codes, label, trainRows);
  const fit = decideFit({ columns, moments, hosts, params });
  const open = (plan: TotalsPlan): OpenedTotal => ({ plan, values: openTotal(plan, columns, codes, label.length) });
  const own = columns.flatMap((c, i) => (c.party === input.guest.name ? [i] : []));
  const rows: GuestRows = { party: input.guest.name, label, trainRows, columns: own.map((i) => codes[i] as Int8Array) };

  const first = open(fit.plan);
  let totals = [first];
  let stage = decideStage(rows, columns, fit.fit, totals, params);
  let refinement: OracleResult["refinement"] = null;
  if (params.fit.refinementRounds > 0 && hosts.length > 0) {
    const residuals = residualQuery(stage.odds, label, trainRows);
    const residualSum = residuals.reduce((a, b) => a + b, 0);
    const products = codes.map((column) => product(column, residuals));
    const step = decideRefinement({ columns, moments, fit: fit.fit, products, residualSum, hosts, params });
    const both = [first, open(step.plan)];
    const refined = decideStage(rows, columns, fit.fit, both, params);
    const kept = keepRefinement(stage, refined);
    refinement = { products, residualSum, kept };
    if (kept) {
      totals = both;
      stage = refined;
    }
  }
  const model = finalModel(input.guest.name, columns, fit.fit, totals, stage.stage, params);
  const part = (odds: Float64Array, from: number, to: number): PartMetrics => evaluatePart(odds, label, from, to);
  const test = (odds: Float64Array): PartMetrics | null => (label.length > trainRows ? part(odds, trainRows, label.length) : null);

  const alone = decideGuestOnly(rows, columns, moments, params);
  return {
    fine, counts, decisions, columns, codes, moments, fit, totals, refinement, stage, model,
    points: pointsTable(model, columns, params.scaling),
    shares: shapleyShares(moments, parties.map(({ name }) => ({
      party: name, columns: fit.fit.columns.filter((c) => columns[c]?.party === name),
    })), input.guest.name),
    metrics: { train: part(stage.odds, 0, trainRows), test: test(stage.odds) },
    guestOnly: alone && { ...alone, train: part(alone.decision.odds, 0, trainRows), test: test(alone.decision.odds) },
  };
}

function openTotal(plan: TotalsPlan, columns: readonly Column[], codes: readonly Int8Array[], rows: number): Int8Array {
  return addTotals(
    plan.parties.map((party) => partialTotals(party, codes.filter((_, i) => columns[i]?.party === party.party), rows)), rows,
  );
}

function product(column: Int8Array, residuals: Int32Array): number {
  let sum = 0;
  for (let row = 0; row < residuals.length; row++) sum += (column[row] as number) * (residuals[row] as number);
  return sum;
}
