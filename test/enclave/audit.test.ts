// What an enclave writes down: charges of budgets within their transaction, companies as hashes, changed files, and no frame that leaves
// before the entries that it rests on.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { eventSchema, type AuditEvent } from "../../audit/entry.ts";
import { Noticed } from "../../audit/noticed.ts";
import type { Audit } from "../../audit/trail.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { signHead, type SignedHead } from "../../audit/head.ts";
import { HeadExchange } from "../../enclave/audit/heads.ts";
import { Sent } from "../../enclave/audit/sent.ts";
import { enclaveEndpoints } from "../../api/contract.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { signerOf, type TestSigner } from "../audit/support.ts";
import { JobAudit } from "../../enclave/audit/job-audit.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { bank, job, planOf, tax, temporaryFolder } from "../support/enclave.ts";

/** Keeps events; every one must fit the form of an entry. */
class KeptAudit implements Audit {
  readonly events: AuditEvent[] = [];
  isStopped = false;
  note(event: AuditEvent): void {
    if (this.isStopped) throw new AppError("AUDIT_STOPPED");
    eventSchema.parse(event);
    this.events.push(event);
  }
  record(event: AuditEvent): Promise<void> {
    return Promise.resolve().then(() => this.note(event));
  }
  settled(): Promise<void> {
    return this.isStopped ? Promise.reject(new AppError("AUDIT_STOPPED")) : Promise.resolve();
  }
  sum(event: AuditEvent): void {
    this.note(event);
  }
  check(): void {
    if (this.isStopped) throw new AppError("AUDIT_STOPPED");
  }
  company(code: string): string {
    return sha256Hex(`test ${code}`).slice(0, 32);
  }
}

