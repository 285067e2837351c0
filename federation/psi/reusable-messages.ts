// What the reusable intersection puts on the wire beside the chunks of the curve protocol (`psi/blinded`, `psi/twice`).
import { z } from "zod";
import { bytes, count, packed, type Messages } from "../../core/message.ts";
import { maxSetSize, tagBytes } from "./messages.ts";

/** Tags of one message at most. */
export const tagsPerMessage = 262_144;
const size = z.number().int().min(1).max(maxSetSize);

export const reusableMessages = {
  "psi/reuse-open": {
    from: "guest", to: "host", maxBytes: 256,
    reveals: {
      en: "the size of the guest's set, whether it is the same set as in an earlier job, and which list of the host's tags the guest still has",
      zh: "发起方集合的大小、是否与先前任务的集合相同，以及发起方仍保存着数据方的哪一份标签列表",
    },
    // `have`: digest of the list of tags that the guest kept from this host, or zeros.
    body: z.strictObject({ size, setDigest: bytes(32), have: bytes(32) }),
  },
  "psi/reuse-ready": {
    from: "host", to: "guest", maxBytes: 256,
    reveals: {
      en: "the size of the host's set, and whether it is the same set as in an earlier job",
      zh: "数据方集合的大小，以及是否与先前任务的集合相同",
    },
    body: z.strictObject({ size, digest: bytes(32) }),
  },
  "psi/reuse-tags": {
    from: "host", to: "guest", maxBytes: tagsPerMessage * tagBytes + 128,
    reveals: { en: "", zh: "" },
    body: z.strictObject({ index: count(Math.ceil(maxSetSize / tagsPerMessage) - 1), tags: packed(tagBytes, tagsPerMessage) }),
  },
} as const satisfies Messages;
