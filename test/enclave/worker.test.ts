// The enclave worker against its platform: a relay that lies, answers that get lost, notices that are not what was approved.
import { createPublicKey } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { fingerprint } from "../../enclave/keys/identity.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { createEphemeralKey } from "../../enclave/channel/session.ts";
import { signApproval } from "../../enclave/job/approval.ts";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import { bank, power, tax } from "../support/enclave.ts";
import type { Frame } from "../support/exchange.ts";
import { eventually } from "../support/process.ts";
import { parties, Stock, Workers } from "../support/workers.ts";

const first = "job_000000000000000a" as JobId;
const second = "job_000000000000000b" as JobId;
const unreachable = (): never => {
  throw new AppError("JOB_PLATFORM_UNREACHABLE");
};

describe("enclave workers", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const models = (party: PartyId): unknown[] => workers.rows(party, "select kind, model from models").map((r) => r["kind"]);

  it("do a job although the relay first shows them something else in place of every kind of message", async () => {
    const { exchange } = workers;
    const shown = new Map<string, number>();
    const earlier: Uint8Array[] = [];
    const damage: ((sealed: Uint8Array, frame: Frame) => Uint8Array)[] = [
      (s) => s.subarray(0, s.length >> 1), (s) => s.with(s.length - 100, (s[s.length - 100] ?? 0) ^ 4), () => new Uint8Array(0),
      (s) => new Uint8Array(Buffer.concat([s, s])), (s) => earlier[0] ?? s.subarray(1), (s, { job, from, to, seq }) => exchange.frames(job, from, to)[seq + 1] ?? s.subarray(1),
      (s, { job, to, from }) => exchange.frames(job, to, from)[0] ?? s.subarray(1), () => new Uint8Array(10 * 1024 * 1024),
    ];
    exchange.pulled = (frame, sealed) => {
      const key = JSON.stringify(frame);
      const times = shown.get(key) ?? 0;
      shown.set(key, times + 1);
      earlier.push(sealed);
      // One frame in two, and one of these twice in a row: every kind of message has at least one.
      const wanted = frame.seq % 2 === 0 ? (frame.seq % 6 === 0 ? 2 : 1) : 0;
      const change = damage[(frame.seq + times) % damage.length];
      return times < wanted && change !== undefined ? change(sealed, frame) : sealed;
    };
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.until(first, "done");
    const codes = new Set(parties.flatMap((p) => workers.rows(p, "select code from refusals").map((r) => r["code"])));
    assert.includeMembers([...codes], ["PROTOCOL_MALFORMED", "PROTOCOL_BAD_SEAL", "PROTOCOL_WRONG_PARTY", "PROTOCOL_OVERSIZED"]);
    assert.sameMembers([...exchange.results.keys()], [`${first}/model`, `${first}/scores`, `${first}/report`]);
    const types = new Set(parties.flatMap((p) => workers.rows(p, "select distinct type from inbox").map((r) => String(r["type"]))));
    const plan = jobPlanSchema.parse(JSON.parse(String(workers.rows(bank, "select plan from jobs")[0]?.["plan"])));
    assert.sameMembers([...types], [...new Set(plan.leakage.map((l) => l.type))], "every kind of message of its statement took part");
    for (const party of parties) {
      await workers.untilAt(party, first, "done");
      const { inbox } = enclavePaths(workers.folder(party));
      await eventually("its frames are gone", () => !existsSync(join(inbox, first)));
    }
    assert.deepEqual([models(bank), models(tax), models(power)], [["scorecard-guest"], ["scorecard-host"], ["scorecard-host"]]);
  });

  it("finish what they were killed in at the very end, even when the job is over without them", async () => {
    const { exchange } = workers;
    let lost = false;
    // Its last message arrives, the answer does not; then the machine is off until all others are done.
    exchange.before = (call, party, frame) => {
      if (lost && party === tax && call !== "jobs" && call !== "report") unreachable();
      if (call === "put" && party === tax && frame?.to === bank && (exchange.notice(first).state !== "running")) unreachable();
    };
    exchange.stored = ({ from, to, seq }) => {
      const done = workers.rows(tax, "select count(*) as n from ledger where type = 'finish/receipt' and peer = 'bank'")[0]?.["n"];
      if (from !== tax || to !== bank || done !== 1 || seq !== exchange.frames(first, tax, bank).length - 1) return;
      lost = true;
      unreachable();
    };
    exchange.submit(workers.plan(first));
    workers.startAll();
    await eventually("the guest is done", () => exchange.said.some((s) => s.party === bank && s.end.state === "done"));
    await workers.stop(tax);
    assert.isTrue(lost);
    assert.isEmpty(models(tax));
    exchange.before = () => {};
    exchange.stored = () => {};
    // What the platform says some time after the guest is done.
    exchange.tell(first, { state: "done" });
    workers.start(tax);
    await workers.untilAt(tax, first, "done");
    assert.deepEqual(models(tax), ["scorecard-host"]);
  });

  it("say again how a job ended when they were killed before they could say it", async () => {
    const { exchange } = workers;
    workers.setPolicy(tax, { allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto", maxSetSize: 10 }] });
    exchange.before = (call, party) => {
      if (call === "finish" && party === tax) unreachable();
    };
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.untilAt(tax, first, "failed");
    await workers.stop(tax);
    assert.equal(exchange.notice(first).state, "running");
    exchange.before = () => {};
    workers.start(tax);
    await workers.until(first, "failed");
    assert.deepEqual(exchange.said.map((s) => [s.party, s.end]), [[tax, { state: "failed", code: "BUDGET_SET_SIZE" }]]);
    for (const party of [bank, power]) await workers.untilAt(party, first, "failed");
  });

  it("end a job with its code when the platform takes no more of it, and stop all of its exchanges", async () => {
    const { exchange } = workers;
    let puts = 0;
    exchange.before = (call, party, frame) => {
      if (call !== "put" || party !== bank || frame?.to !== power) return;
      if (++puts >= 2) throw new AppError("RELAY_QUOTA");
    };
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.until(first, "failed");
    assert.deepEqual(exchange.notice(first).failure?.code, "RELAY_QUOTA");
    for (const party of parties) await workers.untilAt(party, first, "failed");
    const sent = exchange.frames(first, bank, tax).length;
    assert.isEmpty(workers.rows(bank, "select 1 from jobs where secrets is not null"));
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.lengthOf(exchange.frames(first, bank, tax), sent);
  });

  it("do not follow a platform that names one job and shows another, or another plan for a job that they know", async () => {
    const { exchange } = workers;
    const plan = workers.plan(first);
    exchange.submit(plan);
    exchange.tell(first, { id: second });
    workers.start(tax);
    await eventually("refused", () => workers.logs.some((l) => l.includes("job-not-handled") && l.includes("PROTOCOL_MALFORMED")));
    assert.isUndefined(exchange.notice(first).approvals[tax]);
    exchange.tell(first, { id: first });
    await eventually("approved", () => exchange.notice(first).approvals[tax] !== undefined);
    const other = workers.plan(first, { purpose: "loan-approval" });
    exchange.tell(first, { plan: JSON.stringify(other), planDigest: planDigest(other), state: "running" });
    await eventually("refused", () => workers.logs.some((l) => l.includes("job-not-handled") && l.includes("APPROVAL_INVALID")));
    exchange.tell(first, { plan: "{", planDigest: planDigest(plan) });
    await eventually("refused", () => workers.logs.filter((l) => l.includes("PROTOCOL_MALFORMED")).length >= 2);
    assert.isEmpty(exchange.said);
  });

  it("do not start on approvals that a party did not sign, or that name another channel key for themselves", async () => {
    const { exchange } = workers;
    const plan = workers.plan(first);
    exchange.submit(plan);
    workers.startAll();
    exchange.pulled = () => new Uint8Array(0);
    await eventually("all approvals", () => Object.keys(exchange.notice(first).approvals).length === 3);
    await Promise.all(parties.map((p) => workers.stop(p)));
    workers.snapshot(tax);
    const good = exchange.notice(first).approvals;
    const forge = (party: PartyId, by: PartyId): Promise<string> => signApproval({
      job: first, party, planDigest: planDigest(plan), snapshotDigest: stock.summaryOf(party).snapshotDigest, channelKey: createEphemeralKey().publicX, at: new Date().toISOString(),
    }, workers.identities.get(by)?.signKey ?? assert.fail());
    for (const [approvals, code, party] of [
      [{ ...good, power: await forge(power, bank) }, "APPROVAL_INVALID", power],
      [{ bank: good["bank"] ?? "", tax: good["tax"] ?? "" }, "APPROVAL_INVALID", power],
      [{ ...good, tax: await forge(tax, tax) }, "ENCLAVE_KEYS", tax],
    ] as const) {
      exchange.tell(first, { state: "running", failure: null, approvals });
      workers.start(tax);
      await workers.until(first, "failed");
      assert.deepEqual([exchange.notice(first).failure?.code, exchange.notice(first).failure?.party], [code, party]);
      await workers.stop(tax);
      workers.restore(tax);
    }
  });

  it("do not take a peer whose key is not the pinned one", async () => {
    const { exchange } = workers;
    const pinned = { bank: fingerprint(createPublicKey(workers.identities.get(power)?.signKey ?? assert.fail())) };
    workers.setPolicy(tax, { pinned, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto" }] });
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.until(first, "failed");
    assert.deepEqual([exchange.notice(first).failure?.code, exchange.notice(first).failure?.party], ["POLICY_UNPINNED_PEER", bank]);
  });

  it("refuse a plan whose time is over, and a job whose policy was taken back after the approval", async () => {
    const { exchange } = workers;
    exchange.submit(workers.plan(first, {}, { expiresAt: new Date(Date.now() - 1000).toISOString() }));
    workers.start(tax);
    await workers.until(first, "failed");
    assert.deepEqual([exchange.notice(first).failure?.code, workers.stateAt(tax, first)], ["JOB_EXPIRED", "refused"]);
    exchange.submit(workers.plan(second));
    await eventually("approved", () => exchange.notice(second).approvals[tax] !== undefined);
    workers.setPolicy(tax, { allow: [] });
    exchange.tell(second, { state: "running" });
    await workers.until(second, "failed");
    assert.equal(exchange.notice(second).failure?.code, "POLICY_REFUSED");
  });

  it("stop with the platform's word when it shuts them out, and keep their jobs for the next start", async () => {
    const { exchange } = workers;
    exchange.submit(workers.plan(first));
    workers.startAll();
    await workers.until(first, "running");
    exchange.before = (call, party) => {
      if (party === tax && call === "jobs") throw new AppError("AUTH_SUSPENDED");
    };
    exchange.tell(first, {});
    const failure = await workers.failure(tax);
    assert.instanceOf(failure, AppError);
    assert.equal(failure.code, "AUTH_SUSPENDED");
    assert.equal(workers.stateAt(tax, first), "approved");
    await workers.stop(tax);
    exchange.before = () => {};
    workers.start(tax);
    await workers.until(first, "done");
  });

  it("remove frames that an ended job left behind when they start", async () => {
    const { exchange } = workers;
    exchange.submit(workers.plan(first));
    workers.setPolicy(tax, { allow: [] });
    workers.start(tax);
    await workers.untilAt(tax, first, "refused");
    await workers.stop(tax);
    const folder = join(enclavePaths(workers.folder(tax)).inbox, first);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "bank-0.frame"), "left behind");
    workers.start(tax);
    await eventually("removed", () => !existsSync(folder));
  });
});
