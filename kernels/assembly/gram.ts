// Exact X^T X of signed 8-bit columns.

/** Widens `count` codes (a multiple of 8) to i16. */
export function widenCodes(codes: i32, count: i32, out: i32): void {
  for (let i = 0; i < count; i += 8) v128.store(out + 2 * i, v128.load8x8_s(codes + i));
}

// @ts-ignore: decorator
@inline function addTotal(at: i32, x: v128): void {
  const sum = i32x4.extract_lane(x, 0) + i32x4.extract_lane(x, 1) + i32x4.extract_lane(x, 2) + i32x4.extract_lane(x, 3);
  store<f64>(at, load<f64>(at) + <f64>sum);
}

/** totals (f64, d x d) += the products of columns i0..i0+3 with j0, j0+1 over `rows` rows (a multiple of 8, at most 4096).
 *  columns: i16, `stride` bytes apart. A lane sums rows/8 dots of at most 2^15, four lanes at most 2^26. d is padded to 4. */
export function gramTile(columns: i32, stride: i32, rows: i32, i0: i32, j0: i32, totals: i32, d: i32): void {
  const a = columns + i0 * stride;
  const b = columns + j0 * stride;
  let s0 = i32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const s = stride;
  for (let k = 0; k < 2 * rows; k += 16) {
    const x = v128.load(b + k), y = v128.load(b + s + k);
    const c0 = v128.load(a + k), c1 = v128.load(a + s + k), c2 = v128.load(a + 2 * s + k), c3 = v128.load(a + 3 * s + k);
    s0 = i32x4.add(s0, i32x4.dot_i16x8_s(c0, x));
    s1 = i32x4.add(s1, i32x4.dot_i16x8_s(c0, y));
    s2 = i32x4.add(s2, i32x4.dot_i16x8_s(c1, x));
    s3 = i32x4.add(s3, i32x4.dot_i16x8_s(c1, y));
    s4 = i32x4.add(s4, i32x4.dot_i16x8_s(c2, x));
    s5 = i32x4.add(s5, i32x4.dot_i16x8_s(c2, y));
    s6 = i32x4.add(s6, i32x4.dot_i16x8_s(c3, x));
    s7 = i32x4.add(s7, i32x4.dot_i16x8_s(c3, y));
  }
  const at = totals + 8 * (i0 * d + j0);
  addTotal(at, s0);
  addTotal(at + 8, s1);
  addTotal(at + 8 * d, s2);
  addTotal(at + 8 * d + 8, s3);
  addTotal(at + 16 * d, s4);
  addTotal(at + 16 * d + 8, s5);
  addTotal(at + 24 * d, s6);
  addTotal(at + 24 * d + 8, s7);
}

/** All products of d columns (a multiple of 4) with j >= the tile of i: the upper triangle and a little below. */
export function gramBlock(columns: i32, stride: i32, rows: i32, totals: i32, d: i32): void {
  for (let i = 0; i < d; i += 4) {
    for (let j = i; j < d; j += 2) gramTile(columns, stride, rows, i, j, totals, d);
  }
}
