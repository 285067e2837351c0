// Verification in an enclave: which entries a data set holds for it, what its policy and purposes let be asked, and what stops guessing.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { Claim } from "../../enclave/charges/desk.ts";
import { Budgets } from "../../enclave/budgets.ts";
import type { EnclaveConfig } from "../../enclave/config.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import { loadDataset, type LoadedDataset } from "../../enclave/data/load.ts";
import { ServiceBudgets } from "../../enclave/live/service-budgets.ts";
import { Turns } from "../../enclave/live/turns.ts";
import { WrongClaims } from "../../enclave/live/wrong-claims.ts";
import { judge, policySchema, type JudgeOptions } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { consentsNow, summaryOf } from "../../enclave/summary.ts";
import { endOfService } from "../../federation/live/params.ts";
import type { DatasetSummary } from "../../federation/plan-schema.ts";
import type { Held } from "../../federation/verify/predicates.ts";
import { bank, planOf, power, summaryOf as plainSummary, tax, temporaryFolder } from "../support/enclave.ts";
import { usccOf } from "../support/subjects.ts";

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
const load = async (definition: object, files: Readonly<Record<string, string>>): Promise<LoadedDataset> => {
  using folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text);
  return await loadDataset(parseDefinition(definition), { directory: folder.path, log: silentLog });
};
const known = (...entries: string[]): Held => ({ known: true, entries });

describe("what a data set holds for verification", () => {
  const raw = {
    name: "tax", idColumn: "id", idKind: "opaque", population: "companies",
    tables: { companies: { file: "companies.csv" }, filings: { file: "filings.csv", columns: { period: { type: "date" } } } },
    indicators: [{ name: "filings", table: "filings", sql: "count(*)", unit: "", direction: "none", sourceItem: "" }],
    verification: {
      code: { table: "companies", column: "code", type: "code" }, capital: { table: "companies", column: "capital", type: "money" },
      period: { table: "filings", column: "period", type: "date" }, "empty-one": { table: "filings", column: "note", type: "text" },
    },
  };
  const files = {
    "companies.csv": "id,code,capital\na,00123,1000.50\nb,?,\nc,x-9,abc\n",
    "filings.csv": "id,period,note\na,2024/1/31,first\na,2024-02-29 10:00:00,NA\nb,20240331,\nz,2024-01-31,stranger\nc,2024-04-30,\"a,\"\"b\"\"\"\n",
  };

  it("is the file's own text by company: neither numbers nor missing values change it, dates are of one form", async () => {
    const { verifiable } = await load(raw, files);
    assert.isDefined(verifiable);
    assert.deepEqual(["a", "b", "c", "z"].map((id) => verifiable?.held("code", id)), [known("00123"), known(), known("x-9"), { known: false }]);
    assert.deepEqual(["a", "b", "c"].map((id) => verifiable?.held("capital", id)), [known("1000.50"), known(), known("abc")]);
    assert.deepEqual(["a", "b", "c"].map((id) => verifiable?.held("period", id)), [known("2024-01-31", "2024-02-29"), known("2024-03-31"), known("2024-04-30")]);
    assert.deepEqual(["a", "c"].map((id) => verifiable?.held("empty-one", id)), [known("first"), known('a,"b"')]);
    assert.deepEqual(verifiable?.held("other", "a"), { known: false });
    assert.deepEqual(verifiable?.counts().map(({ name, entries, unreadable }) => [name, entries, unreadable]), [["code", 2, 0], ["capital", 2, 1], ["period", 4, 0], ["empty-one", 2, 0]]);
    assert.deepEqual(verifiable?.fields.map(({ name, single }) => [name, single === true]), [["code", true], ["capital", true], ["period", false], ["empty-one", true]]);
  });
  it("is part of the data's digest, and features are not changed by it", async () => {
    const [plain, one, other] = [await load({ ...raw, verification: undefined }, files), await load(raw, files), await load(raw, { ...files, "companies.csv": files["companies.csv"].replace("x-9", "x-8") })];
    assert.equal(new Set([plain, one, other].map(({ snapshotDigest }) => snapshotDigest)).size, 3);
    assert.deepEqual(plain.features, one.features);
    assert.equal((await load(raw, files)).snapshotDigest, one.snapshotDigest);
  });
  it("is of a ready-made table, too, of columns that are no features", async () => {
    const definition = { name: "power", idColumn: "id", idKind: "opaque", features: "t.csv", columns: { name: { ignore: true } }, verification: { name: { column: "name", type: "text" }, usage: { column: "usage", type: "number" } } };
    const { verifiable, features } = await load(definition, { "t.csv": "id,name,usage\n1,甲公司,10.250\n2,,7\n" });
    assert.deepEqual(features.map(({ name }) => name), ["usage"]);
    assert.deepEqual([verifiable?.held("name", "1"), verifiable?.held("name", "2"), verifiable?.held("usage", "1")], [known("甲公司"), known(), known("10.250")]);
  });
  it("is refused for what is not there, or not of this form", async () => {
    const wrong: [object, string][] = [
      [{ ...raw, verification: { code: { column: "code", type: "code" } } }, "DATA_DEFINITION"], [{ ...raw, verification: { code: { table: "none", column: "code", type: "code" } } }, "DATA_DEFINITION"],
      [{ ...raw, verification: { Code: { table: "companies", column: "code", type: "code" } } }, "DATA_DEFINITION"], [{ ...raw, verification: { code: { table: "companies", column: "code", type: "document" } } }, "DATA_DEFINITION"],
      [{ ...raw, verification: { code: { table: "companies", column: "nothing", type: "code" } } }, "DATA_MISSING_COLUMN"],
    ];
    for (const [definition, code] of wrong) assert.equal(await codeOf(() => load(definition, files)), code, JSON.stringify(definition));
  });
});

