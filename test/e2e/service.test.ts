// A standing service of real processes: single scores over the live connections, and providers that are killed, hung, or come back.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import { ServiceClient } from "../../cli/service-client.ts";
import { partyId } from "../../core/names.ts";
import { AppError } from "../../core/errors.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { descendants, eventually } from "../support/process.ts";
import { smallTables } from "../support/tables.ts";
import { Topology } from "../support/topology.ts";

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

  it("ends by a cancel: later requests are refused", async () => {
    await topology.api.cancel(client.view.id);
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
