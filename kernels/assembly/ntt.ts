// The negacyclic number-theoretic transform, two stages a pass (radix 4), on four primes at once.
// Butterflies after Harvey, "Faster arithmetic for number-theoretic transforms" (J. Symb. Comp. 2014): powers of psi are merged,
// and forward values are never reduced: each stage adds at most 2p, so an input < 2p ends < 26 p < 2^32.
import { bitTable, constant, forwardTable, inverseTable, mulFixed, multipleOfP, N, reduceOnce, TWO_32, ONE } from "./ring";

/** Two forward stages: m groups, then 2m, on elements h apart. */
// @ts-ignore: decorator
@inline function forwardPass(poly: i32, m: i32): void {
  const p = multipleOfP(1);
  const p2 = multipleOfP(2);
  const step = (N / 4 / m) << 4;
  for (let i = 0; i < m; i++) {
    const t1 = forwardTable + ((m + i) << 5);
    const t2 = forwardTable + ((m + i) << 6);
    const w1 = v128.load(t1), q1 = v128.load(t1, 16);
    const w2 = v128.load(t2), q2 = v128.load(t2, 16);
    const w3 = v128.load(t2, 32), q3 = v128.load(t2, 48);
    const begin = poly + i * 4 * step;
    for (let a = begin; a < begin + step; a += 16) {
      const b = a + step, c = b + step, d = c + step;
      const x0 = v128.load(a), x1 = v128.load(b);
      const y2 = mulFixed(v128.load(c), w1, q1, p), y3 = mulFixed(v128.load(d), w1, q1, p);
      const s0 = i32x4.add(x0, y2), s1 = i32x4.add(x1, y3);
      const s2 = i32x4.add(i32x4.sub(x0, y2), p2), s3 = i32x4.add(i32x4.sub(x1, y3), p2);
      const z1 = mulFixed(s1, w2, q2, p), z3 = mulFixed(s3, w3, q3, p);
      v128.store(a, i32x4.add(s0, z1));
      v128.store(b, i32x4.add(i32x4.sub(s0, z1), p2));
      v128.store(c, i32x4.add(s2, z3));
      v128.store(d, i32x4.add(i32x4.sub(s2, z3), p2));
    }
  }
}

/** In place; input < 2p, output < 26 p, in bit-reversed order. */
export function forward(poly: i32): void {
  forwardPass(poly, 1);
  forwardPass(poly, 4);
  forwardPass(poly, 16);
  forwardPass(poly, 64);
  forwardPass(poly, 256);
  forwardPass(poly, 1024);
}

/** acc (u64 pairs, 32 bytes a coefficient) += a * b for a coefficient: a any u32, b < p. */
// @ts-ignore: decorator
@inline function addProduct(acc: i32, a: v128, b: v128): void {
  v128.store(acc, i64x2.add(v128.load(acc), i64x2.extmul_low_i32x4_u(a, b)));
  v128.store(acc, i64x2.add(v128.load(acc, 16), i64x2.extmul_high_i32x4_u(a, b)), 16);
}

/** The last forward pass, its outputs multiplied by `times` (transform domain, < p) and added to `acc`. */
function lastPassInto(acc: i32, poly: i32, times: i32): void {
  const p = multipleOfP(1);
  const p2 = multipleOfP(2);
  let t1 = forwardTable + (1024 << 5);
  let t2 = forwardTable + (1024 << 6);
  for (let i = 0; i < 1024; i++) {
    const w1 = v128.load(t1), q1 = v128.load(t1, 16);
    const x0 = v128.load(poly), x1 = v128.load(poly, 16);
    const y2 = mulFixed(v128.load(poly, 32), w1, q1, p), y3 = mulFixed(v128.load(poly, 48), w1, q1, p);
    const s0 = i32x4.add(x0, y2), s1 = i32x4.add(x1, y3);
    const s2 = i32x4.add(i32x4.sub(x0, y2), p2), s3 = i32x4.add(i32x4.sub(x1, y3), p2);
    const z1 = mulFixed(s1, v128.load(t2), v128.load(t2, 16), p);
    const z3 = mulFixed(s3, v128.load(t2, 32), v128.load(t2, 48), p);
    addProduct(acc, i32x4.add(s0, z1), v128.load(times));
    addProduct(acc + 32, i32x4.add(i32x4.sub(s0, z1), p2), v128.load(times, 16));
    addProduct(acc + 64, i32x4.add(s2, z3), v128.load(times, 32));
    addProduct(acc + 96, i32x4.add(i32x4.sub(s2, z3), p2), v128.load(times, 48));
    poly += 64;
    times += 64;
    acc += 128;
    t1 += 32;
    t2 += 64;
  }
}

/** acc += transform(poly) * times. Destroys poly (< 2p on entry). A product is < 2^58: at most 63 calls on a reduced acc. */
export function multiplyInto(acc: i32, poly: i32, times: i32): void {
  forwardPass(poly, 1);
  forwardPass(poly, 4);
  forwardPass(poly, 16);
  forwardPass(poly, 64);
  forwardPass(poly, 256);
  lastPassInto(acc, poly, times);
}

/** The same for the reversed 0/1 column D_0 - sum D_i x^(N-i) given as 256 masks of 16 bits: bit k of mask g is the
 *  coefficient 256 k + g. The first four stages are table look-ups; the rest grows to < 4p + 16 p. */
