// The building blocks of the page: sections, tables, figures, bars. Everything goes through the escaping of `html`.
import type { Bilingual } from "../../core/message.ts";
import { renderChart, type Chart } from "../charts/engine.ts";
import { both, html, nothing, type Html } from "./markup.ts";

/** A text in both languages, Chinese first. */
export function say(zh: string, en: string): Html {
  return both({ zh, en });
}

export type SectionId = "result" | "data" | "separation" | "scores" | "features" | "scorecard" | "model" | "leakage" | "cost" | "trust" | "reading";

export const sectionTitles: Readonly<Record<SectionId, Bilingual>> = {
  result: { zh: "结论", en: "Result" },
  data: { zh: "数据与对齐", en: "Data and alignment" },
  separation: { zh: "区分能力", en: "Separation" },
  scores: { zh: "评分与校准", en: "Scores and calibration" },
  features: { zh: "特征", en: "Features" },
  scorecard: { zh: "评分卡", en: "Scorecard" },
  model: { zh: "模型", en: "Model" },
  leakage: { zh: "谁知道了什么", en: "Who learned what" },
  cost: { zh: "时间与流量", en: "Time and traffic" },
  trust: { zh: "防护与版本", en: "Protections and versions" },
  reading: { zh: "读表说明", en: "How to read this" },
};

/** The same in the bar on top, where room is short. */
export const shortTitles: Readonly<Record<SectionId, Bilingual>> = {
  ...sectionTitles,
  data: { zh: "数据", en: "Data" },
  scores: { zh: "评分", en: "Scores" },
  leakage: { zh: "谁知道了什么", en: "Who learned what" },
  cost: { zh: "成本", en: "Cost" },
  trust: { zh: "防护", en: "Protections" },
  reading: { zh: "说明", en: "Notes" },
};

export function section(id: SectionId, ...content: readonly Html[]): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${both(sectionTitles[id])}</h2>${content}</section>`;
}

export type Column<T> = {
  readonly head: Html;
  readonly cell: (row: T, index: number) => Html | string | number;
  readonly numeric?: boolean;
  /** Running text, which may take several lines. */
  readonly wraps?: boolean;
  /** The column that names the row. */
  readonly names?: boolean;
};

export type TableOptions<T> = {
  readonly rowClass?: (row: T) => string;
  /** Where a heading above already says it; the caption stays for screen readers. */
  readonly captionHidden?: boolean;
  /** All rows in sight, however many. */
  readonly whole?: boolean;
};

/** A table that scrolls inside its own frame, with its header in sight. */
export function table<T>(caption: Html, columns: readonly Column<T>[], rows: readonly T[], options: TableOptions<T> = {}): Html {
  const rowClass = options.rowClass ?? (() => "");
  const className = (column: Column<T>): Html => (column.numeric ? html` class="n"` : column.wraps ? html` class="w"` : nothing);
  const body = rows.map((row, i) => {
    const kind = rowClass(row);
    return html`<tr${kind === "" ? nothing : html` class="${kind}"`}>${columns.map((column) => (column.names
      ? html`<th scope="row"${className(column)}>${column.cell(row, i)}</th>`
      : html`<td${className(column)}>${column.cell(row, i)}</td>`))}</tr>`;
  });
  const heads = columns.map((column) => html`<th scope="col"${className(column)}>${column.head}</th>`);
  const hidden = options.captionHidden ? html` class="hidden"` : nothing;
  return html`<div class="scroll${options.whole ? " whole" : ""}" tabindex="0"><table><caption${hidden}>${caption}</caption>
    <thead><tr>${heads}</tr></thead><tbody>${body}</tbody></table></div>`;
}

export type Key = {
  readonly look: "line" | "dashed" | "dotted" | "box" | "diamond";
  readonly colour: string;
  readonly name: Html;
};

/** Legend entries, in HTML so that they wrap and speak both languages. `colour` is a class: joint, alone, good, bad, party-0… */
export function legend(keys: readonly Key[]): Html {
  return html`<ul class="legend">${keys.map((key) => html`<li><i class="key ${key.look} c-${key.colour}"></i>${key.name}</li>`)}</ul>`;
}

/** A chart with its title, legend and what to see in it. */
export function figure(key: string, title: Bilingual, chart: Chart, keys: readonly Key[] = [], note: Html = nothing): Html {
  const titleId = `${key}-caption`;
  const below = note === nothing ? nothing : html`<p class="note">${note}</p>`;
  return html`<figure><figcaption><h3 id="${titleId}">${both(title)}</h3>${keys.length === 0 ? nothing : legend(keys)}</figcaption>
    <div class="chart" role="img" aria-labelledby="${titleId}">${renderChart(key, chart)}</div>${below}</figure>`;
}

/** One figure of the top row. */
export function tile(name: Html, value: Html | string, detail: Html, kind = ""): Html {
  return html`<div class="tile ${kind}"><div class="tile-name">${name}</div>
    <div class="tile-value">${value}</div><div class="tile-detail">${detail}</div></div>`;
}

/** A bar of one or several segments over [0, 1]; negative parts have no width. */
export function bar(segments: readonly { readonly share: number; readonly colour: string }[]): Html {
  let x = 0;
  const rects = segments.map(({ share, colour }) => {
    const width = Math.min(Math.max(share, 0), 1 - x) * 1000;
    const rect = html`<rect x="${(x * 1000).toFixed(1)}" width="${width.toFixed(1)}" height="10" class="f-${colour}"/>`;
    x += width / 1000;
    return rect;
  });
  return html`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">${rects}</svg>`;
}

/** A short state: a sign, so that it does not hang on colour alone, and words. */
export function badge(level: "good" | "watch" | "bad", words: Html): Html {
  const sign = { good: "✓", watch: "!", bad: "✗" }[level];
  return html`<span class="badge ${level}"><b aria-hidden="true">${sign}</b> ${words}</span>`;
}
