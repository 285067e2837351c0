// What the hinted-sums kernel offers to the protocols (federation/sums). No socket, no file, no clock in here.
// Paper: Henzinger et al., "One Server for the Price of Two" (SimplePIR, USENIX Security 2023), applied to sums;
// parameters and flood after our own review (kernels/README.md).
import type { Rng } from "../core/env.ts";

/** Plain columns at a host over n aligned rows. `bins`: one 0/1 column ("cell") per (feature, bin), cells feature by feature.
 *  `codes`: one column per feature of signed integers of at most 8 bits. */
export type PlainColumns =
  | { readonly kind: "bins"; readonly rows: number; readonly features: readonly { readonly binOf: Uint8Array; readonly bins: number }[] }
  | { readonly kind: "codes"; readonly rows: number; readonly columns: readonly Int8Array[] };

/** Number of cells (sums per query) of some columns. */
export function cellCount(columns: PlainColumns): number {
  return columns.kind === "codes" ? columns.columns.length : columns.features.reduce((sum, f) => sum + f.bins, 0);
}

/** A host's side for one CRS and one set of columns: computes the hint once, then answers queries. */
export interface SumsHost extends AsyncDisposable {
  readonly rows: number;
  readonly cells: number;
  /** The hint of cells [first, first + k): `hintBytesPerCell` bytes a cell, in chunks of at most `chunkCells` cells, in order.
   *  Every chunk but the last has `chunkCells` cells. With `fromCell` it begins there (to go on after a restart). Twice the same host
   *  gives the same bytes: r_c and z_c come from the `rng` of `Kernels.host`, a fresh stream for every published hint, the same one
   *  after a restart. */
  hint(chunkCells: number, fromCell?: number): AsyncIterable<{ firstCell: number; bytes: Uint8Array }>;
  /** Answers one encrypted query (13 bytes a coefficient, padded to whole blocks, plus the dummy block).
   *  `flood`: secret stream of this query id. `mask`: when given, uniform integers mod 2^tBits are added to the sums, so that the
   *  querier sees only a masked value; the masks are returned to the host. Refuses non-canonical residues (PROTOCOL_RESIDUES)
   *  and wrong lengths (PROTOCOL_WRONG_SHAPE). */
  answer(query: Uint8Array, flood: Rng, mask?: { readonly rng: Rng; readonly tBits: number }): Promise<{ answer: Uint8Array; masks?: BigUint64Array }>;
}

/** What the querier keeps of one query: its fresh secret s. Never serialised. */
export interface QuerySecret {
  readonly tBits: number;
}

/** The querier's side for one CRS over n rows. */
export interface SumsQuerier extends AsyncDisposable {
  readonly rows: number;
  /** Encrypts v (length `rows`, |v_i| < 2^31) with a fresh secret from `rng`. The sums that it will give must satisfy
   *  2 * maxCode * sum|v_i| < 2^tBits (checked; KERNEL_RANGE). */
  query(values: Int32Array, options: { readonly maxCode: number; readonly rng: Rng; readonly tBits?: number }): Promise<{ bytes: Uint8Array; secret: QuerySecret }>;
  /** Opens a host's answer with that host's hint chunks (in order): exact signed sums, one per cell; with `masked` the
   *  values mod 2^tBits as they are. */
  open(answer: Uint8Array, hint: HintSource, secret: QuerySecret, masked?: boolean): Promise<BigInt64Array>;
  /** Opens while the hint of `cells` cells still comes in: of each cell only a number is kept, so that a large hint that serves one
   *  query never lies in memory. */
  opening(cells: number, secret: QuerySecret): HintOpening;
}

/** An opening under way. */
export interface HintOpening {
  /** Takes the next chunk of the hint. Throws PROTOCOL_WRONG_SHAPE for one that does not follow. */
  add(chunk: { readonly firstCell: number; readonly bytes: Uint8Array }): void;
  /** The sums, as `open` gives them, once the whole hint was added. */
  finish(answer: Uint8Array, masked?: boolean): BigInt64Array;
}

/** Hint chunks as received, re-readable (the enclave keeps them in files). */
export interface HintSource {
  readonly cells: number;
  chunks(): AsyncIterable<{ firstCell: number; bytes: Uint8Array }> | Iterable<{ firstCell: number; bytes: Uint8Array }>;
}

/** The worker pool and WASM instances behind it. */
export interface Kernels extends AsyncDisposable {
  host(options: { readonly crsSeed: Uint8Array; readonly columns: PlainColumns; readonly rng: Rng }): Promise<SumsHost>;
  querier(options: { readonly crsSeed: Uint8Array; readonly rows: number }): Promise<SumsQuerier>;
  /** X^T X of code columns, exact: row-major d x d. */
  gram(columns: readonly Int8Array[]): Promise<Float64Array>;
}
