// Trees that are in memory as a whole: the uses of one receipt, a tile that many proofs share. All nodes are hashed once, level by level.
import { completeSubtrees, fold, inclusionRanges, nodeHash, type Hash, type Range } from "./merkle.ts";

export class SmallTree {
  /** Hashes of complete subtrees of 1, 2, 4, … leaves. */
  readonly #levels: readonly (readonly Hash[])[];
  readonly #size: number;

  constructor(leaves: readonly Hash[]) {
    const levels: (readonly Hash[])[] = [leaves];
    for (let row = leaves; row.length > 1; ) {
      const above: Hash[] = [];
      for (let i = 0; i + 1 < row.length; i += 2) above.push(nodeHash(row[i] as Hash, row[i + 1] as Hash));
      levels.push(above);
      row = above;
    }
    this.#levels = levels;
    this.#size = leaves.length;
  }

  root(): Hash {
    return this.hash([0, this.#size]);
  }

  /** The inclusion path of leaf `index`. */
  path(index: number): Hash[] {
    return inclusionRanges(index, this.#size).map((range) => this.hash(range));
  }

  /** The hash of a run of leaves that proofs name. */
  hash(range: Range): Hash {
    return fold(completeSubtrees(range).map(([from, to]) => this.#levels[Math.log2(to - from)]?.[from / (to - from)] as Hash));
  }
}
