// Results for the institution leave sealed: JWE (RFC 7516), ECDH-ES on X25519 with A256GCM. The platform stores bytes that it
// cannot open.
import { CompactEncrypt, importJWK } from "jose";
import type { JobPlan } from "../../federation/plan-schema.ts";

export async function sealResult(text: string | Uint8Array, to: JobPlan["sealTo"], contentType: string): Promise<string> {
  const key = await importJWK({ kty: to.kty, crv: to.crv, x: to.x }, "ECDH-ES");
  return new CompactEncrypt(typeof text === "string" ? new TextEncoder().encode(text) : text).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", cty: contentType }).encrypt(key);
}
