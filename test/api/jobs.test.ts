// The life of a job as a bank and three enclaves see it.
import { CompactEncrypt, compactDecrypt } from "jose";
import { createPublicKey } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EnclaveJob, JobEvent, JobView } from "../../api/contract.ts";
import { sha256 as digestOf, assertCode, type Client } from "../support/clients.ts";
import { jobRequest, newWorld, runningJob, submit, TestClock, type Bank, type World } from "../support/platform.ts";

type Feed = { cursor: number; jobs: EnclaveJob[] };

/** Reads a job's events until the stream ends or `until` says so. */
async function readEvents(
  client: Client,
  id: string,
  options: { lastEventId?: number; until?: (event: JobEvent) => boolean } = {},
): Promise<JobEvent[]> {
  const abort = new AbortController();
  const headers: Record<string, string> = { accept: "text/event-stream" };
  for (const [key, value] of Object.entries(client.headers)) headers[key] = value;
  if (options.lastEventId !== undefined) headers["last-event-id"] = String(options.lastEventId);
  const { statusCode, body } = await client.pool.request({ method: "GET", path: `/v1/jobs/${id}/events`, headers, signal: abort.signal });
  assert.equal(statusCode, 200);
  const events: JobEvent[] = [];
  let text = "";
  try {
    for await (const chunk of body) {
      text += Buffer.from(chunk as Uint8Array).toString("utf8");
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data === undefined) continue;
        const event = JSON.parse(data) as JobEvent;
        assert.equal(/^event: (.*)$/m.exec(block)?.[1], event.type);
        assert.equal(/^id: (.*)$/m.exec(block)?.[1], event.n === null ? undefined : String(event.n));
        events.push(event);
        if (options.until?.(event) === true) return events;
      }
    }
    return events;
  } finally {
    abort.abort();
  }
}

