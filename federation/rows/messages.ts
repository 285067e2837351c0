// The row order of a job: the guest fixes it, every party checks it before any arithmetic.
import { z } from "zod";
import { bytes, count, packed, type Messages } from "../../core/message.ts";

/** The most rows of a job. */
export const maxRows = 100_000_000;
/** Rows of every chunk but the last. */
export const chunkRows = 65_536;

const agreed = { rows: count(maxRows), trainRows: count(maxRows), commitment: bytes(32) };

export const rowsMessages = {
  "rows/open": {
    from: "guest", to: "host", maxBytes: 512,
    reveals: { en: "the number of rows of the job and of its training part", zh: "任务的行数与训练部分的行数" },
    body: z.strictObject({ ...agreed, matchedDigest: bytes(32) }),
  },
  "rows/order": {
    from: "guest", to: "host", maxBytes: chunkRows * 4 + 128,
    reveals: {
      en: "which of the host's companies are in the job, and which of them in its training part",
      zh: "数据方的哪些企业在任务中，其中哪些在训练部分",
    },
    body: z.strictObject({ index: count(Math.ceil(maxRows / chunkRows) - 1), positions: packed(4, chunkRows) }),
  },
  "rows/confirm": {
    from: "any", to: "any", maxBytes: 512,
    reveals: { en: "", zh: "" },
    body: z.strictObject(agreed),
  },
} as const satisfies Messages;
