// Jobs that do not end well end with a code and a reason, everywhere, and the next job works.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { enclavePaths } from "../../enclave/config.ts";
import { writeDurably } from "../../core/files.ts";
import { eventually } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

const parties = ["bank", "tax", "power"] as const;

describe("a job that cannot go on", () => {
  let topology: Topology;
  before(async () => {
    topology = await Topology.start({ tables: smallTables() });
  });
  after(() => topology[Symbol.asyncDispose]());

  const stateAt = (name: (typeof parties)[number], job: string): unknown[] => {
    const [row] = topology.rows(name, "select state, code from jobs where job = ?", job);
    return [row?.["state"], row?.["code"]];
  };

  it("waits for a host that leaves it to a person, until that person answers", async () => {
    topology.setPolicy("tax", (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, approve: "manual" })) }));
    const job = await topology.submit();
    const view = await eventually("two approvals", async () => {
      const now = await topology.view(job);
      return now?.parties.filter((p) => p.approved).length === 2 ? now : undefined;
    });
    assert.equal(view.state, "awaiting-approval");
    assert.deepEqual(view.parties.filter((p) => !p.approved).map((p) => p.party), ["tax"]);
    await topology.api.cancel(job);
    assert.equal((await topology.until(job, "cancelled")).failure, null);
    for (const name of parties) await eventually(`${name} knows`, () => stateAt(name, job)[0] === "cancelled");

    const next = await topology.submit();
    await eventually("seen by tax", () => stateAt("tax", next)[0] === "seen");
    topology.cli(["enclave", "approve", next, "--dir", topology.folder("tax")]);
    await topology.until(next, "done");
    topology.setPolicy("tax", (policy) => ({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, approve: "auto" })) }));
  });

  it("is cancelled in the middle at every party, and its secrets are gone from the state files", async () => {
    const job = await topology.submit();
    await topology.relayed(job, 12);
    const sealed = parties.map((name) => topology.rows(name, "select secrets from jobs where job = ?", job)[0]?.["secrets"] as Uint8Array);
    for (const [i, name] of parties.entries()) assert.isTrue(stateFiles(topology.folder(name)).some((f) => f.includes(Buffer.from(sealed[i] ?? []))), "the search finds them while the job runs");
    await topology.api.cancel(job);
    await topology.until(job, "cancelled");
    for (const [i, name] of parties.entries()) {
      await eventually(`${name} knows`, () => stateAt(name, job)[0] === "cancelled");
      assert.deepEqual(stateAt(name, job), ["cancelled", "JOB_CANCELLED"]);
      const key = Buffer.from(sealed[i] ?? []);
      assert.isAbove(key.length, 100);
      await eventually(`${name} holds the sealed secrets no more`, () => !stateFiles(topology.folder(name)).some((f) => f.includes(key)));
      await eventually(`${name} removed the frames`, () => !existsSync(join(enclavePaths(topology.folder(name)).inbox, job)));
    }
  });

  it("fails with the refusing party's name when a policy refuses, and never starts when a policy cannot be read", async () => {
    const readable = readFileSync(enclavePaths(topology.folder("power")).policy, "utf8");
    topology.setPolicy("power", (policy) => ({ ...policy, allow: [] }));
    const refused = await topology.submit();
    const view = await topology.until(refused, "failed");
    assert.deepEqual([view.failure?.code, view.failure?.party], ["JOB_REFUSED", "power"]);
    await eventually("power wrote it down", () => stateAt("power", refused)[0] === "refused");
    assert.deepEqual(stateAt("power", refused), ["refused", "POLICY_REFUSED"]);
    for (const name of ["bank", "tax"] as const) await eventually(`${name} knows`, () => stateAt(name, refused)[0] === "failed");

    writeDurably(enclavePaths(topology.folder("power")).policy, "{ allow: everything }");
    const unread = await topology.submit();
    assert.deepEqual((await topology.until(unread, "failed")).failure?.party, "power");
    await eventually("power wrote it down", () => stateAt("power", unread)[1] === "ENCLAVE_CONFIG");
    assert.isEmpty(topology.rows("power", "select 1 from jobs where job = ? and approval is not null", unread));
    writeDurably(enclavePaths(topology.folder("power")).policy, readable);
  });

  it("fails when a peer stays away for good, naming it", async () => {
    await topology.stop("bank");
    const path = enclavePaths(topology.folder("bank")).config;
    writeDurably(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), peerTimeoutSeconds: 5 }));
    await topology.launch("bank");
    const job = await topology.submit();
    await topology.relayed(job, 5);
    await topology.kill("power");
    const waits = await eventually("the bank says what it waits for", async () => {
      const now = await topology.view(job);
      return now?.state === "failed" || now?.parties.find((p) => p.party === "bank")?.status?.waitingFor?.peer === "power" ? now : undefined;
    });
    assert.equal(waits.state, "running");
    const view = await topology.until(job, "failed");
    assert.deepEqual([view.failure?.code, view.failure?.party], ["JOB_PEER_TIMEOUT", "power"]);
    await eventually("tax knows", () => stateAt("tax", job)[0] === "failed");
    await topology.launch("power");
    await eventually("power learns it when it is back", () => stateAt("power", job)[0] === "failed");
    for (const name of parties) assert.isEmpty(topology.rows(name, "select 1 from jobs where job = ? and secrets is not null", job));
  });

  it("leaves everybody able to work: the next job is done", async () => {
    const view = await topology.until(await topology.submit(), "done");
    assert.lengthOf(view.results, 3);
    const lines = topology.logs().split("\n");
    assert.deepEqual(lines.filter((line) => /JOB_INTERNAL|crashed|job-not-handled|job-not-ended/.test(line)), []);
  });
});

/** The state database with its log, as bytes. */
function stateFiles(folder: string): Buffer[] {
  const { state } = enclavePaths(folder);
  return [state, `${state}-wal`].filter((path) => existsSync(path)).map((path) => readFileSync(path));
}
