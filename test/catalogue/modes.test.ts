// What may be done with an item by the way in which it is shared, and that every answer cites a clause that fits.
import { assert } from "chai";
import { describe, it } from "mocha";
import { clauseKeys, findClause } from "../../catalogue/clauses.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { allows, modeTable, needingAuthorisation, requireUse, uses, type Use } from "../../catalogue/modes.ts";
import { findItem } from "../../catalogue/search.ts";
import { plain, refused } from "./support.ts";

/** "yes", "authorised" (each company must have agreed) or "no". */
function answer(id: string, use: Use, fields?: readonly string[]): string {
  const verdict = allows(findItem(id), use, fields === undefined ? {} : { fields });
  return verdict.allowed ? (verdict.authorisation ? "authorised" : "yes") : "no";
}

const header: readonly Use[] = ["joint-modelling", "scoring", "verification", "report", "store-at-platform", "statistics"];
// Written down from the texts, not from the table.
const expected: readonly [string, string, readonly string[]][] = [
  ["collected nationally, no authorisation", "judicial.dishonest-debtors", ["yes", "yes", "yes", "yes", "yes", "yes"]],
  ["collected nationally or locally", "environment.credit-rating", ["yes", "yes", "yes", "yes", "yes", "yes"]],
  ["collected locally alone", "social-insurance.medical-arrears", ["yes", "authorised", "authorised", "no", "yes", "yes"]],
  ["by interface, with authorisation", "tax.payment", ["yes", "authorised", "authorised", "no", "no", "yes"]],
  ["by interface, no authorisation", "registry.abnormal-operations", ["yes", "yes", "yes", "yes", "no", "yes"]],
  ["by verification", "real-estate.company-property", ["no", "no", "authorised", "no", "no", "no"]],
  ["by verification (数据校验)", "social-insurance.payment", ["no", "no", "authorised", "no", "no", "no"]],
  ["by verification, of a person", "marriage.legal-representative", ["no", "no", "authorised", "no", "no", "no"]],
  ["by interface for old fields, collected locally for new ones", "utilities.water", ["yes", "authorised", "authorised", "no", "no", "yes"]],
];

describe("what an item may be used for", () => {
  for (const [name, id, answers] of expected) {
    it(`is said by its way of sharing: ${name}`, () => {
      assert.deepEqual(header.map((use) => answer(id, use)), answers);
    });
  }

  it("can differ between fields of one item", () => {
    assert.equal(answer("utilities.electricity", "store-at-platform", ["arrears", "contract_capacity", "uscc"]), "yes");
    assert.equal(answer("utilities.electricity", "store-at-platform", ["arrears", "voltage"]), "no");
  });

  it("never takes certificate numbers into models, scores, reports or figures, and lets them be verified", () => {
    for (const [id, field] of [
      ["judicial.dishonest-debtors", "debtor_code"], ["registry.shareholders", "shareholder_code"],
      ["administrative.licences", "legal_representative_certificate"], ["agriculture.subsidies", "certificate"],
    ] as const) {
      for (const use of ["joint-modelling", "scoring", "report", "statistics"] as const) {
        assert.equal(answer(id, use, [field]), "no", `${id} ${use}`);
        assert.equal(allows(findItem(id), use, { fields: [field] }).clause.id, "P21-9-release");
      }
      assert.notEqual(answer(id, "verification", [field]), "no");
    }
    assert.equal(answer("judicial.dishonest-debtors", "joint-modelling"), "yes", "the item without them");
  });

  it("asks for authorisation of the fields that a row singles out, and of them alone", () => {
    const type = ["legal_representative_certificate_type"];
    assert.equal(answer("administrative.penalties", "report"), "yes");
    assert.equal(answer("administrative.penalties", "report", ["fine"]), "yes");
    assert.equal(answer("administrative.penalties", "report", type), "no");
    assert.equal(answer("administrative.penalties", "verification", type), "authorised");
    assert.equal(answer("administrative.penalties", "verification", ["fine", ...type]), "authorised");
    assert.equal(answer("administrative.penalties", "verification", ["fine"]), "yes");
    assert.equal(answer("administrative.penalties", "store-at-platform", type), "yes");
  });

  it("gives a part of an item what its own way allows, and the rest not", () => {
    const grade = findItem("tax.credit-grade");
    for (const use of ["report", "store-at-platform"] as const) {
      assert.isFalse(allows(grade, use).allowed);
      assert.deepInclude(allows(grade, use, { part: "grade-a-taxpayers" }), { allowed: true, authorisation: false });
      assert.isFalse(allows(grade, use, { part: "grade-b-taxpayers" }).allowed);
    }
    assert.isTrue(allows(grade, "scoring").authorisation);
    assert.isFalse(allows(grade, "scoring", { part: "grade-a-taxpayers" }).authorisation);
  });

  it("is never more than what one of its ways allows, for any item and use", () => {
    for (const item of officialCatalogue.items) {
      for (const use of uses) {
        const verdict = allows(item, use);
        const allowedByTable = item.ways.some((w) => modeTable[w.mode][use].allowed !== "no");
        if (verdict.allowed) assert.isTrue(allowedByTable, `${item.id} ${use}`);
        else assert.isFalse(verdict.authorisation);
        // Raw records of what needs authorisation are never stored or reported without it.
        if (item.ways.every((w) => w.authorisation)) {
          if (use === "store-at-platform" || use === "report") assert.isFalse(verdict.allowed, `${item.id} ${use}`);
          if (use === "scoring" || use === "verification") assert.isTrue(verdict.authorisation || !verdict.allowed, `${item.id} ${use}`);
        }
      }
    }
  });

  it("comes with a clause: a refusal quotes why, a demand for authorisation quotes who demands it", () => {
    for (const item of officialCatalogue.items) {
      for (const use of uses) {
        const { allowed, authorisation, clause } = allows(item, use);
        assert.include(clauseKeys, clause.id as string);
        assert.deepEqual(findClause(clause.id), clause);
        if (authorisation) assert.match(clause.text, /授权/);
        if (!allowed && item.ways.every((w) => w.mode === "data-verification")) assert.match(clause.text, /“数据核验”共享方式/);
        if (!allowed && use === "store-at-platform" && item.ways[0]?.mode === "interface-call") assert.match(clause.text, /“接口调用”共享方式/);
        if (!allowed && use === "report" && item.ways[0]?.mode !== "data-verification") assert.match(clause.text, /依法公开/);
      }
    }
  });

  it("is refused with code, item and clause", () => {
    assert.deepEqual(refused("CATALOGUE_MODE", () => requireUse(findItem("social-insurance.payment"), "joint-modelling")),
      { item: "social-insurance.payment", clause: "P21-note-2-verification" });
    assert.deepEqual(refused("CATALOGUE_MODE", () => requireUse(findItem("tax.payment"), "store-at-platform")),
      { item: "tax.payment", clause: "P21-note-2-interface" });
    refused("CATALOGUE_UNKNOWN_FIELD", () => requireUse(findItem("tax.payment"), "scoring", { fields: ["fine"] }));
  });

  it("tells which items of a model need each company's word before it is scored", () => {
    const items = ["tax.payment", "judicial.bankruptcies", "housing-fund.deposits"].map((id) => findItem(id));
    assert.sameMembers(plain(needingAuthorisation(items, "scoring")), ["tax.payment", "housing-fund.deposits"]);
    assert.lengthOf([...needingAuthorisation(items, "joint-modelling")], 0);
    refused("CATALOGUE_MODE", () => needingAuthorisation([...items, findItem("research.innovation-rating")], "scoring"));
  });
});
