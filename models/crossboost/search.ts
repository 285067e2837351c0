// The best pair of cuts: a guest column in two groups of cells, a host column in two groups of bins, four quadrants.
import type { OfferedColumn } from "./host.ts";
import type { JointTables } from "./tables.ts";

/** Sequences of a host column's bins (places in the tables) whose prefixes are its cuts. Numeric: ordered bins, with those that
 *  stand apart (missing, special values) before or after them. Categorical: by smoothed residual per weight in the row of all
 *  guest rows; the order is the guest's and stays with it. */
export function sequencesOf(column: OfferedColumn, start: number, tables: JointTables, smoothing: number): readonly Int32Array[] {
  const { kind, bins, orderedBins } = column.shape;
  const all = Array.from({ length: bins }, (_, b) => start + b);
  if (kind === "numeric") {
    const main = all.slice(0, orderedBins);
    const apart = all.slice(orderedBins);
    return apart.length === 0 ? [Int32Array.from(main)] : [Int32Array.from([...main, ...apart]), Int32Array.from([...apart, ...main])];
  }
  let weight = 0;
  let residual = 0;
  for (const b of all) {
    weight += tables.weight[b] as number;
    residual += tables.residual[b] as number;
  }
  // Smoothing counts rows; weights are in units of p (1 - p).
  const pseudo = smoothing * (weight / Math.max(1, column.rows.reduce((a, b) => a + b, 0)));
  const mean = weight > 0 ? residual / weight : 0;
  const value = all.map((b) => ((tables.residual[b] as number) + pseudo * mean) / Math.max(1e-9, (tables.weight[b] as number) + pseudo));
  return [Int32Array.from(all.map((_, i) => i).sort((a, b) => (value[a] as number) - (value[b] as number) || a - b), (i) => start + i)];
}

export type SearchRules = {
  readonly ridge: number;
  readonly quadrantRows: number;
  readonly quadrantWeight: number;
};
/** Guest cells 0..guestCut of `column` against the rest, the first `prefix` bins of a sequence against the rest. */
export type PairCut = {
  readonly guestColumn: number;
  readonly guestCut: number;
  readonly hostColumn: number;
  readonly sequence: number;
  readonly prefix: number;
  readonly gain: number;
};

const mostCells = 8;

/** Sums of four quadrants: [low guest cells, left bins], [low, right], [high, left], [high, right]. */
export type Quadrants = { readonly weight: Float64Array; readonly residual: Float64Array; readonly rows: Float64Array };

