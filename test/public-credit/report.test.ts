// The credit report: complete in sources and dates, honest about what is not known, equal for equal input, safe for names with markup, and a
// PDF whose text an independent reader (PDF.js) finds again, every character of it.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { extractText, getDocumentProxy } from "unpdf";
import { canonicalJson, digestOf, type Json } from "../../core/canonical.ts";
import { publicItem, publicItems } from "../../public-credit/publishable.ts";
import { composeReport, digestOfReport, maxItemBytes, maxRecords, maxRecordsPerItem } from "../../public-credit/report/compose.ts";
import { loadFont, writable, type ReportFont } from "../../public-credit/report/glyphs.ts";
import { renderReportPage } from "../../public-credit/report/html.ts";
import { renderPdf } from "../../public-credit/report/pdf.ts";
import { PdfPool } from "../../public-credit/report/pdf-pool.ts";
import type { CreditReport } from "../../public-credit/report/schema.ts";
import { readMarkup } from "../support/markup-check.ts";
import { basic, hostileName, inputOf, penalties, recordOf, registry, usccOf } from "./support.ts";

const record = recordOf(basic, { company_name: hostileName, established_on: "2015-03-01", legal_representative: "张喆" });
const fine = recordOf(penalties, { decision_number: "京市监罚〔2025〕1号", fine: 1_234_567.5, offence: "未公示年度报告" }, { key: "p1", version: 2, until: "2027-01-01" });

describe("a credit report", () => {
  it("says what is known with source and dates, and what is not, item by item", () => {
    const report = composeReport(inputOf([record, fine], { sourced: new Set<string>([basic, penalties, "customs.credit-grade"]) }));
    assert.equal(report.company.name, hostileName);
    assert.equal(report.company.sectorZh, "制造业");
    assert.deepEqual(report.counts, { records: 2, items: 2, sources: 1 });
    const items = report.categories.flatMap((c) => c.items);
    assert.deepEqual(items.map((i) => i.item), [basic, penalties]);
    const shown = items[1]?.records[0];
    assert.deepInclude(shown, { source: registry, key: "p1", asOf: "2026-01-01", publishedOn: "2026-01-02", changedOn: "2026-01-02", version: 2, until: "2027-01-01" });
    assert.deepEqual(shown?.fields.find((f) => f.id === "fine"), { id: "fine", zh: "罚款金额", type: "money", value: 1_234_567.5, unit: "CNY" });
    assert.lengthOf(report.unknown, publicItems().length - 2);
    assert.equal(report.unknown.find((u) => u.item === "customs.credit-grade")?.reason, "no-record");
    assert.equal(report.unknown.find((u) => u.item === "ip.trademarks")?.reason, "no-source");
    assert.includeMembers(report.clauses.map((c) => c.id), ["P21-6-report", "P21-10-purpose"]);
  });

  it("is equal for equal input and clock, and another by one character", () => {
    const [a, b] = [composeReport(inputOf([record, fine])), composeReport(inputOf([{ ...record }, { ...fine }]))];
    assert.equal(digestOfReport(a), digestOfReport(b));
    assert.equal(digestOfReport(a), digestOf(a as unknown as Json));
    assert.equal(renderReportPage(a, digestOfReport(a)), renderReportPage(b, digestOfReport(b)));
    const other = composeReport(inputOf([{ ...record, values: { ...record.values, company_name: `${hostileName}一` } }, fine]));
    assert.notEqual(digestOfReport(other), digestOfReport(a));
  });

  it("leaves out what is over, withheld or beyond its bounds, and says how many more there are", () => {
    const over = composeReport(inputOf([recordOf(penalties, { offence: "甲" }, { until: "2026-01-04" }), recordOf(penalties, { offence: "乙" }, { key: "2", until: "2026-01-05" })]));
    assert.deepEqual(over.categories.flatMap((c) => c.items.flatMap((i) => i.records.map((r) => r.key))), ["2"]);
    const certificate = composeReport(inputOf([recordOf(penalties, { offence: "甲", legal_representative_certificate: "11010519800101000X" })]));
    assert.notInclude(JSON.stringify(certificate), "11010519800101000X");
    const many = composeReport(inputOf(Array.from({ length: maxRecordsPerItem + 7 }, (_, i) => recordOf(penalties, { offence: "甲" }, { key: String(i) })), { more: new Map<string, number>([[penalties, 3]]) }));
    const item = many.categories[0]?.items[0];
    assert.equal(item?.records.length, maxRecordsPerItem);
    assert.equal(item?.more, 10);
    assert.equal(many.counts.records, maxRecordsPerItem + 10);
    assert.isAtLeast(maxRecords, maxRecordsPerItem);
    // Long texts: the newest up to the bound, or one alone; all others are counted.
    const long = composeReport(inputOf(Array.from({ length: 60 }, (_, i) => recordOf(penalties, { offence: "违".repeat(2000), fine: i }, { key: String(i) }))));
    const shown = long.categories[0]?.items[0];
    assert.equal(shown?.records.length, Math.floor(maxItemBytes / Buffer.byteLength(canonicalJson({ offence: "违".repeat(2000), fine: 59 }))));
    assert.deepEqual(shown?.records.map((r) => r.key), Array.from({ length: shown?.records.length ?? 0 }, (_, i) => String(i)));
    assert.equal((shown?.records.length ?? 0) + (shown?.more ?? 0), 60);
    const texts = Object.fromEntries(publicItem(penalties).fields.filter((f) => f.type === "text").map((f) => [f.id, "违".repeat(2000)]));
    assert.isNotEmpty(composeReport(inputOf([recordOf(penalties, texts)])).categories);
  });

  it("of a company of which nothing is known says so, and is no statement about it", () => {
    const report = composeReport(inputOf([], { requester: null, purpose: "own-information" }));
    assert.equal(report.company.name, null);
    assert.equal(composeReport(inputOf([], { uscc: usccOf(1, "ABCDEF") })).company.region, null);
    assert.lengthOf(report.unknown, publicItems().length);
    const page = renderReportPage(report, digestOfReport(report));
    assert.include(page, "平台未持有该企业的公开信息");
    assert.include(page, "不表示信用良好或不良");
  });

  it("carries the marks of objections and repair beside the records that they concern", () => {
    const marks: CreditReport["marks"] = [{ kind: "objection", party: registry, item: penalties, state: "examining", since: "2026-01-03" }];
    const report = composeReport(inputOf([record, fine], { marks }));
    const page = renderReportPage(report, digestOfReport(report));
    assert.equal(page.split("异议处理中").length - 1, 3, "at the record, in the list of marks, and in the statement that explains it");
    assert.isBelow(page.indexOf("行政处罚信息"), page.indexOf("异议处理中"));
  });
});

