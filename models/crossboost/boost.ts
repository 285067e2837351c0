// Boosting on tables alone (nonlinear.md's step 3): the best pair of cuts, a shrunken Newton step on its quadrants, and its effect
// on every other table by the approximation of tables.ts. Averaged over seeds, which costs no query.
import { samples } from "./draws.ts";
import type { OfferedColumn } from "./host.ts";
import { tableLimit, type CrossboostParams } from "./params.ts";
import { bestPair, quadrantsOf, rightBins, sequencesOf, type PairCut, type SearchRules } from "./search.ts";
import type { JointTables, Refresh } from "./tables.ts";

/** Steps are multiples of this: with exact integer tables every sum below 2^53 of them is exact, in any order. */
export const stepUnit = 2 ** -20;

/** A step: values on the cells of one guest column x the bins of one host column, row-major. */
export type Block = { readonly guestColumn: number; readonly hostColumn: number; readonly values: Float64Array };
/** Writes the change of the residual table that a step makes into `out` (whole table). */
export type Effect = (block: Block, out: Float64Array) => void;
export type BoostTask = {
  readonly tables: JointTables;
  readonly columns: readonly OfferedColumn[];
  readonly effect: Effect;
  readonly params: CrossboostParams;
  /** The guest's secret seed and a label that no other boosting of the job has. */
  readonly seed: Uint8Array;
  readonly label: string;
  /** Sees every step taken: the fall of the model's squared loss, and the cut. */
  readonly onStep?: (fall: number, cut: PairCut) => void;
};

/** The approximate effect. */
export function approximateEffect(tables: JointTables, refresh: Refresh): Effect {
  const { cells, starts } = tables;
  const bins = starts[starts.length - 1] as number;
  const { guest, host, scale, total } = refresh;
  return ({ guestColumn, hostColumn, values }, out) => {
    const first = cells.starts[guestColumn] as number;
    const count = (cells.starts[guestColumn + 1] as number) - first;
    const from = starts[hostColumn] as number;
    const width = (starts[hostColumn + 1] as number) - from;
    const scaled = values.map((value, i) => value * (scale[(first + Math.floor(i / width)) * bins + from + (i % width)] as number));
    const line = new Float64Array(width);
    const spread = new Float64Array(bins);
    for (let k = 0; k < cells.total; k++) {
      line.fill(0);
      for (let c = 0; c < count; c++) {
        const weight = (guest[k * cells.total + first + c] as number) / total;
        if (weight === 0) continue;
        for (let b = 0; b < width; b++) line[b] = (line[b] as number) + weight * (scaled[c * width + b] as number);
      }
      spread.fill(0);
      for (let b = 0; b < width; b++) {
        const x = line[b] as number;
        if (x === 0) continue;
        const row = (from + b) * bins;
        for (let z = 0; z < bins; z++) spread[z] = (spread[z] as number) + x * (host[row + z] as number);
      }
      for (let z = 0; z < bins; z++) out[k * bins + z] = (scale[k * bins + z] as number) * (spread[z] as number);
    }
  };
}

/** F over guest cells x host bins in log odds: the mean over the bags. */
export function boost(task: BoostTask): Float64Array {
  const { tables, columns, params } = task;
  const sequences = columns.map((column, j) => sequencesOf(column, tables.starts[j] as number, tables, params.levelSmoothing));
  const sum = new Float64Array(tables.weight.length);
  for (let bag = 0; bag < params.bags; bag++) {
    const f = boostOnce(task, sequences, bag);
    for (let x = 0; x < sum.length; x++) sum[x] = (sum[x] as number) + (f[x] as number) / params.bags;
  }
  return sum;
}

function boostOnce(task: BoostTask, sequences: readonly (readonly Int32Array[])[], bag: number): Float64Array {
  const { tables, columns, params, seed, label } = task;
  const { cells, starts } = tables;
  const bins = starts[columns.length] as number;
  const rules: SearchRules = { ridge: params.ridge, quadrantRows: params.quadrantRows, quadrantWeight: params.quadrantWeight };
  const residual = Float64Array.from(tables.residual);
  const f = new Float64Array(residual.length);
  const change = new Float64Array(residual.length);
  const guestSamples = samples(seed, `${label}/${bag}/guest`, params.steps, cells.columns.length, params.guestColumnShare);
  const hostSamples = samples(seed, `${label}/${bag}/host`, params.steps, columns.length, params.hostColumnShare);
  for (let step = 0; step < params.steps; step++) {
    const cut = bestPair(tables, residual, guestSamples[step] as Uint16Array, hostSamples[step] as Uint16Array, sequences, rules);
    if (cut === undefined) continue;
    const right = rightBins(cut, sequences, starts);
    const first = cells.starts[cut.guestColumn] as number;
    const count = (cells.starts[cut.guestColumn + 1] as number) - first;
    const from = starts[cut.hostColumn] as number;
    const { weight, residual: sums, rows } = quadrantsOf(tables, residual, cut, right);
    const values = new Float64Array(count * right.length);
    for (let k = 0; k < count; k++) {
      for (let b = 0; b < right.length; b++) {
        const q = (k > cut.guestCut ? 2 : 0) + (right[b] as number);
        const h = weight[q] as number;
        if (h < rules.quadrantWeight || (rows[q] as number) < rules.quadrantRows) continue;
        const now = f[(first + k) * bins + from + b] as number;
        const wanted = stepUnit * Math.round((params.step * (sums[q] as number)) / (h + rules.ridge) / stepUnit);
        values[k * right.length + b] = Math.max(-tableLimit, Math.min(tableLimit, now + wanted)) - now;
      }
    }
    task.effect({ guestColumn: cut.guestColumn, hostColumn: cut.hostColumn, values }, change);
    // Squared loss of the model as the tables have it: -2 <D, S> + <D, change>. A step that would raise it is shortened.
    let gained = 0;
    let cost = 0;
    const each = (use: (x: number, value: number) => void): void => {
      for (let k = 0; k < count; k++) for (let b = 0; b < right.length; b++) use((first + k) * bins + from + b, values[k * right.length + b] as number);
    };
    each((x, value) => {
      gained += value * (residual[x] as number);
      cost += value * (change[x] as number);
    });
    if (!(gained > 0)) continue;
    const factor = cost >= 2 * gained ? gained / cost : 1;
    each((x, value) => {
      f[x] = (f[x] as number) + factor * value;
    });
    for (let x = 0; x < residual.length; x++) residual[x] = (residual[x] as number) - factor * (change[x] as number);
    task.onStep?.(2 * factor * gained - factor * factor * cost, cut);
  }
  return f;
}
