// Ed25519 public keys as statements carry them: 32 bytes (RFC 8032), base64url. A key of small order is refused: signatures under it
// fit any message (Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs", 2020), so that its owner could deny all that he signed.
// OpenSSL 3.5 does not verify under such keys, 3.0 does.
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { AppError } from "../core/errors.ts";

// RFC 8410: what stands before the 32 bytes in an Ed25519 SubjectPublicKeyInfo.
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");
const torsion = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** y without the sign of x is p or more: a second spelling of a point. */
function isUnreduced(y: Uint8Array): boolean {
  return y[31] === 0x7f && (y[0] ?? 0) >= 0xed && y.subarray(1, 31).every((byte) => byte === 0xff);
}

/** The key object of a raw key (43 characters of base64url). Throws CONSENT_CHAIN for small order or a second spelling. */
export function publicKeyFrom(raw: string): KeyObject {
  const y = new Uint8Array(Buffer.from(raw, "base64url"));
  if (y.length !== 32 || Buffer.from(y).toString("base64url") !== raw) throw new AppError("CONSENT_CHAIN");
  y[31] = (y[31] ?? 0) & 0x7f;
  if (isUnreduced(y) || torsion.has(Buffer.from(y).toString("hex"))) throw new AppError("CONSENT_CHAIN");
  try {
    return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: raw }, format: "jwk" });
  } catch (cause) {
    throw new AppError("CONSENT_CHAIN", {}, { cause });
  }
}

/** The public half of an Ed25519 key. Throws CONSENT_ALGORITHM for a key of another kind, an HMAC secret among them. */
export function publicHalf(key: KeyObject): KeyObject {
  if (key.type === "secret" || key.asymmetricKeyType !== "ed25519") throw new AppError("CONSENT_ALGORITHM");
  return key.type === "private" ? createPublicKey(key) : key;
}

/** The 32 bytes of a public key, base64url. */
export function rawKey(key: KeyObject): string {
  return publicHalf(key).export({ format: "der", type: "spki" }).subarray(-32).toString("base64url");
}

/** SHA-256 of the public key (SPKI), lower-case hex: `kid`, and what an operator pins. */
export function keyId(key: KeyObject): string {
  return rawKeyId(rawKey(key));
}

/** The same of a raw key; writing the SPKI form here spares a tenth of the time that a company's own consent costs. */
export function rawKeyId(raw: string): string {
  return createHash("sha256").update(spkiPrefix).update(raw, "base64url").digest("hex");
}
