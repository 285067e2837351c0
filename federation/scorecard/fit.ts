// From the moments to the model at the guest: the fit, one opened total per company, at most one refinement, the comparison
// with the guest alone, and each provider's share. The oracle (models/oracle.ts) makes the same calls on pooled data.
import type { PartyId } from "../../core/brand.ts";
import { shapleyShares, type ShapleyShares } from "../../models/linear/shapley.ts";
import { evaluatePart, type PartMetrics } from "../../models/metrics/evaluate.ts";
import { decideFit, decideRefinement, subMoments, type Column, type FitDecision } from "../../models/scorecard/decide.ts";
import type { ScorecardParams } from "../../models/scorecard/params.ts";
import { pointsTable, type PointsTable } from "../../models/scorecard/points.ts";
import { planTotals, type TotalsPlan } from "../../models/scorecard/quantise.ts";
import {
  decideStage, finalModel, keepRefinement, residualQuery, type GuestRows, type OpenedTotal, type ScorecardModel, type StageDecision,
} from "../../models/scorecard/stages.ts";
import type { GuestMoments } from "../moments/guest.ts";
import type { Party } from "../party.ts";
import { receiveTotals, sendWeights } from "../totals/guest.ts";

export type FitInput = {
  readonly hosts: readonly PartyId[]; readonly columns: readonly Column[]; readonly ownColumns: readonly Int8Array[];
  readonly perHost: ReadonlyMap<PartyId, number>; readonly moments: GuestMoments; readonly label: Uint8Array; readonly trainRows: number;
  readonly params: ScorecardParams;
};
type Both = { readonly train: PartMetrics; readonly test: PartMetrics };
export type Fitted = {
  readonly columns: readonly Column[];
  readonly fit: FitDecision;
  readonly stage: StageDecision;
  readonly model: ScorecardModel;
  readonly points: PointsTable;
  readonly shares: ShapleyShares;
  readonly metrics: Both;
  readonly guestOnly: Both;
  readonly refinement: { readonly rounds: number; readonly kept: number };
  /** Totals opened per company. */
  readonly opened: number;
  /** Hosts with a part in the totals, and the plan by which they score from now on. */
  readonly present: readonly PartyId[];
  readonly scoring: TotalsPlan;
  readonly rounds: number;
};

/** Fits and opens. The hosts wait for the last weights, which `finishGuest` sends. */
export async function fitAndOpen(party: Party, input: FitInput): Promise<Fitted> {
  const { hosts, columns, label, trainRows, params } = input;
  const { moments } = input.moments;
  const own = columns.flatMap((c, i) => (c.party === party.self ? [i] : []));
  const rows: GuestRows = { party: party.self, label, trainRows, columns: input.ownColumns };
  const present = hosts.filter((h) => (input.perHost.get(h) ?? 0) > 0);
  const fit = await party.phase("fit", async () => decideFit({ columns, moments, hosts, params }));

  let round = 0;
  const open = async (plan: TotalsPlan): Promise<OpenedTotal> => {
    await Promise.all(hosts.map((h) => party.send(h, "finish/next", { step: "weights" })));
    await sendWeights(party, hosts, round, plan);
    return { plan, values: await receiveTotals(party, present, round++, label.length) };
  };
  let totals = present.length > 0 ? [await party.phase("totals", () => open(fit.plan))] : [];
  let stage = await party.phase("fit", async () => decideStage(rows, columns, fit.fit, totals, params));
  let refinement = { rounds: 0, kept: 0 };
  if (params.fit.refinementRounds > 0 && present.length > 0) {
    const refined = await party.phase("totals", async () => {
      const residuals = residualQuery(stage.odds, label, trainRows);
      await Promise.all(hosts.map((h) => party.send(h, "finish/next", { step: "residuals" })));
      const products = await input.moments.residualProducts(residuals);
      const residualSum = residuals.reduce((a, b) => a + b, 0);
      const step = decideRefinement({ columns, moments, fit: fit.fit, products, residualSum, hosts, params });
      const both = [...totals, await open(step.plan)];
      return { both, stage: decideStage(rows, columns, fit.fit, both, params) };
    });
    const kept = keepRefinement(stage, refined.stage);
    if (kept) {
      totals = refined.both;
      ({ stage } = refined);
    }
    refinement = { rounds: 1, kept: kept ? 1 : 0 };
  }
  return party.phase("evaluate", async () => {
    const model = finalModel(party.self, columns, fit.fit, totals, stage.stage, params);
    const guestColumns = own.map((i) => columns[i] as Column);
    const both = (odds: Float64Array): Both => (
      { train: evaluatePart(odds, label, 0, trainRows), test: evaluatePart(odds, label, trainRows, label.length) });
    const groups = [party.self, ...hosts].map((name) => ({ party: name, columns: fit.fit.columns.filter((c) => columns[c]?.party === name) }));
    return {
      columns, fit, stage, model, refinement, present, rounds: round, opened: round,
      points: pointsTable(model, columns, params.scaling),
      shares: shapleyShares(moments, groups, party.self),
      metrics: both(stage.odds),
      guestOnly: both(guestAlone(guestColumns, own, rows, input)),
      scoring: planTotals({ columns, weights: model.weights, moments, hosts, clipSds: params.fit.clipSds }),
    };
  });
}

/** Log odds of the model that the guest would have without any host, made the same way. */
function guestAlone(columns: readonly Column[], own: readonly number[], rows: GuestRows, input: FitInput): Float64Array {
  const { params } = input;
  if (columns.length === 0) {
    const bads = rows.label.subarray(0, rows.trainRows).reduce((a, b) => a + b, 0);
    return new Float64Array(rows.label.length).fill(Math.log(bads / (rows.trainRows - bads)));
  }
  const fit = decideFit({ columns, moments: subMoments(input.moments.moments, own), hosts: [], params });
  return decideStage(rows, columns, fit.fit, [], params).odds;
}
