// Charts of how well the scores separate, rank and calibrate.
import { pointsOfOdds } from "../../models/scorecard/points.ts";
import { sumOf } from "../headline.ts";
import type { JointReport, ReportMetrics } from "../schema.ts";
import { fixed, percent } from "../format.ts";
import {
  aloneColour, badColour, barLabel, bars, categoryAxis, chance, chanceLook, frame, goodColour, ink, jointColour, line, muted, valueAxis,
} from "./axes.ts";
import type { Chart } from "./engine.ts";

const size = { width: 480, height: 340 } as const;
const unit = { min: 0, max: 1, interval: 0.2 } as const;
const wholePercent = (value: number): string => percent(value, 0);
const trainDash = [5, 4];

type Points = readonly (readonly [number, number])[];
const rocPoints = (metrics: ReportMetrics): Points => metrics.roc.map((p) => [p.falsePositiveRate, p.truePositiveRate]);
/** The ROC points against the share of companies that is at least as risky. */
const againstShare = (metrics: ReportMetrics, rate: "falsePositiveRate" | "truePositiveRate"): Points => {
  const { rows, events } = metrics;
  return metrics.roc.map((p) => [(p.falsePositiveRate * (rows - events) + p.truePositiveRate * events) / Math.max(rows, 1), p[rate]]);
};
const shareAxis = (): object => valueAxis({ zh: "企业占比（风险从高到低）", en: "Share of companies, worst risks first" }, wholePercent, unit);

export function rocChart(report: JointReport): Chart {
  const { train, test } = report.metrics;
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: valueAxis({ zh: "假正率（好客户占比）", en: "False positive rate (share of goods)" }, wholePercent, unit),
      yAxis: valueAxis({ zh: "真正率（坏客户占比）", en: "True positive rate (share of bads)" }, wholePercent, unit, true),
      series: [
        line(chance, chanceLook),
        line(rocPoints(report.guestOnly.test), { colour: aloneColour }),
        line(rocPoints(train), { colour: jointColour, width: 1.4, dash: trainDash }),
        line(rocPoints(test), { colour: jointColour, width: 2.5 }),
      ],
    },
  };
}

/** Cumulative shares of bads and goods on the test part, and where they are furthest apart. */
export function ksChart(report: JointReport): Chart {
  const { test } = report.metrics;
  const [bads, goods] = [againstShare(test, "truePositiveRate"), againstShare(test, "falsePositiveRate")];
  const gaps = test.roc.map((p) => Math.abs(p.truePositiveRate - p.falsePositiveRate));
  const widest = gaps.indexOf(Math.max(...gaps));
  const top = bads[widest] ?? [0, 0];
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: shareAxis(),
      yAxis: valueAxis({ zh: "累计占比", en: "Cumulative share" }, wholePercent, unit, true),
      series: [
        line(bads, { colour: badColour, width: 2.5 }),
        line(goods, { colour: goodColour, width: 2.5 }),
        line([top, goods[widest] ?? [0, 0]], { colour: ink, width: 1.5, dash: [2, 3], dots: true }),
        {
          type: "scatter", silent: true, symbolSize: 0, data: [top], itemStyle: { color: ink },
          label: {
            ...barLabel, position: "left", distance: 8, fontSize: 13, fontWeight: "bold", formatter: () => `KS ${fixed(test.ks, 3)}`,
          },
        },
      ],
    },
  };
}

/** Share of all bads among the worst x % of companies. */
export function gainsChart(report: JointReport): Chart {
  const banded = (metrics: ReportMetrics): Points => {
    const rows = sumOf(metrics.gains.map((g) => g.rows));
    let seen = 0;
    return [[0, 0], ...metrics.gains.map((g): readonly [number, number] => [rows === 0 ? 0 : (seen += g.rows) / rows, g.cumulativeEvents])];
  };
  const { train, test } = report.metrics;
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: shareAxis(),
      yAxis: valueAxis({ zh: "覆盖的坏客户", en: "Bads found" }, wholePercent, unit, true),
      series: [
        line(chance, chanceLook),
        line(banded(report.guestOnly.test), { colour: aloneColour }),
        line(banded(train), { colour: jointColour, width: 1.4, dash: trainDash }),
        line(banded(test), { colour: jointColour, width: 2.5, dots: true }),
      ],
    },
  };
}

