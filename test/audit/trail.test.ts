// The audit of a process: sums, what commands leave, alerts over a restart, a disk that is full for a while, a long log that streams.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { readAlerts } from "../../audit/alerts/book.ts";
import { auditFolder } from "../../audit/disk.ts";
import type { Entry } from "../../audit/entry.ts";
import { leave, operated, spoolOf } from "../../audit/spool.ts";
import { auditSettingsSchema } from "../../audit/settings.ts";
import { AuditTrail } from "../../audit/trail.ts";
import { verifyExport, verifyFolder } from "../../audit/verify.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { eventOf, MemoryFolder, signerOf, type TestSigner } from "./support.ts";

describe("the audit of a process", () => {
  let signer: TestSigner;
  let now = Date.parse("2026-03-01T00:00:00Z");
  const env = { rng: systemRng, now: () => now, log: silentLog };
  before(async () => {
    signer = await signerOf("tax");
  });
  const open = (folder: string, more: object = {}): Promise<AuditTrail> =>
    AuditTrail.open({ folder, domain: "tax", signer, env, settings: auditSettingsSchema.parse({}), secret: new Uint8Array(32).fill(3), ...more });
  async function entriesOf(folder: string): Promise<Entry[]> {
    const entries: Entry[] = [];
    const { problems } = await verifyFolder(auditFolder(folder), "tax", { onEntry: (entry) => entries.push(entry) });
    assert.deepEqual(problems, []);
    return entries;
  }
  const codeOf = (work: () => Promise<unknown>): Promise<string> => work().then(() => "nothing", (e: unknown) => (isAppError(e) ? e.code : String(e)));

  it("sums up what comes often: an entry per kind and minute with its count", async () => {
    using folder = temporaryFolder();
    const trail = await open(folder.path);
    const frame = { actor: { role: "party", id: "tax" }, action: "requests" as const, route: "PUT /enclave/v1/relay/:job/:to/:seq", objects: { job: "job_1" } };
    for (let i = 0; i < 300; i++) trail.sum({ ...frame, objects: { job: "job_1", party: i % 3 === 0 ? "bank" : "power" } }, 10);
    await trail.tick();
    assert.isEmpty(await entriesOf(folder.path));
    now += 60_000;
    await trail.tick();
    await trail.settled();
    const sums = (await entriesOf(folder.path)).filter((e) => e.action === "requests");
    assert.deepEqual(sums.map((e) => [e.objects?.party, e.facts]), [["bank", { times: 100, bytes: 1000 }], ["power", { times: 200, bytes: 2000 }]]);
    await trail.close();
  });

  it("takes in what commands left, once, before and after a restart, and a command is refused when it cannot leave anything", async () => {
    using folder = temporaryFolder();
    const spool = spoolOf(folder.path);
    const done = await operated(spool, env, { word: "approve", objects: { job: "job_1" } }, () => 5);
    assert.equal(done, 5);
    assert.equal(await codeOf(() => operated(spool, env, { word: "approve" }, () => Promise.reject(new AppError("JOB_ENDED")))), "JOB_ENDED");
    const kept = readdirSync(spool);
    assert.lengthOf(kept, 4);
    const trail = await open(folder.path);
    assert.isEmpty(readdirSync(spool));
    leave(spool, { actor: { role: "operator" }, action: "operator.command", facts: { command: "late" } }, env);
    await trail.tick();
    await trail.close();
    assert.sameDeepMembers((await entriesOf(folder.path)).filter((e) => e.action === "operator.command").map((e) => [e.facts?.["command"], e.outcome]),
      [["approve", "JOB_ENDED"], ["approve", "begun"], ["approve", "begun"], ["approve", "ok"], ["late", "ok"]]);
    // Killed between the entry and the removal of the file.
    const again = (await entriesOf(folder.path)).find((e) => e.facts?.["command"] === "late");
    writeFileSync(join(spool, "000000000000001-again.json"), JSON.stringify({ at: 1, event: { actor: { role: "operator" }, action: "operator.command", outcome: "ok", request: again?.request } }));
    writeFileSync(join(spool, "000000000000002-bad.json"), "{");
    const second = await open(folder.path);
    await second.close();
    const commands = (await entriesOf(folder.path)).filter((e) => e.action === "operator.command");
    assert.lengthOf(commands, 6, "once, and a note of what was none of ours");
    assert.equal(commands.at(-1)?.outcome, "AUDIT_FORMAT");
    let ran = false;
    writeFileSync(join(folder.path, "file"), "");
    assert.equal(await codeOf(() => operated(join(folder.path, "file", "spool"), env, { word: "approve" }, () => (ran = true))), "DISK_FAILED");
    assert.isFalse(ran);
  });

  it("raises an alert once, also over a restart, and it stays acknowledged", async () => {
    using folder = temporaryFolder();
    let trail = await open(folder.path);
    const company = trail.company("91350100M000100Y43");
    assert.match(company, /^[0-9a-f]{32}$/);
    for (let i = 0; i < 12; i++) trail.note({ ...eventOf(i), company });
    await trail.close();
    trail = await open(folder.path);
    assert.equal(trail.company("91350100M000100Y43"), company);
    for (let i = 0; i < 12; i++) trail.note({ ...eventOf(i), company });
    await trail.settled();
    await trail.tick();
    assert.deepEqual(trail.alerts().map((a) => [a.kind, a.about, a.count, a.acknowledged]), [["company-burst", company, 20, null]]);
    const [alert] = trail.alerts();
    assert.equal(await codeOf(() => trail.acknowledge("alert_000000000000000000000000", { role: "supervisor", id: "cred_1" })), "ALERT_UNKNOWN");
    await trail.acknowledge(alert?.id ?? "", { role: "supervisor", id: "cred_1" });
    await trail.acknowledge(alert?.id ?? "", { role: "supervisor", id: "cred_2" });
    await trail.close();
    trail = await open(folder.path);
    await trail.tick();
    assert.deepEqual(trail.alerts().map((a) => a.acknowledged?.by), ["cred_1"]);
    await trail.close();
    assert.lengthOf(readAlerts(join(folder.path, "alerts.json")), 1);
    const said = (await entriesOf(folder.path)).filter((e) => e.action.startsWith("alert."));
    assert.deepEqual(said.map((e) => [e.action, e.actor.id]), [["alert.raised", undefined], ["alert.acknowledged", "cred_1"]]);
  });

  it("takes nothing while the disk is full, and goes on by itself when there is space", async () => {
    using folder = temporaryFolder();
    const memory = new MemoryFolder();
    const trail = await open(folder.path, { disk: memory.disk });
    await trail.record(eventOf(1));
    memory.fault = { call: memory.calls + 1, kind: "dead" };
    assert.equal(await codeOf(() => trail.record(eventOf(2))), "DISK_FAILED");
    for (const work of [() => trail.record(eventOf(3)), () => trail.settled()]) assert.equal(await codeOf(work), "AUDIT_STOPPED");
    for (const work of [() => trail.check(), () => trail.note(eventOf(3)), () => trail.sum(eventOf(3))]) assert.throws(work, /AUDIT_STOPPED/);
    now += 6000;
    await trail.tick();
    assert.throws(() => trail.check(), /AUDIT_STOPPED/);
    memory.repair();
    now += 1000;
    await trail.tick();
    assert.throws(() => trail.check(), /AUDIT_STOPPED/, "not tried at every tick");
    now += 6000;
    await trail.tick();
    await trail.record(eventOf(4));
    await trail.close();
    assert.deepEqual((await verifyFolder(memory.disk, "tax")).problems, []);
    assert.notInclude(memory.text(), `"n":3`);
    assert.include(memory.text(), `"n":4`);
  });

  it("begins nothing on a disk that is nearly full, while what is under way is written down", async () => {
    using folder = temporaryFolder();
    const memory = new MemoryFolder();
    const trail = await open(folder.path, { disk: memory.disk, settings: auditSettingsSchema.parse({ leastFreeMegabytes: 8 }) });
    trail.check();
    memory.free = 8 * 2 ** 20 - 1;
    await trail.tick();
    assert.throws(() => trail.check(), /AUDIT_STOPPED/);
    assert.equal(await codeOf(() => trail.settled()), "AUDIT_STOPPED", "nothing leaves");
    await trail.record(eventOf(7));
    assert.include(memory.text(), `"n":7`);
    memory.free += 1;
    await trail.tick();
    trail.check();
    await trail.settled();
    await trail.close();
  });

  it("looks at its whole chain once a day, and says when it does not hold", async () => {
    using folder = temporaryFolder();
    const memory = new MemoryFolder();
    const trail = await open(folder.path, { disk: memory.disk, settings: auditSettingsSchema.parse({ segmentMegabytes: 1 }) });
    for (let i = 0; i < 9; i++) await trail.record(eventOf(i));
    const [name = ""] = memory.segments();
    memory.files.set(name, Buffer.from(memory.text().replace(`"n":4`, `"n":5`)));
    now += 86_400_001;
    await trail.tick();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await trail.settled();
    await trail.tick();
    assert.deepEqual(trail.alerts().map((a) => [a.kind, a.count]), [["chain-broken", 4]]);
  });

  it("signs a head of what is new after a while, not of nothing", async () => {
    using folder = temporaryFolder();
    const trail = await open(folder.path);
    await trail.record(eventOf(1));
    for (let i = 0; i < 5; i++) {
      now += 61_000;
      await trail.tick();
    }
    assert.lengthOf((await entriesOf(folder.path)).filter((e) => e.action === "log.head"), 1);
    assert.isTrue(existsSync(join(folder.path, "head.json")));
    await trail.close();
  });

  it("exports a long log as a stream: memory stays bounded while 60 MB go by", async function () {
    this.timeout(120_000);
    using folder = temporaryFolder();
    mkdirSync(folder.path, { recursive: true });
    const trail = await open(folder.path, { settings: auditSettingsSchema.parse({ segmentMegabytes: 8 }) });
    const filler = { facts: Object.fromEntries(Array.from({ length: 24 }, (_, i) => [`fact${String.fromCharCode(97 + i)}`, 123_456_789])) };
    const total = 80_000;
    for (let i = 0; i < total; i += 2000) {
      for (let j = 0; j < 2000; j++) trail.note({ ...eventOf(i + j), ...filler });
      await trail.settled();
    }
    globalThis.gc?.();
    const base = process.memoryUsage();
    let peak = 0;
    let bytes = 0;
    let biggest = 0;
    async function* counted(): AsyncGenerator<Buffer> {
      for await (const chunk of trail.export({})) {
        bytes += chunk.length;
        biggest = Math.max(biggest, chunk.length);
        const used = process.memoryUsage();
        peak = Math.max(peak, used.heapUsed + used.external - base.heapUsed - base.external);
        yield Buffer.from(chunk);
      }
    }
    const found = await verifyExport(Readable.from(counted()));
    assert.deepInclude(found, { problems: [], first: 0 });
    assert.isAtLeast(found.entries, total);
    assert.isAbove(bytes, 55e6);
    assert.isBelow(biggest, 200_000);
    assert.isBelow(peak, 150e6, "garbage included");
    await trail.close();
  });
});
