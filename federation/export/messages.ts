// Export of a whole model on the wire: the guest names it, every owner answers with its half in the open.
import { z } from "zod";
import { count, packed, type Messages } from "../../core/message.ts";

export const halfChunkBytes = 4 * 1024 * 1024;

export const exportMessages = {
  "export/open": {
    from: "guest", to: "host", maxBytes: 4096,
    reveals: { en: "that the guest still holds its half of this model and exports the whole", zh: "发起方仍持有该模型中自己的部分，并将导出完整模型" },
    body: z.strictObject({ model: z.string().regex(/^model_[0-9a-z]{16,32}$/), digest: z.string().regex(/^[0-9a-f]{64}$/) }),
  },
  "export/half": {
    from: "host", to: "guest", maxBytes: halfChunkBytes + 1024,
    reveals: {
      en: "the owner's half of the model, in the open: the real names of its features that the model uses, and how their values are binned (all edges, special values and levels)",
      zh: "数据方所持的模型部分（明文）：入模特征的真实名称及其取值分箱方式（全部切点、特殊值与类别）",
    },
    /** Canonical JSON of the half (half.ts) in pieces. */
    body: z.strictObject({ index: count(1_000_000), last: z.boolean(), bytes: packed(1, halfChunkBytes) }),
  },
} as const satisfies Messages;
