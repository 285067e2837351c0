// What a cut is worth in the nodes of one level: second-order gain with floors, monotone directions and bounds. All sums are exact
// integers in doubles and every expression has one order, so that two runs with equal sums agree to the last bit.
import { gradientFractionBits } from "./model.ts";
import type { TreeParams } from "./params.ts";

const gradientOne = 2 ** gradientFractionBits;

/** Parameters in units of the fixed-point sums. */
export type Rules = {
  readonly lambda: number;
  readonly gamma: number;
  readonly minChildWeight: number;
  readonly minNodeRows: number;
  readonly minChildRows: number;
};

/** A set of rows that no cut has told apart yet. */
export type Node = {
  /** Leaf indices (of the levels so far) that are this node: more than one when it passed a level unsplit. */
  readonly prefixes: readonly number[];
  readonly rows: Int32Array;
  readonly g: number;
  readonly h: number;
  /** Bounds of its leaf values in log odds, from monotone cuts above. */
  readonly low: number;
  readonly high: number;
};
export type LeftSums = { readonly g: number; readonly h: number; readonly rows: number };

/** `scale`: what the class weights were divided by; gradients are smaller by it, so the user's parameters must be, too. */
export function rulesOf(params: TreeParams, scale: number): Rules {
  const unit = gradientOne / scale;
  return {
    lambda: params.lambda * unit, gamma: params.gamma * unit, minChildWeight: params.minChildWeight * unit,
    minNodeRows: params.minNodeRows, minChildRows: params.minChildRows,
  };
}

/** Whether a node is asked about at all. */
export function splittable(node: Node, rules: Rules): boolean {
  return node.rows.length >= Math.max(2, rules.minNodeRows, 2 * rules.minChildRows) && node.h > 0 && node.h >= 2 * rules.minChildWeight;
}

/** Value of a node in log odds, within its bounds, before the learning rate. */
export function nodeValue(g: number, h: number, low: number, high: number, lambda: number): number {
  const curvature = h + lambda;
  return curvature > 0 ? Math.min(high, Math.max(low, -g / curvature)) : Math.min(high, Math.max(low, 0));
}

/** -2 (G w + (H + lambda) w^2 / 2) at the node's own value: G^2 / (H + lambda) without bounds. */
function objective(g: number, h: number, low: number, high: number, lambda: number): number {
  if (low === -Infinity && high === Infinity) return (g * g) / (h + lambda);
  const w = nodeValue(g, h, low, high, lambda);
  return -(2 * g * w + (h + lambda) * w * w);
}

/** Whether the floors let the node be split like this. `rows` is undefined while only sums are known: then the share of the hessian
 *  stands for the share of rows, with a factor two of slack. */
export function allowed(node: Node, left: { g: number; h: number; rows: number | undefined }, rules: Rules): boolean {
  const right = node.h - left.h;
  if (left.h <= 0 || right <= 0 || left.h < rules.minChildWeight || right < rules.minChildWeight) return false;
  const all = node.rows.length;
  if (left.rows !== undefined) return left.rows >= rules.minChildRows && all - left.rows >= rules.minChildRows;
  const guess = (all * left.h) / node.h;
  return rules.minChildRows <= 1 || (2 * guess >= rules.minChildRows && 2 * (all - guess) >= rules.minChildRows);
}

/** Gain of one node (half the difference of objectives, less gamma), or undefined when `direction` (-1, 0, 1) is not respected. */
export function nodeGain(node: Node, g: number, h: number, rules: Rules, direction: number): number | undefined {
  const { low, high } = node;
  const { lambda } = rules;
  const rightG = node.g - g;
  const rightH = node.h - h;
  if (direction !== 0) {
    const rise = nodeValue(rightG, rightH, low, high, lambda) - nodeValue(g, h, low, high, lambda);
    if (direction * rise < 0) return undefined;
  }
  const children = objective(g, h, low, high, lambda) + objective(rightG, rightH, low, high, lambda);
  return (children - objective(node.g, node.h, low, high, lambda)) / 2 - rules.gamma;
}

/** Gain of a cut over the nodes: those that the floors do not let be split count nothing. undefined: no node is split, or a
 *  split node would go against `direction`. */
export function cutGain(
  nodes: readonly Node[], left: (node: number) => { g: number; h: number; rows: number | undefined }, rules: Rules, direction: number,
): number | undefined {
  let total = 0;
  let split = false;
  for (const [i, node] of nodes.entries()) {
    const sums = left(i);
    if (!allowed(node, sums, rules)) continue;
    const gain = nodeGain(node, sums.g, sums.h, rules, direction);
    if (gain === undefined) return undefined;
    total += gain;
    split = true;
  }
  return split ? total : undefined;
}

/** The children of a split node. A cut with a direction puts the mean of their values between all leaves of the two sides: with
 *  it every later leaf left of the cut stays on its side of every leaf right of it. */
export function splitNode(
  node: Node, bitOf: (row: number) => number, left: LeftSums, level: number, rules: Rules, direction: number,
): [Node, Node] {
  const leftRows = new Int32Array(left.rows);
  const rightRows = new Int32Array(node.rows.length - left.rows);
  let l = 0;
  let r = 0;
  for (const row of node.rows) {
    if (bitOf(row) === 0) leftRows[l++] = row;
    else rightRows[r++] = row;
  }
  const g = node.g - left.g;
  const h = node.h - left.h;
  let [leftBounds, rightBounds] = [{ low: node.low, high: node.high }, { low: node.low, high: node.high }];
  if (direction !== 0) {
    const middle = (nodeValue(left.g, left.h, node.low, node.high, rules.lambda) + nodeValue(g, h, node.low, node.high, rules.lambda)) / 2;
    const below = { low: node.low, high: middle };
    const above = { low: middle, high: node.high };
    [leftBounds, rightBounds] = direction > 0 ? [below, above] : [above, below];
  }
  return [
    { prefixes: node.prefixes, rows: leftRows, g: left.g, h: left.h, ...leftBounds },
    { prefixes: node.prefixes.map((p) => p | (1 << level)), rows: rightRows, g, h, ...rightBounds },
  ];
}

/** A node that a level leaves whole. */
export function keepNode(node: Node, level: number): Node {
  return { ...node, prefixes: [...node.prefixes, ...node.prefixes.map((p) => p | (1 << level))] };
}
