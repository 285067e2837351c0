// Full-coverage evaluation on the wire.
import { z } from "zod";
import { count, packed, type Messages } from "../../core/message.ts";

export const rowsPerChunk = 1_000_000;
/** Two bytes of each of the two sums. */
export const bytesPerRow = 4;
/** Longest list of indicators, and longest id of one. */
export const mostIndicators = 200;
export const mostIndicatorText = 63;
const indicator = z.string().regex(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/).max(mostIndicatorText);

export const evaluateMessages = {
  "evaluate/offer": {
    from: "any", to: "any", maxBytes: 16 * 1024,
    reveals: { en: "which indicators of the public scorecard the party can compute", zh: "该方可计算公开评分卡中的哪些指标" },
    body: z.strictObject({ indicators: z.array(indicator).max(mostIndicators).refine((all) => new Set(all).size === all.length) }),
  },
  "evaluate/part": {
    from: "host", to: "guest", maxBytes: bytesPerRow * rowsPerChunk + 1024,
    reveals: {
      en: "with those of all hosts of the run: per company two sums of 16 bits over all hosts, points and covered stake of the public scorecard (with a single host that computes something, its own); "
        + "from the stakes it may work out which indicators are known of a company",
      zh: "与本次全部数据方合并后：每家企业两个 16 位合计（公开评分卡的得分与已覆盖权重；仅一方有指标时即该方自身的合计）；由已覆盖权重可能推断企业有哪些指标",
    },
    // Residues mod 2^16 under masks that cancel, 16-bit little-endian, in the job's order of rows.
    body: z.strictObject({ index: count(100), last: z.boolean(), points: packed(2, rowsPerChunk), covered: packed(2, rowsPerChunk) }),
  },
} as const satisfies Messages;