describe("items of the sharing catalogue behind verifiable fields", () => {
  const company = usccOf(1);
  const definition = (columns: object, verification: object): object => ({
    name: "tax", idColumn: "id", idKind: "uscc", features: "t.csv", columns, verification,
    catalogue: { version: 1, catalogue: "2024-15", tables: { features: { subject: "id", columns: { sales: ["tax.financial-filings"], band: ["social-insurance.payment#insured_band_12m"], grade: ["tax.credit-grade"] } } } },
  });
  const files = { "t.csv": `id,sales,band,grade\n${company},5,B,A\n` };
  const config = { dataset: { idKind: "uscc", name: "tax" } } as unknown as EnclaveConfig;

  it("may be compared where they may not be computed with, with each company's authorisation", async () => {
    const band = { band: { column: "band", type: "enumeration" } };
    assert.equal(await codeOf(() => load(definition({}, band), files)), "CATALOGUE_MODE", "it is a feature");
    const { verifiable } = await load(definition({ band: { ignore: true } }, { ...band, sales: { column: "sales", type: "money" } }), files);
    assert.deepEqual(verifiable?.fields.map(({ name, items, authorised }) => [name, [...items], [...authorised]]), [
      ["band", ["social-insurance.payment"], ["social-insurance.payment"]], ["sales", ["tax.financial-filings"], ["tax.financial-filings"]],
    ]);
    assert.deepEqual(verifiable?.held("band", company), known("B"));
  });
  it("are declared, or the data set is not loaded", async () => {
    const text = `id,sales,band,grade,more\n${company},5,B,A,1\n`;
    assert.equal(await codeOf(() => load(definition({ band: { ignore: true }, more: { ignore: true } }, { more: { column: "more", type: "text" } }), { "t.csv": text })), "CATALOGUE_COLUMN_UNDECLARED");
  });
  it("are published with the fields, and whether consents are checked for them, apart from those of the features", async () => {
    const dataset = await load(definition({ band: { ignore: true }, sales: { ignore: true } }, { band: { column: "band", type: "enumeration" } }), files);
    const summary = summaryOf(config, dataset, undefined);
    assert.deepEqual(summary.verification, { catalogue: "2024-15", fields: [{ name: "band", type: "enumeration", items: ["social-insurance.payment"], authorised: ["social-insurance.payment"], single: true }], consents: true } as never);
    assert.deepInclude(consentsNow(config, dataset, undefined), { checksClaims: true });
    const off = policySchema.parse({ version: 1, consents: "off" });
    assert.isTrue(summaryOf(config, dataset, off).verification?.consents, "off counts in experiments alone");
    assert.isUndefined(summaryOf({ ...config, experiments: true }, dataset, off).verification?.consents);
  });
});

