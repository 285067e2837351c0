// The guest's decisions in the order of the protocol, each a pure function: the roles put messages between them, the oracle calls them
// on pooled data. prepare -> (stageQueries -> [answers] -> decideTables -> [opened total] -> decideStage) once or twice -> modelOf.
import { AppError } from "../../core/errors.ts";
import { cellsOfRows, chooseCells, guestCells, quantileColumn, type CellSource, type GuestCells } from "./cells.ts";
import { approximateEffect, boost } from "./boost.ts";
import { countedRows } from "./draws.ts";
import type { OfferedColumn } from "./host.ts";
import { gainsOf, ownScore, scoreUnit, type OwnColumn, type OwnScore } from "./own.ts";
import { designOf, mostVectors, type CrossboostParams, type Design } from "./params.ts";
import { askedColumns, cellVectors, gradientOf, guestGram, type Gradient } from "./queries.ts";
import { decideLayer, type LayerDecision } from "./stack.ts";
import { approximateRefresh, cellTable, jointTables } from "./tables.ts";
import { buildLookup, type Lookup } from "./total.ts";

/** Fewest events that are held back, if at most 30 % of the events are that many. */
const heldBackEvents = 25;
const mostHeldBack = 0.3;

export type GuestInput = {
  readonly guest: string;
  /** The guest's own columns over all rows (training rows first). May be empty. */
  readonly columns: readonly OwnColumn[];
  readonly label: Uint8Array;
  readonly trainRows: number;
  readonly rows: number;
  readonly params: CrossboostParams;
  /** 32 secret bytes of the guest: held-back rows and samples come from them. */
  readonly seed: Uint8Array;
  /** Public folds of the training rows (`publicFolds`); ignored when the design has one fold. */
  readonly foldOf: Uint8Array;
};
export type Prepared = GuestInput & {
  readonly design: Design;
  readonly own: OwnScore;
  /** Log odds of the guest's own score: training rows out of fold. */
  readonly odds: Float64Array;
  /** 1 for training rows that take part in queries. */
  readonly counted: Uint8Array;
  readonly countedRows: number;
};

/** The guest's own score, the design and the held-back rows. Throws MODEL_TOO_FEW_ROWS, MODEL_ONE_CLASS. */
export function prepare(input: GuestInput): Prepared {
  const { columns, label, trainRows, rows, params, seed } = input;
  const design = designOf(params, trainRows);
  const own = ownScore({ columns, label, trainRows, rows, params: params.guestTrees, bins: params.guestBins }, params.guestFolds);
  let events = 0;
  for (let row = 0; row < trainRows; row++) events += label[row] as number;
  const few = Math.min(mostHeldBack, heldBackEvents / Math.max(1, Math.min(events, trainRows - events)));
  const share = design.folds === 1 ? Math.max(params.heldBackShare, few) : 0;
  const counted = countedRows(seed, label, trainRows, share);
  return { ...input, design, own, odds: own.scores.map((x) => x * scoreUnit), counted, countedRows: counted.reduce((sum, c) => sum + c, 0) };
}

/** What was opened so far, oldest first. */
export type Stage = { readonly queries: StageQueries; readonly lookup: Lookup; readonly total: Float64Array; readonly decision: LayerDecision };

export type StageQueries = {
  readonly cells: GuestCells;
  /** Per column of cells, the cell of every row (training and test). */
  readonly cellOf: readonly Uint8Array[];
  readonly gradient: Gradient;
  /** Columns of cells whose weights are asked for: all at first, later the new ones. */
  readonly weighed: readonly number[];
  /** Vectors over the training rows in the order of the queries: weights of `weighed`, then residuals of all columns. */
  readonly vectors: readonly Int32Array[];
};

/** The queries of the next stage. */
export function stageQueries(prepared: Prepared, before: readonly Stage[]): StageQueries {
  const { columns, own, label, trainRows, rows, params, design, counted } = prepared;
  const totals = before.map((s) => s.total);
  const odds = before.at(-1)?.decision.odds ?? prepared.odds;
  const now = gradientOf(odds, label, counted);
  const source: CellSource = { binsOf: columns.map((c) => c.binOf), score: own.scores, totals };
  const first = before[0]?.queries;
  let cells: GuestCells;
  let weighed: number[];
  if (first === undefined) {
    cells = design.crosses
      ? chooseCells({
        columns, label, trainRows, counted, gains: gainsOf(own.model), mostVectors: mostVectors(params, design, prepared.countedRows),
        scoreCells: params.scoreCells, cellsPerColumn: params.cellsPerColumn, guestColumns: params.guestColumns,
      }, own.scores)
      : guestCells([{ kind: "all", cells: 1 }]);
    weighed = askedColumns(cells);
  } else {
    // The total takes the place of the weakest of the guest's columns, if it needs no more vectors than that.
    const last = first.cells.columns.length - 1;
    const weakest = first.cells.columns[last];
    const total = weakest !== undefined && last > 1 ? quantileColumn("total", totals[0] as Float64Array, counted, weakest.cells) : undefined;
    cells = total === undefined ? first.cells : guestCells([...first.cells.columns.slice(0, last), total]);
    weighed = total === undefined ? [] : [last];
  }
  const cellOf = cells.columns.map((column) => cellsOfRows(column, source));
  for (const of of cellOf) if (of.length !== rows) throw new AppError("MODEL_SHAPE", { rows, cells: of.length });
  // Weights stay those of the first stage: the tables of all columns must weigh rows alike.
  const gradient = { residual: now.residual, weight: first?.gradient.weight ?? now.weight };
  const vectors = [...cellVectors(cells, cellOf, gradient.weight, weighed), ...cellVectors(cells, cellOf, gradient.residual)];
  return { cells, cellOf, gradient, weighed, vectors };
}

