// Browsing and searching the catalogue, in both languages.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { catalogueAt, officialCatalogue } from "../../catalogue/load.ts";
import { findItem, listItems, searchItems, type ItemFilter } from "../../catalogue/search.ts";
import { refused } from "./support.ts";

const ids = (filter: ItemFilter): string[] => listItems(filter).map((i) => i.id);
const found = (query: string, filter?: ItemFilter): string[] => searchItems(query, filter).map((h) => h.item.id);

describe("browsing", () => {
  it("without a filter gives every item, in the order of the lists", () => {
    assert.lengthOf(ids({}), 70);
    assert.equal(ids({})[0], "registry.basic");
    assert.equal(ids({}).at(-1), "marriage.legal-representative");
  });

  it("by category finds what either list has in it", () => {
    assert.deepEqual(ids({ category: "tax" }),
      ["tax.credit-grade", "tax.abnormal-taxpayer", "tax.arrears", "tax.payment", "tax.deferrals", "tax.arrears-history", "tax.financial-filings"]);
    assert.include(ids({ category: "registry" }), "registry.shareholders");
    assert.include(ids({ category: "shareholders" }), "registry.shareholders");
    assert.isEmpty(ids({ category: "nothing" }));
  });

  it("by department, mode, level, grade and version", () => {
    assert.deepEqual(ids({ department: "taxation" }), ["tax.credit-grade", "tax.abnormal-taxpayer", "tax.arrears", "tax.payment"]);
    assert.deepEqual(ids({ department: "supreme-court", mode: "physical-collection" }), ["judicial.dishonest-debtors"]);
    assert.lengthOf(ids({ mode: "data-verification" }), 12);
    assert.deepEqual(ids({ mode: "data-verification", level: "national" }), ["social-insurance.payment"]);
    assert.includeMembers(ids({ grade: "restricted" }), ["marriage.legal-representative", "real-estate.owner-property"]);
    assert.lengthOf(ids({ version: "2024-15" }), 37);
    assert.lengthOf(ids({ version: "2024-15", change: "added" }), 32);
  });

  it("by highest grade, need of authorisation, personal information and use", () => {
    for (const item of listItems({ upTo: "internal" })) assert.oneOf(item.grade, ["public", "internal"]);
    assert.notInclude(ids({ authorisation: false }), "administrative.licences");
    assert.include(ids({ authorisation: true }), "administrative.licences");
    assert.lengthOf([...ids({ authorisation: true }), ...ids({ authorisation: false })], 70);
    assert.notInclude(ids({ personal: false }), "registry.basic");
    assert.notInclude(ids({ use: "joint-modelling" }), "social-insurance.payment");
    assert.lengthOf(ids({ use: "verification" }), 70);
  });

  it("gives only items for which each condition alone holds", () => {
    const conditions: readonly ItemFilter[] = [
      { category: "utilities" }, { mode: "interface-call" }, { level: "local" }, { authorisation: true }, { personal: false }, { change: "changed" },
      { use: "scoring" }, { grade: "sensitive" }, { version: "2021-52" },
    ];
    fc.assert(fc.property(fc.subarray([...conditions]), (some) => {
      const all = some.reduce((joined, condition) => ({ ...joined, ...condition }), {} as ItemFilter);
      const each = some.map((condition) => new Set(ids(condition)));
      assert.deepEqual(ids(all), ids({}).filter((id) => each.every((set) => set.has(id))));
    }), { numRuns: 60 });
  });
});

describe("finding an item by name", () => {
  it("takes an id, and the name that a list gives it, in any width", () => {
    assert.equal(findItem("tax.payment").id, "tax.payment");
    assert.equal(findItem("P21/纳税信息/纳税信息").id, "tax.payment");
    assert.equal(findItem("P24/公共资源交易信息").id, "public-resources.transactions");
    assert.equal(findItem("P21/司法信息/法院判决信息").id, "judicial.judgments");
    assert.equal(findItem("P21/司法信息/法院判决信息(已在互联网上公开的裁判文书)").id, "judicial.judgments");
    assert.equal(findItem("Ｐ24/股东及出资信息").id, findItem("P21/市场主体登记信息/股东及出资信息").id);
  });

  it("leads back to every item from each of its listings that has a name", () => {
    for (const item of officialCatalogue.items) {
      for (const listing of item.listings.filter((l) => l.named)) {
        const category = officialCatalogue.categories.find((c) => c.id === listing.category)?.listings.find((l) => l.version === listing.version);
        assert.equal(findItem(`${listing.document}/${category?.zh ?? ""}/${listing.zh}`).id, item.id);
      }
    }
  });

  it("refuses what is not there, what stands for two rows, and tricks with names", () => {
    assert.deepEqual(refused("CATALOGUE_UNKNOWN_ITEM", () => findItem("P21/市场主体登记信息")), { found: 2 });
    for (const name of ["", "/", "tax", "tax.Payment", "P24/纳税信息/纳税信息", "P21/纳税信息", "__proto__", "constructor", "tax.payment ", "P21//"]) {
      assert.deepEqual(refused("CATALOGUE_UNKNOWN_ITEM", () => findItem(name)), { found: 0 }, name);
    }
    refused("CATALOGUE_UNKNOWN_ITEM", () => findItem("marriage.legal-representative", catalogueAt("2021-52")));
  });
});

describe("searching", () => {
  it("puts the item of that name first, in both languages", () => {
    assert.equal(found("欠税信息")[0], "tax.arrears");
    assert.equal(found("Patents")[0], "ip.patents");
    assert.equal(found("patents")[0], "ip.patents");
    assert.equal(found("婚姻")[0], "marriage.legal-representative");
    assert.equal(found("tax.payment")[0], "tax.payment");
  });

  it("finds fields, and says which", () => {
    const [hit] = searchItems("罚款金额");
    assert.equal(hit?.item.id, "administrative.penalties");
    assert.deepEqual(hit?.fields, ["fine"]);
    assert.deepEqual(found("voltage"), ["utilities.electricity"]);
  });

  it("wants every word, and takes full width for half width", () => {
    assert.deepEqual(found("海关 信用等级")[0], "customs.credit-grade");
    assert.isEmpty(found("海关 婚姻"));
    assert.deepEqual(found("ＴＡＸ　arrears"), found("tax arrears"));
    assert.isEmpty(found("blockchain"));
    assert.isEmpty(found("   "));
  });

  it("finds a Chinese word that nobody wrote as such by its pairs of characters", () => {
    assert.sameMembers(found("水电费").slice(0, 3), ["utilities.electricity", "utilities.water", "utilities.gas"]);
    assert.isBelow(searchItems("水电费")[0]?.score ?? 9, searchItems("电费")[0]?.score ?? 0);
  });

  it("keeps to the filter, and ranks by score, ties in the order of the lists", () => {
    assert.deepEqual(found("信息", { category: "marriage" }), ["marriage.legal-representative"]);
    const hits = searchItems("信息");
    const order = new Map(officialCatalogue.items.map((item, i) => [item.id, i]));
    for (const [i, hit] of hits.slice(1).entries()) {
      const before = hits[i];
      assert(before !== undefined);
      assert(before.score > hit.score || (before.score === hit.score && (order.get(before.item.id) ?? 0) < (order.get(hit.item.id) ?? 0)));
    }
  });

  it("answers any text without failing, however long", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (query) => {
      for (const hit of searchItems(query)) assert.isAbove(hit.score, 0);
    }), { numRuns: 60 });
    assert.isArray(searchItems("税 ".repeat(10_000)));
  });
});
