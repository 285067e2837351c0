import { createHash } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import { renderReport } from "../../report/html.ts";
import { sectionTitles } from "../../report/page/parts.ts";
import { styleSheet } from "../../report/page/style.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import { readMarkup } from "../support/markup-check.ts";
import { sampleReport } from "../support/sample-report.ts";

const sample = sampleReport({ rows: 4000 });
const page = renderReport(sample);
const elements = readMarkup(page);
const chinese = /[\u3000-\u9fff\uff00-\uffef]/u;

/** A report in which everything that somebody may name tries to break out. */
function hostileReport(attack: string): JointReport {
  const report = structuredClone(sample);
  for (const feature of report.features) {
    feature.name = attack;
    for (const bin of feature.table ?? []) if (feature.party === "bank") bin.label = attack;
  }
  report.versions["yunei"] = attack;
  report.notes = [{ zh: attack, en: attack }];
  report.model.params = { ...report.model.params, edges: { [attack]: [1, 2] } };
  report.leakage.attacks = [{ name: { zh: attack, en: attack }, result: { zh: attack, en: attack } }];
  for (const line of [...report.leakage.statement, ...report.leakage.ledger]) line.reveals = { zh: attack, en: attack };
  for (const budget of report.leakage.budgets) budget.name = { zh: attack, en: attack };
  return jointReportSchema.parse(report);
}

