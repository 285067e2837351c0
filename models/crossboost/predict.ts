// Scores of new rows. Between `stageEntries` and `addTotal` lies the oblivious lookup: the guest brings entries, hosts their bins,
// 8 bits per row come back. A host that is away counts as one whose columns are all missing.
import { AppError } from "../../core/errors.ts";
import { scoreRows } from "../trees/predict.ts";
import { cellsOfRows, guestCells } from "./cells.ts";
import { lookupOf, type CrossboostModel } from "./model.ts";
import { scoreUnit } from "./own.ts";
import { applyLayer } from "./stack.ts";
import { chosenSums, openedBits, rowEntries, totalOf, type Lookup, type RowEntries } from "./total.ts";

/** Rows in progress. `binsOf`: fine bins of the guest's columns. */
export type Scoring = {
  readonly binsOf: readonly Uint8Array[];
  readonly rows: number;
  /** The guest's own score, units of 2^-20 log odds. */
  readonly score: Float64Array;
  readonly totals: readonly Float64Array[];
  /** Log odds so far. */
  readonly odds: Float64Array;
};

/** The guest's own score of new rows. Throws MODEL_SHAPE when columns do not fit the model. */
export function startScoring(model: CrossboostModel, binsOf: readonly Uint8Array[], rows: number): Scoring {
  const { base, trees } = model.own;
  const score = trees === null ? new Float64Array(rows).fill(base) : scoreRows(trees, binsOf, rows);
  return { binsOf, rows, score, totals: [], odds: score.map((x) => x * scoreUnit) };
}

/** The entries of the next total. Throws MODEL_SHAPE when all totals are there. */
export function stageEntries(model: CrossboostModel, scoring: Scoring): RowEntries & { readonly lookup: Lookup } {
  const stage = scoring.totals.length;
  const lookup = lookupOf(model, stage);
  if (lookup === undefined) throw new AppError("MODEL_SHAPE", { stage, stages: model.stages.length });
  const cellOf = guestCells(lookup.cells.columns).columns.map((column) => cellsOfRows(column, scoring));
  return { lookup, ...rowEntries(lookup, cellOf, new Uint8Array(scoring.rows)) };
}

/** Takes in an opened total. `absent`: hosts (by place in the lookup) that were away. */
export function addTotal(
  model: CrossboostModel, scoring: Scoring, entries: RowEntries & { readonly lookup: Lookup }, opened: Int16Array, absent: readonly number[] = [],
): Scoring {
  const layer = model.stages[scoring.totals.length]?.layer;
  if (layer === undefined || opened.length !== scoring.rows) throw new AppError("MODEL_SHAPE", { rows: scoring.rows, opened: opened.length });
  return withTotal(model, scoring, totalOf(entries.lookup, opened, entries.centres, absent));
}

/** Takes in a total in log odds. Throws MODEL_SHAPE when the model has no more of them. */
export function withTotal(model: CrossboostModel, scoring: Scoring, total: Float64Array): Scoring {
  const layer = model.stages[scoring.totals.length]?.layer;
  if (layer === undefined || total.length !== scoring.rows) throw new AppError("MODEL_SHAPE", { rows: scoring.rows, opened: total.length });
  const totals = [...scoring.totals, total];
  return { ...scoring, totals, odds: applyLayer(layer, scoring.odds, totals, scoring.binsOf) };
}

/** Everything in the clear: log odds of rows. `hosts`: fine bins per column of each host, undefined when it is away. */
export function predictPlain(
  model: CrossboostModel, binsOf: readonly Uint8Array[], hosts: readonly (readonly Uint8Array[] | undefined)[], rows: number,
): { readonly odds: Float64Array; readonly partial: boolean } {
  let scoring = startScoring(model, binsOf, rows);
  for (let stage = 0; stage < model.stages.length; stage++) {
    const entries = stageEntries(model, scoring);
    const sums = new Int32Array(rows);
    entries.lookup.hosts.forEach((host, h) => {
      const bins = hosts[h];
      if (bins !== undefined) chosenSums(host.columns, entries.entries[h] as Int16Array, bins).forEach((x, i) => {
        sums[i] = (sums[i] as number) + x;
      });
    });
    scoring = addTotal(model, scoring, entries, openedBits(sums), hosts.flatMap((bins, h) => (bins === undefined ? [h] : [])));
  }
  return { odds: scoring.odds, partial: model.stages.length > 0 && hosts.some((bins) => bins === undefined) };
}
