// Error codes of full-coverage evaluation. Facts are counts and positions, never a company or a value.
import type { ErrorSpec } from "../errors.ts";

export const evaluationErrors = {
  EVALUATION_SCORECARD: { status: 400, en: "The scorecard does not fit its schema, the indicator system or the sharing catalogue; correct the named number of problems. The published one is restored from the release.", zh: "评分卡不符合其结构、指标体系或共享目录；请按问题数逐项修正。已发布的评分卡可从发行版恢复。" },
  EVALUATION_INDICATOR: { status: 400, en: "An indicator is assigned that the scorecard does not have, or one is assigned twice. Assign the indicators of this version of the scorecard, each once.", zh: "所分配的指标不在评分卡内，或被重复分配。请按该版本评分卡的指标分配，每项一次。" },
  EVALUATION_FEATURE: { status: 400, en: "A party's data do not hold an assigned indicator as numbers for all companies of the run. Compute the indicators again from the published system.", zh: "本方数据缺少所分配的指标，或其不是数值，或行数与本次评价不符。请按已发布的指标体系重新计算。" },
  EVALUATION_PART: { status: 502, en: "The parts of an evaluation do not fit together: other numbers of companies, or sums that these indicators cannot give. Nothing was published. Run it again, and look at the parties' logs if it stays.", zh: "各方的分项无法合并：企业数不一致，或合计超出指标可能的范围。未发布任何结果。请重新运行；若持续出现，请检查各方日志。" },
  EVALUATION_RUNS: { status: 409, en: "Two runs cannot be compared: another scorecard, another major version of it, or another basis. Compare runs of the same.", zh: "两次评价不可比：评分卡、其主版本或评价口径不同。请比较同一口径的两次评价。" },
  EVALUATION_ROWS: { status: 400, en: "Companies, sectors and evaluations are not of the same number, or a company is there twice. Correct the list of companies.", zh: "企业、行业与评价结果的数量不一致，或企业重复。请更正企业清单。" },
  EVALUATION_SUBSCRIPTION: { status: 400, en: "A subscription does not fit its schema, or one institution has two of the same name. Name provinces by the first two digits of GB/T 2260, sectors by the section letter of GB/T 4754.", zh: "订阅不符合结构要求，或同一机构有重名订阅。省级区划请用 GB/T 2260 前两位，行业请用 GB/T 4754 门类字母。" },
} as const satisfies Record<string, ErrorSpec>;
