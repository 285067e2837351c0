// From four residues to the leading bits of the integer in [0, q), exactly, in limbs of 26 bits.

const MASK26: u64 = 0x3ffffff;
const MASK52: u64 = 0xfffffffffffff;
// q = Q_HIGH 2^52 + Q_LOW.
const Q_HIGH: u64 = 0xfeb097a4c1b0b;
const Q_LOW: u64 = 0x930097bfac001;

/** round(x / 2^drop) for drop 52 or 60, x in [0, q) given by y_k = x (q/p_k)^-1 mod p_k, canonical:
 *  x = sum y_k q/p_k - (0..3) q. */
// @ts-ignore: decorator
@inline export function leadingBits(y: v128, drop: i32): u64 {
  const a = <u64><u32>i32x4.extract_lane(y, 0);
  const b = <u64><u32>i32x4.extract_lane(y, 1);
  const c = <u64><u32>i32x4.extract_lane(y, 2);
  const d = <u64><u32>i32x4.extract_lane(y, 3);
  const s0 = a * 66904065 + b * 66879489 + c * 66830337 + d * 66789377;
  const s1 = a * 63946932 + b * 63307989 + c * 60703053 + d * 50872808;
  const s2 = a * 66904244 + b * 66879701 + c * 66830669 + d * 66789864;
  let low = s0 + ((s1 & MASK26) << 26);
  let high = s2 + (s1 >> 26) + (low >> 52);
  low &= MASK52;
  for (let twice = 1; twice >= 0; twice--) {
    const qLow = (Q_LOW << twice) & MASK52;
    const qHigh = (Q_HIGH << twice) + ((Q_LOW << twice) >> 52);
    const nextLow = low - qLow;
    const nextHigh = high - qHigh - (nextLow >> 63);
    const below = nextHigh >> 63;
    low = select<u64>(low, nextLow & MASK52, below != 0);
    high = select<u64>(high, nextHigh, below != 0);
  }
  return drop == 52 ? high + (low >> 51) : (high + 128) >> 8;
}
