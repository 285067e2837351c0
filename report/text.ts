// The report in a terminal: what `yunei job report` and `make demo` print at the end.
import type { Bilingual } from "../core/message.ts";
import { byteSize, columnsOf, duration, fixed, integer, padded, percent, signed } from "./format.ts";
import { guestOf, hostsOf, learnedBy, sumOf, totalBytes, totalSeconds, upliftOf } from "./headline.ts";
import { printable } from "./page/markup.ts";
import { isScorecard, isTrees, type JointReport } from "./schema.ts";
import { wordsFor } from "./words.ts";

export type SummaryOptions = { readonly lang: "en" | "zh"; readonly colour: boolean };

type Style = "bold" | "dim" | "green" | "red";
const codes: Readonly<Record<Style, string>> = { bold: "\u001b[1m", dim: "\u001b[2m", green: "\u001b[32m", red: "\u001b[31m" };
type Writer = {
  readonly say: (zh: string, en: string) => string;
  readonly pick: (text: Bilingual) => string;
  readonly paint: (style: Style, text: string) => string;
};

/** Some 40 lines in one language, ending with a line feed. Names are stripped of control characters: they cannot drive the terminal. */
export function summarise(report: JointReport, options: SummaryOptions): string {
  const writer: Writer = {
    say: (zh, en) => (options.lang === "zh" ? zh : en),
    pick: (text) => printable(options.lang === "zh" ? text.zh : text.en),
    paint: (style, text) => (options.colour ? `${codes[style]}${text}\u001b[0m` : text),
  };
  const blocks = [headline, quality, isScorecard(report) ? providers : boosted, learned, cost].map((block) => block(report, writer).join("\n"));
  return `${blocks.join("\n\n")}\n`;
}

function headline(report: JointReport, { say, pick, paint }: Writer): string[] {
  const { rows } = report;
  const auc = upliftOf(report, "auc", "test");
  const hosts = hostsOf(report).length;
  const [joint, alone] = [fixed(auc.joint, 3), fixed(auc.alone, 3)];
  const bad = percent((rows.train.bads + rows.test.bads) / Math.max(rows.total, 1));
  return [
    paint("bold", `域内 Yunei · ${pick(wordsFor("models", report.model.kind))} · ${report.job}`),
    paint("dim", say(
      `${integer(rows.total)} 家企业（训练 ${integer(rows.train.rows)}，测试 ${integer(rows.test.rows)}），坏客户 ${bad}`,
      `${integer(rows.total)} companies (${integer(rows.train.rows)} train, ${integer(rows.test.rows)} test), ${bad} bad`)),
    "",
    auc.delta > 0
      ? say(`在未参与训练的企业上，${hosts} 个数据方使 AUC 由 ${alone} 升至 ${paint("bold", joint)}（${paint("green", signed(auc.delta, 3))}）。`,
        `On unseen companies, ${hosts} provider${hosts === 1 ? " lifts" : "s lift"} AUC from ${alone} to ${paint("bold", joint)} `
          + `(${paint("green", signed(auc.delta, 3))}).`)
      : say(`在未参与训练的企业上，${hosts} 个数据方未带来可见提升：AUC ${joint}，仅银行 ${alone}。`,
        `On unseen companies, ${hosts} provider${hosts === 1 ? "" : "s"} added nothing visible: AUC ${joint}, bank alone ${alone}.`),
    ...(report.notes ?? []).map((note) => paint("dim", `! ${pick(note)}`)),
  ];
}

function quality(report: JointReport, { say, paint }: Writer): string[] {
  const row = ([part = "", metric = "", ...figures]: readonly string[]): string =>
    `  ${padded(part, 8)}${padded(metric, 6)}${figures.map((figure) => padded(figure, 13, "right")).join("")}`;
  const lines = (["test", "train"] as const).flatMap((part) => (["auc", "ks", "gini"] as const).map((metric, i) => {
    const { joint, alone, delta } = upliftOf(report, metric, part);
    const name = part === "test" ? say("测试", "test") : say("训练", "train");
    const label = metric === "gini" ? "Gini" : metric.toUpperCase();
    const own = report.challenger?.[part][metric];
    return row([i === 0 ? name : "", label, fixed(joint, 4), fixed(alone, 4), signed(delta, 4), ...(own === undefined ? [] : [fixed(own, 4)])]);
  }));
  return [
    paint("bold", say("区分能力", "Separation")),
    paint("dim", row(["", "", say("联合", "joint"), say("仅银行", "bank alone"), say("提升", "uplift"), ...(report.challenger === undefined ? [] : [say("本行模型", "challenger")])])),
    ...lines,
  ];
}