describe("the audit of an enclave", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let kept: KeptAudit;
  let audit: JobAudit;
  beforeEach(() => {
    folder = temporaryFolder();
    db = new StateDatabase(join(folder.path, "state.db"));
    kept = new KeptAudit();
    audit = new JobAudit(kept, db, tax);
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  it("has each charge of a budget once, and each refused one, without what the scope says of sets", () => {
    const budgets = new Budgets(db, () => 0, new Uint8Array(32), (charge) => audit.charged(charge));
    const set = "c".repeat(64);
    const charge = (label: string, amount: number): void => budgets.charge({ scope: `queries|bank|filings|${set}`, job, label, amount, limit: 100, code: "BUDGET_EQUATIONS" });
    charge("binning", 60);
    charge("binning", 60);
    assert.throws(() => charge("moments", 50), /BUDGET_EQUATIONS/);
    charge("residual", 40);
    assert.deepEqual(kept.events.map((e) => [e.action, e.outcome ?? "ok", e.facts]), [
      ["budget.charged", "ok", { budget: "queries", label: "binning", amount: 60, used: 60, limit: 100 }],
      ["budget.refused", "BUDGET_EQUATIONS", { budget: "queries", label: "moments", amount: 50, used: 60, limit: 100 }],
      ["budget.charged", "ok", { budget: "queries", label: "residual", amount: 40, used: 100, limit: 100 }],
    ]);
    assert.deepEqual(kept.events[0]?.objects, { job, party: bank });
    assert.notInclude(JSON.stringify(kept.events), set);
  });

  it("undoes a charge that cannot be written down", () => {
    const budgets = new Budgets(db, () => 0, new Uint8Array(32), (charge) => audit.charged(charge));
    kept.isStopped = true;
    assert.throws(() => budgets.charge({ scope: "new-ids|bank|2026-01", job, label: "alignment", amount: 5, limit: 100, code: "BUDGET_NEW_IDS" }), /AUDIT_STOPPED/);
    assert.equal(budgets.used("new-ids|bank|2026-01"), 0);
  });

  it("has decisions with the rule and who took them, and no decision without an entry", async () => {
    const plan = planOf();
    await audit.approved(plan, { rule: 2, byPerson: false });
    await audit.refused(plan, { rule: undefined, byPerson: false }, "POLICY_KIND");
    await audit.refused(plan, { rule: 0, byPerson: true }, "POLICY_REFUSED");
    audit.asked(plan, 1);
    audit.asked(plan, 1);
    assert.deepEqual(kept.events.map((e) => [e.action, e.actor.role, e.outcome, e.facts?.["rule"]]), [
      ["plan.approved", "enclave", "ok", 2], ["plan.refused", "enclave", "POLICY_KIND", undefined], ["plan.refused", "operator", "POLICY_REFUSED", 0], ["plan.asked", "enclave", "ok", 1],
    ]);
    for (const event of kept.events) assert.deepEqual([event.objects?.job, event.objects?.plan, event.objects?.party], [plan.job, planDigest(plan), bank]);
    kept.isStopped = true;
    const error: unknown = await audit.approved(plan, { rule: 2, byPerson: false }).catch((e: unknown) => e);
    assert.match(String(error), /AUDIT_STOPPED/);
    await audit.endedBadly(plan, "JOB_CANCELLED", undefined);
    audit.stopped(plan.job, "JOB_CANCELLED");
  });

  it("has every company of a batch as a hash, in entries of bounded size, and consents by code", async () => {
    const companies = Array.from({ length: 401 }, (_, i) => `91350100${String(i).padStart(9, "0")}X`);
    audit.used(job, companies);
    assert.deepEqual(kept.events.map((e) => e.companies?.length), [150, 150, 101]);
    assert.deepEqual(kept.events.flatMap((e) => e.companies ?? []), companies.map((code) => kept.company(code)));
    assert.notInclude(JSON.stringify(kept.events), "91350100");
    kept.events.length = 0;
    audit.checkedConsents(job, new Map([["ok", 12], ["CONSENT_WITHDRAWN", 3]]));
    assert.deepEqual(kept.events.map((e) => [e.action, e.outcome, e.facts?.["times"]]), [["consents.checked", "ok", 12], ["consents.checked", "CONSENT_WITHDRAWN", 3]]);
    await audit.started(planOf());
    audit.checkedConsents(job, new Map([["CONSENT_MISSING", 1]]));
    assert.deepEqual(kept.events.at(-1)?.objects, { job, party: bank });
  });

  it("notices that a file is another one, once, also when it changed while nobody looked", async () => {
    const policy = join(folder.path, "policy.json");
    const open = (): Noticed => new Noticed(kept, join(folder.path, "noticed.json"), { policy });
    const changes = (): unknown[] => kept.events.map((e) => [e.objects?.before, e.objects?.after]);
    const none = "0".repeat(64);
    writeFileSync(policy, "one");
    const noticed = open();
    await noticed.look();
    await noticed.look();
    assert.deepEqual(changes(), [[none, sha256Hex("one")]]);
    writeFileSync(policy, "two");
    await open().look();
    rmSync(policy);
    const last = open();
    await last.look();
    await last.look();
    assert.deepEqual(changes(), [[none, sha256Hex("one")], [sha256Hex("one"), sha256Hex("two")], [sha256Hex("two"), none]]);
    writeFileSync(policy, "three");
    kept.isStopped = true;
    assert.match(String(await last.look().catch((e: unknown) => e)), /AUDIT_STOPPED/);
    kept.isStopped = false;
    await open().look();
    assert.deepEqual(changes().at(-1), [none, sha256Hex("three")]);
  });

  it("has what a company was shown, before it leaves, and why it was shown nothing, once", async () => {
    await audit.shown("91350100M000100Y43");
    for (let i = 0; i < 3; i++) audit.notShown("uses_1", "CONSENT_REGISTRAR");
    assert.deepEqual(kept.events.map((e) => [e.action, e.actor.role, e.outcome ?? "ok", e.company]), [
      ["company.shown", "subject", "ok", kept.company("91350100M000100Y43")], ["company.shown", "subject", "CONSENT_REGISTRAR", undefined],
    ]);
    kept.isStopped = true;
    assert.match(String(await audit.shown("91350100M000100Y43").catch((e: unknown) => e)), /AUDIT_STOPPED/);
    audit.notShown("uses_2", "CONSENT_REGISTRAR");
  });
});

describe("what an enclave asks of the platform", () => {
  const kept = new KeptAudit();
  const sent = new Sent(kept, systemRng);
  const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => "nothing", (e: unknown) => (isAppError(e) ? e.code : String(e)));

  it("is an entry before it leaves, with the id that goes with it, and another with how it ended", async () => {
    const asked = await sent.begin(enclaveEndpoints.approve, { params: { id: job }, json: { jws: "a.b.c" } });
    assert.match(asked?.id ?? "", /^[0-9a-f]{24}$/);
    asked?.ended("JOB_ENDED");
    assert.deepEqual(kept.events.map((e) => [e.action, e.route, e.request, e.objects?.job, e.outcome]), [
      ["request.sent", "POST /enclave/v1/jobs/:id/approval", asked?.id, job, "begun"], ["request.sent", "POST /enclave/v1/jobs/:id/approval", asked?.id, job, "JOB_ENDED"],
    ]);
    const again = await sent.begin(enclaveEndpoints.putDataset, { json: {} });
    assert.notEqual(again?.id, asked?.id);
    assert.isUndefined(kept.events.at(-1)?.objects);
    for (const e of [enclaveEndpoints.putRelay, enclaveEndpoints.getRelay, enclaveEndpoints.followJobs, enclaveEndpoints.reportEvents]) assert.isUndefined(await sent.begin(e, {}), e.path);
    assert.lengthOf(kept.events, 3);
  });

  it("waits while it cannot be written down, except for saying no", async () => {
    kept.isStopped = true;
    for (const [endpoint, json] of [[enclaveEndpoints.approve, {}], [enclaveEndpoints.reportState, { state: "done" }], [enclaveEndpoints.putResult, undefined]] as const) {
      assert.equal(await codeOf(sent.begin(endpoint, { params: { id: job }, json })), "JOB_PLATFORM_UNREACHABLE");
    }
    for (const [endpoint, json] of [[enclaveEndpoints.refuse, {}], [enclaveEndpoints.reportState, { state: "failed", code: "JOB_INTERNAL" }]] as const) {
      (await sent.begin(endpoint, { params: { id: job }, json }))?.ended("ok");
    }
  });
});

