// A sealed model as bytes: the key and the texts, each behind its length (u32, little endian).
import { AppError } from "../../core/errors.ts";
import type { SealedModel } from "./owner.ts";
import { maxWeights, sealedKeyBytes, sealedTextBytes } from "./params.ts";

export function packSealed({ publicKey, weights }: SealedModel): Uint8Array {
  const parts = [publicKey, ...weights].flatMap((bytes) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** Throws KERNEL_TEXT for bytes of another form. */
export function unpackSealed(bytes: Uint8Array): SealedModel {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const most = parts.length === 0 ? sealedKeyBytes : sealedTextBytes;
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Infinity;
    if (length > most || at + 4 + length > bytes.length || parts.length > maxWeights) throw new AppError("KERNEL_TEXT");
    parts.push(bytes.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  const [publicKey, ...weights] = parts;
  if (publicKey === undefined || weights.length === 0) throw new AppError("KERNEL_TEXT");
  return { publicKey, weights };
}
