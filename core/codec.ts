// Frames: what a message body looks like in bytes. Deterministic CBOR (RFC 8949 section 4.2), decoded strictly.
import { decode, encode } from "cborg";
import { AppError } from "./errors.ts";

const decodeOptions = { strict: true, allowIndefinite: false, allowUndefined: false, allowInfinity: false, allowNaN: false, rejectDuplicateMapKeys: true } as const;

/** Encodes a plain object of numbers, strings, booleans, byte arrays, arrays and objects. */
export function encodeFrame(type: string, body: unknown): Uint8Array {
  return encode([type, body]);
}

/** The reverse. Throws PROTOCOL_MALFORMED for anything that `encodeFrame` would not have written. */
export function decodeFrame(frame: Uint8Array): { type: string; body: unknown } {
  let value: unknown;
  try {
    value = decode(frame, decodeOptions);
  } catch (cause) {
    throw new AppError("PROTOCOL_MALFORMED", { bytes: frame.length }, { cause });
  }
  if (!Array.isArray(value) || value.length !== 2 || typeof value[0] !== "string") throw new AppError("PROTOCOL_MALFORMED", { bytes: frame.length });
  return { type: value[0], body: value[1] };
}
