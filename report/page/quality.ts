// How well the joint model separates, ranks and calibrates: figures beside tables.
import {
  gainsChart, ksChart, liftChart, reliabilityChart, rocChart, scoreChart, stabilityChart,
} from "../charts/quality.ts";
import { fixed, integer, percent, signed } from "../format.ts";
import { aucMargin, parts, upliftOf, type Part } from "../headline.ts";
import type { JointReport } from "../schema.ts";
import { stabilityWords } from "../words.ts";
import { both, html, nothing, type Html } from "./markup.ts";
import { badge, figure, say, section, table, type Column, type Key } from "./parts.ts";
import { partNames } from "./result.ts";

const jointTest: Key = { look: "line", colour: "joint", name: say("联合 · 测试", "joint, test") };
const jointTrain: Key = { look: "dashed", colour: "joint", name: say("联合 · 训练", "joint, train") };
const aloneTest: Key = { look: "line", colour: "alone", name: say("仅银行 · 测试", "bank alone, test") };
const random: Key = { look: "dotted", colour: "muted", name: say("随机", "chance") };

export function separationSection(report: JointReport): Html {
  const lines = parts.flatMap((part) =>
    (["auc", "ks", "gini"] as const).map((metric) => ({ part, metric, ...upliftOf(report, metric, part) })));
  const curves = [jointTest, jointTrain, aloneTest, random];
  return section("separation",
    html`<div class="card">${table(say("联合模型与仅银行模型", "The joint model beside the bank-only model"), [
      { head: say("指标", "Metric"), names: true, cell: (l) => ({ auc: "AUC", ks: "KS", gini: "Gini" })[l.metric] },
      { head: say("部分", "Part"), cell: (l) => partNames[l.part] },
      { head: say("联合", "Joint"), numeric: true, cell: (l) => html`<b>${fixed(l.joint, 4)}</b>` },
      { head: say("仅银行", "Bank alone"), numeric: true, cell: (l) => fixed(l.alone, 4) },
      { head: say("提升", "Uplift"), numeric: true, cell: (l) => signed(l.delta, 4) },
      ...challengerColumn(report, (own, l: { part: Part; metric: "auc" | "ks" | "gini" }) => own[l.part][l.metric]),
      {
        head: say("联合 AUC 的 95% 区间", "95% interval of the joint AUC"), numeric: true,
        cell: (l) => {
          if (l.metric !== "auc") return nothing;
          const margin = aucMargin(l.joint, report.rows[l.part].goods, report.rows[l.part].bads);
          return `${fixed(l.joint - margin, 4)} – ${fixed(Math.min(l.joint + margin, 1), 4)}`;
        },
      },
    ], lines)}${report.challenger === undefined ? nothing : html`<p class="note">${say("“本行模型”为银行自带的 ONNX 模型，仅在本行域内对同样的企业评分；数据方只知其存在。",
      "“Challenger” is the bank's own ONNX model, scored inside the bank on the same companies; providers only know that there is one.")}</p>`}</div>`,
    html`<div class="figures">
      ${figure("roc", { zh: "ROC 曲线", en: "ROC curve" }, rocChart(report), curves)}
      ${figure("ks", { zh: "KS 曲线（测试）", en: "KS curve (test)" }, ksChart(report), [
        { look: "line", colour: "bad", name: say("坏客户", "bads") }, { look: "line", colour: "good", name: say("好客户", "goods") }])}
      ${figure("gains", { zh: "累计增益", en: "Cumulative gains" }, gainsChart(report), curves)}
      ${figure("lift", { zh: "各组坏账率与提升度（测试）", en: "Bad rate and lift by band (test)" }, liftChart(report), [
        { look: "box", colour: "joint", name: say("坏账率（柱上为提升度）",
          "bad rate (lift above the bar)") }, { look: "dashed", colour: "bad", name: say("平均", "average") }])}
    </div>`,
    ...parts.toReversed().map((part) => html`<details class="card"${part === "test" ? html` open` : nothing}><summary>${say("增益表",
      "Gains table")} · ${partNames[part]}</summary>${gainsTable(report, part)}</details>`),
  );
}

