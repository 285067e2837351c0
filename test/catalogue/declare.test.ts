// What an enclave declares of its tables, and that nothing undeclared or against its mode is computed with.
import { assert } from "chai";
import { describe, it } from "mocha";
import { checkColumns, checkDeclaration, checkIndicators, declaredItems, parseDeclaration, type DeclaredTables } from "../../catalogue/declare.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { findItem } from "../../catalogue/search.ts";
import { plain, refused } from "./support.ts";

const tables = {
  filings: ["uscc", "period", "vat_paid", "revenue"],
  pensions: ["uscc", "month", "band"],
};
type Tables = Readonly<Record<string, readonly string[]>>;

const filings = { subject: "uscc", items: ["tax.payment"], columns: { vat_paid: ["tax.payment#vat_paid_12m"], revenue: ["tax.financial-filings"] } };
const pensions = {
  subject: "uscc",
  columns: { month: ["social-insurance.pension-payment"], band: ["social-insurance.payment#insured_band_12m"] },
};

function declared(parts: object = {}, data: Tables = tables): DeclaredTables {
  return checkDeclaration(parseDeclaration({ version: 1, catalogue: "2024-15", tables: { filings, pensions }, ...parts }), data);
}

const use = (items: readonly string[], ...reads: readonly { table: string; column?: string }[]): { items: readonly string[]; reads: typeof reads } =>
  ({ items, reads });
const revenue = { table: "filings", column: "revenue" };
const check = (indicator: ReturnType<typeof use>, how: "joint-modelling" | "scoring" | "verification" = "joint-modelling", of = declared()) =>
  checkIndicators(of, [indicator], how, officialCatalogue)[0];

