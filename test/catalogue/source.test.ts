// The lists and the clauses against the official texts, row by row and field by field, in both directions.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { clause, clauseKeys } from "../../catalogue/clauses.ts";
import { officialLists } from "../../catalogue/load.ts";
import { departmentNames, type CatalogueList } from "../../catalogue/schema.ts";
import { articlesOf, needsOfficialTexts, normalised, rowsOf2021, rowsOf2024, type SourceRow } from "./source-text.ts";

function listOf(version: string): CatalogueList {
  const list = officialLists.find((l) => l.version === version);
  assert(list !== undefined, version);
  return list;
}

/** The data in the form of the text. */
function rowsOf(list: CatalogueList): SourceRow[] {
  return list.categories.flatMap((category) => category.items.map((row) => ({
    number: category.number, category: normalised(category.zh), item: row.named ? normalised(row.zh) : null,
    fields: row.fields.map((f) => normalised(f.zh)), sharing: normalised(row.sharing.zh),
    departments: row.departments === null ? null : normalised(row.departments.zh), due: row.due === null ? null : normalised(row.due.zh),
  })));
}

/** Per category: rows, fields. */
function countsOf(rows: readonly SourceRow[]): Record<string, [number, number]> {
  const counts: Record<string, [number, number]> = {};
  for (const row of rows) {
    const count = (counts[`${row.number} ${row.category}`] ??= [0, 0]);
    count[0] += 1;
    count[1] += row.fields.length;
  }
  return counts;
}

describe("the lists of the catalogue, held against the official texts", () => {
  before(function () {
    needsOfficialTexts(this);
  });

  const lists: readonly [string, () => SourceRow[], number, number, number][] = [
    ["2021-52", rowsOf2021, 14, 38, 298], ["2024-15", rowsOf2024, 17, 37, 105],
  ];
  for (const [version, parse, categories, rows, fields] of lists) {
    it(`${version}: every row and field of the text is in the data, word by word, and nothing else is`, () => {
      assert.deepEqual(rowsOf(listOf(version)), parse().toSorted((a, b) => a.number - b.number));
    });

    it(`${version}: the text has ${categories} categories, ${rows} rows and ${fields} fields, and the data as many in each category`, () => {
      const source = parse();
      assert.equal(new Set(source.map((r) => r.number)).size, categories);
      assert.lengthOf(source, rows);
      assert.lengthOf(source.flatMap((r) => r.fields), fields);
      assert.deepEqual(countsOf(rowsOf(listOf(version))), countsOf(source));
    });
  }

  it("levels, modes and authorisation of each way are those that its words name", () => {
    for (const row of officialLists.flatMap((l) => l.categories.flatMap((c) => c.items))) {
      const text = normalised(row.sharing.zh);
      const { ways } = row.sharing;
      const levels = (["national", "local"] as const).filter((l) => ways.some((w) => w.levels.includes(l)));
      const words = { national: /国家(或地方)?层面/, local: /地方层面/ };
      assert.deepEqual(levels, (["national", "local"] as const).filter((l) => words[l].test(text)), row.id);
      const modes = { "physical-collection": /物理归集/, "interface-call": /接口调用/, "data-verification": /数据核验|数据校验/ };
      for (const [mode, word] of Object.entries(modes)) assert.equal(ways.some((w) => w.mode === mode), word.test(text), `${row.id} ${mode}`);
      assert.equal(ways.some((w) => w.authorisation), /\(经(企业|信息主体)授权\)/.test(text), row.id);
      assert.equal(ways.some((w) => w.authorisedFields !== undefined), text.includes("在对外提供时需经企业授权"), row.id);
      assert.equal(ways.some((w) => w.part !== undefined), text.includes("其中"), row.id);
    }
  });

  it("departments with their roles and due dates say what their words say", () => {
    const roleWords = { responsible: "负责", guides: "指导", leads: "牵头", shares: "分工负责" };
    for (const row of listOf("2021-52").categories.flatMap((c) => c.items)) {
      assert(row.departments !== null && row.due !== null, row.id);
      const named = Object.values(departmentNames).map((d) => d.zh).filter((zh) => row.departments?.zh.includes(zh));
      assert.sameMembers(row.departments.duties.map((d) => departmentNames[d.department].zh), named, row.id);
      for (const { role } of row.departments.duties) {
        // A department that stands alone is responsible without a word for it.
        if (row.departments.duties.length > 1) assert.include(row.departments.zh, roleWords[role], row.id);
        else assert.equal(role, "responsible", row.id);
      }
      const [, year, month] = /^(\d{4})年(?:(\d+)月|底)$/.exec(row.due.zh) ?? [];
      if (year === undefined) assert.deepEqual(row.due, { zh: "已共享", by: null });
      else assert.equal(row.due.by, new Date(Date.UTC(Number(year), Number(month ?? 12), 0)).toISOString().slice(0, 10), row.id);
    }
  });
});

describe("the clauses that the rules cite", () => {
  before(function () {
    needsOfficialTexts(this);
  });

  for (const key of clauseKeys) {
    it(`${key} stands in its document, in the article that it names`, () => {
      const { document, article, text } = clause(key);
      const source = articlesOf(document);
      const at = source.text.indexOf(normalised(text));
      assert.isAtLeast(at, 0, "the wording is in the text");
      assert.equal(source.places.findLast((p) => p.at <= at)?.article, article);
    });
  }
});
