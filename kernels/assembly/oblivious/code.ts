// Linear codes over many words at once, and the random sums of the consistency check.
import { ROW } from "./transpose";

/** Adds column i of the code words to column i at `masked`, columns `stride` bytes apart. words: 8 `groups` columns of message bits.
 *  picks: for each code column and group one byte, the message bits that it is the sum of. tables: `groups` * 4096 bytes of scratch.
 *  slices: of 128 rows. */
export function addCode(words: i32, groups: i32, picks: i32, tables: i32, columns: i32, stride: i32, slices: i32, masked: i32): void {
  for (let slice = 0; slice < slices; slice++) {
    const at = 16 * slice;
    for (let g = 0; g < groups; g++) {
      const table = tables + 4096 * g;
      v128.store(table, i32x4.splat(0));
      for (let x = 1; x < 256; x++) {
        const sum = v128.load(words + (8 * g + ctz(x)) * stride + at);
        v128.store(table + 16 * x, v128.xor(sum, v128.load(table + 16 * (x & (x - 1)))));
      }
    }
    let pick = picks;
    for (let i = 0; i < columns; i++) {
      const place = i * stride + at;
      let acc = v128.load(masked + place);
      for (let g = 0; g < groups; g++) acc = v128.xor(acc, v128.load(tables + 4096 * g + 16 * <i32>load<u8>(pick++)));
      v128.store(masked + place, acc);
    }
  }
}

/** Adds each row to 16 buckets, one per byte of its 16 weight bytes: bucket (k, x) is the sum of the rows whose byte k is x.
 *  stride: 16 or 64, bytes of a row and of a bucket. buckets: 4096 * stride bytes, zero at first. */
export function foldRows(rows: i32, stride: i32, count: i32, weights: i32, buckets: i32): void {
  for (let end = weights + 16 * count; weights < end; weights += 16) {
    for (let k = 0; k < 16; k++) {
      const bucket = buckets + ((k << 8) + <i32>load<u8>(weights + k)) * stride;
      for (let part = 0; part < stride; part += 16) v128.store(bucket + part, v128.xor(v128.load(bucket + part), v128.load(rows + part)));
    }
    rows += stride;
  }
}

/** The 128 sums of `foldRows`: sum 8 k + b is of the rows whose weight byte k has bit b. Added to what is at `out` (`stride` bytes each). */
export function finishFold(buckets: i32, stride: i32, out: i32): void {
  for (let k = 0; k < 16; k++) {
    for (let x = 1; x < 256; x++) {
      const bucket = buckets + ((k << 8) + x) * stride;
      for (let b = 0; b < 8; b++) {
        if (((x >> b) & 1) == 0) continue;
        const sum = out + (8 * k + b) * stride;
        for (let part = 0; part < stride; part += 16) v128.store(sum + part, v128.xor(v128.load(sum + part), v128.load(bucket + part)));
      }
    }
  }
}

/** to = row + code word of the message `word` (`groups` bytes), from tables of 256 partial sums of 64 bytes per message byte. */
// @ts-ignore: decorator
@inline export function addWord(row: i32, word: i32, tables: i32, groups: i32, to: i32): void {
  let a = v128.load(row), b = v128.load(row, 16), c = v128.load(row, 32), d = v128.load(row, 48);
  for (let g = 0; g < groups; g++) {
    const entry = tables + (g << 14) + (<i32>load<u8>(word + g)) * ROW;
    a = v128.xor(a, v128.load(entry));
    b = v128.xor(b, v128.load(entry, 16));
    c = v128.xor(c, v128.load(entry, 32));
    d = v128.xor(d, v128.load(entry, 48));
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
}

/** Code words of `count` messages of 16 bytes added to `rows` of 64 bytes, in place. */
export function addWords(rows: i32, words: i32, count: i32, tables: i32, groups: i32): void {
  for (let i = 0; i < count; i++) addWord(rows + i * ROW, words + 16 * i, tables, groups, rows + i * ROW);
}
