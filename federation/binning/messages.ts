// Federated WOE binning on the wire.
import { z } from "zod";
import { bytes, count, type Messages } from "../../core/message.ts";
import { partyIdSchema } from "../../core/names.ts";
import { fineShapeSchema } from "../../models/binning/fine.ts";
import { sumsMessages } from "../sums/messages.ts";

export const maxFeatures = 4096;
export const maxFineBins = 254;

/** A feature as its owner offers it: its shape, under an opaque name that follows from its place, and the training rows of each bin. */
export const offeredSchema = z.strictObject({
  shape: fineShapeSchema,
  /** Rows of the training part in each bin. */
  totals: z.array(count(100_000_000)).min(1).max(maxFineBins),
});

const merged = z.strictObject({
  feature: count(maxFeatures - 1),
  /** Fine bin to merged bin. */
  mergedOf: z.array(count(maxFineBins - 1)).min(1).max(maxFineBins),
  /** WOE of each merged bin in steps of 1/127 of the feature's largest: a signed integer of 8 bits. */
  codes: z.array(z.number().int().min(-127).max(127)).min(1).max(maxFineBins),
});

export const binningMessages = {
  "binning/offer": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: {
      en: "how many of the aligned companies fall in each fine bin of each feature (under opaque names)",
      zh: "各特征（匿名）每个细分箱中的已对齐企业数",
    },
    body: z.strictObject({ features: z.array(offeredSchema).max(maxFeatures) }),
  },
  ...sumsMessages("binning", "guest", "host", {
    en: "how many of the guest's bad loans fall in each fine bin of each feature",
    zh: "各特征每个细分箱中发起方坏样本的数量",
  }),
  "binning/merged": {
    from: "guest", to: "host", maxBytes: 4 * 1024 * 1024,
    reveals: {
      en: "for the host's selected features, the merged bins and their weight of evidence (label statistics of at least 5 goods and 5 bads a bin); how many features of each party are selected",
      zh: "该数据方入选特征的合并分箱及其证据权重（每箱至少 5 好 5 坏的标签统计）；各方入选特征的数量",
    },
    body: z.strictObject({
      /** SHA-256 over a secret salt and the labels in row order: opened to a supervisor in an audit. */
      labelCommitment: bytes(32),
      /** Queries that will follow in the moments: the guest's own columns and the label. */
      queries: count(maxFeatures),
      selected: z.array(z.strictObject({ party: partyIdSchema, columns: count(maxFeatures) })).max(16),
      features: z.array(merged).max(maxFeatures),
    }),
  },
} as const satisfies Messages;
