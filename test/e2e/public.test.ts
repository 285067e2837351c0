// The public part over real processes and sockets: a provider publishes while the platform is killed, an institution takes reports and a
// subscription, the company sees both. Nothing is lost, nothing comes twice, and no log names a company.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { extractText, getDocumentProxy } from "unpdf";
import type { Delivered, OwnDelivery } from "../../api/contract/public-credit.ts";
import { startPlatform, type Started } from "../../cli/processes.ts";
import { publicItems } from "../../public-credit/publishable.ts";
import { usccOf } from "../public-credit/support.ts";
import { fails, json, serve, succeeds, yunei, type Server } from "../cli/support.ts";
import { eventually, killHard } from "../support/process.ts";

const launcher = join(import.meta.dirname, "..", "..", "cli", "yunei.mjs");
const total = 9000;
const regionOf = (i: number): string => (i % 2 === 0 ? "110105" : "440305");
const nameOf = (i: number): string => `演示${i}号有限公司`;
type Sums = { rows: number; batches: number; added: number; corrected: number; withdrawn: number; repeated: number };

describe("the public part over real processes", function () {
  this.timeout(240_000);
  let work = "";
  let platform: Started<{ apiPort: number; enclavePort: number }>;
  let issuer: Server;
  let ports = { api: 0, enclave: 0 };
  const urls = (): string[] => ["--url", `https://127.0.0.1:${ports.api}`, "--enclave-url", `https://127.0.0.1:${ports.enclave}`];
  const logFile = (): string => join(work, "platform.log");
  const launch = async (): Promise<void> => {
    platform = await startPlatform(join(work, "platform"), logFile(), ports);
    ports = { api: platform.ready.apiPort, enclave: platform.ready.enclavePort };
  };
  const publish = (file: string, asOf: string, item = "registry.basic"): string[] => ["enclave", "publish-items", "enclave", "--item", item, "--file", file, "--as-of", asOf];
  const lines = (file: string): Delivered[] => readFileSync(join(work, file), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as Delivered);

  before(async () => {
    work = mkdtempSync(join(tmpdir(), "yunei-public-"));
    const ready = await serve(["platform", "start", "--data", "platform", "--api-port", "0", "--enclave-port", "0"], work); // makes the folder
    ports = { api: Number(ready.ready["apiPort"]), enclave: Number(ready.ready["enclavePort"]) };
    await ready.stop();
    issuer = await serve(["platform", "test-issuer", "--data", "platform"], work);
    await launch();
    await succeeds(["demo-data", "--out", "data", "--companies", "600"], work);
    const rows = Array.from({ length: total }, (_, i) => `${usccOf(i)},${nameOf(i)},2015-03-01,${regionOf(i)},${i % 3 === 0 ? "C" : "F"}`);
    writeFileSync(join(work, "data", "registry_courts", "public.csv"), `uscc,company_name,established_on,region,sector\n${rows.join("\n")}\n`);
    const token = await succeeds(["platform", "invite", "registry_courts", "--data", "platform"], work);
    await succeeds(["enclave", "init", "--dir", "enclave", "--token", token, ...urls(), "--data", "data/registry_courts", "--dataset", "data/registry_courts/dataset.json"], work);
    const bankToken = await succeeds(["platform", "invite", "bank", "--data", "platform"], work);
    await succeeds(["enclave", "init", "--dir", "enclave-bank", "--token", bankToken, ...urls(), "--data", "data/bank", "--dataset", "data/bank/dataset.json"], work);
    const sealTo = await succeeds(["profile", "create"], work);
    await succeeds(["platform", "institution", "Demo Bank", "--guest", "bank", "--seal-to", sealTo, "--data", "platform", ...urls().slice(0, 2)], work);
    await succeeds(["profile", "admit", "admission.json"], work);
  });
  after(async () => {
    await issuer.stop();
    await killHard(platform.process);
    rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  });

  it("takes nothing from a party that is no source, and nothing that is not public", async () => {
    await fails(publish("public.csv", "2025-01-01"), work, "PUBLIC_SOURCE");
    const { err } = await yunei(["platform", "source", "registry_courts", "--item", "tax.payment", "--data", "platform", "--lang", "en"], work);
    assert.include(err, "P21-note-2-interface");
    await succeeds(["platform", "source", "registry_courts", "--item", "registry.basic", "administrative.penalties", "--data", "platform"], work);
    assert.include(await fails(publish("public.csv", "2025-01-01", "tax.payment"), work, "CATALOGUE_MODE"), "clause=P21-note-2-interface");
  });

  it("keeps every batch that was answered when the platform is killed between them; the same command goes on", async () => {
    const child = spawn(process.execPath, [launcher, ...publish("public.csv", "2025-01-01"), "--lang", "en"], { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    await eventually("the first batch is taken", () => said.includes("batch 1:") || child.exitCode !== null);
    await killHard(platform.process);
    await eventually("it waits", () => said.includes("does not answer") || child.exitCode !== null);
    const early = await yunei([...publish("public.csv", "2025-01-01"), "--wait", "1"], work);
    assert.match(early.err, /^CLI_UNREACHABLE/m, "another one that waits no longer");
    await launch();
    assert.equal(await ended, 0, said);
    const sums = await json<Sums>(publish("public.csv", "2025-01-01"), work);
    assert.deepInclude(sums, { rows: total, added: total, corrected: 0, withdrawn: 0 }, "the batch that was answered is answered the same again");
    // A row that only the platform can refuse is named by its place in the file: everything before it was taken, in whole batches.
    const rows = readFileSync(join(work, "data", "registry_courts", "public.csv"), "utf8").trimEnd().split("\n").slice(1);
    const withdrawals = [...rows.map((line) => `${line},`), `${usccOf(total + 1)},,,,,record-removed`];
    writeFileSync(join(work, "data", "registry_courts", "unknown.csv"), `uscc,company_name,established_on,region,sector,withdraw\n${withdrawals.join("\n")}\n`);
    const { error } = JSON.parse((await yunei([...publish("unknown.csv", "2025-01-02"), "--json"], work)).out) as { error: { code: string; facts: object } };
    assert.deepEqual(error.code, "PUBLIC_UNKNOWN_RECORD");
    assert.deepInclude(error.facts, { row: total + 1 });
    const later = await json<Sums>(publish("public.csv", "2025-01-02"), work);
    assert.deepInclude(later, { repeated: total, added: 0 }, "every record is there, once");
  });

  it("gives a report as PDF, page and JSON that say the same", async () => {
    const number = (await succeeds(["credit-report", usccOf(7), "--purpose", "loan-approval", "--out", "report.pdf"], work)).split(" ")[0] ?? "";
    assert.match(number, /^CR\d{8}-[0-9a-f]{24}$/);
    const { text } = await extractText(await getDocumentProxy(new Uint8Array(readFileSync(join(work, "report.pdf")))), { mergePages: true });
    const dense = text.normalize("NFKC").replaceAll(/\s+/g, "");
    for (const part of [number, usccOf(7), nameOf(7), "registry_courts", "2025-01-01", "贷款审批", "DemoBank", "未收到该企业记录"]) assert.include(dense, part);
    await fails(["credit-report", usccOf(7), "--purpose", "loan-approval", "--out", "report.pdf"], work, "CLI_EXISTS");
    await succeeds(["credit-report", usccOf(7), "--purpose", "loan-approval", "--format", "html", "--out", "report.html"], work);
    assert.include(readFileSync(join(work, "report.html"), "utf8"), nameOf(7));
    type Made = { report: { company: { name: string }; unknown: object[] } };
    const made = await json<Made>(["credit-report", usccOf(total + 5), "--purpose", "loan-approval"], work);
    assert.lengthOf(made.report.unknown, publicItems().length, "nothing is known of this company, and the report says so");
    const { company } = (await json<Made>(["credit-report", usccOf(8), "--purpose", "loan-approval"], work)).report;
    assert.equal(company.name, nameOf(8));
  });

  it("gives a subscription each record once over pulls that are cut off, kills and changes", async () => {
    const { id } = await json<{ id: string }>(["subscription", "create", "--purpose", "post-loan-monitoring", "--item", "registry.basic", "administrative.penalties", "--region", "11", "--section", "C"], work);
    const pulling = spawn(process.execPath, [launcher, "subscription", "pull", id, "--out", "items.ndjson", "--lang", "en"], { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    pulling.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
    await eventually("some came", () => /\d+ record\(s\)/.test(said) || pulling.exitCode !== null);
    await killHard(pulling);
    appendFileSync(join(work, "items.ndjson"), '{"op":"put"');
    await killHard(platform.process);
    await launch();
    await succeeds(["subscription", "pull", id, "--out", "items.ndjson"], work);
    const wanted = Array.from({ length: total }, (_, i) => i).filter((i) => i % 2 === 0 && i % 3 === 0).map((i) => usccOf(i));
    assert.deepEqual(lines("items.ndjson").map((line) => line.uscc).sort(), [...wanted].sort(), "each of region and section, and no other");
    const row = (value: object): string => `${JSON.stringify(value)}\n`;
    writeFileSync(join(work, "data", "registry_courts", "penalties.ndjson"), row({ uscc: usccOf(6), key: "a1", values: { offence: "未公示年度报告" } }) + row({ uscc: usccOf(7), key: "a2", values: { offence: "他处" } }));
    assert.deepInclude(await json<Sums>(publish("penalties.ndjson", "2025-01-03", "administrative.penalties"), work), { added: 2 });
    await succeeds(["subscription", "pull", id, "--out", "items.ndjson"], work);
    writeFileSync(join(work, "data", "registry_courts", "repaired.ndjson"), row({ uscc: usccOf(6), key: "a1", withdraw: "credit-repair" }));
    assert.deepInclude(await json<Sums>(publish("repaired.ndjson", "2025-01-04", "administrative.penalties"), work), { withdrawn: 1 });
    await succeeds(["subscription", "pull", id, "--out", "items.ndjson"], work);
    assert.deepEqual(lines("items.ndjson").slice(wanted.length).map((line) => [line.op, line.uscc, line.key]), [["put", usccOf(6), "a1"], ["withdraw", usccOf(6), "a1"]]);
  });

  it("shows the company its records, who asked for a report, and what subscriptions were given", async () => {
    await login(usccOf(6));
    const records = await json<{ items: { item: string; withdrawn: string | null; values: object }[] }>(["company", "public", "records"], work);
    assert.deepEqual(records.items.map((r) => [r.item, r.withdrawn]), [["registry.basic", null], ["administrative.penalties", "credit-repair"]]);
    assert.deepEqual(records.items[1]?.values, {}, "the values are gone");
    const { items } = await json<{ items: OwnDelivery[] }>(["company", "public", "deliveries"], work);
    assert.sameDeepMembers(items.map((d) => [d.institution, d.purpose, d.item as string, d.version]), [
      ["Demo Bank", "post-loan-monitoring", "registry.basic", 1], ["Demo Bank", "post-loan-monitoring", "administrative.penalties", 1],
    ]);
    assert.include(await succeeds(["company", "public", "deliveries", "--lang", "zh"], work), "Demo Bank");
    assert.include(await succeeds(["company", "public", "records", "--lang", "zh"], work), "已撤回：信用修复");
    assert.equal(await succeeds(["company", "public", "reports", "--lang", "zh"], work), "没有查询记录");
    const own = await json<{ number: string; out: string }>(["company", "public", "report", "--format", "html", "--out", "own.html"], work);
    assert.include(readFileSync(join(work, "own.html"), "utf8"), own.number);
    await fails(["company", "public", "report", "--out", "own.html"], work, "CLI_EXISTS");
    await login(usccOf(7), "seven.json");
    const asked = await json<{ items: { requester: string; purpose: string }[] }>(["company", "public", "reports", "--file", "seven.json"], work);
    assert.deepEqual(asked.items.map((r) => [r.requester, r.purpose]), [["Demo Bank", "loan-approval"], ["Demo Bank", "loan-approval"]]);
    await succeeds(["company", "export", "--out", "all.json"], work);
    const all = JSON.parse(readFileSync(join(work, "all.json"), "utf8")) as { publicItems: object[]; creditReports: object[]; publicDeliveries: object[] };
    assert.deepEqual([all.publicItems.length, all.creditReports.length, all.publicDeliveries.length], [2, 1, 2]);
  });

  it("leaves no company in the platform's log", () => {
    assert.notMatch(readFileSync(logFile(), "utf8"), /91110105MA/);
  });

  /** Does what a person does in the browser of the test issuer. */
  async function login(uscc: string, file = "yunei-company.json"): Promise<void> {
    const args = ["company", "login", "--url", `https://127.0.0.1:${ports.api}`, "--ca", "platform/ca.pem", "--file", file, "--wait", "60", "--json"];
    const child = spawn(process.execPath, [launcher, ...args], { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const address = await eventually("the address", () => /http:\/\/127\.0\.0\.1:\S+/.exec(said)?.[0]);
    const page = new URL(address);
    page.searchParams.set("login_hint", uscc);
    await fetch(page);
    assert.equal(await ended, 0, said);
  }
});
