// Who learned what: the statement that everybody approved beside the ledger of what was sent; then budgets, protections
// and versions, and how to read the page.
import { byteSize, fixed, integer } from "../format.ts";
import { colourOf, hostsOf, learnedBy } from "../headline.ts";
import { joinFlows } from "../plan-check.ts";
import type { JointReport, ReportBudget, ReportLeakageLine } from "../schema.ts";
import { wordsFor } from "../words.ts";
import { both, html, nameOf, nothing, type Html } from "./markup.ts";
import { badge, bar, say, section, table } from "./parts.ts";

function partyTag(report: JointReport, party: string): Html {
  return html`<i class="key box c-party-${colourOf(report, party)}"></i>${nameOf(party)}`;
}

export function leakageSection(report: JointReport): Html {
  const { statement, ledger, insidePlan, budgets, attacks, log2FloodDistance } = report.leakage;
  const flows = joinFlows(statement, ledger);
  return section("leakage",
    html`<p class="verdict">${insidePlan
      ? badge("good", say("实际发送的内容全部在各方批准的声明之内", "everything that was sent is inside the statement that all parties approved"))
      : badge("bad", say("有内容超出批准的声明，见下表标记行", "something was sent outside the approved statement: see the marked lines"))}</p>`,
    html`<div class="learned">${report.parties.map(({ party, role }) => learnedCard(report, party, role))}</div>`,
    html`<div class="card">${table(html`${say("泄露声明与台账", "Leakage statement and ledger")} <small>${say("实际 / 上限",
      "sent / bound")}</small>`, [
      { head: say("自 → 至", "From → to"), names: true, cell: ({ planned, sent }) => flowEnds((planned ?? sent)) },
      { head: say("消息类型", "Message type"), cell: ({ planned, sent }) => html`<code>${(planned ?? sent)?.type ?? ""}</code>` },
      { head: say("接收方由此得知", "What the receiver learns"), wraps: true, cell: ({ planned, sent }) => revealed(planned ?? sent) },
      { head: say("消息", "Messages"), numeric: true, cell: ({ planned, sent }) => against(sent?.messages, planned?.messages, integer) },
      { head: say("字节", "Bytes"), numeric: true, cell: ({ planned, sent }) => against(sent?.bytes, planned?.bytes, byteSize) },
      { head: say("数值个数", "Numbers"), numeric: true, cell: ({ planned, sent }) => against(sent?.numbers, planned?.numbers, integer) },
      {
        head: say("状态", "State"), cell: ({ planned, sent, inside }) => {
          if (planned === undefined) return badge("bad", say("计划外", "not planned"));
          if (!inside) return badge("bad", say("超限", "over its bound"));
          return sent === undefined ? html`<span class="muted">${say("未发送", "not sent")}</span>` : badge("good", say("在内", "inside"));
        },
      },
    ], flows, { rowClass: ({ inside }) => (inside ? "" : "alarm"), whole: true })}</div>`,
    html`<div class="pair">${budgets.length === 0 ? nothing : html`<div class="card">${table(say("预算（跨任务累计）",
      "Budgets (kept over all jobs)"), [
      { head: say("预算", "Budget"), names: true, wraps: true, cell: (b) => both(b.name) },
      { head: say("参与方",
        "Parties"), cell: (b) => html`${partyTag(report, b.party)}${b.peer === undefined ? nothing : html` ↔ ${nameOf(b.peer)}`}` },
      { head: say("已用 / 上限", "Used / limit"), numeric: true, cell: (b) =>
        html`${budgetNumber(b.used)} / ${budgetNumber(b.limit)}${budgetBar(b)}` },
    ], budgets)}</div>`}
    <div class="card"><h3>${say("安全模型", "Security model")}</h3><ul class="plain">
      <li>${say("半诚实加审计：假定各方按协议执行。每条消息都有签名，随机数都由种子展开，监管方取得种子即可重放查询。",
        "Semi-honest + audit: parties are taken to follow the protocol. Every message is signed and "
          + "all randomness is expanded from seeds, so that a supervisor who is shown a seed can replay a query.")}</li>
      <li>${say("汇总数是精确的，不是差分隐私。上表即跨域发送的全部内容；银行直接得到的逐企业信息只有：该企业是否在各数据方，以及开启的总分。",
        "Sums are exact, not differentially private. The table above is all that crossed; about a single company "
          + "the bank is told directly only whether a provider holds it, and the opened totals.")}</li>
      <li>${hostsOf(report).length === 1
        ? say("只有一个数据方：开启的总分减去银行自有部分即该数据方的分值，须经其策略单独同意。",
          "With one provider, an opened total less the bank's own part is that provider's part: its policy has to allow this expressly.")
        : say("总分是各数据方之和；银行若与其余全部数据方合谋，可得到剩下一方的部分。",
          "A total is the sum over all providers: the bank together with all providers but one could take out that one's part.")}</li>
      <li>${say(`每企业总分已开启 ${report.openedTotals.opened} 次，上限 ${report.openedTotals.limit} 次。`,
        `Totals per company were opened ${report.openedTotals.opened} of at most ${report.openedTotals.limit} times.`)}</li>
      ${log2FloodDistance === undefined ? nothing : html`<li>${say("全部加噪应答合计的统计距离不超过",
        "All flooded answers together leave a statistical distance of at most")} 2<sup>${fixed(log2FloodDistance, 1)}</sup></li>`}
      ${(attacks ?? []).map((attack) => html`<li>${both(attack.name)}${say("：", ": ")}<b>${both(attack.result)}</b></li>`)}
    </ul></div></div>`);
}

