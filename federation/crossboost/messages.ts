// Boosting on cross-party cells, on the wire. The lookups have their own messages (federation/lookup).
import { z } from "zod";
import { count, packed, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { maxFeatures, offeredSchema } from "../binning/messages.ts";
import { sumsMessages } from "../sums/messages.ts";

/** Bytes of one piece of a coarse Gram. */
export const gramChunkBytes = 1024 * 1024;

export const crossboostMessages = {
  "cells/offer": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: {
      en: "how many of the aligned companies fall in each fine bin of each feature (under opaque names)",
      zh: "各特征（匿名）每个细分箱中的已对齐企业数",
    },
    body: z.strictObject({ features: z.array(offeredSchema).max(maxFeatures) }),
  },
  "cells/gram": {
    from: "host", to: "guest", maxBytes: gramChunkBytes + 256,
    reveals: {
      en: "how many of the aligned companies fall in each pair of coarse groups of two of its features, rounded to multiples of 20",
      zh: "任两个特征的粗分组组合中的已对齐企业数（按 20 取整）",
    },
    body: z.strictObject({ index: count(10_000), last: z.boolean(), counts: packed(4, gramChunkBytes / 4) }),
  },
  ...sumsMessages("cells", "guest", "host", {
    en: "for each cell of the guest's own companies, the sums of their residuals and weights in each fine bin of each feature, with noise",
    zh: "发起方每个自有单元内，企业残差与权重在各特征每个细分箱中的总和（含噪声）",
  }),
  "cells/next": {
    from: "guest", to: "host", maxBytes: 4096,
    reveals: { en: "how many queries follow, and how many totals are opened", zh: "后续查询的数量，以及公开总分的次数" },
    body: z.discriminatedUnion("step", [
      /** Queries of a stage; then one total of the hosts named here is opened. */
      z.strictObject({ step: z.literal("stage"), vectors: z.int().min(1).max(10_000), present: z.array(partyIdSchema).min(1).max(16) }),
      z.strictObject({ step: z.literal("end") }),
    ]),
  },
} as const satisfies Messages;
