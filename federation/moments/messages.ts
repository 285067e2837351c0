// The moments of the joint scorecard on the wire.
import { z } from "zod";
import { count, maxFrameBytes, packed, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { sumsMessages } from "../sums/messages.ts";

export const momentsMessages = {
  "moments/own": {
    from: "host", to: "guest", maxBytes: maxFrameBytes,
    reveals: {
      en: "sums and sums of products of the host's own selected WOE columns",
      zh: "数据方自身入选 WOE 列的和与交叉积之和",
    },
    // float64 holding exact integers: d sums, then the upper triangle of the Gram matrix row by row, in chunks.
    body: z.strictObject({ index: count(10_000), last: z.boolean(), values: packed(8, 500_000) }),
  },
  ...sumsMessages("moments", "guest", "host", {
    en: "sums of products of the label, of each of the guest's own columns (and of the residuals of a refinement) with the host's WOE columns",
    zh: "标签、发起方自有各列（及修正轮残差）与数据方 WOE 列的交叉积之和",
  }),
  ...sumsMessages("cross", "host", "host", {
    en: "", // masked by the answering host: uniform to the querying host
    zh: "",
  }),
  "cross/opened": {
    from: "host", to: "guest", maxBytes: maxFrameBytes,
    reveals: { en: "", zh: "" },
    body: z.strictObject({ peer: partyIdSchema, column: count(4095), values: packed(8, 4096) }),
  },
  "cross/masks": {
    from: "host", to: "guest", maxBytes: maxFrameBytes,
    reveals: {
      en: "together with cross/opened: sums of products of the WOE columns of two hosts",
      zh: "与 cross/opened 合并后：两个数据方 WOE 列的交叉积之和",
    },
    body: z.strictObject({ peer: partyIdSchema, column: count(4095), values: packed(8, 4096) }),
  },
} as const satisfies Messages;
