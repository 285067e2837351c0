// The report of the boosted kinds of model: what their schema holds together, and what page and terminal say of them.
import { assert } from "chai";
import { describe, it } from "mocha";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import { summarise } from "../../report/text.ts";
import { sampleCells, sampleReport, sampleTrees } from "../support/sample-report.ts";

const accepts = (report: object): boolean => jointReportSchema.safeParse(report).success;

describe("the report of a boosted model", () => {
  const trees = sampleTrees();
  const cells = sampleCells();

  it("passes the schema without the parts of a scorecard, and a scorecard does not", () => {
    assert(accepts(trees) && accepts(cells));
    const { contribution: _, ...card } = sampleReport();
    assert.isFalse(accepts(card));
    assert.isFalse(accepts({ ...sampleReport(), features: [] }));
    assert.isFalse(accepts({ ...trees, contribution: sampleReport().contribution, refinement: sampleReport().refinement, features: sampleReport().features }));
  });

  it("names no party that is not in the job", () => {
    const stranger = { party: "stranger", bitsPerRow: 1, cuts: 1, queries: 1 };
    assert.isFalse(accepts({ ...trees, model: { ...trees.model, disclosed: [stranger] } }));
    assert.isFalse(accepts({ ...trees, model: { ...trees.model, disclosed: [{ ...stranger, party: "bank" }] } }), "the guest discloses nothing to itself");
    assert.isFalse(accepts({ ...cells, model: { ...cells.model, columns: [{ party: "stranger", columns: 1 }] } }));
  });

  it("shows on the page what the bitmaps disclosed, and nothing of a scorecard", () => {
    const page = renderReport(trees);
    for (const d of trees.model.disclosed) {
      assert.include(page, `<b>${d.bitsPerRow.toFixed(1)}</b>`);
      assert.include(page, d.party);
    }
    assert.include(page, 'id="model"');
    assert.notInclude(page, 'id="scorecard"');
    assert.notInclude(page, 'href="#features"');
    assert.notInclude(page, "experiments only");
    assert.include(renderReport({ ...trees, model: { ...trees.model, floorsLifted: true } }), "experiments only");
  });

  it("says on the page whether the providers' total was kept", () => {
    assert.include(renderReport(cells), "0.8231");
    const dropped: JointReport = { ...cells, model: { ...cells.model, total: { ...cells.model.total, kept: false } } };
    assert.include(renderReport(dropped), "not significant: dropped");
    assert.notInclude(renderReport(cells), "not significant: dropped");
  });

  it("says in the terminal how many bits of every company were told, in both languages", () => {
    for (const lang of ["en", "zh"] as const) {
      const text = summarise(trees, { lang, colour: false });
      for (const d of trees.model.disclosed) assert.include(text, d.bitsPerRow.toFixed(1));
      assert.include(summarise(cells, { lang, colour: false }), "0.823");
    }
    assert.include(summarise(sampleTrees(), { lang: "en", colour: false }), "Joint boosted trees");
  });
});
