// Answers on the wire: 44 bits a cell, two cells in 11 bytes, least significant first.
import { AppError } from "../core/errors.ts";
import { answerBytes } from "./params.ts";

/** Integers below 2^44 into `out`, `answerBytes` zero bytes. An odd last cell takes 6 bytes, the top 4 bits zero. */
export function packAnswer(cells: Float64Array, out: Uint8Array): void {
  for (const [i, value] of cells.entries()) {
    const at = Math.floor(i / 2) * 11;
    const shifted = i % 2 === 0 ? value : value * 16;
    const start = i % 2 === 0 ? at : at + 5;
    for (let k = 0, rest = shifted; k < 6 && start + k < out.length; k++, rest = Math.floor(rest / 256)) {
      out[start + k] = (out[start + k] ?? 0) | (rest % 256);
    }
  }
}

/** The reverse, into `out` (one number a cell). PROTOCOL_WRONG_SHAPE for a wrong length or set padding bits. */
export function unpackAnswer(bytes: Uint8Array, out: Float64Array): void {
  const cells = out.length;
  if (bytes.length !== answerBytes(cells)) throw new AppError("PROTOCOL_WRONG_SHAPE", { bytes: bytes.length, expected: answerBytes(cells) });
  if (cells % 2 === 1 && (bytes.at(-1) ?? 0) >> 4 !== 0) throw new AppError("PROTOCOL_WRONG_SHAPE", { cells });
  for (let i = 0; i < cells; i++) {
    const at = Math.floor(i / 2) * 11 + (i % 2 === 0 ? 0 : 5);
    let value = 0;
    for (let k = 5; k >= 0; k--) value = value * 256 + (bytes[at + k] ?? 0);
    out[i] = i % 2 === 0 ? value % 2 ** 44 : Math.floor(value / 16);
  }
}