function budgetBar({ used, limit }: ReportBudget): Html {
  return bar([{ share: limit > 0 ? used / limit : 0, colour: used > limit ? "bad" : "joint" }]);
}

function budgetNumber(value: number): string {
  return Number.isInteger(value) ? integer(value) : fixed(value, 4);
}

function flowEnds(line: ReportLeakageLine | undefined): Html {
  return line === undefined ? nothing : html`${nameOf(line.from)} → ${nameOf(line.to)}`;
}

function revealed(line: ReportLeakageLine | undefined): Html {
  if (line === undefined) return nothing;
  if (line.reveals.zh === "" && line.reveals.en === "") return html`<span class="muted">${say("无（均匀随机或公开字节）",
    "nothing (uniform or public bytes)")}</span>`;
  const about = line.companies === undefined ? nothing : html` <small>${say(`涉及 ${integer(line.companies)} 家企业`,
    `about ${integer(line.companies)} companies`)}</small>`;
  return html`${both(line.reveals)}${about}`;
}

function against(sent: number | undefined, bound: number | undefined, format: (v: number) => string): Html {
  return html`${sent === undefined ? "–" : format(sent)} <span class="muted">/ ${bound === undefined ? "0" : format(bound)}</span>`;
}

function learnedCard(report: JointReport, party: string, role: "guest" | "host"): Html {
  const { reveals, numbers } = learnedBy(report, party);
  return html`<article class="card party-card b-party-${colourOf(report, party)}"><h3>${nameOf(party)} <small>${role === "guest" ? say("银行",
    "bank") : say("数据方", "provider")}</small></h3>
    ${reveals.length === 0 ? html`<p>${say("没有得知任何内容。", "Learned nothing.")}</p>` : html`<p class="muted">${say("得知：",
      "Learned:")}</p><ul class="plain">${reveals.map((r) => html`<li>${both(r)}</li>`)}</ul>`}
    <p class="count"><b>${integer(numbers)}</b> ${say("个数值", "numbers")}</p></article>`;
}

export function trustSection(report: JointReport): Html {
  const names = [...new Set(report.protections.flatMap((p) => p.layers.map((layer) => layer.name)))];
  const stateOf = (layers: JointReport["protections"][number]["layers"], name: string): Html => {
    const layer = layers.find((l) => l.name === name);
    if (layer === undefined) return html`<span class="muted">–</span>`;
    return layer.active ? badge("good", say("启用", "on")) : badge("watch", say("未启用", "off"));
  };
  return section("trust",
    html`<div class="card">${table(say("各进程的防护层", "Layers of protection, by process"), [
      { head: say("层", "Layer"), names: true, wraps: true, cell: (name) => both(wordsFor("layers", name)) },
      ...report.protections.map((p) => ({ head: nameOf(p.process), cell: (name: string) => stateOf(p.layers, name) })),
    ], names)}</div>`,
    html`<div class="pair"><div class="card">${table(say("版本", "Versions"), [
      { head: say("组件", "Component"), names: true, cell: ([name]) => nameOf(name) },
      { head: say("版本", "Version"), numeric: true, cell: ([, version]) => html`<code>${version}</code>` },
    ], Object.entries(report.versions))}</div>
    ${report.digests === undefined ? nothing : html`<div class="card">${table(say("摘要（SHA-256，可与回执核对）",
      "Digests (SHA-256, to compare with receipts)"), [
      { head: say("对象", "Of"), names: true, cell: ([name]) => both(wordsFor("digests", name)) },
      { head: html`SHA-256`, wraps: true, cell: ([, digest]) => html`<code class="digest">${digest}</code>` },
    ], Object.entries(report.digests))}</div>`}</div>`);
}

export function readingSection(): Html {
  const entries: readonly (readonly [Html, Html])[] = [
    [html`AUC`, say("随机取一好一坏，坏客户得分更低的概率；0.5 为随机。",
      "The chance that, of one good and one bad company, the bad one has the lower score; 0.5 is chance.")],
    [html`KS`, say("好坏客户累计分布的最大差距。", "The widest gap between the cumulative shares of bads and goods.")],
    [html`Gini`, html`2 × AUC − 1`],
    [html`IV`, say("信息值：低于 0.02 几乎无用，0.1 以上中等，0.3 以上强，高于 0.5 应先核查。",
      "Information value: below 0.02 hardly useful, from 0.1 medium, from 0.3 strong, above 0.5 look for a mistake first.")],
    [html`PSI`, say("群体稳定性：低于 0.1 稳定，0.1–0.25 需关注，以上为已偏移。",
      "Population stability: below 0.1 stable, 0.1–0.25 worth a look, above that shifted.")],
    [html`VIF`, say("方差膨胀因子：高于 10 表示与其他特征近于共线。", "Variance inflation: above 10 a feature is nearly a combination of others.")],
    [say("区间", "Intervals"), say("AUC 的 95% 区间按 Hanley 与 McNeil（1982）计算，不计分箱与选择特征带来的波动。",
      "95% intervals of AUC follow Hanley and McNeil (1982); what binning and selection add to them is not in it.")],
    [say("数值个数", "Numbers"), say("接收方由该类消息至多能算出的数值个数。", "How many numbers a receiver can at most compute from the messages of a type.")],
  ];
  return section("reading", html`<div class="card"><dl class="glossary">${entries.map(([term, text]) =>
    html`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl></div>`);
}

