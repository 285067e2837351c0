// One symmetric tree, level by level: sums of the level's nodes, the best cut over all of them, its bits, the children.
import { AppError } from "../../core/errors.ts";
import { bestOf, candidatesOf, leftSums, type Candidate, type LevelView } from "./candidates.ts";
import type { Columns, CutOption } from "./columns.ts";
import { clampScore } from "./gradient.ts";
import type { Asked, CellSums, Given, NodeVectors } from "./grow.ts";
import { hostCells, nodeVectors, ownCells, siblingCells, type Cells, type Layout } from "./histogram.ts";
import { neutralBin } from "../binning/fine.ts";
import { scoreFractionBits, type Cut, type SymmetricTree } from "./model.ts";
import { noiseLog2Sd, type TreeParams } from "./params.ts";
import { allowed, cutGain, keepNode, nodeValue, splitNode, splittable, type LeftSums, type Node, type Rules } from "./split.ts";

/** New host cuts that a level may ask for. The second is asked when exact sums show the first to be worse than it looked. */
const asksPerLevel = 2;

export type TreeTask = {
  readonly columns: Columns;
  readonly layout: Layout;
  readonly params: TreeParams;
  readonly rules: Rules;
  /** Monotone direction per feature: -1, 0, 1. */
  readonly directions: readonly number[];
  readonly tree: number;
  /** Features and rows of this tree's sample. */
  readonly chosen: readonly number[];
  readonly rows: Int32Array;
  readonly vectors: NodeVectors;
};

/** A node with its cells. Its parent's cells and its sibling are kept until its own are made. */
type Held = { readonly node: Node; own?: Cells; host?: Cells | undefined; readonly parent?: Held; sibling?: Held };

/** Grows a tree. undefined: no cut gains anything (or the root is below the floor). */
export function* growTree(task: TreeTask): Generator<Asked, SymmetricTree | undefined, Given> {
  const { columns, params, rules, vectors } = task;
  let held: Held[] = [{ node: rootOf(task) }];
  const cuts: Cut[] = [];
  const gains: number[] = [];
  const covers: number[] = [];
  for (let level = 0; level < params.depth; level++) {
    const open = held.filter((h) => splittable(h.node, rules));
    if (open.length === 0) break;
    const wanted = task.chosen.filter((f) => columns.own(f) === undefined && !closed(task, f));
    if (wanted.length > 0) yield* askHosts(task, level, open, wanted);
    for (const h of open) fillOwn(task, h);
    if (level === 0 && open[0] !== undefined) fixOrders(task, open[0], wanted);
    const view: LevelView = {
      columns, layout: task.layout, nodes: open.map((h) => h.node), own: open.map((h) => h.own as Cells), host: open.map((h) => h.host),
      vectors, rules, directions: task.directions, noise: params.noise,
    };
    const picked = yield* pickCut(task, view, wanted);
    if (picked === undefined) break;
    cuts.push(picked.cut);
    gains.push(Math.max(0, Math.round(picked.gain)));
    let cover = 0;
    const next: Held[] = [];
    const { codes, right } = columns.sides(picked.cut);
    for (const parent of held) {
      const left = picked.left.get(parent.node);
      if (left === undefined) {
        // The parent's cells stay those of the node.
        next.push({ ...parent, node: keepNode(parent.node, level) });
        continue;
      }
      cover += parent.node.h;
      const [a, b] = splitNode(parent.node, (row) => right[codes[row] as number] as number, left, level, rules, picked.direction);
      const [first, second]: [Held, Held] = [{ node: a, parent }, { node: b, parent }];
      first.sibling = second;
      second.sibling = first;
      next.push(first, second);
    }
    covers.push(cover);
    held = next;
  }
  return cuts.length === 0 ? undefined : finish(task, cuts, gains, covers, held.map((h) => h.node));
}

function rootOf(task: TreeTask): Node {
  let g = 0;
  let h = 0;
  for (const row of task.rows) {
    g += task.vectors.g[row] as number;
    h += task.vectors.h[row] as number;
  }
  return { prefixes: [0], rows: task.rows, g, h, low: -Infinity, high: Infinity };
}

/** Whether no further cut of a host's feature may be asked for. */
function closed(task: TreeTask, feature: number): boolean {
  const { maxCutsPerHostFeature: cap, askedTrees } = task.params;
  return (cap > 0 && task.columns.cutsKnown(feature) >= cap) || (askedTrees > 0 && task.tree >= askedTrees);
}

