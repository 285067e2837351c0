// Verifications through real processes: claims in the clear and blind, what is refused, consents, and receipts that verify offline.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { verifyAnswerSchema, type ClaimInput, type VerifyAnswer } from "../../api/contract/verification.ts";
import { LocalRegistrar } from "../../cli/local-registrar.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { eventually, walk } from "../support/process.ts";
import { usccOf } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const tables = smallTables({ id: usccOf });
const declared = {
  tax: { turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] },
  power: { usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] },
};
const verification = {
  tax: { turnover: { column: "turnover", type: "money" as const }, arrears: { column: "arrears", type: "number" as const }, sector: { column: "sector", type: "text" as const } },
  power: { usage: { column: "usage", type: "number" as const } },
};
const rowsOf = (party: "tax" | "power"): Map<string, string[]> => new Map(tables[party].trim().split("\n").slice(1).map((line) => [line.split(",")[0] ?? "", line.split(",").slice(1)]));
const [tax, power] = [rowsOf("tax"), rowsOf("power")];
const known = [...tax].filter(([id, [turnover]]) => turnover !== "" && power.has(id)).map(([id]) => id);
const unfiled = [...tax].find(([, [turnover]]) => turnover === "")?.[0] ?? "";
const [first = "", second = "", silent = "", leaver = "", guessed = "", ...others] = known;
const nobody = usccOf(4_000_000);
const items = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
const turnoverOf = (id: string): string => tax.get(id)?.[0] ?? "";