describe("the report page", () => {
  it("is well formed, with every id once and every reference to one that exists", () => {
    const ids = elements.flatMap((e) => e.attributes.get("id") ?? []);
    assert.sameMembers(ids, [...new Set(ids)]);
    const references = [
      ...[...page.matchAll(/url\(#([^)]+)\)/gu)].map((m) => m[1] ?? ""),
      ...elements.flatMap((e) => ["aria-labelledby", "for", "href"].flatMap((key) => e.attributes.get(key)?.replace("#", "") ?? [])),
    ];
    assert.isAbove(references.length, 30);
    for (const reference of references) assert.include(ids, reference);
  });

  it("loads nothing: no address, no source, no import, and a policy that forbids them", () => {
    const addresses = page.replaceAll("http://www.w3.org/2000/svg", "");
    assert.notMatch(addresses, /https?:\/\/|@import|url\((?!#)|src=|srcset=|<link|<iframe|<object|<img/iu);
    for (const e of elements) if (e.attributes.has("href")) assert.match(e.attributes.get("href") ?? "", /^#/u);
    const policy = elements.find((e) => e.attributes.get("http-equiv") === "Content-Security-Policy")?.attributes.get("content") ?? "";
    assert.match(policy, /^default-src 'none'; style-src 'sha256-[^;]+'; script-src 'sha256-[^;]+'; base-uri 'none'; form-action 'none'$/u);
    assert.notInclude(policy, "unsafe");
  });

  it("names in its policy the digests of the one style sheet and the one script that it has", () => {
    const digest = (tag: string): string[] => [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "gu"))]
      .map((m) => createHash("sha256").update(m[1] ?? "").digest("base64"));
    const [styles, scripts] = [digest("style"), digest("script")];
    assert.lengthOf(styles, 1);
    assert.lengthOf(scripts, 1);
    assert.include(page, `style-src 'sha256-${styles[0]}'`);
    assert.include(page, `script-src 'sha256-${scripts[0]}'`);
  });

  it("has no inline style and no event handler, which its policy would refuse", () => {
    for (const e of elements) for (const name of e.attributes.keys()) assert.notMatch(name, /^(?:style|on\w+)$/u, e.tag);
  });

  it("has all its sections under a heading in both languages", () => {
    for (const [id, title] of Object.entries(sectionTitles)) {
      if (id === "model") continue; // of the boosted kinds: boosted.test.ts
      const heading = new RegExp(`<h2 id="${id}-title">(.*?)</h2>`, "u").exec(page)?.[1] ?? "";
      assert.include(heading, `<span lang="zh-CN">${title.zh}</span>`);
      assert.include(heading, `<span lang="en">${title.en}</span>`);
    }
    assert.match(page, /<title>联合评分卡报告 · Joint scorecard report/u);
  });

  it("leaves nothing in Chinese for a reader of English but the product's name and the switch", () => {
    const english = page.replaceAll(/<(span|text) lang="zh-CN"[^>]*>[^]*?<\/\1>|<title>.*?<\/title>|<style>[^]*?<\/style>/gu, "")
      .replaceAll("域内 Yunei", "").replaceAll(/(?:aria-label="|>)中文/gu, "").replace("目录 Contents", "");
    const at = chinese.exec(english)?.index ?? -1;
    assert.equal(at, -1, english.slice(Math.max(at - 80, 0), at + 40));
    const count = (lang: string): number => elements.filter((e) => e.attributes.get("lang") === lang && e.tag !== "html").length;
    assert.equal(count("zh-CN"), count("en"));
    assert.isAbove(count("en"), 200);
  });

  it("draws every chart, each labelled", () => {
    const charts = elements.filter((e) => e.attributes.get("role") === "img").map((e) => e.attributes.get("aria-labelledby"));
    const expected = ["roc", "ks", "gains", "lift", "score", "reliability", "stability", "iv", "phases", "bins-0"];
    assert.includeMembers(charts, expected.map((key) => `${key}-caption`));
  });

  it("shows the figures of the report: uplift, shares, traffic, leakage", () => {
    assert.include(page, sample.metrics.test.auc.toFixed(4));
    assert.include(page, sample.guestOnly.test.ks.toFixed(4));
    for (const item of sample.contribution.parties) assert.include(page, `${(item.ofWhole * 100).toFixed(1)}%`);
    for (const line of sample.leakage.statement) assert.include(page, `<code>${line.type}</code>`);
    for (const digest of Object.values(sample.digests ?? {})) assert.include(page, digest);
  });

  it("gives the same bytes for the same report, whatever was rendered in between", () => {
    renderReport(sampleReport({ rows: 2500, hosts: ["one"], seed: 9 }));
    assert.equal(renderReport(structuredClone(sample)), page);
  });

  it("escapes names that try to leave their place", () => {
    const attack = "</text></svg><script>alert('x')</script><img src=x onerror=alert(1)>\"&amp;'";
    const hostile = renderReport(hostileReport(attack));
    const acting = readMarkup(hostile).map((e) => e.tag).filter((tag) => ["script", "img", "style"].includes(tag));
    assert.deepEqual(acting, ["style", "script"]);
    assert.include(hostile, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
  });

  it("makes control, bidi and zero-width characters visible instead of passing them on", () => {
    const hostile = renderReport(hostileReport("a\u202eb\u2063c\u0000d\u0085e\u2066f"));
    assert.notMatch(hostile.replaceAll("\n", ""), /[\p{Cc}\u202a-\u202e\u2060-\u206f]/u);
    assert.include(hostile, "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf");
  });

  it("says so when something was sent outside the plan", () => {
    const report = structuredClone(sample);
    Object.assign(report.leakage.ledger[0] ?? {}, { bytes: 1e9 });
    report.leakage.insidePlan = false;
    const bad = renderReport(jointReportSchema.parse(report));
    assert.include(bad, "something was sent outside the approved statement");
    assert.include(bad, "<tr class=\"alarm\">");
    assert.notInclude(page, "<tr class=\"alarm\">");
  });

  it("does not call a model better that is not, and warns of a single host's totals", () => {
    const report = sampleReport({ rows: 2500, hosts: ["only"] });
    report.guestOnly = structuredClone(report.metrics);
    const flat = renderReport(jointReportSchema.parse(report));
    assert.include(flat, "1 provider added nothing visible");
    assert.include(flat, "With one provider, an opened total less the bank");
    assert.notMatch(flat, /providers? lifts? AUC/u);
  });

  it("stays below 1.5 MB with hundreds of features and says what it leaves to report.json", () => {
    const hosts = ["tax", "social", "housing", "power", "courts", "customs"];
    const large = renderReport(sampleReport({ rows: 5000, hosts, featuresPerHost: 90 }));
    assert.isBelow(Buffer.byteLength(large), 1_500_000);
    assert.match(large, /250 of 548 are listed here; report\.json has the rest/u);
  });
});

describe("the colours of the page", () => {
  const declarations = [...styleSheet.matchAll(/:root\{(?:color-scheme:light dark;)?(--page:[^}]+)\}/gu)].map((m) => m[1] ?? "");
  const themes = declarations.map((text) => new Map([...text.matchAll(/(--[a-z0-9-]+):([^;]+)/gu)].map((m): [string, string] => [m[1] ?? "", m[2] ?? ""])));
  const channel = (v: number): number => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (hex: string): number => {
    const full = hex.slice(1).length === 3 ? hex.slice(1).replaceAll(/./gu, "$&$&") : hex.slice(1);
    const [r, g, b] = [0, 2, 4].map((i) => channel(Number.parseInt(full.slice(i, i + 2), 16) / 255));
    return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
  };
  // WCAG 2.2, relative contrast.
  const contrast = (a: string, b: string): number => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };

  it("have contrast enough for text and marks, in light and in dark", () => {
    assert.lengthOf(themes, 2);
    for (const theme of themes) {
      const of = (name: string): string => theme.get(name) ?? "";
      for (const ground of ["--card", "--page", "--stripe"]) {
        for (const text of ["--ink", "--muted", "--accent"]) assert.isAtLeast(contrast(of(text), of(ground)), 4.5, `${text} on ${ground}`);
      }
      for (const state of ["good", "watch", "bad"]) assert.isAtLeast(contrast(of(`--${state}`), of(`--${state}-soft`)), 4.5, state);
      for (const mark of ["--joint", "--alone", "--good", "--bad", ...Array.from({ length: 8 }, (_, i) => `--party-${i}`)]) {
        assert.isAtLeast(contrast(of(mark), of("--card")), 3, mark);
      }
    }
  });
});