describe("the page of a report", () => {
  it("escapes what sources wrote and loads nothing", () => {
    const report = composeReport(inputOf([record, fine], { requester: "<b>银行</b>" }));
    const page = renderReportPage(report, digestOfReport(report));
    assert.notInclude(page, "<script");
    assert.notInclude(page, "<b>");
    assert.include(page, "北京&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;堃喆䶮㛃𬭎𠮷机械有限公司");
    assert.notMatch(page, /(?:src|href)=|url\(|@import/);
    assert.include(page, "default-src &#39;none&#39;".replaceAll("&#39;", "'"));
    assert.isEmpty(readMarkup(page).filter(({ tag, attributes }) => ["script", "img", "iframe", "link", "b"].includes(tag) || [...attributes.keys()].some((name) => name.startsWith("on"))));
  });
});

describe("the PDF of a report", () => {
  let font: ReportFont;
  before(() => {
    font = loadFont();
  });
  const textOf = async (bytes: Uint8Array): Promise<string> => (await extractText(await getDocumentProxy(new Uint8Array(bytes)), { mergePages: true })).text;
  const dense = (text: string): string => text.normalize("NFKC").replaceAll(/\s+/g, "");

  it("holds every text of the report, also rare characters of names, and no empty box", async function () {
    this.timeout(60_000);
    const report = composeReport(inputOf([record, fine, ...Array.from({ length: 40 }, (_, i) => recordOf(penalties, { offence: `第${i}项违法事实`.repeat(20), fine: i }, { key: `k${i}` }))]));
    const digest = digestOfReport(report);
    const bytes = await renderPdf(report, digest, font);
    assert.isBelow(bytes.length, 500_000);
    assert.equal(Buffer.from(bytes.subarray(0, 5)).toString("latin1"), "%PDF-");
    const text = dense(await textOf(bytes));
    const wanted = [hostileName.replace("𠮷", "〔U+20BB7〕"), digest, report.number, "1,234,567.5元", "京市监罚〔2025〕1号", "第39项违法事实", ...report.statements, ...report.unknown.map((u) => u.zh)];
    for (const part of wanted) assert.include(text, dense(part));
    assert.notInclude(text, "\u0000");
    assert.notInclude(text, "\ufffd");
    const all = [...new Set(JSON.stringify(report))].filter((c) => !/[\s"\\{}]/.test(c));
    assert.deepEqual(all.filter((c) => !font.covers(c.codePointAt(0) ?? 0)), ["𠮷"], "the only character that the font lacks is written by its number");
  });

  it("is equal for an equal report, in this thread and in a worker", async function () {
    this.timeout(60_000);
    const report = composeReport(inputOf([record, fine]));
    const digest = digestOfReport(report);
    const here = Buffer.from(await renderPdf(report, digest, font));
    const pool = new PdfPool();
    const there = await Promise.all([1, 2, 3].map(() => pool.render(report, digest)));
    for (const bytes of there) assert(here.equals(Buffer.from(bytes)));
  });

  it("writes characters without a glyph as their code points and hides no control", () => {
    assert.equal(writable("甲𠮷乙", font), "甲〔U+20BB7〕乙");
    assert.notInclude(writable("甲\u202e乙", font), "\u202e");
    for (const c of "镕喆堃玥頔彧飏垚鱻囍羴䶮㛃㙍𬭎𫖯𬱖。，（）〔〕“”·—…％§") assert.equal(writable(c, font), c);
  });
});
