// Whole scores of borrowers at the bank's enclave: who is scored when and by what, what becomes an alert, and what is kept, over faults and restarts.
import { setImmediate } from "node:timers/promises";
import { assert } from "chai";
import { beforeEach, describe, it } from "mocha";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import { openedAlertSchema, type OpenedAlert } from "../../api/contract/watch.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import type { AnswersAs, StandingService } from "../../enclave/serving/served.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { BankWatches } from "../../enclave/watch/bank-store.ts";
import { JointScores } from "../../enclave/watch/joint-scores.ts";
import { BankScores } from "../../enclave/watch/score-store.ts";
import { eraseEnded } from "../../enclave/watch/sweep.ts";
import { unwatchable } from "../../enclave/watch/sources.ts";
import { watchJobSchema } from "../../federation/watch/params.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { arrears, usccOf } from "../monitoring/support.ts";
import { bank, job, planOf, power, tax } from "../support/enclave.ts";
import { keptLog } from "../support/platform.ts";

const scoring = jobIdSchema.parse("job_fedcba9876543210");
const params = { triggers: { tax: [arrears()], power: [arrears()] }, jointScore: { service: scoring, drop: 20, everyDays: 10 } };
const plan = planOf({ kind: "watch", purpose: "post-loan-monitoring", params });
const [jointScore] = [watchJobSchema.parse(plan.params).jointScore ?? assert.fail("no whole scores")];
const box = new SecretBox(new Uint8Array(32).fill(7), systemRng);
const [hour, day] = [3_600_000, 86_400_000];
const [model, other] = ["a".repeat(64), "b".repeat(64)];

type Told = Partial<Extract<ServiceAnswer, { status: "scored" }>> | { readonly code: string; readonly retryAfter?: number } | AppError;

