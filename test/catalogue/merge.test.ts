// What the versions of the list add up to, and which contradictions between them are refused.
import { assert } from "chai";
import { describe, it } from "mocha";
import { catalogueAt, officialCatalogue, officialLists, parseList } from "../../catalogue/load.ts";
import { effectiveCatalogue } from "../../catalogue/merge.ts";
import { catalogueCategorySchema, catalogueItemSchema, type Catalogue, type CatalogueItem } from "../../catalogue/schema.ts";
import { asked, field, list, localStore, open, refused, row } from "./support.ts";

function merged(...lists: readonly unknown[]): Catalogue {
  return effectiveCatalogue(lists.map(parseList));
}

function itemOf(catalogue: Catalogue, id: string): CatalogueItem {
  const item = catalogue.find(id);
  assert(item !== undefined, id);
  return item;
}

const ways = (...some: readonly unknown[]): { sharing: unknown } => ({ sharing: { zh: "共享方式", en: "ways", ways: some } });

describe("the effective catalogue", () => {
  it("of both official lists has every item once: 70 of 75 rows, 34 kept, 4 changed, 32 added", () => {
    const { items } = officialCatalogue;
    assert.lengthOf(items, 70);
    assert.equal(new Set(items.map((i) => i.id)).size, 70);
    assert.lengthOf(items.flatMap((i) => i.listings), 75);
    const counts = (["kept", "changed", "added"] as const).map((c) => items.filter((i) => i.change === c).length);
    assert.deepEqual(counts, [34, 4, 32]);
    assert.deepEqual(items.filter((i) => i.change === "changed").map((i) => i.id as string),
      ["registry.shareholders", "utilities.water", "utilities.electricity", "utilities.gas"]);
  });

  it("loses no field of any list, and invents none", () => {
    for (const item of officialCatalogue.items) {
      const rows = officialLists.flatMap((l) => l.categories.flatMap((c) => c.items)).filter((r) => r.id === item.id);
      assert.sameMembers(item.fields.map((f) => f.id), [...new Set(rows.flatMap((r) => r.fields.map((f) => f.id)))], item.id);
      assert.lengthOf(item.listings, rows.length);
    }
  });

  it("keeps the ways of old and new fields of an item apart", () => {
    const item = itemOf(officialCatalogue, "utilities.electricity");
    const modes = (id: string): string[] => (item.fields.find((f) => f.id === id)?.ways ?? []).map((w) => w.mode);
    assert.deepEqual(modes("has_arrears"), ["interface-call"]);
    assert.deepEqual(modes("arrears"), ["physical-collection"]);
    assert.deepEqual(modes("uscc"), ["interface-call", "physical-collection"]);
    assert.equal(item.fields.find((f) => f.id === "contract_capacity")?.change, "added");
    assert.equal(item.fields.find((f) => f.id === "voltage")?.change, "kept");
  });

  it("takes the wording of the later list and says that the field changed", () => {
    const shareholder = itemOf(officialCatalogue, "registry.shareholders").fields.find((f) => f.id === "shareholder_name");
    assert.deepInclude(shareholder, { zh: "股东姓名/名称", change: "changed", versions: ["2021-52", "2024-15"] });
    const before = itemOf(catalogueAt("2021-52"), "registry.shareholders").fields.find((f) => f.id === "shareholder_name");
    assert.deepInclude(before, { zh: "股东名称", versions: ["2021-52"] });
  });

  it("of the first version has its 38 items alone, and an unknown version is refused", () => {
    assert.lengthOf(catalogueAt("2021-52").items, 38);
    assert.isUndefined(catalogueAt("2021-52").find("marriage.legal-representative"));
    refused("CATALOGUE_VERSION", () => catalogueAt("2023-1"));
    refused("CATALOGUE_VERSION", () => catalogueAt("__proto__"));
  });

  it("fits the schemas that the platform's contract may use, also as JSON", () => {
    for (const item of officialCatalogue.items) assert.deepEqual(catalogueItemSchema.parse(JSON.parse(JSON.stringify(item))), item);
    for (const category of officialCatalogue.categories) assert.deepEqual(catalogueCategorySchema.parse(category), category);
  });

  it("cannot be changed by those who read it", () => {
    const item = itemOf(officialCatalogue, "tax.payment");
    assert.throws(() => Object.assign(item, { grade: "public" }), TypeError);
    assert.throws(() => Object.assign(item.ways[0] ?? {}, { authorisation: false }), TypeError);
    assert.throws(() => (officialCatalogue.items as CatalogueItem[]).pop(), TypeError);
    assert.throws(() => (officialLists as unknown[]).pop(), TypeError);
    assert.isUndefined(officialCatalogue.find("__proto__"));
    assert.isUndefined(officialCatalogue.find("constructor"));
  });
});

