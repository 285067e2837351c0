// One chart to one clean SVG: ECharts renders on the server and is disposed; what it leaves behind is reduced to shapes,
// presentation attributes and theme variables, so that a page can forbid inline styles and scripts altogether.
import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { init, use, type EChartsCoreOption } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";
import type { Bilingual } from "../../core/message.ts";
import { columnsOf } from "../format.ts";
import { printable, trusted, type Html } from "../page/markup.ts";

use([BarChart, LineChart, ScatterChart, GridComponent, SVGRenderer]);

export type Chart = { readonly width: number; readonly height: number; readonly option: EChartsCoreOption };
/** What this module needs of `echarts.init`; a test can watch the instances through it. */
export type ChartEngine = (size: { width: number; height: number }) => {
  setOption(option: EChartsCoreOption): void;
  renderToSVGString(): string;
  dispose(): void;
};

const serverSide: ChartEngine = (size) => init(null, null, { renderer: "svg", ssr: true, ...size });

/** Renders a chart. `key` makes its ids unique on the page: letters, digits, hyphens. */
export function renderChart(key: string, chart: Chart, engine: ChartEngine = serverSide): Html {
  const instance = engine({ width: chart.width, height: chart.height });
  try {
    instance.setOption({ animation: false, ...chart.option });
    return cleanSvg(key, instance.renderToSVGString());
  } finally {
    instance.dispose();
  }
}

// U+2063 stands between the two languages of a label; `printable` takes it out of every name that a user chose.
const between = "\u2063";

/** A label of a chart in both languages; `cleanSvg` makes two text elements of it. Its measured width means nothing. */
export function bilingualLabel(text: Bilingual): string {
  return text.zh === text.en ? text.zh : `${text.zh}${between}${text.en}`;
}

/** A user's name in a chart: visible characters only, at most `limit` columns. */
export function chartName(name: string, limit = 22): string {
  let [out, width] = ["", 0];
  for (const character of printable(name)) {
    width += columnsOf(character);
    if (width > limit) return `${out}…`;
    out += character;
  }
  return out;
}

const allowedTags = new Set(["svg", "g", "path", "text", "rect", "circle", "ellipse", "polyline", "polygon", "line", "defs", "clipPath"]);

/**
 * Keeps geometry, drops ECharts' style sheet, classes and metadata, gives ids the chart's own prefix (ECharts counts
 * them per process, which would make a page depend on how many were made before) and splits bilingual labels.
 * Throws a TypeError for an element outside the list or an attribute that could run or load something.
 */
export function cleanSvg(key: string, svg: string): Html {
  let out = svg
    .replaceAll(/<style\b[^>]*>[^]*?<\/style>/gu, "")
    .replaceAll(/ (?:class|pointer-events|ecmeta_\w+|xml:space|xmlns:xlink|version|baseProfile)="[^"]*"/gu, "")
    .replaceAll(/ style="([^"]*)"/gu, (_, style: string) => {
      const size = /font-size:(\d+)px/u.exec(style)?.[1];
      const weight = /font-weight:(bold|\d+)/u.exec(style)?.[1];
      const sized = size === undefined || size === "12" ? "" : ` font-size="${size}"`;
      return weight === undefined ? sized : `${sized} font-weight="${weight}"`;
    })
    .replaceAll(/\bzr\d+-/gu, `${key}-`)
    .replace(/<svg width="\d+" height="\d+"/u, "<svg aria-hidden=\"true\"")
    .replace(/<rect [^>]*fill="none"[^>]*><\/rect>/u, "")
    .replaceAll(/<(path|rect|circle|ellipse|polyline|polygon|line)\b([^>]*)><\/\1>/gu, "<$1$2/>")
    .replaceAll(/>\s*\n\s*</gu, "><")
    .trim();
  out = out.replaceAll(/<text([^>]*)>([^<\u2063]*)\u2063([^<]*)<\/text>/gu, '<text lang="zh-CN"$1>$2</text><text lang="en"$1>$3</text>');
  for (const [, tag, attributes] of out.matchAll(/<([a-zA-Z]+)((?:"[^"]*"|[^">])*)>/gu)) {
    const acts = /\s(?:on\w+|style|href|xlink:href|src)=/u.test(attributes ?? "");
    if (acts || !allowedTags.has(tag ?? "")) throw new TypeError(`a chart with <${tag}>`);
  }
  return trusted(out);
}
