// The one parameter set of the hinted-sums kernel, and the sizes that follow from it. Any other set is refused.
import { AppError } from "../core/errors.ts";

/** A parameter set. Sizes in bits unless said. */
export type SumsParams = {
  /** Ring degree N of Z_q[x]/(x^N + 1). */
  readonly degree: number;
  /** Primes p = 1 mod 2N; q is their product. */
  readonly primes: readonly number[];
  /** Errors are centred binomial of this many coin pairs (variance half of it). */
  readonly binomial: number;
  /** Secrets s and r_c: uniform in {-1, 0, 1} by rejection. */
  readonly secret: "ternary";
  /** The flood is the sum of so many uniform integers of `floodBits` bits, minus its mean. */
  readonly floodTerms: number;
  readonly floodBits: number;
  /** Low bits dropped (round to nearest) from a hint coefficient, and bits kept. */
  readonly hintDrop: number;
  readonly hintBits: number;
  /** Low bits dropped from an answer, and bits kept. */
  readonly answerDrop: number;
  readonly answerBits: number;
  /** The plaintext modulus t = 2^tBits is the querier's choice up to this. */
  readonly maxTBits: number;
  /** Most rows of one use. */
  readonly maxRows: number;
};

/** Source: our review, section 1 (lattice-estimator 27a581b, ternary secret, CBD(21), as many samples as the attack wants):
 *  MATZOV gate counts usvp / bdd / dual hybrid = 2^132.2 / 2^131.6 / 2^132.0, block size 351. "128 bit" is meant in that metric;
 *  in core-SVP units (classical) it is 102.5. Inside the HomomorphicEncryption.org 2018 table (log2 q <= 109 at N = 4096). */
export const sumsParams: SumsParams = Object.freeze({
  degree: 4096,
  primes: Object.freeze([66969601, 66994177, 67043329, 67084289]),
  binomial: 21,
  secret: "ternary",
  floodTerms: 8,
  floodBits: 62,
  hintDrop: 52,
  hintBits: 52,
  answerDrop: 60,
  answerBits: 44,
  maxTBits: 38,
  maxRows: 1 << 20,
} as const);

export const ringDegree = 4096;
/** q, 103.993 bits. */
export const modulus = 66969601n * 66994177n * 67043329n * 67084289n;
export const hintBytesPerCell = 26624;
export const queryBytesPerCoefficient = 13;
export const blockBytes = ringDegree * queryBytesPerCoefficient;
/** log2 of the advantage that all answers of a plan may give through their floods together. */
export const floodBudgetBits = -40;

/** Refuses every set but the reviewed one (KERNEL_PARAMS): for sets named in a plan or by a peer. */
export function requireSumsParams(candidate: Readonly<Record<string, unknown>>): void {
  for (const key of Object.keys(sumsParams) as (keyof SumsParams)[]) {
    if (String(candidate[key]) !== String(sumsParams[key])) throw new AppError("KERNEL_PARAMS", { degree: Number(candidate["degree"]) });
  }
  if (Object.keys(candidate).length !== Object.keys(sumsParams).length) throw new AppError("KERNEL_PARAMS");
}

/** Blocks of 4096 rows that hold the rows: without the dummy block. */
export function dataBlocks(rows: number): number {
  const { maxRows } = sumsParams;
  if (!Number.isInteger(rows) || rows < 1 || rows > maxRows) throw new AppError("KERNEL_RANGE", { rows, maxRows });
  return Math.ceil(rows / ringDegree);
}

/** Bytes of one query over `rows` rows: all data blocks, then the dummy block. */
export function queryBytes(rows: number): number {
  return (dataBlocks(rows) + 1) * blockBytes;
}

/** Bytes of one answer: 44 bits a cell. */
export function answerBytes(cells: number): number {
  return Math.ceil((cells * sumsParams.answerBits) / 8);
}
