// Keyed hashes (HMAC-SHA256, cut to 16 bytes): the only form in which budgets see a company, a claim or a value of a vector. The key stays in
// the enclave; without it they cannot be compared with a list of credit codes.
import { createHmac, hash } from "node:crypto";
import { z } from "zod";
import type { Brand } from "../core/brand.ts";

/** 32 lower-case hex digits. */
export type KeyedHash = Brand<string, "KeyedHash">;
const keyedHashForm = /^[0-9a-f]{32}$/;
export const keyedHashSchema = z.string().regex(keyedHashForm).transform((s) => s as KeyedHash);

export function isKeyedHash(text: string): text is KeyedHash {
  return keyedHashForm.test(text);
}

/** A vector of own features: per coordinate 4 bytes of a keyed hash of its value, in base64. Coordinates that are equal have equal bytes. */
export type VectorHash = Brand<string, "VectorHash">;
export const coordinateBytes = 4;

export class KeyedHashes {
  readonly #key: Uint8Array;

  /** key: at least 32 bytes, of the enclave, for nothing else. */
  constructor(key: Uint8Array) {
    if (key.length < 32) throw new RangeError("a key of budgets has at least 32 bytes");
    this.#key = key;
  }

  #mac(kind: string, ...parts: readonly string[]): Buffer {
    // Lengths go first, so that no two lists of parts are the same bytes.
    const head = parts.map((part) => Buffer.byteLength(part)).join(",");
    return createHmac("sha256", this.#key).update(`yunei/budgets/v1/${kind}|${head}|`).update(parts.join("")).digest();
  }

  company(id: string): KeyedHash {
    return this.#mac("company", id).toString("hex", 0, 16) as KeyedHash;
  }

  /** question: the predicate in canonical form with its claimed values, so that the same question again is the same hash. */
  claim(company: KeyedHash, item: string, question: string): KeyedHash {
    return this.#mac("claim", company, item, question).toString("hex", 0, 16) as KeyedHash;
  }

  /** values: canonical texts in the order of the model's own features; a missing one is the empty text. */
  vector(company: KeyedHash, model: string, values: readonly string[]): VectorHash {
    // A key of its own for each company and model; then one hash for each coordinate, cut to 4 of 32 bytes, which leaves nothing to extend.
    const key = this.#mac("coordinates", company, model).toString("hex");
    const parts = values.map((value, i) => hash("sha256", `${key}|${i}|${value}`, "buffer").subarray(0, coordinateBytes));
    return Buffer.concat(parts).toString("base64") as VectorHash;
  }
}
