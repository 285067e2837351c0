// What one tree costs under FATE 2's protocol for SecureBoost: how often each Paillier operation is done, and from that its time and its
// bytes by linear extrapolation. The guest encrypts g and h of every row once per tree, packed into one plaintext and re-randomised with
// r^n; the host multiplies ciphertexts per (feature, bin), takes the larger child from parent and smaller child, adds up along the bins,
// and packs several cells into one ciphertext by shifts before it answers; the guest decrypts by the Chinese remainder theorem.

export type Shape = { readonly rows: number; readonly features: number; readonly bins: number };

/** Seconds of CPU of one operation at one key size, measured on `samples` operations. */
export type UnitCosts = {
  readonly keyBits: number; readonly samples: number;
  /** (1 + m n) r^n mod n^2 with a fresh r below n, as FATE does it. */
  readonly encrypt: number;
  /** The same with h^x, x half as long as n (Damgard, Jurik, Nielsen): faster, not used by FATE. Absent where not measured. */
  readonly encryptShort?: number | undefined;
  /** Product modulo n^2. */
  readonly add: number;
  /** Product with an inverse modulo n^2. */
  readonly subtract: number;
  /** c^(2^w) modulo n^2, w the width of a packed pair. */
  readonly shift: number;
  readonly decrypt: number;
};

export type Counts = {
  readonly encryptions: number; readonly additions: number; readonly subtractions: number; readonly shifts: number; readonly decryptions: number;
};

/** Bits of the fixed-point fraction of g and h (FATE's FIX_POINT_PRECISION). */
const precision = 52;

/** Width of g and h in one plaintext: each must hold the sum over all rows; g is moved by 1 into [0, 2). */
export function pairBits(rows: number): number {
  return 2 * Math.floor(Math.log2(2 ** precision * rows * 2) + 1);
}

/** Cells of a histogram in one ciphertext of the host's answer; 2 bits stay free. */
export function cellsPerCiphertext(rows: number, keyBits: number): number {
  return Math.floor((keyBits - 2) / pairBits(rows));
}

/** Nodes whose histograms are summed up (one child of each parent), and nodes whose cells the guest decrypts. */
export function nodesOf(depth: number): { readonly summed: number; readonly opened: number } {
  return { summed: 2 ** (depth - 1), opened: 2 ** depth - 1 };
}

/** Operations of one full tree. The smaller child holds at most half of the rows: below the root every level sums half of them. */
export function treeCounts(shape: Shape, depth: number, keyBits: number): Counts {
  const cells = shape.features * shape.bins;
  const { summed, opened } = nodesOf(depth);
  const answers = opened * Math.ceil(cells / cellsPerCiphertext(shape.rows, keyBits));
  const sums = shape.rows * shape.features * (1 + (depth - 1) / 2);
  const along = opened * shape.features * (shape.bins - 1);
  const shifts = opened * cells - answers;
  return {
    encryptions: shape.rows, additions: Math.round(sums) + along + shifts, subtractions: (opened - summed) * cells, shifts, decryptions: answers,
  };
}

export type TreeCost = {
  readonly guestEncrypts: number; readonly hostSums: number; readonly guestDecrypts: number; readonly total: number;
  readonly bytesUp: number; readonly bytesDown: number;
};

/** CPU seconds and bytes of one tree from the costs of single operations: an extrapolation, linear in every count. */
export function extrapolatedTree(shape: Shape, depth: number, costs: UnitCosts): TreeCost {
  const counts = treeCounts(shape, depth, costs.keyBits);
  const guestEncrypts = counts.encryptions * costs.encrypt;
  const hostSums = counts.additions * costs.add + counts.subtractions * costs.subtract + counts.shifts * costs.shift;
  const guestDecrypts = counts.decryptions * costs.decrypt;
  const ciphertextBytes = costs.keyBits / 4;
  return {
    guestEncrypts, hostSums, guestDecrypts, total: guestEncrypts + hostSums + guestDecrypts,
    bytesUp: counts.encryptions * ciphertextBytes, bytesDown: counts.decryptions * ciphertextBytes,
  };
}

/** How the tree's figures came about, for the tables. */
export function extrapolationNote(shape: Shape, costs: UnitCosts): string {
  return `extrapolated linearly to ${shape.rows} rows x ${shape.features} features x ${shape.bins} bins from ${costs.samples} operations of each kind`;
}
