// What a person sees of returned outcomes: imports, reports, comparisons, labels, counts that leave, and what the platform has of all banks.
import type { OutcomesReply, ServedModelsReply } from "../api/contract/outcomes.ts";
import type { ImportCounts, ImportResult } from "../enclave/outcomes/import.ts";
import type { Joined } from "../enclave/outcomes/desk.ts";
import type { LabelsManifest } from "../enclave/outcomes/labels.ts";
import type { Comparison, OutcomeReport } from "../enclave/outcomes/report.ts";
import type { CountTable, OutcomeCounts } from "../models/outcomes/release.ts";
import type { Language } from "./terminal.ts";

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const pair = (language: Language, en: string, zh: string): string => (language === "zh" ? zh : en);
const refusedText = (refused: ImportCounts["refused"]): string => Object.entries(refused).map(([code, n]) => `${code} ${n}`).join(", ");

export function importLines({ joined, first, ...counts }: ImportResult & { readonly joined: Joined }, language: Language): string[] {
  const refused = Object.keys(counts.refused).length === 0 ? [] : [
    `${pair(language, "refused", "拒收")}: ${refusedText(counts.refused)}`,
    ...first.map(({ row, code }) => `  ${pair(language, "row", "第")} ${row}${language === "zh" ? " 行" : ""}  ${code}`),
  ];
  return [
    pair(language, `${counts.rows} rows: ${counts.taken} taken, ${counts.repeated} there already, ${counts.corrected} corrected`, `共 ${counts.rows} 行：接收 ${counts.taken}，重复 ${counts.repeated}，更正 ${counts.corrected}`),
    ...refused,
    pair(language, `scores found: ${joined.service} in services, ${joined.batch} in batches; ${joined.without} without`, `找到评分：在线服务 ${joined.service}，批量 ${joined.batch}；仍无评分 ${joined.without}`),
  ];
}

export function importLine(i: Omit<ImportCounts, never> & { readonly id: number; readonly at: string; readonly isFinished: boolean }, language: Language): string {
  const refused = Object.values(i.refused).reduce((a, b) => a + b, 0);
  return `#${i.id}  ${i.at}  ${pair(language, `${i.rows} rows, ${i.taken} taken, ${i.repeated} repeated, ${i.corrected} corrected, ${refused} refused`, `${i.rows} 行，接收 ${i.taken}，重复 ${i.repeated}，更正 ${i.corrected}，拒收 ${refused}`)}${i.isFinished ? "" : pair(language, "  NOT FINISHED: import the file again", "  未完成：请重新导入该文件")}`;
}

export function reportLines({ backTest, sample, rejects }: OutcomeReport, language: Language): string[] {
  const { vintages, verdicts, verdict, model, asOf } = backTest;
  return [
    `${model}  ${asOf}  ${verdict.toUpperCase()}`,
    pair(language, `${sample.loans} loans, ${sample.rejected} turned down, ${sample.withoutScore} without a score`, `贷款 ${sample.loans} 笔，被拒申请 ${sample.rejected} 笔，无评分 ${sample.withoutScore} 笔`),
    ...verdicts.map((v) => `[${v.verdict}] ${v[language]}`),
    ...vintages.map((v) => `${v.cohort}  ${v.loans}  ${v.cells.map((c) => `${c.month}m ${percent(c.rate)}`).join("  ")}`),
    ...(rejects.options ?? []).map((r) => `${r.method}  ${pair(language, "bad rate of turned-down", "被拒者坏账率")} ${r.rejectedBadRate === null ? "-" : percent(r.rejectedBadRate)}  ${pair(language, "beyond all accepted", "超出已接受范围")} ${percent(r.beyondAccepted)}`),
  ];
}

export function comparisonLines(c: Comparison, language: Language): string[] {
  return [
    pair(language, `${c.loans} finished loans, ${c.bads} bad`, `已结贷款 ${c.loans} 笔，其中坏 ${c.bads} 笔`),
    `AUC  ${c.model.slice(0, 12)} ${c.auc.model.toFixed(3)}  ${c.against.slice(0, 12)} ${c.auc.against.toFixed(3)}  ${c.difference >= 0 ? "+" : ""}${c.difference.toFixed(3)} (${c.interval.low.toFixed(3)} … ${c.interval.high.toFixed(3)}, p ${c.pValue.toFixed(3)})`,
    ...c.backTest.verdicts.map((v) => `[${v.verdict}] ${v[language]}`),
  ];
}

export function labelLines({ manifest: m, matched }: { readonly manifest: LabelsManifest; readonly matched: number | null }, language: Language): string[] {
  const { excluded: e } = m;
  return [
    pair(language, `${m.rows} labels, ${m.bads} bad; left out: ${e.immature} too young, ${e.lost} lost, ${e.indeterminate} indeterminate, ${e.older} older, ${e.withoutCompany} without company`,
      `标签 ${m.rows} 个，其中坏 ${m.bads}；排除：表现期未满 ${e.immature}，中断 ${e.lost}，不确定 ${e.indeterminate}，较早贷款 ${e.older}，无企业 ${e.withoutCompany}`),
    pair(language, `turned-down applications: ${m.rejects.method}, ${m.rejects.applications}`, `被拒申请：${m.rejects.method}，${m.rejects.applications} 笔`),
    ...(matched === null ? [] : [pair(language, `${matched} companies of the table have a label`, `特征表中 ${matched} 家企业有标签`)]),
    m.digest,
  ];
}

export function countLines(counts: OutcomeCounts, { isNew, language }: { readonly isNew: boolean; readonly language: Language }): string[] {
  return [
    `${counts.model}  ${counts.cohorts.asOf}${isNew ? "" : pair(language, "  nothing new", "  无变化")}`,
    ...tableLines(counts.cohorts, language), ...tableLines(counts.bands, language),
  ];
}

function tableLines({ cells, rest }: CountTable, language: Language): string[] {
  const line = (key: string, goods: number, bads: number): string => `  ${key}  ${pair(language, "good", "好")} ${goods}  ${pair(language, "bad", "坏")} ${bads}  ${percent(bads / (goods + bads))}`;
  return [...cells.map((c) => line(c.key, c.goods, c.bads)), ...(rest === null ? [] : [line(pair(language, "others", "其他"), rest.goods, rest.bads)])];
}

export function outcomesLines({ reports, totals }: OutcomesReply, language: Language): string[] {
  return [
    ...reports.flatMap((r) => [`${r.institution ?? r.party}  ${r.reportedAt.slice(0, 10)}`, ...countLines(r, { isNew: true, language })]),
    ...totals.map((t) => `${t.cohort}  ${pair(language, "good", "好")} ${t.goods}  ${pair(language, "bad", "坏")} ${t.bads}  ${percent(t.bads / (t.goods + t.bads))}  ${pair(language, "versions", "模型版本")} ${t.models}`),
  ];
}

export function servedModelLines({ deployments }: ServedModelsReply): string[] {
  return deployments.flatMap((d) => [`${d.institution ?? d.party}  ${d.deployment}  r${d.revision}  ${d.changedAt}`, ...d.versions.map((v) => `  v${v.version}  ${v.state}${v.share === 0 ? "" : ` ${v.share / 100} %`}  ${v.model.slice(0, 16)}`)]);
}
