// The institution's own key: results come back sealed to it, and only this machine can open them.
import { compactDecrypt, importJWK, type JWK } from "jose";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { AppError } from "../core/errors.ts";
import type { JobPlan } from "../federation/plan-schema.ts";

export type InstitutionKey = { readonly publicJwk: JobPlan["sealTo"]; readonly privateJwk: JWK };

/** A fresh X25519 key pair. */
export function createInstitutionKey(): InstitutionKey {
  const { privateKey } = generateKeyPairSync("x25519");
  return keyFromJwk(privateKey.export({ format: "jwk" }));
}

export function keyFromJwk(jwk: JWK): InstitutionKey {
  if (jwk.crv !== "X25519" || typeof jwk.x !== "string" || typeof jwk.d !== "string") throw new AppError("CLI_PROFILE");
  try {
    createPrivateKey({ key: { ...jwk }, format: "jwk" });
  } catch (cause) {
    throw new AppError("CLI_PROFILE", {}, { cause });
  }
  return { publicJwk: { kty: "OKP", crv: "X25519", x: jwk.x }, privateJwk: { kty: "OKP", crv: "X25519", x: jwk.x, d: jwk.d } };
}

/** Opens a sealed result. Throws CLI_SEAL when it is not sealed to this key. */
export async function openSealed(jwe: string, key: InstitutionKey): Promise<string> {
  try {
    const { plaintext } = await compactDecrypt(jwe, await importJWK(key.privateJwk, "ECDH-ES"), {
      keyManagementAlgorithms: ["ECDH-ES"], contentEncryptionAlgorithms: ["A256GCM"], maxDecompressedLength: 0,
    });
    return new TextDecoder().decode(plaintext);
  } catch (cause) {
    throw new AppError("CLI_SEAL", {}, { cause });
  }
}
