// Secrets and noise from uniform random bytes, in integers only and without branches on secret values.
import { constant, ENCODE_BIAS, ENCODE_HIGH, ENCODE_LOW, MINUS_TWO_64, mulFixed, multipleOfP, N, ONE, TWO_31, TWO_62 } from "./ring";

/** Centred binomial of 21 coin pairs (variance 10.5) from 6 uniform bytes. */
// @ts-ignore: decorator
@inline export function binomial(at: i32): i32 {
  const x = load<u64>(at);
  return <i32>popcnt<u64>(x & 0x1fffff) - <i32>popcnt<u64>((x >> 21) & 0x1fffff);
}

/** Trit `i` of 820 bytes that hold five base-3 digits each: -1, 0 or 1. */
// @ts-ignore: decorator
@inline function trit(digits: i32, i: i32): i32 {
  const power = i % 5;
  const scale = power == 0 ? 1 : power == 1 ? 3 : power == 2 ? 9 : power == 3 ? 27 : 81;
  return (<i32>load<u8>(digits + i / 5) / scale) % 3 - 1;
}

/** A ternary polynomial as residues (< p). */
export function expandTernary(digits: i32, poly: i32): void {
  const p = multipleOfP(1);
  for (let i = 0; i < N; i++) {
    const x = i32x4.splat(trit(digits, i));
    v128.store(poly + 16 * i, i32x4.add(x, v128.and(p, i32x4.shr_s(x, 31))));
  }
}

/** The reversed polynomial u_0 - sum u_i x^(N-i) of a ternary one, as residues. */
export function expandTernaryReversed(digits: i32, poly: i32): void {
  const p = multipleOfP(1);
  for (let i = 0; i < N; i++) {
    const x = i32x4.splat(i == 0 ? trit(digits, 0) : -trit(digits, N - i));
    v128.store(poly + 16 * i, i32x4.add(x, v128.and(p, i32x4.shr_s(x, 31))));
  }
}

/** The reversed ternary polynomial as i16, then 2^15 times the sum of its coefficients as i64, for `hintDots`. */
export function expandTernaryShort(digits: i32, out: i32): void {
  let sum = 0;
  for (let i = 0; i < N; i++) {
    const x = i == 0 ? trit(digits, 0) : -trit(digits, N - i);
    store<i16>(out + 2 * i, <i16>x);
    sum += x;
  }
  store<i64>(out + 2 * N, <i64>sum << 15);
}

/** The reversed polynomial of signed 8-bit codes, as residues < 2p. */
export function expandCodesReversed(codes: i32, poly: i32): void {
  const p = multipleOfP(1);
  v128.store(poly, i32x4.add(p, i32x4.splat(load<i8>(codes))));
  for (let i = 1; i < N; i++) v128.store(poly + 16 * i, i32x4.sub(p, i32x4.splat(load<i8>(codes + N - i))));
}

/** round(q m / t) mod p (< 5 p) for t = 2^tBits set by `setModulus`. u = (q m + t/2) mod t gives round(q m / t) = (q m + t/2 - u) / t,
 *  and q = 0 mod p: the residue is (t/2 - u) / t. */
// @ts-ignore: decorator
@inline export function encode(m: u64, qModT: u64, tBits: i32, p: v128): v128 {
  const u = (qModT * m + (<u64>1 << (tBits - 1))) & ((<u64>1 << tBits) - 1);
  const low = mulFixed(i32x4.splat(<i32>(u & 0x7ffff)), constant(ENCODE_LOW), constant(ENCODE_LOW + 16), p);
  const high = mulFixed(i32x4.splat(<i32>(u >> 19)), constant(ENCODE_HIGH), constant(ENCODE_HIGH + 16), p);
  return i32x4.add(i32x4.add(low, high), constant(ENCODE_BIAS));
}

/** The flood U_1 + ... + U_8 - 2^64, U_i uniform 62-bit integers from 64 random bytes, mod p (< 7 p). */
// @ts-ignore: decorator
@inline export function flood(at: i32, p: v128): v128 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i = 0; i < 8; i++) {
    const u = load<u64>(at + 8 * i);
    low += u & 0x7fffffff;
    high += (u >> 31) & 0x7fffffff;
  }
  high += low >> 31;
  const a = mulFixed(i32x4.splat(<i32>(low & 0x7fffffff)), constant(ONE), constant(ONE + 16), p);
  const b = mulFixed(i32x4.splat(<i32>(high & 0x7fffffff)), constant(TWO_31), constant(TWO_31 + 16), p);
  const c = mulFixed(i32x4.splat(<i32>(high >> 31)), constant(TWO_62), constant(TWO_62 + 16), p);
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, constant(MINUS_TWO_64)));
}