/** One host's part: what it offered, its coarse Gram, and its answers to the vectors of every stage so far (oldest first). */
export type HostAnswers = {
  readonly columns: readonly OfferedColumn[];
  readonly gram: Int32Array;
  readonly answers: readonly (readonly Float64Array[])[];
};

/** Boosts on the tables of every host and puts the results into one lookup. Throws MODEL_SHAPE for answers that do not fit. */
export function decideTables(prepared: Prepared, stages: readonly StageQueries[], hosts: readonly HostAnswers[]): Lookup {
  const { params, design, seed, trainRows } = prepared;
  const queries = stages.at(-1);
  if (queries === undefined) throw new AppError("MODEL_SHAPE", { stages: 0 });
  hosts.forEach(({ answers }, host) => stages.forEach(({ vectors }, stage) => {
    if (answers[stage]?.length !== vectors.length) throw new AppError("MODEL_SHAPE", { host, stage, answers: answers[stage]?.length ?? 0, vectors: vectors.length });
  }));
  const { cells, cellOf, gradient } = queries;
  // Each fold's complement for its training rows, everything for all other rows.
  const folds = design.folds === 1 ? [-1] : [...Array.from({ length: design.folds }, (_, fold) => fold), -1];
  const parts = hosts.map(({ columns, gram, answers }, host) => {
    const weights = weightAnswers(stages, answers);
    const residuals = (answers.at(-1) ?? []).slice(-cells.vectors);
    return folds.map((without) => {
      const use = without < 0 ? undefined : (row: number): boolean => prepared.foldOf[row] !== without;
      const guestWeight = guestGram(cells, cellOf, gradient.weight, use);
      const counts = new Int32Array(trainRows);
      for (let row = 0; row < trainRows; row++) counts[row] = prepared.counted[row] as number;
      const rows = diagonal(guestGram(cells, cellOf, counts, use), cells.total);
      const tables = jointTables(
        cells, columns, cellTable(cells, columns, weights, design.folds, without), cellTable(cells, columns, residuals, design.folds, without), guestWeight, rows,
      );
      if (columns.length === 0) return new Float64Array(0);
      const effect = approximateEffect(tables, approximateRefresh(tables, columns, guestWeight, gram, trainRows));
      return boost({ tables, columns, effect, params, seed, label: `boost/${stages.length}/${host}/${without}` });
    });
  });
  return buildLookup(cells, hosts.map((h, i) => ({ columns: h.columns, parts: parts[i] ?? [] })), cellOf, setsOf(prepared));
}

/** Set of tables of every row: a training row of fold f uses the tables made without it, other rows the mean. */
export function setsOf(prepared: Prepared): Uint8Array {
  const { design, trainRows, rows, foldOf } = prepared;
  if (design.folds === 1) return new Uint8Array(rows);
  return Uint8Array.from({ length: rows }, (_, row) => (row < trainRows ? (foldOf[row] as number) : design.folds));
}

/** Fits and tests the opened total (log odds per row, `totalOf`). */
export function decideStage(prepared: Prepared, before: readonly Stage[], total: Float64Array): LayerDecision {
  const { columns, label, trainRows, params, guest, counted, design } = prepared;
  return decideLayer({
    columns, label, trainRows, params, guest,
    before: before.at(-1)?.decision.odds ?? prepared.odds,
    totals: [...before.map((s) => s.total), total],
    judges: design.folds === 1 ? (row) => counted[row] === 0 : () => true,
  });
}

/** Whether another stage follows: the design has one, and the total was of use. */
export function wantsStage(prepared: Prepared, before: readonly Stage[]): boolean {
  return before.length < prepared.design.stages && before.every((s) => s.decision.layer !== null);
}

/** Weight answers of the last stage's columns: of the stage that asked for them. */
function weightAnswers(stages: readonly StageQueries[], answers: readonly (readonly Float64Array[])[]): Float64Array[] {
  const byColumn: (readonly Float64Array[])[] = [];
  stages.forEach(({ cells, weighed }, stage) => {
    let next = 0;
    for (const column of weighed) {
      const count = cells.columns[column]?.cells ?? 0;
      byColumn[column] = (answers[stage] ?? []).slice(next, next + count);
      next += count;
    }
  });
  return byColumn.flat();
}

function diagonal(matrix: Float64Array, size: number): Float64Array {
  return Float64Array.from({ length: size }, (_, k) => matrix[k * size + k] as number);
}