describe("the exchange of heads", () => {
  it("keeps the platform's head, refuses one that is not its own, and goes on when the platform is away", async () => {
    const [mine, platform, other] = await Promise.all(["tax", "platform", "platform"].map((name) => signerOf(name)));
    assert.isDefined(mine);
    assert.isDefined(platform);
    assert.isDefined(other);
    const headOf = (domain: string, signer: TestSigner): SignedHead => signHead({ domain, size: 7, digest: "cd".repeat(32), at: new Date().toISOString() }, signer);
    const kept = Object.assign(new KeptAudit(), { head: () => headOf("tax", mine) });
    const shown: SignedHead[] = [];
    const replies: (() => SignedHead)[] = [() => headOf("platform", platform), () => headOf("platform", other), () => { throw new AppError("JOB_PLATFORM_UNREACHABLE"); }, () => headOf("tax", mine)];
    const stop = new AbortController();
    const exchange = new HeadExchange({
      audit: kept, ca: platform.ca, env: { log: silentLog }, everyMs: 86_400_000,
      platform: {
        exchangeHeads: (head) => Promise.resolve().then(() => {
          shown.push(head);
          const reply = replies.shift();
          if (replies.length === 0) stop.abort();
          return reply?.() ?? assert.fail("too many");
        }),
      },
    });
    const served = exchange.serve(stop.signal);
    while (!stop.signal.aborted) {
      exchange.soon();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await served;
    assert.deepEqual(shown.map(({ domain }) => domain), ["tax", "tax", "tax", "tax"]);
    assert.deepEqual(kept.events.map((e) => [e.action, e.outcome ?? "ok", e.objects?.party, e.facts?.["size"]]), [
      ["head.taken", "ok", "platform", 7], ["head.refused", "AUDIT_HEAD", "platform", 7], ["head.refused", "AUDIT_HEAD", "platform", 7],
    ]);
  });
});
