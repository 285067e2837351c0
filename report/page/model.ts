// The features, their bins and the scorecard that was made of them.
import { binsChart, byInformation, informationChart } from "../charts/features.ts";
import { fixed, integer, percent, pValue } from "../format.ts";
import { colourOf } from "../headline.ts";
import type { JointReport, ReportBin, ScorecardReport } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { both, html, nameOf, nothing, type Html } from "./markup.ts";
import { badge, figure, say, section, table } from "./parts.ts";
import { partyKeys } from "./result.ts";

/** Bounds of the page; report.json has everything. */
const shown = { features: 250, charts: 12, scorecard: 120 } as const;

export function partyCell(report: JointReport, party: string): Html {
  return html`<i class="key box c-party-${colourOf(report, party)}"></i>${nameOf(party)}`;
}

export function cut(all: number, limit: number): Html {
  return all <= limit ? nothing : html`<p class="note">${say(`此处列出 ${limit} 项，共 ${all} 项；其余见 report.json。`,
    `${limit} of ${all} are listed here; report.json has the rest.`)}</p>`;
}

const optional = (value: number | undefined, format: (v: number) => string): string => (value === undefined ? "–" : format(value));

export function featuresSection(report: ScorecardReport): Html {
  const ranked = byInformation(report.features);
  // Selected ones first, so that no bound of the page can hide a part of the model.
  const listed = [...ranked.filter((f) => f.selected), ...ranked.filter((f) => !f.selected)];
  const charted = listed.filter((f) => f.table !== undefined && f.table.length > 0).slice(0, shown.charts);
  return section("features",
    html`<div class="wide">${figure("iv", { zh: "信息值（按参与方）", en: "Information value, by party" },
      informationChart(report), partyKeys(report),
      say("浅色为未入选特征。数据方的特征名为不透明代号，只有数据方知道其含义。",
        "Pale: not selected. A provider's features carry opaque names; only the provider knows what they are."))}</div>`,
    html`<div class="card">${table(html`${say("特征",
      "Features")} (${integer(report.features.filter((f) => f.selected).length)} / ${integer(report.features.length)})`, [
      { head: say("特征", "Feature"), names: true, cell: (f) => nameOf(f.name) },
      { head: say("参与方", "Party"), cell: (f) => partyCell(report, f.party) },
      { head: html`IV`, numeric: true, cell: (f) => fixed(f.iv, 4) },
      { head: say("箱数", "Bins"), numeric: true, cell: (f) => f.bins },
      { head: say("缺失率", "Missing"), numeric: true, cell: (f) => optional(f.missingRate, percent) },
      { head: say("结果",
        "Outcome"), cell: (f) => {
        const words = both(wordsFor("reasons", f.reason));
        return f.selected ? badge("good", words) : html`<span class="muted">${words}</span>`;
      } },
      { head: say("权重", "Weight"), numeric: true, cell: (f) => optional(f.weight, (v) => fixed(v, 4)) },
      { head: say("标准误", "Std. error"), numeric: true, cell: (f) => optional(f.standardError, (v) => fixed(v, 4)) },
      { head: say("p 值", "p-value"), numeric: true, cell: (f) => optional(f.pValue, pValue) },
      { head: html`VIF`, numeric: true, cell: (f) => optional(f.vif, (v) => fixed(v, 2)) },
    ], listed.slice(0, shown.features), { rowClass: (f) => (f.selected ? "" : "pale-row") })}${cut(listed.length, shown.features)}</div>`,
    charted.length === 0 ? nothing : html`<h3>${say("主要特征的分箱",
      "Bins of the leading features")}</h3><div class="figures small">${charted.map((f, i) =>
      figure(`bins-${i}`, { zh: `${f.name} · IV ${fixed(f.iv, 3)}`, en: `${f.name} · IV ${fixed(f.iv, 3)}` }, binsChart(report, f), [
        { look: "box", colour: `party-${colourOf(report, f.party)}`, name: nameOf(f.party) }]))}</div>
      <p class="note">${say("横轴为箱号，∅ 为缺失，* 为特殊值；虚线为整体坏账率（训练部分）。",
        "Across: the number of the bin, ∅ missing, * special values; dotted: bad rate of all (train).")} ${woeSign(report)}</p>`);
}

function woeSign(report: ScorecardReport): Html {
  return report.model.convention === "optbinning"
    ? say("WOE = ln(好占比 / 坏占比)，越大风险越低（optbinning 口径）。", "WOE = ln(share of goods / share of bads): higher is safer (optbinning's sign).")
    : say(`WOE = ln(坏占比 / 好占比)，越大风险越高（${report.model.convention} 口径）。`,
      `WOE = ln(share of bads / share of goods): higher is riskier (${report.model.convention}'s sign).`);
}

