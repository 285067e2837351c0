import { assert } from "chai";
import { init } from "echarts/core";
import { describe, it } from "mocha";
import { phasesChart } from "../../report/charts/cost.ts";
import { bilingualLabel, chartName, cleanSvg, renderChart, type ChartEngine } from "../../report/charts/engine.ts";
import { informationChart } from "../../report/charts/features.ts";
import { ksChart, reliabilityChart, rocChart } from "../../report/charts/quality.ts";
import { readMarkup } from "../support/markup-check.ts";
import { sampleReport } from "../support/sample-report.ts";

const sample = sampleReport({ rows: 3000 });

describe("charts rendered on the server", () => {
  it("dispose of their ECharts instance, also when drawing fails", () => {
    const made: { isDisposed(): boolean }[] = [];
    const watching: ChartEngine = (size) => {
      const chart = init(null, null, { renderer: "svg", ssr: true, ...size });
      made.push(chart);
      return chart;
    };
    renderChart("a", rocChart(sample), watching);
    const failing: ChartEngine = (size) => {
      const chart = watching(size);
      const setOption = (): never => {
        throw new RangeError("no");
      };
      return { setOption, renderToSVGString: () => chart.renderToSVGString(), dispose: () => chart.dispose() };
    };
    assert.throws(() => renderChart("b", rocChart(sample), failing), RangeError);
    assert.deepEqual(made.map((chart) => chart.isDisposed()), [true, true]);
  });

  it("are well-formed SVG of shapes and text only, in the theme's own colours", () => {
    for (const chart of [rocChart(sample), ksChart(sample), reliabilityChart(sample), informationChart(sample), phasesChart(sample)]) {
      const svg = renderChart("k", chart).toString();
      const elements = readMarkup(svg);
      assert.equal(elements[0]?.attributes.get("viewBox"), `0 0 ${chart.width} ${chart.height}`);
      assert.isFalse(elements.some((e) => e.attributes.has("style") || e.attributes.has("class")));
      for (const e of elements.filter((x) => x.tag === "path")) {
        for (const paint of [e.attributes.get("fill"), e.attributes.get("stroke")]) {
          if (paint !== undefined && paint !== "none" && paint !== "#000") assert.match(paint, /^var\(--[a-z0-9-]+\)$/u);
        }
      }
    }
  });

  it("write their labels once per language", () => {
    const svg = renderChart("k", ksChart(sample)).toString();
    assert.match(svg, /<text lang="zh-CN"[^>]*>累计占比<\/text><text lang="en"[^>]*>Cumulative share<\/text>/u);
    assert.equal(svg.match(/lang="zh-CN"/gu)?.length, svg.match(/lang="en"/gu)?.length);
    assert.notInclude(svg, "\u2063");
  });

  it("mark the widest gap of the KS curve with the figure of the report", () => {
    assert.include(renderChart("k", ksChart(sample)).toString(), `KS ${sample.metrics.test.ks.toFixed(3)}`);
  });

  it("give ids under their own key, however many charts were made before", () => {
    const first = renderChart("one", rocChart(sample)).toString();
    renderChart("other", ksChart(sample));
    assert.equal(renderChart("one", rocChart(sample)).toString(), first);
    assert.match(first, /id="one-c0"/u);
    assert.notMatch(first, /zr\d/u);
  });

  it("refuse an element or an attribute that could run or load something", () => {
    for (const bad of ['<script>1</script>', '<image href="x"/>', '<path d="M0 0" onclick="x"/>', '<g href="#a"></g>']) {
      assert.throws(() => cleanSvg("k", `<svg>${bad}</svg>`), TypeError, /a chart with/u, bad);
    }
  });

  it("shorten long names by columns and keep a user from writing a second language into one", () => {
    assert.equal(chartName("abcdef", 4), "abcd…");
    assert.equal(chartName("企业税务登记", 4), "企业…");
    assert.notInclude(chartName("a\u2063b"), "\u2063");
    assert.equal(bilingualLabel({ zh: "同", en: "same" }), "同\u2063same");
  });

  it("draw a report without any spread: one score, one group, no bads found", () => {
    const flat = structuredClone(sample);
    flat.metrics.test.reliability = [];
    flat.metrics.train.reliability = [];
    flat.metrics.test.roc = [{ falsePositiveRate: 0, truePositiveRate: 0 }, { falsePositiveRate: 1, truePositiveRate: 1 }];
    for (const chart of [reliabilityChart(flat), ksChart(flat)]) {
      assert.notMatch(renderChart("k", chart).toString(), /NaN|Infinity|undefined/u);
    }
  });
});
