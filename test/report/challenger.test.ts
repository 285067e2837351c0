// The bank's own model in the report: beside the bank-only model, on page and terminal, in both languages; nothing of it without one.
import { assert } from "chai";
import { describe, it } from "mocha";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import { summarise } from "../../report/text.ts";
import { sampleReport, sampleTrees } from "../support/sample-report.ts";

const withOwn = (report: JointReport): JointReport => {
  const own = (part: "train" | "test") => ({ ...report.guestOnly[part], auc: part === "test" ? 0.6123 : 0.6234, brier: 0.1717 });
  return { ...report, challenger: { train: own("train"), test: own("test") }, digests: { ...report.digests, challenger: "c".repeat(64) } };
};

describe("the bank's own model in the report", () => {
  for (const plain of [sampleReport(), sampleTrees()]) {
    const report = withOwn(plain);
    it(`stands beside the others for ${plain.model.kind}, on the page and in the terminal`, () => {
      assert.isTrue(jointReportSchema.safeParse(report).success);
      const page = renderReport(report);
      for (const text of ["0.6123", "0.6234", "0.1717", "Challenger", "本行模型"]) assert.include(page, text);
      for (const [lang, word] of [["en", "challenger"], ["zh", "本行模型"]] as const) {
        const text = summarise(report, { lang, colour: false });
        assert.include(text, word);
        assert.match(text, /AUC .*0\.6123\n/);
        const widths = text.split("\n").filter((line) => /(AUC|KS|Gini) {2}/.test(line)).map((line) => line.length);
        assert.isAbove(Math.min(...widths), 50);
      }
    });
    it(`leaves no column behind without one for ${plain.model.kind}`, () => {
      for (const text of [renderReport(plain), summarise(plain, { lang: "en", colour: false }), summarise(plain, { lang: "zh", colour: false })]) {
        assert.notMatch(text, /[Cc]hallenger|本行模型/);
      }
    });
  }
  it("was measured on the rows of the joint model, or the report is refused", () => {
    const report = withOwn(sampleReport());
    const own = report.challenger as NonNullable<JointReport["challenger"]>;
    assert.isFalse(jointReportSchema.safeParse({ ...report, challenger: { ...own, test: { ...own.test, rows: own.test.rows + 1 } } }).success);
    assert.isFalse(jointReportSchema.safeParse({ ...report, challenger: { train: own.test, test: own.train } }).success);
    assert.isFalse(jointReportSchema.safeParse({ ...report, challenger: { test: own.test } }).success);
  });
});