async function sealed(bank: Bank, text: string): Promise<string> {
  const key = createPublicKey({ key: { ...bank.sealTo }, format: "jwk" });
  return new CompactEncrypt(Buffer.from(text)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(key);
}

describe("jobs", () => {
  let world: World;
  let bank: Client;
  const clock = new TestClock();

  before(async () => {
    world = await newWorld({ now: clock.now, limits: { settleMs: 60_000 } });
    bank = world.bank.client;
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const view = async (id: string): Promise<JobView> => (await bank.get(`/v1/jobs/${id}`)).json() as JobView;

  it("go from submission over everybody's approval and report to done", async () => {
    const id = await submit(world);
    assert.equal((await view(id)).state, "awaiting-approval");
    for (const party of [world.power, world.tax, world.guest]) {
      const { jobs } = (await party.client.get("/enclave/v1/jobs?cursor=0")).json() as Feed;
      const job = jobs.find((one) => one.id === id);
      assert.isDefined(job);
      assert.equal(digestOf(job.plan), job.planDigest);
      const jws = `e30.${Buffer.from(job.planDigest).toString("base64url")}.${Buffer.from(party.identity.party).toString("base64url")}`;
      await party.client.post(`/enclave/v1/jobs/${id}/approval`, { jws });
    }
    assert.equal((await view(id)).state, "running");
    const { jobs } = (await world.tax.client.get("/enclave/v1/jobs?cursor=0")).json() as Feed;
    assert.hasAllKeys(jobs.find((one) => one.id === id)?.approvals ?? {}, ["bank", "tax", "power"]);
    const jwe = await sealed(world.bank, "the report");
    const put = await world.guest.client.call("PUT", `/enclave/v1/jobs/${id}/results/report`, {
      raw: jwe,
      headers: { "content-type": "application/jose" },
    });
    assert.equal(put.status, 200, put.bytes.toString());
    for (const party of [world.guest, world.tax]) {
      assert.deepEqual((await party.client.post(`/enclave/v1/jobs/${id}/state`, { state: "done" })).json(), { state: "running" });
    }
    assert.deepEqual((await world.power.client.post(`/enclave/v1/jobs/${id}/state`, { state: "done" })).json(), { state: "done" });
    assert.deepEqual((await world.power.client.post(`/enclave/v1/jobs/${id}/state`, { state: "done" })).json(), { state: "done" });
    const report = await bank.get(`/v1/jobs/${id}/report`);
    assert.equal(report.headers["content-type"], "application/jose");
    const { plaintext } = await compactDecrypt(report.bytes.toString("ascii"), world.bank.sealKey);
    assert.equal(Buffer.from(plaintext).toString(), "the report");
    const states = (await readEvents(bank, id)).flatMap((event) => (event.type === "state" ? [event.state] : []));
    assert.deepEqual(states, ["submitted", "awaiting-approval", "running", "done"]);
  });

  it("fail and name the party that refuses, and why", async () => {
    const id = await submit(world);
    await world.tax.client.post(`/enclave/v1/jobs/${id}/refusal`, { code: "JOB_PARAMS" });
    const { state, failure } = await view(id);
    assert.deepInclude(failure ?? {}, { code: "JOB_REFUSED", party: "tax" });
    assert.equal(state, "failed");
    const { jobs } = (await world.guest.client.get("/enclave/v1/jobs?cursor=0")).json() as Feed;
    assert.deepEqual(jobs.find((one) => one.id === id)?.refusals, { tax: "JOB_PARAMS" });
    assertCode(await world.guest.client.post(`/enclave/v1/jobs/${id}/approval`, { jws: "a.b.c" }), "JOB_ENDED");
  });

  it("keep one signature per party", async () => {
    const id = await submit(world);
    const path = `/enclave/v1/jobs/${id}/approval`;
    assert.equal((await world.tax.client.post(path, { jws: "aa.bb.cc" })).status, 200);
    assert.equal((await world.tax.client.post(path, { jws: "aa.bb.cc" })).status, 200);
    assertCode(await world.tax.client.post(path, { jws: "aa.bb.dd" }), "JOB_APPROVAL");
    assert.equal((await view(id)).state, "awaiting-approval");
  });

  it("start when all approve at the same moment", async () => {
    const id = await submit(world);
    await Promise.all(
      [world.guest, world.tax, world.power].map(({ client }) => client.post(`/enclave/v1/jobs/${id}/approval`, { jws: "a.b.c" })),
    );
    assert.equal((await view(id)).state, "running");
  });

  it("fail with the code, the blamed peer and the step that a party names", async () => {
    const id = await runningJob(world);
    const said = { state: "failed", code: "JOB_PEER_TIMEOUT", party: "power", step: "align" };
    assert.deepEqual((await world.tax.client.post(`/enclave/v1/jobs/${id}/state`, said)).json(), { state: "failed" });
    assert.deepInclude((await view(id)).failure ?? {}, { code: "JOB_PEER_TIMEOUT", party: "power", step: "align" });
    assertCode(
      await world.tax.client.post(`/enclave/v1/jobs/${id}/state`, { ...said, code: "the id 91310000 was there" }),
      "REQUEST_INVALID",
    );
    assert.deepEqual((await world.guest.client.post(`/enclave/v1/jobs/${id}/state`, { state: "done" })).json(), { state: "failed" });
  });

  it("can be cancelled, and stay cancelled", async () => {
    const id = await runningJob(world);
    assert.equal(((await bank.post(`/v1/jobs/${id}/cancel`)).json() as JobView).state, "cancelled");
    assert.equal(((await bank.post(`/v1/jobs/${id}/cancel`)).json() as JobView).state, "cancelled");
    assert.deepEqual((await world.tax.client.post(`/enclave/v1/jobs/${id}/state`, { state: "done" })).json(), { state: "cancelled" });
  });

  const eventually = async (id: string, state: string): Promise<void> => {
    for (let i = 0; i < 200 && (await view(id)).state !== state; i += 1) await new Promise((resolve) => setTimeout(resolve, 25));
    assert.equal((await view(id)).state, state);
  };

  it("end when the guest is done and the hosts stay away, and expire when nobody comes", async () => {
    const settling = await runningJob(world);
    const expiring = await submit(world);
    await world.guest.client.post(`/enclave/v1/jobs/${settling}/state`, { state: "done" });
    clock.ms += 61_000;
    await eventually(settling, "done");
    assert.equal((await view(expiring)).state, "awaiting-approval");
    clock.ms += 8 * 86_400_000;
    await eventually(expiring, "failed");
    assert.equal((await view(expiring)).failure?.code, "JOB_EXPIRED");
  });

  it("wake an enclave that waits for jobs, and number changes without a gap", async () => {
    const { cursor } = (await world.tax.client.get("/enclave/v1/jobs?cursor=0")).json() as Feed;
    let at = cursor;
    for (let page = await nextPage(at); page.jobs.length > 0; page = await nextPage(at)) at = page.cursor;
    const waiting = world.tax.client.get(`/enclave/v1/jobs?cursor=${at}&wait=25`);
    const id = await submit(world, ["tax"]);
    const { jobs, cursor: next } = (await waiting).json() as Feed;
    assert.deepEqual(
      jobs.map((job) => [job.id, job.state]),
      [[id, "awaiting-approval"]],
    );
    assert.isAbove(next, at);
    assert.deepEqual(await nextPage(next), { cursor: next, jobs: [] });
    await world.guest.client.post(`/enclave/v1/jobs/${id}/approval`, { jws: "a.b.c" });
    assert.deepEqual(
      (await nextPage(next)).jobs.map((job) => Object.keys(job.approvals)),
      [["bank"]],
    );
    const { jobs: others } = (await world.power.client.get(`/enclave/v1/jobs?cursor=${at}`)).json() as Feed;
    assert.isEmpty(others); // power has no part in it
  });
  const nextPage = async (cursor: number): Promise<Feed> =>
    (await world.tax.client.get(`/enclave/v1/jobs?cursor=${cursor}`)).json() as Feed;

  it("show phases, progress and waiting to the bank, live and after a resume without loss or repetition", async () => {
    const id = await runningJob(world, ["tax"]);
    const report = (events: object[]) => world.tax.client.post(`/enclave/v1/jobs/${id}/events`, { events });
    await report([
      { type: "phase-started", phase: "align" },
      { type: "waiting", peer: "bank", messageType: "psi/blinded" },
    ]);
    const seen = await readEvents(bank, id, { until: (event) => event.type === "status" });
    const status = seen.at(-1);
    assert.deepEqual(status?.type === "status" ? status.status.waitingFor : undefined, { peer: "bank", messageType: "psi/blinded" });
    const last = Math.max(...seen.map((event) => event.n ?? 0));
    const resumed = readEvents(bank, id, { lastEventId: last });
    await report([{ type: "progress", phase: "align", fraction: 0.5 }]);
    await report([{ type: "phase-finished", phase: "align", wallSeconds: 1.5, cpuSeconds: 1, peakRssMb: 200 }]);
    await report([{ type: "phase-finished", phase: "align", wallSeconds: 2.5, cpuSeconds: 2, peakRssMb: 210 }]);
    await bank.post(`/v1/jobs/${id}/cancel`);
    const rest = (await resumed).filter((event) => event.n !== null);
    const numbers = [...seen.filter((event) => event.n !== null), ...rest].map((event) => event.n);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i + 1),
    );
    assert.equal(rest.at(-1)?.type, "state");
    assert.deepEqual((await view(id)).phases, [{ party: "tax", phase: "align", wallSeconds: 2.5, cpuSeconds: 2, peakRssMb: 210 }] as never);
    assertCode(
      await world.tax.client.post(`/enclave/v1/jobs/${id}/events`, { events: [{ type: "progress", phase: "align", fraction: 2 }] }),
      "REQUEST_INVALID",
    );
    assertCode(
      await world.power.client.post(`/enclave/v1/jobs/${id}/events`, { events: [{ type: "phase-started", phase: "align" }] }),
      "JOB_NOT_FOUND",
    );
  });

  it("are submitted once per idempotency key, even when sent many times at once", async () => {
    const headers = { "idempotency-key": "monthly-2026-01" };
    const replies = await Promise.all(Array.from({ length: 5 }, () => bank.post("/v1/jobs", jobRequest(), { headers })));
    const ids = replies.map((reply) => (reply.json() as JobView).id);
    assert.equal(new Set(ids).size, 1, replies.map((reply) => reply.bytes.toString()).join());
    assertCode(await bank.post("/v1/jobs", jobRequest(["tax"]), { headers }), "JOB_IDEMPOTENCY");
    assertCode(await bank.post("/v1/jobs", jobRequest(), { headers: { "idempotency-key": "a b" } }), "REQUEST_INVALID");
  });

  it("are paged, newest first, each once", async () => {
    const ids: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page = (await bank.get(`/v1/jobs?limit=3${cursor === "" ? "" : `&cursor=${cursor}`}`)).json() as {
        items: JobView[];
        next: string | null;
      };
      assert.isAtMost(page.items.length, 3);
      ids.push(...page.items.map((job) => job.id));
      cursor = page.next;
    }
    assert.equal(new Set(ids).size, ids.length);
    assert.isAbove(ids.length, 8);
    assertCode(await bank.get(`/v1/jobs?cursor=job_${"0".repeat(24)}`), "REQUEST_INVALID");
  });

  it("are refused when they ask for what is not there", async () => {
    const table: [object, string][] = [
      [jobRequest(["bank"]), "JOB_PARTIES"],
      [jobRequest(["tax", "tax"]), "JOB_PARTIES"],
      [jobRequest(["water"]), "PARTY_NOT_FOUND"],
      [{ ...jobRequest(), guest: "tax" }, "JOB_WRONG_GUEST"],
      [{ ...jobRequest(), model: `model_${"0".repeat(20)}` }, "MODEL_NOT_FOUND"],
      [{ ...jobRequest(), purpose: "marketing" }, "REQUEST_INVALID"],
      [{ ...jobRequest(), rows: [1] }, "REQUEST_INVALID"],
    ];
    for (const [body, code] of table) assertCode(await bank.post("/v1/jobs", body), code);
    const silent = await world.platform.enrol("registry");
    assertCode(await bank.post("/v1/jobs", jobRequest(["registry"])), "JOB_DATASET_UNKNOWN");
    assert.equal((await silent.client.get("/enclave/v1/jobs?cursor=0")).status, 200);
  });

  it("keep sealed results only, from the guest only, one content each", async () => {
    const id = await runningJob(world, ["tax"]);
    const headers = { "content-type": "application/jose" };
    const put = (client: Client, raw: string, name = "scores") =>
      client.call("PUT", `/enclave/v1/jobs/${id}/results/${name}`, { raw, headers });
    assertCode(await bank.get(`/v1/jobs/${id}/scores`), "RESULT_NOT_READY");
    const jwe = await sealed(world.bank, "scores");
    assertCode(await put(world.tax.client, jwe), "RESULT_WRONG_PARTY");
    const [header = ""] = jwe.split(".");
    const parts = jwe.slice(header.length);
    const forged = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString("base64url") + parts;
    for (const plain of [
      '{"scores":[1,2]}',
      "id,points\n1,600",
      jwe.slice(0, jwe.lastIndexOf(".")),
      `${jwe}.x`,
      forged({ alg: "none", enc: "A256GCM" }),
      forged({ alg: "dir", enc: "A256GCM" }),
      forged({ alg: "ECDH-ES", enc: "A128CBC-HS256" }),
      `${jwe}\n`,
    ])
      assertCode(await put(world.guest.client, plain), "RESULT_NOT_SEALED");
    assert.equal((await put(world.guest.client, jwe)).status, 200);
    assert.equal((await put(world.guest.client, jwe)).status, 200);
    assertCode(await put(world.guest.client, await sealed(world.bank, "scores")), "RESULT_CONFLICT");
    assert.equal((await bank.get(`/v1/jobs/${id}/scores`)).bytes.toString(), jwe);
    await bank.post(`/v1/jobs/${id}/cancel`);
    assert.equal((await put(world.guest.client, jwe)).status, 200); // its answer may have been lost
    assertCode(await put(world.guest.client, jwe, "report"), "JOB_ENDED");
    assertCode(await put(world.guest.client, jwe, "model2"), "REQUEST_INVALID");
  });

  it("register a model with digests only", async () => {
    const id = await runningJob(world, ["tax"]);
    const model = { model: `model_${"7".repeat(20)}`, kind: "scorecard", digests: { bank: "1".repeat(64), tax: "2".repeat(64) } };
    const path = `/enclave/v1/jobs/${id}/results/model`;
    assertCode(await world.guest.client.put(path, { ...model, weights: [0.1] }), "REQUEST_INVALID");
    assertCode(await world.tax.client.put(path, model), "RESULT_WRONG_PARTY");
    assert.equal((await world.guest.client.put(path, model)).status, 200);
    assert.equal((await world.guest.client.put(path, model)).status, 200);
    assertCode(await world.guest.client.put(path, { ...model, model: `model_${"8".repeat(20)}` }), "RESULT_CONFLICT");
    const { items } = (await bank.get("/v1/models")).json() as { items: object[] };
    const { model: modelId, ...rest } = model;
    assert.deepInclude(items[0], { id: modelId, job: id, state: "active", ...rest });
    assert.deepEqual((await bank.get(`/v1/models/${modelId}`)).json(), items[0]);
    assert.equal((await bank.post("/v1/jobs", { ...jobRequest(), kind: "score", model: modelId })).status, 201);
  });

  it("show the plan as it was approved", async () => {
    const id = await submit(world, ["tax"]);
    const { plan, planDigest } = (await bank.get(`/v1/jobs/${id}/plan`)).json() as { plan: Record<string, unknown>; planDigest: string };
    const { jobs } = (await world.tax.client.get("/enclave/v1/jobs?cursor=0")).json() as Feed;
    let found: EnclaveJob | undefined;
    for (let page: Feed = { cursor: 0, jobs }; page.jobs.length > 0 && found === undefined; page = await nextPage(page.cursor))
      found = page.jobs.find((job) => job.id === id);
    assert.deepEqual(JSON.parse(found?.plan ?? "null"), plan);
    assert.equal(found?.planDigest, planDigest);
    assert.deepEqual(plan["sealTo"], world.bank.sealTo);
  });
});
