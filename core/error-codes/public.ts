// Error codes of public items, credit reports and subscriptions. Facts are positions (rows and fields from 1), limits, items and clauses:
// never a company or a value.
import type { ErrorSpec } from "../errors.ts";

export const publicErrors = {
  PUBLIC_FORM: { status: 400, en: "This is not a batch of public items: a signed header line, then one JSON object a line, each ended by a line feed. Make it with `yunei enclave publish-items`.", zh: "这不是公共信息批次：首行为签名头，其后每行一个 JSON 对象，各行以换行符结束。请用 `yunei enclave publish-items` 生成。" },
  PUBLIC_LIMIT: { status: 413, en: "The batch, or one row of it, is larger than a batch may be. Send the rows as several batches.", zh: "批次或其中某行超过上限。请拆成多个批次提交。" },
  PUBLIC_SIGNATURE: { status: 403, en: "The batch is not signed by the identity key of the party that sends it, or its rows are not the signed ones. Make the batch again in the party's own enclave.", zh: "批次并非由提交方的身份密钥签名，或各行与签名不符。请在本方节点重新生成批次。" },
  PUBLIC_DIGEST: { status: 400, en: "The digest in the path is not the SHA-256 of the body. Send the batch again.", zh: "路径中的摘要与内容的 SHA-256 不符，请重新提交。" },
  PUBLIC_SOURCE: { status: 403, en: "The platform's operator has not named this party as a source of this item. Ask for it (`yunei platform source`).", zh: "平台运营方未将本方登记为该信息项的来源。请申请登记（`yunei platform source`）。" },
  PUBLIC_DAY: { status: 400, en: "The day that the batch stands for lies in the future. Correct it.", zh: "批次的数据日期在未来，请更正。" },
  PUBLIC_ROW: { status: 400, en: "A row does not fit the form of a public record: a valid unified social credit code, a key, values by field, or a withdrawal with its reason. Region and section belong to rows of the basic registration alone.", zh: "某行不符合公共信息记录的格式：有效的统一社会信用代码、记录编号、按数据项填写的值，或带原因的撤回。区域与行业门类只能随登记基本信息提供。" },
  PUBLIC_VALUE: { status: 400, en: "A value does not fit its field's type in the catalogue, or names another company. Correct the row.", zh: "某个值与目录中该数据项的类型不符，或指向其他企业。请更正该行。" },
  PUBLIC_TERM: { status: 400, en: "A record's term of publication was over before the day of the batch, or `until` is later than the item's own field for it (the end of publication). Leave the record out, or correct the term.", zh: "某条记录的公示期在批次数据日期之前已届满，或 until 晚于该记录的公示截止日期。请去除该记录或更正期限。" },
  PUBLIC_DUPLICATE: { status: 409, en: "Two rows of the batch are the same record (company and key). Keep one.", zh: "批次中有两行为同一记录（企业与记录编号相同），请保留一行。" },
  PUBLIC_OUTDATED: { status: 409, en: "The platform holds this record as of a later day. Send the state of that day or later.", zh: "平台已有该记录更新日期的数据。请提交该日期或之后的数据。" },
  PUBLIC_WITHDRAWN: { status: 409, en: "This record was withdrawn (credit repair, end of its term, or an error) and is not published again. Leave it out; a new fact has a new key.", zh: "该记录已撤回（信用修复、公示期满或有误），不再公示。请去除；新的事实请用新的记录编号。" },
  PUBLIC_UNKNOWN_RECORD: { status: 404, en: "A withdrawal names a record that the platform does not hold from this party. Correct company or key.", zh: "撤回所指的记录不存在于本方已提交的数据中。请更正企业或记录编号。" },
  PUBLIC_COLUMN: { status: 400, en: "A column of the file is neither a field of the item nor one of uscc, key, until, region, sector, withdraw; or uscc is missing. Rename or remove it.", zh: "文件中某列既不是该信息项的数据项，也不是 uscc、key、until、region、sector、withdraw 之一，或缺少 uscc 列。请改名或去除。" },
  SUBSCRIPTION_NOT_FOUND: { status: 404, en: "No such subscription of this institution.", zh: "该机构没有此订阅。" },
  SUBSCRIPTION_ENDED: { status: 410, en: "The subscription has ended. Make a new one.", zh: "订阅已终止，请新建订阅。" },
  SUBSCRIPTION_LIMIT: { status: 429, en: "The institution has as many open subscriptions as are allowed. End one first.", zh: "该机构的有效订阅已达上限，请先终止一项。" },
  SUBSCRIPTION_CURSOR: { status: 400, en: "The cursor is not one that a delivery gave. Use X-Next-Cursor of the last delivery, or leave it out to begin.", zh: "游标无效。请使用上次推送的 X-Next-Cursor，或留空从头开始。" },
  CREDIT_REPORT_NOT_FOUND: { status: 404, en: "No such credit report for this caller.", zh: "没有可供该调用方访问的此信用报告。" },
  CREDIT_REPORT_EXPIRED: { status: 410, en: "The report's text is not kept any more: its time is over, or a record in it was withdrawn since. Ask for a new one.", zh: "信用报告文本已不再保存：保存期已过，或其中的记录已被撤回。请重新查询。" },
  CREDIT_REPORT_LIMIT: { status: 429, en: "The institution has asked for as many credit reports today as are allowed. Go on tomorrow, or take a subscription.", zh: "该机构今日查询的信用报告已达上限。请明日再查，或使用批量订阅。" },
} as const satisfies Record<string, ErrorSpec>;
