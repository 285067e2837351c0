// Sealed requests of a bank's programs to its own enclave: JWE (RFC 7516), ECDH-ES on X25519 with A256GCM, to a key in the guest's signed
// approval; the answer under a key in the request, dir with A256GCM. The platform passes bytes.
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { z } from "zod";
import { serviceRequestSchema } from "../../api/contract/services.ts";
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng, systemRng } from "../../core/rng.ts";
import { ivBytes, openTo, sealUnder } from "./jwe.ts";

/** PKCS#8 of an X25519 key (RFC 8410) without its 32 bytes. */
const pkcs8Head = Buffer.from("302e020100300506032b656e04220420", "hex");
/** How far the clocks of a bank's program and its enclave may be apart. */
const maxSkewMs = 300_000;
const seenForMs = 2 * maxSkewMs;
/** Ten minutes of 300 a second. */
const maxSeen = 200_000;
const maxAnswers = 4_096;

export type OpenedRequest = ReturnType<typeof serviceRequestSchema.parse>;

/** The key pair of a service's requests: from the job's secret seed, so that it is the same after a restart and gone with the job. */
export function serviceKeyOf(seed: Uint8Array): { readonly key: KeyObject; readonly x: string } {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seededRng(seed, "serve/request-key")(32)]), format: "der", type: "pkcs8" });
  const { x } = key.export({ format: "jwk" });
  if (typeof x !== "string") throw new AppError("ENCLAVE_KEYS");
  return { key, x };
}

type Expected = { readonly key: KeyObject; readonly service: JobId; readonly now: number };

export async function openRequest(jwe: string, expected: Expected): Promise<OpenedRequest> {
  return openSealed(jwe, serviceRequestSchema, expected);
}

/** Throws SERVICE_REQUEST for what is not sealed to this key, does not fit, is for another service, or of another time. */
export async function openSealed<T extends { readonly service: JobId; readonly at: string }>(jwe: string, schema: z.ZodType<T>, expected: Expected): Promise<T> {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(openTo(expected.key, jwe));
    const request = schema.parse(JSON.parse(text));
    if (request.service !== expected.service || Math.abs(Date.parse(request.at) - expected.now) > maxSkewMs) throw new AppError("SERVICE_REQUEST");
    return request;
  } catch (cause) {
    // Neither a parser's nor a schema's message goes on: it may quote the request.
    throw cause instanceof AppError ? cause : new AppError("SERVICE_REQUEST");
  }
}

export async function sealAnswer(answer: unknown, key: string): Promise<string> {
  return sealUnder(Buffer.from(key, "base64url"), systemRng(ivBytes), Buffer.from(JSON.stringify(answer)));
}

/** Requests that were taken within the time in which they would be taken again: the same one gets the same answer and is charged once. Answers
 *  of the newest are kept; one that is older is known and refused. */
export class SeenRequests<T> {
  readonly #seen = new Map<string, number>();
  readonly #answers = new Map<string, Promise<T>>();

  /** The answer to the request of this id, made by `make` the first time. One that failed is forgotten, and may be asked again. Throws
   *  SERVICE_REQUEST for one whose answer is no longer kept. */
  async once(id: string, now: number, make: () => Promise<T>): Promise<T> {
    forget(this.#seen, maxSeen, (at) => now - at >= seenForMs);
    const known = this.#seen.has(id);
    const answer = known ? this.#answers.get(id) : make();
    if (answer === undefined) throw new AppError("SERVICE_REQUEST", { again: true });
    if (known) return answer;
    // The newest are last.
    this.#answers.delete(id);
    forget(this.#answers, maxAnswers, () => false);
    this.#seen.set(id, now);
    this.#answers.set(id, answer);
    answer.catch(() => {
      this.#seen.delete(id);
      this.#answers.delete(id);
    });
    return answer;
  }
}

/** The oldest, until one more fits, and those that are old. */
function forget<V>(map: Map<string, V>, most: number, isOld: (value: V) => boolean): void {
  for (const [id, value] of map) {
    if (map.size < most && !isOld(value)) break;
    map.delete(id);
  }
}
