// Opening: from a rounded answer and a secret's inner product with a hint to the exact sum.
import { modulus, sumsParams } from "./params.ts";

const half = modulus / 2n;

/** round(t (y - H s) / q) mod t. answer: y / 2^60 rounded; hint: (H s)_0 / 2^52 over the rounded hint. Exact whenever
 *  |y - H s - q sum / t| < q / 2t, which kernels/README.md proves for every honest answer. */
export function decodeSum(answer: number, hint: bigint, tBits: number): bigint {
  const noisy = (BigInt(answer) << BigInt(sumsParams.answerDrop)) - (hint << BigInt(sumsParams.hintDrop));
  const reduced = ((noisy % modulus) + modulus) % modulus;
  return BigInt.asUintN(tBits, ((reduced << BigInt(tBits)) + half) / modulus);
}