/** Nodes of the level to sum or ask for: those without cells, one of two siblings when both are open and the parent's are there. */
function missing(open: readonly Held[], cells: "own" | "host"): { now: Held[]; later: Held[] } {
  const now: Held[] = [];
  const later: Held[] = [];
  for (const h of open) {
    if (h[cells] !== undefined) continue;
    const { sibling } = h;
    const both = sibling !== undefined && sibling[cells] === undefined && h.parent?.[cells] !== undefined && open.includes(sibling);
    if (!both) now.push(h);
    else if (smaller(h, sibling)) now.push(h);
    else later.push(h);
  }
  return { now, later };
}

/** The smaller sibling is summed; of two equal ones the left. */
function smaller(h: Held, sibling: Held): boolean {
  const [a, b] = [h.node.rows.length, sibling.node.rows.length];
  return a < b || (a === b && (h.node.prefixes[0] as number) < (sibling.node.prefixes[0] as number));
}

function* askHosts(task: TreeTask, level: number, open: readonly Held[], wanted: readonly number[]): Generator<Asked, void, Given> {
  const { now, later } = missing(open, "host");
  if (now.length === 0) return;
  const given = yield { kind: "histograms", tree: task.tree, level, nodes: now.map((h) => nodeVectors(h.node, task.vectors)), wanted };
  if (!Array.isArray(given) || given.length !== now.length) throw new AppError("MODEL_SHAPE", { nodes: now.length });
  const sums = given as readonly CellSums[];
  now.forEach((h, i) => {
    h.host = hostCells(sums[i], task.columns.features, wanted, task.layout, h.node, task.params.noise);
  });
  for (const h of later) h.host = siblingCells(h.parent?.host as Cells, h.sibling?.host as Cells);
}

function fillOwn(task: TreeTask, held: Held): void {
  const { now, later } = missing([held, ...(held.sibling ? [held.sibling] : [])].filter((h) => splittable(h.node, task.rules)), "own");
  for (const h of now) h.own = ownCells(task.columns.features, task.chosen, task.layout, h.node, task.vectors);
  for (const h of later) h.own = siblingCells(h.parent?.own as Cells, h.sibling?.own as Cells);
}

/** Bins of a categorical feature by G / (H + lambda) of its first root sums, for the whole job. */
function fixOrders(task: TreeTask, root: Held, wanted: readonly number[]): void {
  const { columns, layout, rules } = task;
  for (const f of task.chosen) {
    const feature = columns.features[f];
    if (feature?.kind !== "categorical" || columns.orders[f] !== undefined) continue;
    const cells = feature.binOf !== undefined ? root.own : wanted.includes(f) ? root.host : undefined;
    if (cells === undefined) continue;
    const first = layout.offsets[f] as number;
    const value = (bin: number): number => (cells.g[first + bin] as number) / (Math.max(0, cells.h[first + bin] as number) + rules.lambda + 1);
    columns.setOrder(f, Array.from({ length: feature.bins }, (_, i) => i).sort((a, b) => value(a) - value(b) || a - b));
  }
}

type Picked = { readonly cut: Cut; readonly gain: number; readonly direction: number; readonly left: ReadonlyMap<Node, LeftSums> };

/** The best cut of the level. A host's cut counts with its exact sums: its bits are asked for when it comes first, and it goes back
 *  among the candidates with what it is really worth. */
function* pickCut(task: TreeTask, view: LevelView, wanted: readonly number[]): Generator<Asked, Picked | undefined, Given> {
  const { columns, rules } = task;
  const { nodes } = view;
  const askedCells = view.host.every((c) => c !== undefined) ? new Set(wanted) : new Set<number>();
  let candidates: Candidate[] = [];
  for (const f of task.chosen) for (const candidate of candidatesOf(view, f, askedCells.has(f))) candidates.push(candidate);
  let asks = 0;
  for (;;) {
    const best = bestOf(candidates);
    if (best === undefined) return undefined;
    const option = columns.options(best.feature).options[best.option] as CutOption;
    const direction = option.ordered ? (view.directions[best.feature] as number) : 0;
    const cut = columns.cutOf(best.feature, option, neutralLeft(columns, best, option, nodes));
    if (best.exact) {
      const left = new Map<Node, LeftSums>();
      const sumsOf = leftSums(best.sums, best.option * nodes.length);
      nodes.forEach((node, i) => {
        const { g, h, rows } = sumsOf(i);
        if (rows !== undefined && allowed(node, { g, h, rows }, rules)) left.set(node, { g, h, rows });
      });
      columns.note(cut);
      return { cut, gain: best.gain, direction, left };
    }
    candidates = candidates.filter((c) => c !== best);
    if (!columns.has(cut)) {
      if (asks === asksPerLevel || closed(task, best.feature)) continue;
      asks++;
      const bits = yield { kind: "bits", cut };
      columns.add(cut, checkedBits(bits, columns.rows, best.feature));
    }
    const exact = exactSums(view, cut, best.option);
    checkSums(task, view, best, exact);
    const gain = cutGain(nodes, leftSums(exact, best.option * nodes.length), rules, direction);
    if (gain !== undefined && gain > 0) candidates.push({ ...best, gain, exact: true, sums: exact });
  }
}

