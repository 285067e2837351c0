// Error codes of data quality and of feedback to providers. Facts are positions (from 1) and counts, never a value.
import type { ErrorSpec } from "../errors.ts";

export const qualityErrors = {
  QUALITY_SETTINGS: { status: 400, en: "The file quality.json does not fit its schema; correct the named number of problems. Nothing was checked.", zh: "quality.json 不符合结构定义，请按问题数逐项修正；未执行任何检查。" },
  QUALITY_BINDING: { status: 400, en: "The file quality.json names a table, column, rule or catalogue item that is not there, or a column of another type than the check needs (facts say where). Correct it; nothing was checked.", zh: "quality.json 所指的表、列、规则或目录项不存在，或列的类型与检查不符（见附注位置）。请修正；未执行任何检查。" },
  QUALITY_SQL: { status: 400, en: "The SQL or pattern of a quality rule is refused: one SELECT over the declared tables with listed functions only, without errors (facts say which rule). Nothing was recorded.", zh: "质量规则的 SQL 或正则表达式被拒绝：仅允许在所声明的表上、使用允许函数且无错误的单条 SELECT（见附注的规则序号）；未记录任何结果。" },
  QUALITY_SHAPE: { status: 400, en: "The SQL of a quality rule must give one row of two whole numbers: records looked at, and how many of them fail. Nothing was recorded.", zh: "质量规则的 SQL 须返回一行两个整数：被检查的记录数与其中不合格的记录数；未记录任何结果。" },
  QUALITY_ISSUE_UNKNOWN: { status: 404, en: "There is no such quality issue here. `yunei enclave quality issues` lists them.", zh: "没有该质量问题；可用 yunei enclave quality issues 列出。" },
  QUALITY_ISSUE_STATE: { status: 409, en: "The quality issue is in a state in which this cannot be done (facts name it): only an open or assigned one is assigned, said to be corrected, or accepted for at most 366 days. It is closed when its check passes.", zh: "该质量问题所处状态不允许此操作：仅待分派或处理中的问题可分派、报告已修正或接受（不超过 366 天）；检查通过后问题自动关闭。" },
  QUALITY_ASSIGNEE: { status: 400, en: "An issue is assigned to a person or a department: 1 to 64 characters, without control characters. The name stays here.", zh: "质量问题须分派给人员或部门：1 至 64 个字符，不含控制字符；该名称不出域。" },
  REPORT_SCHEMA: { status: 500, en: "A report to the platform holds more than may leave this domain; it was not sent. This is a fault of the program.", zh: "发往平台的报告含有不得出域的内容，未发送；属程序错误。" },
  QUALITY_STALE: { status: 409, en: "A later run of quality checks is published already, or this run lies in the future. Check the clock of the enclave's machine; the next run is published as usual.", zh: "已发布更新的质量检查结果，或本次运行时间在未来。请检查节点所在机器的时钟；下次运行照常发布。" },
  POLICY_FEEDBACK: { status: 403, en: "The job would tell providers classes of information value about this bank's outcomes, and its own policy does not allow that. Leave `feedback` out of the parameters, or allow \"feedback\": \"bands\" in its rule.", zh: "任务将向数据方反馈由本行标签得出的信息价值等级，而本方策略不允许。请在参数中去掉 feedback，或在规则中设置 \"feedback\": \"bands\"。" },
} as const satisfies Record<string, ErrorSpec>;
