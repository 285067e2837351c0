// Error codes of returned loan outcomes. Facts are counts, line numbers and months, never a loan, a score or a status.
import type { ErrorSpec } from "../errors.ts";

export const outcomeErrors = {
  OUTCOME_RECORD: { status: 400, en: "A row of loan outcomes does not fit its schema (facts give the row, from 1): hash of the loan as 64 hex digits, months as YYYY-MM, probability at origination between 0 and 1, digest of the model, status of the list. Correct the row; rows before it were taken.", zh: "贷款表现数据的某行不符合结构（附注为行号，从 1 起）：贷款哈希为 64 位十六进制，月份为 YYYY-MM，发放时概率介于 0 与 1，模型摘要，状态取自列表。请更正该行；之前各行已接收。" },
  OUTCOME_CONFLICT: { status: 409, en: "A row contradicts an earlier one of the same loan (facts give the row): another status in the same month, or another origination, score or model. Correct the rows; the contradicting one was not taken.", zh: "某行与同一贷款的先前记录矛盾（附注为行号）：同月状态不同，或发放月份、评分、模型不同。请更正；矛盾的行未被接收。" },
  OUTCOME_ORDER: { status: 400, en: "A row lies outside its loan's life (facts give the row): before origination, after the end by payment or charge-off, or after the reporting month. The row was not taken.", zh: "某行超出该贷款的存续期（附注为行号）：早于发放、晚于结清或核销，或晚于报告月。该行未被接收。" },
  OUTCOME_LIMIT: { status: 413, en: "There are more loans or models than are kept at once (facts give the limit). Return them in several books, for example by year of origination.", zh: "贷款或模型数量超过上限（见附注）。请分册提交，例如按发放年份。" },
  OUTCOME_SETTINGS: { status: 400, en: "The settings of the outcome analysis are not valid: days past due 30, 60 or 90, a window of 1 to 60 months, increasing months or edges, sensible bounds. Correct the named settings.", zh: "表现分析的设置无效：逾期天数为 30、60 或 90，窗口为 1 至 60 个月，月数或切点须递增，界限须合理。请更正设置。" },
  OUTCOME_MODEL: { status: 404, en: "No returned loan was scored by this version of the model. Name a version that the outcomes hold.", zh: "返回的贷款中没有由该模型版本评分的记录。请指定数据中存在的版本。" },
  OUTCOME_TOO_FEW: { status: 422, en: "There are too few loans with and without the outcome for this analysis (facts give the counts). Wait for more months, or pool cohorts.", zh: "好坏样本数量不足，无法进行该分析（见附注）。请等待更多月份或合并批次。" },
} as const satisfies Record<string, ErrorSpec>;
