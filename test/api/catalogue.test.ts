// The sharing catalogue over the API: open to all, and the same as the catalogue itself.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { officialCatalogue } from "../../catalogue/load.ts";
import { listItems } from "../../catalogue/search.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { TestPlatform } from "../support/platform.ts";

type Page = { version: string; total: number; next: number | null; items: { id: string; matched: string[] }[]; categories: { id: string }[] };

describe("the catalogue over the API", () => {
  let platform: TestPlatform;
  let anybody: Client;
  before(async () => {
    platform = await TestPlatform.start();
    await platform.enrol("tax");
    anybody = platform.apiClient();
  });
  after(() => platform[Symbol.asyncDispose]());
  const browse = async (query: string): Promise<Page> => {
    const reply = await anybody.get(`/v1/catalogue${query}`);
    assert.equal(reply.status, 200, reply.bytes.toString("utf8").slice(0, 300));
    return reply.json() as Page;
  };

  it("gives every item once, page by page, without a key", async () => {
    const ids: string[] = [];
    for (let offset: number | null = 0; offset !== null; ) {
      const page: Page = await browse(`?limit=7&offset=${offset}`);
      assert.equal(page.total, officialCatalogue.items.length);
      ids.push(...page.items.map((item) => item.id));
      offset = page.next;
    }
    assert.deepEqual(ids, officialCatalogue.items.map((item) => item.id));
  });

  it("filters by category, mode, level, grade and use, and searches in both languages", async () => {
    const idsOf = async (query: string): Promise<string[]> => (await browse(`?limit=100&${query}`)).items.map((item) => item.id);
    assert.deepEqual(await idsOf("category=tax"), listItems({ category: "tax" }).map((i) => i.id));
    assert.deepEqual(await idsOf("mode=data-verification"), listItems({ mode: "data-verification" }).map((i) => i.id));
    assert.deepEqual(await idsOf("level=local&grade=internal"), listItems({ level: "local", grade: "internal" }).map((i) => i.id));
    assert.deepEqual(await idsOf("department=customs"), listItems({ department: "customs" }).map((i) => i.id));
    assert.isNotEmpty(await idsOf("department=customs"));
    assert.deepEqual(await idsOf("use=report"), listItems({ use: "report" }).map((i) => i.id));
    const found = await browse(`?text=${encodeURIComponent("增值税")}`);
    assert.include(found.items.map((i) => i.id), "tax.payment");
    assert.include(found.items.find((i) => i.id === "tax.payment")?.matched ?? [], "vat_paid_12m");
    assert.include((await browse("?text=penalties")).items.map((i) => i.id), "administrative.penalties");
    assert.equal((await browse("?version=2021-52&limit=1")).total, 38);
  });

  it("shows an item with what each use needs, and the clause", async () => {
    const shown = (await anybody.get("/v1/catalogue/tax.payment")).json() as { item: { zh: string; fields: object[] }; uses: { use: string; allowed: boolean; authorisation: boolean; clause: { id: string; text: string } }[] };
    assert.equal(shown.item.zh, "纳税信息");
    assert.deepInclude(shown.uses.find((u) => u.use === "scoring"), { allowed: true, authorisation: true });
    const stored = shown.uses.find((u) => u.use === "store-at-platform");
    assert.equal(stored?.allowed, false);
    assert.equal(stored?.clause.id, "P21-note-2-interface");
    assert.include(stored?.clause.text, "接口调用");
    assert.equal((await anybody.get(`/v1/catalogue/${encodeURIComponent("P21/纳税信息/纳税信息")}`)).status, 200);
  });

  it("refuses what it does not know", async () => {
    assertCode(await anybody.get("/v1/catalogue/tax.nothing"), "CATALOGUE_UNKNOWN_ITEM");
    assertCode(await anybody.get("/v1/catalogue?version=1999-1"), "CATALOGUE_VERSION");
    assertCode(await anybody.get("/v1/catalogue?mode=telepathy"), "REQUEST_INVALID");
    assertCode(await anybody.get("/v1/catalogue?page=2"), "REQUEST_INVALID");
    assertCode(await anybody.get("/v1/catalogue?category=taxes"), "REQUEST_INVALID");
  });
});
