// Everything that the ECDH set intersection may put on the wire. Elements are ristretto255 (RFC 9496), 32 bytes each.
import { z } from "zod";
import { bytes, count, packed, type Messages } from "../../core/message.ts";

const chunk = { index: count(100_000), last: z.boolean(), elements: packed(32) };

export const psiMessages = {
  "psi/open": {
    from: "guest", to: "host", maxBytes: 1024,
    reveals: { en: "the size of the guest's set and its digest", zh: "发起方集合的大小及其摘要" },
    body: z.strictObject({ size: count(100_000_000), setDigest: bytes(32) }),
  },
  "psi/blinded": {
    from: "guest", to: "host", maxBytes: 4 * 1024 * 1024,
    reveals: { en: "", zh: "" },
    body: z.strictObject(chunk),
  },
  "psi/twice": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: { en: "", zh: "" },
    body: z.strictObject(chunk),
  },
  "psi/own": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: { en: "the size of the host's set; which of the guest's companies the host also holds", zh: "数据方集合的大小；发起方的哪些企业也在数据方" },
    body: z.strictObject(chunk),
  },
} as const satisfies Messages;
