// Signed statements in one strict form: JWS compact (RFC 7515), Ed25519 (RFC 8037), payload in canonical JSON. The header has
// `alg` and `typ` and nothing else, so there is no algorithm to choose, no key to bring along and no critical extension.
import { sign, verify, type KeyObject } from "node:crypto";
import { canonicalJson, isCanonicalJson, type Json } from "../core/canonical.ts";

const maxBytes = 16_384;
const encode = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString("base64url");

function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}

/** Signs a statement. key: Ed25519 private key. */
export function signJws(statement: Json, typ: string, key: KeyObject): string {
  if (key.asymmetricKeyType !== "ed25519") throw new TypeError("not an Ed25519 key");
  const input = `${encode(canonicalJson({ alg: "EdDSA", typ }))}.${encode(canonicalJson(statement))}`;
  return `${input}.${encode(sign(null, Buffer.from(input), key))}`;
}

/** The payload, nothing verified; undefined when the form is not exactly ours. */
export function readJws(jws: string, typ: string): Json | undefined {
  const parts = jws.split(".");
  const [header, payload, signature] = parts.map(decode);
  if (jws.length > maxBytes || parts.length !== 3 || header === undefined || payload === undefined || signature?.length !== 64) return undefined;
  if (header.toString("utf8") !== canonicalJson({ alg: "EdDSA", typ })) return undefined;
  const text = payload.toString("utf8");
  try {
    const value = JSON.parse(text) as Json;
    return isCanonicalJson(text, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the signature over header and payload is of this key; other kinds of keys never verify. */
export function isSignedBy(jws: string, key: KeyObject): boolean {
  const border = jws.lastIndexOf(".");
  if (key.asymmetricKeyType !== "ed25519" || key.type !== "public" || border < 0) return false;
  return verify(null, Buffer.from(jws.slice(0, border)), key, Buffer.from(jws.slice(border + 1), "base64url"));
}
