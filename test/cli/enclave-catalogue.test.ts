// `yunei enclave catalogue` and `check` as a provider's operator runs them: what may be computed with the tables, and every refusal with its clause.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { findClause } from "../../catalogue/clauses.ts";
import { parseConsent } from "../../consent/statement.ts";
import { usccOf } from "../support/subjects.ts";
import { fails, json, succeeds, yunei } from "./support.ts";

const secret = "8675309.77";
const indicator = (change: object): object => ({ name: "paid", unit: "yuan", direction: "higher-better", table: "filings", sourceItem: "tax.payment", sql: "sum(vat)", ...change });
const tables = {
  filings: { subject: "uscc", columns: { vat: ["tax.payment#vat_paid_12m"], revenue: ["tax.financial-filings"] } },
  pensions: { subject: "uscc", columns: { band: ["social-insurance.payment#insured_band_12m"] } },
};
const definition = (indicators: readonly object[] = [indicator({})], change: object = {}): object => ({
  name: "tax", idColumn: "uscc", idKind: "uscc", tables: { filings: { file: "filings.csv" }, pensions: { file: "pensions.csv" } },
  indicators, catalogue: { version: 1, catalogue: "2024-15", tables }, ...change,
});
const band = indicator({ name: "band", table: undefined, sourceItem: "social-insurance.payment", sql: "SELECT uscc, any_value(band) FROM pensions GROUP BY uscc" });
type View = { version: string | null; items: { id: string; uses: Record<string, { allowed: boolean; authorisation: boolean; clause: string }> }[]; problems: { at: string; code: string; facts: Record<string, string> }[] };

