// The closed list of purposes, and that a job gets no item that its purpose does not need.
import { assert } from "chai";
import { describe, it } from "mocha";
import { findClause } from "../../catalogue/clauses.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { allows } from "../../catalogue/modes.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { isNecessary, necessaryItems, purposeTable, requireNecessary } from "../../catalogue/purposes.ts";
import { findItem } from "../../catalogue/search.ts";
import { purposes as planPurposes } from "../../federation/plan-schema.ts";
import { plain, refused } from "./support.ts";

const ids = (purpose: string): string[] => necessaryItems(purpose).map((i) => i.id);

describe("the purposes", () => {
  it("have every purpose that a job plan can name", () => {
    assert.deepEqual([...planPurposes], [...financingPurposes]);
    assert.deepEqual(Object.keys(purposeTable), [...financingPurposes]);
  });

  it("name only categories and items that there are", () => {
    const categories = officialCatalogue.categories.map((c) => c.id);
    for (const rule of Object.values(purposeTable)) {
      assert.includeMembers(categories, [...rule.categories]);
      const items = [...("items" in rule ? rule.items : []), ...("without" in rule ? rule.without : [])];
      for (const id of items) assert.isDefined(officialCatalogue.find(id), id);
    }
  });

  it("leave no item of the catalogue without a purpose", () => {
    const needed = new Set(financingPurposes.flatMap(ids));
    assert.sameMembers([...needed], officialCatalogue.items.map((i) => i.id as string));
  });

  it("ask for marital status and the owner's property only where a person answers for the debt", () => {
    for (const id of ["marriage.legal-representative", "real-estate.owner-property", "real-estate.owner-mortgages"]) {
      assert.deepEqual(financingPurposes.filter((p) => isNecessary(p, findItem(id))), ["loan-approval", "guarantee-review"], id);
    }
  });

  it("need nothing of a person's restricted items to build models", () => {
    for (const purpose of ["model-development", "credit-evaluation"]) {
      for (const item of necessaryItems(purpose).filter((i) => i.fields.length === 0)) assert.notEqual(item.grade, "restricted", item.id);
    }
  });

  it("screen customers by what is public alone: no company has authorised anything yet", () => {
    const screening = necessaryItems("customer-screening");
    assert.isAbove(screening.length, 10);
    for (const item of screening) {
      const part = item.fields.filter((f) => f.ways.some((w) => !w.authorisation) && f.grade === "public").map((f) => f.id);
      assert.deepInclude(allows(item, "scoring", part.length > 0 ? { fields: part } : {}), { allowed: true, authorisation: false }, item.id);
    }
    assert.notInclude(ids("customer-screening"), "tax.payment");
    assert.notInclude(ids("customer-screening"), "tax.credit-grade", "only a part of it is public");
  });

  it("see after a loan what changes, not what the company once invented", () => {
    assert.includeMembers(ids("post-loan-monitoring"), ["tax.payment", "utilities.water", "judicial.judgments", "registry.changes"]);
    assert.notInclude(ids("post-loan-monitoring"), "ip.patents");
    assert.notInclude(ids("post-loan-monitoring"), "research.activities");
  });
});

describe("a job", () => {
  it("gets the items that its purpose needs, named by id or as in the lists", () => {
    const asked = ["tax.payment", "P21/纳税信息/纳税信息", "housing-fund.deposits"];
    assert.deepEqual(plain(requireNecessary("loan-approval", asked)), ["tax.payment", "housing-fund.deposits"]);
    assert.deepEqual([...requireNecessary("loan-approval", [])], []);
  });

  it("is refused when it asks for more, with the item and the clause", () => {
    const asked = ["tax.payment", "marriage.legal-representative", "real-estate.owner-property"];
    const facts = refused("CATALOGUE_UNNECESSARY", () => requireNecessary("model-development", asked));
    assert.deepEqual(facts, { item: "marriage.legal-representative", refused: 2, clause: "P22-4-minimum" });
    assert.match(findClause(String(facts["clause"]))?.text ?? "", /“最小、必要”原则/);
  });

  it("is refused for any purpose but financing", () => {
    for (const purpose of ["marketing", "debt-collection", "", "toString", "__proto__", "Loan-Approval"]) {
      const facts = refused("CATALOGUE_PURPOSE", () => requireNecessary(purpose, ["tax.payment"]));
      assert.match(findClause(String(facts["clause"]))?.text ?? "", /融资支持以外的活动/);
      refused("CATALOGUE_PURPOSE", () => necessaryItems(purpose));
    }
  });

  it("is refused for an item that nobody lists", () => {
    refused("CATALOGUE_UNKNOWN_ITEM", () => requireNecessary("loan-approval", ["tax.secrets"]));
  });
});