describe("a policy that is asked about verifications", () => {
  const fields = [{ name: "capital", type: "money" as const, items: [], authorised: [], single: true as const }, { name: "name", type: "text" as const, items: [], authorised: [] }];
  const own: DatasetSummary = { ...plainSummary("tax", false), verification: { fields } };
  const datasets = { bank: plainSummary("loans", true), tax: own, power: plainSummary("usage", false) };
  const createdAt = new Date().toISOString();
  const plan = (params: { readonly days?: number; readonly [more: string]: unknown }) => {
    const { days = 90 } = params;
    const made = planOf({ kind: "verify", purpose: "loan-approval", hosts: [tax], params: { fields: [{ party: "tax", field: "capital", clear: ["within"], blind: ["equals"] }], ...params } }, { datasets });
    return { ...made, createdAt, expiresAt: endOfService(createdAt, days) };
  };
  const said = (given: ReturnType<typeof plan>, verification: object | undefined, more: JudgeOptions & { summary?: DatasetSummary; policy?: object } = {}): string => {
    const policy = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["verify"], purposes: ["loan-approval"], approve: "auto", ...(verification === undefined ? {} : { verification }) }], ...more.policy });
    const verdict = judge(given, tax, policy, more.summary ?? own, more);
    return verdict.kind === "refuse" ? verdict.code : verdict.kind;
  };

  it("lets nothing be asked that it does not name, and blindly or in the clear as it says", () => {
    assert.equal(said(plan({}), undefined), "POLICY_VERIFY");
    assert.equal(said(plan({}), { fields: { name: "any" } }), "POLICY_VERIFY");
    assert.equal(said(plan({}), { fields: { capital: "any" } }), "approve", "a single provider opens no total");
    assert.equal(said(plan({}), { fields: { capital: "blind" } }), "POLICY_VERIFY");
    assert.equal(said(plan({}), { fields: { capital: "clear" } }), "POLICY_VERIFY");
    assert.equal(said(plan({ fields: [{ party: "tax", field: "capital", blind: ["equals"] }] }), { fields: { capital: "blind" } }), "approve");
    assert.equal(said(plan({ fields: [{ party: "tax", field: "capital", clear: ["within"] }] }), { fields: { capital: "clear" } }), "approve");
  });
  it("bounds term and budgets, and takes no plan whose end or statement is not that of its parameters", () => {
    const open = { fields: { capital: "any" } };
    for (const more of [{ days: 91 }, { requestsPerDay: 100_001 }, { companiesPerMonth: 50_001 }, { perCompanyPerDay: 25 }]) assert.equal(said(plan(more), open), "POLICY_VERIFY", JSON.stringify(more));
    assert.equal(said({ ...plan({}), expiresAt: endOfService(createdAt, 91) }, open), "POLICY_VERIFY");
    const { leakage, ...rest } = plan({});
    assert.equal(said({ ...rest, leakage: leakage.slice(1) }, open), "POLICY_LEAKAGE");
  });
  it("goes by what this party publishes, not by what the platform says that it does", () => {
    const forged = { ...plan({}), datasets: { ...datasets, tax: { ...own, verification: { fields: [{ ...fields[0], name: "capital", items: [], authorised: [], type: "money" as const }, { name: "salary", type: "money" as const, items: [], authorised: [] }] } } } };
    assert.equal(said(forged as ReturnType<typeof plan>, { fields: { capital: "any" } }), "ENCLAVE_SNAPSHOT_CHANGED");
    const grown = { ...own, rows: 9, snapshotDigest: "b".repeat(64) };
    assert.equal(said(plan({}), { fields: { capital: "any" } }, { summary: grown }), "approve", "new rows are no new shape");
  });
  it("leaves no consent out that the data need", () => {
    const checked = { ...own, verification: { fields: [{ ...fields[0], name: "capital", type: "money" as const, items: ["tax.arrears"], authorised: ["tax.arrears"], single: true as const }], catalogue: "2024-15", consents: true as const } } as unknown as DatasetSummary;
    const needs = { ...planOf({ kind: "verify", purpose: "loan-approval", hosts: [tax], params: { fields: [{ party: "tax", field: "capital", clear: ["within"] }] } }, { datasets: { ...datasets, tax: checked } }), createdAt, expiresAt: endOfService(createdAt, 90) };
    const open = { fields: { capital: "any" } };
    assert.equal(said(needs, open, { summary: checked, checksClaims: true }), "approve");
    assert.equal(said(needs, open, { summary: checked, checksClaims: true, policy: { consents: "off" } }), "POLICY_CONSENTS");
    const silent = { ...checked, verification: { ...checked.verification, consents: undefined } } as DatasetSummary;
    assert.equal(said({ ...needs, datasets: { ...needs.datasets, tax: silent } }, open, { summary: silent, checksClaims: true }), "POLICY_CONSENTS");
  });
});

