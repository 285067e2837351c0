// The ring Z_q[x]/(x^4096 + 1), q = p0 p1 p2 p3: a coefficient is one v128 of four u32 residues, one lane per prime.
// Primes have 26 bits, so 64 p < 2^32: sums may grow to 63 p before they must be reduced. Bounds are noted as "< k p".

export const N: i32 = 4096;
export const COEF_BYTES: i32 = 16;
export const POLY_BYTES: i32 = 65536;

export const P0: u64 = 66969601;
export const P1: u64 = 66994177;
export const P2: u64 = 67043329;
export const P3: u64 = 67084289;
// Primitive 8192-th roots of unity (smallest-base powers (p-1)/8192 that have order 8192).
const PSI0: u64 = 46422139;
const PSI1: u64 = 41178354;
const PSI2: u64 = 54277638;
const PSI3: u64 = 14362246;

/** Addresses of the tables in memory, set by `init`. */
export let forwardTable: i32 = 0;
export let inverseTable: i32 = 0;
export let bitTable: i32 = 0;
/** Constants that are v128 or Shoup pairs: see `constant`. */
export let constants: i32 = 0;

/** The vector (p0, p1, p2, p3) times k. */
// @ts-ignore: decorator
@inline export function multipleOfP(k: u32): v128 {
  return i32x4.mul(i32x4(66969601, 66994177, 67043329, 67084289), i32x4.splat(k));
}

// @ts-ignore: decorator
@inline export function prime(lane: i32): u64 {
  return lane == 0 ? P0 : lane == 1 ? P1 : lane == 2 ? P2 : P3;
}

