// The public part as people use it: browse the catalogue, publish demo data from a provider's enclave, ask for a report, take a subscription.
import { KeyObject } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { createProfile, admitProfile } from "../../cli/profile.ts";
import type { EnclaveConfig } from "../../enclave/config.ts";
import { generateDemo } from "../../demo/generate.ts";
import type { Delivered } from "../../api/contract/public-credit.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { PublicWorld } from "../public-credit/world.ts";
import { usccOf } from "../public-credit/support.ts";
import { fails, json, succeeds, yunei } from "./support.ts";

describe("yunei catalogue", () => {
  it("lists, filters, searches and shows, in both languages and as JSON", async () => {
    using folder = temporaryFolder();
    const run = (...args: string[]): Promise<string> => succeeds(["catalogue", ...args], folder.path);
    const all = await json<{ total: number; items: { id: string }[] }>(["catalogue"], folder.path);
    assert.equal(all.total, 70);
    assert.equal((await json<{ total: number }>(["catalogue", "list", "--version", "2021-52"], folder.path)).total, 38);
    assert.include(await run("search", "增值税"), "tax.payment");
    assert.include(await run("list", "--use", "report", "--mode", "physical-collection", "--lang", "zh"), "行政处罚信息");
    assert.notInclude(await run("list", "--use", "store-at-platform"), "tax.payment");
    const shown = await run("show", "tax.payment", "--lang", "zh");
    assert.include(shown, "vat_paid_12m");
    assert.include(shown, "数据提供单位向平台开放数据接口");
    assert.include(await run("show", "P21/纳税信息/纳税信息", "--lang", "en"), "with authorisation");
    assert.include(await run("list", "--department", "customs"), "customs.credit-grade");
    assert.notInclude(await run("list", "--category", "tax"), "customs.credit-grade");
    await fails(["catalogue", "show", "tax.nothing"], folder.path, "CATALOGUE_UNKNOWN_ITEM");
    for (const wrong of [["search"], ["list", "税"], ["list", "--category", "taxes"], ["list", "--department", "circus"]]) await fails(["catalogue", ...wrong], folder.path, "CLI_ARGUMENT");
    await fails(["catalogue", "list", "--version", "1999-1"], folder.path, "CLI_ARGUMENT");
  });
});

