// The key (Ed25519) with which the platform signs what it hands out of the public part: credit reports and deliveries. One purpose, one key.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CompactSign } from "jose";
import { writeDurably } from "../../core/files.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";

export type Attester = {
  readonly publicJwk: { readonly kty: "OKP"; readonly crv: "Ed25519"; readonly x: string };
  /** Compact JWS (EdDSA) over the canonical JSON. */
  sign(typ: string, statement: Json): Promise<string>;
};

/** Opens the key of a data folder; makes it when there is none. */
export function openAttester(data: string): Attester {
  const path = join(data, "attest.key");
  if (!existsSync(path)) writeDurably(path, generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
  const key: KeyObject = createPrivateKey(readFileSync(path, "utf8"));
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    publicJwk: { kty: "OKP", crv: "Ed25519", x },
    sign: (typ, statement) => new CompactSign(new TextEncoder().encode(canonicalJson(statement))).setProtectedHeader({ alg: "EdDSA", typ }).sign(key),
  };
}