describe("a declaration", () => {
  it("gives each column its items and grade, the table's where it has none of its own, the subject none", () => {
    const columns = declared().get("filings")?.columns;
    const said = [...(columns ?? [])].map(([name, c]) => [name, c.uses.map((u) => [u.item.id as string, u.field]), c.grade]);
    assert.deepEqual(said, [
      ["uscc", [], "public"],
      ["period", [["tax.payment", undefined]], "sensitive"],
      ["vat_paid", [["tax.payment", "vat_paid_12m"]], "sensitive"],
      ["revenue", [["tax.financial-filings", undefined]], "sensitive"],
    ]);
    assert.deepEqual(plain(declaredItems(declared(), officialCatalogue)),
      ["tax.payment", "social-insurance.payment", "tax.financial-filings", "social-insurance.pension-payment"]);
  });

  it("may say of the column that names the company which item it is from, too", () => {
    const named = { ...filings, columns: { ...filings.columns, uscc: ["tax.payment#uscc"] } };
    const column = declared({ tables: { filings: named, pensions } }).get("filings")?.columns.get("uscc");
    assert.deepInclude(column, { isSubject: true, grade: "public" });
    assert.lengthOf(column?.uses ?? [], 1);
  });

  it("lets the provider raise a grade, never lower it", () => {
    const grade = (wanted: string): string | undefined => declared({
      tables: { filings, pensions: { ...pensions, columns: { ...pensions.columns, month: { items: ["registry.basic"], grade: wanted } } } },
    }).get("pensions")?.columns.get("month")?.grade;
    assert.equal(grade("restricted"), "restricted");
    assert.equal(grade("public"), "public");
    const lowered = { ...pensions, columns: { ...pensions.columns, month: { items: ["tax.payment"], grade: "public" } } };
    assert.equal(declared({ tables: { filings, pensions: lowered } }).get("pensions")?.columns.get("month")?.grade, "sensitive");
  });

  it("is refused when a column, or a whole table, has no item", () => {
    const { band: _, ...columns } = pensions.columns;
    assert.deepEqual(refused("CATALOGUE_COLUMN_UNDECLARED", () => declared({ tables: { filings, pensions: { ...pensions, columns } } })),
      { table: 2, column: 3 });
    assert.deepEqual(refused("CATALOGUE_COLUMN_UNDECLARED", () => declared({ tables: { filings } })), { table: 2, columns: 3 });
  });

  it("is refused when it names an item or field that is not in its version of the catalogue", () => {
    const withItem = (text: string): (() => unknown) => () =>
      declared({ tables: { filings, pensions: { ...pensions, items: [text], columns: {} } } });
    assert.deepEqual(refused("CATALOGUE_UNKNOWN_ITEM", withItem("tax.secrets")), { table: 2, column: 2, found: 0 });
    assert.deepEqual(refused("CATALOGUE_UNKNOWN_ITEM", withItem("P21/市场主体登记信息")), { table: 2, column: 2, found: 2 });
    assert.deepEqual(refused("CATALOGUE_UNKNOWN_FIELD", withItem("tax.payment#fine")), { table: 2, column: 2, item: "tax.payment" });
    refused("CATALOGUE_UNKNOWN_FIELD", withItem("tax.payment#"));
    refused("CATALOGUE_UNKNOWN_ITEM", () => declared({ catalogue: "2021-52" }));
    refused("CATALOGUE_VERSION", () => declared({ catalogue: "2023-1" }));
  });

  it("is refused when it names a table or column that is not there", () => {
    assert.deepEqual(refused("CATALOGUE_COLUMN_MISSING", () => declared({}, { filings: tables.filings })), { declaredTable: 2 });
    assert.deepEqual(refused("CATALOGUE_COLUMN_MISSING", () => declared({}, { ...tables, filings: ["uscc", "period"] })), { table: 1, columns: 2 });
    refused("CATALOGUE_COLUMN_MISSING", () => declared({}, { ...tables, pensions: ["code", "month", "band"] }));
  });

  it("is refused when names differ in case alone, which the data engine takes for one", () => {
    refused("CATALOGUE_DECLARATION", () => declared({}, { ...tables, Filings: ["uscc"] }));
    refused("CATALOGUE_DECLARATION", () => declared({}, { ...tables, filings: [...tables.filings, "VAT_PAID"] }));
    const shouted = declared({}, { FILINGS: ["USCC", "Period", "VAT_paid", "revenue"], pensions: tables.pensions });
    assert.isDefined(shouted.get("filings")?.columns.get("vat_paid"));
  });

  it("is refused when it breaks its schema, with the number of problems", () => {
    for (const value of [null, {}, { version: 2, catalogue: "2024-15", tables: {} }, { version: 1, catalogue: "2024-15", tables: { t: {} } },
      { version: 1, catalogue: "2024-15", tables: { t: { subject: "a", items: [] } } },
      { version: 1, catalogue: "2024-15", tables: { t: { subject: "a", columns: { b: { items: ["tax.payment"], grade: "low" } } } } },
      { version: 1, catalogue: "2024-15", tables: {}, note: "" }]) {
      assert.isAtLeast(refused("CATALOGUE_DECLARATION", () => parseDeclaration(value))["problems"] as number, 1);
    }
  });
});

