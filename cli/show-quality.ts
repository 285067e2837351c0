// Rates of data quality, issues and use of items, as the platform shows them, as lines of text.
import type { z } from "zod";
import type { qualityIssueSchema, qualityRateSchema } from "../api/contract/quality.ts";
import type { UsageReply } from "../api/contract/usage.ts";
import { ivBands, type IvBand } from "../federation/feedback/bands.ts";
import type { PublishedRate } from "../quality/publication.ts";
import { dimensionNames, type Rule } from "../quality/rules.ts";
import { issueStateNames } from "../quality/states.ts";
import { padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

const percent = (permille: number): string => `${(permille / 10).toFixed(1)} %`;
const untold = {
  suppressed: { en: "(too few to tell)", zh: "（数量过少，不公布）" }, "not-run": { en: "(not checked)", zh: "（未检查）" }, rated: { en: "", zh: "" },
} as const satisfies Record<PublishedRate["state"], { en: string; zh: string }>;

export function rateLine(rate: PublishedRate, language: Language): string {
  const told = rate.permille === null ? untold[rate.state][language] : `${percent(rate.permille)}${rate.permille > rate.limit ? " !" : ""}`;
  return `${padded(rate.rule, 24)} ${padded(rate.item ?? "-", 32)} ${padded(told, 12)} ${language === "zh" ? "上限" : "limit"} ${percent(rate.limit)}  ${dimensionNames[rate.dimension][language]}`;
}

export function rateLines(rates: readonly z.output<typeof qualityRateSchema>[], language: Language): string[] {
  if (rates.length === 0) return [language === "zh" ? "没有数据质量比率" : "no rates"];
  return rates.map((r) => `${padded(r.party, 16)} ${r.ranAt.slice(0, 16)}Z  ${rateLine(r, language)}`);
}

export function issueLines(issues: readonly z.output<typeof qualityIssueSchema>[], language: Language): string[] {
  if (issues.length === 0) return [language === "zh" ? "没有问题" : "no issues"];
  const say = (en: string, zh: string): string => (language === "zh" ? zh : en);
  return issues.map((i) => {
    const until = i.acceptedUntil === null ? "" : `  ${i.reason ?? ""} ${say("until", "至")} ${i.acceptedUntil.slice(0, 10)}`;
    return `${padded(i.party, 16)} #${i.issue}  ${issueStateNames[i.state][language]}${i.overdue ? say(" OVERDUE", " 已逾期") : ""}  ${i.severity}  ${i.rule}  ${i.item ?? "-"}  ${percent(i.permille)} > ${percent(i.limit)}  ${say("due", "期限")} ${i.dueAt.slice(0, 10)}${until}`;
  });
}

export function ruleLines(rules: readonly (Rule & { readonly dueDays: number })[], language: Language): string[] {
  const days = language === "zh" ? "天" : "days";
  return rules.map((r) => `${padded(r.id, 24)} ${padded(percent(r.limit), 8)} ${padded(r.severity, 9)} ${padded(`${r.dueDays} ${days}`, 8)} ${r[language]}`);
}

function bandsText(bands: Readonly<Record<IvBand, number>> | null): string {
  const found = bands === null ? [] : ivBands.filter((band) => bands[band] > 0).map((band) => `${band} ${bands[band]}`);
  return found.length === 0 ? "" : `  IV: ${found.join(", ")}`;
}

/** A provider's jobs, then totals by item. */
export function usageLines({ since, truncated, jobs, totals }: UsageReply, language: Language): string[] {
  const say = (en: string, zh: string): string => (language === "zh" ? zh : en);
  if (totals.length === 0) return [say(`nothing was used since ${since.slice(0, 10)}`, `自 ${since.slice(0, 10)} 起没有使用记录`)];
  const noItem = say("(no item)", "（未对应目录项）");
  const head = say(`since ${since.slice(0, 10)}${truncated ? ", the newest jobs only" : ""}`, `自 ${since.slice(0, 10)} 起${truncated ? "（仅最近任务）" : ""}`);
  return [
    head,
    ...totals.map((t) => `${padded(t.item ?? noItem, 32)} ${say("jobs", "任务")} ${t.jobs} (${say("training", "训练")} ${t.trainings}, ${say("scoring", "评分")} ${t.scorings})  ${say("institutions", "机构")} ${t.institutions}  ${say("providers", "数据方")} ${t.providers}  ${say("companies asked about", "企业次")} ${t.companies}  ${Object.entries(t.purposes).map(([p, n]) => `${p} ${n}`).join(", ")}${bandsText(t.bands)}`),
    ...jobs.flatMap((j) => [
      `${j.endedAt.slice(0, 16)}Z  ${j.job}  ${j.kind}  ${j.institution}  ${j.purpose}  ${j.companies} ${say("companies", "家企业")}${j.uplift === null ? "" : `  AUC ${j.uplift >= 0 ? "+" : ""}${(j.uplift / 100).toFixed(2)}`}`,
      ...j.items.map((i) => `  ${padded(i.item ?? noItem, 32)} ${i.indicators === null ? "" : `${i.indicators} ${say("indicators", "项指标")}`}${bandsText(i.bands)}`),
    ]),
  ];
}
