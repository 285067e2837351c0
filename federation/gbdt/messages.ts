// Vertical boosted trees on the wire.
import { z } from "zod";
import { count, type Messages } from "../../core/message.ts";
import { neutralBin } from "../../models/binning/fine.ts";
import { maxFeatures, maxFineBins, offeredSchema } from "../binning/messages.ts";
import { sumsMessages } from "../sums/messages.ts";

/** Bytes of one piece of a bitmap. */
export const bitsChunkBytes = 1024 * 1024;
/** Bounds of the schema; the plan's own are lower. */
export const maxTrees = 10_000;
export const maxDepth = 6;
/** Distinct cuts that one host can be asked for in one job. */
export const maxCuts = 100_000;

const next = z.discriminatedUnion("step", [
  /** So many queries follow: g and h of the nodes of a level, in turn. */
  z.strictObject({ step: z.literal("histograms"), vectors: z.int().min(2).max(2 ** maxDepth).multipleOf(2) }),
  /** Cut number `cut` of this host (counted from 0 over the job): the bins of its feature `feature` that go left, and `neutralBin` when rows
   *  without a bin do. */
  z.strictObject({
    step: z.literal("bits"), cut: count(maxCuts - 1), feature: count(maxFeatures - 1),
    left: z.array(count(neutralBin)).min(1).max(maxFineBins + 1),
  }),
  /** A tree is finished. */
  z.strictObject({ step: z.literal("tree") }),
  z.strictObject({ step: z.literal("end") }),
]);

export const gbdtMessages = {
  "trees/offer": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: {
      en: "how many of the aligned companies fall in each fine bin of each feature (under opaque names)",
      zh: "各特征（匿名）每个细分箱中的已对齐企业数",
    },
    body: z.strictObject({ features: z.array(offeredSchema).max(maxFeatures) }),
  },
  ...sumsMessages("trees", "guest", "host", {
    en: "for each node of each tree, how much gradient and curvature of the loss fall in each fine bin of each feature (with the noise that the plan states)",
    zh: "每棵树每个节点上，各特征每个细分箱内损失的一阶与二阶导数之和（含计划所述噪声）",
  }),
  "trees/next": {
    from: "guest", to: "host", maxBytes: 4096,
    reveals: {
      en: "how many nodes each level has, and which splits of the host's own features the model uses, in the order in which they are first used: what tells something about the labels",
      zh: "每层的节点数，以及模型使用了该数据方自身特征的哪些切分（按首次使用的顺序）：间接反映标签信息",
    },
    body: next,
  },
  "trees/bits": {
    from: "host", to: "guest", maxBytes: bitsChunkBytes + 256,
    reveals: {
      en: "for each company of the job, training and test, on which side of that split it lies: the value of the feature itself, cut in pieces; a bin number of each company in the end",
      zh: "任务中每家企业（训练与测试）位于该切分的哪一侧：即该特征的取值区间，累计后等于每家企业的分箱编号",
    },
    // One bit per row, lowest bit first: 1 = right.
    body: z.strictObject({
      cut: count(maxCuts - 1), index: count(1000), last: z.boolean(),
      bytes: z.instanceof(Uint8Array).refine((b) => b.length > 0 && b.length <= bitsChunkBytes),
    }),
  },
  "trees/uses": {
    from: "guest", to: "host", maxBytes: 2 * 1024 * 1024,
    reveals: {
      en: "in which tree and level of the final model each split of the host's own features stands",
      zh: "该数据方自身特征的每个切分位于最终模型的哪棵树、哪一层",
    },
    body: z.strictObject({
      uses: z.array(z.strictObject({ tree: count(maxTrees - 1), level: count(maxDepth - 1), cut: count(maxCuts - 1) })).max(maxTrees * maxDepth),
    }),
  },
} as const satisfies Messages;