/** Bad rate of each tenth of the test part, with its lift. */
export function liftChart(report: JointReport): Chart {
  const { gains } = report.metrics.test;
  const { rows, bads } = report.rows.test;
  const average = rows === 0 ? 0 : bads / rows;
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: categoryAxis(gains.map((g) => String(g.band)), { zh: "风险分组（1 为最高）", en: "Band (1 is the worst)" }),
      yAxis: valueAxis({ zh: "坏账率", en: "Bad rate" }, wholePercent, { min: 0 }, true),
      series: [
        line(gains.map((_, i) => [i, average]), { colour: badColour, width: 1.5, dash: [5, 4] }),
        {
          type: "bar", z: 4, silent: true, barWidth: "62%", emphasis: { disabled: true },
          itemStyle: { color: jointColour, borderRadius: [3, 3, 0, 0] },
          data: gains.map((g) => g.eventRate),
          label: { ...barLabel, formatter: (p: { dataIndex: number }) => `${fixed(gains[p.dataIndex]?.lift ?? 0, 2)}×` },
        },
      ],
    },
  };
}

/** Where goods and bads of the test part lie, each as a share of its own; log odds shown as points, low scores left. */
export function scoreChart(report: JointReport): Chart {
  const { edges, goods, events } = report.metrics.test.distribution;
  const { scaling } = report.model;
  const points = edges.map((edge) => fixed(pointsOfOdds(edge, scaling), 0)).toReversed();
  const [allGoods, allBads] = [Math.max(sumOf(goods), 1), Math.max(sumOf(events), 1)];
  const names = [`<${points[0] ?? ""}`, ...points];
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: categoryAxis(names, { zh: "评分（区间下限）", en: "Points (from)" }, { interval: Math.ceil(goods.length / 10) - 1 }),
      yAxis: valueAxis({ zh: "占本类比例", en: "Share of its class" }, wholePercent, { min: 0 }, true),
      series: [bars(goodColour, goods.map((n) => n / allGoods).toReversed()), bars(badColour, events.map((n) => n / allBads).toReversed())],
    },
  };
}

/** Predicted against observed bad rates; on the diagonal the probabilities can be taken at their word. */
export function reliabilityChart(report: JointReport): Chart {
  const { train, test } = report.metrics;
  const top = Math.max(0.01, ...[...train.reliability, ...test.reliability].flatMap((p) => [p.meanProbability, p.eventRate]));
  const step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2].find((s) => top / s <= 6) ?? 0.2;
  const max = Math.min(1, Math.ceil(top / step) * step);
  const points = (metrics: ReportMetrics): Points => metrics.reliability.map((p) => [p.meanProbability, p.eventRate]);
  const format = (value: number): string => percent(value, step < 0.01 ? 1 : 0);
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: valueAxis({ zh: "预测坏账率", en: "Predicted bad rate" }, format, { min: 0, max, interval: step }),
      yAxis: valueAxis({ zh: "实际坏账率", en: "Observed bad rate" }, format, { min: 0, max, interval: step }, true),
      series: [
        line([[0, 0], [max, max]], chanceLook),
        line(points(train), { colour: jointColour, width: 1.4, dash: trainDash }),
        line(points(test), { colour: jointColour, width: 2.5, dots: true }),
      ],
    },
  };
}

/** Shares of train and test in the same bands of the score. */
export function stabilityChart(report: JointReport): Chart {
  const { rows } = report.stabilityIndex;
  return {
    ...size,
    option: {
      grid: frame(),
      xAxis: categoryAxis(rows.map((_, i) => String(i + 1)), { zh: "评分分段", en: "Band of the score" }),
      yAxis: valueAxis({ zh: "企业占比", en: "Share of companies" }, wholePercent, { min: 0 }, true),
      series: [bars(muted, rows.map((r) => r.expected)), bars(jointColour, rows.map((r) => r.actual))],
    },
  };
}
