// The Merkle tree against the reference vectors of Certificate Transparency, and its proofs for every small size.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import {
  completeSubtrees, consistencyRanges, emptyRoot, inclusionRanges, leafHash, rootOf, verifyConsistency, verifyInclusion, type Hash, type Range,
} from "../../receipts/merkle.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

// Entries, roots and paths of github.com/google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc (also
// github.com/transparency-dev/merkle, testonly/constants.go). RFC 9162 keeps the hashing of RFC 6962.
const entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map(bytes);
const roots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const inclusionPaths: [number, number, string[]][] = [
  [0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]],
  [5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]],
];
const consistencyPaths: [number, number, string[]][] = [
  [1, 1, []],
  [2, 8, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]],
  [6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]],
];

const leavesOf = (n: number): Hash[] => Array.from({ length: n }, (_, i) => leafHash(Buffer.from(`entry ${i}`)));
const hashes = (leaves: readonly Hash[], ranges: readonly Range[]): Hash[] => ranges.map(([from, to]) => rootOf(leaves.slice(from, to)));
const flipped = (hash: Hash): Hash => hash.map((byte, i) => (i === 7 ? byte ^ 1 : byte));

describe("the Merkle tree of RFC 9162", () => {
  it("has the reference roots for 0 to 8 entries", () => {
    const leaves = entries.map(leafHash);
    assert.deepEqual(roots.map((_, n) => hex(rootOf(leaves.slice(0, n)))), roots);
  });

  it("has the reference inclusion paths", () => {
    const leaves = entries.map(leafHash);
    for (const [index, size, path] of inclusionPaths) {
      assert.deepEqual(hashes(leaves, inclusionRanges(index, size)).map(hex), path);
      assert.isTrue(verifyInclusion({ index, size, leaf: leaves[index] as Hash, path: path.map(bytes), root: bytes(roots[size] ?? "") }));
    }
  });

  it("has the reference consistency paths", () => {
    const leaves = entries.map(leafHash);
    for (const [first, second, path] of consistencyPaths) {
      assert.deepEqual(hashes(leaves, consistencyRanges(first, second)).map(hex), path);
      assert.isTrue(verifyConsistency({ first, second, firstRoot: bytes(roots[first] ?? ""), secondRoot: bytes(roots[second] ?? ""), path: path.map(bytes) }));
    }
  });

  it("proves every entry of every tree up to 70, and no other place, size, leaf or path", () => {
    const leaves = leavesOf(70);
    for (let size = 1; size <= 70; size++) {
      const root = rootOf(leaves.slice(0, size));
      for (let index = 0; index < size; index++) {
        const leaf = leaves[index] as Hash;
        const path = hashes(leaves, inclusionRanges(index, size));
        const proof = { index, size, leaf, path, root };
        assert.isTrue(verifyInclusion(proof), `${index} of ${size}`);
        assert.isFalse(verifyInclusion({ ...proof, leaf: flipped(leaf) }));
        assert.isFalse(verifyInclusion({ ...proof, root: flipped(root) }));
        assert.isFalse(verifyInclusion({ ...proof, path: [...path, root] }));
        assert.isFalse(verifyInclusion({ ...proof, index: size }));
        if (path.length === 0) continue;
        assert.isFalse(verifyInclusion({ ...proof, path: path.slice(1) }));
        assert.isFalse(verifyInclusion({ ...proof, path: [flipped(path[0] as Hash), ...path.slice(1)] }));
        assert.isFalse(verifyInclusion({ ...proof, index: (index + 1) % size }));
        assert.isFalse(verifyInclusion({ ...proof, index: index - size }));
      }
    }
  });

  it("proves that every tree up to 70 begins with every smaller one, and refuses everything else", () => {
    const leaves = leavesOf(70);
    const rootsOf = Array.from({ length: 71 }, (_, n) => rootOf(leaves.slice(0, n)));
    for (let second = 0; second <= 70; second++) {
      for (let first = 0; first <= second; first++) {
        const path = hashes(leaves, consistencyRanges(first, second));
        const proof = { first, second, firstRoot: rootsOf[first] as Hash, secondRoot: rootsOf[second] as Hash, path };
        assert.isTrue(verifyConsistency(proof), `${first} to ${second}`);
        assert.isFalse(verifyConsistency({ ...proof, firstRoot: flipped(proof.firstRoot) }), `${first} to ${second}: another first root`);
        assert.isFalse(verifyConsistency({ ...proof, path: [...path, emptyRoot] }));
        if (first === 0) continue;
        assert.isFalse(verifyConsistency({ ...proof, secondRoot: flipped(proof.secondRoot) }));
        if (path.length > 0) assert.isFalse(verifyConsistency({ ...proof, path: path.slice(0, -1) }));
        if (first < second) assert.isFalse(verifyConsistency({ ...proof, first: second, second: first }));
      }
    }
  });

  it("holds for larger trees of any size", () => {
    const leaves = leavesOf(3000);
    const sizes = fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }));
    fc.assert(fc.property(sizes, ([size, part]) => {
      const index = Math.floor(part * size);
      const root = rootOf(leaves.slice(0, size));
      const path = hashes(leaves, inclusionRanges(index, size));
      const first = index + 1;
      const firstRoot = rootOf(leaves.slice(0, first));
      const proof = hashes(leaves, consistencyRanges(first, size));
      return verifyInclusion({ index, size, leaf: leaves[index] as Hash, path, root }) && verifyConsistency({ first, second: size, firstRoot, secondRoot: root, path: proof });
    }), { numRuns: 60 });
  });

  it("does its arithmetic beyond 2^32", () => {
    const size = 2 ** 40 + 12_345;
    const index = 2 ** 39 + 77;
    const ranges = inclusionRanges(index, size);
    assert.equal(ranges.reduce((sum, [from, to]) => sum + to - from, 1), size, "the path covers all other entries");
    for (const range of [...ranges, ...consistencyRanges(index, size)]) {
      for (const [from, to] of completeSubtrees(range)) assert.equal(from % (to - from), 0, "complete subtrees lie at multiples of their width");
    }
  });
});
