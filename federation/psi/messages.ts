// Everything that the ECDH set intersection may put on the wire. Points are ristretto255 (RFC 9496), 32 bytes each; tags
// are the first 16 bytes of the OPRF output of RFC 9497.
import { z } from "zod";
import { bytes, count, packed, type Messages } from "../../core/message.ts";

/** The largest set that the protocol takes. */
export const maxSetSize = 100_000_000;
/** Elements of every chunk but the last: frames have the same lengths whatever the sets hold. */
export const chunkElements = 4096;
export const pointBytes = 32;
export const tagBytes = 16;

const size = z.number().int().min(1).max(maxSetSize);
const index = count(Math.ceil(maxSetSize / chunkElements) - 1);
const points = z.strictObject({ index, points: packed(pointBytes, chunkElements) });
const maxBytes = chunkElements * pointBytes + 128;

export const psiMessages = {
  "psi/open": {
    from: "guest", to: "host", maxBytes: 256,
    reveals: {
      en: "the size of the guest's set, and whether it is the same set as in an earlier job",
      zh: "发起方集合的大小，以及是否与先前任务的集合相同",
    },
    body: z.strictObject({ size, setDigest: bytes(32) }),
  },
  "psi/ready": {
    from: "host", to: "guest", maxBytes: 256,
    reveals: { en: "the size of the host's set", zh: "数据方集合的大小" },
    body: z.strictObject({ size }),
  },
  "psi/blinded": {
    from: "guest", to: "host", maxBytes,
    reveals: { en: "", zh: "" },
    body: points,
  },
  "psi/twice": {
    from: "host", to: "guest", maxBytes,
    reveals: { en: "which of the guest's companies the host also holds", zh: "发起方的哪些企业也在数据方" },
    body: points,
  },
  "psi/own": {
    from: "host", to: "guest", maxBytes: chunkElements * tagBytes + 128,
    reveals: { en: "", zh: "" },
    body: z.strictObject({ index, tags: packed(tagBytes, chunkElements) }),
  },
} as const satisfies Messages;
