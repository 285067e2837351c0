// `yunei indicators`, as a person and as a program call it.
import { tmpdir } from "node:os";
import { assert } from "chai";
import { describe, it } from "mocha";
import { publishedSystem } from "../../indicators/load.ts";
import { fails, json, succeeds } from "./support.ts";

const cwd = tmpdir();
type Listed = { readonly id: string; readonly area: string; readonly formula: string; readonly uses: Record<string, string> };

describe("yunei indicators", () => {
  it("lists all by area, in the language that is asked for", async () => {
    const english = await succeeds(["indicators", "--lang", "en"], cwd);
    const chinese = await succeeds(["indicators", "--lang", "zh"], cwd);
    for (const { id, zh, en } of publishedSystem.indicators) {
      assert.include(english, `${id} `);
      assert.include(english, en);
      assert.include(chinese, zh);
    }
    assert.notMatch(english, /\p{Script=Han}/u);
    assert.include(english, "Customs (customs, 8)");
  });

  it("lists an area, or what is made of an item, and says why an area has none", async () => {
    const customs = await json<Listed[]>(["indicators", "--area", "customs"], cwd);
    assert.deepEqual(customs.map((i) => i.area), Array<string>(8).fill("customs"));
    const arrears = await json<Listed[]>(["indicators", "--item", "tax.arrears"], cwd);
    assert.deepEqual(arrears.map((i) => i.id), ["tax_arrears_open"]);
    assert.deepEqual(arrears[0]?.uses, { "joint-modelling": "yes", scoring: "authorised" });
    assert.match(await succeeds(["indicators", "--area", "marriage", "--lang", "en"], cwd), /verification alone/);
    assert.deepEqual(await json(["indicators", "--area", "marriage"], cwd), []);
  });

  it("shows one with its definition, source and formula, options on either side of the id", async () => {
    const shown = await succeeds(["indicators", "show", "tax_arrears_open", "--lang", "zh"], cwd);
    for (const part of ["当前欠税余额", "tax.arrears 欠税信息", "越低越好", "须经企业授权", "tax_arrears (uscc, amount, cleared_on)", "FROM taxpayers"]) assert.include(shown, part);
    const one = await json<Listed>(["indicators", "show", "ip_patents_granted"], cwd);
    assert.deepInclude(one, { id: "ip_patents_granted", area: "intellectual-property", uses: { "joint-modelling": "yes", scoring: "yes" } });
  });

  it("says what is wrong and what to do", async () => {
    await fails(["indicators", "--area", "weather"], cwd, "INDICATOR_AREA");
    await fails(["indicators", "--item", "tax.secrets"], cwd, "INDICATOR_AREA");
    await fails(["indicators", "show", "tax_arrears"], cwd, "INDICATOR_UNKNOWN");
    await fails(["indicators", "show"], cwd, "CLI_ARGUMENT");
    for (const chosen of [["--area", "customs"], ["--item", "tax.arrears"]]) await fails(["indicators", "show", "tax_arrears_open", ...chosen], cwd, "CLI_ARGUMENT");
    await fails(["indicators", "--colour"], cwd, "CLI_ARGUMENT");
  });
});
