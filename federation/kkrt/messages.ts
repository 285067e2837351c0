// Everything that the set intersection by oblivious transfer puts on the wire, beside the messages of the transfers (federation/ot).
import { z } from "zod";
import { bytes, count, packed, type Messages } from "../../core/message.ts";
import { sessionBytes } from "../../kernels/oblivious/blake2s.ts";
import { setTagBytes, tagsPerMessage } from "../../kernels/oblivious/set-guest.ts";

/** The largest set that the protocol takes, on either side: figures (README) and the memory of a worker are good up to here. */
export const maxKkrtSize = 2 ** 24;
const size = z.number().int().min(1).max(maxKkrtSize);

export const kkrtMessages = {
  "kkrt/open": {
    from: "guest", to: "host", maxBytes: 256,
    reveals: {
      en: "the size of the guest's set, and whether it is the same set as in an earlier job",
      zh: "发起方集合的大小，以及是否与先前任务的集合相同",
    },
    // `salt`: keys the hash of the ids; drawn until the guest's table holds all of them.
    body: z.strictObject({ size, setDigest: bytes(32), salt: bytes(sessionBytes) }),
  },
  "kkrt/ready": {
    from: "host", to: "guest", maxBytes: 256,
    reveals: { en: "the size of the host's set", zh: "数据方集合的大小" },
    body: z.strictObject({ size }),
  },
  "kkrt/tags": {
    from: "host", to: "guest", maxBytes: tagsPerMessage * setTagBytes + 128,
    reveals: { en: "which of the guest's companies the host also holds", zh: "发起方的哪些企业也在数据方" },
    body: z.strictObject({ table: count(2), index: count(Math.ceil(maxKkrtSize / tagsPerMessage) - 1), tags: packed(setTagBytes, tagsPerMessage) }),
  },
} as const satisfies Messages;
