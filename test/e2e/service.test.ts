// A standing service of real processes: single scores over the live connections, and providers that are killed, hung, or come back.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { AppError } from "../../core/errors.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { ServingChanges } from "../../enclave/serving/changes.ts";
import { ServingStore } from "../../enclave/serving/store.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { Change } from "../../serving/registry/events.ts";
import { descendants, eventually } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { plainParams, Topology } from "../support/topology.ts";

const hosts = ["tax", "power"].map(partyId);
type Scored = Extract<ServiceAnswer, { status: "scored" }>;

describe("a standing service of real processes", () => {
  let topology: Topology;
  let model: string;
  let client: ServiceClient;
  /** Points by company, from the training job. */
  const trained = new Map<string, number>();
  const companies: string[] = [];

  const scored = async (company: string): Promise<Scored> => {
    const answer = await client.ask({ company });
    if (answer.status !== "scored") throw new Error(`${answer.code} ${answer.party ?? ""}`);
    return answer;
  };
  const start = async (params: Record<string, unknown>): Promise<string> => {
    const { id } = await topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts, purpose: "loan-approval", model, params });
    await topology.until(id, "running");
    client = await ServiceClient.open(topology.api, { service: id, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), now: Date.now() });
    await eventually("all are there", async () => {
      const answer = await client.ask({ company: companies[0] ?? "" }).catch(() => undefined);
      return answer?.status === "scored" && !answer.partial;
    });
    return id;
  };

  before(async () => {
    topology = await Topology.start({ tables: smallTables() });
    for (const name of ["bank", "tax", "power"] as const) {
      const path = enclavePaths(topology.folder(name)).policy;
      const policy = JSON.parse(readFileSync(path, "utf8")) as { allow: Record<string, unknown>[] };
      Object.assign(policy.allow[0] ?? {}, { kinds: ["scorecard", "score", "serve"], singleHostTotals: true, service: { maxSetsPerCompany: 3, maxPerCompanyPerDay: 1000 } });
      writeFileSync(path, JSON.stringify(policy));
    }
    const job = await topology.submit();
    await topology.until(job, "done");
    model = (await topology.report(job)).model.id;
    for (const line of (await topology.scores(job)).trim().split("\n").slice(1)) {
      const [id = "", points = ""] = line.split(",");
      trained.set(id, Number(points));
      companies.push(id);
    }
  });
  after(() => topology[Symbol.asyncDispose]());

  it("gives the score of the trained model, with its version and a receipt's place, and the same answer to the same request", async () => {
    await start({ setsPerCompany: 3, fallback: "missing-bin", perCompanyPerDay: 1000, timeoutMs: 1000, receiptUses: 20 });
    for (const company of companies.slice(0, 25)) {
      const answer = await scored(company);
      assert.closeTo(answer.score, trained.get(company) ?? Number.NaN, 0.011, "two decimals in the file");
      assert.equal(answer.model, model);
      assert.isFalse(answer.partial);
    }
    const sealed = await client.seal({ company: companies[1] ?? "" }, Date.now());
    const first = await client.send(sealed);
    assert.deepEqual(await client.send(sealed), first);
    // What was scored is counted for the stability of the model, each company once.
    const counted = await eventually("counted at the provider", () => topology.rows("tax", "select companies, counts from drift_counts where source = 'service'")[0]);
    assert.equal(counted["companies"], topology.rows("tax", "select count(*) as n from drift_seen")[0]?.["n"]);
    assert.isAtLeast(Number(topology.rows("bank", "select companies from drift_counts where source = 'service'")[0]?.["companies"]), 25);
    await eventually("a receipt of the first batch", () => topology.rows("tax", "select 1 from receipts where job like ?", `${client.view.id}%`).length > 0 || topology.rows("bank", "select 1 from receipts where job like ?", `${client.view.id}%`).length > 0);
  });

  it("refuses what does not fit, and nothing else is disturbed", async () => {
    const unknown = await client.ask({ company: "nobody-knows-it" });
    assert.equal(unknown.status === "refused" && unknown.code, "SERVICE_COMPANY_UNKNOWN");
    const sealed = await client.seal({ company: companies[0] ?? "" }, Date.now() - 3_600_000);
    assert.equal(await codeOf(client.send(sealed)), "SERVICE_REQUEST");
    assert.equal(await codeOf(client.send({ ...await client.seal({ company: "x" }, Date.now()), jwe: sealed.jwe.replace(/.$/, "A") })), "SERVICE_REQUEST");
    await client.send(await client.seal({ company: companies[0] ?? "", id: "same-key-12345" }, Date.now()));
    assert.equal(await codeOf(client.ask({ company: companies[0] ?? "", id: "same-key-12345" })), "SERVICE_IDEMPOTENCY");
    assert.isFalse((await scored(companies[2] ?? "")).partial);
  });

  it("answers by the champion of a deployment whichever service is asked, with reasons where its plan has them, asks a shadow beside it, and goes back", async () => {
    const first = client;
    const trainedAgain = await topology.submit({ ...plainParams, scorecard: { ...plainParams.scorecard, binning: { maxBins: 3 } } });
    await topology.until(trainedAgain, "done");
    const second = (await topology.report(trainedAgain)).model.id;
    const { id } = await topology.api.submit({ kind: "serve", guest: partyId("bank"), hosts, purpose: "loan-approval", model: second, params: { setsPerCompany: 3, fallback: "missing-bin", perCompanyPerDay: 1000, timeoutMs: 1000, explain: { reasons: 3 } } });
    await topology.until(id, "running");
    const folder = topology.folder("bank");
    using db = new StateDatabase(enclavePaths(folder).state);
    const store = new ServingStore(db);
    const changes = new ServingChanges({ db, store, self: partyId("bank"), operators: [], policy: undefined, now: Date.now });
    const change = (proposed: Change) => changes.ask({ deployment: "loans", expected: store.revisions().get("loans") ?? 0, reason: "a test", change: proposed }, undefined);
    await change({ type: "create", policy: { maxShare: 5_000, maxEvaluationAgeDays: 366, twoPersons: false } });
    const services = [first.view.id, jobIdSchema.parse(id)];
    for (const [i, service] of services.entries()) {
      const { model: digest, inputs } = store.modelOf(service, "bank");
      await change({ type: "register", model: digest, inputs });
      store.bind({ service, deployment: "loans", model: digest }, Date.now() + i);
      await change({ type: "evaluate", version: i + 1, evaluation: { digest, model: digest, at: Date.now(), kind: "validation", rows: 1000, passed: true } });
      await change({ type: "shadow", version: i + 1 });
    }
    await change({ type: "promote", version: 1 });
    const company = companies[27] ?? "";
    await eventually("the champion answers", async () => (await scored(company)).served?.version === 1);
    const answer = await scored(company);
    assert.deepInclude(answer, { service: first.view.id, model });
    assert.isUndefined(answer.reasons);
    await eventually("the shadow was asked, and its score is kept at the bank", () => topology.rows("bank", "select distinct model from outcome_scores").length === 2);
    assert.isNotEmpty(topology.rows("tax", "select 1 from service_ledger where service = ? and type = 'serve/ask'", id));
    await change({ type: "canary", version: 2, share: 1 });
    await change({ type: "promote", version: 2 });
    await eventually("the new champion answers", async () => (await scored(company)).served?.version === 2);
    const now = await scored(company);
    assert.deepInclude(now, { service: first.view.id, model: second });
    assert.equal(now.served?.by, id);
    assert.isArray(now.reasons);
    await change({ type: "rollback" });
    await eventually("it goes back", async () => (await scored(company)).served?.version === 1);
    await topology.api.cancel(id);
  });

  it("goes on without a provider that is killed, says so, and takes it back without any restart of its own", async () => {
    await topology.kill("power");
    const answers = await Promise.all(companies.slice(30, 60).map(scored));
    assert.isTrue(answers.every((a) => a.partial && a.away.join() === "power"));
    await topology.launch("power");
    await eventually("power is back", async () => !(await scored(companies[61] ?? "")).partial);
    assert.closeTo((await scored(companies[62] ?? "")).score, trained.get(companies[62] ?? "") ?? Number.NaN, 0.011);
  });

  it("keeps its latency bounded while a provider hangs", async () => {
    // With bubblewrap the enclave is a child of what was started.
    const tax = [topology.pid("tax"), ...descendants(topology.pid("tax")).map(({ pid }) => pid)];
    for (const pid of tax) process.kill(pid, "SIGSTOP");
    try {
      const answers = await Promise.all(companies.slice(70, 90).map(scored));
      assert.isTrue(answers.every((a) => a.partial));
      const began = performance.now();
      await scored(companies[95] ?? "");
      assert.isBelow(performance.now() - began, 5_000, "the breaker is open: no time-out is waited for many times");
    } finally {
      for (const pid of tax) process.kill(pid, "SIGCONT");
    }
    await eventually("tax is back", async () => !(await scored(companies[96] ?? "")).partial);
  });

  it("goes on after the bank's own enclave and the platform were killed", async () => {
    await topology.kill("bank");
    assert.equal(await codeOf(client.ask({ company: companies[0] ?? "" })), "SERVICE_AWAY");
    await topology.launch("bank");
    await eventually("the service answers", async () => (await client.ask({ company: companies[3] ?? "" }).catch(() => undefined))?.status === "scored");
    await topology.kill("platform");
    await topology.launch("platform");
    await eventually("the service answers again", async () => {
      const answer = await client.ask({ company: companies[4] ?? "" }).catch(() => undefined);
      return answer?.status === "scored" && !answer.partial;
    });
  });

  it("shows how it does, and ends by a command: later requests are refused", async () => {
    const profile = join(topology.work, "profile.json");
    topology.writeProfile(profile);
    const cli = (command: string): unknown => JSON.parse(topology.cli(["service", command, client.view.id, "--profile", profile, "--json"]));
    assert.isAbove((cli("show") as typeof client.view).health.answered, 0);
    cli("stop");
    await eventually("refused", async () => (await codeOf(client.ask({ company: companies[0] ?? "" }))) === "SERVICE_NOT_RUNNING");
    await eventually("stopped at the providers", () => topology.rows("tax", "select 1 from jobs where job = ? and state = 'cancelled'", client.view.id).length === 1);
  });

  it("refuses instead of scoring without a provider where the plan says so", async () => {
    await start({ fallback: "refuse", perCompanyPerDay: 1000, timeoutMs: 1000 });
    await topology.kill("power");
    const answer = await client.ask({ company: companies[5] ?? "" });
    assert.deepInclude(answer, { status: "refused", code: "SERVICE_PROVIDER_AWAY", party: partyId("power") });
  });
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : "thrown";
  }
}
