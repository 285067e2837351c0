// Companies and addresses as keyed hashes (HMAC-SHA-256, 16 bytes): equal within one domain, without meaning for whoever has not its key.
import { createHmac, hkdfSync } from "node:crypto";

export class LogHashes {
  readonly #key: Uint8Array;

  /** secret: 32 bytes or more of this domain. */
  constructor(secret: Uint8Array) {
    this.#key = new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(0), "yunei/audit/hash/v1", 32));
  }

  company(code: string): string {
    return this.#hash("company", code);
  }

  address(text: string): string {
    return this.#hash("address", text);
  }

  #hash(what: string, text: string): string {
    return createHmac("sha256", this.#key).update(`${what}\0${text}`).digest("hex").slice(0, 32);
  }
}
