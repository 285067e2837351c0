// The published system as data: complete, unique, bilingual, tied to the sharing catalogue; and broken files are refused.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { officialCatalogue } from "../../catalogue/load.ts";
import { AppError } from "../../core/errors.ts";
import { indicatorSystem, publishedSystem } from "../../indicators/load.ts";
import { areaSchema } from "../../indicators/schema.ts";
import { areaOf, findIndicator, listIndicators, referencesOf, useOf } from "../../indicators/select.ts";
import { systemMarkdown, withTable } from "../../indicators/table.ts";
import { refused } from "../catalogue/support.ts";

const { areas, indicators, tables } = publishedSystem;
const han = /\p{Script=Han}/u;
const read = (area: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "indicators", "areas", `${area}.json`), "utf8")) as Record<string, unknown>;

describe("the published indicator system", () => {
  it("has at least 4 indicators in each of the 12 areas of the plan, and at least 60 in all", () => {
    const wanted = ["tax", "social-insurance", "housing-fund", "utilities", "registry", "judicial", "customs", "environment",
      "intellectual-property", "qualification", "research", "agriculture"];
    for (const id of wanted) assert.isAtLeast(areas.find((a) => a.area === id)?.indicators.length ?? 0, 4, id);
    assert.isAtLeast(indicators.length, 60);
  });

  it("covers every category of the catalogue once", () => {
    assert.sameMembers(areas.flatMap((a) => a.categories), officialCatalogue.categories.map((c) => c.id));
  });

  it("has an indicator from every item of the catalogue, or the reason why not, never both", () => {
    const used = new Set<string>(indicators.flatMap((i) => i.items));
    const without = areas.flatMap((a) => a.without.map((w) => w.item));
    assert.sameMembers([...used, ...without], officialCatalogue.items.map((i) => i.id));
  });

  it("has ids that are unique and begin with their area's prefix, also where upper and lower case count as one", () => {
    assert.strictEqual(new Set(indicators.map((i) => i.id.toLowerCase())).size, indicators.length);
    for (const area of areas) for (const { id } of area.indicators) assert.match(id, new RegExp(`^${area.prefix}_[a-z0-9_]+$`));
    assert.strictEqual(tables.size, areas.flatMap((a) => Object.keys(a.tables)).length);
  });

  it("is named and defined in Chinese and in English, no two alike", () => {
    for (const i of indicators) {
      assert.match(i.zh, han, i.id);
      assert.notMatch(`${i.en}${i.definition.en}${i.unit.en}`, han, i.id);
      assert.match(i.definition.zh, /。$/, i.id);
      assert.match(i.definition.en, /^[A-Z].*[.]$/, i.id);
    }
    for (const name of ["zh", "en"] as const) assert.strictEqual(new Set(indicators.map((i) => i[name])).size, indicators.length, name);
  });

  it("reads columns of the items that it names, and every item that it names", () => {
    for (const indicator of indicators) {
      for (const item of indicator.items) {
        // A count over a register may read nothing but the company of it: its own item is in another column.
        assert.isTrue(referencesOf(indicator).some((r) => r.split("#")[0] === item), `${indicator.id} ${item}`);
      }
    }
  });

  it("reads no name, certificate number, marital status or other personal information", () => {
    const allowedFields = new Set(["agriculture.operators#land_rights"]);
    for (const indicator of indicators) {
      for (const reference of referencesOf(indicator)) {
        const [id = "", field] = reference.split("#");
        const found = officialCatalogue.find(id)?.fields.find((f) => f.id === field);
        if (found !== undefined && !allowedFields.has(reference)) assert.strictEqual(found.personal, "none", `${indicator.id} ${reference}`);
      }
    }
  });

  it("may be used in joint models and scores throughout; scoring needs authorisation just where an item is not open", () => {
    for (const indicator of indicators) {
      assert.deepEqual(useOf(indicator, "joint-modelling"), { allowed: true, authorisation: false }, indicator.id);
      assert.isTrue(useOf(indicator, "scoring").allowed, indicator.id);
    }
    assert.isTrue(useOf(findIndicator("tax_arrears_open"), "scoring").authorisation);
    assert.isFalse(useOf(findIndicator("ip_patents_granted"), "scoring").authorisation);
    assert.isFalse(useOf(findIndicator("tax_arrears_open"), "store-at-platform").allowed);
  });

  it("says nothing of a clock: a window in months is in the formula, and the day comes from outside", () => {
    for (const { id, window, formula } of indicators) {
      const months = /^(\d+)m$/.exec(window)?.[1];
      const ownCount = ["ut_electricity_breaches_24m", "rg_failed_checks_3y"].includes(id);
      if (months !== undefined && !ownCount) assert.match(formula, new RegExp(`INTERVAL ${months} MONTH|year\\(\\{as_of\\}\\) - ${Number(months) / 12}`), id);
      assert.notMatch(formula, /\d{4}-\d{2}-\d{2}|current_|now\(|today/i, id);
    }
  });

  it("is frozen", () => {
    assert.throws(() => { (indicators[0] as { id: string }).id = "x"; }, TypeError);
    assert.throws(() => { (areas as unknown[]).push({}); }, TypeError);
    assert.isTrue(areas.every((a) => Object.isFrozen(a.indicators) && Object.isFrozen(a.tables)));
  });

  it("is in the README as the data say it", () => {
    const file = join(import.meta.dirname, "..", "..", "indicators", "README.md");
    const text = readFileSync(file, "utf8");
    assert.strictEqual(text, withTable(text, systemMarkdown()), "run node scripts/indicators-table.ts");
    for (const { id } of indicators) assert.include(text, `| \`${id}\` |`);
    assert.include(text, `${indicators.length} indicators in ${areas.filter((a) => a.indicators.length > 0).length} areas`);
    assert.throws(() => withTable("no marks", ""), RangeError);
  });
});

describe("selection", () => {
  it("is by area, item, tables and use", () => {
    assert.deepEqual(listIndicators(), indicators);
    assert.deepEqual(listIndicators({ area: "customs" }).map((i) => i.id.slice(0, 3)), Array<string>(8).fill("cu_"));
    assert.deepEqual(listIndicators({ item: "tax.arrears" }).map((i) => i.id), ["tax_arrears_open"]);
    assert.deepEqual(listIndicators({ tables: ["Customs_Grades"] }).map((i) => i.id), ["cu_credit_grade", "cu_grade_months"]);
    assert.isEmpty(listIndicators({ area: "marriage" }));
    assert.isAbove(listIndicators({ use: "report" }).length, 20);
    assert.isTrue(listIndicators({ use: "report" }).every((i) => !useOf(i, "scoring").authorisation));
  });

  it("refuses areas and ids that are not there", () => {
    refused("INDICATOR_AREA", () => listIndicators({ area: "weather" }));
    refused("INDICATOR_UNKNOWN", () => findIndicator("tax_arrears"));
    refused("INDICATOR_UNKNOWN", () => areaOf("toString"));
    assert.strictEqual(areaOf("rd_high_tech").area, "research");
  });
});

describe("a file of the system", () => {
  type Broken = (area: Record<string, unknown>) => void;
  const first = (area: Record<string, unknown>): Record<string, unknown> => (area["indicators"] as Record<string, unknown>[])[0] ?? {};
  const problems = (...values: unknown[]): unknown => refused("INDICATOR_DATA", () => indicatorSystem(values))["problems"];

  it("stands for itself: an area alone is a system", () => {
    assert.lengthOf(indicatorSystem([read("research")]).indicators, 7);
  });

  const broken: Readonly<Record<string, Broken>> = {
    "an id of another area": (a) => { first(a)["id"] = "tax_high_tech"; },
    "an id twice": (a) => { (a["indicators"] as unknown[]).push(first(a)); },
    "no Chinese name": (a) => { first(a)["zh"] = "High-tech"; },
    "no English definition": (a) => { first(a)["definition"] = { zh: "是否高新技术企业。" }; },
    "an unknown direction": (a) => { first(a)["direction"] = "up"; },
    "an unknown frequency": (a) => { first(a)["frequency"] = "hourly"; },
    "a window in words": (a) => { first(a)["window"] = "a year"; },
    "no item": (a) => { first(a)["items"] = []; },
    "an item that the catalogue does not have": (a) => { first(a)["items"] = ["research.secrets"]; },
    "a table that it does not have": (a) => { first(a)["reads"] = { research_state: ["uscc"] }; },
    "a column that the table does not have": (a) => { first(a)["reads"] = { research_status: ["uscc", "profit"] }; },
    "an expression over a table that it does not read": (a) => { first(a)["table"] = "research_support"; },
    "another mark in the formula": (a) => { first(a)["formula"] = "SELECT uscc, {today} FROM research_status"; },
    "a field that the item does not have": (a) => {
      (a["tables"] as Record<string, { columns: Record<string, { items: string[] }> }>)["research_status"]!.columns["is_high_tech"]!.items = ["research.activities#profit"];
    },
    "a category that the catalogue does not have": (a) => { a["categories"] = ["weather"]; },
    "a word more": (a) => { first(a)["note"] = "x"; },
  };
  for (const [name, change] of Object.entries(broken)) {
    it(`is refused with ${name}`, () => {
      const area = read("research");
      change(area);
      assert.isAtLeast(problems(area) as number, 1);
    });
  }

  it("is refused beside another with the same area, prefix, table or id", () => {
    assert.isAtLeast(problems(read("research"), read("research")) as number, 4);
    const other = { ...read("customs"), tables: { ...(read("customs")["tables"] as object), research_status: (read("research")["tables"] as Record<string, unknown>)["research_status"] } };
    assert.strictEqual(problems(read("research"), other), 1);
    for (const value of [null, [], "x", {}]) assert.instanceOf(catching(() => indicatorSystem([value])), AppError);
    assert.isTrue(areaSchema.safeParse(read("tax")).success);
  });
});

function catching(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
