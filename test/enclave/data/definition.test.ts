import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../../core/errors.ts";
import { defaultMissingTokens, definitionProblems, parseDefinition } from "../../../enclave/data/definition.ts";

const indicator = { name: "i", sql: "SELECT id, x FROM t", unit: "yuan", direction: "none", sourceItem: "P24/x" };
const table = { name: "d", idColumn: "id", idKind: "opaque", features: "f.csv" };
const raw = { name: "d", idColumn: "id", idKind: "uscc", tables: { t: { file: "t.csv" } }, indicators: [indicator] };

describe("dataset definitions", () => {
  it("fill in the missing tokens and read a bare file name", () => {
    const parsed = parseDefinition(table);
    assert.deepEqual(parsed.missingTokens, [...defaultMissingTokens]);
    assert.deepEqual("features" in parsed && parsed.features, { file: "f.csv" });
  });

  it("accept raw tables with indicators", () => {
    const parsed = parseDefinition({ ...raw, population: "t", labelColumn: "y", indicators: [indicator, { ...indicator, name: "j", table: "t", sql: "sum(x)", window: "12m" }] });
    assert.isTrue("tables" in parsed && parsed.indicators.length === 2);
  });

  const wrong: Record<string, unknown> = {
    "nothing": undefined, "a text": "x", "a list": [], "an unknown field": { ...table, sql: 1 }, "an unknown id kind": { ...table, idKind: "ssn" },
    "neither features nor tables": { name: "d", idColumn: "id", idKind: "opaque" }, "features and tables": { ...raw, features: "f.csv" },
    "an unknown column type": { ...table, columns: { x: { type: "text" } } }, "a special value of a raw column": { ...raw, tables: { t: { file: "t.csv", columns: { x: { special: [1] } } } } },
    "no indicators": { ...raw, indicators: [] }, "two indicators of one name": { ...raw, indicators: [indicator, indicator] }, "no tables": { ...raw, tables: {} },
    "an indicator of an undeclared table": { ...raw, indicators: [{ ...indicator, table: "u" }] }, "an undeclared population": { ...raw, population: "u" },
    "a label without population": { ...raw, labelColumn: "y" }, "a table name that is no identifier": { ...raw, tables: { "a.b": { file: "t.csv" } } },
    "tables that differ in case only": { ...raw, tables: { t: { file: "t.csv" }, T: { file: "t.csv" } } }, "a direction that is not listed": { ...raw, indicators: [{ ...indicator, direction: "up" }] },
    "a control character in a token": { ...table, missingTokens: ["\u0000"] }, "an infinite special value": { ...table, columns: { x: { special: [Infinity] } } },
  };
  for (const [what, value] of Object.entries(wrong)) {
    it(`refuse ${what}`, () => {
      assert.throws(() => parseDefinition(value), AppError, "DATA_DEFINITION");
      assert.isNotEmpty(definitionProblems(value));
    });
  }

  it("tell the provider where they break, without the values", () => {
    const problems = definitionProblems({ ...table, columns: { x: { type: "S3CR3T" } } });
    assert.deepEqual(problems, ["columns.x.type: invalid_value"]);
  });
});
