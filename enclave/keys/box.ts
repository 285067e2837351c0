// Secrets at rest: the job seeds and channel keys in the state database are sealed under a key file of their own (0600),
// so that a copied database alone opens nothing.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { existsSync } from "node:fs";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";

export class SecretBox {
  readonly #key: Uint8Array;
  readonly #rng: Rng;

  constructor(key: Uint8Array, rng: Rng) {
    if (key.length !== 32) throw new AppError("ENCLAVE_KEYS");
    this.#key = key;
    this.#rng = rng;
  }

  /** Reads the key file or makes one. */
  static open(path: string, rng: Rng): SecretBox {
    if (!existsSync(path)) writeDurably(path, rng(32));
    return new SecretBox(readBytes(path), rng);
  }

  seal(plain: Uint8Array): Uint8Array {
    const nonce = this.#rng(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    return new Uint8Array(Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
  }

  open(sealed: Uint8Array): Uint8Array {
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key, sealed.subarray(0, 12));
      decipher.setAuthTag(sealed.subarray(sealed.length - 16));
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(12, sealed.length - 16)), decipher.final()]));
    } catch (cause) {
      throw new AppError("ENCLAVE_KEYS", {}, { cause });
    }
  }
}