describe("whole scores of a bank's borrowers", () => {
  let db: StateDatabase;
  let clock: number;
  let asked: string[];
  let roles: AnswersAs["role"][];
  let answers: Told[];
  let isThere: boolean;
  let settles: Promise<void>;
  let lines: string[];
  const hash = (company: string): Uint8Array => new Budgets(db, () => clock, new Uint8Array(32).fill(1)).hashId(bank, company);
  const list = (): BankWatches => new BankWatches({ db, box, plan, recordOf: hash });
  const store = (): BankScores => new BankScores({ db, box, service: job, recordOf: hash });
  const service: StandingService = {
    service: scoring, modelDigest: model,
    score: async (request, as) => {
      asked.push(request.company);
      roles.push(as.role);
      const told = answers.shift() ?? assert.fail("asked more often than expected");
      if (told instanceof AppError) throw told;
      const base = { version: 1, id: request.id, service: as.asked, at: request.at } as const;
      const answer: ServiceAnswer = "code" in told ? { ...base, status: "refused", ...told } : {
        ...base, status: "scored", score: 600, probability: 0.1, model: "model_1", modelDigest: model, partial: false, away: [], holders: [], objections: [], receipt: { batch: scoring, use: 0, salt: "x" }, ...told,
      };
      return { answer, settled: () => settles };
    },
  };
  /** As after a restart. */
  const open = (): JointScores => new JointScores({
    store: store(), plan, params: jointScore, now: () => clock, rng: systemRng, log: keptLog(lines), service: () => (isThere ? service : undefined), alert: (id, alert, at) => list().putAlert(bank, id, alert, at),
  });
  const watch = (...companies: readonly string[]): void => {
    const scores = open();
    for (const company of companies) {
      list().add(company);
      list().set(tax, company, { state: "watched", watch: `watch_${Buffer.from(systemRng(16)).toString("hex")}` });
      scores.begin([company], 100_000);
    }
  };
  /** Everybody who is due by then is scored. */
  const after = async (ms: number, scores = open()): Promise<void> => {
    clock += ms;
    for (let i = 0; i < 4; i++) await scores.tick();
  };
  const alerts = (): OpenedAlert[] => db.all("select sealed from watch_alerts order by n").map((row) => openedAlertSchema.parse(JSON.parse(Buffer.from(box.open(row["sealed"] as Uint8Array)).toString("utf8"))));

  beforeEach(() => {
    db = new StateDatabase(":memory:");
    clock = Date.UTC(2026, 0, 1);
    [asked, roles, answers, isThere, lines] = [[], [], [], true, []];
    settles = Promise.resolve();
  });

  it("are asked for within a day and then within each period, and a drop becomes one alert with its points, also over a restart", async () => {
    watch(usccOf(1), usccOf(2));
    answers = [{}, {}];
    await after(day);
    assert.sameMembers(asked, [usccOf(1), usccOf(2)]);
    assert.deepEqual([alerts(), new Set(roles)], [[], new Set(["monitoring"])]);
    await after(7 * day);
    assert.lengthOf(asked, 2, "not before three quarters of the period");
    answers = [{ score: 579.96 }, { score: 581 }];
    await after(3 * day);
    assert.lengthOf(asked, 4);
    const [told, ...more] = alerts();
    assert.lengthOf(more, 0);
    assert.deepEqual(told, {
      version: 1, service: job, party: bank, company: asked[2] ?? "", trigger: "joint-score-drop", kind: "score-drop", severity: "major", asOf: "2026-01-12",
      text: { zh: "联合评分下降", en: "The joint score has dropped" }, drop: 20, scoredBy: scoring,
    });
    assert.deepEqual(store().of(usccOf(1)), { at: clock, code: null });
    answers = [{ score: 581 }, { score: 581 }];
    await after(10 * day);
    assert.deepEqual([asked.length, alerts().length], [6, 1], "told once");
  });
  it("lie sealed, and a watch that goes on keeps its reference when it is registered again", async () => {
    watch(usccOf(1));
    answers = [{ score: 612.25 }];
    await after(day);
    const [row] = db.all("select * from watch_scores");
    const bytes = Object.values(row ?? {}).map((v) => (v instanceof Uint8Array ? Buffer.from(v).toString("latin1") : String(v))).join();
    for (const secret of [usccOf(1), "612.25", model]) assert.notInclude(bytes, secret);
    open().begin([usccOf(1)], 1);
    assert.deepEqual(db.all("select * from watch_scores"), [row]);
  });
  it("that a provider had no part in are neither held nor compared, and asked for again the same day", async () => {
    watch(usccOf(1));
    answers = [{}];
    await after(day);
    answers = [{ score: 300, partial: true }];
    await after(10 * day);
    assert.deepEqual([alerts(), store().of(usccOf(1))?.code], [[], "SERVICE_PROVIDER_AWAY"]);
    answers = [{ score: 590 }];
    await after(12 * hour);
    assert.deepEqual([alerts(), store().of(usccOf(1))?.code, asked.length], [[], null, 3], "590 against 600");
  });
  it("of another model version begin anew", async () => {
    watch(usccOf(1));
    for (const told of [{}, { score: 500, modelDigest: other }, { score: 470, modelDigest: other }]) {
      answers = [told];
      await after(10 * day);
    }
    assert.deepEqual(alerts().map((a) => "drop" in a && a.drop), [30]);
  });
  it("stay within the service's budgets: where one is used up nobody is asked for an hour, and who was refused not before its time", async () => {
    watch(usccOf(1), usccOf(2));
    answers = [{ code: "BUDGET_REQUESTS", retryAfter: 7200 }];
    const scores = open();
    await after(day, scores);
    assert.lengthOf(asked, 1);
    answers = [{}];
    await after(hour + 1, scores);
    assert.deepEqual([new Set(asked).size, asked.length], [2, 2], "the other one");
    answers = [{}];
    await after(2 * hour, scores);
    assert.deepEqual([asked.length, alerts()], [3, []]);
  });
  it("count once what they rest on is durable, and one is asked for at a time", async () => {
    watch(usccOf(1));
    const written = Promise.withResolvers<void>();
    settles = written.promise;
    answers = [{}];
    clock += day;
    const scores = open();
    const under = scores.tick();
    await scores.tick();
    await setImmediate();
    assert.deepEqual([asked.length, store().of(usccOf(1))?.at], [1, null]);
    written.resolve();
    await under;
    assert.equal(store().of(usccOf(1))?.at, clock);
  });
  it("begin anew for one company whose reference is damaged; the others are compared on", async () => {
    watch(usccOf(1), usccOf(2));
    answers = [{}, {}];
    await after(day);
    db.run("update watch_scores set sealed = x'00' where record = ?", hash(usccOf(1)));
    answers = [{ score: 500 }, { score: 500 }];
    await after(10 * day);
    assert.deepEqual(alerts().map((a) => a.company), [usccOf(2)]);
    assert.lengthOf(lines.filter((l) => l.includes("watch-score-damaged")), 1);
    answers = [{ score: 470 }, { score: 500 }];
    clock += 10 * day;
    db.run("update watch_scores set due_at = 0 where record = ?", hash(usccOf(1)));
    await after(0);
    assert.deepEqual(alerts().map((a) => a.company), [usccOf(2), usccOf(1)]);
  });
  it("are erased with the service", async () => {
    watch(usccOf(1));
    db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'approved', '{}', 'x', 0)", job);
    const kept = (): number => {
      eraseEnded(db, clock);
      return db.all("select 1 from watch_scores").length;
    };
    assert.equal(kept(), 1);
    db.run("update jobs set state = 'done'");
    assert.equal(kept(), 0);
  });
  it("are not held over a withdrawal: what was known of the company goes with its consent", async () => {
    watch(usccOf(1));
    answers = [{}];
    await after(day);
    answers = [{ code: "CONSENT_WITHDRAWN" }];
    await after(10 * day);
    assert.deepEqual(db.all("select at, code, sealed from watch_scores").map((r) => ({ ...r })), [{ at: null, code: "CONSENT_WITHDRAWN", sealed: null }]);
    answers = [{ score: 400 }];
    await after(day);
    assert.deepEqual(alerts(), [], "the first under a new consent is the basis");
  });
  it("wait for a service that does not run or fails, without a use of anybody's data, and say so", async () => {
    watch(usccOf(1));
    isThere = false;
    const scores = open();
    await after(day, scores);
    assert.deepEqual([asked, scores.isAway, lines.filter((l) => l.includes("watch-scores-wait")).length], [[], true, 1]);
    isThere = true;
    answers = [new AppError("SERVICE_BUSY"), {}];
    await after(61_000, scores);
    assert.deepEqual([store().of(usccOf(1))?.code, scores.isAway], ["SERVICE_BUSY", false]);
    await after(2 * hour, scores);
    assert.equal(store().of(usccOf(1))?.at, clock);
    assert.notInclude(lines.join(), usccOf(1));
  });
  it("are not asked for of who is off the list or whom no provider watches any longer", async () => {
    watch(usccOf(1), usccOf(2), usccOf(3));
    list().remove(usccOf(1));
    list().set(tax, usccOf(2), { state: "ended", code: "CONSENT_EXPIRED" });
    list().set(power, usccOf(2), { state: "refused", code: "CONSENT_MISSING" });
    list().set(tax, usccOf(3), { state: "wanted", code: "CONSENT_LIST_STALE" });
    await after(day);
    assert.deepEqual(asked, []);
    assert.deepEqual([1, 2, 3].map((n) => store().of(usccOf(n))?.code), [undefined, undefined, "WATCH_UNKNOWN"]);
  });
  it("are not asked for after the end, and an answer that comes later is dropped", async () => {
    watch(usccOf(1));
    clock += day;
    const scores = open();
    answers = [{}];
    const under = scores.tick();
    scores[Symbol.dispose]();
    await under;
    await scores.tick();
    assert.deepEqual([asked.length, store().of(usccOf(1))], [1, { at: null, code: null }]);
  });
  it("come from a service of the bank's own for the same purpose alone", () => {
    const verdict = (serving?: Partial<JobPlan>): string | undefined => {
      db.run("delete from jobs");
      if (serving !== undefined) db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'approved', ?, 'x', 0)", scoring, JSON.stringify({ ...planOf({ kind: "serve", model: "model_0123456789abcdef", purpose: "post-loan-monitoring", params: {} }, { job: scoring }), ...serving }));
      return unwatchable(plan, { self: bank, db, dataset: undefined as never });
    };
    assert.equal(verdict({}), undefined);
    for (const wrong of [undefined, { purpose: "loan-approval" as const }, { kind: "score" as const }]) assert.equal(verdict(wrong), "SERVING_SERVICE");
  });
});