/** The bank's own model, where it brought one. */
function challengerColumn<T>(report: JointReport, of: (own: NonNullable<JointReport["challenger"]>, line: T) => number): Column<T>[] {
  const own = report.challenger;
  return own === undefined ? [] : [{ head: say("本行模型", "Challenger"), numeric: true, cell: (line) => fixed(of(own, line), 4) }];
}

function gainsTable(report: JointReport, part: "train" | "test"): Html {
  const { gains } = report.metrics[part];
  // Counts are fractions where equal scores lie on both sides of a band.
  const whole = gains.every((g) => Number.isInteger(g.rows) && Number.isInteger(g.events));
  const counted = (value: number): string => (whole ? integer(value) : fixed(value, 1));
  return table(html`${say("增益表：风险从高到低", "Gains table: worst risks first")} (${partNames[part]})`, [
    { head: say("组", "Band"), names: true, numeric: true, cell: (g) => g.band },
    { head: say("企业", "Companies"), numeric: true, cell: (g) => counted(g.rows) },
    { head: say("好", "Good"), numeric: true, cell: (g) => counted(g.rows - g.events) },
    { head: say("坏", "Bad"), numeric: true, cell: (g) => counted(g.events) },
    { head: say("坏账率", "Bad rate"), numeric: true, cell: (g) => percent(g.eventRate) },
    { head: say("提升度", "Lift"), numeric: true, cell: (g) => fixed(g.lift, 2) },
    { head: say("累计提升度", "Cumulative lift"), numeric: true, cell: (g) => fixed(g.cumulativeLift, 2) },
    { head: say("累计坏", "Bads so far"), numeric: true, cell: (g) => percent(g.cumulativeEvents) },
    { head: say("累计好", "Goods so far"), numeric: true, cell: (g) => percent(g.cumulativeGoods) },
  ], gains);
}

export function scoresSection(report: JointReport): Html {
  const stability = stabilityWords(report.stabilityIndex.psi);
  return section("scores",
    html`<div class="figures">
      ${figure("score", { zh: "评分分布（测试）", en: "Distribution of points (test)" }, scoreChart(report), [
        { look: "box", colour: "good", name: say("好客户", "goods") }, { look: "box", colour: "bad", name: say("坏客户", "bads") }])}
      ${figure("reliability", { zh: "校准", en: "Calibration" }, reliabilityChart(report), [jointTest, jointTrain,
        { look: "dotted", colour: "muted", name: say("完全校准", "perfect") }])}
      ${figure("stability", { zh: "训练与测试的评分分布", en: "Scores in train and test" }, stabilityChart(report), [
        { look: "box", colour: "muted", name: partNames.train }, { look: "box", colour: "joint", name: partNames.test }],
      html`PSI ${fixed(report.stabilityIndex.psi, 4)} ${badge(stability.level, both(stability))}`)}
      <div class="card">${table(say("概率的质量", "Quality of the probabilities"), [
        { head: say("指标", "Metric"), names: true, cell: (l) => l.name },
        { head: say("部分", "Part"), cell: (l) => partNames[l.part] },
        { head: say("联合", "Joint"), numeric: true, cell: (l) => html`<b>${fixed(report.metrics[l.part][l.metric], 4)}</b>` },
        { head: say("仅银行", "Bank alone"), numeric: true, cell: (l) => fixed(report.guestOnly[l.part][l.metric], 4) },
        ...challengerColumn(report, (own, l: { part: Part; metric: "logLoss" | "brier" }) => own[l.part][l.metric]),
      ], parts.flatMap((part) => [
        { part, metric: "logLoss" as const, name: say("对数损失", "Log loss") }, { part, metric: "brier" as const, name: say("Brier 分",
          "Brier score") },
      ]))}
      <p class="note">${say("两项都是越小越好。", "Lower is better for both.")}</p></div>
    </div>`);
}