describe("guessing", () => {
  let now = Date.UTC(2026, 0, 30, 12);
  const parts = (db: StateDatabase) => ({ db, budgets: new Budgets(db, () => now, new Uint8Array(32)), now: () => now, guest: bank, dataset: "filings" });

  it("has to wait after wrong claims in a row, longer each time, over restarts; a right one begins anew", () => {
    using db = new StateDatabase(":memory:");
    const open = (): WrongClaims => new WrongClaims({ ...parts(db), limit: 2 });
    const hour = 3_600_000;
    let wrong = open();
    wrong.answered("a", "capital", "no-match", "equals");
    wrong.answered("a", "capital", "match", "equals");
    wrong.answered("a", "capital", "no-match", "equals");
    assert.equal(wrong.waits("a", "capital"), 0);
    wrong.answered("a", "capital", "no-match", "within");
    assert.deepEqual([["a", "capital"], ["a", "name"], ["b", "capital"]].map(([company = "", field = ""]) => wrong.waits(company, field)), [3600, 0, 0]);
    db.transaction(() => wrong.write());
    now += hour - 1;
    wrong = open();
    assert.isAbove(wrong.waits("a", "capital"), 0);
    now += 1;
    assert.equal(wrong.waits("a", "capital"), 0);
    wrong.answered("a", "capital", "no-match", "equals");
    now += 2 * hour - 1;
    assert.isAbove(wrong.waits("a", "capital"), 0);
    now += 1;
    for (let i = 0; i < 40; i++) wrong.answered("a", "capital", "no-match", "equals");
    now += 168 * hour;
    assert.equal(wrong.waits("a", "capital"), 0, "a week at most");
    wrong.answered("a", "capital", "match", "equals");
    db.transaction(() => wrong.write());
    assert.isUndefined(db.get("select 1 from verify_wrong"));
    for (let i = 0; i < 9; i++) wrong.answered("nobody", "capital", "not-available", "equals");
    assert.equal(wrong.waits("nobody", "capital"), 0);
  });
  it("is counted over all services of a bank at once, and a match that anybody gets does not begin it anew", () => {
    using db = new StateDatabase(":memory:");
    const shared = parts(db);
    const [first, second] = [new WrongClaims({ ...shared, limit: 3 }), new WrongClaims({ ...shared, limit: 3 })];
    // Both have looked at it before.
    assert.deepEqual([first, second].map((wrong) => wrong.waits("a", "capital")), [0, 0]);
    first.answered("a", "capital", "no-match", "equals");
    second.answered("a", "capital", "no-match", "equals");
    for (const kind of ["exists", "within", "one-of", "count", "dated"] as const) second.answered("a", "capital", "match", kind);
    // What one has counted is written with the other's group, and again if that is undone.
    assert.throws(() => db.transaction(() => {
      second.write();
      throw new Error("disk");
    }));
    first.answered("a", "capital", "no-match", "equals");
    assert.deepEqual([first, second].map((wrong) => wrong.waits("a", "capital")), [3600, 3600]);
    db.transaction(() => second.write());
    assert.equal(new WrongClaims({ ...parts(db), limit: 3 }).waits("a", "capital"), 3600, "after a restart");
  });
  it("is refused by the budgets of a value before its bits are out: halving in the clear, blind ranges, one value after the other", () => {
    const asked = (claim: (i: number) => readonly Claim[]): { answered: number; codes: Set<string> } => {
      using db = new StateDatabase(":memory:");
      const budgets = new ServiceBudgets({ ...parts(db), model: "verify", limits: { requestsPerDay: 1e6, companiesPerMonth: 1e6, perCompanyPerDay: 40 }, charges: { service: "job_0123456789abcdef", kind: "verify", items: [] } });
      const refused = Array.from({ length: 40 }, (_, i) => {
        // An hour between two, so that what is slowed is asked, too.
        now += 3_600_000;
        return budgets.ask("a", "", i, { claims: claim(i) })?.code;
      });
      return { answered: refused.filter((code) => code === undefined).length, codes: new Set(refused.filter((code) => code !== undefined)) };
    };
    const halving = asked((i) => [{ item: "capital", claim: { kind: "clear", text: `within ${i}` } }]);
    const ranges = asked(() => [{ item: "capital", claim: { kind: "blind-range" } }]);
    const equal = asked(() => [{ item: "capital", claim: { kind: "blind-equality" } }]);
    const same = asked(() => [{ item: "capital", claim: { kind: "clear", text: "equals 5" } }]);
    assert.isAtMost(halving.answered, 12);
    assert.isAtMost(ranges.answered, 12);
    assert.isAtMost(equal.answered, 12);
    assert.isAbove(same.answered, 20, "the same claim again tells nothing new");
    for (const { codes } of [halving, ranges, equal]) assert.isTrue([...codes].every((code) => code.startsWith("BUDGET_") || code === "SERVICE_COMPANY_BUDGET"), [...codes].join());
  });
  it("of a verification counts as no model of a company's scores", () => {
    using db = new StateDatabase(":memory:");
    const budgets = new ServiceBudgets({ ...parts(db), model: "verify", limits: { requestsPerDay: 9, companiesPerMonth: 9, perCompanyPerDay: 9 } });
    assert.isUndefined(budgets.ask("a", "", 1));
    budgets.write();
    assert.isUndefined(db.get("select 1 from openings"));
    assert.isDefined(db.get("select 1 from service_companies"));
    assert.notEqual(power, tax);
  });
});

describe("turns", () => {
  it("are taken in order, so many at a time, also after work that failed", async () => {
    const turns = new Turns(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const done = await Promise.allSettled(Array.from({ length: 7 }, (_, i) => turns.take(async () => {
      order.push(i);
      most = Math.max(most, ++running);
      await new Promise((resolve) => { setImmediate(resolve); });
      running -= 1;
      if (i === 1) throw new Error("one of them");
      return i;
    })));
    assert.equal(most, 2);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(done.map(({ status }) => status === "fulfilled"), [true, false, true, true, true, true, true]);
  });
});
