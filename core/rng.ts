// The one source of randomness (the operating system's CSPRNG) and streams expanded from a secret seed.
// Streams are ChaCha20 (RFC 8439) keyed by HKDF-SHA256 (RFC 5869), so that a party that is restarted rebuilds exactly
// what it had sent, and a supervisor who is shown a seed can re-run a query.
import { createCipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { Rng } from "./env.ts";

export const systemRng: Rng = (bytes) => new Uint8Array(randomBytes(bytes));

/** A deterministic stream for (seed, label). seed: >= 32 bytes. Two labels give independent streams. */
export function seededRng(seed: Uint8Array, label: string): Rng {
  const key = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), `yunei/rng/v1/${label}`, 32));
  const cipher = createCipheriv("chacha20", key, new Uint8Array(16));
  return (bytes) => new Uint8Array(cipher.update(new Uint8Array(bytes)));
}