/** The pair with the largest sum of S^2 / (H + ridge) over its quadrants above the floors; undefined when none gains. */
export function bestPair(
  tables: JointTables, residual: Float64Array, guestColumns: Uint16Array, hostColumns: Uint16Array,
  sequences: readonly (readonly Int32Array[])[], rules: SearchRules,
): PairCut | undefined {
  const { cells, starts, weight, rowsPerWeight } = tables;
  const bins = starts[starts.length - 1] as number;
  const { ridge, quadrantRows, quadrantWeight } = rules;
  const value = (s: number, h: number, n: number): number => (h >= quadrantWeight && n >= quadrantRows ? (s * s) / (h + ridge) : 0);
  const [allS, allH, leftS, leftH] = [new Float64Array(mostCells), new Float64Array(mostCells), new Float64Array(mostCells), new Float64Array(mostCells)];
  let best: PairCut | undefined;
  let bestGain = 1e-9;
  for (const guestColumn of guestColumns) {
    const first = cells.starts[guestColumn] as number;
    const count = (cells.starts[guestColumn + 1] as number) - first;
    for (const hostColumn of hostColumns) {
      const [from, to] = [starts[hostColumn] as number, starts[hostColumn + 1] as number];
      for (let k = 0; k < count; k++) {
        let s = 0;
        let h = 0;
        for (let x = (first + k) * bins + from; x < (first + k) * bins + to; x++) {
          s += residual[x] as number;
          h += weight[x] as number;
        }
        allS[k] = s;
        allH[k] = h;
      }
      (sequences[hostColumn] ?? []).forEach((sequence, index) => {
        leftS.fill(0);
        leftH.fill(0);
        for (let prefix = 1; prefix < sequence.length; prefix++) {
          const bin = sequence[prefix - 1] as number;
          let [rightS, rightH, rightN, sumS, sumH, sumN] = [0, 0, 0, 0, 0, 0];
          for (let k = 0; k < count; k++) {
            const x = (first + k) * bins + bin;
            const s = (leftS[k] as number) + (residual[x] as number);
            const h = (leftH[k] as number) + (weight[x] as number);
            leftS[k] = s;
            leftH[k] = h;
            const rate = rowsPerWeight[first + k] as number;
            sumS += s;
            sumH += h;
            sumN += h * rate;
            rightS += (allS[k] as number) - s;
            rightH += (allH[k] as number) - h;
            rightN += ((allH[k] as number) - h) * rate;
          }
          if (count === 1) {
            const gain = value(sumS, sumH, sumN) + value(rightS, rightH, rightN);
            if (gain > bestGain) {
              bestGain = gain;
              best = { guestColumn, guestCut: 0, hostColumn, sequence: index, prefix, gain };
            }
            continue;
          }
          let [lowS, lowH, lowN, lowRightS, lowRightH, lowRightN] = [0, 0, 0, 0, 0, 0];
          for (let guestCut = 0; guestCut < count - 1; guestCut++) {
            const [s, h, rate] = [leftS[guestCut] as number, leftH[guestCut] as number, rowsPerWeight[first + guestCut] as number];
            lowS += s;
            lowH += h;
            lowN += h * rate;
            lowRightS += (allS[guestCut] as number) - s;
            lowRightH += (allH[guestCut] as number) - h;
            lowRightN += ((allH[guestCut] as number) - h) * rate;
            const gain = value(lowS, lowH, lowN) + value(lowRightS, lowRightH, lowRightN)
              + value(sumS - lowS, sumH - lowH, sumN - lowN) + value(rightS - lowRightS, rightH - lowRightH, rightN - lowRightN);
            if (gain > bestGain) {
              bestGain = gain;
              best = { guestColumn, guestCut, hostColumn, sequence: index, prefix, gain };
            }
          }
        }
      });
    }
  }
  return best;
}

/** Quadrant of each bin of the host column under a cut: 1 for the right side. */
export function rightBins(cut: PairCut, sequences: readonly (readonly Int32Array[])[], starts: Int32Array): Uint8Array {
  const from = starts[cut.hostColumn] as number;
  const right = new Uint8Array((starts[cut.hostColumn + 1] as number) - from).fill(1);
  const sequence = sequences[cut.hostColumn]?.[cut.sequence] ?? new Int32Array();
  for (let i = 0; i < cut.prefix; i++) right[(sequence[i] as number) - from] = 0;
  return right;
}

/** Sums of the quadrants of a cut. */
export function quadrantsOf(tables: JointTables, residual: Float64Array, cut: PairCut, right: Uint8Array): Quadrants {
  const { cells, starts, weight, rowsPerWeight } = tables;
  const bins = starts[starts.length - 1] as number;
  const out = { weight: new Float64Array(4), residual: new Float64Array(4), rows: new Float64Array(4) };
  const first = cells.starts[cut.guestColumn] as number;
  const count = (cells.starts[cut.guestColumn + 1] as number) - first;
  for (let k = 0; k < count; k++) {
    for (let b = 0; b < right.length; b++) {
      const x = (first + k) * bins + (starts[cut.hostColumn] as number) + b;
      const q = (k > cut.guestCut ? 2 : 0) + (right[b] as number);
      const h = weight[x] as number;
      out.weight[q] = (out.weight[q] as number) + h;
      out.residual[q] = (out.residual[q] as number) + (residual[x] as number);
      out.rows[q] = (out.rows[q] as number) + h * (rowsPerWeight[first + k] as number);
    }
  }
  return out;
}
