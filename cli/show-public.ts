// Public records, reports and deliveries as a company reads them: lines of text.
import type { z } from "zod";
import { publicCreditEndpoints as e, type OwnDelivery } from "../api/contract/public-credit.ts";
import { padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

export type OwnRecord = z.output<typeof e.listOwnItems.reply>["items"][number];
type ReportLine = z.output<typeof e.listReportsOnSelf.reply>["items"][number];

const reasons: Readonly<Record<NonNullable<OwnRecord["withdrawn"]>, { readonly en: string; readonly zh: string }>> = {
  "credit-repair": { en: "withdrawn: credit repair", zh: "已撤回：信用修复" }, expired: { en: "withdrawn: term over", zh: "已撤回：公示期届满" },
  "published-in-error": { en: "withdrawn: published in error", zh: "已撤回：公示有误" }, "record-removed": { en: "withdrawn: removed by its source", zh: "已撤回：来源单位撤销" },
};

export function recordLines(records: readonly OwnRecord[], language: Language): string[] {
  if (records.length === 0) return [language === "zh" ? "没有公开记录" : "no public records"];
  return records.flatMap((r) => {
    const until = r.until === null ? "" : language === "zh" ? `  公示至 ${r.until}` : `  until ${r.until}`;
    const state = r.withdrawn === null ? "" : `  ${reasons[r.withdrawn][language]}`;
    return [
      `${padded(r.item, 34)}  ${r.source}  ${r.asOf}  v${r.version}${until}${state}${r.key === "" ? "" : `  ${r.key}`}`,
      ...Object.entries(r.values).map(([field, value]) => `    ${field}: ${String(value)}`),
    ];
  });
}

export function reportLines(reports: readonly ReportLine[], language: Language): string[] {
  if (reports.length === 0) return [language === "zh" ? "没有查询记录" : "no reports"];
  return reports.map((r) => `${r.createdAt}  ${r.number}  ${r.purpose}  ${r.requester ?? (language === "zh" ? "本企业" : "the company itself")}`);
}

export function deliveryLines(deliveries: readonly OwnDelivery[], language: Language): string[] {
  if (deliveries.length === 0) return [language === "zh" ? "没有提供记录" : "no deliveries"];
  return deliveries.map((d) => {
    const times = d.times === 1 ? "" : language === "zh" ? `  共 ${d.times} 次，最近 ${d.lastAt}` : `  ${d.times} times, last ${d.lastAt}`;
    return `${d.firstAt}  ${d.institution}  ${d.purpose}  ${d.item}  ${d.source}  v${d.version}${d.key === "" ? "" : `  ${d.key}`}${times}`;
  });
}
