// SEAL's saved form, 4.1, in which half of a key or text is the seed of a hash, so that whoever made it could not choose that half: a head of 16 bytes (magic, its
// size, version, how the rest is compressed: 0, not at all; length), what a text is in 73 bytes, its numbers behind a head and a count of their own.
import { linearDegree } from "./params.ts";

const savedHead = Buffer.from([0x5e, 0xa1, 16, 4, 1, 0]);
const numbersAt = 16 + 73;
const countAt = numbersAt + 16;

/** Whether these are the bytes of a key or text over so many primes in its short form, as it is or packed into `most` bytes in no other way. A whole one could
 *  have been chosen to hide nothing, also one that is compressed, as a whole or its numbers alone, into as few bytes. */
export function isShortForm(saved: Uint8Array, primes: number, most: number): boolean {
  const bytes = Buffer.from(saved.buffer, saved.byteOffset, saved.length);
  const words = primes * linearDegree;
  const isPlain = (at: number): boolean => bytes.subarray(at, at + savedHead.length).equals(savedHead);
  return bytes.length > countAt + 8 + 8 * words && bytes.length <= most && isPlain(0) && isPlain(numbersAt) && bytes.readBigUInt64LE(countAt) === BigInt(words);
}
