// Receipts, the log and its witnesses as lines of text.
import type { ReceiptLine, WitnessView } from "../api/contract/receipts.ts";
import type { BundleReport } from "../receipts/bundle.ts";
import type { FsckReport } from "../receipts/fsck.ts";
import type { Language } from "./terminal.ts";

type Words = { readonly en: string; readonly zh: string };
const line = (language: Language, words: Words, value: string | number): string => `  ${words[language]}: ${value}`;

/** What a receipt that was checked says. Nothing of one whose signature does not hold. */
export function receiptLines(report: BundleReport, language: Language): string[] {
  const { receipt, use, index, cosignatures } = report;
  if (receipt === undefined) return [];
  const lines = [
    "", line(language, { en: "job", zh: "任务" }, receipt.id), line(language, { en: "kind", zh: "类型" }, receipt.kind),
    line(language, { en: "issued by", zh: "签发方" }, receipt.party), line(language, { en: "purpose", zh: "用途" }, receipt.purpose),
    line(language, { en: "time", zh: "时间" }, receipt.at), line(language, { en: "companies' uses in it", zh: "其中企业使用次数" }, receipt.uses.count),
    line(language, { en: "place in the log", zh: "日志位置" }, index ?? "–"),
  ];
  for (const { name, seconds } of cosignatures ?? []) lines.push(line(language, { en: "co-signed by", zh: "见证" }, `${name}  ${new Date(seconds * 1000).toISOString()}`));
  if (use !== undefined) {
    lines.push(
      line(language, { en: "company", zh: "企业" }, use.subject), line(language, { en: "used at", zh: "使用时间" }, use.at), line(language, { en: "used for", zh: "使用方" }, use.grantee),
      line(language, { en: "items", zh: "信息项" }, use.items.join(", ")), line(language, { en: "consent", zh: "授权" }, use.consent?.id ?? "–"),
    );
  }
  return lines;
}

export function receiptTable(items: readonly ReceiptLine[], language: Language): string[] {
  if (items.length === 0) return [language === "zh" ? "没有回执" : "no receipts"];
  return items.map((r) => `${r.index}  ${r.at}  ${r.party}  ${r.kind}  ${r.purpose}  ${r.job}  ${r.id}`);
}

/** One line per witness, and in capitals when one refuses the log. */
export function witnessLines(witnesses: readonly WitnessView[], language: Language): string[] {
  if (witnesses.length === 0) return [language === "zh" ? "没有见证方" : "no witnesses"];
  return witnesses.map(({ party, key, cosigned, refused }) => {
    const seen = cosigned === null ? (language === "zh" ? "尚未签名" : "has signed nothing yet") : `${cosigned.size}  ${cosigned.at}`;
    const isOver = refused === null || (cosigned !== null && cosigned.at > refused.at);
    const warning = refused === null ? "" : `  ${isOver ? "" : "!! "}${language === "zh" ? "曾拒绝" : "REFUSED"} ${refused.code} ${refused.size} -> ${refused.offered}  ${refused.at}`;
    return `${party}  ${key}  ${seen}${warning}`;
  });
}

/** What `fsck` found. */
export function fsckLines(report: FsckReport, language: Language): string[] {
  const root = Buffer.from(report.root).toString("base64");
  const head = report.ok
    ? (language === "zh" ? `日志完好：${report.size} 条，根 ${root}` : `the log is whole: ${report.size} entries, root ${root}`)
    : (language === "zh" ? `日志已损坏：检查点为 ${report.size} 条` : `the log is DAMAGED: its checkpoint says ${report.size} entries`);
  const problems = report.problems.map((p) => `  ${p.kind}${"path" in p ? ` ${p.path}` : ""}${"index" in p ? ` ${p.index}` : ""}`);
  const stray = report.stray.length === 0 ? [] : [language === "zh" ? `  残留文件 ${report.stray.length} 个（无害，启动时清除）` : `  ${report.stray.length} stray files of a crash (harmless, cleared at the next start)`];
  return [head, ...problems, ...stray];
}
