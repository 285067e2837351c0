// The check of a query's numbers on arrival: plain JavaScript, no WASM, so that a message schema can call it.
import { queryBytesPerCoefficient, sumsParams } from "./params.ts";

const [p0 = 0, p1 = 0, p2 = 0, p3 = 0] = sumsParams.primes;

/** Whether the bytes are whole coefficients (13 bytes: four residues of 26 bits, least significant first) with every residue
 *  below its prime. */
export function hasCanonicalResidues(bytes: Uint8Array): boolean {
  if (bytes.length % queryBytesPerCoefficient !== 0) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += queryBytesPerCoefficient) {
    if ((view.getUint32(at, true) & 0x3ffffff) >= p0) return false;
    if (((view.getUint32(at + 3, true) >>> 2) & 0x3ffffff) >= p1) return false;
    if (((view.getUint32(at + 6, true) >>> 4) & 0x3ffffff) >= p2) return false;
    if (view.getUint32(at + 9, true) >>> 6 >= p3) return false;
  }
  return true;
}
