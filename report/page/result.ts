// The opening of the page: what the joint model adds, who brings it, and on which companies that was measured.
import { byteSize, duration, fixed, integer, percent, signed } from "../format.ts";
import { colourOf, hostsOf, parts, sumOf, totalBytes, totalSeconds, upliftOf, type Part } from "../headline.ts";
import { isScorecard, type JointReport, type ScorecardReport } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { both, html, nameOf, nothing, type Html } from "./markup.ts";
import { badge, bar, legend, say, section, table, tile, type Key } from "./parts.ts";

export const partNames: Readonly<Record<Part, Html>> = { train: say("训练", "Train"), test: say("测试", "Test") };

/** Party names with their colours. */
export function partyKeys(report: JointReport, look: Key["look"] = "box"): Key[] {
  return report.parties.map(({ party, role }) => ({
    look, colour: `party-${colourOf(report, party)}`,
    name: html`${nameOf(party)} <small>${role === "guest" ? say("银行", "bank") : say("数据方", "provider")}</small>`,
  }));
}

export function pageHeader(report: JointReport): Html {
  return html`<header class="hero"><p class="eyebrow">域内 Yunei · ${say("联合建模报告", "Joint modelling report")}</p><h1>${both(wordsFor("models", report.model.kind))}</h1>
    <p class="lead">${headlineSentence(report)}</p>
    <dl class="facts">
      <div><dt>${say("任务", "Job")}</dt><dd><code>${report.job}</code></dd></div>
      <div><dt>${say("模型", "Model")}</dt><dd><code>${report.model.id}</code></dd></div>
      <div><dt>${say("时间",
        "Made")}</dt><dd><time datetime="${report.createdAt}">${report.createdAt.slice(0, 16).replace("T", " ")} UTC</time></dd></div>
      ${report.purpose === undefined ? nothing : html`<div><dt>${say("用途",
        "Purpose")}</dt><dd>${both(wordsFor("purposes", report.purpose))}</dd></div>`}
    </dl></header>`;
}

function headlineSentence(report: JointReport): Html {
  const auc = upliftOf(report, "auc", "test");
  const rows = integer(report.rows.test.rows);
  const hosts = hostsOf(report).length;
  const [joint, alone] = [fixed(auc.joint, 3), fixed(auc.alone, 3)];
  if (auc.delta <= 0) {
    return say(`在 ${rows} 家未参与训练的企业上，${hosts} 个数据方未带来可见提升：联合模型 AUC ${joint}，仅用银行数据 ${alone}。`,
      `On ${rows} companies that training never saw, ${hosts} provider${hosts === 1 ? "" : "s"} added nothing visible: `
        + `AUC ${joint} jointly, ${alone} from the bank's columns alone.`);
  }
  return say(`在 ${rows} 家未参与训练的企业上，加入 ${hosts} 个数据方后，AUC 由 ${alone} 升至 ${joint}，原始数据未出各自域。`,
    `On ${rows} companies that training never saw, ${hosts} provider${hosts === 1 ? "" : "s"} lift${hosts === 1 ? "s" : ""} AUC `
      + `from ${alone} to ${joint}. No raw record left its domain.`);
}

export function resultSection(report: JointReport): Html {
  const [auc, ks, gini] = [upliftOf(report, "auc", "test"), upliftOf(report, "ks", "test"), upliftOf(report, "gini", "test")];
  const own = report.challenger?.test;
  const deltaTile = (name: string, { joint, alone, delta }: typeof auc, brought: number | undefined): Html =>
    tile(html`${name}<span class="pill">${partNames.test}</span>`,
      html`${fixed(joint, 3)}<span class="delta ${delta > 0 ? "up" : "flat"}">${signed(delta, 3)}</span>`,
      html`${say("仅银行", "bank alone")} ${fixed(alone, 3)}${brought === undefined ? nothing : html` · ${say("本行模型", "challenger")} ${fixed(brought, 3)}`}`);
  return section("result",
    html`<div class="tiles">
      ${deltaTile("AUC", auc, own?.auc)}
      ${deltaTile("KS", ks, own?.ks)}
      ${deltaTile("Gini", gini, own?.gini)}
      ${tile(say("企业", "Companies"), integer(report.rows.total), html`${say("坏客户",
        "bad")} ${percent((report.rows.train.bads + report.rows.test.bads) / Math.max(report.rows.total, 1))}`)}
      ${tile(say("全程用时", "Whole run"), duration(totalSeconds(report)), html`${report.parties.length} ${say("方参与", "parties")}`)}
      ${tile(say("跨域流量", "Bytes between domains"), byteSize(totalBytes(report)), report.leakage.insidePlan
        ? badge("good", say("泄露在声明之内", "leakage inside its plan")) : badge("bad", say("超出泄露声明", "leakage outside its plan")))}
    </div>`,
    isScorecard(report) ? contribution(report) : nothing,
    report.notes === undefined || report.notes.length === 0 ? nothing
      : html`<ul class="remarks">${report.notes.map((note) => html`<li>${both(note)}</li>`)}</ul>`,
  );
}

