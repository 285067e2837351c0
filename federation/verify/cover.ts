// An interval of integers as few whole nodes of the binary tree over them (dyadic intervals), and the nodes above one integer. An integer is
// inside of the interval if exactly one of its nodes is in the cover: the nodes of a cover are disjoint.
import { AppError } from "../../core/errors.ts";

/** Depth of the tree: integers in [-2^(depth-1), 2^(depth-1)). */
export const coverDepth = 40;
/** Most nodes of a cover. */
export const coverSize = 2 * coverDepth - 2;

const offset = 1n << BigInt(coverDepth - 1);

/** "height:place": the node of that height whose first leaf is place * 2^height. */
const node = (height: number, place: bigint): string => `${height}:${place}`;

function leaf(value: bigint): bigint {
  const at = value + offset;
  if (at < 0n || at >= 2n * offset) throw new AppError("VERIFY_RANGE");
  return at;
}

/** Nodes that together are [from, to], at most `coverSize`. Throws VERIFY_RANGE outside of the tree or for an empty interval. */
export function coverOf(from: bigint, to: bigint): string[] {
  let [low, high] = [leaf(from), leaf(to)];
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

/** The nodes above a value, itself first: coverDepth + 1 of them. Throws VERIFY_RANGE. */
export function nodesAbove(value: bigint): string[] {
  const at = leaf(value);
  return Array.from({ length: coverDepth + 1 }, (_, height) => node(height, at >> BigInt(height)));
}
