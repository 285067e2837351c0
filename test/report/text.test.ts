import { stripVTControlCharacters } from "node:util";
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { byteSize, columnsOf, duration, fixed, integer, padded, pValue, signed } from "../../report/format.ts";
import { aucMargin } from "../../report/headline.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { summarise } from "../../report/text.ts";
import { sampleReport } from "../support/sample-report.ts";

const sample = sampleReport({ rows: 3000 });
const english = summarise(sample, { lang: "en", colour: false });
const chinese = summarise(sample, { lang: "zh", colour: false });

describe("the summary in a terminal", () => {
  it("says in both languages what was gained, by whom, who learned what, and what it cost", () => {
    const headings = { Separation: "区分能力", "What each party brings": "每一方的贡献", "Who learned what": "谁知道了什么", "Time and traffic": "时间与流量" };
    for (const [en, zh] of Object.entries(headings)) {
      assert.include(english, en);
      assert.include(chinese, zh);
    }
    for (const text of [english, chinese]) {
      assert.include(text, sample.metrics.test.auc.toFixed(4));
      assert.include(text, sample.guestOnly.train.ks.toFixed(4));
      for (const { party } of sample.parties) assert.include(text, party);
      for (const item of sample.contribution.parties) assert.include(text, `${(item.ofWhole * 100).toFixed(1)}%`);
    }
    assert.include(english, "all inside the approved statement");
  });

  it("mixes no Chinese into English but the product's name", () => {
    assert.notMatch(english.replaceAll("域内", ""), /[\u3000-\u9fff\uff00-\uffef]/u);
  });

  it("differs with colour in escape sequences only", () => {
    const coloured = summarise(sample, { lang: "en", colour: true });
    assert.notEqual(coloured, english);
    assert.equal(stripVTControlCharacters(coloured), english);
    assert.notInclude(english, "\u001b");
  });

  it("fits a terminal of 100 columns", () => {
    for (const line of [...english.split("\n"), ...chinese.split("\n")]) assert.isAtMost(columnsOf(line), 100, line);
  });

  it("says so when something was sent outside the plan", () => {
    const report = structuredClone(sample);
    Object.assign(report.leakage.ledger[0] ?? {}, { messages: 1e6 });
    report.leakage.insidePlan = false;
    const text = summarise(jointReportSchema.parse(report), { lang: "en", colour: false });
    assert.include(text, "something is outside the approved statement");
  });

  it("lets no text of a peer drive the terminal", () => {
    const report = structuredClone(sample);
    report.notes = [{ zh: "\u001b[2J\u001b]0;x\u0007", en: "\u001b[2J\r\nfake line\u202e" }];
    const text = summarise(jointReportSchema.parse(report), { lang: "en", colour: false });
    assert.notMatch(text.replaceAll("\n", ""), /[\p{Cc}\u202e]/u);
  });
});

describe("numbers as people read them", () => {
  it("have a real minus sign, and none on a zero", () => {
    assert.deepEqual([fixed(-0.5, 2), fixed(-0.001, 2)], ["−0.50", "0.00"]);
    assert.deepEqual([signed(0.0004, 3), signed(0.02, 2), signed(-0.02, 2)], ["0.000", "+0.02", "−0.02"]);
  });

  it("keep three significant digits across the borders of units", () => {
    const sizes = [0, 999, 1000, 999_499, 999_500, 1_234_567, 45_678_901].map(byteSize);
    assert.deepEqual(sizes, ["0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "1.23 MB", "45.7 MB"]);
    assert.deepEqual([0.2, 9.996, 59.96, 119.6, 3725].map(duration), ["0.20 s", "10.0 s", "60.0 s", "2 min 00 s", "62 min 05 s"]);
    assert.deepEqual([integer(1234567), pValue(0.0004), pValue(0.0312)], ["1,234,567", "<0.001", "0.031"]);
  });

  it("pad by columns, where a Chinese character takes two", () => {
    assert.equal(padded("银行", 6), "银行  ");
    assert.equal(padded("银行", 6, "right"), "  银行");
    fc.assert(fc.property(fc.string({ maxLength: 20, unit: "grapheme-ascii" }), fc.nat(30), (text, columns) => {
      assert.equal(columnsOf(padded(text, columns)), Math.max(columns, text.length));
    }));
  });

  it("give the interval of an AUC by Hanley and McNeil", () => {
    // At chance their variance is that of the Mann-Whitney statistic, (m + n + 1) / (12 m n).
    assert.closeTo((aucMargin(0.5, 58, 51) / 1.96) ** 2, 110 / (12 * 58 * 51), 1e-12);
    assert.isBelow(aucMargin(0.9, 58, 51), aucMargin(0.7, 58, 51));
    assert.equal(aucMargin(0.7, 0, 10), 0);
  });
});