describe("public items on the command line", () => {
  let world: PublicWorld;
  const folder = temporaryFolder();
  const dir = join(folder.path, "enclave");
  const data = join(folder.path, "data", "registry_courts");
  const publish = (...args: string[]): string[] => ["enclave", "publish-items", "enclave", ...args];
  const registrations = [
    "--item", "registry.basic", "--file", "registrations.csv", "--as-of", "2024-12-31", "--column", "uscc", "company_name", "established_on", "status=registration_status", "region", "sector",
  ];
  before(async function () {
    this.timeout(60_000);
    world = await PublicWorld.start({});
    await generateDemo({ companies: 600, seed: 1, directory: join(folder.path, "data"), months: 24, force: false });
    const { key, cert, identityKey, identityCertificate, ca, party } = world.source.identity;
    mkdirSync(join(dir, "keys"), { recursive: true });
    const keys: Record<string, string> = {
      "identity.key": KeyObject.from(identityKey).export({ format: "pem", type: "pkcs8" }), "tls.key": key, "identity.pem": identityCertificate, "tls.pem": cert, "ca.pem": ca,
    };
    for (const [name, text] of Object.entries(keys)) writeFileSync(join(dir, "keys", name), text, { mode: 0o600 });
    const config: EnclaveConfig = {
      version: 1, party, platform: `https://127.0.0.1:${world.platform.enclavePort}`, dataFolder: data, workers: 2, peerTimeoutSeconds: 60,
      dataset: { name: "registry", idColumn: "uscc", idKind: "uscc", features: { file: "registrations.csv" }, columns: {}, missingTokens: [""] },
    };
    writeFileSync(join(dir, "enclave.json"), JSON.stringify(config));
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("are checked in the domain first: what is not public, or not right, is refused and nothing is sent", async function () {
    this.timeout(60_000);
    const { status, err } = await yunei(publish("--item", "registry.industry", "--file", "registrations.csv", "--lang", "en"), folder.path);
    assert.equal(status, 1);
    assert.match(err, /CATALOGUE_MODE \(.*clause=P21-note-2-interface\)/);
    await fails(publish("--item", "registry.basic", "--file", "registrations.csv"), folder.path, "PUBLIC_COLUMN");
    await fails(publish("--item", "registry.basic", "--file", "../bank/loans.csv"), folder.path, "DATA_FILE_OUTSIDE");
    appendFileSync(join(data, "bad.csv"), `uscc,company_name\n${usccOf(1)},甲有限公司\n${usccOf(2).slice(0, 17)}?,乙有限公司\n`);
    await fails(publish("--item", "registry.basic", "--file", "bad.csv"), folder.path, "PUBLIC_ROW");
    const checked = await json<{ rows: number; sent: boolean }>(publish(...registrations, "--check"), folder.path);
    assert.isAbove(checked.rows, 500);
    assert.isFalse(checked.sent);
    assert.equal(await world.platform.running?.platform.db.read.publicItem.count(), 0);
  });

  it("come from the demo's tables, once, with corrections, as CSV and NDJSON", async function () {
    this.timeout(60_000);
    type Sums = { rows: number; added: number; corrected: number; withdrawn: number; repeated: number };
    const first = await json<Sums>(publish(...registrations), folder.path);
    assert.equal(first.added, first.rows);
    assert.deepInclude(await json<Sums>(publish(...registrations), folder.path), { added: first.added }, "the same batch again: the answer is the first one's");
    const debtors = await json<Sums>(publish("--item", "judicial.dishonest-debtors", "--file", "dishonest_debtors.csv", "--as-of", "2024-12-31", "--key", "filed_on", "published_on", "--column",
      "uscc", "filed_on", "published_on", "performance"), folder.path);
    assert.isAtLeast(debtors.added, 1);
    const someone = readFileSync(join(data, "registrations.csv"), "utf8").split("\n")[1]?.split(",")[0] ?? "";
    writeFileSync(join(data, "news.ndjson"), `${JSON.stringify({ uscc: someone, values: { company_name: "更名演示有限公司" } })}\n`);
    assert.deepInclude(await json<Sums>(publish("--item", "registry.basic", "--file", "news.ndjson", "--as-of", "2025-01-01"), folder.path), { corrected: 1, added: 0 });
  });

  it("are read as report and subscription by an institution", async function () {
    this.timeout(60_000);
    const { bank, platform } = world;
    createProfile(join(folder.path, "yunei-bank.json"));
    const admission = { institution: bank.institution, guest: "bank", url: `https://127.0.0.1:${platform.apiPort}`, apiKey: bank.apiKey, ca: platform.ca };
    writeFileSync(join(folder.path, "admission.json"), JSON.stringify(admission));
    admitProfile(join(folder.path, "yunei-bank.json"), join(folder.path, "admission.json"));
    const someone = readFileSync(join(data, "registrations.csv"), "utf8").split("\n")[1]?.split(",")[0] ?? "";
    const said = await succeeds(["credit-report", someone, "--purpose", "loan-approval", "--out", "report.pdf", "--lang", "zh"], folder.path);
    assert.match(said, /^CR\d{8}-[0-9a-f]{24} {2}sha256 [0-9a-f]{64}$/);
    assert.equal(readFileSync(join(folder.path, "report.pdf")).subarray(0, 5).toString(), "%PDF-");
    await succeeds(["credit-report", someone, "--purpose", "loan-approval", "--format", "html", "--out", "report.html"], folder.path);
    assert.include(readFileSync(join(folder.path, "report.html"), "utf8"), "更名演示有限公司");
    await fails(["credit-report", "91110105MA0000001X", "--purpose", "loan-approval"], folder.path, "CLI_ARGUMENT");
    const { id } = await json<{ id: string }>(["subscription", "create", "--purpose", "post-loan-monitoring", "--item", "registry.basic", "--section", "C", "F"], folder.path);
    await succeeds(["subscription", "pull", id, "--out", "items.ndjson"], folder.path);
    const read = (): Delivered[] => readFileSync(join(folder.path, "items.ndjson"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Delivered);
    const had = read();
    assert.isAbove(had.length, 100);
    assert(had.every((line) => line.op === "put" && (line.sector === "C" || line.sector === "F")));
    // What a pull that was cut off has left behind is cut off again.
    appendFileSync(join(folder.path, "items.ndjson"), '{"op":"pu');
    const changed = had[0]?.uscc ?? "";
    writeFileSync(join(data, "more.ndjson"), `${JSON.stringify({ uscc: changed, values: { company_name: "再更名有限公司" } })}\n`);
    await succeeds(publish("--item", "registry.basic", "--file", "more.ndjson", "--as-of", "2025-02-01"), folder.path);
    await succeeds(["subscription", "pull", id, "--out", "items.ndjson"], folder.path);
    const has = read();
    assert.lengthOf(has, had.length + 1);
    assert.deepInclude(has.at(-1), { uscc: changed, version: 2 });
    assert.include(await succeeds(["subscription", "list"], folder.path), id);
    // Files that are not its own, or do not fit their place, are left as they are.
    const kept = readFileSync(join(folder.path, "items.ndjson"), "utf8");
    writeFileSync(join(folder.path, "mine.ndjson"), "notes of mine\n");
    await fails(["subscription", "pull", id, "--out", "mine.ndjson"], folder.path, "CLI_EXISTS");
    assert.equal(readFileSync(join(folder.path, "mine.ndjson"), "utf8"), "notes of mine\n");
    const place = readFileSync(join(folder.path, "items.ndjson.cursor"), "utf8");
    for (const [wrong, code] of [["{", "CLI_JSON"], ['{"subscription":1}', "CLI_ARGUMENT"], [place.replace(/sub_[0-9a-f]{24}/, `sub_${"0".repeat(24)}`), "SUBSCRIPTION_CURSOR"], [place.replace(/"bytes":\d+/, '"bytes":99999999'), "SUBSCRIPTION_CURSOR"]] as const) {
      writeFileSync(join(folder.path, "items.ndjson.cursor"), wrong);
      await fails(["subscription", "pull", id, "--out", "items.ndjson"], folder.path, code);
    }
    assert.equal(readFileSync(join(folder.path, "items.ndjson"), "utf8"), kept);
    writeFileSync(join(folder.path, "items.ndjson.cursor"), place);
    assert.include(await succeeds(["subscription", "end", id], folder.path), "ended");
    await fails(["subscription", "pull", id, "--out", "items.ndjson"], folder.path, "SUBSCRIPTION_ENDED");
    assert(existsSync(join(folder.path, "items.ndjson.cursor")));
  });

  it("have the sources that the operator sets", async () => {
    const { data: platformData } = world.platform;
    assert.include(await succeeds(["platform", "source", "registry", "--data", platformData], folder.path), "registry.basic");
    const { status, err } = await yunei(["platform", "source", "customs", "--item", "tax.payment", "--data", platformData], folder.path);
    assert.equal(status, 1);
    assert.include(err, "P21-note-2-interface");
    assert.deepEqual(await json(["platform", "source", "customs", "--item", "customs.credit-grade", "--data", platformData], folder.path), { party: "customs", items: ["customs.credit-grade"] });
    assert.deepEqual(await json(["platform", "source", "customs", "--none", "--data", platformData], folder.path), { party: "customs", items: [] });
    await fails(["platform", "source", "nobody", "--item", "customs.credit-grade", "--data", platformData], folder.path, "PARTY_NOT_FOUND");
  });
});
