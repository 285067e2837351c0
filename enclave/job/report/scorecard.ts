// The parts of a report that only a scorecard has, put together from what the guest decided.
import type { PartyId } from "../../../core/brand.ts";
import type { GuestHalf } from "../../../federation/scorecard/finish.ts";
import type { ScorecardGuestResult } from "../../../federation/scorecard/guest.ts";
import type { ScorecardJobParams } from "../../../federation/scorecard/params.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { ReportFeature } from "../../../report/schema.ts";
import { slug, type KindParts } from "./base.ts";
import { describeBins } from "./describe-bins.ts";

export function scorecardParts(self: PartyId, params: ScorecardJobParams, result: ScorecardGuestResult, half: GuestHalf): KindParts {
  const { fitted } = result;
  const { scaling } = params.scorecard;
  return {
    model: {
      kind: "scorecard", id: half.model, convention: params.scorecard.convention, params: params.scorecard,
      calibration: { intercept: fitted.stage.stage.intercept, slopes: fitted.stage.stage.slopes, monotone: fitted.stage.stage.monotone },
      scaling: { points: scaling.points, odds: scaling.odds, pdo: scaling.pdo, base: pointsOfOdds(fitted.model.intercept, scaling) },
    },
    features: features(self, params, result),
    contribution: {
      r2: fitted.shares.r2, guestR2: fitted.shares.guestR2,
      parties: fitted.shares.parties.map((p) => ({ ...p, features: fitted.fit.fit.columns.filter((c) => fitted.columns[c]?.party === p.party).length })),
    },
    refinement: fitted.refinement,
  };
}

function features(self: PartyId, params: ScorecardJobParams, result: ScorecardGuestResult): ReportFeature[] {
  const { fitted } = result;
  let column = 0;
  return result.decisions.map((d, at): ReportFeature => {
    const own = result.own[at];
    const i = d.selected ? column++ : -1;
    const inFit = i >= 0 && fitted.fit.fit.columns.includes(i);
    const dropped = fitted.fit.dropped.find((x) => x.column === i);
    const points = fitted.points.rows.find((r) => r.party === d.party && r.name === d.name);
    const unit = 10 ** fitted.points.decimals;
    const missingBin = result.counts[at]?.missingBin ?? -1;
    const total = d.table.reduce((sum, b) => sum + b.total, 0);
    const kinds = describeBins(own, d, missingBin, d.party === self);
    const fit = fitted.fit.fit;
    return {
      party: d.party, name: d.name, iv: d.iv, bins: d.bins, selected: inFit,
      reason: slug(inFit ? "selected" : (dropped?.reason ?? d.reason ?? "selected")), trend: d.trend,
      missingRate: missingBin < 0 || total === 0 ? 0 : (result.counts[at]?.totals[missingBin] ?? 0) / total,
      ...(inFit ? {
        weight: (fitted.model.weights[i] ?? 0) / (fitted.columns[i]?.step ?? 1), standardError: standardError((fitted.model.weights[i] ?? 0) / (fitted.columns[i]?.step ?? 1), fit.tValues[i]),
        pValue: Math.min(1, Math.max(0, finite(fit.pValues[i]))), vif: finite(fit.vif[i]),
      } : {}),
      table: d.table.map((b, bin) => ({
        ...kinds[bin] ?? { kind: "merged" }, total: b.total, goods: b.goods, events: b.events, share: b.share, eventRate: b.eventRate, woe: b.woe, iv: b.iv,
        ...(inFit && points !== undefined && (d.party === self || params.scorecard.scaling.hostPoints) ? { points: (points.units[bin] ?? 0) / unit } : {}),
      })),
    };
  });
}

const finite = (value: number | undefined): number => (value !== undefined && Number.isFinite(value) ? value : 0);
/** On the scale of the final weight: the t value is that of the moment fit. */
const standardError = (weight: number, t: number | undefined): number => (t === undefined || t === 0 || !Number.isFinite(t) ? 0 : Math.abs(weight / t));

