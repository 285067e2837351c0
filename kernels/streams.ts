// Streams of secret or public randomness by index, so that workers make their parts in any order, and what is sampled from them.
// ChaCha20 (RFC 8439) under one HKDF-SHA256 key per purpose, the index as nonce.
import { createCipheriv, hkdfSync } from "node:crypto";
import type { Rng } from "../core/env.ts";

/** What an independent family of streams is made from. `seed`: 32 uniform bytes; `purpose`: bound to all that they are used for. */
export type StreamKey = { readonly seed: Uint8Array; readonly purpose: string };

/** Streams for (seed, purpose): index < 2^32 gives an independent one. seed: 32 uniform bytes. */
export function indexedStreams(seed: Uint8Array, purpose: string): (index: number) => Rng {
  const key = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), `yunei/kernels/v1/${purpose}`, 32));
  return (index) => {
    const start = new Uint8Array(16);
    new DataView(start.buffer).setUint32(8, index, true);
    const cipher = createCipheriv("chacha20", key, start);
    return (bytes) => new Uint8Array(cipher.update(new Uint8Array(bytes)));
  };
}

/** Bytes of a packed ternary polynomial: five base-3 digits a byte. */
export const tritBytes = 820;

/** A uniform ternary polynomial of degree 4096, five coefficients a byte: a random byte below 3^5 = 243 is five uniform digits,
 *  others are rejected. Takes bytes from the stream 1024 at a time. */
export function sampleTrits(rng: Rng): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(tritBytes);
  let filled = 0;
  while (filled < tritBytes) {
    for (const byte of rng(1024)) {
      if (byte >= 243) continue;
      out[filled++] = byte;
      if (filled === tritBytes) break;
    }
  }
  return out;
}

/** `out.length` uniform integers below p: 26-bit words of the stream (low bits of little-endian u32), words >= p rejected.
 *  `stride`, `offset`: where they go. Takes whole 4096-byte pieces of the stream; what is left of the last one is dropped. */
export function sampleBelow(p: number, rng: Rng, out: Uint32Array, offset: number, stride: number, count: number): void {
  let filled = 0;
  while (filled < count) {
    const words = new DataView(rng(4096).buffer);
    for (let at = 0; at < 4096 && filled < count; at += 4) {
      const word = words.getUint32(at, true) & 0x3ffffff;
      if (word < p) out[offset + stride * filled++] = word;
    }
  }
}
