// Statistical checks of bytes that ought to be uniform. Their limits are passed by a right program but for a chance below 2^-40.

/** Standard deviations by which the chi-square statistic of byte counts is off its mean. Use thousands of bytes. */
export function byteDeviation(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1;
  const expected = bytes.length / 256;
  const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return (chiSquare - 255) / Math.sqrt(2 * 255);
}

/** Standard deviations by which the number of ones is off one half. */
export function bitDeviation(bytes: Uint8Array): number {
  const ones = bytes.reduce((sum, byte) => sum + popcount(byte), 0);
  return (ones - 4 * bytes.length) / Math.sqrt(2 * bytes.length);
}

export function popcount(byte: number): number {
  let ones = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) ones++;
  return ones;
}