export function scorecardSection(report: ScorecardReport): Html {
  const { scaling, convention, params, calibration } = report.model;
  const inModel = byInformation(report.features).filter((f) => f.selected && f.table?.some((bin) => bin.points !== undefined));
  const rows = inModel.slice(0, shown.scorecard).flatMap((feature) => (feature.table ?? []).map((bin, i) => ({ feature, bin, i })));
  const hidden = report.features.filter((f) => f.selected).length - inModel.length;
  return section("scorecard",
    html`<div class="card"><dl class="facts">
      <div><dt>${say("基准分", "Base points")}</dt><dd>${fixed(scaling.base, 1)}</dd></div>
      <div><dt>${say("刻度", "Scale")}</dt><dd>${fixed(scaling.points, 0)} ${say("分对应好坏比",
        "points at good:bad")} ${fixed(scaling.odds, 1)} : 1</dd></div>
      <div><dt>PDO</dt><dd>${fixed(scaling.pdo, 1)} ${say("分，好坏比翻倍", "points double the odds")}</dd></div>
      <div><dt>${say("口径", "Convention")}</dt><dd>${convention}</dd></div>
      <div><dt>${say("校准截距", "Calibration intercept")}</dt><dd>${fixed(calibration.intercept, 4)}</dd></div>
      <div><dt>${say("总分斜率", "Slope of totals")}</dt><dd>${calibration.slopes.map((slope) => fixed(slope, 4)).join(" · ") || "–"}</dd></div>
      <div><dt>${say("改进轮次", "Refinement")}</dt><dd>${say(`试 ${report.refinement.rounds} 轮，保留 ${report.refinement.kept} 轮`,
        `${report.refinement.rounds} tried, ${report.refinement.kept} kept`)}</dd></div>
    </dl>
    ${calibration.monotone ? nothing : html`<p class="note">${badge("watch", say("有一项总分方向相反，已弃用",
      "a total pulled the wrong way and was left out"))}</p>`}
    ${rows.length === 0 ? nothing : table(say("分值表", "Point table"), [
      { head: say("特征",
        "Feature"), names: true,
        cell: ({ feature, i }) => (i === 0 ? nameOf(feature.name) : html`<span class="ditto">${nameOf(feature.name)}</span>`) },
      { head: say("参与方", "Party"), cell: ({ feature, i }) => (i === 0 ? partyCell(report, feature.party) : nothing) },
      { head: say("分箱", "Bin"), cell: ({ bin, i }) => binName(bin, i) },
      { head: say("企业", "Companies"), numeric: true, cell: ({ bin }) => integer(bin.total) },
      { head: say("坏账率", "Bad rate"), numeric: true, cell: ({ bin }) => percent(bin.eventRate) },
      { head: html`WOE`, numeric: true, cell: ({ bin }) => fixed(bin.woe, 4) },
      { head: say("分值", "Points"), numeric: true, cell: ({ bin }) => html`<b>${optional(bin.points, (v) => fixed(v, 1))}</b>` },
    ], rows, { rowClass: ({ i }) => (i === 0 ? "group" : "") })}
    ${cut(inModel.length, shown.scorecard)}
    ${hidden > 0 ? html`<p class="note">${say(`另有 ${hidden} 个特征的分值留在其所有者处。`,
      `The points of ${hidden} more feature${hidden === 1 ? "" : "s"} stay with their owners.`)}</p>` : nothing}</div>
    ${parameters(params)}`);
}

/** All parameters of the plan, folded away. */
export function parameters(params: object): Html {
  return html`<details class="card"><summary>${say("全部参数", "All parameters")}</summary><dl class="facts">${settings(params).map(([name, value]) =>
    html`<div><dt>${nameOf(name)}</dt><dd>${nameOf(value)}</dd></div>`)}</dl></details>`;
}

/** Nested parameters as "group.name" and text; long lists by their length. */
function settings(params: object, prefix = ""): [string, string][] {
  return Object.entries(params).flatMap(([name, value]: [string, unknown]): [string, string][] => {
    if (Array.isArray(value)) return [[prefix + name, value.length > 12 ? `[${value.length}]` : value.join(", ")]];
    return typeof value === "object" && value !== null ? settings(value, `${prefix}${name}.`) : [[prefix + name, String(value)]];
  });
}

function binName(bin: ReportBin, index: number): Html {
  if (bin.label !== undefined && bin.kind !== "missing" && bin.kind !== "special") return nameOf(bin.label);
  const words = both(wordsFor("binKinds", bin.kind));
  return bin.kind === "merged" ? html`${words} ${index + 1}` : words;
}

