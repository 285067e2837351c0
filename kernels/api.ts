// What the hinted-sums kernel offers to the protocols (federation/sums). No socket, no file, no clock in here.
// Paper: Henzinger et al., "One Server for the Price of Two" (SimplePIR, USENIX Security 2023), applied to sums;
// parameters and flood after our own review (kernels/README.md).
import type { Rng } from "../core/env.ts";
import type { CellNoise } from "./noise.ts";
import type { Remote } from "./pool.ts";

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
  /** Answers the encrypted queries that lie one after another in `queries` (each 13 bytes a coefficient, padded to whole blocks, plus
   *  the dummy block); `asked`: what each of them needs. Gives the answers one after another (`answerBytes(cells)` each), and the masks
   *  of those that asked for one. Memory that threads can share (a SharedArrayBuffer) is not copied. Refuses non-canonical residues (PROTOCOL_RESIDUES) and wrong lengths (PROTOCOL_WRONG_SHAPE). */
  answer(queries: Uint8Array, asked: readonly AnswerOptions[]): Promise<Answered>;
}

export type Answered = { readonly answers: Uint8Array; readonly masks: readonly (BigUint64Array | undefined)[] };

/** What one answer is made with, beside the query. */
export type AnswerOptions = {
  /** The secret stream of this query id that hides the columns. */
  readonly flood: Rng;
  /** Uniform integers mod 2^tBits are added to the sums, so that the querier sees only a masked value; the host gets the masks. */
  readonly mask?: { readonly rng: Rng; readonly tBits: number } | undefined;
  /** Noise is added to every cell's sum (with `mask` too), from a secret stream of this query id. Modulo 2^mask.tBits, or 2^38. */
  readonly noise?: (CellNoise & { readonly rng: Rng }) | undefined;
};

/** What the querier keeps of one query: its fresh secret s. Never serialised. */
export interface QuerySecret {
  readonly tBits: number;
}

/** The querier's side for one CRS over n rows. */
export interface SumsQuerier extends AsyncDisposable {
  readonly rows: number;
  /** Encrypts vectors (length `rows`, |v_i| < 2^31), each with a fresh secret from its own stream of `rngs`. The sums that a vector will
   *  give must satisfy 2 * (maxCode * sum|v_i| + its noise) < 2^tBits (checked; KERNEL_RANGE). The queries lie one after another, in memory
   *  that threads can share. */
  query(vectors: readonly (Int32Array | Int8Array)[], options: AskOptions): Promise<Queries>;
  /** Keeps a hint of `cells` cells in the threads' memory for many openings, 26,624 bytes a cell, until the querier is disposed of. */
  keep(cells: number): HintKeeper;
  /** Opens a host's answers, one after another, with that host's whole hint: exact signed sums, one per cell; with `masked` the values
   *  mod 2^tBits as they are. KERNEL_SUM_IMPOSSIBLE for a sum that no columns can give. */
  open(answers: Uint8Array, hint: HintSource, secrets: readonly QuerySecret[], masked?: boolean): Promise<readonly BigInt64Array[]>;
  /** Opens while the hint of `cells` cells still comes in: of each cell only a number per query is kept, so that a large hint that serves
   *  one batch never lies in memory. */
  opening(cells: number, secrets: readonly QuerySecret[]): HintOpening;
}

export type Queries = { readonly bytes: Uint8Array; readonly secrets: readonly QuerySecret[] };
export type AskOptions = {
  readonly maxCode: number;
  readonly rngs: readonly Rng[];
  readonly tBits?: number;
  /** The noise that hosts add to the answers of each vector, as agreed: sums may be that much larger. Only with the largest t. */
  readonly noise?: readonly (CellNoise | undefined)[];
};

type HintChunk = { readonly firstCell: number; readonly bytes: Uint8Array };

/** An opening under way. */
export interface HintOpening {
  /** Takes the next chunk of the hint. Throws PROTOCOL_WRONG_SHAPE for one that does not follow. */
  add(chunk: HintChunk): void;
  /** The sums, as `open` gives them, once the whole hint was added. */
  finish(answers: Uint8Array, masked?: boolean): readonly BigInt64Array[];
}

/** A host's hint that the querier keeps. */
export interface HintSource {
  readonly cells: number;
}

/** A kept hint while it comes in. */
export interface HintKeeper extends HintSource {
  /** Takes the next chunk. Throws PROTOCOL_WRONG_SHAPE for one that does not follow, KERNEL_MEMORY when the threads' memory is full. */
  add(chunk: HintChunk): Promise<void>;
}

/** The worker pool and WASM instances behind it. */
export interface Kernels extends AsyncDisposable {
  host(options: { readonly crsSeed: Uint8Array; readonly columns: PlainColumns; readonly rng: Rng }): Promise<SumsHost>;
  querier(options: { readonly crsSeed: Uint8Array; readonly rows: number }): Promise<SumsQuerier>;
  /** X^T X of code columns, exact: row-major d x d. */
  gram(columns: readonly Int8Array[]): Promise<Float64Array>;
  /** Opens the object that an export of a module of this program (a file: URL) returns, in one of the worker threads. */
  open(moduleUrl: URL, name: string, args: readonly unknown[]): Promise<Remote>;
}
