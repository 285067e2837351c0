// Channel keys of one job. Every enclave puts a fresh X25519 key into its signed approval; the keys of a channel come
// from both keys and from the digest of plan and approvals, so a channel exists only between parties that approved the
// same plan. HKDF-SHA256 (RFC 5869), X25519 (RFC 7748). The private key is erased when the job ends.
import { createHash, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";

export type EphemeralKey = { readonly privatePkcs8: Uint8Array; readonly publicX: string };

/** A fresh key pair: PKCS#8 for the enclave's sealed store, the public x coordinate (base64url) for the approval. */
export function createEphemeralKey(): EphemeralKey {
  const { privateKey, publicKey } = generateKeyPairSync("x25519");
  const x = publicKey.export({ format: "jwk" }).x;
  if (typeof x !== "string") throw new AppError("ENCLAVE_KEYS");
  return { privatePkcs8: new Uint8Array(privateKey.export({ format: "der", type: "pkcs8" })), publicX: x };
}

/** Digest over the plan and everybody's approval; part of every key and signature. */
export function transcriptHash(planDigest: string, approvals: ReadonlyMap<PartyId, string>): Uint8Array {
  // JSON, so that no two different sets of approvals give one text.
  const entries = [...approvals].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Uint8Array(createHash("sha256").update("yunei/transcript/v1\0").update(JSON.stringify([planDigest, entries])).digest());
}

/** The two direction keys of one channel and the secret streams that both ends can expand. */
export class Session {
  readonly #shared: Uint8Array;
  readonly transcript: Uint8Array;
  readonly self: PartyId;
  readonly peer: PartyId;

  constructor(options: { self: PartyId; peer: PartyId; ephemeral: EphemeralKey; peerPublicX: string; transcript: Uint8Array }) {
    this.self = options.self;
    this.peer = options.peer;
    this.transcript = options.transcript;
    const privateKey = createPrivateKey({ key: Buffer.from(options.ephemeral.privatePkcs8), format: "der", type: "pkcs8" });
    this.#shared = agree(privateKey, options.peerPublicX);
  }

  key(from: PartyId, to: PartyId): Uint8Array {
    return this.#expand(`yunei/channel/v1|${from}|${to}`);
  }

  /** A stream known to both ends of this channel only: the pairwise masks of secure sums (Bonawitz et al., CCS 2017). */
  sharedRng(label: string): Rng {
    const [a, b] = [this.self, this.peer].sort();
    return seededRng(this.#expand(`yunei/shared/v1|${a}|${b}`), label);
  }

  #expand(info: string): Uint8Array {
    return new Uint8Array(hkdfSync("sha256", this.#shared, this.transcript, info, 32));
  }
}

function agree(privateKey: KeyObject, peerPublicX: string): Uint8Array {
  try {
    const publicKey = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: peerPublicX }, format: "jwk" });
    // OpenSSL refuses an all-zero result (small-order points), RFC 7748 section 6.1.
    return new Uint8Array(diffieHellman({ privateKey, publicKey }));
  } catch (cause) {
    throw new AppError("PROTOCOL_BAD_SEAL", {}, { cause });
  }
}
