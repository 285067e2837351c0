// Everything by which oblivious transfers are prepared between the two ends of a live service. All of it is uniform or pseudorandom to its receiver.
import { z } from "zod";
import { bytes, count, type Messages } from "../../core/message.ts";
import { repetition } from "../../kernels/oblivious/code.ts";
import { extendedBytes } from "../../kernels/oblivious/extension.ts";
import { maxTransfers } from "../ot/chunks.ts";
import { baseTransfers, pointBytes } from "../ot/messages.ts";

/** Transfers that are prepared at once: what a message of the live connection has room for, and 80 ranges of amounts use up. */
export const chunkTransfers = 6400;
/** Chunks of one session at most: transfers are numbered in 32 bits. */
export const maxChunks = Math.floor(maxTransfers / chunkTransfers);
export const chunkBytes = extendedBytes(repetition(), chunkTransfers);
/** Points of the guest's answer to the base transfers. */
export const baseAnswerBytes = pointBytes * baseTransfers;

const n = count();
/** Names the transfers of one channel; the guest draws it. */
export const sessionSchema = z.string().regex(/^[0-9a-f]{16}$/);
const nothing = { en: "", zh: "" };

export const garbledMessages = {
  "garbled/open": { from: "guest", to: "host", maxBytes: 256, reveals: nothing, body: z.strictObject({ n, session: sessionSchema }) },
  "garbled/base": { from: "host", to: "guest", maxBytes: 2 * baseAnswerBytes + 256, reveals: nothing, body: z.strictObject({ n, points: bytes(2 * baseAnswerBytes) }) },
  "garbled/extend": {
    from: "guest", to: "host", maxBytes: chunkBytes.columns + chunkBytes.check + baseAnswerBytes + 512, reveals: nothing,
    // base: the answer to the base transfers, with the first one of a session; columns, check: as in federation/ot.
    body: z.strictObject({ n, session: sessionSchema, index: count(maxChunks - 1), base: bytes(baseAnswerBytes).optional(), columns: bytes(chunkBytes.columns), check: bytes(chunkBytes.check) }),
  },
  // made: transfers of the session so far.
  "garbled/extended": { from: "host", to: "guest", maxBytes: 256, reveals: nothing, body: z.strictObject({ n, made: count(maxTransfers) }) },
} as const satisfies Messages;
