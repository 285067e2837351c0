// The querier's part: blocks of an encrypted column, and opening: inner products of secrets with a hint, and sums from them.
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

/** Bytes of a prepared secret: `expandTernaryShort`, padded. */
const SECRET_BYTES: i32 = 8192 + 16;
const CELL_BYTES: i32 = 26624;

/** (H s)_0 of `count` hint cells with every secret, over the rounded coefficients, exact: an i128 each at `out`, secret by secret. */
export function hintDots(cells: i32, count: i32, secrets: i32, secretCount: i32, out: i32): void {
  for (let c = 0; c < count; c++) {
    // Two secrets a pass: cell and both stay in the first-level cache. An odd last one is done twice.
    for (let k = 0; k < secretCount; k += 2) {
      const next = min(k + 1, secretCount - 1);
      dotTwo(cells, secrets + k * SECRET_BYTES, secrets + next * SECRET_BYTES, out + 16 * (k * count + c), out + 16 * (next * count + c));
    }
    cells += CELL_BYTES;
  }
}

/** The planes of a cell are u16 words; they are biased by -2^15 to be i16, and the secret's sum brings it back.
 *  A lane sums 512 dots of at most 2^16: no overflow. */
function dotTwo(cell: i32, secretA: i32, secretB: i32, outA: i32, outB: i32): void {
  const bias = i16x8.splat(-32768);
  const backA = load<i64>(secretA + 8192), backB = load<i64>(secretB + 8192);
  let lowA: i64 = 0, lowB: i64 = 0, highA: i64 = 0, highB: i64 = 0;
  for (let plane = 0; plane < 3; plane++) {
    let a = i32x4.splat(0), b = i32x4.splat(0);
    for (let i = 0; i < 8192; i += 16) {
      const x = v128.xor(v128.load(cell + i), bias);
      a = i32x4.add(a, i32x4.dot_i16x8_s(x, v128.load(secretA + i)));
      b = i32x4.add(b, i32x4.dot_i16x8_s(x, v128.load(secretB + i)));
    }
    if (plane < 2) {
      lowA += (laneSum(a) + backA) << (16 * plane);
      lowB += (laneSum(b) + backB) << (16 * plane);
    } else {
      highA = laneSum(a) + backA;
      highB = laneSum(b) + backB;
    }
    cell += 8192;
  }
  const mask = i8x16.splat(15);
  let a = i32x4.splat(0), b = i32x4.splat(0);
  for (let i = 0; i < 2048; i += 16) {
    const x = v128.load(cell + i);
    const low = v128.and(x, mask), high = i8x16.shr_u(x, 4);
    const w0 = i16x8.extend_low_i8x16_u(low), w1 = i16x8.extend_high_i8x16_u(low);
    const w2 = i16x8.extend_low_i8x16_u(high), w3 = i16x8.extend_high_i8x16_u(high);
    const sa = secretA + 2 * i, sb = secretB + 2 * i;
    a = i32x4.add(a, i32x4.add(i32x4.dot_i16x8_s(w0, v128.load(sa)), i32x4.dot_i16x8_s(w1, v128.load(sa, 16))));
    a = i32x4.add(a, i32x4.add(i32x4.dot_i16x8_s(w2, v128.load(sa, 4096)), i32x4.dot_i16x8_s(w3, v128.load(sa, 4112))));
    b = i32x4.add(b, i32x4.add(i32x4.dot_i16x8_s(w0, v128.load(sb)), i32x4.dot_i16x8_s(w1, v128.load(sb, 16))));
    b = i32x4.add(b, i32x4.add(i32x4.dot_i16x8_s(w2, v128.load(sb, 4096)), i32x4.dot_i16x8_s(w3, v128.load(sb, 4112))));
  }
  storeWide(outA, lowA, highA + (laneSum(a) << 16));
  storeWide(outB, lowB, highB + (laneSum(b) << 16));
}

/** low + 2^32 high as i128: |low| < 2^45, |high| < 2^33. */
// @ts-ignore: decorator
@inline function storeWide(out: i32, low: i64, high: i64): void {
  const bottom = <u64>low + (<u64>high << 32);
  store<u64>(out, bottom);
  store<i64>(out + 8, (low >> 63) + (high >> 32) + <i64>(bottom < <u64>low));
}

// @ts-ignore: decorator
@inline function laneSum(x: v128): i64 {
  return <i64>i32x4.extract_lane(x, 0) + <i64>i32x4.extract_lane(x, 1) + <i64>i32x4.extract_lane(x, 2) + <i64>i32x4.extract_lane(x, 3);
}

// round(2^180 / q) in two limbs.
const RECIPROCAL_HIGH: u64 = 0x1015;
const RECIPROCAL_LOW: u64 = 0x122103f923b6c6e2;

/** Opens cells: round(t (y - H s) / q) mod t, y = 2^60 answer, H s = 2^52 product. answers: f64 integers below 2^44; products: i128.
 *  With largest >= 0 the results are signed, and the first cell whose size is above it is returned (or -1). With largest < 0 they are
 *  left in [0, t). v = (y - H s) / 2^52 is below 2^65, so v 2^52 / q mod 1 in 64 bits is off by less than 2^-62: nothing beside the
 *  quarter of 1/2t that honest answers leave (kernels/README.md, "Why decoding cannot fail"). */
export function decodeSums(products: i32, answers: i32, count: i32, tBits: i32, largest: f64, out: i32): i32 {
  const shift = <u64>(64 - tBits);
  const most = largest < 0 ? i64.MAX_VALUE : <i64>largest;
  let bad = -1;
  for (let c = 0; c < count; c++) {
    const y = <u64>load<f64>(answers + 8 * c) << 8;
    const low = load<u64>(products + 16 * c);
    const v0 = y - low;
    const v1 = <u64>0 - load<u64>(products + 16 * c, 8) - <u64>(y < low);
    const fraction = highWord(v0, RECIPROCAL_LOW) + v1 * RECIPROCAL_LOW + v0 * RECIPROCAL_HIGH;
    const rounded = fraction + (<u64>1 << (shift - 1));
    const x = largest < 0 ? <i64>(rounded >> shift) : <i64>rounded >> shift;
    store<i64>(out + 8 * c, x);
    if (bad < 0 && (x > most || -x > most)) bad = c;
  }
  return bad;
}

/** The upper 64 bits of a product. */
// @ts-ignore: decorator
@inline function highWord(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const middle = a1 * b0 + ((a0 * b0) >> 32);
  const other = a0 * b1 + (middle & 0xffffffff);
  return a1 * b1 + (middle >> 32) + (other >> 32);
}
