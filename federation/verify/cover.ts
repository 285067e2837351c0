// An interval of integers as few whole nodes of the binary tree over them (dyadic intervals), and the nodes above one integer. An integer is
// inside of the interval if exactly one of its nodes is in the cover: the nodes of a cover are disjoint. depth: of the tree over the integers of
// [-2^(depth-1), 2^(depth-1)).
import { AppError } from "../../core/errors.ts";

/** Most nodes of a cover. */
export const coverSize = (depth: number): number => 2 * depth - 2;
/** Most nodes of an interval that ends where the tree does. */
export const rayCoverSize = (depth: number): number => depth;
/** Nodes above a value, itself among them. */
export const pathSize = (depth: number): number => depth + 1;

/** The least and the greatest integer of the tree. */
export function boundsOf(depth: number): { readonly least: bigint; readonly greatest: bigint } {
  const half = 1n << BigInt(depth - 1);
  return { least: -half, greatest: half - 1n };
}

/** "height:place": the node of that height whose first leaf is place * 2^height. */
const node = (height: number, place: bigint): string => `${height}:${place}`;

function leaf(value: bigint, depth: number): bigint {
  const { least, greatest } = boundsOf(depth);
  if (value < least || value > greatest) throw new AppError("VERIFY_RANGE");
  return value - least;
}

/** Nodes that together are [from, to], at most `coverSize`. Throws VERIFY_RANGE outside of the tree or for an empty interval. */
export function coverOf(from: bigint, to: bigint, depth: number): string[] {
  let [low, high] = [leaf(from, depth), leaf(to, depth)];
  if (low > high) throw new AppError("VERIFY_RANGE");
  const nodes: string[] = [];
  for (let height = 0; ; height++) {
    if (low > high) return nodes;
    if (low === high) return [...nodes, node(height, low)];
    if (low & 1n) nodes.push(node(height, low++));
    if (!(high & 1n)) nodes.push(node(height, high--));
    if (low > high) return nodes;
    low >>= 1n;
    high >>= 1n;
  }
}

/** The nodes above a value, itself first: `pathSize` of them. Throws VERIFY_RANGE. */
export function nodesAbove(value: bigint, depth: number): string[] {
  const at = leaf(value, depth);
  return Array.from({ length: pathSize(depth) }, (_, height) => node(height, at >> BigInt(height)));
}
