// Reasons of a host for the scores of a batch, on the wire: only from hosts that the plan names and whose own policy allows it.
import { z } from "zod";
import { linearAnswerBytes } from "../../kernels/linear/params.ts";
import { count, packed, type Messages } from "../../core/message.ts";

/** Most reasons of one host about one company. */
export const mostReasons = 10;
/** Bytes of one reason: its label (16 bits, little-endian) and its size (8 bits). */
export const labelBytes = 2;
export const reasonBytes = labelBytes + 1;
export const reasonRowsPerChunk = 100_000;
/** Companies of one message with 8 bits each. */
export const unitRowsPerChunk = 100_000;
const linearText: z.ZodType<Uint8Array> = z.instanceof(Uint8Array).refine((b) => b.length >= 1 && b.length <= linearAnswerBytes);
/** Longest name of a feature or group, in UTF-16 units; 0 is none. */
export const mostLabelText = 128;
/** Labels of one host, at most as many as it has features. */
export const mostLabels = 4096;
/** CBOR of one label, at most: two texts and their keys. */
export const labelFrameBytes = 2 * 4 * mostLabelText + 32;

/** What could drive a terminal or turn the direction of a text around. */
export const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** A name as it may stand on a screen. */
export const labelText = z.string().min(1).max(mostLabelText).refine((t) => t.search(unprintable) < 0);

export const scoreMessages = {
  "score/labels": {
    from: "host", to: "guest", maxBytes: 5 * 1024 * 1024,
    reveals: {
      en: "names of features, or of groups of features, as far as the host's own policy lets it name them: those that stand in its reasons",
      zh: "理由中出现的特征名或特征类别名，以数据方自身策略允许的为限",
    },
    // Neither: all features of the host that have no group, or of which it names none.
    body: z.strictObject({ labels: z.array(z.strictObject({ feature: labelText.optional(), group: labelText.optional() })).max(mostLabels) }),
  },
  "score/encrypted-part": {
    from: "host", to: "guest", maxBytes: linearAnswerBytes + 512,
    reveals: {
      en: "with those of all hosts of the job: per company one sum of 28 bits of their codes under the bank's weights (with a single host, that host's own sum)",
      zh: "与全部数据方合并后：每家企业一个 28 位的加权和（机构的权重作用于数据方编码；仅一个数据方时即该方之和）",
    },
    body: z.strictObject({ index: count(1000), last: z.boolean(), text: linearText }),
  },
  "score/odds": {
    from: "host", to: "guest", maxBytes: 2 * 1024 * 1024,
    reveals: { en: "per company 8 bits of this host's own result of the bank's model", zh: "每家企业：该数据方以机构模型计算的结果（8 位）" },
    body: z.strictObject({ index: count(1000), last: z.boolean(), units: packed(1, unitRowsPerChunk) }),
  },
  "score/reasons": {
    from: "host", to: "guest", maxBytes: 4 * 1024 * 1024,
    reveals: {
      en: "per company the features or groups of this host that speak most against it, at most as many as the plan says, each with its part of the score as a whole number: "
        + "more than the total over all hosts; the guest knows the weights and can tell from a part in which bin the company is",
      zh: "每家企业在该数据方最不利的若干特征或类别（数量以计划为限）及其对评分的贡献（整数）：超出各数据方合计总分；发起方知道权重，可由此推断企业所在分箱",
    },
    // Per row: labels and sizes of its reasons, the strongest first, filled up with 0. A size is in units of the total.
    body: z.strictObject({
      index: count(100), last: z.boolean(), labels: packed(labelBytes, mostReasons * reasonRowsPerChunk), sizes: packed(1, mostReasons * reasonRowsPerChunk),
    }),
  },
} as const satisfies Messages;
