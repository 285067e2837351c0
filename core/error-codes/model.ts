// Error codes of the area "model". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const modelErrors = {
  MODEL_TOO_FEW_ROWS: {
    status: 422,
    en: "There are too few training rows for a statistic. Add companies, or train with fewer parties.",
    zh: "训练样本太少，无法计算统计量。请增加企业数量或减少参与方。",
  },
  MODEL_ONE_CLASS: {
    status: 422,
    en: "The training label has only one class. Check the label column and the split: both goods and bads are needed.",
    zh: "训练标签只有一个类别。请检查标签列与样本划分：好坏样本都需要。",
  },
  MODEL_NO_FEATURE: {
    status: 422,
    en: "No feature passed the floors and the selection. Lower the selection thresholds or bring more features or rows.",
    zh: "没有特征通过下限与筛选。请放宽筛选阈值，或增加特征、样本。",
  },
  MODEL_SHAPE: {
    status: 400,
    en: "Arrays that belong together have different lengths, or an index is out of its range. Rebuild the input from one snapshot.",
    zh: "配套数组长度不一致或索引越界。请用同一份数据快照重新生成输入。",
  },
  MODEL_COUNTS: {
    status: 400,
    en: "Counts contradict each other: negative, not whole, or more events than rows. Do not use them; ask the party to run again.",
    zh: "计数自相矛盾：为负、非整数，或坏样本多于总数。请勿使用，请对方重新计算。",
  },
  MODEL_RANGE: {
    status: 422,
    en: "A sum leaves the range of exact integers (2^53). Use fewer rows or smaller codes.",
    zh: "求和超出精确整数范围（2^53）。请减少行数或缩小编码。",
  },
  MODEL_MANUAL_BINS: {
    status: 422,
    en: "The manual bins are not valid: edges must be finite and increasing, and every bin must pass the floors. Widen the bin named.",
    zh: "手工分箱无效：切点须有限且递增，每一箱须满足下限。请放宽所指分箱。",
  },
  MODEL_TOO_MANY_PARTIES: {
    status: 422,
    en: "The exact split of the gain is defined for at most seventeen parties. Group the smaller providers.",
    zh: "增益的精确分摊最多支持十七个参与方。请将较小的数据方合并。",
  },
} as const satisfies Record<string, ErrorSpec>;
