// The two forms of JWE (RFC 7516, 7518, 8037) in which requests come and answers go, in one turn of the event loop: a library over WebCrypto goes through
// libuv's threads four times for each request, and each time waits for whatever holds the loop. The primitives are node:crypto's; tests hold them against jose.
import { createCipheriv, createDecipheriv, createHash, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";

const enc = "A256GCM";
export const ivBytes = 12;
const tagBytes = 16;
const keyBytes = 32;

/** Other parameters are passed over as RFC 7516 has it; no extension that must be understood is, nor compression. */
const headerSchema = z.object({
  alg: z.literal("ECDH-ES"), enc: z.literal(enc), epk: z.object({ kty: z.literal("OKP"), crv: z.literal("X25519"), x: z.string().length(43) }),
  apu: z.string().max(512).optional(), apv: z.string().max(512).optional(), crit: z.never().optional(), zip: z.never().optional(),
});

/** The plaintext of a compact JWE that is sealed to an X25519 key by ECDH-ES with A256GCM. Throws SERVICE_REQUEST for anything else. */
export function openTo(key: KeyObject, jwe: string): Buffer {
  try {
    const [head = "", encryptedKey, iv = "", text = "", tag = "", ...rest] = jwe.split(".");
    // Direct agreement has no encrypted key.
    if (encryptedKey !== "" || rest.length > 0) throw new AppError("SERVICE_REQUEST");
    const header = headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(head))));
    const epk = createPublicKey({ key: { kty: header.epk.kty, crv: header.epk.crv, x: header.epk.x }, format: "jwk" });
    // Throws for a point of small order.
    const secret = diffieHellman({ privateKey: key, publicKey: epk });
    const [nonce, mac] = [bytesOf(iv), bytesOf(tag)];
    if (nonce.length !== ivBytes || mac.length !== tagBytes) throw new AppError("SERVICE_REQUEST");
    const decipher = createDecipheriv("aes-256-gcm", concatKdf(secret, header), nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(head, "latin1"));
    decipher.setAuthTag(mac);
    return Buffer.concat([decipher.update(bytesOf(text)), decipher.final()]);
  } catch {
    // No message goes on: it may quote the request.
    throw new AppError("SERVICE_REQUEST");
  }
}

const directHead = Buffer.from(JSON.stringify({ alg: "dir", enc })).toString("base64url");

/** A compact JWE under a key that both sides have. key: 32 bytes; iv: 12 fresh ones. */
export function sealUnder(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): string {
  if (key.length !== keyBytes || iv.length !== ivBytes) throw new AppError("SERVICE_REQUEST");
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(directHead, "latin1"));
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return `${directHead}..${[iv, text, cipher.getAuthTag()].map((part) => Buffer.from(part).toString("base64url")).join(".")}`;
}

/** RFC 7518, 4.6.2: one round of the concatenation KDF (NIST SP 800-56A, 5.8.1) with SHA-256 gives the 256 bits. */
function concatKdf(secret: Uint8Array, { apu = "", apv = "" }: { readonly apu?: string | undefined; readonly apv?: string | undefined }): Buffer {
  const prefixed = (data: Uint8Array): Buffer => Buffer.concat([u32(data.length), data]);
  return createHash("sha256").update(u32(1)).update(secret).update(prefixed(Buffer.from(enc, "latin1"))).update(prefixed(bytesOf(apu))).update(prefixed(bytesOf(apv))).update(u32(keyBytes * 8)).digest();
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Base64url in its one spelling: Node's decoder passes over what is none. */
function bytesOf(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw new AppError("SERVICE_REQUEST");
  return bytes;
}
