// Evaluation runs when something stands in their way: causes that pass, steps that come late, a killed platform; how much a run may push; what supervisors
// see; scorecards that institutions publish.
import { createPublicKey } from "node:crypto";
import { CompactEncrypt } from "jose";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { JobView } from "../../api/contract.ts";
import type { RunView } from "../../api/contract/evaluations.ts";
import type { ScorecardView } from "../../api/contract/scorecards.ts";
import type { Platform } from "../../api/platform.ts";
import { stepRuns } from "../../api/services/evaluations/runs.ts";
import { chinaDay } from "../../api/services/evaluations/interval.ts";
import { addPush, changeRun, deletePush, findRun, pushedBytes } from "../../api/store/evaluations.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { baselineScorecard, cardFor, parseLocalScorecard, scorecardDigest } from "../../evaluation/load.ts";
import type { Scorecard } from "../../evaluation/schema.ts";
import { publishedCards } from "../../federation/evaluate/params.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { newWorld, plainPlan, TestClock, type Enclave, type World } from "../support/platform.ts";
import { eventually } from "../support/process.ts";
import { person } from "../support/subjects.ts";

const terms = { hosts: ["tax", "power"], approvalSeconds: 60, leastHosts: 1 };
const pushLimit = 4000;

/** A province's own: fewer indicators, thresholds of its own. */
const localCard = (change: Partial<Scorecard> = {}): Scorecard => ({
  ...structuredClone(baselineScorecard), id: "zhejiang", version: "1.0.0", entries: baselineScorecard.entries.filter((e) => /^(rg|jd|ad)_/.test(e.indicator)),
  grades: baselineScorecard.grades.map((g) => (g.grade === "A" ? { ...g, from: 650 } : g)), ...change,
});

