// What a list must be to be taken: the schema refuses what is missing, unknown, twice or of another form.
import { assert } from "chai";
import { describe, it } from "mocha";
import { officialLists, parseList } from "../../catalogue/load.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { asked, field, list, open, refused, row } from "./support.ts";

const rows = officialLists.flatMap((l) => l.categories.flatMap((c) => c.items));
const fields = rows.flatMap((r) => r.fields);
const shared = (...ways: readonly object[]): { sharing: unknown } => ({ sharing: { zh: "共享方式", en: "ways", ways } });

describe("the schema of a list", () => {
  it("takes the small list of these tests", () => {
    assert.lengthOf(parseList(list("2021-1", [row("a.one")])).categories, 1);
  });

  const broken: readonly [string, unknown][] = [
    ["no object", "list"],
    ["no categories", list("2021-1", [], { categories: [] })],
    ["a category without items", list("2021-1", [])],
    ["an unknown key", list("2021-1", [row("a.one")], { note: "x" })],
    ["another form of version", list("21", [row("a.one")], { issued: "2021-01-01" })],
    ["a day that is not", list("2021-1", [row("a.one")], { issued: "2021-02-30" })],
    ["a category with the wrong number", list("2021-1", [], { categories: [{ number: 2, id: "x", zh: "类", en: "X", items: [row("a.one")] }] })],
    ["a category twice", list("2021-1", [], { categories: [1, 2].map((number) => ({ number, id: "x", zh: "类", en: "X", items: [row(`a.n${number}`)] })) })],
    ["an id twice", list("2021-1", [row("a.one"), row("a.one")])],
    ["an id in capitals", list("2021-1", [row("A.one")])],
    ["an id without area", list("2021-1", [row("one")])],
    ["a name without Chinese", list("2021-1", [row("a.one", { zh: "item" })])],
    ["an English name in Chinese", list("2021-1", [row("a.one", { en: "信息" })])],
    ["no way of sharing", list("2021-1", [row("a.one", shared())])],
    ["an unknown mode", list("2021-1", [row("a.one", shared({ ...open, mode: "mail" }))])],
    ["a way for a part alone", list("2021-1", [row("a.one", shared({ ...open, part: { id: "p", zh: "部分", en: "P" } }))])],
    ["authorised fields that are not there", list("2021-1", [row("a.one", shared({ ...open, authorisedFields: ["code"] }))])],
    ["neither fields nor a word on the whole", list("2021-1", [row("a.one", { fields: [] })])],
    ["fields and a word on the whole", list("2021-1", [row("a.one", { whole: { personal: "none", grade: "public" } })])],
    ["a field twice", list("2021-1", [row("a.one", { fields: [field("x"), field("x")] })])],
    ["an unknown grade", list("2021-1", [row("a.one", { fields: [field("x", { grade: "secret" })] })])],
    ["an unknown type", list("2021-1", [row("a.one", { fields: [field("x", { type: "blob" })] })])],
    ["an unknown department", list("2021-1", [row("a.one", { departments: { zh: "某部", duties: [{ department: "x", role: "leads" }] } })])],
  ];
  for (const [name, value] of broken) {
    it(`refuses ${name}, and says how many problems there are`, () => {
      assert.isAtLeast(refused("CATALOGUE_DATA", () => parseList(value))["problems"] as number, 1);
    });
  }

  it("refuses ids that are no public names", () => {
    for (const id of ["", "tax", "tax.", ".tax", "tax.payment#x", "tax payment.a", "税.a", "a.b.c", `a.${"b".repeat(100)}`, "tax.payment\n"]) {
      assert.isFalse(itemIdSchema.safeParse(id).success, id);
    }
  });
});

describe("the data of the official lists", () => {
  it("give every field an English name of its own within its item, and a unit only where numbers are", () => {
    for (const r of rows) assert.equal(new Set(r.fields.map((f) => f.en)).size, r.fields.length, r.id);
    for (const f of fields) if (f.unit !== undefined) assert.oneOf(f.type, ["number", "money"], f.zh);
  });

  it("say the same of a field wherever the same Chinese words name it", () => {
    const seen = new Map<string, string>();
    for (const { zh, type, personal, identity } of fields) {
      const said = JSON.stringify({ type, personal, identity });
      assert.equal(seen.get(zh) ?? said, said, zh);
      seen.set(zh, said);
    }
  });

  it("mark names of persons, certificates and marriages by their words, not row by row", () => {
    const words = new RegExp("姓名|代表人|负责人|股东名称|(出质|质权|抵押权?|著作权)人$|申请（专利权）人|发明（设计）人|权利人名称|受让方|证件类型"
      + "|土地经营权信息");
    for (const { zh, personal, identity } of fields) {
      const isSensitive = /身份证|证件号|证照\/证件号|婚姻|住房财产/.test(zh);
      const isPersonal = words.test(zh);
      const isOfCompany = identity === true || /^(企业名称|统一社会信用代码)$|^分支机构名称/.test(zh);
      const expected = isOfCompany ? "none" : isSensitive ? "sensitive" : isPersonal ? "personal" : "none";
      assert.equal(personal, expected, zh);
    }
  });

  it("type fields by their words: whether, how much, when", () => {
    for (const { zh, type } of fields) {
      if (/^(当前)?是否/.test(zh)) assert.equal(type, "boolean", zh);
      if (/(日期|时间|月份)$/.test(zh) && !zh.includes("及")) assert.equal(type, "date", zh);
      if (/金额$|总额$|利润$|资本$/.test(zh) && !zh.includes("分档")) assert.equal(type, "money", zh);
      if (zh.endsWith("分档")) assert.equal(type, "enumeration", zh);
    }
  });

  it("never let an interface under authorisation pass for open", () => {
    for (const r of rows) {
      if (!r.sharing.ways.every((w) => w.mode === asked.mode && w.authorisation)) continue;
      for (const f of r.fields) if (f.identity !== true) assert.oneOf(f.grade, ["sensitive", "restricted"], `${r.id} ${f.id}`);
    }
  });
});