describe("verifications, over real processes", () => {
  let topology: Topology;
  let client: ServiceClient;
  const registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  const list = (): void => {
    const text = registrar.revocations();
    for (const name of ["tax", "power"] as const) writeDurably(join(enclavePaths(topology.folder(name)).revocations, "registrar.jws"), text);
  };
  const yunei = (...args: readonly string[]): string => topology.cli(["verification", ...args, "--profile", join(topology.work, "profile.json")]);
  const claim = (company: string, provider: string, field: string, predicate: ClaimInput["predicate"], blind = false): ClaimInput => ({ company, provider, field, predicate, blind });
  const ask = (...claims: readonly ClaimInput[]): Promise<VerifyAnswer> => client.exchange({ claims }, verifyAnswerSchema);
  const said = async (...claims: readonly ClaimInput[]): Promise<string[]> => {
    const answer = await ask(...claims);
    if (answer.status !== "verified") throw new Error(answer.code);
    return answer.results.map((result) => ("answer" in result ? result.answer : result.code));
  };

  before(async function () {
    this.timeout(240_000);
    topology = await Topology.start({ tables, declared, verification });
    for (const name of ["bank", "tax", "power"] as const) {
      topology.setPolicy(name, (policy) => ({
        ...policy, registrars: registrar.policy,
        allow: policy.allow.map((rule) => ({ ...rule, kinds: [...rule.kinds, "verify"], verification: { maxPerCompanyPerDay: 1000, fields: { turnover: "any", sector: "clear", usage: "any" } } })),
      }));
    }
    const consented = [first, second, leaver, guessed, unfiled, ...others.slice(0, 300)];
    writeDurably(join(enclavePaths(topology.folder("bank")).consents, "verify.jws"), await registrar.consents(consented, { grantee: partyId("bank"), items, purpose: "loan-approval", kinds: ["verify"] }));
    list();
    topology.writeProfile(join(topology.work, "profile.json"));
    writeFileSync(join(topology.work, "params.json"), JSON.stringify({ perCompanyPerDay: 1000, receiptUses: 20, wrongInARow: 3 }));
    const id = yunei("start", "--field", "tax.turnover", "tax.sector:clear", "--field", "power.usage:any", "--params", join(topology.work, "params.json")).trim();
    await topology.until(id, "running");
    client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    await eventually("both providers answer", async () => {
      // True claims: wrong ones in a row would lock the value for those that are early.
      const answers = await said(claim(first, "tax", "sector", { kind: "exists" }), claim(second, "power", "usage", { kind: "within", from: "0" })).catch(() => []);
      return answers.length === 2 && answers.every((a) => a.endsWith("match"));
    });
  });
  after(() => topology[Symbol.asyncDispose]());

  it("answers claims in the clear and blind as the data have it, and no provider sees what is claimed blindly", async () => {
    const value = turnoverOf(first);
    const sector = tax.get(first)?.[2] ?? "";
    const usage = power.get(first)?.[0] ?? "";
    assert.deepEqual(await said(
      claim(first, "tax", "turnover", { kind: "equals", value }), claim(first, "tax", "turnover", { kind: "within", from: "0.01", to: String(Number(value) + 1) }),
      claim(first, "tax", "sector", { kind: "one-of", values: ["nothing", sector] }), claim(first, "tax", "turnover", { kind: "exists" }),
      claim(first, "tax", "turnover", { kind: "equals", value }, true), claim(second, "tax", "turnover", { kind: "equals", value }, true),
      claim(first, "tax", "turnover", { kind: "within", from: value, to: value }, true), claim(second, "tax", "turnover", { kind: "within", from: "-5", to: "-1" }, true),
      claim(first, "power", "usage", { kind: "equals", value: usage }, true), claim(second, "power", "usage", { kind: "within", to: "-1" }),
      claim(unfiled, "tax", "turnover", { kind: "equals", value: "1" }), claim(unfiled, "tax", "turnover", { kind: "equals", value: "1" }, true),
      claim(unfiled, "tax", "turnover", { kind: "within", from: "1" }, true), claim(unfiled, "tax", "turnover", { kind: "exists" }),
    ), ["match", "match", "match", "match", "match", "no-match", "match", "no-match", "match", "no-match", "not-available", "not-available", "not-available", "no-match"]);
    for (const name of ["tax", "power"] as const) {
      const types = topology.rows(name, "select distinct type from service_ledger where service = ?", client.view.id).map((row) => String(row["type"]));
      assert.includeMembers(types, ["verify/ask", "verify/answer", "verify/ask-equal", "verify/equal", ...(name === "tax" ? ["garbled/open", "garbled/base", "garbled/extend", "garbled/extended", "verify/ask-within", "verify/within"] : [])]);
    }
  });

  it("refuses what does not fit, claim by claim, and nothing else is disturbed", async () => {
    assert.deepEqual(await said(
      claim(first, "tax", "turnover", { kind: "equals", value: "much" }), claim(first, "tax", "turnover", { kind: "within", from: "2", to: "1" }), claim(first, "tax", "arrears", { kind: "exists" }),
      claim(first, "power", "turnover", { kind: "exists" }), claim(first, "tax", "sector", { kind: "equals", value: "food" }, true), claim(first, "tax", "turnover", { kind: "dated", before: "2024-01-01" }),
      claim(first, "tax", "turnover", { kind: "within", from: "9000000000" }, true), claim(first, "tax", "turnover", { kind: "exists" }),
    ), ["VERIFY_VALUE", "VERIFY_PREDICATE", "VERIFY_FIELD", "VERIFY_FIELD", "VERIFY_BLIND", "VERIFY_PREDICATE", "VERIFY_RANGE", "match"]);
    assert.equal(await codeOf(ask()), "SERVICE_REQUEST");
    assert.equal(await codeOf(client.exchange({ claims: [{ ...claim(first, "tax", "turnover", { kind: "exists" }), more: 1 }] }, verifyAnswerSchema)), "SERVICE_REQUEST");
  });

  it("needs the company's consent to be verified, for what needs one, and not after its withdrawal", async () => {
    const exists = (company: string): ClaimInput => claim(company, "tax", "turnover", { kind: "exists" });
    assert.deepEqual(await said(exists(silent), exists(first), exists(nobody)), ["CONSENT_MISSING", "match", "CONSENT_MISSING"]);
    assert.deepEqual(await said(exists(leaver)), ["match"]);
    registrar.withdraw([leaver]);
    list();
    await eventually("the withdrawal counts", async () => (await said(exists(leaver)))[0] === "CONSENT_WITHDRAWN");
    const fresh = (await registrar.consents([silent], { grantee: partyId("bank"), items, purpose: "loan-approval", kinds: ["verify"] })).trim();
    const withIt = await client.exchange({ claims: [exists(silent)], consents: [fresh] }, verifyAnswerSchema);
    assert.deepEqual(withIt.status === "verified" && withIt.results, [{ answer: "match" }]);
  });

  it("lets nobody guess: wrong claims in a row have to wait, and the same request is charged once", async () => {
    const wrong = (value: number): ClaimInput => claim(guessed, "tax", "turnover", { kind: "equals", value: String(value) });
    for (let i = 0; i < 3; i++) assert.deepEqual(await said(wrong(i)), ["no-match"]);
    assert.deepEqual(await said(claim(guessed, "tax", "turnover", { kind: "equals", value: turnoverOf(guessed) })), ["VERIFY_LOCKED"]);
    assert.deepEqual(await said(claim(guessed, "tax", "turnover", { kind: "equals", value: turnoverOf(guessed) }, true)), ["VERIFY_LOCKED"], "blindly neither");
    const asked = (): number => Number(topology.rows("tax", "select messages from service_ledger where service = ? and direction = 'received' and type = 'verify/ask'", client.view.id)[0]?.["messages"]);
    const sealed = await client.sealAs({ claims: [claim(second, "tax", "turnover", { kind: "exists" })] }, Date.now());
    const answer = await client.sendAs(sealed, verifyAnswerSchema);
    const count = asked();
    assert.deepEqual(await client.sendAs(sealed, verifyAnswerSchema), answer);
    assert.equal(asked(), count);
  });

  it("sees new data with the next claim, without a restart, and goes on with the old ones where the new are bad", async () => {
    const folder = topology.folder("tax");
    const file = join(readConfig(folder).dataFolder, "tax.csv");
    const [company = "", value] = [others[290], "123456.78"];
    const now = (isBlind = false): ClaimInput => claim(company, "tax", "turnover", { kind: "equals", value }, isBlind);
    const pid = topology.pid("tax");
    assert.deepEqual(await said(now()), ["no-match"]);
    const next = tables.tax.replace(new RegExp(`^${company},[^,]*`, "m"), `${company},${value}`);
    writeFileSync(file, `${next}${first},1,1,food\n`);
    const refused = topology.cliFailing(["enclave", "refresh", "--dir", folder]);
    assert.notEqual(refused.status, 0);
    assert.include(refused.output, "DATA_DUPLICATE_ID");
    type Status = { data: { inService: { rows: number }; notTaken: { code: string } | null } };
    const status = (): Status["data"] => (JSON.parse(topology.cli(["enclave", "status", "--dir", folder, "--json"])) as Status).data;
    assert.deepInclude(status().notTaken, { code: "DATA_DUPLICATE_ID" });
    assert.deepEqual(await said(now()), ["no-match"]);
    writeFileSync(file, next);
    topology.cli(["enclave", "refresh", "--dir", folder]);
    assert.deepEqual(await said(now(), now(true)), ["match", "match"]);
    assert.deepEqual([topology.pid("tax"), status().notTaken, status().inService.rows], [pid, null, tax.size]);
    const published = (await topology.api.datasets()).datasets.find(({ party }) => party === "tax")?.dataset.snapshotDigest;
    assert.equal(topology.rows("tax", "select snapshot from data_refreshes where state = 'taken' order by id desc limit 1")[0]?.["snapshot"], published);
  });

  it("goes on after a provider was killed, and says which one is away", async () => {
    const blindly = claim(second, "power", "usage", { kind: "within", from: "0", to: "1000000" }, true);
    assert.deepEqual(await said(blindly), ["match"]);
    await topology.kill("power");
    const both = [claim(first, "tax", "turnover", { kind: "exists" }), claim(first, "power", "usage", { kind: "within", from: "0" })];
    assert.deepEqual(await said(...both), ["match", "SERVICE_PROVIDER_AWAY"]);
    assert.include(topology.cliFailing(["enclave", "refresh", "--dir", topology.folder("power")]).output, "DATA_REFRESH_STOPPED");
    await topology.launch("power");
    await eventually("power is back", async () => (await said(...both)).join() === "match,match");
    assert.deepEqual(await said(blindly), ["match"], "by transfers that were prepared anew");
  });

  it("takes a file of claims from the command line, and a single claim", async () => {
    const shown = JSON.parse(yunei("show", client.view.id, "--json")) as { fields: { field: string; blind: string[] }[] };
    assert.deepEqual(shown.fields.map(({ field, blind }) => [field, blind.join()]), [["turnover", "equals,within"], ["sector", ""], ["usage", "equals,within"]]);
    const [file, out] = [join(topology.work, "claims.csv"), join(topology.work, "results.csv")];
    const asked = others.slice(0, 300);
    writeFileSync(file, `company,field,predicate,value,from,to,blind\n${asked.map((id, i) => (i === 7 ? `${id},turnover,guess,1,,,` : i % 3 === 0 ? `${id},turnover,equals,${turnoverOf(id)},,,yes` : `${id},turnover,within,,${turnoverOf(id)},,`)).join("\n")}\n`);
    const { claims, counts, badLines } = JSON.parse(yunei("batch", client.view.id, "--file", file, "--out", out, "--json")) as { claims: number; counts: Record<string, number>; badLines: number[] };
    assert.deepEqual([claims, counts, badLines], [300, { match: 299, VERIFY_CLAIM: 1 }, [9]]);
    assert.lengthOf(readFileSync(out, "utf8").trim().split("\n"), 301);
    assert.match(yunei("ask", client.view.id, "--company", first, "--field", "turnover", "--equals", "1", "--blind", "--lang", "zh"), /^不一致/);
  });

  it("leaves receipts that the bank finds and that verify offline, and no company in a provider's state or a log", async () => {
    const out = join(topology.work, "tax-receipt.json");
    const profile = join(topology.work, "profile.json");
    type Item = { id: string; party: string; job: string; kind: string };
    const listed = async (): Promise<Item[]> => (JSON.parse(topology.cli(["receipts", "list", "--profile", profile, "--job", client.view.id, "--json"])) as { items: Item[] }).items;
    const found = await eventually("a receipt of a batch", async () => (await listed()).find((item) => item.party === "tax"));
    assert.isTrue(found.job.startsWith(client.view.id) && found.job !== client.view.id);
    assert.equal(found.kind, "verify");
    topology.cli(["receipts", "get", found.id, "--profile", profile, "--out", out]);
    topology.cli(["log", "trust", "--profile", profile, "--out", join(topology.work, "trust.json")]);
    const report = JSON.parse(topology.cli(["verify", out, "--trust", join(topology.work, "trust.json"), "--json"])) as { result: string };
    assert.equal(report.result, "ok");
    const state = walk(join(topology.folder("tax"), "state")).filter((entry) => !entry.isFolder).map((entry) => readFileSync(entry.path, "latin1")).join("");
    for (const id of [first, second, silent, guessed]) {
      assert.notInclude(state, id);
      assert.notInclude(topology.logs(), id);
    }
    assert.notInclude(topology.logs(), turnoverOf(first));
  });

  it("ends with a code, and not with wrong answers, when the provider's operator takes data of another form", async () => {
    const folder = topology.folder("tax");
    // Sectors that are numbers now.
    writeFileSync(join(readConfig(folder).dataFolder, "tax.csv"), tables.tax.replaceAll(/,(trade|food|metal|rent)$/gm, ",7"));
    assert.include(topology.cliFailing(["enclave", "refresh", "--dir", folder]).output, "DATA_REFRESH_SHAPE");
    assert.deepEqual(await said(claim(second, "tax", "turnover", { kind: "exists" })), ["match"]);
    topology.cli(["enclave", "refresh", "--dir", folder, "--accept"]);
    const { failure } = await topology.until(client.view.id, "failed");
    assert.deepEqual([failure?.code, failure?.party], ["ENCLAVE_SNAPSHOT_CHANGED", partyId("tax")]);
  });
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : "thrown";
  }
}
