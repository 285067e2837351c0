// The curve work of the intersection: OPRF(ristretto255, SHA-512) of RFC 9497 in its base mode, with our own domain
// separation. Pure functions over packed bytes; heavy (about 75 us an element), so roles call them through `CurveWork`.
import { hash } from "node:crypto";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { AppError } from "../../core/errors.ts";
import { pointBytes, tagBytes } from "./messages.ts";

/** Random bytes that become a scalar: 512 bits reduced modulo the group order, so its bias is below 2^-250. */
export const keyBytes = 64;

/** What a role needs of the curve. `key`: `keyBytes` random bytes. `domain`: see `domainOf`. Items come back in order. */
export interface CurveWork {
  /** Tasks that it does at the same time. */
  readonly workers: number;
  /** H(id)^k, one point per id. */
  blind(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array>;
  /** P^k, one point per point. PROTOCOL_BAD_POINT for the neutral element and for any encoding that RFC 9496 refuses. */
  raise(points: Uint8Array, key: Uint8Array): Promise<Uint8Array>;
  /** The tag of each id under k: what the key's holder computes. */
  tag(ids: readonly string[], domain: string, key: Uint8Array): Promise<Uint8Array>;
  /** The tags of ids from their doubly raised points: takes k off again. PROTOCOL_BAD_POINT as in `raise`. */
  finish(ids: readonly string[], points: Uint8Array, key: Uint8Array): Promise<Uint8Array>;
}

/** Domain separation: an id hashes to another point in every job and for every pair of parties. */
export function domainOf(job: string, guest: string, host: string): string {
  return `yunei/psi/v1/ristretto255_XMD:SHA-512_R255MAP_RO_/${job}/${guest}/${host}`;
}

/** Loads the WASM once; everything below is synchronous. */
export async function loadCurve(): Promise<Curve> {
  await ready;
  return { blindIds, raisePoints, tagIds, finishTags };
}

export type Curve = {
  blindIds(ids: readonly string[], domain: string, key: Uint8Array): Uint8Array;
  raisePoints(points: Uint8Array, key: Uint8Array): Uint8Array;
  tagIds(ids: readonly string[], domain: string, key: Uint8Array): Uint8Array;
  finishTags(ids: readonly string[], points: Uint8Array, key: Uint8Array): Uint8Array;
};

function blindIds(ids: readonly string[], domain: string, key: Uint8Array): Uint8Array {
  const dst = utf8.encode(domain);
  const blindOne = (scalar: Uint8Array, i: number): Uint8Array => multiply(scalar, hashToGroup(utf8.encode(ids[i]), dst), i);
  return withScalar(key, (scalar) => pack(ids.length, pointBytes, (i) => blindOne(scalar, i)));
}

function raisePoints(points: Uint8Array, key: Uint8Array): Uint8Array {
  return withScalar(key, (scalar) => pack(points.length / pointBytes, pointBytes, (i) => multiply(scalar, pointAt(points, i), i)));
}

function tagIds(ids: readonly string[], domain: string, key: Uint8Array): Uint8Array {
  const dst = utf8.encode(domain);
  const tagOne = (scalar: Uint8Array, i: number): Uint8Array => {
    const id = utf8.encode(ids[i]);
    return finalise(id, multiply(scalar, hashToGroup(id, dst), i)).subarray(0, tagBytes);
  };
  return withScalar(key, (scalar) => pack(ids.length, tagBytes, (i) => tagOne(scalar, i)));
}

function finishTags(ids: readonly string[], points: Uint8Array, key: Uint8Array): Uint8Array {
  return withScalar(key, (scalar) => {
    const inverse = sodium.crypto_core_ristretto255_scalar_invert(scalar);
    const finishOne = (i: number): Uint8Array => {
      const element = multiply(inverse, pointAt(points, i), i);
      return finalise(utf8.encode(ids[i]), element).subarray(0, tagBytes);
    };
    try {
      return pack(ids.length, tagBytes, finishOne);
    } finally {
      inverse.fill(0);
    }
  });
}

/** expand_message_xmd of RFC 9380 section 5.3.1 with SHA-512. message and domain: bytes; domain of 1 to 255 bytes. */
export function expandMessage(message: Uint8Array, domain: Uint8Array, length: number): Uint8Array {
  const blocks = Math.ceil(length / 64);
  if (domain.length === 0 || domain.length > 255 || blocks > 255) throw new RangeError("outside the bounds of expand_message_xmd");
  const suffix = Buffer.concat([domain, Uint8Array.of(domain.length)]);
  const first = sha512(new Uint8Array(128), message, Uint8Array.of(length >> 8, length & 255, 0), suffix);
  const out = new Uint8Array(blocks * 64);
  let previous = new Uint8Array(64);
  for (let block = 1; block <= blocks; block++) {
    const mixed = first.map((byte, i) => byte ^ (previous[i] ?? 0));
    previous = sha512(mixed, Uint8Array.of(block), suffix);
    out.set(previous, (block - 1) * 64);
  }
  return out.subarray(0, length);
}

/** HashToGroup of RFC 9497 section 4.1: 64 expanded bytes through the one-way map of RFC 9496 section 4.3.4. */
export function hashToGroup(message: Uint8Array, domain: Uint8Array): Uint8Array {
  return sodium.crypto_core_ristretto255_from_hash(expandMessage(message, domain, 64));
}

/** Finalize of RFC 9497 section 3.3.1, without its unblinding: 64 bytes. */
export function finalise(message: Uint8Array, element: Uint8Array): Uint8Array {
  return sha512(twoBytes(message.length), message, twoBytes(element.length), element, utf8.encode("Finalize"));
}

const utf8 = new TextEncoder();

function sha512(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hash("sha512", Buffer.concat(parts), "buffer"));
}

function twoBytes(length: number): Uint8Array {
  if (length > 0xffff) throw new RangeError("an OPRF input has at most 65535 bytes");
  return Uint8Array.of(length >> 8, length & 255);
}

/** libsodium decodes strictly (RFC 9496 section 4.3.1) and refuses a product that is the neutral element. */
function multiply(scalar: Uint8Array, point: Uint8Array, item: number): Uint8Array {
  try {
    return sodium.crypto_scalarmult_ristretto255(scalar, point);
  } catch (cause) {
    throw new AppError("PROTOCOL_BAD_POINT", { item }, { cause });
  }
}

function pointAt(points: Uint8Array, i: number): Uint8Array {
  return points.subarray(i * pointBytes, (i + 1) * pointBytes);
}

function pack(items: number, itemBytes: number, item: (i: number) => Uint8Array): Uint8Array {
  const out = new Uint8Array(items * itemBytes);
  for (let i = 0; i < items; i++) out.set(item(i), i * itemBytes);
  return out;
}

/** The scalar lives only while it is used. JavaScript cannot promise that no copy stays (see README). */
function withScalar<T>(key: Uint8Array, use: (scalar: Uint8Array) => T): T {
  if (key.length !== keyBytes) throw new RangeError(`a key has ${keyBytes} bytes`);
  const scalar = sodium.crypto_core_ristretto255_scalar_reduce(key);
  try {
    return use(scalar);
  } finally {
    scalar.fill(0);
  }
}