describe("the catalogue at an enclave, on the command line", function () {
  this.timeout(60_000);
  let work = "";
  const write = (content: object): string[] => {
    writeFileSync(join(work, "dataset.json"), JSON.stringify(content));
    return ["--data", ".", "--dataset", "dataset.json"];
  };
  before(() => {
    work = mkdtempSync(join(tmpdir(), "yunei-catalogue-"));
    writeFileSync(join(work, "filings.csv"), `uscc,vat,revenue\n${usccOf(1)},${secret},10\n${usccOf(2)},2,30\n`);
    writeFileSync(join(work, "pensions.csv"), `uscc,band\n${usccOf(1)},b1\n${usccOf(2)},b2\n`);
  });
  after(() => rmSync(work, { recursive: true, force: true }));

  it("says of each item what it may be used for, and by which clause", async () => {
    const view = await json<View>(["enclave", "catalogue", ...write(definition())], work);
    assert.deepEqual([view.version, view.problems], ["2024-15", []]);
    const of = (id: string) => view.items.find((item) => item.id === id)?.uses;
    assert.deepInclude(of("tax.payment")?.["scoring"], { allowed: true, authorisation: true });
    assert.deepInclude(of("social-insurance.payment")?.["joint-modelling"], { allowed: false, clause: "P21-note-2-verification" });
    const zh = await succeeds(["enclave", "catalogue", ...write(definition()), "--lang", "zh"], work);
    assert.include(zh, "评分: 经企业授权");
    assert.include(await succeeds(["enclave", "catalogue", ...write(definition()), "--lang", "en"], work), "paid <- tax.payment  joint modelling: yes; scoring: with the company's consent");
  });

  it("cites the clause for what is forbidden, in the words of the text, and `check` refuses the same", async () => {
    const files = write(definition([indicator({}), band]));
    const { status, out } = await yunei(["enclave", "catalogue", ...files, "--lang", "zh"], work);
    assert.equal(status, 1);
    const clause = findClause("P21-note-2-verification");
    assert.include(out, `! band social-insurance.payment: CATALOGUE_MODE`);
    assert.include(out, clause?.text ?? "no such clause");
    const check = await fails(["enclave", "check", ...files], work, "CATALOGUE_MODE");
    for (const fact of ["indicator=2", "item=social-insurance.payment", "clause=P21-note-2-verification"]) assert.include(check, fact);
  });

  it("names every column without an item and every wrong name, where `check` stops at the first", async () => {
    const files = write(definition([indicator({})], { catalogue: { version: 1, catalogue: "2024-15", tables: { filings: { subject: "uscc", columns: { vat: ["tax.payment#none"], gone: ["tax.payment"] } } } } }));
    const { status, out } = await yunei(["enclave", "catalogue", ...files, "--json"], work);
    assert.equal(status, 1);
    assert.sameDeepMembers((JSON.parse(out) as View).problems.map(({ at, code }) => [at, code]), [
      ["filings.gone", "CATALOGUE_COLUMN_MISSING"], ["filings.vat", "CATALOGUE_UNKNOWN_FIELD"], ["filings.revenue", "CATALOGUE_COLUMN_UNDECLARED"], ["pensions", "CATALOGUE_COLUMN_UNDECLARED"],
    ]);
    assert.include(await fails(["enclave", "check", ...files], work, "CATALOGUE_COLUMN_MISSING"), "table=1");
  });

  it("refuses an indicator whose SQL reaches outside its tables, and shows no value for it", async () => {
    for (const sql of ["SELECT uscc, content FROM read_text('/etc/passwd'), filings", "SELECT uscc, vat FROM 'filings.csv'", "SELECT uscc, vat FROM filings; DROP TABLE filings", "SELECT uscc, (SELECT max(database_name) FROM duckdb_databases) FROM filings"]) {
      const said = await fails(["enclave", "check", ...write(definition([indicator({ table: undefined, sql })]))], work, "DATA_INDICATOR_SQL");
      assert.notInclude(said, secret);
      await fails(["enclave", "catalogue", ...write(definition([indicator({ table: undefined, sql })]))], work, "DATA_INDICATOR_SQL");
    }
    const hidden = await fails(["enclave", "check", ...write(definition([indicator({ sql: "sum(vat) FILTER (revenue > 0)" })]))], work, "CATALOGUE_INDICATOR_SOURCE");
    assert.notInclude(hidden, secret);
  });

  it("wants a declaration of a provider's information about companies by their credit codes", async () => {
    await fails(["enclave", "catalogue", ...write(definition([indicator({})], { catalogue: undefined }))], work, "CATALOGUE_UNDECLARED");
    assert.include((await yunei(["enclave", "catalogue", ...write(definition([indicator({})], { catalogue: undefined, idKind: "opaque" })), "--lang", "en"], work)).err, "declares no item");
    await fails(["enclave", "catalogue", "--dir", "nowhere"], work, "ENCLAVE_CONFIG");
    await fails(["enclave", "catalogue"], work, "CLI_ARGUMENT");
  });

  it("takes the example of the README, on the demo's files", async () => {
    await succeeds(["demo-data", "--out", "demo-data", "--companies", "500"], work);
    const blocks = [...readFileSync(join(import.meta.dirname, "..", "..", "README.md"), "utf8").matchAll(/```json\n(\{[^`]*"indicators"[^`]*)```/g)].map((m) => m[1] ?? "");
    assert.lengthOf(blocks, 1);
    writeFileSync(join(work, "example.json"), blocks[0] ?? "");
    const found = await json<{ features: number; items: number }>(["enclave", "check", "--data", "demo-data/tax", "--dataset", "example.json"], work);
    assert.deepInclude(found, { features: 2, items: 2 });
    const { catalogue: _, ...bare } = JSON.parse(blocks[0] ?? "") as { catalogue: object };
    writeFileSync(join(work, "bare.json"), JSON.stringify(bare));
    assert.include((await yunei(["enclave", "check", "--data", "demo-data/tax", "--dataset", "bare.json"], work)).err, "--own-data");
  });

  it("makes consents of made-up companies for trying all of it", async () => {
    const made = await json<{ companies: number; withdrawn: number; items: string[] }>(["demo-consents", "--grantee", "bank", "--withdrawn", "2"], work);
    assert.equal(made.withdrawn, 2);
    const texts = readFileSync(join(work, "demo-consents", "consents.jws"), "utf8").trim().split("\n");
    assert.lengthOf(texts, made.companies);
    const { consent } = parseConsent(texts[0] ?? "");
    assert.deepInclude(consent, { purpose: "loan-approval", kinds: ["score", "train"] });
    assert.includeMembers(made.items, ["tax.payment", "utilities.electricity"]);
    await fails(["demo-consents", "--grantee", "bank"], work, "CLI_EXISTS");
    await fails(["demo-consents", "--grantee", "bank", "--definition", "absent.json", "--out", "more"], work, "CLI_FILE");
  });
});
