// Integer noise that a host adds to its sums inside the encrypted answer, so that a querier never sees an exact one (review, section 2).
// Not differential privacy, and not the flood: the flood hides the host's columns in the ciphertext, this blurs the sums themselves.
import type { Rng } from "../core/env.ts";
import { AppError } from "../core/errors.ts";

/** Standard deviation 2^(log2Sd - shift), in units of the sums: twelve uniform integers of [0, 2^log2Sd) minus their mean, divided by
 *  2^shift with rounding. A shift of a few bits makes steps finer than the deviation; the bias of its rounding is 2^-(shift + 1). */
export type CellNoise = { readonly log2Sd: number; readonly shift: number };

const terms = 12;
/** Twelve terms of 26 bits stay below 2^30: all arithmetic is of 32-bit integers. */
const maxLog2Sd = 26;
const wordBytes = 4;

/** Throws KERNEL_RANGE unless 0 <= shift <= log2Sd <= 26, whole numbers. */
export function requireNoise({ log2Sd, shift }: CellNoise): void {
  const whole = Number.isInteger(log2Sd) && Number.isInteger(shift);
  if (!whole || shift < 0 || shift > log2Sd || log2Sd > maxLog2Sd) throw new AppError("KERNEL_RANGE", { log2Sd, shift });
}

/** The largest size that the noise of a cell can have: about six standard deviations. */
export function largestNoise({ log2Sd, shift }: CellNoise): number {
  return Math.floor((6 * (2 ** log2Sd - 1) + 2 ** shift / 2) / 2 ** shift);
}

/** The noise of `cells` cells: 48 bytes of a secret stream each. */
export function cellNoise(rng: Rng, cells: number, noise: CellNoise): Int32Array {
  requireNoise(noise);
  const { log2Sd, shift } = noise;
  const words = new Uint32Array(rng(wordBytes * terms * cells).buffer);
  const below = 2 ** log2Sd - 1;
  const mean = 6 * below;
  const half = shift === 0 ? 0 : 1 << (shift - 1);
  const out = new Int32Array(cells);
  for (let cell = 0, at = 0; cell < cells; cell++) {
    let sum = half - mean;
    for (const end = at + terms; at < end; at++) sum += (words[at] ?? 0) & below;
    out[cell] = sum >> shift;
  }
  return out;
}
