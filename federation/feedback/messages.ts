// Feedback of a training job: what the guest tells each host about the host's own features.
import { z } from "zod";
import { count, type Messages } from "../../core/message.ts";
import { maxFeatures } from "../binning/messages.ts";
import { ivBands } from "./bands.ts";

export const feedbackMessages = {
  "feedback/usage": {
    from: "guest", to: "host", maxBytes: 256 * 1024,
    reveals: {
      en: "for each of the host's selected features the class of its information value (below 0.02, to 0.1, to 0.3, above: at most 2 bits of label information each), and the joint model's gain in test AUC over the guest's own, to 0.01; the host may publish the classes by item of the sharing list",
      zh: "该数据方每个入选特征的信息价值等级（小于 0.02、至 0.1、至 0.3、以上：每个至多 2 比特标签信息），以及联合模型相对发起方自有模型的测试 AUC 提升（精确到 0.01）；数据方可按共享目录项公布等级",
    },
    body: z.strictObject({
      /** Hundredths of AUC, or that the budget of label statistics does not allow feedback. */
      uplift: z.union([z.int().min(-100).max(100), z.literal("withheld")]),
      features: z.array(z.strictObject({ feature: count(maxFeatures - 1), band: z.enum(ivBands) })).max(maxFeatures),
    }),
  },
} as const satisfies Messages;
