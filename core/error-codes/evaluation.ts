// Error codes of full-coverage evaluation. Facts are counts and positions, never a company or a value.
import type { ErrorSpec } from "../errors.ts";

export const evaluationErrors = {
  EVALUATION_SCORECARD: { status: 400, en: "The scorecard does not fit its schema, the indicator system or the sharing catalogue; correct the named number of problems. The published one is restored from the release.", zh: "评分卡不符合其结构、指标体系或共享目录；请按问题数逐项修正。已发布的评分卡可从发行版恢复。" },
  EVALUATION_SCORECARD_UNKNOWN: { status: 404, en: "No scorecard with this digest is published here. List them with `yunei evaluation scorecard list`, or publish it.", zh: "平台上没有该摘要对应的评分卡。请用 yunei evaluation scorecard list 列出，或先行发布。" },
  EVALUATION_SCORECARD_TAKEN: { status: 409, en: "The id of this scorecard is another institution's, or this version of it is published with other contents. Take another id, or raise the version.", zh: "该评分卡标识已属其他机构，或该版本已以其他内容发布。请更换标识或提高版本号。" },
  EVALUATION_SCORECARD_LIMIT: { status: 409, en: "This institution has published as many scorecards as it may; they cannot be removed. Use one of them, or ask the platform's operator.", zh: "本机构发布的评分卡已达上限，且不可删除。请使用已发布者，或联系平台运营方。" },
  EVALUATION_PUSH_LIMIT: { status: 413, en: "A run pushes no more parts than its companies fill, and no more bytes than the platform keeps for one run (`limit`). Publish fewer subscriptions, or evaluate in provinces.", zh: "单个批次的推送分块数不得超过其企业数所需，总字节数不得超过平台上限（limit）。请减少订阅，或分省评价。" },
  EVALUATION_INDICATOR: { status: 400, en: "An indicator is assigned that the scorecard does not have, or one is assigned twice. Assign the indicators of this version of the scorecard, each once.", zh: "所分配的指标不在评分卡内，或被重复分配。请按该版本评分卡的指标分配，每项一次。" },
  EVALUATION_FEATURE: { status: 400, en: "A party's data do not hold an assigned indicator as numbers for all companies of the run. Compute the indicators again from the published system.", zh: "本方数据缺少所分配的指标，或其不是数值，或行数与本次评价不符。请按已发布的指标体系重新计算。" },
  EVALUATION_PART: { status: 502, en: "The parts of an evaluation do not fit together: other numbers of companies, or sums that these indicators cannot give. Nothing was published. Run it again, and look at the parties' logs if it stays.", zh: "各方的分项无法合并：企业数不一致，或合计超出指标可能的范围。未发布任何结果。请重新运行；若持续出现，请检查各方日志。" },
  EVALUATION_RUNS: { status: 409, en: "Two runs cannot be compared: another scorecard, another major version of it, or another basis. Compare runs of the same.", zh: "两次评价不可比：评分卡、其主版本或评价口径不同。请比较同一口径的两次评价。" },
  EVALUATION_ROWS: { status: 400, en: "Companies, sectors and evaluations are not of the same number, or a company is there twice. Correct the list of companies.", zh: "企业、行业与评价结果的数量不一致，或企业重复。请更正企业清单。" },
  EVALUATION_SUBSCRIPTION: { status: 400, en: "A subscription does not fit its schema, or one institution has two of the same name. Name provinces by the first two digits of GB/T 2260, sectors by the section letter of GB/T 4754.", zh: "订阅不符合结构要求，或同一机构有重名订阅。省级区划请用 GB/T 2260 前两位，行业请用 GB/T 4754 门类字母。" },
  EVALUATION_BUSY: { status: 409, en: "An evaluation of this institution on this basis is waiting or running; one follows another. Look at it with `yunei evaluation list`, or cancel it.", zh: "本机构该口径的评价正在等待或进行；须逐次进行。请用 yunei evaluation list 查看或取消。" },
  EVALUATION_NOT_FOUND: { status: 404, en: "There is no such evaluation run or push for you. List them with `yunei evaluation list` and `yunei evaluation pushes`.", zh: "没有可供查看的该评价批次或推送。请用 yunei evaluation list 与 yunei evaluation pushes 列出。" },
  EVALUATION_PROVIDERS: { status: 502, en: "Too few data providers were left for this run, or one was away and the plan does not go on without it. Run it again when they are back, or with a lower `leastHosts`.", zh: "剩余数据方不足，或有数据方缺席而计划不允许继续。请待其恢复后重新运行，或降低 leastHosts。" },
  EVALUATION_SCHEDULE: { status: 404, en: "This institution has no schedule of evaluations. Set one with `yunei evaluation schedule`.", zh: "本机构未设置定期评价。请用 yunei evaluation schedule 设置。" },
} as const satisfies Record<string, ErrorSpec>;
