// Evaluation runs at the platform: by hand and by the clock, one after the other, without a provider that does not come, over a restart; what it takes
// from an evaluating enclave, and from whom. The enclaves here only say yes, no or nothing.
import { createPublicKey } from "node:crypto";
import { CompactEncrypt } from "jose";
import { assert } from "chai";
import { after, before, beforeEach, describe, it } from "mocha";
import { runTermsSchema, type EvaluationReport, type RunView, type ScheduleView } from "../../api/contract/evaluations.ts";
import type { JobView } from "../../api/contract.ts";
import { chinaDay, nextDue } from "../../api/services/evaluations/interval.ts";
import { partyId } from "../../core/names.ts";
import type { Figures } from "../../evaluation/figures.ts";
import { addRun, addSubscription, changeRun, endSubscription } from "../../api/store/evaluations.ts";
import { mostPushes, publishedCards } from "../../federation/evaluate/params.ts";
import { assertCode, sha256, type Reply } from "../support/clients.ts";
import { newWorld, TestClock, type Bank, type Enclave, type World } from "../support/platform.ts";
import { eventually } from "../support/process.ts";

const hourMs = 3_600_000;
const at = (text: string): number => Date.parse(text);

describe("the next turn of evaluations", () => {
  const monthly = { kind: "months", every: 1, day: 5, hour: 2 } as const;
  it("by months is that day and hour in China, the first one that comes", () => {
    assert.equal(nextDue(monthly, at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z")), at("2026-01-04T18:00:00Z"));
    assert.equal(nextDue(monthly, at("2026-01-04T18:00:00Z"), at("2026-01-04T18:00:00Z")), at("2026-02-04T18:00:00Z"));
    assert.equal(nextDue(monthly, at("2026-01-04T18:00:01Z"), at("2026-01-04T18:00:01Z")), at("2026-02-04T18:00:00Z"));
    assert.equal(nextDue(monthly, at("2026-12-04T18:00:00Z"), at("2026-12-20T00:00:00Z")), at("2027-01-04T18:00:00Z"));
  });
  it("by quarters keeps its months, however many turns were missed", () => {
    const quarterly = { ...monthly, every: 3 };
    const [first, second] = [at("2026-02-04T18:00:00Z"), at("2026-05-04T18:00:00Z")];
    assert.equal(nextDue(quarterly, at("2026-01-20T00:00:00Z"), at("2026-01-20T00:00:00Z")), first);
    assert.equal(nextDue(quarterly, first, first), second);
    assert.equal(nextDue(quarterly, first, at("2026-12-31T00:00:00Z")), at("2027-02-04T18:00:00Z"));
  });
  it("by hours counts from the turn before", () => {
    const hours = { kind: "hours", every: 6 } as const;
    assert.equal(nextDue(hours, 0, 0), 6 * hourMs);
    assert.equal(nextDue(hours, 6 * hourMs, 20 * hourMs), 24 * hourMs);
    assert.equal(nextDue(hours, 6 * hourMs, 24 * hourMs), 30 * hourMs);
  });
  it("the day of a run is the day in China", () => {
    assert.equal(chinaDay(at("2026-01-31T16:00:00Z")), "2026-02-01");
    assert.equal(chinaDay(at("2026-01-31T15:59:59Z")), "2026-01-31");
  });
});

describe("evaluation runs at the platform", () => {
  let world: World;
  const clock = new TestClock();
  const hosts = ["tax", "power"];
  const terms = { hosts, approvalSeconds: 60, leastHosts: 1 };

  before(async () => {
    // Callbacks reach nobody here.
    world = await newWorld({ now: clock.now, webhooks: { resolve: async () => [] } });
  });
  after(() => world.platform[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const run of (await list()).filter((r) => r.state === "waiting" || r.state === "running")) await world.bank.client.post(`/v1/evaluations/${run.id}/cancel`);
    // Budgets of requests and of approvals of the tests before are over.
    clock.ms += hourMs;
  });

  const bank = (): Bank["client"] => world.bank.client;
  const list = async (): Promise<RunView[]> => ((await bank().get("/v1/evaluations?limit=100")).json() as { items: RunView[] }).items;
  const view = async (id: string): Promise<RunView> => ((await bank().get(`/v1/evaluations/${id}`)).json() as { run: RunView }).run;
  const jobOf = async (run: string, attempt = 1): Promise<JobView> => {
    const { job } = await eventually(`attempt ${attempt}`, async () => {
      const now = await view(run);
      return now.attempt === attempt && now.job !== null ? now : undefined;
    });
    return (await bank().get(`/v1/jobs/${job}`)).json() as JobView;
  };
  const ended = (run: string): Promise<RunView> => eventually("the end", async () => {
    const now = await view(run);
    return now.state === "done" || now.state === "failed" ? now : undefined;
  });
  const create = async (given: object = {}, key?: string): Promise<Reply> =>
    bank().post("/v1/evaluations", { basis: "open", terms, ...given }, key === undefined ? {} : { headers: { "idempotency-key": key } });
  const made = async (given: object = {}): Promise<string> => {
    const reply = await create(given);
    assert.equal(reply.status, 201, reply.bytes.toString());
    return (reply.json() as RunView).id;
  };
  const approve = async (job: string, ...parties: readonly Enclave[]): Promise<void> => {
    for (const party of parties) assert.equal((await party.client.post(`/enclave/v1/jobs/${job}/approval`, { jws: `aGVhZA.${Buffer.from(`${job}${party.identity.party}`).toString("base64url")}.c2ln` })).status, 200);
  };
  const finish = async (job: string, ...parties: readonly Enclave[]): Promise<void> => {
    for (const party of parties) await party.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" });
  };
  const figures = (change: Partial<Figures> = {}): Figures => ({
    card: { id: publishedCards.open.id, version: publishedCards.open.version, digest: publishedCards.open.digest }, basis: "open", asOf: chinaDay(clock.ms), absent: [], partial: false, away: [],
    provinceByGrade: null, sectorByGrade: null, provinceBySector: null, stability: null, ...change,
  });
  const put = (party: Enclave, report: EvaluationReport): Promise<Reply> => party.client.put("/enclave/v1/evaluations/figures", report);

  it("begin with a plan that all parties get, and end with the figures of the evaluating enclave", async () => {
    const id = await made();
    const job = await jobOf(id);
    assert.equal(job.kind, "evaluate");
    assert.equal(job.purpose, "credit-evaluation");
    const { plan } = (await bank().get(`/v1/jobs/${job.id}/plan`)).json() as { plan: { params: object } };
    assert.deepInclude(plan.params, { basis: "open", card: publishedCards.open.digest, asOf: chinaDay(clock.ms), away: [], whenAway: "go-on", pushes: [] });
    assertCode(await put(world.guest, { job: job.id, figures: figures() }), "JOB_NOT_RUNNING");
    await approve(job.id, world.guest, world.tax, world.power);
    assertCode(await put(world.tax, { job: job.id, figures: figures() }), "JOB_NOT_FOUND");
    assertCode(await put(world.guest, { job: job.id, figures: figures({ asOf: "2025-01-01" }) }), "RESULT_CONFLICT");
    assert.equal((await put(world.guest, { job: job.id, figures: figures() })).status, 200);
    assert.equal((await put(world.guest, { job: job.id, figures: figures() })).status, 200, "the same again");
    assertCode(await put(world.guest, { job: job.id, figures: figures({ partial: true }) }), "RESULT_CONFLICT");
    assert.equal(((await bank().get(`/v1/evaluations/${id}`)).json() as { figures: unknown }).figures, null, "not before the end");
    await finish(job.id, world.guest, world.tax, world.power);
    assert.deepInclude(await ended(id), { state: "done", partial: false, away: [] });
    assert.deepEqual(((await bank().get(`/v1/evaluations/${id}`)).json() as { figures: unknown }).figures, figures());
  });

  it("take no figure that was not suppressed and rounded", async () => {
    const job = await jobOf(await made());
    await approve(job.id, world.guest, world.tax, world.power);
    const table = (cells: (number | null)[][]) => ({ rows: [["33"]], columns: [["A"]], cells, rowTotals: [40], columnTotals: [40], total: 40, hidden: { primary: 0, complementary: 0 } });
    for (const cells of [[[7]], [[15]], [[41]], [[40, 0]]]) assertCode(await put(world.guest, { job: job.id, figures: figures({ provinceByGrade: table(cells) }) }), "REQUEST_INVALID");
    assert.equal((await put(world.guest, { job: job.id, figures: figures({ provinceByGrade: table([[40]]) }) })).status, 200);
  });

  it("go on without a provider that does not approve in time, by another job with masks of its own", async () => {
    const id = await made();
    const first = await jobOf(id);
    await approve(first.id, world.guest, world.tax);
    clock.ms += 61_000;
    const second = await jobOf(id, 2);
    assert.notEqual(second.id, first.id);
    assert.sameMembers(second.parties.map((p) => p.party as string), ["bank", "tax"]);
    assert.deepEqual((await view(id)).away, ["power"].map(partyId));
    assert.equal(((await bank().get(`/v1/jobs/${first.id}`)).json() as JobView).state, "cancelled", "it cannot come to life any more");
    const { plan } = (await bank().get(`/v1/jobs/${second.id}/plan`)).json() as { plan: { params: object } };
    assert.deepInclude(plan.params, { away: ["power"] });
  });

  it("go on without one that refuses or falls away in the middle, until too few are left", async () => {
    const id = await made();
    const first = await jobOf(id);
    await world.tax.client.post(`/enclave/v1/jobs/${first.id}/refusal`, { code: "POLICY_KIND" });
    const second = await jobOf(id, 2);
    await approve(second.id, world.guest, world.power);
    await world.guest.client.post(`/enclave/v1/jobs/${second.id}/state`, { state: "failed", code: "JOB_PEER_TIMEOUT", party: "power" });
    assert.deepInclude((await ended(id)).failure, { code: "EVALUATION_PROVIDERS" });
  });

  it("end with the cause where another job would not help, or the terms do not go on", async () => {
    const broken = await made();
    const job = await jobOf(broken);
    await approve(job.id, world.guest, world.tax, world.power);
    await world.guest.client.post(`/enclave/v1/jobs/${job.id}/state`, { state: "failed", code: "EVALUATION_PART", party: "tax" });
    assert.deepEqual((await ended(broken)).failure as object, { code: "EVALUATION_PART", party: "tax" });
    const strict = await made({ terms: { ...terms, whenAway: "fail" } });
    const other = await jobOf(strict);
    await world.power.client.post(`/enclave/v1/jobs/${other.id}/refusal`, { code: "POLICY_KIND" });
    assert.deepEqual((await ended(strict)).failure as object, { code: "JOB_REFUSED", party: "power" });
    const silent = await made();
    const quiet = await jobOf(silent);
    await approve(quiet.id, world.guest, world.tax, world.power);
    await finish(quiet.id, world.guest, world.tax, world.power);
    assert.equal((await ended(silent)).failure?.code, "RESULT_NOT_READY", "done without figures");
    const unknown = await made({ terms: { hosts: ["nobody"], leastHosts: 1 } });
    assert.equal((await ended(unknown)).failure?.code, "EVALUATION_PROVIDERS");
  });

  it("are one at a time on a basis, repeatable by their key, and never submitted past the run", async () => {
    const reply = await create({ asOf: "2026-01-01" }, "evaluation-1");
    const { id } = reply.json() as RunView;
    assertCode(await create(), "EVALUATION_BUSY");
    assert.equal(((await create({ asOf: "2026-01-01" }, "evaluation-1")).json() as RunView).id, id);
    assertCode(await create({ asOf: "2026-01-02" }, "evaluation-1"), "JOB_IDEMPOTENCY");
    assertCode(await create({ basis: "full", terms: { hosts: ["bank"], leastHosts: 1 } }), "JOB_PARTIES");
    const params = { basis: "open", card: publishedCards.open.digest, asOf: "2026-01-01" };
    assertCode(await bank().post("/v1/jobs", { kind: "evaluate", guest: "bank", hosts, purpose: "credit-evaluation", params }), "JOB_PARAMS");
    // The one on the other basis waits until this one has ended.
    clock.ms += 1;
    const full = await made({ basis: "full" });
    await jobOf(id);
    assert.equal((await view(full)).state, "waiting");
    await bank().post(`/v1/evaluations/${id}/cancel`);
    assert.equal((await view(id)).failure?.code, "JOB_CANCELLED");
    await jobOf(full);
  });

  it("go on beside another institution's run that cannot be read", async () => {
    const { db } = (world.platform.running ?? assert.fail()).platform;
    const broken = await jobOf(await made());
    const id = `eval_${"0".repeat(24)}`;
    const asOf = chinaDay(clock.ms);
    await db.write(async (tx) => {
      await addRun(tx, { id, institution: "inst_elsewhere", guest: partyId("bank"), cause: "hand", basis: "open", asOf, terms: runTermsSchema.parse(terms), full: null, idempotencyKey: null, createdAt: new Date(0) });
      await changeRun(tx, { id, attempt: 1 }, { state: "running", job: broken.id }, new Date(clock.ms));
      await tx.job.update({ where: { id: broken.id }, data: { guest: "?" } });
    });
    try {
      for (const run of (await list()).filter((r) => r.state === "running" && r.id !== id)) await db.write((tx) => changeRun(tx, run, { state: "failed" }, new Date(clock.ms)));
      await jobOf(await made());
    } finally {
      await db.write(async (tx) => {
        await tx.job.update({ where: { id: broken.id }, data: { guest: "bank" } });
        await changeRun(tx, { id, attempt: 1 }, { state: "failed" }, new Date(clock.ms));
      });
    }
  });

  it("are not shown to others before they are published", async () => {
    await world.platform.enrol("other");
    const other = await world.platform.addBank("other");
    const id = await made();
    assertCode(await other.client.get(`/v1/evaluations/${id}`), "EVALUATION_NOT_FOUND");
    assertCode(await other.client.post(`/v1/evaluations/${id}/cancel`), "EVALUATION_NOT_FOUND");
    assert.notInclude((await other.client.get("/v1/evaluations")).bytes.toString(), id);
  });

  it("go on after a restart of the platform where they were", async () => {
    const id = await made();
    const job = await jobOf(id);
    await world.platform.stop();
    await world.platform.launch();
    assert.equal((await jobOf(id)).id, job.id);
    await approve(job.id, world.guest, world.tax, world.power);
    await put(world.guest, { job: job.id, figures: figures() });
    await finish(job.id, world.guest, world.tax, world.power);
    assert.equal((await ended(id)).state, "done");
  });

  describe("pushes", () => {
    const sealed = (text: string): Promise<string> => new CompactEncrypt(Buffer.from(text)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
      .encrypt(createPublicKey({ key: { ...world.bank.sealTo }, format: "jwk" }));
    const push = (party: Enclave, job: string, to: string, raw: string): Promise<Reply> => party.client.call("PUT", `/enclave/v1/evaluations/${job}/pushes/${to}`, { raw, headers: { "content-type": "application/jose" } });

    it("go to whom the plan names, sealed, once, and are handed out after the end", async () => {
      const subscribed = await bank().post("/v1/evaluation-subscriptions", { name: "all", purpose: "credit-evaluation" });
      assert.equal(subscribed.status, 201);
      const { webhook: hook } = (await bank().post("/v1/webhooks", { url: "https://hooks.bank.example/yunei", events: ["evaluation.push"] })).json() as { webhook: { id: string } };
      const id = await made();
      const job = await jobOf(id);
      const { plan } = (await bank().get(`/v1/jobs/${job.id}/plan`)).json() as { plan: { params: { pushes: object[] } } };
      assert.deepEqual(plan.params.pushes, [{ institution: "bank", name: "all", purpose: "credit-evaluation", provinces: "all", sectors: "all", grades: "all", sealTo: world.bank.sealTo.x }]);
      await approve(job.id, world.guest, world.tax, world.power);
      const jwe = await sealed("rows");
      assertCode(await push(world.tax, job.id, "bank/credit-evaluation/0", jwe), "JOB_NOT_FOUND");
      assertCode(await push(world.guest, job.id, "other/credit-evaluation/0", jwe), "RESULT_WRONG_PARTY");
      assertCode(await push(world.guest, job.id, "bank/loan-approval/0", jwe), "RESULT_WRONG_PARTY");
      assertCode(await push(world.guest, job.id, "bank/credit-evaluation/0", "uscc,score"), "RESULT_NOT_SEALED");
      assert.deepEqual((await push(world.guest, job.id, "bank/credit-evaluation/0", jwe)).json(), { digest: sha256(jwe) });
      assert.equal((await push(world.guest, job.id, "bank/credit-evaluation/0", jwe)).status, 200);
      assertCode(await push(world.guest, job.id, "bank/credit-evaluation/0", await sealed("others")), "RESULT_CONFLICT");
      const listed = async (): Promise<unknown[]> => ((await bank().get(`/v1/evaluation-pushes?run=${id}`)).json() as { items: unknown[] }).items;
      assert.deepEqual(await listed(), [], "not before the run has ended well");
      assertCode(await bank().get(`/v1/evaluation-pushes/${id}/credit-evaluation/0`), "EVALUATION_NOT_FOUND");
      await put(world.guest, { job: job.id, figures: figures() });
      await finish(job.id, world.guest, world.tax, world.power);
      await ended(id);
      assert.lengthOf(await listed(), 1);
      const { items } = (await bank().get(`/v1/webhooks/${hook.id}/deliveries`)).json() as { items: { id: string; type: string }[] };
      assert.deepEqual(items.map((d) => d.type), ["evaluation.push"]);
      assert.include((await bank().get(`/v1/webhooks/${hook.id}/deliveries/${items[0]?.id}`)).bytes.toString(), id);
      assert.equal((await bank().get(`/v1/evaluation-pushes/${id}/credit-evaluation/0`)).bytes.toString(), jwe);
      clock.ms += 93 * 24 * hourMs;
      await eventually("deleted after a quarter", async () => (await listed()).length === 0);
      assertCode(await bank().get(`/v1/evaluation-pushes/${id}/credit-evaluation/0`), "EVALUATION_NOT_FOUND");
    });

    it("are no more than a run takes: another subscription is refused, none is left out without a word", async () => {
      const { db } = (world.platform.running ?? assert.fail()).platform;
      const idOf = (i: number): string => `esub_${i.toString(16).padStart(24, "0")}`;
      const filters = { purpose: "credit-evaluation", provinces: "all", sectors: "all", grades: "all" } as const;
      await db.write(async (tx) => {
        for (let i = 0; i < mostPushes; i++) await addSubscription(tx, { id: idOf(i), institution: "inst_elsewhere", name: `s${i}`, ...filters }, new Date(clock.ms));
      });
      try {
        assertCode(await bank().post("/v1/evaluation-subscriptions", { name: "one-more", purpose: "credit-evaluation" }), "SUBSCRIPTION_LIMIT");
      } finally {
        await db.write(async (tx) => {
          for (let i = 0; i < mostPushes; i++) await endSubscription(tx, idOf(i), "inst_elsewhere", new Date(clock.ms));
        });
      }
    });

    it("show consents that name the subscribers to nobody but the evaluating enclave of a run on the basis full", async () => {
      const open = await jobOf(await made());
      await approve(open.id, world.guest, world.tax, world.power);
      assert.deepEqual((await world.guest.client.get(`/enclave/v1/evaluations/${open.id}/consents?after=0`)).json(), { next: 0, consents: [] });
      assertCode(await world.tax.client.get(`/enclave/v1/evaluations/${open.id}/consents?after=0`), "JOB_NOT_FOUND");
    });
  });

  describe("by the clock", () => {
    const schedule = async (body: object): Promise<ScheduleView> => {
      const reply = await bank().put("/v1/evaluation-schedule", body);
      assert.equal(reply.status, 200, reply.bytes.toString());
      return reply.json() as ScheduleView;
    };
    const planned = async (): Promise<RunView[]> => (await list()).filter((r) => r.cause === "schedule");
    after(() => bank().post("/v1/evaluation-schedule/pause", { paused: true }));

    it("come round by round: what was missed is made up for once, no two at a time, over a restart", async () => {
      assertCode(await bank().get("/v1/evaluation-schedule"), "EVALUATION_SCHEDULE");
      const set = await schedule({ bases: ["open", "full"], terms, interval: { kind: "hours", every: 6 } });
      assert.equal(set.nextDueAt, new Date(clock.ms + 6 * hourMs).toISOString());
      // The platform is down for three turns.
      await world.platform.stop();
      clock.ms += 20 * hourMs;
      await world.platform.launch();
      const [first, second, ...more] = await eventually("a round", async () => {
        const runs = await planned();
        return runs.length > 0 ? runs : undefined;
      });
      assert.lengthOf(more, 0, "one round for three turns");
      assert.sameMembers([first?.basis, second?.basis], ["open", "full"]);
      const [full, open] = [first, second].toSorted((a) => (a?.basis === "full" ? -1 : 1)) as [RunView, RunView];
      const job = await jobOf(full.id);
      assert.equal((await view(open.id)).state, "waiting", "those that authorised it come first");
      // The next turn comes while this round runs.
      clock.ms += 6 * hourMs;
      await approve(job.id, world.guest, world.tax, world.power);
      assert.lengthOf(await planned(), 2);
      await put(world.guest, { job: job.id, figures: figures({ basis: "full", asOf: full.asOf }) });
      await finish(job.id, world.guest, world.tax, world.power);
      assert.equal((await ended(full.id)).state, "done");
      const next = await jobOf(open.id);
      const { plan } = (await bank().get(`/v1/jobs/${next.id}/plan`)).json() as { plan: { params: object } };
      assert.deepInclude(plan.params, { full: job.id }, "who was told of in that run is not told again");
      await bank().post(`/v1/evaluations/${open.id}/cancel`);
      await eventually("the round that had to wait", async () => (await planned()).length === 4);
      assert.isAbove(at(((await bank().get("/v1/evaluation-schedule")).json() as ScheduleView).nextDueAt), clock.ms);
    });

    it("rest while paused, and then wait for the next turn", async () => {
      const paused = (await bank().post("/v1/evaluation-schedule/pause", { paused: true })).json() as ScheduleView;
      assert.equal(paused.state, "paused");
      for (const run of await planned()) await bank().post(`/v1/evaluations/${run.id}/cancel`);
      clock.ms += 13 * hourMs;
      const rounds = (await planned()).length;
      const again = (await bank().post("/v1/evaluation-schedule/pause", { paused: false })).json() as ScheduleView;
      assert.isAbove(at(again.nextDueAt), clock.ms);
      const id = await made();
      await jobOf(id);
      assert.lengthOf(await planned(), rounds);
    });
  });
});
