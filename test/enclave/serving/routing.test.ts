// Versions of a bank's model in running services, with providers in memory: who answers which company, what shadows may do, changes while it runs.
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { ServiceAnswer } from "../../../api/contract/services.ts";
import { sha256Hex } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import type { GuestScorer, HostScorer } from "../../../enclave/live/scorers/scorer.ts";
import { GivenScores } from "../../../enclave/outcomes/scores.ts";
import { ServingChanges, type Outcome } from "../../../enclave/serving/changes.ts";
import { keptStatisticsOf, routingKey, ServingStore } from "../../../enclave/serving/store.ts";
import type { JobId } from "../../../core/brand.ts";
import { monthNumber } from "../../../models/outcomes/record.ts";
import type { Change } from "../../../serving/registry/events.ts";
import { slotOf } from "../../../serving/registry/routing.ts";
import { bank } from "../../support/enclave.ts";
import { LiveWorld, type RunningService, type ServiceOptions } from "../../support/live-world.ts";
import { eventually } from "../../support/process.ts";

const jobs = ["a", "b", "c"].map((n) => `job_000000000000000${n}` as JobId);
const digests = ["one", "two", "three"].map((n) => sha256Hex(n));
type Scored = Extract<ServiceAnswer, { status: "scored" }>;

/** A version that gives every company its own probability; `fails`: it cannot. */
function guestOf(version: number, fails: () => boolean = () => false): GuestScorer {
  return {
    model: `model_${String(version).repeat(24)}`, modelDigest: digests[version - 1] ?? "", ask: "serve/ask", answer: "serve/part",
    prepare: () => ({ isKnown: true, score: (answers) => {
      if (fails()) throw new AppError("MODEL_SHAPE");
      return { score: 500, probability: version / 10, away: answers.size < 2 ? ["power" as never] : [] };
    } }),
  };
}
const part: Pick<HostScorer, "answer"> = { answer: (ask) => ({ reply: { type: "serve/part", body: { n: ask.n, part: 1, held: true } }, held: true }) };
const hosts: ServiceOptions["hosts"] = { tax: part, power: part };

