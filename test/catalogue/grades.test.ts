// How a field gets its grade, and what each grade lets into logs, figures and exports.
import { assert } from "chai";
import { describe, it } from "mocha";
import { findClause } from "../../catalogue/clauses.ts";
import { gradeOf, gradeTable, highestGrade, isOpen, listGrades, logFacts, requireCount, requireExport } from "../../catalogue/grades.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { allows } from "../../catalogue/modes.ts";
import { grades, type Grade } from "../../catalogue/schema.ts";
import { findItem } from "../../catalogue/search.ts";
import { floors } from "../../federation/guards.ts";
import { asked, localStore, open, refused } from "./support.ts";

function gradeIn(item: string, field?: string): Grade | undefined {
  return field === undefined ? findItem(item).grade : findItem(item).fields.find((f) => f.id === field)?.grade;
}

describe("the grade of a field", () => {
  it("follows five rules, the first that fits", () => {
    const plain = { id: "x", personal: "none" } as const;
    assert.equal(gradeOf({ ...plain, personal: "sensitive", identity: true }, [open]), "restricted");
    assert.equal(gradeOf({ ...plain, identity: true }, [asked]), "public");
    assert.equal(gradeOf(plain, [asked]), "sensitive");
    assert.equal(gradeOf(plain, [{ ...open, authorisedFields: ["x"] }]), "sensitive");
    assert.equal(gradeOf({ ...plain, id: "y" }, [{ ...open, authorisedFields: ["x"] }]), "public");
    assert.equal(gradeOf(plain, [open, asked]), "sensitive", "the higher one prevails");
    assert.equal(gradeOf(plain, [localStore]), "internal");
    assert.equal(gradeOf({ ...plain, personal: "personal" }, [open]), "public");
  });

  it("takes no part of an item for the whole", () => {
    const part = { id: "p", zh: "部分", en: "Part" };
    assert.equal(gradeOf({ id: "x", personal: "none" }, [asked, { ...open, part }]), "sensitive");
    assert.equal(gradeOf({ id: "x", personal: "none" }, [localStore, { ...open, part }]), "internal");
    assert.isFalse(isOpen({ ...open, part }));
  });

  it("in the official lists is what one expects of well-known fields", () => {
    assert.equal(gradeIn("registry.basic", "registration_status"), "public");
    assert.equal(gradeIn("tax.payment", "vat_paid_12m"), "sensitive");
    assert.equal(gradeIn("tax.payment", "uscc"), "public");
    assert.equal(gradeIn("utilities.electricity", "arrears"), "internal");
    assert.equal(gradeIn("utilities.electricity", "voltage"), "sensitive");
    assert.equal(gradeIn("administrative.licences", "legal_representative_certificate"), "restricted");
    assert.equal(gradeIn("administrative.licences", "legal_representative_certificate_type"), "sensitive");
    assert.equal(gradeIn("marriage.legal-representative", "marital_status"), "restricted");
    assert.equal(gradeIn("real-estate.farmer-housing"), "restricted");
    assert.equal(gradeIn("tax.financial-filings"), "sensitive");
  });

  it("is public only where a report may show it without asking", () => {
    for (const item of officialCatalogue.items) {
      for (const field of item.fields.filter((f) => f.grade === "public" && f.identity !== true)) {
        assert.deepInclude(allows(item, "report", { fields: [field.id] }), { allowed: true, authorisation: false }, `${item.id} ${field.id}`);
      }
      for (const field of item.fields.filter((f) => f.grade !== "public")) {
        assert.isFalse(allows(item, "report", { fields: [field.id] }).allowed, `${item.id} ${field.id}`);
      }
    }
  });

  it("of several is the highest", () => {
    assert.equal(highestGrade([]), "public");
    assert.equal(highestGrade(["internal", "restricted", "public"]), "restricted");
  });
});

describe("what a grade lets out", () => {
  it("is less with each step up", () => {
    const rank = { open: 0, authorised: 1, never: 2 };
    const rules = listGrades();
    assert.deepEqual(rules.map((r) => r.grade), [...grades]);
    assert.deepEqual(rules.map((r) => r.level as number), [1, 2, 3, 4]);
    for (const [i, rule] of rules.slice(1).entries()) {
      const below = rules[i];
      assert(below !== undefined);
      assert.isAtLeast(rule.minCompanies ?? Number.POSITIVE_INFINITY, below.minCompanies ?? Number.POSITIVE_INFINITY);
      assert.isAtLeast(rank[rule.export], rank[below.export]);
    }
    for (const rule of rules) assert.deepEqual(findClause(rule.clause.id), rule.clause);
  });

  it("in figures keeps to the floor of the joint computations", () => {
    assert.equal(gradeTable.sensitive.minCompanies, floors.minRowsPerStatistic);
  });

  it("in figures refuses too few companies, and says the minimum but not how many there were", () => {
    requireCount("public", 1);
    requireCount("internal", 10);
    requireCount("sensitive", 20);
    assert.deepEqual(refused("CATALOGUE_COUNT", () => requireCount("sensitive", 19)), { minimum: 20, clause: "P21-9-release" });
    assert.deepEqual(refused("CATALOGUE_COUNT", () => requireCount("internal", 9)), { minimum: 10, clause: "P24-11-release" });
    refused("CATALOGUE_COUNT", () => requireCount("restricted", 1_000_000));
    for (const odd of [0, -1, Number.NaN]) refused("CATALOGUE_COUNT", () => requireCount("public", odd));
  });

  it("in exports asks for authorisation, and of the highest grade lets nothing out", () => {
    requireExport("public", { authorised: false });
    requireExport("sensitive", { authorised: true });
    assert.deepEqual(refused("CATALOGUE_AUTHORISATION", () => requireExport("sensitive", { authorised: false })),
      { level: 3, clause: "P21-9-release" });
    refused("CATALOGUE_AUTHORISATION", () => requireExport("internal", { authorised: false }));
    refused("CATALOGUE_EXPORT", () => requireExport("restricted", { authorised: true }));
  });

  it("in logs is a public name, and of the highest grade only the item's", () => {
    const item = findItem("marriage.legal-representative");
    const field = item.fields.find((f) => f.id === "marital_status");
    assert(field !== undefined);
    assert.deepEqual(logFacts(item.id, field), { item: "marriage.legal-representative" });
    assert.deepEqual(logFacts(item.id), { item: "marriage.legal-representative" });
    assert.deepEqual(logFacts(findItem("tax.payment").id, { id: "vat_paid_12m", grade: "sensitive" }), 
      { item: "tax.payment", field: "vat_paid_12m" });
  });
});
