// Evaluation runs, their published figures and subscriptions: lines of text.
import type { EvaluationSubscriptionView, PushView, RunView, ScheduleView } from "../api/contract/evaluations.ts";
import type { ScorecardView } from "../api/contract/scorecards.ts";
import { withoutGrade } from "../evaluation/distribution.ts";
import type { Figures } from "../evaluation/figures.ts";
import { provinces, sections } from "../evaluation/places.ts";
import type { Published } from "../evaluation/suppress.ts";
import { padded } from "../report/format.ts";
import type { Language } from "./terminal.ts";

type Names = Readonly<Record<string, { readonly en: string; readonly zh: string }>>;
const states = {
  waiting: { en: "waiting", zh: "等待" }, running: { en: "running", zh: "进行中" }, done: { en: "done", zh: "完成" }, failed: { en: "failed", zh: "失败" },
} as const;

export function runLines(runs: readonly RunView[], language: Language): string[] {
  if (runs.length === 0) return [language === "zh" ? "没有评价批次" : "no evaluation runs"];
  return runs.map((r) => {
    const away = r.away.length === 0 ? "" : `  ${language === "zh" ? "缺席" : "without"}: ${r.away.join(" ")}`;
    const failure = r.failure === null ? "" : `  ${r.failure.code}${r.failure.party === null ? "" : ` ${r.failure.party}`}`;
    const retry = r.retry === null ? "" : `  ${language === "zh" ? "将重试" : "again"} ${r.retry.at} (${r.retry.code})`;
    const card = r.scorecard === null ? "" : `  ${language === "zh" ? "评分卡" : "scorecard"} ${r.scorecard.slice(0, 12)}`;
    const psi = r.psi === null ? "" : `  PSI ${r.psi} ${r.verdict ?? ""}`;
    return `${r.id}  ${r.asOf}  ${padded(r.basis, 4)}  ${states[r.state][language]}  ${r.evaluator} <- ${r.hosts.join(" ")}${away}${card}${psi}${retry}${failure}`;
  });
}

/** The three tables and the change against the last run. */
export function figureLines(figures: Figures, language: Language): string[] {
  const { card, basis, asOf, absent, stability } = figures;
  const zh = language === "zh";
  const lines = [`${card.id} ${card.version}  ${basis}  ${asOf}${figures.partial ? `  ${zh ? "部分指标缺失" : "partial"}` : ""}`];
  if (absent.length > 0) lines.push(`${zh ? "缺失指标" : "absent indicators"}: ${absent.join(" ")}`);
  const grades: Names = { [withoutGrade]: { en: "no grade", zh: "无等级" } };
  for (const [title, table, rows, columns] of [
    [zh ? "省份 × 等级" : "province by grade", figures.provinceByGrade, provinces, grades], [zh ? "行业 × 等级" : "section by grade", figures.sectorByGrade, sections, grades],
    [zh ? "省份 × 行业" : "province by section", figures.provinceBySector, provinces, undefined],
  ] as const) lines.push("", title, ...tableLines(table, { rows, columns }, language));
  if (stability !== null) {
    const psi = stability.psi === null ? (zh ? "企业过少" : "too few companies") : `PSI ${stability.psi} (${stability.verdict ?? ""})`;
    lines.push("", `${zh ? "与上次评价相比" : "against the run of"} ${stability.from}: ${psi}`, ...tableLines(stability.migration, { rows: grades, columns: grades }, language));
  }
  return lines;
}

function tableLines(table: Published | null, names: { readonly rows: Names; readonly columns: Names | undefined }, language: Language): string[] {
  if (table === null) return [language === "zh" ? "  企业过少，不予公布" : "  too few companies to publish"];
  const nameOf = (labels: readonly string[], of: Names | undefined): string => (labels.length > 2 ? (language === "zh" ? "其余" : "the rest") : labels.map((l) => of?.[l]?.[language] ?? l).join("+"));
  const sum = language === "zh" ? "合计" : "total";
  const cells = [
    ["", ...table.columns.map((c) => nameOf(c, names.columns)), sum],
    ...table.cells.map((row, i) => [nameOf(table.rows[i] ?? [], names.rows), ...row.map((n) => (n === null ? "*" : String(n))), String(table.rowTotals[i] ?? 0)]),
    [sum, ...table.columnTotals.map(String), String(table.total)],
  ];
  const widths = cells[0]?.map((_, c) => Math.max(...cells.map((row) => padded(row[c] ?? "", 1).length))) ?? [];
  return cells.map((row) => `  ${row.map((text, c) => padded(text, widths[c] ?? 1)).join("  ")}`);
}

export function evaluationSubscriptionLines(items: readonly EvaluationSubscriptionView[], language: Language): string[] {
  if (items.length === 0) return [language === "zh" ? "没有订阅" : "no subscriptions"];
  const list = (values: "all" | readonly string[]): string => (values === "all" ? "*" : values.join(","));
  return items.map((s) => `${s.id}  ${s.state}  ${s.name}  ${s.purpose}  ${list(s.provinces)}  ${list(s.sectors)}  ${list(s.grades)}  ${s.bases.join("+")}`);
}

export function pushLines(items: readonly PushView[], language: Language): string[] {
  if (items.length === 0) return [language === "zh" ? "没有推送" : "nothing was pushed"];
  return items.map((p) => `${p.run}  ${p.asOf}  ${padded(p.basis, 4)}  ${p.purpose}  ${p.part}  ${p.evaluator}`);
}

export function scorecardLines(items: readonly ScorecardView[], language: Language): string[] {
  if (items.length === 0) return [language === "zh" ? "没有已发布的评分卡" : "no published scorecards"];
  return items.map((s) => `${s.digest}  ${s.id} ${s.version}  ${s.publisher ?? "-"}  ${s.bases.join("+")}  ${s.indicators}  ${s[language]}`);
}

export function scheduleLines({ bases, terms, interval, state, nextDueAt, lastDueAt }: ScheduleView, language: Language): string[] {
  const zh = language === "zh";
  const every = interval.kind === "hours" ? (zh ? `每 ${interval.every} 小时` : `every ${interval.every} h`)
    : zh ? `每 ${interval.every} 个月，${interval.day} 日 ${interval.hour} 时` : `every ${interval.every} month(s), on day ${interval.day} at ${interval.hour}:00 (China)`;
  return [
    `${every}  ${bases.join("+")}  ${terms.hosts.join(" ")}`,
    state === "paused" ? (zh ? "已暂停" : "paused") : `${zh ? "下次" : "next"} ${nextDueAt}${lastDueAt === null ? "" : `  ${zh ? "上次" : "last"} ${lastDueAt}`}`,
  ];
}
