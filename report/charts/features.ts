// Charts of single features: how much each tells, and how the bad rate moves over its bins.
import { colourOf } from "../headline.ts";
import { columnsOf, fixed, percent } from "../format.ts";
import type { JointReport, ReportBin, ReportFeature } from "../schema.ts";
import { barLabel, categoryAxis, frame, line, muted, partyColour, valueAxis } from "./axes.ts";
import { chartName, type Chart } from "./engine.ts";

/** Features by information value, highest first; equal values by party and name, so that the order is always the same. */
export function byInformation(features: readonly ReportFeature[]): ReportFeature[] {
  const key = (f: ReportFeature): string => `${f.party}\n${f.name}`;
  return features.toSorted((a, b) => b.iv - a.iv || (key(a) < key(b) ? -1 : 1));
}

/** The features with the highest information values, in the colour of their party; those left out are pale. */
export function informationChart(report: JointReport, limit = 24): Chart {
  const shown = byInformation(report.features).slice(0, limit);
  const names = shown.map((f) => chartName(f.name, 24));
  const left = 16 + Math.max(...names.map(columnsOf)) * 7;
  return {
    width: 980,
    height: 70 + shown.length * 22,
    option: {
      grid: frame(left, 60, 10, 44),
      xAxis: valueAxis({ zh: "信息值 IV", en: "Information value (IV)" }, (v) => fixed(v, 2), { min: 0 }),
      yAxis: categoryAxis(names, undefined, { inverse: true }),
      series: [{
        type: "bar", silent: true, barWidth: 13, emphasis: { disabled: true },
        data: shown.map((f) => ({
          value: f.iv,
          itemStyle: { color: partyColour(colourOf(report, f.party)), opacity: f.selected ? 1 : 0.35, borderRadius: [0, 3, 3, 0] },
        })),
        label: { ...barLabel, position: "right", formatter: (p: { dataIndex: number }) => fixed(shown[p.dataIndex]?.iv ?? 0, 3) },
      }],
    },
  };
}

/** Bad rate (bars) of each bin of one feature, its WOE above the bar; the line is the bad rate of all. */
export function binsChart(report: JointReport, feature: ReportFeature): Chart {
  const table = feature.table ?? [];
  const { rows, bads } = report.rows.train;
  const average = rows === 0 ? 0 : bads / rows;
  const dense = table.length > 9;
  const colour = partyColour(colourOf(report, feature.party));
  const apart = (kind: ReportBin["kind"]): boolean => kind === "missing" || kind === "special";
  const names = table.map((bin, i) => (bin.kind === "missing" ? "∅" : bin.kind === "special" ? "*" : String(i + 1)));
  return {
    width: 320,
    height: 220,
    option: {
      grid: frame(40, 10, 46, 26),
      xAxis: categoryAxis(names, undefined, { interval: dense ? 1 : 0 }),
      yAxis: valueAxis({ zh: "坏账率（柱上为 WOE）", en: "Bad rate (WOE above the bar)" }, (v) => percent(v, 0), { min: 0 }, true, 24),
      series: [
        {
          type: "bar", z: 4, silent: true, barWidth: "64%", emphasis: { disabled: true },
          data: table.map((bin) => ({
            value: bin.eventRate,
            itemStyle: { color: colour, opacity: apart(bin.kind) ? 0.45 : 1, borderRadius: [2, 2, 0, 0] },
          })),
          label: { ...barLabel, show: !dense, formatter: (p: { dataIndex: number }) => fixed(table[p.dataIndex]?.woe ?? 0, 2) },
        },
        line(table.map((_, i) => [i, average]), { colour: muted, width: 1, dash: [3, 4] }),
      ],
    },
  };
}
