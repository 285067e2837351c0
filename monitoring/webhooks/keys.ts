// Keys that sign webhooks: Ed25519 in the form of the Standard Webhooks specification (1.0.0, "Signature scheme"): base64 of 32 bytes behind `whsk_`
// (the seed) and `whpk_`. One ring per institution; while keys are exchanged both sign, so that no receiver is cut off.
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { AppError } from "../../core/errors.ts";

export const defaultOverlapMs = 7 * 86_400_000;

// RFC 8410: what stands before the 32 bytes of a seed in PKCS #8.
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function rawOf(text: string, prefix: "whsk_" | "whpk_"): Buffer {
  const raw = Buffer.from(text.slice(prefix.length), "base64");
  if (!text.startsWith(prefix) || raw.length !== 32 || raw.toString("base64") !== text.slice(prefix.length)) throw new AppError("WEBHOOK_KEY");
  return raw;
}

/** Throws WEBHOOK_KEY. */
export function readSigningKey(whsk: string): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, rawOf(whsk, "whsk_")]), format: "der", type: "pkcs8" });
}

/** Throws WEBHOOK_KEY. */
export function readVerifyingKey(whpk: string): KeyObject {
  const raw = rawOf(whpk, "whpk_");
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") }, format: "jwk" });
  } catch (cause) {
    throw new AppError("WEBHOOK_KEY", {}, { cause });
  }
}

/** What receivers are given. Throws WEBHOOK_KEY for another kind of key. */
export function verifyingKeyText(key: KeyObject): string {
  if (key.asymmetricKeyType !== "ed25519") throw new AppError("WEBHOOK_KEY");
  const { x } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return `whpk_${Buffer.from(x ?? "", "base64url").toString("base64")}`;
}

/** `until`: ms, when the previous key stops signing. */
export type KeyRing = { readonly current: KeyObject; readonly previous?: { readonly key: KeyObject; readonly until: number } };

/** The keys that sign at a time (ms), the current one first. */
export function signingKeys(ring: KeyRing, now: number): readonly KeyObject[] {
  return ring.previous !== undefined && now < ring.previous.until ? [ring.current, ring.previous.key] : [ring.current];
}

/** Public keys that a receiver should hold now. */
export function verifyingKeys(ring: KeyRing, now: number): readonly string[] {
  return signingKeys(ring, now).map(verifyingKeyText);
}

/**
 * Puts a new key in the current one's place; the old one signs on for `overlapMs`. `compromised`: the old one stops at once, and receivers must
 * drop it. Throws WEBHOOK_ROTATION while an overlap runs (unless compromised) or for the same key, WEBHOOK_KEY.
 */
export function rotate(ring: KeyRing, next: KeyObject, now: number, options: { readonly overlapMs?: number; readonly compromised?: boolean } = {}): KeyRing {
  const isRunning = ring.previous !== undefined && now < ring.previous.until;
  if (next.type !== "private" || next.asymmetricKeyType !== "ed25519") throw new AppError("WEBHOOK_KEY");
  if (options.compromised === true && verifyingKeyText(next) !== verifyingKeyText(ring.current)) return { current: next };
  if (isRunning || verifyingKeyText(next) === verifyingKeyText(ring.current)) throw new AppError("WEBHOOK_ROTATION");
  return { current: next, previous: { key: ring.current, until: now + (options.overlapMs ?? defaultOverlapMs) } };
}
