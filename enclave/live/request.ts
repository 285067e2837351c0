// Sealed requests of a bank's programs to its own enclave: JWE (RFC 7516), ECDH-ES on X25519 with A256GCM, to a key in the guest's signed
// approval; the answer under a key in the request, dir with A256GCM. The platform passes bytes.
import { createPrivateKey, type KeyObject } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";
import { serviceRequestSchema, type ServiceAnswer } from "../../api/contract/services.ts";
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";

/** PKCS#8 of an X25519 key (RFC 8410) without its 32 bytes. */
const pkcs8Head = Buffer.from("302e020100300506032b656e04220420", "hex");
/** How far the clocks of a bank's program and its enclave may be apart. */
const maxSkewMs = 300_000;
const seenForMs = 2 * maxSkewMs;
const maxSeen = 50_000;

export type OpenedRequest = ReturnType<typeof serviceRequestSchema.parse>;

/** The key pair of a service's requests: from the job's secret seed, so that it is the same after a restart and gone with the job. */
export function serviceKeyOf(seed: Uint8Array): { readonly key: KeyObject; readonly x: string } {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seededRng(seed, "serve/request-key")(32)]), format: "der", type: "pkcs8" });
  const { x } = key.export({ format: "jwk" });
  if (typeof x !== "string") throw new AppError("ENCLAVE_KEYS");
  return { key, x };
}

/** Throws SERVICE_REQUEST for what is not sealed to this key, does not fit, is for another service, or of another time. */
export async function openRequest(jwe: string, expected: { readonly key: KeyObject; readonly service: JobId; readonly now: number }): Promise<OpenedRequest> {
  let text: string;
  try {
    const { plaintext } = await compactDecrypt(jwe, expected.key, { keyManagementAlgorithms: ["ECDH-ES"], contentEncryptionAlgorithms: ["A256GCM"], maxDecompressedLength: 0 });
    text = new TextDecoder("utf-8", { fatal: true }).decode(plaintext);
    const request = serviceRequestSchema.parse(JSON.parse(text));
    if (request.service !== expected.service || Math.abs(Date.parse(request.at) - expected.now) > maxSkewMs) throw new AppError("SERVICE_REQUEST");
    return request;
  } catch (cause) {
    // Neither a parser's nor a schema's message goes on: it may quote the request.
    throw cause instanceof AppError ? cause : new AppError("SERVICE_REQUEST");
  }
}

export async function sealAnswer(answer: ServiceAnswer, key: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(JSON.stringify(answer))).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(Buffer.from(key, "base64url"));
}

/** Requests that were taken within the time in which they would be taken again: the same one gets the same answer and is charged once. */
export class SeenRequests<T> {
  readonly #seen = new Map<string, { readonly at: number; readonly answer: Promise<T> }>();

  /** The answer to the request of this id, made by `make` the first time. One that failed is forgotten, and may be asked again. */
  once(id: string, now: number, make: () => Promise<T>): Promise<T> {
    for (const [old, { at }] of this.#seen) {
      if (now - at < seenForMs && this.#seen.size < maxSeen) break;
      this.#seen.delete(old);
    }
    const known = this.#seen.get(id);
    if (known !== undefined) return known.answer;
    const answer = make();
    this.#seen.set(id, { at: now, answer });
    answer.catch(() => this.#seen.delete(id));
    return answer;
  }
}
