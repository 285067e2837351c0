// The querier's part: blocks of an encrypted column, and the inner product of a secret with a hint.
import { constant, mulFixed, multipleOfP, N, reduceOnce, UNSCALE } from "./ring";
import { binomial, encode } from "./sample";

/** Ends a block a s + e + round(q v / t). poly: a s from `inverse` (< 2p); noise: 6 random bytes a coefficient; values: `count`
 *  i32 (the rest is padding with 0). out: 13 bytes a coefficient; writes 3 bytes past the end. */
export function finishBlock(poly: i32, noise: i32, values: i32, count: i32, qModT: u64, tBits: i32, out: i32): void {
  const p = multipleOfP(1);
  const p2 = multipleOfP(2), p4 = multipleOfP(4), p8 = multipleOfP(8);
  for (let i = 0; i < N; i++) {
    let x = mulFixed(v128.load(poly + 16 * i), constant(UNSCALE), constant(UNSCALE + 16), p);
    x = i32x4.add(x, i32x4.add(p, i32x4.splat(binomial(noise + 6 * i))));
    const value = i < count ? <i64>load<i32>(values + 4 * i) : 0;
    x = i32x4.add(x, encode(<u64>value, qModT, tBits, p));
    const y = reduceOnce(reduceOnce(reduceOnce(reduceOnce(x, p8), p4), p2), p);
    const c = <u64><u32>i32x4.extract_lane(y, 2);
    store<u64>(out + 13 * i, <u64><u32>i32x4.extract_lane(y, 0) | (<u64><u32>i32x4.extract_lane(y, 1) << 26) | (c << 52));
    store<u64>(out + 13 * i + 8, (c >> 12) | (<u64><u32>i32x4.extract_lane(y, 3) << 14));
  }
}

/** Inner products of the four planes of a hint cell with the secret's i16 coefficients: four i64 at `out` (16-bit words biased by
 *  -2^15, the caller adds 2^15 times the sum of the secret). A lane sums 512 dots of at most 2^16: no overflow. */
export function hintDot(cell: i32, secret: i32, out: i32): void {
  const bias = i16x8.splat(-32768);
  for (let plane = 0; plane < 3; plane++) {
    let sum = i32x4.splat(0);
    for (let i = 0; i < 8192; i += 16) sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.xor(v128.load(cell + i), bias), v128.load(secret + i)));
    store<i64>(out + 8 * plane, laneSum(sum));
    cell += 8192;
  }
  const mask = i8x16.splat(15);
  let sum = i32x4.splat(0);
  for (let i = 0; i < 2048; i += 16) {
    const x = v128.load(cell + i);
    const low = v128.and(x, mask), high = i8x16.shr_u(x, 4);
    const s = secret + 2 * i;
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(low), v128.load(s)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(low), v128.load(s, 16)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(high), v128.load(s, 4096)));
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(high), v128.load(s, 4112)));
  }
  store<i64>(out + 24, laneSum(sum));
}

// @ts-ignore: decorator
@inline function laneSum(x: v128): i64 {
  return <i64>i32x4.extract_lane(x, 0) + <i64>i32x4.extract_lane(x, 1) + <i64>i32x4.extract_lane(x, 2) + <i64>i32x4.extract_lane(x, 3);
}
