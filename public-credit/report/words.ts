// The Chinese words that page and PDF share. Values are written as people read them, and never bent: what is not known stays so.
import type { CreditReport } from "./schema.ts";

type Field = CreditReport["categories"][number]["items"][number]["records"][number]["fields"][number];

export const title = "公共信用信息报告";

const units: Readonly<Record<string, string>> = { CNY: "元", m2: "平方米", m3: "立方米", kWh: "千瓦时", kVA: "千伏安", months: "个月", persons: "人", times: "次" };

export function valueText({ value, type, unit }: Field): string {
  if (typeof value === "boolean") return value ? "是" : "否";
  if (typeof value === "number") return `${type === "money" ? moneyText(value) : String(value)}${unit === null ? "" : ` ${units[unit] ?? unit}`}`;
  return value;
}

function moneyText(value: number): string {
  const [whole = "", part] = String(value).split(".");
  return `${whole.replaceAll(/\B(?=([0-9]{3})+$)/g, ",")}${part === undefined ? "" : `.${part}`}`;
}

export const unknownWords = { "no-source": "本平台尚无来源", "no-record": "未收到该企业记录" } as const;

export function markText(mark: CreditReport["marks"][number]): string {
  const kind = mark.kind === "objection" ? "异议" : "信用修复申请";
  return `${kind}${mark.state === "examining" ? "处理中" : "经核查仍不能确认"}（${mark.since} 起，来源 ${mark.party}）`;
}

/** The line under a record: where it is from, and which day it stands for. */
export function originText(record: CreditReport["categories"][number]["items"][number]["records"][number]): string {
  return [
    `来源 ${record.source}`, `数据日期 ${record.asOf}`, `首次公示 ${record.publishedOn}`,
    ...(record.version > 1 ? [`第 ${record.version} 次更新于 ${record.changedOn}`] : []), ...(record.until === null ? [] : [`公示至 ${record.until}`]),
    ...(record.key === "" ? [] : [`记录编号 ${record.key}`]),
  ].join(" · ");
}

/** Label and text of what stands at the head. */
export function headRows(report: CreditReport, digest: string): readonly (readonly [string, string])[] {
  const { company } = report;
  return [
    ["企业名称", company.name ?? "（公开信息中未载明）"], ["统一社会信用代码", company.uscc],
    ["登记机关行政区划代码", company.region ?? "（公开信息中未载明）"], ["行业门类", company.sectorZh === null ? "（公开信息中未载明）" : `${company.sector ?? ""} ${company.sectorZh}`],
    ["报告编号", report.number], ["出具时间", `${report.issuedAt}（北京时间 ${report.day}）`], ["查询方", report.requester ?? "企业本身"], ["查询用途", report.purposeZh],
    ["共享目录版本", report.catalogue], ["报告摘要（SHA-256）", digest],
    ["内容", `${report.counts.records} 条记录，${report.counts.items} 个信息项，${report.counts.sources} 个来源`],
  ];
}

/** Marks on the records of this item from this source. */
export function marksOf(report: CreditReport, item: string, source: string): CreditReport["marks"] {
  return report.marks.filter((m) => m.party === source && (m.item === null || m.item === item));
}
