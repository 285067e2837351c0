// Masked totals on the wire: training evaluation and batch scoring use the same messages.
import { z } from "zod";
import { count, packed, type Messages } from "../../core/message.ts";
import { partyPlanSchema } from "../../models/scorecard/quantise.ts";

export const rowsPerChunk = 1_000_000;

export const totalsMessages = {
  "totals/weights": {
    from: "guest", to: "host", maxBytes: 1024 * 1024,
    reveals: {
      en: "the weights of the host's own features in the model",
      zh: "模型中数据方自身特征的权重",
    },
    // A row's partial = clip(round((offset + sum of weight * code) / 2^fractionBits)) in [-clip, clip]; no weights: takes no part.
    body: z.strictObject({ round: count(8), plan: partyPlanSchema.omit({ party: true }) }),
  },
  "totals/masked": {
    from: "host", to: "guest", maxBytes: 2 * 1024 * 1024,
    reveals: {
      en: "with those of all hosts of the job: one total of 8 bits per company over all hosts (with a single host, that host's own total)",
      zh: "与全部数据方合并后：每家企业一个 8 位总分（仅一个数据方时即该方自身总分）",
    },
    body: z.strictObject({ round: count(8), index: count(1000), last: z.boolean(), bytes: packed(1, rowsPerChunk) }),
  },
} as const satisfies Messages;