function contribution(report: ScorecardReport): Html {
  const { r2, guestR2, parties } = report.contribution;
  const positive = sumOf(parties.map((item) => Math.max(item.ofWhole, 0)));
  const isHost = new Set(hostsOf(report));
  const gained = parties.some((item) => item.ofGain !== 0);
  return html`<div class="card"><h3>${say("每一方的贡献", "What each party brings")}</h3>
    ${bar(parties.map((item) => ({
      share: positive === 0 ? 0 : Math.max(item.ofWhole, 0) / positive, colour: `party-${colourOf(report, item.party)}`,
    })))}
    ${legend(partyKeys(report))}
    ${table(say("每一方的贡献", "What each party brings"), [
      { head: say("参与方", "Party"), names: true, cell: (item) => nameOf(item.party) },
      { head: say("入选特征", "Features selected"), numeric: true, cell: (item) => integer(item.features) },
      { head: say("单独的 R²", "R² alone"), numeric: true, cell: (item) => fixed(item.alone, 4) },
      { head: say("占解释方差", "Of explained variance"), numeric: true, cell: (item) => percent(item.ofWhole) },
      { head: say("占联合增益",
        "Of the joint gain"), numeric: true,
        cell: (item) => (gained && isHost.has(item.party) ? html`<b>${percent(item.ofGain)}</b>` : "–") },
    ], parties, { captionHidden: true })}
    <p class="note">${say(
      `联合 R² ${fixed(r2, 4)}，仅银行 ${fixed(guestR2, 4)}，其差为联合增益。`
        + "分摊用 Shapley 值，直接由已开启的矩算出，不再开启任何数据。"
        + `AUC 与 KS 只对联合模型和仅银行模型给出，因为总分至多开启 ${report.openedTotals.limit} 次。`,
      `R² is ${fixed(r2, 4)} jointly and ${fixed(guestR2, 4)} for the bank alone; the difference is the joint gain. `
        + "It is split by Shapley values, from the moments that were opened anyway: nothing more was opened for it. "
        + `AUC and KS are given for the joint and the bank-only model only, because `
        + `totals may be opened at most ${report.openedTotals.limit} times.`)}</p></div>`;
}

export function dataSection(report: JointReport): Html {
  const aligned = Object.entries(report.alignedByHost);
  return section("data", html`<div class="pair"><div class="card">${table(say("企业", "Companies"), [
    { head: say("部分", "Part"), names: true, cell: (part) => partNames[part] },
    { head: say("合计", "All"), numeric: true, cell: (part) => integer(report.rows[part].rows) },
    { head: say("好", "Good"), numeric: true, cell: (part) => integer(report.rows[part].goods) },
    { head: say("坏", "Bad"), numeric: true, cell: (part) => integer(report.rows[part].bads) },
    { head: say("坏账率", "Bad rate"), numeric: true, cell: (part) => percent(report.rows[part].bads / Math.max(report.rows[part].rows, 1)) },
  ], parts)}</div><div class="card">${table(say("与各数据方对齐", "Aligned with each provider"), [
    { head: say("数据方", "Provider"), names: true, cell: ([host]) => nameOf(host) },
    { head: say("匹配", "Matched"), numeric: true, cell: ([, a]) => integer(a.matched) },
    { head: say("覆盖率", "Coverage"), numeric: true, cell: ([, a]) => percent(a.matched / Math.max(report.rows.total, 1)) },
    { head: say("其集合", "Its set"), numeric: true, cell: ([, a]) => integer(a.hostSize) },
  ], aligned)}<p class="note">${say("未匹配的企业仍留在任务中，落入该数据方的“缺失”箱。",
    "Companies that a provider does not hold stay in the job, in its “missing” bins.")}</p></div></div>`);
}
