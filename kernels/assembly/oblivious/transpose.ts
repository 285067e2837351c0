// Bit matrices between columns (bit r of column c) and rows (bit c of row r). Bit k of a byte string is bit k & 7 of byte k >> 3.

/** Bytes of a row: 480 bits of code word and 32 bits for its number, or 256 bits and zeros. One block of BLAKE2s. */
export const ROW: i32 = 64;
/** 16 x 16 bytes, and as many for the way there and back. */
const square = memory.data(512, 16);

/** Transposes 16 x 16 bytes at `square`. A perfect shuffle rotates the 8-bit address of a byte by one; four swap row and column. */
function transposeSquare(): void {
  let from = <i32>square, to = from + 256;
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 8; i++) {
      const a = v128.load(from + 16 * i), b = v128.load(from + 16 * i, 128);
      v128.store(to + 32 * i, i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
      v128.store(to + 32 * i, i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16);
    }
    const held = from;
    from = to;
    to = held;
  }
}

/** `columns` (a multiple of 16) columns, `stride` bytes apart, to rows of 64 bytes: their first columns / 8 bytes; the rest is left as
 *  it is. rows: a multiple of 128. Works on 512 rows at a time, so that a cache line of a column is read once. */
export function columnsToRows(from: i32, stride: i32, columns: i32, rows: i32, to: i32): void {
  const slices = rows >> 7;
  for (let begin = 0; begin < slices; begin += 4) {
    const end = min(slices, begin + 4);
    for (let c = 0; c < columns; c += 16) {
      for (let slice = begin; slice < end; slice++) {
        for (let i = 0; i < 16; i++) v128.store(<i32>square + 16 * i, v128.load(from + (c + i) * stride + 16 * slice));
        transposeSquare();
        for (let byte = 0; byte < 16; byte++) {
          let bits = v128.load(<i32>square + 16 * byte);
          const out = to + (128 * slice + 8 * byte) * ROW + (c >> 3);
          for (let bit = 7; bit >= 0; bit--) {
            store<u16>(out + bit * ROW, <u16>i8x16.bitmask(bits));
            bits = i8x16.shl(bits, 1);
          }
        }
      }
    }
  }
}

/** Rows of 16 bytes to `columns` (a multiple of 8, at most 128) columns, `stride` bytes apart. rows: a multiple of 16. */
export function rowsToColumns(from: i32, rows: i32, columns: i32, to: i32, stride: i32): void {
  for (let row = 0; row < rows; row += 16) {
    for (let i = 0; i < 16; i++) v128.store(<i32>square + 16 * i, v128.load(from + 16 * (row + i)));
    transposeSquare();
    for (let c = 0; c < columns; c += 8) {
      let bits = v128.load(<i32>square + 2 * c);
      for (let bit = 7; bit >= 0; bit--) {
        store<u16>(to + (c + bit) * stride + (row >> 3), <u16>i8x16.bitmask(bits));
        bits = i8x16.shl(bits, 1);
      }
    }
  }
}
