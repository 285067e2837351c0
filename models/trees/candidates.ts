// The possible cuts of one level with their gain: exact ones (own columns, and hosts' cuts whose bits are known), and estimates from
// the hosts' cells.
import type { Columns, KnownColumn } from "./columns.ts";
import type { NodeVectors } from "./grow.ts";
import { addColumn, type Cells, type Layout } from "./histogram.ts";
import { cutGain, type Node, type Rules } from "./split.ts";

/** Sums left of every option of a feature, per node: index option * nodes + node. */
export type OptionSums = { readonly g: Float64Array; readonly h: Float64Array; readonly rows: Float64Array | undefined };
export type Candidate = {
  readonly feature: number;
  readonly option: number;
  readonly gain: number;
  /** Known to be right, not an estimate from a host's cells. */
  readonly exact: boolean;
  readonly sums: OptionSums;
};
export type LevelView = {
  readonly columns: Columns;
  readonly layout: Layout;
  readonly nodes: readonly Node[];
  readonly own: readonly Cells[];
  readonly host: readonly (Cells | undefined)[];
  readonly vectors: NodeVectors;
  readonly rules: Rules;
  readonly directions: readonly number[];
  readonly noise: boolean;
};

/** Candidates of one feature that gain something. `asked`: its host cells are there to estimate from. */
export function candidatesOf(view: LevelView, feature: number, asked: boolean): Candidate[] {
  const { columns, nodes } = view;
  const { options } = columns.options(feature);
  const direction = view.directions[feature] as number;
  const found: Candidate[] = [];
  const consider = (option: number, at: number, sums: OptionSums, exact: boolean): void => {
    const signed = options[option]?.ordered === true ? direction : 0;
    const gain = cutGain(nodes, leftSums(sums, at * nodes.length), view.rules, signed);
    if (gain === undefined || gain <= 0) return;
    found.push({ feature, option, gain, exact, sums: at === option ? sums : moved(sums, at, option, nodes.length) });
  };
  if (columns.own(feature) !== undefined) {
    const sums = prefixSums(view, feature, view.own);
    options.forEach((_, i) => consider(i, i, sums, true));
    return found;
  }
  const known = columns.known(feature);
  // Without noise cells are as exact as bits, and one pass does for both.
  const fromBits = known !== undefined && (view.noise || !asked);
  if (fromBits) {
    const sums = knownSums(view, known);
    known.cuts.forEach((cut, i) => consider(cut.option, i, sums, true));
  }
  if (asked) {
    const sums = prefixSums(view, feature, view.host as readonly Cells[]);
    const skip = new Set(fromBits ? known.cuts.map((c) => c.option) : []);
    options.forEach((_, i) => {
      if (!skip.has(i)) consider(i, i, sums, false);
    });
  }
  return found;
}

/** Sums of node i of the option that begins at `base`. */
export function leftSums(sums: OptionSums, base: number): (i: number) => { g: number; h: number; rows: number | undefined } {
  return (i) => ({ g: sums.g[base + i] as number, h: sums.h[base + i] as number, rows: sums.rows?.[base + i] });
}

/** The sums of one option, placed where `option` looks for them. */
function moved(sums: OptionSums, at: number, option: number, nodes: number): OptionSums {
  const move = (from: Float64Array): Float64Array => {
    const to = new Float64Array((option + 1) * nodes);
    to.set(from.subarray(at * nodes, (at + 1) * nodes), option * nodes);
    return to;
  };
  return { g: move(sums.g), h: move(sums.h), rows: sums.rows && move(sums.rows) };
}

/** Left sums of all options from the cells of the feature's bins. Sums of h are kept within the node (noise can leave it). */
function prefixSums(view: LevelView, feature: number, cells: readonly Cells[]): OptionSums {
  const { columns, nodes, layout } = view;
  const { sequence, subsets, options } = columns.options(feature);
  const first = layout.offsets[feature] as number;
  const size = options.length * nodes.length;
  const counted = cells.every((c) => c.rows !== undefined);
  const out = { g: new Float64Array(size), h: new Float64Array(size), rows: counted ? new Float64Array(size) : undefined };
  nodes.forEach((node, i) => {
    const cell = cells[i] as Cells;
    for (const [from, to] of [[cell.g, out.g], [cell.h, out.h], [cell.rows, out.rows]] as const) {
      if (from === undefined || to === undefined) continue;
      let running = 0;
      const sums = [0, ...sequence.map((bin) => (running += from[first + bin] as number))];
      const apart = subsets.map((subset) => subset.reduce((sum, bin) => sum + (from[first + bin] as number), 0));
      options.forEach((option, o) => {
        to[o * nodes.length + i] = (sums[option.prefix] as number) + (apart[option.apart] as number);
      });
    }
    for (let o = 0; o < options.length; o++) {
      const at = o * nodes.length + i;
      out.h[at] = Math.min(node.h, Math.max(0, out.h[at] as number));
    }
  });
  return out;
}

/** Left sums of the known cuts of a host's feature, from bits. Index: place in `known.cuts` * nodes + node. */
function knownSums(view: LevelView, known: KnownColumn): OptionSums {
  const { nodes } = view;
  const size = known.cuts.length * nodes.length;
  const out = { g: new Float64Array(size), h: new Float64Array(size), rows: new Float64Array(size) };
  nodes.forEach((node, i) => {
    const cells = { g: new Float64Array(known.patterns), h: new Float64Array(known.patterns), rows: new Float64Array(known.patterns) };
    addColumn(known.patternOf, node.rows, view.vectors, cells, 0);
    known.cuts.forEach(({ right }, c) => {
      const at = c * nodes.length + i;
      for (let pattern = 0; pattern < known.patterns; pattern++) {
        if (right[pattern] === 1) continue;
        out.g[at] = (out.g[at] as number) + (cells.g[pattern] as number);
        out.h[at] = (out.h[at] as number) + (cells.h[pattern] as number);
        out.rows[at] = (out.rows[at] as number) + (cells.rows[pattern] as number);
      }
    });
  });
  return out;
}

/** Best gain first; equal gains in the order of features and options. */
export function bestOf(candidates: readonly Candidate[]): Candidate | undefined {
  let best: Candidate | undefined;
  for (const c of candidates) if (best === undefined || c.gain > best.gain || (c.gain === best.gain && before(c, best))) best = c;
  return best;
}

function before(a: Candidate, b: Candidate): boolean {
  return a.feature < b.feature || (a.feature === b.feature && a.option < b.option);
}