describe("the steps of evaluation runs", () => {
  let world: World;
  const clock = new TestClock();
  let broken: Code | undefined;
  let compiled = 0;

  before(async () => {
    world = await newWorld({
      now: clock.now, limits: { pushBytesPerRun: pushLimit }, webhooks: { resolve: async () => [] },
      compilePlan: (input) => {
        compiled++;
        if (broken !== undefined) throw new AppError(broken);
        return plainPlan(input);
      },
    });
  });
  after(() => world.platform[Symbol.asyncDispose]());
  beforeEach(() => {
    compiled = 0;
    clock.ms += 3_600_000;
  });
  afterEach(async () => {
    broken = undefined;
    for (const run of await list()) if (run.state === "waiting" || run.state === "running") await bank().post(`/v1/evaluations/${run.id}/cancel`);
  });

  const bank = (): Client => world.bank.client;
  const platform = (): Platform => (world.platform.running ?? assert.fail()).platform;
  const list = async (): Promise<RunView[]> => ((await bank().get("/v1/evaluations?limit=100")).json() as { items: RunView[] }).items;
  const view = async (id: string): Promise<RunView> => ((await bank().get(`/v1/evaluations/${id}`)).json() as { run: RunView }).run;
  const until = (id: string, what: string, is: (run: RunView) => boolean): Promise<RunView> => eventually(what, async () => {
    const now = await view(id);
    return is(now) ? now : undefined;
  });
  const made = async (given: object = {}): Promise<string> => {
    const reply = await bank().post("/v1/evaluations", { basis: "open", terms, ...given });
    assert.equal(reply.status, 201, reply.bytes.toString());
    return (reply.json() as RunView).id;
  };
  const approve = async (job: string | null, ...parties: readonly Enclave[]): Promise<void> => {
    for (const party of parties) {
      const jws = `aGVhZA.${Buffer.from(`${job}${party.identity.party}`).toString("base64url")}.c2ln`;
      assert.equal((await party.client.post(`/enclave/v1/jobs/${job}/approval`, { jws })).status, 200);
    }
  };
  const done = async (job: string | null): Promise<void> => {
    const figures = {
      card: { id: publishedCards.open.id, version: publishedCards.open.version, digest: publishedCards.open.digest }, basis: "open", asOf: chinaDay(clock.ms), absent: [], partial: false, away: [],
      provinceByGrade: null, sectorByGrade: null, provinceBySector: null, stability: null,
    };
    const put = await world.guest.client.put("/enclave/v1/evaluations/figures", { job, figures });
    assert.equal(put.status, 200, put.bytes.toString());
    for (const party of [world.guest, world.tax, world.power]) await party.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" });
  };

  it("wait longer and longer for a cause that passes, over a restart, and go on when it has passed", async () => {
    broken = "PLATFORM_STORAGE";
    const id = await made();
    const first = await until(id, "a first failure", (run) => run.retry !== null);
    assert.deepInclude(first, { state: "waiting", failure: null });
    assert.equal(first.retry?.code, "PLATFORM_STORAGE");
    const pause = Date.parse(first.retry?.at ?? "") - clock.ms;
    const tries = compiled;
    for (let i = 0; i < 3; i++) await stepRuns(platform());
    assert.equal(compiled, tries, "not before its time");
    await world.platform.stop();
    await world.platform.launch();
    assert.deepEqual((await view(id)).retry, first.retry, "a restart begins no new row of attempts");
    clock.ms += pause;
    const second = await until(id, "another failure", (run) => run.retry !== null && run.retry.at !== first.retry?.at);
    assert.isAbove(Date.parse(second.retry?.at ?? "") - clock.ms, pause);
    broken = undefined;
    clock.ms += 600_000;
    assert.deepInclude(await until(id, "it runs", (run) => run.job !== null && run.retry === null), { state: "running", attempt: 1, failure: null });
  });

  it("end at once by what another try would not change", async () => {
    broken = "JOB_PARAMS";
    assert.deepEqual((await until(await made(), "the end", (run) => run.state === "failed")).failure, { code: "JOB_PARAMS", party: null });
  });

  it("change nothing when they come late: the run is at another attempt by then, or has ended", async () => {
    const id = await made();
    const { job } = await until(id, "it runs", (run) => run.job !== null);
    const { db } = platform();
    const late = (await findRun(db.read, id)) ?? assert.fail();
    await world.tax.client.post(`/enclave/v1/jobs/${job}/refusal`, { code: "POLICY_KIND" });
    await until(id, "another attempt", (run) => run.attempt === 2 && run.job !== null);
    const now = new Date(clock.ms);
    const isChanged = await db.write((tx) => changeRun(tx, late, { state: "failed", failure: { code: "JOB_INTERNAL" } }, now));
    assert.isFalse(isChanged);
    assert.deepInclude(await view(id), { state: "running", attempt: 2, failure: null });
    await bank().post(`/v1/evaluations/${id}/cancel`);
    const ended = (await findRun(db.read, id)) ?? assert.fail();
    assert.isFalse(await db.write((tx) => changeRun(tx, { ...ended, attempt: 2 }, { state: "running", job }, now)));
  });

  it("taken by many at the same moment are one: one job to each attempt", async () => {
    const id = await made();
    await Promise.all(Array.from({ length: 6 }, () => stepRuns(platform())));
    const { job } = await until(id, "it runs", (run) => run.job !== null);
    await approve(job, world.guest, world.tax);
    clock.ms += 61_000;
    await Promise.all(Array.from({ length: 6 }, () => stepRuns(platform())));
    const second = await until(id, "it goes on without power", (run) => run.attempt === 2 && run.job !== null);
    assert.deepEqual(second.away.map(String), ["power"]);
    const jobs = ((await bank().get("/v1/jobs")).json() as { items: JobView[] }).items.filter((j) => j.kind === "evaluate" && j.state === "awaiting-approval");
    assert.deepEqual(jobs.map((j) => j.id as string), [second.job as string]);
  });

  it("find the job that was submitted just before the platform was killed", async () => {
    const id = await made();
    const { job } = await until(id, "it runs", (run) => run.job !== null);
    // What is on disk when the process dies between the job and the run's note of it.
    await platform().db.write(async (tx) => void await tx.evaluationRun.update({ where: { id }, data: { state: "waiting", jobId: null } }));
    await world.platform.stop();
    await world.platform.launch();
    assert.equal((await until(id, "it runs", (run) => run.job !== null)).job, job);
  });

  it("push no more parts than their companies fill, and no more bytes than one run may", async () => {
    await bank().post("/v1/evaluation-subscriptions", { name: "all", purpose: "credit-evaluation" });
    await bank().post("/v1/evaluation-subscriptions", { name: "lines", purpose: "credit-line-review" });
    const id = await made();
    const { job } = await until(id, "it runs", (run) => run.job !== null);
    await approve(job, world.guest, world.tax, world.power);
    const sealed = (bytes: number): Promise<string> => new CompactEncrypt(Buffer.alloc(bytes)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
      .encrypt(createPublicKey({ key: { ...world.bank.sealTo }, format: "jwk" }));
    const put = (path: string, raw: string) => world.guest.client.call("PUT", `/enclave/v1/evaluations/${job}/pushes/bank/${path}`, { raw, headers: { "content-type": "application/jose" } });
    const half = await sealed(1500);
    assert.isBelow(half.length, pushLimit);
    assert.isAbove(2 * half.length, pushLimit);
    assertCode(await put("credit-evaluation/1", half), "EVALUATION_PUSH_LIMIT");
    assertCode(await put("credit-evaluation/0", await sealed(pushLimit)), "EVALUATION_PUSH_LIMIT");
    assert.equal((await put("credit-evaluation/0", half)).status, 200);
    assertCode(await put("credit-line-review/0", half), "EVALUATION_PUSH_LIMIT");
    assert.equal((await put("credit-evaluation/0", half)).status, 200, "what is there already is answered");
  });

  it("count bytes beyond 32 bits", async () => {
    const { db } = platform();
    const runId = `eval_${"1".repeat(24)}`;
    await db.write(async (tx) => {
      for (let part = 0; part < 4; part++) await addPush(tx, { runId, institutionId: "inst_elsewhere", purpose: "credit-evaluation", part, bytes: 2_000_000_000, digest: "0".repeat(64), createdAt: new Date(clock.ms) });
    });
    assert.equal(await pushedBytes(db.read, runId), 8_000_000_000);
    await db.write(async (tx) => {
      for (let part = 0; part < 4; part++) await deletePush(tx, { runId, institutionId: "inst_elsewhere", purpose: "credit-evaluation", part });
    });
  });

  it("end in figures that supervisors and the platform's operator see as institutions do, and nobody before", async () => {
    const supervisor = await person(world.platform, "supervisor", "supervisor 1", {});
    const operator = await person(world.platform, "platform-operator", "operator 1", {});
    const id = await made();
    const { job } = await until(id, "it runs", (run) => run.job !== null);
    assertCode(await supervisor.get(`/v1/supervision/evaluations/${id}`), "EVALUATION_NOT_FOUND");
    assert.notInclude((await supervisor.get("/v1/supervision/evaluations")).bytes.toString(), id);
    await approve(job, world.guest, world.tax, world.power);
    await done(job);
    await until(id, "the end", (run) => run.state === "done");
    const own = (await bank().get(`/v1/evaluations/${id}`)).json();
    for (const reader of [supervisor, operator]) {
      assert.deepEqual((await reader.get(`/v1/supervision/evaluations/${id}`)).json(), own);
      assert.include((await reader.get("/v1/supervision/evaluations")).bytes.toString(), id);
    }
    for (const stranger of [bank(), await person(world.platform, "provider-operator", "tax 1", { party: partyId("tax") })]) {
      assert.notEqual((await stranger.get(`/v1/supervision/evaluations/${id}`)).status, 200);
    }
  });

  describe("by a scorecard of one's own", () => {
    const publish = (scorecard: object) => bank().post("/v1/evaluation-scorecards", { scorecard });

    it("is published once by its checked contents, and its name is its institution's", async () => {
      const card = localCard();
      const reply = await publish(card);
      assert.equal(reply.status, 201, reply.bytes.toString());
      const made1 = reply.json() as ScorecardView;
      assert.deepInclude(made1, { digest: scorecardDigest(card), id: "zhejiang", version: "1.0.0", publisher: partyId("bank"), bases: ["open", "full"] });
      assert.deepEqual((await publish(card)).json(), made1, "the same again");
      assertCode(await publish(localCard({ base: 610 })), "EVALUATION_SCORECARD_TAKEN");
      assert.equal((await publish(localCard({ version: "1.1.0", base: 610 }))).status, 201);
      await world.platform.enrol("elsewhere");
      const other = await world.platform.addBank("elsewhere");
      assertCode(await other.client.post("/v1/evaluation-scorecards", { scorecard: localCard({ version: "2.0.0" }) }), "EVALUATION_SCORECARD_TAKEN");
      assert.deepEqual((await other.client.get(`/v1/evaluation-scorecards/${made1.digest}`)).json(), { view: made1, scorecard: card });
      assert.lengthOf(((await other.client.get("/v1/evaluation-scorecards")).json() as { items: unknown[] }).items, 2);
    });

    it("is refused with the built-in one's name, an unknown indicator, points that spread too far", async () => {
      assertCode(await publish(localCard({ id: baselineScorecard.id })), "EVALUATION_SCORECARD");
      const [first, ...rest] = localCard().entries;
      assertCode(await publish(localCard({ entries: [{ ...(first ?? assert.fail()), indicator: "rg_luck" }, ...rest] })), "EVALUATION_SCORECARD");
      const wide = localCard({ entries: baselineScorecard.entries.map((e) => ({ ...e, points: e.points.map((_, i) => Math.round((e.direction === "higher-better" ? 1 : -1) * (400 * i / (e.points.length - 1) - 200))) })) });
      assertCode(await publish(wide), "EVALUATION_SCORECARD");
      assert.throws(() => parseLocalScorecard(wide), /EVALUATION_SCORECARD/);
      assertCode(await bank().post("/v1/evaluations", { basis: "open", terms: { ...terms, scorecard: "0".repeat(64) } }), "EVALUATION_SCORECARD_UNKNOWN");
      assertCode(await bank().put("/v1/evaluation-schedule", { bases: ["open"], terms: { ...terms, scorecard: "0".repeat(64) }, interval: { kind: "hours", every: 6 } }), "EVALUATION_SCORECARD_UNKNOWN");
    });

    it("stands whole in the plan of the run, which names it by its digest", async () => {
      const digest = scorecardDigest(localCard());
      const id = await made({ terms: { ...terms, scorecard: digest } });
      const { job, scorecard } = await until(id, "it runs", (run) => run.job !== null);
      assert.equal(scorecard, digest);
      const { plan } = (await bank().get(`/v1/jobs/${job}/plan`)).json() as { plan: { params: { card: string; scorecard: unknown } } };
      assert.deepEqual(plan.params.scorecard, localCard());
      assert.equal(plan.params.card, cardFor(localCard(), "open").digest);
    });
  });
});