export function multiplyBitsInto(acc: i32, masks: i32, scratch: i32, times: i32): void {
  const first = load<u16>(masks);
  // Two coefficients at a time and k inside: outputs k lie 4096 bytes apart, in one set of the cache.
  for (let g = 0; g < 256; g += 2) {
    const m = load<u32>(masks + 2 * g);
    const a = bitTable + <i32>((m & 15) << 8), b = bitTable + 4096 + <i32>((m & 0xf0) << 4);
    const c = bitTable + 8192 + <i32>(m & 0xf00), d = bitTable + 12288 + <i32>((m & 0xf000) >> 4);
    const n = m >> 16;
    const e = bitTable + <i32>((n & 15) << 8), f = bitTable + 4096 + <i32>((n & 0xf0) << 4);
    const h = bitTable + 8192 + <i32>(n & 0xf00), i = bitTable + 12288 + <i32>((n & 0xf000) >> 4);
    const out = scratch + 16 * g;
    for (let k = 0; k < 256; k += 16) {
      const at = out + (k << 8);
      v128.store(at, i32x4.add(i32x4.add(v128.load(a + k), v128.load(b + k)), i32x4.add(v128.load(c + k), v128.load(d + k))));
      v128.store(at, i32x4.add(i32x4.add(v128.load(e + k), v128.load(f + k)), i32x4.add(v128.load(h + k), v128.load(i + k))), 16);
    }
  }
  // Row 0 keeps its sign in the reversed column; the tables hold minus. Its first stages only copy it: add 2 to the 16 outputs.
  const fix = i32x4.splat((first & 1) << 1);
  for (let k = 0; k < 16; k++) v128.store(scratch + (k << 12), i32x4.add(v128.load(scratch + (k << 12)), fix));
  forwardPass(scratch, 16);
  forwardPass(scratch, 64);
  forwardPass(scratch, 256);
  lastPassInto(acc, scratch, times);
}

/** acc += a * b for whole transformed polynomials; a any u32, b < p. */
export function pointwiseInto(acc: i32, a: i32, b: i32): void {
  for (let i = 0; i < N; i++) addProduct(acc + 32 * i, v128.load(a + 16 * i), v128.load(b + 16 * i));
}

/** A u64 pair of accumulators to residues < 2p. */
// @ts-ignore: decorator
@inline function foldPair(low: v128, high: v128, p: v128): v128 {
  const bottom = i8x16.shuffle(low, high, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  const top = i8x16.shuffle(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  const a = mulFixed(bottom, constant(ONE), constant(ONE + 16), p);
  const b = mulFixed(top, constant(TWO_32), constant(TWO_32 + 16), p);
  return reduceOnce(i32x4.add(a, b), multipleOfP(2));
}

/** Reduces acc into poly (< 2p) and clears nothing. */
export function foldTo(poly: i32, acc: i32): void {
  const p = multipleOfP(1);
  for (let i = 0; i < N; i++) v128.store(poly + 16 * i, foldPair(v128.load(acc + 32 * i), v128.load(acc + 32 * i, 16), p));
}

/** Reduces acc in place, so that more products fit. */
export function foldInPlace(acc: i32): void {
  const p = multipleOfP(1);
  const zero = i64x2.splat(0);
  for (let end = acc + 32 * N; acc < end; acc += 32) {
    const x = foldPair(v128.load(acc), v128.load(acc, 16), p);
    v128.store(acc, i8x16.shuffle(x, zero, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
    v128.store(acc, i8x16.shuffle(x, zero, 8, 9, 10, 11, 16, 17, 18, 19, 12, 13, 14, 15, 20, 21, 22, 23), 16);
  }
}

/** Two inverse stages: 2m groups, then m. Input and output < 2p. */
// @ts-ignore: decorator
@inline function inversePass(poly: i32, m: i32): void {
  const p = multipleOfP(1);
  const p2 = multipleOfP(2);
  const p4 = multipleOfP(4);
  const step = (N / 4 / m) << 4;
  for (let i = 0; i < m; i++) {
    const t1 = inverseTable + ((m + i) << 5);
    const t2 = inverseTable + ((m + i) << 6);
    const w1 = v128.load(t1), q1 = v128.load(t1, 16);
    const w2 = v128.load(t2), q2 = v128.load(t2, 16);
    const w3 = v128.load(t2, 32), q3 = v128.load(t2, 48);
    const begin = poly + i * 4 * step;
    for (let a = begin; a < begin + step; a += 16) {
      const b = a + step, c = b + step, d = c + step;
      const x0 = v128.load(a), x1 = v128.load(b), x2 = v128.load(c), x3 = v128.load(d);
      const s0 = i32x4.add(x0, x1), s2 = i32x4.add(x2, x3);
      const d0 = mulFixed(i32x4.add(i32x4.sub(x0, x1), p2), w2, q2, p);
      const d2 = mulFixed(i32x4.add(i32x4.sub(x2, x3), p2), w3, q3, p);
      v128.store(a, reduceOnce(reduceOnce(i32x4.add(s0, s2), p4), p2));
      v128.store(b, reduceOnce(i32x4.add(d0, d2), p2));
      v128.store(c, mulFixed(i32x4.add(i32x4.sub(s0, s2), p4), w1, q1, p));
      v128.store(d, mulFixed(i32x4.add(i32x4.sub(d0, d2), p2), w1, q1, p));
    }
  }
}

/** In place, without the factor N^-1 (UNSCALE ends it). Input and output < 2p. */
export function inverse(poly: i32): void {
  inversePass(poly, 1024);
  inversePass(poly, 256);
  inversePass(poly, 64);
  inversePass(poly, 16);
  inversePass(poly, 4);
  inversePass(poly, 1);
}
