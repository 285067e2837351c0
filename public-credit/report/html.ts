// The report as one page that loads nothing. Every text that a source chose is escaped (report/page/markup.ts).
import { createHash } from "node:crypto";
import { html, nameOf, nothing, trusted, type Html } from "../../report/page/markup.ts";
import type { CreditReport } from "./schema.ts";
import { headRows, marksOf, markText, originText, title, unknownWords, valueText } from "./words.ts";

const styleSheet = `:root{color-scheme:light}*{box-sizing:border-box}body{margin:0 auto;max-width:56rem;padding:2rem 1.2rem;background:#fff;color:#17212e;
font:15px/1.65 "PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",system-ui,sans-serif}
h1{font-size:1.7rem;margin:0 0 1rem}h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.3rem;border-bottom:2px solid #2456c6}
h3{font-size:1rem;margin:1.4rem 0 .4rem}table{border-collapse:collapse;width:100%;margin:.3rem 0}th,td{text-align:left;vertical-align:top;
padding:.25rem .6rem;border:1px solid #dfe4ea;overflow-wrap:anywhere}th{width:13rem;font-weight:600;background:#f3f5f8}
.from{color:#5a6675;font-size:.85rem;margin:.2rem 0 1rem}.mark{color:#8a4b00;background:#fdf1dc;padding:.2rem .6rem;margin:.2rem 0}
.small{font-size:.88rem;color:#3d4856}ul,ol{padding-left:1.4rem}@media print{body{padding:0;max-width:none}tr{break-inside:avoid}}`;

/** For the header of the reply, and inside the page for a saved copy. */
export const pagePolicy = [
  "default-src 'none'", `style-src 'sha256-${createHash("sha256").update(styleSheet).digest("base64")}'`, "base-uri 'none'", "form-action 'none'",
].join("; ");

/** The page. The same report gives the same bytes. */
export function renderReportPage(report: CreditReport, digest: string): string {
  const page = html`<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${trusted(pagePolicy)}">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">
<title>${title} ${report.number}</title><style>${trusted(styleSheet)}</style></head><body>
<h1>${title}</h1>${table(headRows(report, digest))}
${report.categories.length === 0 ? html`<p>平台未持有该企业的公开信息。</p>` : nothing}
${report.categories.map((category) => html`<h2>${category.zh}</h2>${category.items.map((item) => itemSection(report, item))}`)}
<h2>尚不掌握的公开信息</h2>${report.unknown.length === 0 ? html`<p>无。</p>` : html`<table>${report.unknown.map((u) => html`<tr><th>${u.zh}</th><td>${unknownWords[u.reason]}</td></tr>`)}</table>`}
<h2>异议与修复标注</h2>${report.marks.length === 0 ? html`<p>无。</p>` : html`<ul>${report.marks.map((m) => html`<li>${markText(m)}</li>`)}</ul>`}
<h2>使用声明</h2><ol class="small">${report.statements.map((s) => html`<li>${s}</li>`)}</ol>
<h2>依据</h2><ul class="small">${report.clauses.map((c) => html`<li>${c.document}${c.article}：${c.text}</li>`)}</ul>
</body></html>
`;
  return page.toString();
}

function table(rows: readonly (readonly [string, string])[]): Html {
  return html`<table>${rows.map(([label, text]) => html`<tr><th>${label}</th><td>${nameOf(text)}</td></tr>`)}</table>`;
}

function itemSection(report: CreditReport, item: CreditReport["categories"][number]["items"][number]): Html {
  const departments = item.departments.map((d) => d.zh).join("、");
  return html`<h3>${item.zh}${departments === "" ? "" : `（${departments}）`}</h3>${item.records.map((record) => html`
${marksOf(report, item.item, record.source).map((m) => html`<p class="mark">${markText(m)}</p>`)}
${table(record.fields.map((f) => [f.zh, valueText(f)] as const))}<p class="from">${originText(record)}</p>`)}
${item.more === 0 ? nothing : html`<p class="from">另有 ${item.more} 条较早的记录未列入。</p>`}`;
}
