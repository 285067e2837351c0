// The section on a boosted model: what it is made of, and for trees what the bitmaps told the guest about every company.
import { fixed, integer, percent } from "../format.ts";
import { isCells, isTrees, type CellsReport, type JointReport, type TreesReport } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { both, html, nameOf, nothing, type Html } from "./markup.ts";
import { cut, parameters, partyCell } from "./model.ts";
import { badge, say, section, table } from "./parts.ts";

const shownFeatures = 250;

export function boostedSection(report: JointReport): Html {
  if (isTrees(report)) return treesSection(report);
  return isCells(report) ? cellsSection(report) : nothing;
}

function scaleFacts(report: JointReport): Html {
  const { scaling } = report.model;
  return html`<div><dt>${say("刻度", "Scale")}</dt><dd>${fixed(scaling.points, 0)} ${say("分对应好坏比", "points at good:bad")} ${fixed(scaling.odds, 1)} : 1</dd></div>
    <div><dt>PDO</dt><dd>${fixed(scaling.pdo, 1)} ${say("分，好坏比翻倍", "points double the odds")}</dd></div>`;
}

function treesSection(report: TreesReport): Html {
  const { model } = report;
  const noise = model.noise.gradient > 0 || model.noise.hessian > 0;
  const ranked = model.importance.toSorted((a, b) => b.gain - a.gain);
  const gain = ranked.reduce((sum, f) => sum + f.gain, 0);
  return section("model",
    html`<div class="card"><dl class="facts">
      <div><dt>${say("树数", "Trees")}</dt><dd>${integer(model.trees)} · ${both(wordsFor("stops", model.stopped))}</dd></div>
      <div><dt>${say("噪声标准差（梯度 / 海森）", "Noise sd (gradient / hessian)")}</dt><dd>${noise ? `${fixed(model.noise.gradient, 2)} / ${fixed(model.noise.hessian, 2)}` : say("无", "none")}</dd></div>
      ${scaleFacts(report)}
    </dl>
    ${model.floorsLifted ? html`<p class="note">${badge("bad", say("仅供实验：已解除噪声、切分上限与样本下限", "for experiments only: noise, caps and floors were lifted"))}</p>` : nothing}
    ${table(say("位图向银行透露了每家企业的多少信息", "What the bitmaps told the bank about every company"), [
      { head: say("数据方", "Provider"), names: true, cell: (d) => partyCell(report, d.party) },
      { head: say("每家企业的比特数（上限）", "Bits a company, at most"), numeric: true, cell: (d) => html`<b>${fixed(d.bitsPerRow, 1)}</b>` },
      { head: say("不同切分", "Distinct cuts"), numeric: true, cell: (d) => integer(d.cuts) },
      { head: say("已回答的密文向量", "Encrypted vectors answered"), numeric: true, cell: (d) => integer(d.queries) },
    ], model.disclosed)}</div>`,
    html`<div class="card">${table(say("特征重要性", "Feature importance"), [
      { head: say("特征", "Feature"), names: true, cell: (f) => nameOf(f.name) },
      { head: say("参与方", "Party"), cell: (f) => partyCell(report, f.party) },
      { head: say("增益占比", "Share of gain"), numeric: true, cell: (f) => percent(gain === 0 ? 0 : f.gain / gain) },
      { head: say("覆盖", "Cover"), numeric: true, cell: (f) => fixed(f.cover, 1) },
      { head: say("切分次数", "Splits"), numeric: true, cell: (f) => integer(f.splits) },
    ], ranked.slice(0, shownFeatures))}${cut(ranked.length, shownFeatures)}
    <p class="note">${say("数据方的特征为不透明代号。", "A provider's features carry opaque names.")}</p></div>`,
    parameters(model.params));
}

function cellsSection(report: CellsReport): Html {
  const { model } = report;
  return section("model",
    html`<div class="card"><dl class="facts">
      <div><dt>${say("银行单元", "Cells of the bank")}</dt><dd>${integer(model.cells)}</dd></div>
      <div><dt>${say("密文查询", "Encrypted queries")}</dt><dd>${integer(model.queries)}</dd></div>
      <div><dt>${say("表上提升步数", "Steps on the tables")}</dt><dd>${integer(model.steps)}</dd></div>
      <div><dt>${say("留出行（查询中权重为零）", "Rows held back (weight 0 in every query)")}</dt><dd>${integer(model.heldBackRows)}</dd></div>
      <div><dt>${say("数据方总分的权重", "Weight of the providers' total")}</dt><dd>${fixed(model.total.weight, 4)} ± ${fixed(model.total.standardError, 4)}
        ${model.total.kept ? badge("good", say("保留", "kept")) : badge("watch", say("不显著，已弃用", "not significant: dropped"))}</dd></div>
      ${scaleFacts(report)}
    </dl>
    ${table(say("各数据方参与的列", "Columns of each provider in the tables"), [
      { head: say("数据方", "Provider"), names: true, cell: (c) => partyCell(report, c.party) },
      { head: say("列数", "Columns"), numeric: true, cell: (c) => integer(c.columns) },
    ], model.columns)}
    <p class="note">${say("数据方未得到任何标签统计、树或权重；银行未得到任何逐企业的数据方输出，仅得到每家企业一个 8 位总分。",
      "Providers learned no label statistic, tree or weight. The bank got nothing per company from a provider, but one 8-bit total of all of them.")}</p></div>`,
    parameters(model.params));
}
