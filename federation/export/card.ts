// A whole scorecard from the guest's half and the opened halves of the hosts: points of every merged bin under the owners' definitions.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { medianUnits } from "../../models/explain/points.ts";
import type { CardFeature, WholeScorecard } from "../../models/files/scorecard.ts";
import { pointsTable } from "../../models/scorecard/points.ts";
import type { GuestHalf } from "../scorecard/finish.ts";
import { areDistinct, areEqual, fitsShape, requireFit } from "./check.ts";
import type { OpenCard, OpenHalf } from "./half.ts";

type Column = GuestHalf["columns"][number];
type Told = Pick<OpenCard["columns"][number], "name" | "definition">;

/**
 * Points are the report's, in whole units of 10^-decimals; the median is over the training companies. The guest's columns that the
 * fit dropped and hosts' columns without weight are left out. Throws PROTOCOL_CONTRADICTION naming the host whose half does not fit,
 * JOB_EXPORT_VERSION for a half that lacks the bins.
 */
export function wholeCard(half: GuestHalf, self: PartyId, halves: ReadonlyMap<PartyId, OpenHalf>): WholeScorecard {
  const told = new Map<Column, Told>();
  for (const column of half.columns) {
    if (column.party !== self || column.weight === 0) continue;
    if (column.own === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
    told.set(column, { name: column.name, definition: column.own.definition });
  }
  for (const [host, open] of halves) for (const [column, definition] of hostColumns(half, host, open)) told.set(column, definition);
  const used = half.columns.filter((c) => told.has(c));
  const table = pointsTable({ intercept: half.intercept, weights: used.map((c) => c.weight) }, used.map((c) => ({ ...c, iv: 0 })), half.scaling);
  // Every column here has a weight, so the table has a row for each.
  const features = used.map((column, i): CardFeature => {
    const { mergedOf, rows } = binsOf(column);
    const units = table.rows[i]?.units ?? [];
    return { party: column.party, ...(told.get(column) as Told), mergedOf, units, medianUnits: medianUnits(units, rows) };
  });
  const { points, odds, pdo, decimals } = half.scaling;
  return { model: half.model, baseUnits: table.baseUnits, scaling: { points, odds, pdo, decimals }, features };
}

function binsOf({ bins }: Column): NonNullable<Column["bins"]> {
  if (bins === undefined) throw new AppError("JOB_EXPORT_VERSION");
  return bins;
}

/** The host's definitions by the guest's columns, after all that both halves say of them was compared. */
function hostColumns(half: GuestHalf, host: PartyId, open: OpenHalf): (readonly [Column, Told])[] {
  requireFit(open.kind === "scorecard", host);
  const plan = half.scoring.parties.find((p) => p.party === host);
  requireFit(plan !== undefined && areEqual(numbersOf(plan), numbersOf(open.plan)), host, { weights: open.plan.weights.length });
  const columns = half.columns.filter((c) => c.party === host);
  const expected = columns.flatMap((column, number) => ((plan.weights[number] ?? 0) === 0 ? [] : [{ column, number }]));
  const fits = open.columns.length === expected.length && areDistinct(open.columns.map((c) => c.name));
  requireFit(fits, host, { columns: open.columns.length, expected: expected.length });
  return expected.map(({ column, number }, i) => {
    const own = open.columns[i] as OpenCard["columns"][number];
    const { shape, mergedOf } = binsOf(column);
    const same = own.number === number && areEqual(own.mergedOf, mergedOf) && areEqual(own.codes, column.codes) && fitsShape(own.definition, shape);
    requireFit(same, host, { column: number });
    return [column, { name: own.name, definition: own.definition }] as const;
  });
}

const numbersOf = (plan: OpenCard["plan"]): number[] => [plan.clip, plan.fractionBits, plan.offset, ...plan.weights];
