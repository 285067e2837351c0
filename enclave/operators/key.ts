// An operator's signing key at rest: a PKCS #8 Ed25519 key under AES-256-GCM, the key of it from the operator's passphrase by scrypt
// (RFC 7914). The file may lie in the enclave's folder: without the passphrase it signs nothing.
import { createCipheriv, createDecipheriv, createPrivateKey, createPublicKey, generateKeyPairSync, scrypt, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { z } from "zod";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { operatorNameSchema, type Operator } from "./list.ts";

export const leastPassphrase = 12;
/** 64 MiB and about a quarter of a second. */
const cost = { N: 2 ** 16, r: 8, p: 1, maxmem: 2 ** 27 };
const derive = promisify(scrypt) as (password: string, salt: Uint8Array, length: number, options: typeof cost) => Promise<Buffer>;
const base64 = z.base64().max(512);
const fileSchema = z.strictObject({ version: z.literal(1), operator: operatorNameSchema, kdf: z.literal("scrypt-65536-8-1"), salt: base64, nonce: base64, sealed: base64 });

/** Makes a key and writes it sealed. Returns what goes on the list. Throws OPERATOR_PASSPHRASE for one that is too short. */
export async function createOperatorKey(path: string, name: string, passphrase: string, rng: Rng): Promise<Operator> {
  if (passphrase.length < leastPassphrase) throw new AppError("OPERATOR_PASSPHRASE", { least: leastPassphrase });
  const { privateKey } = generateKeyPairSync("ed25519");
  const [salt, nonce] = [rng(16), rng(12)];
  const cipher = createCipheriv("aes-256-gcm", await derive(passphrase.normalize("NFKC"), salt, 32, cost), nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(privateKey.export({ format: "der", type: "pkcs8" })), cipher.final(), cipher.getAuthTag()]);
  const file = { version: 1, operator: name, kdf: "scrypt-65536-8-1", salt: Buffer.from(salt).toString("base64"), nonce: Buffer.from(nonce).toString("base64"), sealed: sealed.toString("base64") };
  writeDurably(path, `${JSON.stringify(file, undefined, 2)}\n`);
  return { name, key: publicHalf(privateKey) };
}

/** Throws OPERATOR_KEY: a wrong passphrase, a damaged file, or a key of somebody else. */
export async function openOperatorKey(path: string, operator: Operator, passphrase: string): Promise<KeyObject> {
  try {
    const file = fileSchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8")));
    const key = await derive(passphrase.normalize("NFKC"), Buffer.from(file.salt, "base64"), 32, cost);
    const sealed = Buffer.from(file.sealed, "base64");
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(file.nonce, "base64"), { authTagLength: 16 }).setAAD(Buffer.from(file.operator));
    decipher.setAuthTag(sealed.subarray(-16));
    const opened = createPrivateKey({ key: Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]), format: "der", type: "pkcs8" });
    if (file.operator !== operator.name || publicHalf(opened) !== operator.key) throw new AppError("OPERATOR_KEY");
    return opened;
  } catch (cause) {
    throw new AppError("OPERATOR_KEY", {}, { cause });
  }
}

function publicHalf(key: KeyObject): string {
  return String(createPublicKey(key).export({ format: "jwk" }).x);
}
