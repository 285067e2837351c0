// report.html: the whole report as one page that loads nothing. Chinese and English are both in it; a pair of radio
// buttons and the style sheet show one of them. The one script only picks the browser's language at the start; without
// scripts the page opens in Chinese and the buttons still work.
import { createHash } from "node:crypto";
import { both, html, trusted, type Html } from "./page/markup.ts";
import { costSection } from "./page/cost.ts";
import { boostedSection } from "./page/boosted.ts";
import { featuresSection, scorecardSection } from "./page/model.ts";
import { say, shortTitles, type SectionId } from "./page/parts.ts";
import { scoresSection, separationSection } from "./page/quality.ts";
import { dataSection, pageHeader, resultSection } from "./page/result.ts";
import { styleSheet } from "./page/style.ts";
import { leakageSection, readingSection, trustSection } from "./page/trust.ts";
import { isScorecard, type JointReport } from "./schema.ts";
import { wordsFor } from "./words.ts";

const script = `(function(d){var e=d.getElementById("lang-en"),z=d.getElementById("lang-zh");\
function s(){d.documentElement.lang=e.checked?"en":"zh-CN"}\
if(!/^zh/i.test(navigator.language||"zh"))e.checked=true;e.onchange=z.onchange=s;s()})(document)`;

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'", `style-src ${hashOf(styleSheet)}`, `script-src ${hashOf(script)}`, "base-uri 'none'", "form-action 'none'",
].join("; ");

/** Sections of a scorecard, or the one of the other kinds. */
function shown(report: JointReport, id: SectionId): boolean {
  if (id === "model") return !isScorecard(report);
  return isScorecard(report) || (id !== "features" && id !== "scorecard");
}

/**
 * The page for a report that passed `jointReportSchema`: one self-contained HTML document in both languages. The same
 * report gives the same bytes. Names are escaped; charts are inline SVG.
 */
export function renderReport(report: JointReport): string {
  const kind = wordsFor("models", report.model.kind);
  const links = (Object.keys(shortTitles) as SectionId[]).filter((id) => shown(report, id)).map((id) => html`<a href="#${id}">${both(shortTitles[id])}</a>`);
  const page: Html = html`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">
<title>${kind.zh}报告 · ${kind.en} report · ${report.job}</title><style>${trusted(styleSheet)}</style></head><body>
<input class="switch" type="radio" name="lang" id="lang-zh" checked aria-label="中文">
<input class="switch" type="radio" name="lang" id="lang-en" aria-label="English">
<div class="top"><div class="top-in"><span class="brand">域内 Yunei</span><nav aria-label="目录 Contents">${links}</nav>
<div class="lang"><label for="lang-zh">中文</label><label for="lang-en">English</label></div></div></div>
<main>${pageHeader(report)}
${[
    resultSection(report), dataSection(report), separationSection(report), scoresSection(report),
    ...(isScorecard(report) ? [featuresSection(report), scorecardSection(report)] : [boostedSection(report)]), leakageSection(report), costSection(report), trustSection(report), readingSection(),
  ]}
<footer>${say("本页由银行域内的执行环境生成，不加载任何外部资源。全部数字见同目录的 report.json。",
  "Made inside the bank's domain; this page loads nothing from anywhere. All figures are in report.json beside it.")}</footer></main>
<script>${trusted(script)}</script></body></html>
`;
  return page.toString();
}
