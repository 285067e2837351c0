// How BLAKE2s is keyed to a session here: its 16 bytes are salt and personalisation of the parameter block.
import type { ObliviousWasm } from "./wasm.ts";

/** Bytes that name a session: two sessions hash the same input to independent values. */
export const sessionBytes = 16;
const iv = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/** The state in which BLAKE2s-256 begins (RFC 7693 section 2.5 and 2.8; salt and personalisation from the BLAKE2 paper, section 2.8).
 *  session: 16 bytes; zeros give the unkeyed hash of the RFC. */
export function blake2sState(session: Uint8Array): Uint8Array {
  if (session.length !== sessionBytes) throw new RangeError(`a session has ${sessionBytes} bytes`);
  const out = new DataView(new ArrayBuffer(32));
  const given = new DataView(session.buffer, session.byteOffset, sessionBytes);
  const parameters = [0x01010020, 0, 0, 0, ...[0, 4, 8, 12].map((at) => given.getUint32(at, true))];
  for (const [i, word] of iv.entries()) out.setUint32(4 * i, (word ^ (parameters[i] ?? 0)) >>> 0, true);
  return new Uint8Array(out.buffer);
}

/** Makes a session the one that the module's hashes belong to, until the next call. */
export function useSession(wasm: ObliviousWasm, at: number, state: Uint8Array): void {
  wasm.bytes.set(state, at);
  wasm.fn.setState(at);
}
