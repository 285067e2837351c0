// The host's part: 0/1 columns as lists of rows sorted by bin, sums of a query over them, the rest of hints and answers.
import { leadingBits } from "./crt";
import { constant, CRT, mulFixed, multipleOfP, N, prime, reduceOnce, UNSCALE_CRT } from "./ring";
import { binomial, encode, flood } from "./sample";

/** Sorts up to 4096 rows by bin: `list` gets 16 * row as u16 (a byte offset into a block of a query), `offsets` the bins + 1
 *  borders. Returns 0 if a bin is >= bins. */
export function sortByBin(binOf: i32, rows: i32, bins: i32, list: i32, offsets: i32): i32 {
  for (let b = 0; b <= bins; b++) store<u16>(offsets + 2 * b, 0);
  for (let i = 0; i < rows; i++) {
    const bin = <i32>load<u8>(binOf + i);
    if (bin >= bins) return 0;
    const at = offsets + 2 * bin + 2;
    store<u16>(at, load<u16>(at) + 1);
  }
  for (let b = 0; b < bins; b++) store<u16>(offsets + 2 * b + 2, load<u16>(offsets + 2 * b) + load<u16>(offsets + 2 * b + 2));
  for (let i = 0; i < rows; i++) {
    const at = offsets + 2 * <i32>load<u8>(binOf + i);
    const position = <i32>load<u16>(at);
    store<u16>(list + 2 * position, <u16>(i << 4));
    store<u16>(at, <u16>(position + 1));
  }
  for (let b = bins; b > 0; b--) store<u16>(offsets + 2 * b, load<u16>(offsets + 2 * b - 2));
  store<u16>(offsets, 0);
  return 1;
}

/** The 256 masks of `multiplyBitsInto` for the reversed column of the rows in `list`: row i > 0 stands at 4096 - i. */
export function bitMasks(list: i32, count: i32, masks: i32): void {
  memory.fill(masks, 0, 512);
  for (let end = list + 2 * count; list < end; list += 2) {
    const position = (N - (<i32>load<u16>(list) >> 4)) & (N - 1);
    const at = masks + 2 * (position & 255);
    store<u16>(at, load<u16>(at) | <u16>(<u32>1 << (position >> 8)));
  }
}