describe("versions of a model in running services", () => {
  let world: LiveWorld;
  let running: RunningService[];
  let changes: ServingChanges;
  let store: ServingStore;

  beforeEach(async () => {
    world = await LiveWorld.make();
    running = [];
    store = new ServingStore(world.db);
    changes = new ServingChanges({ db: world.db, store, self: bank, operators: [], policy: undefined, now: () => world.now });
  });
  afterEach(() => {
    for (const service of running) service[Symbol.dispose]();
    world[Symbol.dispose]();
  });

  const begin = async (version: number, options: Partial<ServiceOptions> = {}): Promise<RunningService> => {
    const service = await world.begin(jobs[version - 1] ?? "", { guest: guestOf(version), hosts, ...options });
    running.push(service);
    await eventually("its providers are there", async () => {
      const answer = await service.ask("warm");
      return answer.status === "refused" || !answer.partial;
    });
    return service;
  };
  const change = (proposed: Change): Promise<Outcome> => {
    world.now += 1_000;
    const revision = store.revisions().get("loans") ?? 0;
    return changes.ask({ deployment: "loans", expected: revision, reason: "a test", change: proposed }, undefined);
  };
  const add = async (version: number): Promise<void> => {
    const model = digests[version - 1] ?? "";
    await change({ type: "register", model, inputs: model });
    store.bind({ service: jobs[version - 1] as JobId, deployment: "loans", model }, world.now);
    await change({ type: "evaluate", version, evaluation: { digest: sha256Hex("report"), model, at: world.now, kind: "validation", rows: 1000, passed: true } });
    await change({ type: "shadow", version });
  };
  /** Version 1 is champion. */
  const champion = async (): Promise<void> => {
    await change({ type: "create", policy: { maxShare: 5_000, maxEvaluationAgeDays: 366, twoPersons: false } });
    await add(1);
    await change({ type: "promote", version: 1 });
  };
  const scored = async (service: RunningService, company: string): Promise<Scored> => {
    const answer = await service.ask(company);
    if (answer.status !== "scored") throw new Error(answer.code);
    return answer;
  };
  const codeOf = async (service: RunningService, company: string): Promise<string> => {
    const answer = await service.ask(company);
    return answer.status === "refused" ? answer.code : "scored";
  };
  const scores = (company: string) => new GivenScores(world).of(company, 0, monthNumber("2030-01")).map(({ model, given }) => [digests.indexOf(model) + 1, given.role, given.probability]);
  const companies = Array.from({ length: 120 }, (_, i) => `C${i}`);

  it("are asked by themselves before there is a deployment", async () => {
    const service = await begin(1);
    const answer = await scored(service, "C1");
    assert.deepInclude(answer as object, { service: jobs[0], probability: 0.1, modelDigest: digests[0] });
    assert.isUndefined(answer.served);
    assert.deepEqual(scores("C1"), [[1, "champion", 0.1]]);
  });

  it("score for monitoring by the champion, or by the service itself where there is no deployment; that is no score that outcomes are held against", async () => {
    const service = await begin(1);
    const named = jobs[0] as JobId;
    assert.isUndefined(world.served.standingFor(jobs[1] as JobId), "does not run");
    assert.equal(world.served.standingFor(named)?.service, named);
    await champion();
    await begin(2);
    await add(2);
    await change({ type: "canary", version: 2, share: 1_000 });
    await change({ type: "promote", version: 2 });
    const by = world.served.standingFor(named);
    assert.deepEqual([by?.service, by?.modelDigest], [jobs[1], digests[1]]);
    const request = { version: 1, id: "watch-12345678", service: jobs[1] as JobId, at: new Date(world.now).toISOString(), answerKey: "A".repeat(43), company: "C1" } as const;
    const answered = await by?.score(request, { asked: jobs[1] as JobId, role: "monitoring" });
    await answered?.settled();
    assert.deepInclude(answered?.answer as object, { status: "scored", probability: 0.2 });
    assert.deepEqual(scores("C1"), []);
    await scored(service, "C1");
    assert.deepEqual(scores("C1").map(([version]) => version), [2], "what a program asks for is");
    running[1]?.[Symbol.dispose]();
    world.now += 1_000;
    assert.isUndefined(world.served.standingFor(named), "the champion is away: no other version answers for it");
  });

  it("answer their share of companies, whichever service was asked, and a company stays with its version", async () => {
    const [one, two] = [await begin(1), await begin(2)];
    await champion();
    await add(2);
    await change({ type: "canary", version: 2, share: 3_000 });
    const key = routingKey(world.memoryKey);
    const slots = changes.state("loans").versions[1]?.slots ?? [];
    const by = new Map<string, number>();
    for (const company of companies) {
      const answer = await scored(one, company);
      const slot = slotOf(key, "loans", company);
      const expected = slots.some(([from, to]) => slot >= from && slot < to) ? 2 : 1;
      assert.deepEqual(answer.served, { by: jobs[expected - 1] as string, deployment: "loans", version: expected, role: expected === 2 ? "canary" : "champion", revision: changes.state("loans").revision } as Scored["served"]);
      assert.deepInclude(answer as object, { service: jobs[0], probability: expected / 10, modelDigest: digests[expected - 1] }, "the answer is of the version, to who was asked");
      by.set(company, expected);
    }
    const canaries = [...by.values()].filter((v) => v === 2).length;
    assert(canaries > 15 && canaries < 60, `${canaries} of 120`);
    for (const company of companies.slice(0, 30)) {
      const answer = await scored(two, company);
      assert.equal(answer.service, jobs[1]);
      assert.equal(answer.served?.version, by.get(company));
    }
    assert.deepEqual(running.flatMap((r) => r.faults), []);
  });

  it("keep shadow scores in the domain; one that fails, hangs or is over its own budget disturbs nobody", async () => {
    let isBroken = false;
    const one = await begin(1);
    await begin(2, { guest: guestOf(2, () => isBroken) });
    // Its provider never answers, and its plan lets it ask for four companies a day.
    const hung = await world.begin(jobs[2] ?? "", { guest: guestOf(3), params: { requestsPerDay: 4, fallback: "refuse", timeoutMs: 60_000 }, hosts: { tax: part, power: { answer: () => new Promise(() => undefined) } } });
    running.push(hung);
    await champion();
    await add(2);
    await add(3);
    for (const company of companies.slice(0, 10)) {
      const answer = await scored(one, company);
      assert.deepInclude(answer as object, { probability: 0.1, service: jobs[0] });
      assert.notInclude(JSON.stringify(answer), digests[1] ?? "", "nothing of a shadow is in the answer");
    }
    await eventually("the shadow's scores are kept", () => scores("C9").length === 2);
    assert.sameDeepMembers(scores("C3"), [[1, "champion", 0.1], [2, "shadow", 0.2]]);
    isBroken = true;
    for (const company of companies.slice(10, 30)) assert.equal((await scored(one, company)).probability, 0.1);
    world.now += 20_000;
    await scored(one, "C40");
    await eventually("its failures are counted", async () => {
      world.now += 20_000;
      await scored(one, "C41");
      const found = keptStatisticsOf(world.db, "loans")?.versions.find((v) => v.version === 2 && v.role === "shadow");
      return (found?.failed ?? 0) >= 20 && found?.scored === 10;
    });
    const asked = world.db.get("select messages from service_ledger where service = ? and peer = 'tax' and direction = 'sent' and type = 'serve/ask'", hung.plan.job);
    assert.deepEqual({ ...asked }, { messages: 4 }, "as many questions as the plan of the shadow allows, charged to it alone");
    assert.deepEqual(one.faults, []);
  });

  it("follow promotion and rollback while they run, and are the same after a restart", async () => {
    const one = await begin(1);
    await begin(2);
    await champion();
    await add(2);
    await change({ type: "canary", version: 2, share: 1_000 });
    await change({ type: "promote", version: 2 });
    assert.deepEqual([(await scored(one, "C1")).served?.version, (await scored(one, "C1")).served?.role], [2, "champion"]);
    await change({ type: "rollback" });
    assert.equal((await scored(one, "C1")).served?.version, 1);
    await change({ type: "canary", version: 2, share: 1_000 }).then(() => assert.fail("a retired version answers nobody"), (error: unknown) => assert.equal((error as AppError).code, "SERVING_STATE"));
    const routes = async (service: RunningService): Promise<unknown[]> => Promise.all(companies.slice(0, 20).map(async (c) => (await scored(service, c)).served));
    const before = await routes(one);
    for (const service of running) service[Symbol.dispose]();
    running = [];
    world.restarted();
    const again = await begin(1);
    await begin(2);
    assert.deepEqual(await routes(again), before);
  });

  it("go to the champion where a canary's service is not running, and are refused with a code where nobody may answer", async () => {
    const [one, two] = [await begin(1), await begin(2)];
    await champion();
    await add(2);
    await change({ type: "canary", version: 2, share: 5_000 });
    const canary = await (async () => {
      for (const company of companies) if ((await scored(one, company)).served?.role === "canary") return company;
      return assert.fail("no canary");
    })();
    two[Symbol.dispose]();
    assert.deepInclude((await scored(one, canary)).served as object, { version: 1, role: "champion" });
    await change({ type: "demote", version: 2 });
    await change({ type: "demote", version: 2 });
    const again = await begin(2);
    assert.isUndefined((await scored(again, canary)).served, "a candidate is tried by itself");
    one[Symbol.dispose]();
    await change({ type: "shadow", version: 2 });
    assert.equal(await codeOf(again, canary), "SERVING_AWAY", "a shadow answers nobody, whoever is away");
    await change({ type: "retire", version: 1 });
    assert.equal(await codeOf(again, canary), "SERVING_NO_CHAMPION");
    world.db.run("update serving_events set event = replace(event, 'a test', 'another') where revision = 3");
    world.now += 1_000;
    world.restarted();
    again[Symbol.dispose]();
    assert.equal(await codeOf(await begin(2), canary), "SERVING_HISTORY");
  });

  it("go on beside a deployment whose record is no JSON any more", async () => {
    const one = await begin(1);
    await champion();
    world.db.run("insert into serving_events values ('cards', 1, '{')");
    world.now += 1_000;
    assert.equal((await scored(one, "C1")).served?.deployment, "loans");
    await change({ type: "retire", version: 1 });
    world.now += 1_000;
    assert.equal(await codeOf(one, "C1"), "SERVING_NO_CHAMPION", "changes are still followed");
    assert.throws(() => changes.state("cards"), /SERVING_HISTORY/);
    assert.deepEqual(one.faults, []);
  });

  it("stand in one deployment alone, for one purpose", async () => {
    await begin(1);
    await champion();
    assert.throws(() => store.bind({ service: jobs[0] as JobId, deployment: "other", model: digests[0] ?? "" }, world.now), /SERVING_SERVICE/);
    world.db.run("update jobs set plan = replace(plan, 'loan-approval', 'credit-line-review') where job = ?", jobs[0] as string);
    await begin(2);
    assert.throws(() => store.bind({ service: jobs[1] as JobId, deployment: "loans", model: digests[1] ?? "" }, world.now), /SERVING_SERVICE/);
    assert.throws(() => store.modelOf("job_0000000000000009" as JobId, bank), /SERVING_SERVICE/);
  });
});
