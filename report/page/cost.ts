// What the run cost: time per phase and party, bytes between domains, memory per process.
import { phasesChart } from "../charts/cost.ts";
import { byteSize, duration, fixed, integer } from "../format.ts";
import { colourOf, guestOf, hostsOf, sumOf, totalBytes, totalSeconds } from "../headline.ts";
import type { JointReport } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { both, html, nameOf, type Html } from "./markup.ts";
import { figure, say, section, table } from "./parts.ts";
import { partyKeys } from "./result.ts";

export function costSection(report: JointReport): Html {
  const parties = [guestOf(report), ...hostsOf(report)];
  const memory = Object.entries(report.peakRssMb);
  const cpu = sumOf(report.phases.flatMap((phase) => Object.values(phase.cpuSeconds)));
  return section("cost",
    html`<div class="wide">${figure("phases", { zh: "各阶段的 CPU 与用时", en: "CPU and wall time by phase" }, phasesChart(report), [
      ...partyKeys(report),
      { look: "diamond", colour: "ink", name: say("用时", "wall time") }])}</div>`,
    html`<div class="card">${table(say("各阶段（秒）", "Phases (seconds)"), [
      { head: say("阶段", "Phase"), names: true, cell: (phase) => both(wordsFor("phases", phase.name)) },
      { head: say("用时", "Wall"), numeric: true, cell: (phase) => fixed(phase.wallSeconds, 2) },
      { head: say("往返轮数", "Rounds"), numeric: true, cell: (phase) => (phase.rounds === undefined ? "–" : integer(phase.rounds)) },
      ...parties.map((party) => ({
        head: html`CPU · ${nameOf(party)}`, numeric: true,
        cell: (phase: JointReport["phases"][number]) => fixed(phase.cpuSeconds[party] ?? 0, 2),
      })),
    ], [...report.phases])}<p class="note">${say("合计",
      "In all")} ${duration(totalSeconds(report))} · CPU ${duration(cpu)}</p></div>`,
    html`<div class="pair"><div class="card">${trafficTable(report)}<p class="note">${say("域间消息的字节；传输时均已密封，中继无法读取。合计",
      "Bytes of messages between domains; they travel sealed, the relay cannot read them. In all")}
      ${byteSize(totalBytes(report))}</p></div>
    <div class="card">${table(say("内存峰值", "Peak memory"), [
      { head: say("进程", "Process"), names: true, cell: ([name]) => nameOf(name) },
      { head: html`MB`, numeric: true, cell: ([, mb]) => integer(mb) },
    ], memory)}</div></div>`);
}

/** Who sent how much to whom; the shade of a cell follows its share of the largest. */
function trafficTable(report: JointReport): Html {
  const ends = [...new Set([guestOf(report), ...hostsOf(report), ...report.traffic.flatMap((line) => [line.from, line.to])])];
  const cellOf = (from: string, to: string): { bytes: number; messages: number } => {
    const lines = report.traffic.filter((line) => line.from === from && line.to === to);
    return { bytes: sumOf(lines.map((l) => l.bytes)), messages: sumOf(lines.map((l) => l.messages)) };
  };
  const most = Math.max(1, ...report.traffic.map((line) => line.bytes));
  return table(say("流量矩阵：自（行）→ 至（列）", "Traffic: from (row) to (column)"), [
    { head: say("自 \\ 至",
      "From \\ to"), names: true, cell: (from) => html`<i class="key box c-party-${colourOf(report, from)}"></i>${nameOf(from)}` },
    ...ends.map((to) => ({
      head: nameOf(to), numeric: true,
      cell: (from: string) => {
        const { bytes, messages } = cellOf(from, to);
        if (messages === 0) return html`<span class="muted">–</span>`;
        // Nine shades; the square root keeps small flows visible beside a large one.
        const shade = Math.round(Math.sqrt(Math.min(bytes / most, 1)) * 8);
        return html`<span class="heat h${shade}">${byteSize(bytes)}<small>${integer(messages)} ${say("条", "msgs")}</small></span>`;
      },
    })),
    { head: say("合计", "All"), numeric: true, cell: (from) => byteSize(sumOf(ends.map((to) => cellOf(from, to).bytes))) },
  ], ends);
}
