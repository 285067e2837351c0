// Error codes of the published indicator system. Facts are numbers.
import type { ErrorSpec } from "../errors.ts";

export const indicatorErrors = {
  INDICATOR_DATA: { status: 500, en: "A file of the indicator system is damaged or contradicts itself or the sharing catalogue. Restore it from the release, or correct the named number of problems.", zh: "指标体系文件损坏、自相矛盾或与共享目录不符。请从发行版恢复，或按问题数逐项修正。" },
  INDICATOR_UNKNOWN: { status: 404, en: "There is no indicator of this id. List the indicators and use an id from there.", zh: "没有该编号的指标。请列出指标并使用其中的编号。" },
  INDICATOR_AREA: { status: 404, en: "The indicator system has no such area, or no indicator fits the filter. List the indicators to see the areas.", zh: "指标体系没有该领域，或没有符合条件的指标。请列出指标查看各领域。" },
  INDICATOR_AS_OF: { status: 400, en: "The day at which the indicators look back is not a date of the form 2025-01-01. Correct it.", zh: "指标的基准日不是 2025-01-01 形式的日期。请更正。" },
} as const satisfies Record<string, ErrorSpec>;
