// X^T X over some rows, in a thread.
import { SumsWasm } from "../wasm.ts";

/** Rows of one pass: 300 columns of i16 then fill 600 KB, within a core's cache. */
const rowsPerPass = 1024;

/** Row-major d x d (padded to a multiple of 4) sums of products over rows [from, to) of Int8 columns that lie one after another,
 *  `rows` each. Only entries with column >= row are meant. */
export function gramOfRows(columns: Int8Array, rows: number, from: number, to: number): Float64Array {
  const wasm = new SumsWasm();
  const count = columns.length / rows;
  const d = Math.ceil(count / 4) * 4;
  const stride = 2 * rowsPerPass;
  const wide = wasm.allocate(d * stride);
  const codes = wasm.allocate(rowsPerPass);
  const totals = wasm.allocate(8 * d * d);
  for (let at = from; at < to; at += rowsPerPass) {
    const n = Math.min(rowsPerPass, to - at);
    const padded = Math.ceil(n / 8) * 8;
    for (let k = 0; k < count; k++) {
      const part = columns.subarray(k * rows + at, k * rows + at + n);
      wasm.bytes.set(new Uint8Array(part.buffer, part.byteOffset, n), codes);
      wasm.bytes.fill(0, codes + n, codes + padded);
      wasm.fn.widenCodes(codes, padded, wide + k * stride);
    }
    wasm.fn.gramBlock(wide, stride, padded, totals, d);
  }
  return wasm.doubles(totals, d * d).slice();
}