/** y w mod p for a fixed w with its companion wq = floor(w 2^32 / p) (Shoup). Any u32 y; the result is < 2p. */
// @ts-ignore: decorator
@inline export function mulFixed(y: v128, w: v128, wq: v128, p: v128): v128 {
  const low = i64x2.extmul_low_i32x4_u(y, wq), high = i64x2.extmul_high_i32x4_u(y, wq);
  const quotient = i8x16.shuffle(low, high, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  return i32x4.sub(i32x4.mul(y, w), i32x4.mul(quotient, p));
}

/** x < 2 m to x < m: the wrapped difference is huge when x < m, so the smaller one is right. */
// @ts-ignore: decorator
@inline export function reduceOnce(x: v128, m: v128): v128 {
  return i32x4.min_u(x, i32x4.sub(x, m));
}

// Offsets of the constants (each a pair: value, then its Shoup companion, 32 bytes).
export const ONE: i32 = 0;
export const TWO_32: i32 = 32;
/** N^-1: ends an inverse transform. */
export const UNSCALE: i32 = 64;
/** N^-1 (q/p_k)^-1: ends an inverse transform and begins the CRT. */
export const UNSCALE_CRT: i32 = 96;
/** (q/p_k)^-1. */
export const CRT: i32 = 128;
export const TWO_31: i32 = 160;
export const TWO_62: i32 = 192;
export const MINUS_TWO_64: i32 = 224;
/** Encoding of integers modulo t, set by `setModulus`: -t^-1, -2^19 t^-1, 2^-1. */
export const ENCODE_LOW: i32 = 256;
export const ENCODE_HIGH: i32 = 288;
export const ENCODE_BIAS: i32 = 320;
const CONSTANT_BYTES: i32 = 352;
const BIT_TABLE_BYTES: i32 = 4 * 16 * 16 * 16;

// @ts-ignore: decorator
@inline export function constant(offset: i32): v128 {
  return v128.load(constants + offset);
}

export function power(base: u64, exponent: u64, p: u64): u64 {
  let result: u64 = 1;
  let square = base % p;
  while (exponent) {
    if (exponent & 1) result = (result * square) % p;
    square = (square * square) % p;
    exponent >>= 1;
  }
  return result;
}

export function invert(x: u64, p: u64): u64 {
  return power(x, p - 2, p);
}

/** Stores w mod p and its Shoup companion in one lane of a pair at `at`. */
export function storePair(at: i32, lane: i32, w: u64, p: u64): void {
  store<u32>(at + 4 * lane, <u32>w);
  store<u32>(at + 16 + 4 * lane, <u32>((w << 32) / p));
}

function reverseBits12(i: i32): i32 {
  let r = 0;
  for (let k = 0; k < 12; k++) r |= ((i >> k) & 1) << (11 - k);
  return r;
}

/** Bytes that `init` needs. */
export function tableBytes(): i32 {
  return 2 * 2 * POLY_BYTES + BIT_TABLE_BYTES + CONSTANT_BYTES;
}

/** Builds all tables at `at` (16-byte aligned, `tableBytes` long). */
export function init(at: i32): void {
  forwardTable = at;
  inverseTable = at + 2 * POLY_BYTES;
  bitTable = inverseTable + 2 * POLY_BYTES;
  constants = bitTable + BIT_TABLE_BYTES;
  for (let lane = 0; lane < 4; lane++) {
    const p = prime(lane);
    const psi = lane == 0 ? PSI0 : lane == 1 ? PSI1 : lane == 2 ? PSI2 : PSI3;
    const inverse = invert(psi, p);
    let forward: u64 = 1;
    let backward: u64 = 1;
    for (let i = 0; i < N; i++) {
      const r = reverseBits12(i) * 32;
      storePair(forwardTable + r, lane, forward, p);
      storePair(inverseTable + r, lane, backward, p);
      forward = (forward * psi) % p;
      backward = (backward * inverse) % p;
    }
    const unscale = invert(<u64>N, p);
    const crt = invert(cofactor(lane, p), p);
    storePair(constants + ONE, lane, 1, p);
    storePair(constants + TWO_32, lane, (<u64>1 << 32) % p, p);
    storePair(constants + UNSCALE, lane, unscale, p);
    storePair(constants + UNSCALE_CRT, lane, (unscale * crt) % p, p);
    storePair(constants + CRT, lane, crt, p);
    storePair(constants + TWO_31, lane, (<u64>1 << 31) % p, p);
    storePair(constants + TWO_62, lane, (<u64>1 << 62) % p, p);
    storePair(constants + MINUS_TWO_64, lane, p - power(2, 64, p), p);
  }
  for (let quarter = 0; quarter < 4; quarter++) {
    for (let lane = 0; lane < 4; lane++) buildBitTable(quarter, lane);
  }
}

/** q / p_lane mod p. */
function cofactor(lane: i32, p: u64): u64 {
  let product: u64 = 1;
  for (let other = 0; other < 4; other++) if (other != lane) product = (product * (prime(other) % p)) % p;
  return product;
}

/** Constants of the encoding for t = 2^tBits. */
export function setModulus(tBits: i32): void {
  for (let lane = 0; lane < 4; lane++) {
    const p = prime(lane);
    const inverse = invert(power(2, <u64>tBits, p), p);
    storePair(constants + ENCODE_LOW, lane, p - inverse, p);
    storePair(constants + ENCODE_HIGH, lane, p - (inverse * (1 << 19)) % p, p);
    storePair(constants + ENCODE_BIAS, lane, (p + 1) / 2, p);
  }
}

/** The first four stages of the forward transform applied to minus the unit vectors 256 k: rows of `bitTable`.
 *  bitTable[quarter][bits][output] = - sum over the set bits b of stage4(e_{4 quarter + b})[output], one lane. */
function buildBitTable(quarter: i32, lane: i32): void {
  const p = prime(lane);
  for (let bits = 0; bits < 16; bits++) {
    const at = bitTable + ((quarter * 16 + bits) << 8) + 4 * lane;
    for (let k = 0; k < 16; k++) store<u32>(at + 16 * k, 0);
    for (let b = 0; b < 4; b++) if ((bits >> b) & 1) store<u32>(at + 16 * (4 * quarter + b), <u32>(p - 1));
    for (let m = 1; m < 16; m <<= 1) {
      const t = 8 / m;
      for (let i = 0; i < m; i++) {
        const w = <u64>load<u32>(forwardTable + 32 * (m + i) + 4 * lane);
        for (let j = 2 * i * t; j < 2 * i * t + t; j++) {
          const u = <u64>load<u32>(at + 16 * j);
          const v = (<u64>load<u32>(at + 16 * (j + t)) * w) % p;
          store<u32>(at + 16 * j, <u32>((u + v) % p));
          store<u32>(at + 16 * (j + t), <u32>((u + p - v) % p));
        }
      }
    }
  }
}