/** A host's answer to "bits". Throws MODEL_TREE_BITS when it is something else. */
export function checkedBits(given: Given, rows: number, feature: number): Uint8Array {
  if (!(given instanceof Uint8Array)) throw new AppError("MODEL_TREE_BITS", { feature, rows, bits: 0 });
  return given;
}

/** Rows without a bin go with the missing ones, or to the side of the larger cover. */
function neutralLeft(columns: Columns, candidate: Candidate, option: CutOption, nodes: readonly Node[]): boolean {
  const missingBin = columns.features[candidate.feature]?.missingBin ?? -1;
  if (missingBin >= 0) return option.left.includes(missingBin);
  let left = 0;
  let all = 0;
  nodes.forEach((node, i) => {
    left += candidate.sums.h[candidate.option * nodes.length + i] as number;
    all += node.h;
  });
  return 2 * left >= all;
}

function exactSums(view: LevelView, cut: Cut, option: number): { g: Float64Array; h: Float64Array; rows: Float64Array } {
  const { nodes, vectors } = view;
  const { codes, right } = view.columns.sides(cut);
  const size = (option + 1) * nodes.length;
  const out = { g: new Float64Array(size), h: new Float64Array(size), rows: new Float64Array(size) };
  nodes.forEach((node, i) => {
    let [g, h, rows] = [0, 0, 0];
    for (const row of node.rows) {
      if (right[codes[row] as number] === 1) continue;
      g += vectors.g[row] as number;
      h += vectors.h[row] as number;
      rows++;
    }
    const at = option * nodes.length + i;
    [out.g[at], out.h[at], out.rows[at]] = [g, h, rows];
  });
  return out;
}

/** Bits must give the sums that the cells gave, to the last unit without noise and within its hard bound with it (a cell's noise is
 *  at most six of its standard deviations). Throws MODEL_TREE_BITS: bits of another cut, or of other rows. */
function checkSums(task: TreeTask, view: LevelView, candidate: Candidate, exact: { g: Float64Array }): void {
  const sd = noiseLog2Sd(task.vectors.g.length);
  const bins = task.columns.options(candidate.feature).options[candidate.option]?.left.length ?? 0;
  view.nodes.forEach((_, i) => {
    const at = candidate.option * view.nodes.length + i;
    const terms = view.host[i]?.terms ?? 1;
    const bound = task.params.noise ? terms * bins * (6 * 2 ** sd.g + 1) : 0;
    const gap = Math.abs((candidate.sums.g[at] as number) - (exact.g[at] as number));
    if (gap > bound) throw new AppError("MODEL_TREE_BITS", { feature: candidate.feature, sums: false });
  });
}

/** Leaves: the learning rate times the value of each node, the same for all leaves that are one node. */
function finish(
  task: TreeTask, cuts: readonly Cut[], gains: readonly number[], covers: readonly number[], nodes: readonly Node[],
): SymmetricTree {
  const size = 2 ** cuts.length;
  const leaves = Array.from({ length: size }, () => 0);
  const leafCovers = Array.from({ length: size }, () => 0);
  const unit = task.params.learningRate * 2 ** scoreFractionBits;
  for (const node of nodes) {
    const value = clampScore(Math.round(nodeValue(node.g, node.h, node.low, node.high, task.rules.lambda) * unit));
    for (const prefix of node.prefixes) leaves[prefix] = value;
  }
  const sides = cuts.map((cut) => task.columns.sides(cut));
  for (const row of task.rows) {
    let leaf = 0;
    sides.forEach(({ codes, right }, level) => {
      leaf |= (right[codes[row] ?? neutralBin] as number) << level;
    });
    leafCovers[leaf] = (leafCovers[leaf] as number) + (task.vectors.h[row] as number);
  }
  return { cuts, leaves, gains, covers, leafCovers };
}
