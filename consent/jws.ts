// Compact JWS (RFC 7515) with Ed25519 (RFC 8037), in one spelling only: header exactly {alg, kid, typ}, canonical JSON, canonical
// base64url. One spelling shuts out doubled keys, unknown critical headers and two readers who see two different statements.
import { sign, verify, type KeyObject } from "node:crypto";
import { z } from "zod";
import { canonicalJson, isCanonicalJson, type Json } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { keyId, publicHalf } from "./keys.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const signatureBytes = 64;
const names = ["alg", "kid", "typ"];

/** A JWS whose header is right and whose signature has not been looked at. */
export type Sealed = { readonly kid: string; readonly payload: string; readonly signed: string; readonly signature: Uint8Array };

/** Signs canonical JSON. `kid` is the fingerprint of the key. Throws CONSENT_ALGORITHM unless the key is an Ed25519 private key. */
export function signJws(payload: Json, typ: string, key: KeyObject): string {
  const header = canonicalJson({ alg: "EdDSA", kid: keyId(publicHalf(key)), typ });
  const signed = `${Buffer.from(header).toString("base64url")}.${Buffer.from(canonicalJson(payload)).toString("base64url")}`;
  return `${signed}.${sign(null, Buffer.from(signed, "latin1"), key).toString("base64url")}`;
}

/**
 * Takes a JWS apart and checks its header, without a look at payload and signature. `maxBytes` bounds the whole text.
 * Throws CONSENT_ENCODING, CONSENT_ALGORITHM (none, HS256, …), CONSENT_HEADER (crit, jwk, b64, …), CONSENT_TYPE.
 */
export function openJws(text: string, typ: string, maxBytes: number): Sealed {
  if (text.length > maxBytes) throw new AppError("CONSENT_ENCODING", { bytes: text.length, limit: maxBytes });
  const [header, payload, signature, ...rest] = text.split(".");
  if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) throw new AppError("CONSENT_ENCODING");
  const kid = readHeader(header, typ);
  const bytes = decode(signature);
  if (bytes.length !== signatureBytes) throw new AppError("CONSENT_ENCODING");
  return { kid, payload, signed: text.slice(0, header.length + 1 + payload.length), signature: bytes };
}

function readHeader(segment: string, typ: string): string {
  const usual = usualHeader(segment, typ);
  if (usual !== undefined) return usual;
  const header = readJson(segment);
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw new AppError("CONSENT_ENCODING");
  const fields = header as Readonly<Record<string, Json | undefined>>;
  if (fields["alg"] !== "EdDSA") throw new AppError("CONSENT_ALGORITHM");
  const { kid } = fields;
  if (Object.keys(fields).length !== names.length || typeof kid !== "string" || !/^[0-9a-f]{64}$/.test(kid)) throw new AppError("CONSENT_HEADER");
  if (fields["typ"] !== typ) throw new AppError("CONSENT_TYPE");
  return kid;
}

/** The key of a header in its one right spelling, without reading it as JSON; whatever else it is, `readHeader` says what is wrong. */
function usualHeader(segment: string, typ: string): string | undefined {
  const text = Buffer.from(segment, "base64url").toString("latin1");
  const [before, after] = ['{"alg":"EdDSA","kid":"', `","typ":"${typ}"}`];
  const kid = text.slice(before.length, before.length + 64);
  const isRight = text === `${before}${kid}${after}` && /^[0-9a-f]{64}$/.test(kid);
  return isRight && Buffer.from(text, "latin1").toString("base64url") === segment ? kid : undefined;
}

/** Whether the signature fits. The key is one that the caller trusts for this `kid`: nothing in the text chooses it. */
export function isSignedBy(sealed: Sealed, key: KeyObject): boolean {
  return verify(null, Buffer.from(sealed.signed, "latin1"), publicHalf(key), sealed.signature);
}

/** The payload against a strict schema. Throws CONSENT_ENCODING, CONSENT_VERSION for any version but 1, CONSENT_SCHEMA. */
export function readPayload<T>(sealed: Sealed, schema: z.ZodType<T>): T {
  const value = readJson(sealed.payload);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new AppError("CONSENT_SCHEMA", { problems: 1 });
  if ((value as { version?: unknown }).version !== 1) throw new AppError("CONSENT_VERSION");
  return fit(value, schema);
}

/** A value against a strict schema. Throws CONSENT_SCHEMA with the number of problems. */
export function fit<T>(value: unknown, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value);
  if (!result.success) throw new AppError("CONSENT_SCHEMA", { problems: result.error.issues.length });
  return result.data;
}

/** Node's decoder skips what is not base64url and takes several spellings of the last character. */
function decode(segment: string): Buffer {
  const bytes = Buffer.from(segment, "base64url");
  if (bytes.toString("base64url") !== segment) throw new AppError("CONSENT_ENCODING");
  return bytes;
}

function readJson(segment: string): Json {
  try {
    const text = utf8.decode(decode(segment));
    const value = JSON.parse(text) as Json;
    // A doubled key, white space, another order or number form do not survive; "__proto__" would slip through a schema.
    if (text.includes("__proto__") || !isCanonicalJson(text, value)) throw new AppError("CONSENT_ENCODING");
    return value;
  } catch (cause) {
    // Also a text nested so deeply that the reader's stack ends.
    throw new AppError("CONSENT_ENCODING", {}, { cause });
  }
}