/** What a boosted model is made of; for trees what their bitmaps disclosed. */
function boosted(report: JointReport, { say, pick, paint }: Writer): string[] {
  const title = paint("bold", say("模型", "Model"));
  if (isTrees(report)) {
    const { trees, stopped, disclosed, floorsLifted } = report.model;
    return [
      `${title} · ${say(`${trees} 棵树`, `${trees} trees`)} (${pick(wordsFor("stops", stopped))})`,
      ...disclosed.map((d) => `  ${padded(d.party, 24)}${paint("red", say(`每家企业至多 ${fixed(d.bitsPerRow, 1)} 比特（${d.cuts} 个切分）已告知银行`,
        `at most ${fixed(d.bitsPerRow, 1)} bits of every company told to the bank (${d.cuts} cuts)`))}`),
      ...(floorsLifted ? [paint("red", say("  仅供实验：噪声、上限与下限均已解除", "  for experiments only: noise, caps and floors were lifted"))] : []),
    ];
  }
  if (report.model.kind !== "crossboost") return [title];
  const { cells, queries, total } = report.model;
  return [
    `${title} · ${say(`${cells} 个银行单元，${queries} 次密文查询`, `${cells} cells of the bank, ${queries} encrypted queries`)}`,
    `  ${say("数据方总分的权重", "weight of the providers' total")} ${fixed(total.weight, 3)} ± ${fixed(total.standardError, 3)}, `
      + (total.kept ? say("保留", "kept") : say("不显著，已弃用", "not significant, dropped")),
  ];
}

function providers(report: JointReport, { say, paint }: Writer): string[] {
  const width = Math.max(10, ...report.parties.map((p) => p.party.length)) + 2;
  const row = ([party = "", ...figures]: readonly string[], tail: string): string =>
    `  ${padded(party, width)}${figures.map((figure) => padded(figure, 13, "right")).join("")}  ${tail}`.trimEnd();
  const lines = (report.contribution?.parties ?? []).map((item) => {
    const host = item.party !== guestOf(report);
    const filled = Math.round(Math.min(Math.max(item.ofGain, 0), 1) * 20);
    return row([
      item.party, integer(item.features), host ? integer(report.alignedByHost[item.party]?.matched ?? 0) : "–",
      percent(item.ofWhole), host ? percent(item.ofGain) : "–",
    ], host ? `${paint("green", "█".repeat(filled))}${paint("dim", "░".repeat(20 - filled))}` : "");
  });
  return [
    paint("bold", say("每一方的贡献", "What each party brings")),
    paint("dim", row(["", say("入选特征", "features"), say("匹配企业", "matched"), say("占解释方差", "of variance"), say("占联合增益", "of the gain")], "")),
    ...lines,
  ];
}

function learned(report: JointReport, { say, pick, paint }: Writer): string[] {
  const verdict = report.leakage.insidePlan
    ? paint("green", say("全部在批准的声明之内", "all inside the approved statement"))
    : paint("red", say("有内容超出批准的声明", "something is outside the approved statement"));
  return [
    `${paint("bold", say("谁知道了什么", "Who learned what"))} · ${verdict}`,
    ...alike(report).flatMap(({ parties, numbers, lines }) => {
      const none = lines.length === 0 ? [say("没有得知任何内容", "nothing")] : [];
      const each = parties.length === 1 ? say(`${integer(numbers)} 个数值`, `${integer(numbers)} numbers`)
        : say(`各至多 ${integer(numbers)} 个数值`, `at most ${integer(numbers)} numbers each`);
      return [`  ${paint("bold", parties.join(", "))} ${paint("dim", each)}`, ...[...lines.map(pick), ...none].map((line) => `    · ${line}`)];
    }),
  ];
}

/** Parties that learned the same kinds of things, said once. */
function alike(report: JointReport): { parties: string[]; numbers: number; lines: readonly Bilingual[] }[] {
  const groups = new Map<string, { parties: string[]; numbers: number; lines: readonly Bilingual[] }>();
  for (const { party } of report.parties) {
    const { reveals, numbers } = learnedBy(report, party);
    const key = JSON.stringify(reveals);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { parties: [party], numbers, lines: reveals });
    else groups.set(key, { ...group, parties: [...group.parties, party], numbers: Math.max(group.numbers, numbers) });
  }
  return [...groups.values()];
}

function cost(report: JointReport, { say, pick, paint }: Writer): string[] {
  const messages = sumOf(report.traffic.map((line) => line.messages));
  const [process, mb] = Object.entries(report.peakRssMb).toSorted((a, b) => b[1] - a[1])[0] ?? ["", 0];
  const phases = report.phases.map((phase) => `${pick(wordsFor("phases", phase.name))} ${duration(phase.wallSeconds)}`);
  const links = report.traffic.filter((line) => line.messages > 0).map((line) => `${line.from} → ${line.to} ${byteSize(line.bytes)}`);
  return [
    paint("bold", say("时间与流量", "Time and traffic")),
    `  ${duration(totalSeconds(report))} · ${byteSize(totalBytes(report))} · ${integer(messages)} ${say("条消息", "messages")} · ${say("内存峰值",
      "peak memory")} ${integer(mb)} MB${process === "" ? "" : ` (${process})`}`,
    ...inLines(phases, 92).map((line) => paint("dim", `  ${line}`)),
    ...inLines(links, 92).map((line) => paint("dim", `  ${line}`)),
  ];
}

/** Joins items with a middle dot into lines of at most `columns` columns. */
function inLines(items: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && columnsOf(last) + columnsOf(item) + 3 <= columns) lines[lines.length - 1] = `${last} · ${item}`;
    else lines.push(item);
  }
  return lines;
}
