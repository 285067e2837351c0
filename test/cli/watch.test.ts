// Monitoring as a bank's people use it: what a wrong call says, a plan as it is submitted, alerts opened with the institution's own key alone.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { OpenedAlert } from "../../api/contract/watch.ts";
import { admitProfile, createProfile } from "../../cli/profile.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { sealResult } from "../../enclave/job/seal-result.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { publishedTriggers } from "../../monitoring/triggers/published.ts";
import type { TriggerInput } from "../../monitoring/triggers/schema.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { newWorld, type World } from "../support/platform.ts";
import { usccOf } from "../support/subjects.ts";
import { fails, json, succeeds } from "./support.ts";

describe("yunei watch and alerts", () => {
  const folder = temporaryFolder();
  let world: World;
  let sealTo: ReturnType<typeof createProfile>;
  const file = (name: string, content: unknown): string => {
    writeFileSync(join(folder.path, name), typeof content === "string" ? content : JSON.stringify(content));
    return name;
  };
  before(async function () {
    this.timeout(180_000);
    world = await newWorld();
    const { platform, bank } = world;
    const profile = join(folder.path, "yunei-bank.json");
    sealTo = createProfile(profile);
    admitProfile(profile, join(folder.path, file("admission.json", { institution: bank.institution, guest: "bank", url: `https://127.0.0.1:${platform.apiPort}`, apiKey: bank.apiKey, ca: platform.ca })));
  });
  after(async () => {
    await world.platform[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("says what is wrong before anything is sent: triggers, parameters, codes; never a company", async function () {
    this.timeout(180_000);
    const start = ["watch", "start", "--host", "tax"];
    assert.include(await fails([...start, "--trigger", "gossip"], folder.path, "CLI_ARGUMENT"), "tax-arrears");
    await fails(start, folder.path, "JOB_PARAMS");
    const arrears = publishedTriggers.find((t) => t.id === "tax-arrears") as TriggerInput;
    await fails([...start, "--params", file("unknown.json", { triggers: { tax: [{ ...arrears, indicator: "horoscope" }] } })], folder.path, "MONITOR_SOURCE");
    await fails([...start, "--params", file("first.json", { triggers: { tax: [{ ...arrears, atStart: "alert" }] } })], folder.path, "JOB_PARAMS");
    await fails([...start, "--params", file("twice.json", { triggers: { tax: [arrears, arrears] } })], folder.path, "MONITOR_TRIGGERS");
    const service = "job_0123456789abcdef01234567";
    await fails(["watch", "add", service, "--company", "91310000000000001X"], folder.path, "CLI_ARGUMENT");
    const said = await fails(["watch", "add", service, "--file", file("list.txt", `${usccOf(1)}\n${usccOf(2)}x\n`)], folder.path, "CLI_ARGUMENT");
    await fails(["watch", "list", service], folder.path, "SERVICE_NOT_FOUND");
    const tax = [...start, "--trigger", "tax-arrears"];
    for (const wrong of [["--score-drop", "20"], ["--score-service", service], ["--score-service", service, "--score-drop", "0"], ["--score-service", service, "--score-drop", "20", "--score-days", "400"]]) await fails([...tax, ...wrong], folder.path, "CLI_ARGUMENT");
    assert.notInclude(said, usccOf(2));
    await fails(["alerts", "acknowledge", "alert_1"], folder.path, "CLI_ARGUMENT");
  });

  it("submits a plan for every provider, and opens alerts that came of it", async function () {
    this.timeout(180_000);
    const { id } = await json<{ id: string }>(["watch", "start", "--host", "tax", "power", "--trigger", "tax-arrears", "dishonest-debtor", "--score-service", "job_0123456789abcdef01234567", "--score-drop", "25", "--score-days", "7"], folder.path);
    assert.match(id, /^job_/);
    const { plan } = await json<{ plan: JobPlan }>(["job", "plan", id], folder.path);
    assert.deepEqual(plan.params["jointScore"], { service: "job_0123456789abcdef01234567", everyDays: 7, drop: 25, severity: "major" });
    assert.equal(await succeeds(["alerts"], folder.path).then((out) => out.trim()), "no alerts");
    const alert: OpenedAlert = { version: 1, service: jobIdSchema.parse(id), party: partyId("tax"), company: usccOf(1), trigger: "tax-arrears", kind: "arrears-begun", severity: "major", asOf: "2026-01-05", text: { zh: "开始欠税", en: "Tax arrears have begun" } };
    const put = async (n: number, sealed: string): Promise<void> => {
      const reply = await world.guest.client.put("/enclave/v1/monitoring/alerts", { id: `alert_${String(n).repeat(32)}`, service: id, sealed });
      assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
    };
    await put(1, await sealResult(JSON.stringify(alert), sealTo, "application/json"));
    const line = await succeeds(["alerts", "list", "--lang", "zh"], folder.path);
    for (const part of [usccOf(1), "开始欠税", "2026-01-05"]) assert.include(line, part);
    const dropped: OpenedAlert = { ...alert, party: partyId("bank"), trigger: "joint-score-drop", kind: "score-drop", text: { zh: "联合评分下降", en: "The joint score has dropped" }, drop: 31.5, scoredBy: jobIdSchema.parse(id) };
    await put(3, await sealResult(JSON.stringify(dropped), sealTo, "application/json"));
    assert.include(await succeeds(["alerts", "list"], folder.path), "The joint score has dropped: 31.5");
    await json(["alerts", "acknowledge", `alert_${"3".repeat(32)}`], folder.path);
    await json(["alerts", "acknowledge", `alert_${"1".repeat(32)}`], folder.path);
    assert.lengthOf(await json<unknown[]>(["alerts", "list", "--state", "open"], folder.path), 0);
    await put(2, await sealResult(JSON.stringify({ ...alert, value: 7 }), sealTo, "application/json"));
    await fails(["alerts"], folder.path, "CLI_SEAL");
  });
});
