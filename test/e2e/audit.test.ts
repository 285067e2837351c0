// A real job over real processes, its audit logs exported by the command line: they verify, agree with each other, survive a kill -9, show
// what an operator changed, and hold no company, key or token.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { readLine, type Entry } from "../../audit/entry.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { fails, json, succeeds, yunei } from "../cli/support.ts";
import { eventually, walk } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const parties = ["bank", "tax", "power"] as const;
const usccOf = (i: number): string => {
  const first17 = `91350100${String(i).padStart(9, "0")}`;
  return first17 + (usccCheckCharacter(first17) ?? "");
};
type Joined = { ok: boolean; contradictions: unknown[]; entries: { domain: string; entry: Entry }[] };
type Verified = { ok: boolean; isSignerKnown: boolean; problems: { kind: string; seq: number }[] };

describe("audit logs of a job", () => {
  let topology: Topology;
  let job: string;
  let killed: string;
  const exports = (): string[] => ["platform", ...parties].map((name) => join(topology.work, `${name}.audit.ndjson`));
  const ca = (): string => join(topology.platformFolder, "ca.pem");
  const entriesOf = (name: string): Entry[] => readFileSync(join(topology.work, `${name}.audit.ndjson`), "utf8").trim().split("\n").flatMap((line) => readLine(line) ?? []);

  before(async () => {
    topology = await Topology.start({ tables: smallTables({ id: usccOf }) });
    topology.setPolicy("tax", (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, approve: "manual" })) }));
    job = await topology.submit();
    await eventually("seen by tax", () => topology.rows("tax", "select 1 from jobs where job = ? and state = 'seen'", job).length === 1);
    await succeeds(["enclave", "approve", job, "--dir", topology.folder("tax")], topology.work);
    await topology.until(job, "done");
    topology.setPolicy("tax", (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, approve: "auto" })) }));
    killed = await topology.submit();
    await topology.relayed(killed, 12);
    await topology.kill("power");
    await topology.launch("power");
    await topology.until(killed, "done");
    for (const name of parties) await eventually(`${name} is done`, () => topology.rows(name, "select 1 from jobs where state = 'done'").length === 2);
    await eventually("the operator's command is in the log", () => walk(join(topology.folder("tax"), "audit", "spool")).length === 0);
    await succeeds(["audit", "export", "--data", topology.platformFolder, "--out", exports()[0] ?? ""], topology.work);
    for (const [i, name] of parties.entries()) await succeeds(["enclave", "audit", topology.folder(name), "export", "--out", exports()[i + 1] ?? ""], topology.work);
  });
  after(() => topology[Symbol.asyncDispose]());

  it("verify where they lie and as exports, and an altered line is named", async () => {
    for (const file of exports()) assert.deepInclude(await json<Verified>(["audit", "verify", file, "--ca", ca()], topology.work), { ok: true, isSignerKnown: true });
    for (const name of parties) assert.isTrue((await json<Verified>(["enclave", "audit", topology.folder(name), "verify"], topology.work)).ok);
    const [, bank = ""] = exports();
    const forged = join(topology.work, "forged.ndjson");
    const text = readFileSync(bank, "utf8");
    const at = entriesOf("bank").find((e) => e.action === "plan.approved");
    assert.isDefined(at);
    writeFileSync(forged, text.replace(`"action":"plan.approved"`, `"action":"plan.asked"`));
    const { status, out } = await yunei(["audit", "verify", forged, "--json"], topology.work);
    assert.equal(status, 1);
    assert.deepEqual((JSON.parse(out) as Verified).problems, [{ kind: "altered", seq: at?.seq ?? -1 }]);
    writeFileSync(forged, "{}\n");
    await fails(["audit", "verify", forged], topology.work, "AUDIT_FORMAT");
    await fails(["audit", "export", "--data", topology.platformFolder, "--out", bank], topology.work, "CLI_EXISTS");
  });

  it("agree about each job: plan, receipts, what each sent and the other took, what was relayed; also after a kill -9", async () => {
    for (const id of [job, killed]) {
      const joined = await json<Joined>(["audit", "join", ...exports(), "--job", id, "--ca", ca()], topology.work);
      assert.deepEqual(joined.contradictions, []);
      assert.isTrue(joined.ok);
      const by = (domain: string, action: string): Entry[] => joined.entries.filter((j) => j.domain === domain && j.entry.action === action).map((j) => j.entry);
      for (const name of parties) {
        assert.isAtLeast(by(name, "plan.approved").length, 1);
        assert.isAtLeast(by(name, "job.started").length, 1);
        assert.isAtLeast(by(name, "messages.released").length, 3);
        assert.isAtLeast(by(name, "messages.taken").length, 3);
        assert.equal(by(name, "job.ended").at(-1)?.outcome, "ok");
        assert.match(by(name, "job.ended").at(-1)?.objects?.ledger ?? "", /^[0-9a-f]{64}$/);
      }
      for (const name of ["tax", "power"]) {
        assert.isNotEmpty(by(name, "budget.charged"));
        const receipt = by("bank", "receipt.checked").find((e) => e.objects?.party === name)?.objects?.receipt;
        assert.include(by(name, "receipt.made").map((e) => e.objects?.receipt), receipt);
      }
      assert.isNotEmpty(by("platform", "relay.sums"));
      assert.equal(by("platform", "job.state").at(-1)?.facts?.["state"], "done");
    }
  });

  it("have each request of an enclave about a job under one id on both sides, and each other's heads", async () => {
    const platform = entriesOf("platform");
    for (const name of parties) {
      const own = entriesOf(name);
      const approval = own.filter((e) => e.action === "request.sent" && e.objects?.job === job && e.route === "POST /enclave/v1/jobs/:id/approval");
      assert.deepEqual(approval.map((e) => e.outcome).slice(0, 2), ["begun", "ok"], name);
      const theirs = platform.find((e) => e.request === approval[0]?.request);
      assert.deepInclude(theirs, { actor: { role: "party", id: name }, action: "request", route: "POST /enclave/v1/jobs/:id/approval", outcome: "ok" });
      assert.isAtLeast(own.filter((e) => e.action === "head.taken" && e.objects?.party === "platform").length, 3, "at the start and after each job");
      const kept = platform.filter((e) => e.action === "head.taken" && e.objects?.party === name);
      assert.isAtLeast(kept.length, 3);
      for (const { facts, objects } of kept) assert.equal(own.find((e) => e.seq === facts?.["size"])?.previous, objects?.after);
    }
    const heads = await json<Joined>(["audit", "join", ...exports(), "--ca", ca()], topology.work);
    assert.deepEqual([heads.ok, heads.contradictions, heads.entries], [true, [], []]);
  });

  it("show what a party cut off of its own log, with its own key", async () => {
    const folder = join(topology.work, "cut", "audit");
    mkdirSync(folder, { recursive: true });
    const kept = entriesOf("platform").findLast((e) => e.action === "head.taken" && e.objects?.party === "tax");
    const lines = readFileSync(exports()[2] ?? "", "utf8").trim().split("\n").slice(1, -1);
    writeFileSync(join(folder, "000000000000.ndjson"), `${lines.slice(0, Number(kept?.facts?.["size"]) - 3).join("\n")}\n`);
    for (const name of ["enclave.json", "keys"]) cpSync(join(topology.folder("tax"), name), join(topology.work, "cut", name), { recursive: true });
    const cut = join(topology.work, "cut.ndjson");
    await succeeds(["enclave", "audit", join(topology.work, "cut"), "export", "--out", cut], topology.work);
    assert.isTrue((await json<Verified>(["audit", "verify", cut, "--ca", ca()], topology.work)).ok, "for itself it is right");
    const { status, out } = await yunei(["audit", "join", exports()[0] ?? "", cut, "--json"], topology.work);
    assert.equal(status, 1);
    assert.deepInclude((JSON.parse(out) as Joined).contradictions, { kind: "head", domains: ["platform", "tax"], facts: { size: kept?.facts?.["size"] } });
    const { out: zh } = await yunei(["audit", "join", exports()[0] ?? "", cut, "--lang", "zh"], topology.work);
    assert.include(zh, "矛盾: head  platform, tax");
  });

  it("contradict each other when one of them was written by somebody who leaves something out", async () => {
    const lines = readFileSync(exports()[2] ?? "", "utf8").trim().split("\n");
    const forged = join(topology.work, "forged-tax.ndjson");
    writeFileSync(forged, `${lines.filter((line) => !(line.includes("messages.released") && line.includes(job))).join("\n")}\n`);
    const { status, out } = await yunei(["audit", "join", exports()[0] ?? "", exports()[1] ?? "", forged, "--job", job, "--json"], topology.work);
    assert.equal(status, 1);
    const found = JSON.parse(out) as { broken: string[]; contradictions: { kind: string }[] };
    assert.deepEqual(found.broken, ["tax"]);
    assert.include(found.contradictions.map((c) => c.kind), "relayed");
  });

  it("show what an operator did and changed, and that a process was started twice", () => {
    const tax = entriesOf("tax");
    assert.deepEqual(tax.filter((e) => e.action === "operator.command").map((e) => [e.facts?.["command"], e.outcome, e.objects?.job]).slice(0, 2), [["approve", "begun", job], ["approve", "ok", job]]);
    const changes = tax.filter((e) => e.action === "config.changed" && e.facts?.["file"] === "policy");
    assert.isAtLeast(changes.length, 2);
    for (const [i, change] of changes.entries()) if (i > 0) assert.equal(change.objects?.before, changes[i - 1]?.objects?.after);
    const approved = tax.filter((e) => e.action === "plan.approved" && e.objects?.job === job);
    assert.deepInclude(approved[0], { actor: { role: "operator" } });
    assert.deepInclude(approved[0]?.facts, { rule: 0, kind: "scorecard", purpose: "model-development" });
    assert.isNotEmpty(tax.filter((e) => e.action === "plan.asked"));
    assert.equal(entriesOf("power").filter((e) => e.action === "process.started").length, 2);
    assert.isNotEmpty(entriesOf("platform").filter((e) => e.action === "operator.command" && e.facts?.["command"] === "create-enrol-token"));
  });

  it("hold no company, in whatever letters, and no key or token", () => {
    const files = [topology.platformFolder, ...parties.map((name) => topology.folder(name))].flatMap((folder) => walk(join(folder, "audit"))).filter((f) => !f.isFolder);
    assert.isAtLeast(files.length, 4);
    for (const f of files) assert.equal(f.mode, 0o600, f.path);
    const text = files.map((f) => readFileSync(f.path, "utf8")).join("\n");
    assert.isAbove(text.length, 40_000);
    const upper = text.toUpperCase();
    for (let i = 0; i < 3400; i++) assert.isFalse(upper.includes(usccOf(i)), usccOf(i));
    const secrets = [topology.apiKey, ...topology.tokens].flatMap((token) => [token, ...token.split(".").filter((part) => part.length >= 40)]);
    for (const secret of secrets) assert.notInclude(text, secret);
    assert.notMatch(text, /PRIVATE KEY|Bearer|127\.0\.0\.1/);
  });

  it("are given to a supervisor over the network, as a file that verifies, and to nobody without that key", async () => {
    const file = join(topology.work, "ana.key");
    const { id } = await json<{ id: string }>(["platform", "supervisors", "add", "ana", "--data", topology.platformFolder, "--out", file], topology.work);
    const reach = ["--url", topology.apiUrl, "--ca", ca()];
    const out = join(topology.work, "by-ana.ndjson");
    const noKey = ["audit", "export", ...reach, "--out", out];
    delete process.env["YUNEI_KEY"];
    await fails(noKey, topology.work, "CLI_ARGUMENT");
    process.env["YUNEI_KEY"] = topology.apiKey;
    await fails(noKey, topology.work, "AUTH_INVALID");
    process.env["YUNEI_KEY"] = readFileSync(file, "utf8").trim();
    try {
      assert.deepInclude(await json<Verified>(noKey, topology.work), { ok: true, isSignerKnown: true });
      await json(["audit", "alerts", ...reach], topology.work);
      await fails(["audit", "alerts", ...reach, "--acknowledge", `alert_${"0".repeat(24)}`], topology.work, "ALERT_UNKNOWN");
    } finally {
      delete process.env["YUNEI_KEY"];
    }
    await json<Verified>(["audit", "verify", out, "--ca", ca(), "--earlier", exports()[0] ?? ""], topology.work);
    await succeeds(["audit", "verify", join(topology.platformFolder, "audit"), "--ca", ca(), "--earlier", out], topology.work);
    const made = readFileSync(out, "utf8").split("\n").flatMap((line) => readLine(line) ?? []).filter((e) => e.facts?.["command"] === "add-person");
    assert.deepEqual(made.map((e) => [e.outcome, e.objects?.credential]), [["begun", undefined], ["ok", id]]);
  });

  it("have alerts that a person acknowledges", async () => {
    const { alerts } = await json<{ alerts: { id: string }[] }>(["enclave", "alerts", topology.folder("tax")], topology.work);
    for (const { id } of alerts) assert.match(id, /^alert_/);
    await fails(["enclave", "alerts", topology.folder("tax"), "--acknowledge", `alert_${"0".repeat(24)}`], topology.work, "ALERT_UNKNOWN");
    await json(["audit", "alerts", "--data", topology.platformFolder], topology.work);
  });
});