/** 13 bytes a coefficient to residues, `stride` bytes apart; returns 0 if one is >= p. Reads 3 bytes past the end. */
export function unpackBlock(packed: i32, block: i32, stride: i32): i32 {
  const p = multipleOfP(1);
  let bad = i32x4.splat(0);
  for (let i = 0; i < N; i++) {
    // Residue k begins at bit 26 k = 8 * (0, 3, 6, 9) + (0, 2, 4, 6): align the tops at bit 32, then drop 6.
    const x = v128.load(packed + 13 * i);
    const lanes = i8x16.shuffle(x, x, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    const residues = i32x4.shr_u(i32x4.mul(lanes, i32x4(64, 16, 4, 1)), 6);
    bad = v128.or(bad, i32x4.ge_u(residues, p));
    v128.store(block, residues);
    block += stride;
  }
  return v128.any_true(bad) ? 0 : 1;
}

/** Adds a block's residues to the cells of one feature. Cells stay < 32 p: 31 more fit into 63 p, then one reduction. */
export function gather(block: i32, list: i32, offsets: i32, bins: i32, cells: i32): void {
  const p32 = multipleOfP(32);
  let at = list;
  for (let b = 1; b <= bins; b++) {
    const end = list + 2 * <i32>load<u16>(offsets + 2 * b);
    let acc = v128.load(cells);
    while (at < end) {
      const stop = min(end, at + 62);
      let other = i32x4.splat(0);
      for (; at + 6 < stop; at += 8) {
        acc = i32x4.add(acc, i32x4.add(v128.load(block + <i32>load<u16>(at)), v128.load(block + <i32>load<u16>(at, 2))));
        other = i32x4.add(other, i32x4.add(v128.load(block + <i32>load<u16>(at, 4)), v128.load(block + <i32>load<u16>(at, 6))));
      }
      for (; at < stop; at += 2) acc = i32x4.add(acc, v128.load(block + <i32>load<u16>(at)));
      acc = reduceOnce(i32x4.add(acc, other), p32);
    }
    v128.store(cells, acc);
    cells += 16;
  }
}

/** The same for blocks of two queries, row by row side by side, into cells side by side: one look-up of a row serves both. */
export function gatherTwo(block: i32, list: i32, offsets: i32, bins: i32, cells: i32): void {
  const p32 = multipleOfP(32);
  let at = list;
  for (let b = 1; b <= bins; b++) {
    const end = list + 2 * <i32>load<u16>(offsets + 2 * b);
    let first = v128.load(cells), second = v128.load(cells, 16);
    while (at < end) {
      const stop = min(end, at + 62);
      let other = i32x4.splat(0), another = i32x4.splat(0);
      for (; at + 6 < stop; at += 8) {
        const w = block + (<i32>load<u16>(at) << 1), x = block + (<i32>load<u16>(at, 2) << 1);
        const y = block + (<i32>load<u16>(at, 4) << 1), z = block + (<i32>load<u16>(at, 6) << 1);
        first = i32x4.add(first, i32x4.add(v128.load(w), v128.load(x)));
        second = i32x4.add(second, i32x4.add(v128.load(w, 16), v128.load(x, 16)));
        other = i32x4.add(other, i32x4.add(v128.load(y), v128.load(z)));
        another = i32x4.add(another, i32x4.add(v128.load(y, 16), v128.load(z, 16)));
      }
      for (; at < stop; at += 2) {
        const row = block + (<i32>load<u16>(at) << 1);
        first = i32x4.add(first, v128.load(row));
        second = i32x4.add(second, v128.load(row, 16));
      }
      first = reduceOnce(i32x4.add(first, other), p32);
      second = reduceOnce(i32x4.add(second, another), p32);
    }
    v128.store(cells, first);
    v128.store(cells, second, 16);
    cells += 32;
  }
}

/** cells[c] (`stride` bytes apart) += <r_c, block> for ternary r_c, by the method of the four Russians: a table of the 243 sums of five coefficients,
 *  one look-up per cell and five trits. digits: for each tile of 8 tables, 8 bytes a cell. tables: 8 * 243 vectors. */
export function ternaryInto(cells: i32, stride: i32, digits: i32, count: i32, block: i32, tables: i32): void {
  const p = multipleOfP(1);
  const p32 = multipleOfP(32);
  for (let tile = 0; tile < 103; tile++) {
    for (let k = 0; k < 8; k++) buildTernaryTable(tables + k * 3888, block, (tile * 8 + k) * 5, p);
    for (let c = cells, end = cells + stride * count; c < end; c += stride) {
      const d = load<u64>(digits);
      const s0 = i32x4.add(entry(tables, d), entry(tables + 3888, d >> 8));
      const s1 = i32x4.add(entry(tables + 7776, d >> 16), entry(tables + 11664, d >> 24));
      const s2 = i32x4.add(entry(tables + 15552, d >> 32), entry(tables + 19440, d >> 40));
      const s3 = i32x4.add(entry(tables + 23328, d >> 48), entry(tables + 27216, d >> 56));
      v128.store(c, reduceOnce(i32x4.add(v128.load(c), i32x4.add(i32x4.add(s0, s1), i32x4.add(s2, s3))), p32));
      digits += 8;
    }
  }
}

// @ts-ignore: decorator
@inline function entry(table: i32, digits: u64): v128 {
  return v128.load(table + (<i32>(digits & 255) << 4));
}

/** table[v] = sum (digit_k(v) - 1) block[first + k] mod p, canonical; coefficients past the end count as 0. */
function buildTernaryTable(table: i32, block: i32, first: i32, p: v128): void {
  v128.store(table, i32x4.splat(0));
  for (let k = 0, size = 16; k < 5; k++, size *= 3) {
    const index = first + k;
    const b = index < N ? v128.load(block + 16 * index) : i32x4.splat(0);
    const minus = i32x4.sub(p, b);
    for (let i = table, end = table + size; i < end; i += 16) {
      const x = v128.load(i);
      v128.store(i + size, x);
      v128.store(i + 2 * size, reduceOnce(i32x4.add(x, b), p));
      v128.store(i, reduceOnce(i32x4.add(x, minus), p));
    }
  }
}

/** Ends a hint cell: adds z (6 random bytes a coefficient), to [0, q), rounds to 52 bits. poly < 2p from `inverse`.
 *  out: three planes of u16, then nibbles of coefficients k and k + 2048 in byte k. */
export function finishHint(poly: i32, noise: i32, out: i32): void {
  for (let i = 0; i < 2048; i++) {
    const a = hintCoefficient(poly + 16 * i, noise + 6 * i);
    const b = hintCoefficient(poly + 16 * (i + 2048), noise + 6 * (i + 2048));
    storePlanes(out + 2 * i, a);
    storePlanes(out + 2 * (i + 2048), b);
    store<u8>(out + 24576 + i, <u8>((a >> 48) | ((b >> 48) << 4)));
  }
}

// @ts-ignore: decorator
@inline function storePlanes(out: i32, x: u64): void {
  store<u16>(out, <u16>x);
  store<u16>(out + 8192, <u16>(x >> 16));
  store<u16>(out + 16384, <u16>(x >> 32));
}

// @ts-ignore: decorator
@inline function hintCoefficient(poly: i32, noise: i32): u64 {
  const p = multipleOfP(1);
  // poly still lacks the factor N^-1, so z enters as N z: |N z| < p.
  const x = i32x4.add(i32x4.add(v128.load(poly), p), i32x4.splat(binomial(noise) * N));
  return leadingBits(reduceOnce(mulFixed(x, constant(UNSCALE_CRT), constant(UNSCALE_CRT + 16), p), p), 52);
}

/** The residues (canonical) of the flood made of 64 random bytes: for the audit of the sampler. */
export function floodResidues(random: i32, out: i32): void {
  const p = multipleOfP(1);
  v128.store(out, reduceOnce(mulFixed(flood(random, p), constant(0), constant(16), p), p));
}

/** Ends an answer: cells (< 34 p, `stride` bytes apart) + flood + round(q R / t) to [0, q), rounded to 44 bits, as f64. random: 64 bytes
 *  a cell. added: one u64 R a cell (a mask, or noise), or 0 for none. */
export function finishAnswer(cells: i32, stride: i32, count: i32, random: i32, added: i32, qModT: u64, tBits: i32, out: i32): void {
  const p = multipleOfP(1);
  for (let c = 0; c < count; c++) {
    let x = i32x4.add(v128.load(cells), flood(random + 64 * c, p));
    if (added != 0) x = i32x4.add(x, encode(load<u64>(added + 8 * c), qModT, tBits, p));
    cells += stride;
    const y = reduceOnce(mulFixed(x, constant(CRT), constant(CRT + 16), p), p);
    store<f64>(out + 8 * c, <f64>leadingBits(y, 60));
  }
}

/** Residues to two arrays of i16 pairs for `codesInto`: rows 2i and 2i + 1 side by side, 13-bit limbs. */
export function splitPairs(block: i32, low: i32, high: i32): void {
  const mask = i32x4.splat(0x1fff);
  for (let i = 0; i < N / 2; i++) {
    const a = v128.load(block + 32 * i);
    const b = v128.load(block + 32 * i, 16);
    v128.store(low + 16 * i, v128.or(v128.and(a, mask), i32x4.shl(v128.and(b, mask), 16)));
    v128.store(high + 16 * i, v128.or(i32x4.shr_u(a, 13), i32x4.shl(i32x4.shr_u(b, 13), 16)));
  }
}

/** sums (4 i64, 32 bytes) += sum over a block's rows of code * residue. short: scratch of 8192 bytes.
 *  A dot of i16 pairs is at most 2 * 8191 * 128 < 2^21 in size: 512 of them fit an i32 lane. */
export function codesInto(sums: i32, codes: i32, low: i32, high: i32, short: i32): void {
  for (let i = 0; i < N; i += 8) v128.store(short + 2 * i, v128.load8x8_s(codes + i));
  let first = v128.load(sums);
  let second = v128.load(sums, 16);
  for (let part = 0; part < 4; part++) {
    let l = i32x4.splat(0);
    let h = i32x4.splat(0);
    for (let i = 0; i < 512; i++) {
      const x = v128.load32_splat(short);
      l = i32x4.add(l, i32x4.dot_i16x8_s(v128.load(low), x));
      h = i32x4.add(h, i32x4.dot_i16x8_s(v128.load(high), x));
      short += 4;
      low += 16;
      high += 16;
    }
    first = i64x2.add(first, i64x2.add(i64x2.extend_low_i32x4_s(l), i64x2.shl(i64x2.extend_low_i32x4_s(h), 13)));
    second = i64x2.add(second, i64x2.add(i64x2.extend_high_i32x4_s(l), i64x2.shl(i64x2.extend_high_i32x4_s(h), 13)));
  }
  v128.store(sums, first);
  v128.store(sums, second, 16);
}

/** Adds the signed sums of `codesInto` to the cells (+ < 2 p). */
export function foldCodes(sums: i32, cells: i32, count: i32): void {
  for (let c = 0; c < count; c++) {
    for (let lane = 0; lane < 4; lane++) {
      const p = <i64>prime(lane);
      const at = cells + 16 * c + 4 * lane;
      store<u32>(at, load<u32>(at) + <u32>(load<i64>(sums + 32 * c + 8 * lane) % p + p));
    }
  }
}
