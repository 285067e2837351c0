// The Merkle tree of RFC 9162 (Certificate Transparency version 2), section 2.1, over SHA-256. Sizes and indices are safe
// integers, so arithmetic is by division: bit operators would wrap at 2^31.
import { hash } from "node:crypto";

/** 32 bytes. */
export type Hash = Uint8Array;
/** A run of leaves [from, to). */
export type Range = readonly [from: number, to: number];

export const hashBytes = 32;

/** By way of a string: a third faster than a buffer from the native side, which also weighs on the collector. */
const sha256 = (bytes: Uint8Array): Hash => new Uint8Array(Buffer.from(hash("sha256", bytes, "latin1"), "latin1"));

/** MTH of no leaves: SHA-256 of nothing (2.1.1). */
export const emptyRoot: Hash = sha256(new Uint8Array(0));

/** HASH(0x00 || entry). The prefixes keep a node from being shown as a leaf (second preimage). */
export function leafHash(entry: Uint8Array): Hash {
  const bytes = new Uint8Array(1 + entry.length);
  bytes.set(entry, 1);
  return sha256(bytes);
}

/** What `nodeHash` hashes: used again at once, since a proof hashes hundreds of nodes and each buffer is work for the collector. */
const node = new Uint8Array(1 + 2 * hashBytes).fill(1, 0, 1);

/** HASH(0x01 || left || right), both of 32 bytes. */
export function nodeHash(left: Hash, right: Hash): Hash {
  if (left.length !== hashBytes || right.length !== hashBytes) throw new RangeError("a hash has 32 bytes");
  node.set(left, 1);
  node.set(right, 1 + hashBytes);
  return sha256(node);
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === hashBytes && b.length === hashBytes && a.every((byte, i) => byte === b[i]);
}

/** The largest power of two smaller than n. n >= 2. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** MTH over leaf hashes (2.1.1). */
export function rootOf(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0] as Hash;
  const k = split(leaves.length);
  return nodeHash(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

/** The complete subtrees that a run of leaves falls into, from left to right; MTH folds them from the right.
 *  `from` is a multiple of every power of two that fits into the run, as it is for all runs that proofs name. */
export function completeSubtrees([from, to]: Range): Range[] {
  const found: Range[] = [];
  for (let at = from; at < to; ) {
    let width = 1;
    while (at + width * 2 <= to) width *= 2;
    found.push([at, at + width]);
    at += width;
  }
  return found;
}

/** Hashes of neighbouring subtrees of falling size, from left to right, to the hash of all of them. */
export function fold(hashes: readonly Hash[]): Hash {
  return hashes.length === 0 ? emptyRoot : hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** Which runs of leaves an inclusion proof consists of, from the leaf upwards (PATH of 2.1.3.1). index < size. */
export function inclusionRanges(index: number, size: number): Range[] {
  const path: Range[] = [];
  for (let from = 0, to = size; to - from > 1; ) {
    const middle = from + split(to - from);
    path.push(index < middle ? [middle, to] : [from, middle]);
    if (index < middle) to = middle;
    else from = middle;
  }
  return path.toReversed();
}

/** Which runs of leaves a consistency proof consists of (PROOF and SUBPROOF of 2.1.4.1). 0 < first < second, or none. */
export function consistencyRanges(first: number, second: number): Range[] {
  if (first === 0 || first === second) return [];
  const path: Range[] = [];
  let from = 0;
  let to = second;
  let isWhole = true; // the flag b: the old tree itself is this subtree, and the verifier has its hash
  while (first !== to) {
    const middle = from + split(to - from);
    path.push(first <= middle ? [middle, to] : [from, middle]);
    if (first <= middle) to = middle;
    else {
      from = middle;
      isWhole = false;
    }
  }
  if (!isWhole) path.push([from, to]);
  return path.toReversed();
}

const half = (n: number): number => Math.floor(n / 2);
const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const areHashes = (hashes: readonly Uint8Array[]): boolean => hashes.every((h) => h.length === hashBytes);

/** 2.1.3.2: whether `path` shows that the leaf is entry `index` of the tree of `size` entries and this root. */
export function verifyInclusion(proof: { index: number; size: number; leaf: Hash; path: readonly Hash[]; root: Hash }): boolean {
  const { index, size, path, root } = proof;
  if (!isSize(index) || !isSize(size) || index >= size || !areHashes([proof.leaf, root, ...path])) return false;
  let fn = index;
  let sn = size - 1;
  let r = proof.leaf;
  for (const p of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      r = nodeHash(r, p);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(r, root);
}

/** 2.1.4.2: whether `path` shows that the tree of `second` entries begins with the tree of `first`. From an empty tree
 *  everything follows, with an empty path (C2SP tlog-witness). */
export function verifyConsistency(proof: { first: number; second: number; firstRoot: Hash; secondRoot: Hash; path: readonly Hash[] }): boolean {
  const { first, second, firstRoot, secondRoot, path } = proof;
  if (!isSize(first) || !isSize(second) || first > second || !areHashes([firstRoot, secondRoot, ...path])) return false;
  if (first === second) return path.length === 0 && sameHash(firstRoot, secondRoot);
  if (first === 0) return path.length === 0 && sameHash(firstRoot, emptyRoot);
  if (path.length === 0) return false;
  const isPower = completeSubtrees([0, first]).length === 1;
  const [start, ...rest] = isPower ? [firstRoot, ...path] : path;
  let fn = first - 1;
  let sn = second - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  let fr = start as Hash;
  let sr = fr;
  for (const c of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(c, fr);
      sr = nodeHash(c, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn = half(fn);
        sn = half(sn);
      }
    } else {
      sr = nodeHash(sr, c);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(fr, firstRoot) && sameHash(sr, secondRoot);
}