describe("an indicator", () => {
  it("that keeps to its item passes, and says its items, grade and need of authorisation", () => {
    assert.deepEqual(check(use(["tax.financial-filings"], { table: "filings", column: "uscc" }, revenue)),
      { items: [findItem("tax.financial-filings").id], grade: "sensitive", authorisation: false });
    assert.equal(check(use(["tax.financial-filings"], revenue), "scoring")?.authorisation, true);
    assert.deepEqual(plain(check(use(["P24/纳税信息/财务申报信息"], { table: "FILINGS", column: "Revenue" }))?.items), ["tax.financial-filings"]);
  });

  it("is refused when the item's mode forbids the use, with the clause", () => {
    const band = use(["social-insurance.payment"], { table: "pensions", column: "band" });
    for (const how of ["joint-modelling", "scoring"] as const) {
      assert.deepEqual(refused("CATALOGUE_MODE", () => check(band, how)),
        { indicator: 1, item: "social-insurance.payment", clause: "P21-note-2-verification" });
    }
    assert.equal(check(band, "verification")?.authorisation, true);
  });

  it("is refused when it reads what it does not name, or names what it does not read", () => {
    const twoColumns = use(["tax.financial-filings"], revenue, { table: "filings", column: "vat_paid" });
    assert.deepEqual(refused("CATALOGUE_INDICATOR_SOURCE", () => check(twoColumns)), { indicator: 1, table: 1, column: 3 });
    assert.deepEqual(refused("CATALOGUE_INDICATOR_SOURCE", () => check(use(["registry.basic"], revenue))), { indicator: 1, item: "registry.basic" });
    refused("CATALOGUE_INDICATOR_SOURCE", () => check(use([], revenue)));
    refused("CATALOGUE_INDICATOR_SOURCE", () => check(use(["tax.payment"])));
    refused("CATALOGUE_INDICATOR_SOURCE", () => check(use(["tax.payment"], { table: "filings", column: "uscc" })));
  });

  it("cannot call a column for verification by the name of another item", () => {
    refused("CATALOGUE_INDICATOR_SOURCE",
      () => check(use(["social-insurance.pension-payment"], { table: "pensions", column: "month" }, { table: "pensions", column: "band" })));
  });

  it("of a whole table passes only if every column of it allows the use", () => {
    assert.deepEqual(plain(check(use(["tax.payment"], { table: "filings" }))?.items), ["tax.payment"]);
    assert.deepEqual(refused("CATALOGUE_MODE", () => check(use(["social-insurance.pension-payment"], { table: "pensions" }))),
      { indicator: 1, table: 2, column: 3, item: "social-insurance.payment", clause: "P21-note-2-verification" });
  });

  it("may use a column of two items as the better one allows, if it names that one", () => {
    const both = { ...pensions, columns: { ...pensions.columns, month: ["social-insurance.payment", "social-insurance.pension-payment"] } };
    const of = declared({ tables: { filings, pensions: both } });
    const month = { table: "pensions", column: "month" };
    assert.deepEqual(plain(check(use(["social-insurance.pension-payment"], month), "joint-modelling", of)?.items),
      ["social-insurance.pension-payment"]);
    refused("CATALOGUE_MODE", () => check(use(["social-insurance.payment"], month), "joint-modelling", of));
  });

  it("is refused for a column that the provider itself holds for restricted", () => {
    const raised = { ...filings, columns: { ...filings.columns, revenue: { items: ["tax.financial-filings"], grade: "restricted" } } };
    const of = declared({ tables: { filings: raised, pensions } });
    assert.deepEqual(refused("CATALOGUE_MODE", () => check(use(["tax.financial-filings"], revenue), "joint-modelling", of)),
      { indicator: 1, table: 1, column: 4, item: "tax.financial-filings", clause: "P21-9-release" });
  });

  it("is refused for a table or column that is not declared, and counted from 1", () => {
    const good = use(["tax.financial-filings"], revenue);
    const bad = use(["tax.payment"], { table: "filings", column: "ghost" });
    assert.deepEqual(refused("CATALOGUE_COLUMN_MISSING", () => checkIndicators(declared(), [good, bad], "scoring", officialCatalogue)),
      { indicator: 2, table: 1 });
    refused("CATALOGUE_COLUMN_MISSING", () => check(use(["tax.payment"], { table: "sqlite_master" })));
    refused("CATALOGUE_UNKNOWN_ITEM", () => check(use(["tax.secrets"], revenue)));
  });
});

describe("columns that are features as they are", () => {
  it("are each held to their item; the subject is passed over", () => {
    const of = declared({ tables: { filings } }, { filings: tables.filings });
    assert.lengthOf(checkColumns(of, "joint-modelling"), 3);
    assert.isTrue(checkColumns(of, "scoring").every((c) => c.authorisation));
    assert.deepEqual(refused("CATALOGUE_MODE", () => checkColumns(declared(), "joint-modelling")),
      { table: 2, column: 3, item: "social-insurance.payment", clause: "P21-note-2-verification" });
    refused("CATALOGUE_MODE", () => checkColumns(of, "store-at-platform"));
  });
});