describe("merging versions", () => {
  const first = list("2021-1", [row("a.one"), row("a.two")]);

  it("keeps an item that the later list does not name, and adds what is new", () => {
    const catalogue = merged(first, list("2022-1", [row("a.three")]));
    assert.deepEqual(catalogue.items.map((i) => [i.id as string, i.change]), [["a.one", "kept"], ["a.two", "kept"], ["a.three", "added"]]);
    assert.deepEqual(catalogue.versions, ["2021-1", "2022-1"]);
  });

  it("says that an item changed when only its ways did, and that it was kept when nothing did", () => {
    const again = (parts: object): Catalogue => merged(first, list("2022-1", [row("a.one", { continues: true, ...parts })]));
    assert.equal(itemOf(again({}), "a.one").change, "kept");
    const more = itemOf(again(ways({ ...open, mode: "interface-call" })), "a.one");
    assert.equal(more.change, "changed");
    assert.lengthOf(more.ways, 2);
    const bare = { fields: [], whole: { personal: "none", grade: "public" } };
    const wider = list("2022-1", [row("a.one", { continues: true, ...bare, ...ways({ ...open, mode: "interface-call" }) })]);
    assert.equal(itemOf(merged(list("2021-1", [row("a.one", bare)]), wider), "a.one").change, "changed");
    assert.equal(itemOf(again({ fields: [field("amount", { en: "Another name" })] }), "a.one").change, "changed");
  });

  it("measures change against the version before the latest, not against the first", () => {
    const second = list("2022-1", [row("a.one", { continues: true, fields: [field("extra")] })]);
    assert.equal(itemOf(merged(first, second), "a.one").change, "changed");
    assert.equal(itemOf(merged(first, second, list("2023-1", [row("a.four")])), "a.one").change, "kept");
  });

  it("gives a field the highest grade of any list, also of a row that lists no fields", () => {
    const strict = { continues: true, ...ways(asked) };
    const named = list("2022-1", [row("a.one", { ...strict, fields: [field("amount", { grade: "sensitive" })] })]);
    const unnamed = list("2022-1", [row("a.one", { ...strict, fields: [], whole: { personal: "none", grade: "sensitive" } })]);
    for (const later of [named, unnamed]) {
      const item = itemOf(merged(first, later), "a.one");
      assert.equal(item.fields[0]?.grade, "sensitive");
      assert.equal(item.grade, "sensitive");
      assert.lengthOf(item.fields[0]?.ways ?? [], 2);
    }
  });

  it("takes out what a later list withdraws, and never gives its id away", () => {
    const withdrawing = list("2022-1", [row("a.three")], { withdrawn: ["a.two"] });
    assert.deepEqual(merged(first, withdrawing).items.map((i) => i.id as string), ["a.one", "a.three"]);
    for (const parts of [{}, { continues: true }]) {
      refused("CATALOGUE_DATA", () => merged(first, withdrawing, list("2023-1", [row("a.two", parts)])));
    }
    refused("CATALOGUE_DATA", () => merged(first, list("2022-1", [row("a.three")], { withdrawn: ["a.nine"] })));
    refused("CATALOGUE_DATA", () => merged(first, withdrawing, list("2023-1", [row("a.four")], { withdrawn: ["a.two"] })));
  });

  it("refuses a row that uses another item's id without saying that it continues it, and one that continues nothing", () => {
    assert.deepEqual(refused("CATALOGUE_DATA", () => merged(first, list("2022-1", [row("a.one")]))), { list: 2, number: 1, position: 1 });
    refused("CATALOGUE_DATA", () => merged(first, list("2022-1", [row("a.five", { continues: true })])));
    refused("CATALOGUE_DATA", () => merged(list("2021-1", [row("a.one", { continues: true })])));
  });

  it("refuses versions out of order, twice, or none", () => {
    const second = list("2022-1", [row("a.three")]);
    refused("CATALOGUE_DATA", () => merged(second, first));
    refused("CATALOGUE_DATA", () => merged(first, list("2021-1", [row("a.three")], { issued: "2022-01-01" })));
    refused("CATALOGUE_DATA", () => effectiveCatalogue([]));
  });

  it("refuses a grade that is not the one of the rule", () => {
    refused("CATALOGUE_DATA", () => merged(list("2021-1", [row("a.one", { fields: [field("amount", { grade: "internal" })] })])));
    refused("CATALOGUE_DATA", () => merged(list("2021-1", [row("a.one", ways(asked))])));
    const whole = row("a.one", { ...ways(localStore), fields: [], whole: { personal: "none", grade: "public" } });
    refused("CATALOGUE_DATA", () => merged(list("2021-1", [whole])));
    assert.lengthOf(merged(list("2021-1", [{ ...whole, whole: { personal: "none", grade: "internal" } }])).items, 1);
  });

  it("takes a province's own list on top of the official ones", () => {
    const province = parseList(list("2025-7", [row("province.credit-loans")], { document: "HLJ25" }));
    const catalogue = effectiveCatalogue([...officialLists, province]);
    assert.lengthOf(catalogue.items, 71);
    assert.equal(itemOf(catalogue, "utilities.gas").change, "kept");
  });
});
