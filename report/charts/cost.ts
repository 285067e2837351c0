// The chart of where the time went.
import { colourOf, guestOf, hostsOf } from "../headline.ts";
import type { JointReport } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { categoryAxis, frame, ink, partyColour, valueAxis } from "./axes.ts";
import { bilingualLabel, type Chart } from "./engine.ts";

/** CPU seconds per phase, stacked by party; the diamond is the wall time of the phase. */
export function phasesChart(report: JointReport): Chart {
  const { phases } = report;
  const parties = [guestOf(report), ...hostsOf(report)];
  return {
    width: 980,
    height: 80 + phases.length * 30,
    option: {
      grid: frame(96, 24, 8, 46),
      xAxis: valueAxis({ zh: "秒", en: "Seconds" }, (v) => String(Number(v.toFixed(3))), { min: 0 }),
      yAxis: categoryAxis(phases.map((phase) => bilingualLabel(wordsFor("phases", phase.name))), undefined, { inverse: true }),
      series: [
        ...parties.map((party) => ({
          type: "bar", stack: "cpu", silent: true, barWidth: 16, emphasis: { disabled: true },
          itemStyle: { color: partyColour(colourOf(report, party)) },
          data: phases.map((phase) => phase.cpuSeconds[party] ?? 0),
        })),
        {
          type: "scatter", silent: true, symbol: "diamond", symbolSize: 11, emphasis: { disabled: true }, itemStyle: { color: ink },
          data: phases.map((phase, i) => [phase.wallSeconds, i]),
        },
      ],
    },
  };
}
