// The platform's audit log over real sockets: every request an entry, refusals too, frames as sums, no secret in it, export and alerts by
// role, and no service that must be audited while the log cannot be written.
import { createPrivateKey, KeyObject } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { startPlatform } from "../../api/server.ts";
import { issueCredential } from "../../api/services/credentials.ts";
import type { Role } from "../../api/contract/roles.ts";
import { readLine, type Entry } from "../../audit/entry.ts";
import { headSchema, isHeadOf, signHead } from "../../audit/head.ts";
import { verifyExport, verifyFolder } from "../../audit/verify.ts";
import { isAppError } from "../../core/errors.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { MemoryFolder } from "../audit/support.ts";
import { assertCode, Client, sha256 } from "../support/clients.ts";
import { newWorld, plainPlan, runningJob, TestPlatform, type World } from "../support/platform.ts";

describe("the platform's audit log", () => {
  let now = Date.now();
  let world: World;
  let supervisor: Client;
  let operator: Client;
  const secrets: string[] = [];
  before(async () => {
    world = await newWorld({ now: () => now });
    secrets.push(world.bank.apiKey);
    supervisor = await person("supervisor");
    operator = await person("platform-operator");
  });
  after(async () => {
    await supervisor[Symbol.asyncDispose]();
    await operator[Symbol.asyncDispose]();
    await world.platform[Symbol.asyncDispose]();
  });

  async function person(role: Exclude<Role, "subject">): Promise<Client> {
    const { platform } = world.platform.running ?? assert.fail();
    const { key } = await platform.db.write((tx) => issueCredential(platform, tx, { role, holder: `desk of ${role}` }));
    secrets.push(key);
    return new Client(world.platform.apiPort, { ca: world.platform.ca, apiKey: key });
  }
  function entries(): Entry[] {
    const folder = join(world.platform.data, "audit");
    const text = readdirSync(folder).filter((name) => name.endsWith(".ndjson")).sort().map((name) => readFileSync(join(folder, name), "utf8")).join("");
    return text.trim().split("\n").map((line) => readLine(line) ?? assert.fail(line));
  }
  const requests = (route: string): Entry[] => entries().filter((e) => e.route === route);

  it("has an entry of every request before it is answered, with who, what and how it ended", async () => {
    const from = entries().length;
    const id = await runningJob(world);
    const view = await world.bank.client.get(`/v1/jobs/${id}`);
    assert.equal(view.status, 200);
    const fresh = entries().slice(from);
    const { planDigest } = view.json() as { planDigest: string };
    const submitted = fresh.find((e) => e.route === "POST /v1/jobs");
    assert.deepInclude(submitted, { action: "request", outcome: "ok", actor: { role: "institution", id: world.bank.institution } });
    assert.deepInclude(submitted?.objects, { job: id, plan: planDigest });
    assert.match(submitted?.request ?? "", /^[0-9a-f]{24}$/);
    const approvals = fresh.filter((e) => e.route === "POST /enclave/v1/jobs/:id/approval");
    assert.deepEqual(approvals.map((e) => [e.actor, e.objects?.job]), [["bank"], ["tax"], ["power"]].map(([party]) => [{ role: "party", id: party }, id]));
    assert.lengthOf(fresh.filter((e) => e.route === "GET /v1/jobs/:id"), 1);
assert.deepEqual(fresh.filter((e) => e.action === "job.state" && e.objects?.job === id).map((e) => e.facts?.["state"]).at(-1), "running");
  });

  it("has refused requests: without a key, with a wrong one, in the wrong role, malformed, of another's job", async () => {
    const wrong = `yk1.${world.bank.institution}.${"x".repeat(43)}`;
    const anonymous = world.platform.apiClient();
    assertCode(await world.platform.apiClient({ apiKey: wrong }).get("/v1/jobs"), "AUTH_INVALID");
    assertCode(await world.bank.client.get("/v1/jobs/job_0000000000000000"), "JOB_NOT_FOUND");
    assertCode(await world.bank.client.get("/v1/jobs?colour=red"), "REQUEST_INVALID");
    assertCode(await operator.get("/v1/audit"), "AUTH_ROLE");
    assertCode(await anonymous.get("/v1/jobs"), "AUTH_REQUIRED");
    const found = requests("GET /v1/jobs").map((e) => [e.outcome, e.actor.id]);
    assert.deepInclude(found, ["AUTH_INVALID", world.bank.institution]);
    assert.deepInclude(found, ["REQUEST_INVALID", world.bank.institution]);
    assert.match(requests("GET /v1/jobs").find((e) => e.outcome === "AUTH_INVALID")?.from ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual(requests("GET /v1/audit").map((e) => e.outcome), ["AUTH_ROLE"]);
    // What costs nothing to ask for is counted.
    await Promise.all(Array.from({ length: 30 }, () => anonymous.get("/v1/jobs")));
    assert.isEmpty(entries().filter((e) => e.outcome === "AUTH_REQUIRED"));
    now += 61_000;
    const counted = await eventuallyEntries((e) => e.outcome === "AUTH_REQUIRED");
    assert.equal(counted.reduce((n, e) => n + Number(e.facts?.["times"]), 0), 31);
  });

  it("has frames of the relay as sums, and what was relayed in all at the end of the job", async () => {
    const id = await runningJob(world);
    for (let seq = 0; seq < 20; seq++) assert.equal((await world.tax.client.putFrame(id, "bank", seq, Buffer.alloc(100, seq))).status, 200);
    for (let seq = 0; seq < 20; seq++) assert.equal((await world.guest.client.getFrame(id, "tax", seq)).status, 200);
    assert.isEmpty(requests("PUT /enclave/v1/relay/:job/:to/:seq").filter((e) => e.objects?.job === id));
    now += 61_000;
    const [put] = await eventuallyEntries((e) => e.route === "PUT /enclave/v1/relay/:job/:to/:seq" && e.objects?.job === id);
    assert.deepInclude(put, { action: "requests", facts: { times: 20, bytes: 2000 }, actor: { role: "party", id: "tax" } });
    assert.equal((await world.bank.client.post(`/v1/jobs/${id}/cancel`)).status, 200);
    const [sums] = await eventuallyEntries((e) => e.action === "relay.sums" && e.objects?.job === id);
    assert.deepInclude(sums?.facts, { sender: "tax", messages: 20, bytes: 2000 });
    assert.equal(entries().find((e) => e.action === "job.state" && e.objects?.job === id && e.facts?.["state"] === "cancelled")?.outcome, "ok");
  });

  it("has jobs that a clock ends and commands of the operator on the machine", async () => {
    const id = await runningJob(world);
    now += 8 * 86_400_000;
    const [end] = await eventuallyEntries((e) => e.action === "job.state" && e.objects?.job === id && e.facts?.["state"] === "failed");
    assert.deepInclude(end, { outcome: "JOB_EXPIRED", actor: { role: "platform" } });
    await world.platform.admin.suspendParty("power" as never);
    await world.platform.admin.resumeParty("power" as never);
    const commands = await eventuallyEntries((e) => e.action === "operator.command" && e.objects?.party === "power" && String(e.facts?.["command"]).endsWith("-party"), 4);
    assert.deepEqual(commands.map((e) => [e.facts?.["command"], e.outcome]), [["suspend-party", "begun"], ["suspend-party", "ok"], ["resume-party", "begun"], ["resume-party", "ok"]]);
    assert.isNotEmpty(entries().filter((e) => e.facts?.["command"] === "create-enrol-token"));
  });

  async function eventuallyEntries(which: (e: Entry) => boolean, least = 1): Promise<Entry[]> {
    for (let i = 0; i < 200; i++) {
      const found = entries().filter(which);
      if (found.length >= least) return found;
      await delay(25);
    }
    return assert.fail("no such entry");
  }

  it("gives a supervisor an export that verifies offline, and nobody else", async () => {
    const reply = await supervisor.get("/v1/audit");
    assert.equal(reply.status, 200, reply.bytes.toString("utf8").slice(0, 300));
    const found = await verifyExport(Readable.from([reply.bytes]));
    assert.deepInclude(found, { domain: "platform", problems: [], first: 0 });
    assert.include(reply.bytes.toString("utf8"), "GET /v1/audit");
    // Held to the authority at the time of signing: the test's clock runs ahead of the certificate's, never behind its own.
    assert.isTrue((await verifyExport(Readable.from([reply.bytes]), { ca: world.platform.ca })).isSignerKnown);
    const bytes = Buffer.from(reply.bytes.toString("utf8").replace(/"role":"institution"/, `"role":"analyst"`));
    assert.isNotEmpty((await verifyExport(Readable.from([bytes]))).problems);
    assertCode(await supervisor.get("/v1/audit?from=2099-01-01T00:00:00Z"), "AUDIT_EMPTY");
    assertCode(await supervisor.get("/v1/audit?from=yesterday"), "REQUEST_INVALID");
    assertCode(await world.bank.client.get("/v1/audit"), "AUTH_INVALID");
    const exports = requests("GET /v1/audit").filter((e) => e.actor.role === "supervisor");
    assert.deepEqual(exports.map((e) => e.outcome), ["begun", "ok", "begun", "AUDIT_EMPTY", "REQUEST_INVALID"]);
  });

  it("raises an alert for many questions about one company, which stands there as a keyed hash only", async () => {
    const [code = "", other = ""] = ["91350100M000100Y", "91330106673959654"].map((digits) => digits.padEnd(17, "7")).map((first) => first + (usccCheckCharacter(first) ?? ""));
    for (let i = 0; i < 20; i++) {
      const reply = await world.bank.client.post("/v1/credit-reports", { uscc: code, purpose: "loan-approval" });
      assert.notEqual(reply.status, 400, reply.bytes.toString("utf8"));
    }
    await world.bank.client.post("/v1/credit-reports", { uscc: other, purpose: "loan-approval" });
    const asked = requests("POST /v1/credit-reports");
    assert.lengthOf(asked, 21);
    const hashes = [...new Set(asked.map((e) => e.company))];
    assert.lengthOf(hashes, 2);
    for (const hash of hashes) assert.match(hash ?? "", /^[0-9a-f]{32}$/);
    const { alerts } = (await supervisor.get("/v1/alerts")).json() as { alerts: { kind: string; about: string; count: number }[] };
    assert.deepEqual(alerts.filter(({ kind }) => kind === "company-burst").map(({ about, count }) => [about, count]), [[hashes[0], 20]]);
    const files = readdirSync(join(world.platform.data, "audit")).filter((name) => name.includes(".")).map((name) => readFileSync(join(world.platform.data, "audit", name), "utf8")).join("");
    for (const text of [code, other, "loan-approval"]) assert.notInclude(files.toUpperCase(), text.toUpperCase());
  });

  it("takes the head of a party's log and gives its own, each signed; the same request has one id on both sides", async () => {
    const { client, identity } = world.tax;
    const signer = { key: createPrivateKey(KeyObject.from(identity.identityKey).export({ format: "pem", type: "pkcs8" })), certificate: identity.identityCertificate };
    const head = (size: number, more: object = {}) => signHead({ domain: "tax", size, digest: "ab".repeat(32), at: new Date(now).toISOString(), ...more }, signer);
    const put = (body: object) => client.put("/enclave/v1/audit-head", body, { headers: { "x-request-id": "5".repeat(24) } });
    const reply = await put(head(40));
    assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
    const theirs = headSchema.parse(reply.json());
    assert.isTrue(isHeadOf(theirs, "platform", world.platform.ca));
    const taken = entries().find((e) => e.action === "head.taken");
    assert.deepInclude(taken, { actor: { role: "party", id: "tax" }, objects: { party: "tax", after: "ab".repeat(32) }, facts: { size: 40 } });
    assert.equal(entries()[theirs.size]?.previous, theirs.digest, "the head that it gives is of its own log");
    assert.equal(requests("PUT /enclave/v1/audit-head")[0]?.request, "5".repeat(24));
    for (const bad of [head(41, { domain: "power" }), { ...head(41), size: 42 }]) assertCode(await put(bad), "AUDIT_HEAD");
    assert.lengthOf(entries().filter((e) => e.action === "head.refused" && e.outcome === "AUDIT_HEAD"), 2);
    assert.equal((await put(head(30))).status, 200);
    const alerts = ((await operator.get("/v1/alerts")).json() as { alerts: { kind: string; about: string; count: number }[] }).alerts;
    assert.deepInclude(alerts.find(({ kind }) => kind === "log-shrunk"), { about: "tax", count: 10 });
  });

  it("raises an alert for failed keys, which an operator acknowledges", async () => {
    const wrong = world.platform.apiClient({ apiKey: `yr1.cred_${"a".repeat(24)}.${"x".repeat(43)}` });
    for (let i = 0; i < 12; i++) assertCode(await wrong.get("/v1/alerts"), "AUTH_INVALID");
    type Alerts = { alerts: { id: string; kind: string; about: string; acknowledged: unknown }[] };
    const list = async (query = ""): Promise<Alerts["alerts"]> => ((await operator.get(`/v1/alerts${query}`)).json() as Alerts).alerts;
    const alert = (await list()).find((a) => a.kind === "failed-authorisations" && a.about.startsWith("cred_"));
    assert.deepInclude(alert, { about: `cred_${"a".repeat(24)}`, acknowledged: null });
    assert.equal((await operator.post(`/v1/alerts/${alert?.id}/acknowledgement`, undefined)).status, 200);
    assert.notInclude((await list("?open=true")).map((a) => a.id), alert?.id);
    assert.include((await list("?open=false")).map((a) => a.id), alert?.id);
    assertCode(await supervisor.post(`/v1/alerts/alert_${"0".repeat(24)}/acknowledgement`), "ALERT_UNKNOWN");
  });

  it("holds no key, token, address or name in any entry", () => {
    const text = JSON.stringify(entries());
    assert.isAbove(entries().length, 60);
    for (const secret of [...secrets, ...secrets.map((s) => s.split(".").at(-1) ?? "")]) assert.notInclude(text, secret);
    for (const word of ["127.0.0.1", "::1", "desk of", "x".repeat(20), "aGVhZA", "BEGIN"]) assert.notInclude(text, word);
  });
});

describe("a platform whose audit log cannot be written", () => {
  it("answers nothing but 503, does not end or change a job, and goes on when there is space", async () => {
    await using platform = await TestPlatform.start();
    const party = await platform.enrol("bank");
    await platform.stop();
    const memory = new MemoryFolder();
    let shift = 0;
    const env = { ...platform.env, now: () => Date.now() + shift };
    platform.running = await startPlatform({ data: platform.data, env, compilePlan: plainPlan, apiPort: platform.apiPort, enclavePort: platform.enclavePort, auditDisk: memory.disk });
    const bank = await platform.addBank("bank");
    assert.equal((await bank.client.get("/v1/jobs")).status, 200);
    memory.fault = { call: memory.calls + 1, kind: "dead" };
    const { platform: inside } = platform.running;
    const count = await inside.db.read.institution.count();
    // The first one meets the failing write, the next ones the stopped log.
    for (let i = 0; i < 3; i++) assertCode(await bank.client.get("/v1/datasets"), "AUDIT_STOPPED");
    assertCode(await bank.client.post("/v1/jobs", { kind: "scorecard", guest: "bank", hosts: ["tax"], purpose: "model-development", params: {} }), "AUDIT_STOPPED");
    assertCode(await party.client.get("/enclave/v1/jobs?cursor=0"), "AUDIT_STOPPED");
    assert.equal(await inside.db.read.institution.count(), count);
    memory.repair();
    shift += 20_000;
    for (let i = 0; i < 100 && (await bank.client.get("/v1/jobs")).status !== 200; i++) await delay(50);
    assert.equal((await bank.client.get("/v1/jobs")).status, 200);
  });

  it("refuses what is new before the disk is full: nothing is done that cannot be written down", async () => {
    await using platform = await TestPlatform.start();
    await platform.enrol("bank");
    await platform.stop();
    const memory = new MemoryFolder();
    platform.running = await startPlatform({ data: platform.data, env: platform.env, compilePlan: plainPlan, apiPort: platform.apiPort, enclavePort: platform.enclavePort, auditDisk: memory.disk });
    const { client } = await platform.addBank("bank");
    assert.equal((await client.get("/v1/jobs")).status, 200);
    memory.free = 2 ** 20;
    for (let i = 0; i < 200 && (await client.get("/v1/jobs")).status === 200; i++) await delay(25);
    const { db } = platform.running.platform;
    const [credentials, entries] = [await db.read.credential.count(), memory.text().split('"POST /v1').length];
    for (let i = 0; i < 3; i++) assertCode(await client.post("/v1/jobs", { kind: "scorecard", guest: "bank", hosts: ["tax"], purpose: "model-development", params: {} }), "AUDIT_STOPPED");
    assert.deepEqual([await db.read.credential.count(), await db.read.job.count(), memory.text().split('"POST /v1').length], [credentials, 0, entries]);
    memory.free = Infinity;
    for (let i = 0; i < 200 && (await client.get("/v1/jobs")).status !== 200; i++) await delay(25);
    assert.equal((await client.get("/v1/jobs")).status, 200);
    await platform.stop();
    assert.deepEqual((await verifyFolder(memory.disk, "platform")).problems, []);
  });

  it("says at its start which of its settings are others than before", async () => {
    await using platform = await TestPlatform.start();
    await platform.stop();
    const settings = Buffer.from(JSON.stringify({ segmentMegabytes: 8 }));
    writeFileSync(join(platform.data, "audit.json"), settings);
    for (let i = 0; i < 2; i++) {
      platform.running = await startPlatform({ data: platform.data, env: platform.env, compilePlan: plainPlan });
      await platform.stop();
    }
    const text = readFileSync(join(platform.data, "audit", "000000000000.ndjson"), "utf8").trim().split("\n");
    const changes = text.flatMap((line) => readLine(line) ?? []).filter((e) => e.action === "config.changed");
    assert.deepEqual(changes.map((e) => [e.facts?.["file"], e.objects?.before, e.objects?.after]), [["audit", "0".repeat(64), sha256(settings)]]);
  });

  it("does not start", async () => {
    await using platform = await TestPlatform.start();
    await platform.stop();
    const memory = new MemoryFolder();
    memory.fault = { call: 3, kind: "dead" };
    const error: unknown = await startPlatform({ data: platform.data, env: platform.env, compilePlan: plainPlan, auditDisk: memory.disk }).then(() => undefined, (e: unknown) => e);
    assert.isTrue(isAppError(error) && ["DISK_FAILED", "AUDIT_STOPPED"].includes(error.code), String(error));
  });
});
