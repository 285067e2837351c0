// Suspension and removal cut what is open: event streams, long polls, uploads, idle connections; also when another process does it. Jobs of
// the member end. Two persons for a submission.
import { Readable } from "node:stream";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EnclaveJob, JobEvent, JobView } from "../../api/contract.ts";
import type { MemberView } from "../../api/contract/institutions.ts";
import { submitJob } from "../../api/services/submit.ts";
import { partyId } from "../../core/names.ts";
import { assertCode, enrolParty, type Client, type Reply } from "../support/clients.ts";
import { admitted, approveByBoth, evidence, goodAssessment, personOf, said, staffed, staffOf, type Person, type Staff } from "../support/institutions.ts";
import { jobRequest, keptLog, newWorld, runningJob, submit, summaryOf, type Bank, type TestPlatform, type World } from "../support/platform.ts";

/** Opens a job's event stream. `ended` resolves when the connection is gone, with the events seen. */
async function follow(client: Client, job: string): Promise<{ status: number; ended: Promise<JobEvent[]> }> {
  const { statusCode, body } = await client.pool.request({ method: "GET", path: `/v1/jobs/${job}/events`, headers: { ...client.headers } });
  const read = async (): Promise<JobEvent[]> => {
    let text = "";
    try {
      for await (const chunk of body) text += Buffer.from(chunk as Uint8Array).toString("utf8");
    } catch {
      // cut in the middle
    }
    return [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] ?? "") as JobEvent);
  };
  return { status: statusCode, ended: read() };
}

/** Resolves when a long poll for this (`feed:PARTY`, `relay:…`) waits at the platform. */
function waits(platform: TestPlatform, key: string): Promise<void> {
  const wakeups = platform.running?.platform.wakeups;
  assert.isDefined(wakeups);
  const { promise, resolve } = Promise.withResolvers<void>();
  const until = wakeups.until.bind(wakeups);
  wakeups.until = (waited, ...rest) => {
    if (waited === key) setTimeout(resolve, 20);
    return until(waited, ...rest);
  };
  return promise;
}

const gone = (reply: Promise<Reply>): Promise<string> => reply.then((given) => `answered ${given.status}`, () => "cut");

describe("open sessions of a suspended or removed member", () => {
  let world: World;
  let staff: Staff;
  let member: string;
  let analyst: Person;
  before(async () => {
    world = await newWorld({ log: keptLog([]) });
    staff = await staffOf(world.platform);
    member = await memberOf(world.bank.institution);
    analyst = await personOf(world.platform, staff.operator, "analyst", "A", { institution: world.bank.institution });
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const memberOf = async (institution: string): Promise<string> => {
    const { items } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members"));
    return items.find((item) => item.institution === institution)?.id ?? "none";
  };
  const suspend = (reason = "supervisor-order"): Promise<Reply> => staff.ana.client.post(`/v1/members/${member}/suspension`, { reason });
  const readmit = async (): Promise<void> => {
    await approveByBoth(staff, await said<MemberView>(staff.operator.client.post(`/v1/members/${member}/readmission`, goodAssessment("bank", String(Math.round(performance.now()))))));
  };

  it("are cut at once: the program's stream, a person's stream, the enclave's long polls and an upload half-way", async () => {
    const job = await runningJob(world);
    const streams = await Promise.all([follow(world.bank.client, job), follow(analyst.client, job)]);
    for (const stream of streams) assert.equal(stream.status, 200);
    const { cursor } = await said<{ cursor: number }>(world.guest.client.get("/enclave/v1/jobs?cursor=0"));
    const waiting = [waits(world.platform, "feed:bank"), waits(world.platform, `relay:${job}:tax:bank`)];
    const polls = [gone(world.guest.client.get(`/enclave/v1/jobs?cursor=${cursor}&wait=25`)), gone(world.guest.client.getFrame(job, "tax", 0, 25))];
    let isFinished = false;
    const slowly = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(1000);
      await new Promise((resolve) => setTimeout(resolve, 20_000).unref());
      isFinished = true;
      yield Buffer.alloc(1000);
    };
    const upload = world.guest.client.pool.request({ method: "PUT", path: `/enclave/v1/relay/${job}/tax/0`, body: Readable.from(slowly()), headers: { "content-type": "application/octet-stream", "content-length": "2000" } })
      .then(() => "answered", () => "cut");
    await Promise.all(waiting);
    await new Promise((resolve) => setTimeout(resolve, 150)); // so has the upload
    assert.equal((await suspend()).status, 200);
    for (const poll of polls) assert.include(["cut", "answered 403"], await poll);
    assert.equal(await upload, "cut");
    assert.isFalse(isFinished);
    for (const { ended } of streams) assert.notInclude((await ended).map((event) => event.type === "state" && event.state), "done");
    for (const client of [world.bank.client, analyst.client]) assertCode(await client.get(`/v1/jobs/${job}/events`), "AUTH_SUSPENDED");
    assertCode(await world.guest.client.get("/enclave/v1/jobs?cursor=0"), "AUTH_SUSPENDED");
    // Others go on.
    assert.equal((await world.tax.client.get("/enclave/v1/jobs?cursor=0")).status, 200);
    await readmit();
    const ended = await said<JobView>(world.bank.client.get(`/v1/jobs/${job}`));
    assert.equal(ended.state, "failed");
    assert.deepInclude(ended.failure, { code: "JOB_MEMBER_SUSPENDED", party: partyId("bank") });
  });

  it("are cut where nothing is asked just now: kept-alive connections by key and by mutual TLS; those of others stay", async () => {
    const [key, certificate, other] = [world.platform.apiClient({ apiKey: world.bank.apiKey }), world.platform.enclaveClient(world.guest.identity, 1), world.platform.enclaveClient(world.tax.identity, 1)];
    const closed: string[] = [];
    for (const [name, client] of [["key", key], ["certificate", certificate], ["other", other]] as const) client.pool.on("disconnect", () => closed.push(name));
    for (const client of [certificate, other]) assert.equal((await client.get("/enclave/v1/parties")).status, 200);
    assert.equal((await key.get("/v1/jobs")).status, 200);
    const cut = Promise.all([key, certificate].map((client) => new Promise((resolve) => client.pool.once("disconnect", resolve))));
    await said(suspend());
    await cut;
    assert.equal((await other.get("/enclave/v1/parties")).status, 200);
    assert.sameMembers(closed, ["key", "certificate"]);
    await readmit();
  });

  it("leave no job behind that was on its way in", async () => {
    const { platform } = world.platform.running ?? {};
    assert.isDefined(platform);
    // Suspended after the caller was let in, before its job is stored.
    const late = { ...platform, db: { ...platform.db, write: async <T>(work: (tx: never) => Promise<T>): Promise<T> => {
      await said(suspend());
      return platform.db.write(work as never);
    } } } as typeof platform;
    const refused: unknown = await submitJob(late, { institution: world.bank.institution, party: partyId("bank") }, { ...jobRequest(), guest: partyId("bank") } as never, undefined).catch((error: unknown) => error);
    assert.equal((refused as { code?: string }).code, "AUTH_SUSPENDED");
    await readmit();
    assert.deepEqual((await said<{ items: JobView[] }>(world.bank.client.get("/v1/jobs"))).items.filter((job) => job.endedAt === null), []);
  });

  it("are cut when another process on the same database suspends, and when a key's time ends in the middle of a stream", async () => {
    const job = await runningJob(world);
    const [stream] = [await follow(world.bank.client, job)];
    const own = await follow(analyst.client, job);
    const rotated = await said<{ key: string }>(analyst.client.post(`/v1/keys/${analyst.id}/rotation`, { overlapSeconds: 1 }), 201);
    await own.ended; // by the clock of the platform
    assertCode(await analyst.client.get("/v1/jobs"), "AUTH_INVALID");
    analyst = { ...analyst, key: rotated.key, client: world.platform.apiClient({ apiKey: rotated.key }) };
    const { cursor } = await said<{ cursor: number }>(world.tax.client.get("/enclave/v1/jobs?cursor=0"));
    const poll = said<{ jobs: EnclaveJob[] }>(world.tax.client.get(`/enclave/v1/jobs?cursor=${cursor}&wait=20`));
    await world.platform.admin.suspendInstitution(world.bank.institution); // its own connection to the database, no wake-up
    await stream?.ended;
    assert.equal((await poll).jobs.find((one) => one.id === job)?.failure?.code, "JOB_MEMBER_SUSPENDED");
    assertCode(await world.bank.client.get("/v1/jobs"), "AUTH_SUSPENDED");
    await readmit();
  });

  it("end with their jobs when a member is removed: a provider that waits is told the code", async () => {
    const running = await runningJob(world);
    const waiting = await submit(world, ["power"]);
    const { cursor } = await said<{ cursor: number }>(world.tax.client.get("/enclave/v1/jobs?cursor=0"));
    const poll = said<{ jobs: EnclaveJob[] }>(world.tax.client.get(`/enclave/v1/jobs?cursor=${cursor}&wait=20`));
    const frame = world.tax.client.getFrame(running, "bank", 0, 20);
    const stream = await follow(world.bank.client, running);
    await said(staff.bo.client.post(`/v1/members/${member}/removal`, { reason: "sale" }));
    await stream.ended;
    const told = (await poll).jobs.find((job) => job.id === running);
    assert.equal(told?.state, "failed");
    assert.deepInclude(told?.failure, { code: "JOB_MEMBER_REMOVED", party: partyId("bank") });
    assertCode(await frame, "JOB_ENDED");
    const feed = await said<{ jobs: EnclaveJob[] }>(world.power.client.get("/enclave/v1/jobs?cursor=0"));
    for (const id of [running, waiting]) assert.equal(feed.jobs.find((job) => job.id === id)?.failure?.code, "JOB_MEMBER_REMOVED");
    assertCode(await world.bank.client.get("/v1/jobs"), "AUTH_INVALID");
    assertCode(await world.guest.client.get("/enclave/v1/jobs?cursor=0"), "AUTH_INVALID");
    assert.equal(world.platform.running?.platform.wakeups.hasRoom, true);
  });
});

describe("a local-platform node that is suspended or removed", () => {
  let platform: TestPlatform;
  let staff: Staff;
  let bank: Bank;
  let node: { member: string; enclave: Client };
  before(async () => {
    ({ platform, ...staff } = await staffed({ settings: { reviewEveryDays: 100, reviewGraceDays: 10 } }));
    const guest = await platform.enrol("bank");
    await said(guest.client.put("/enclave/v1/dataset", summaryOf("loans", true)));
    bank = await platform.addBank("bank");
    const issued = await admitted(staff, "city-node", "node");
    node = { member: issued.member, enclave: platform.enclaveClient(await enrolParty(platform.apiPort, issued.token ?? "")) };
    await said(node.enclave.put("/enclave/v1/dataset", summaryOf("city", false)));
  });
  after(() => platform[Symbol.asyncDispose]());
  const submitted = (): Promise<JobView> => said(bank.client.post("/v1/jobs", jobRequest(["city-node"])), 201);
  const post = (by: Person, what: string, body: object): Promise<Reply> => by.client.post(`/v1/members/${node.member}/${what}`, body);

  it("loses its long polls and jobs, and its people their streams; nobody can plan with it", async () => {
    const operator = await personOf(platform, staff.operator, "provider-operator", "N 1", { party: "city-node" });
    const job = await submitted();
    const { cursor } = await said<{ cursor: number }>(node.enclave.get("/enclave/v1/jobs?cursor=0"));
    const waiting = waits(platform, "feed:city-node");
    const poll = gone(node.enclave.get(`/enclave/v1/jobs?cursor=${cursor}&wait=25`));
    await waiting;
    assert.equal((await operator.client.get(`/v1/members/${node.member}`)).status, 200);
    await said(post(staff.ana, "violations", { violation: "accident-not-reported", evidence: evidence("report") }));
    await said(post(staff.ana, "suspension", { reason: "accident-not-reported" }));
    assert.include(["cut", "answered 403"], await poll);
    assertCode(await node.enclave.get("/enclave/v1/jobs?cursor=0"), "AUTH_SUSPENDED");
    assertCode(await operator.client.get(`/v1/members/${node.member}`), "AUTH_SUSPENDED");
    assert.deepInclude((await said<JobView>(bank.client.get(`/v1/jobs/${job.id}`))).failure, { code: "JOB_MEMBER_SUSPENDED", party: partyId("city-node") });
    assertCode(await bank.client.post("/v1/jobs", jobRequest(["city-node"])), "PARTY_NOT_FOUND");
    assertCode(await post(staff.operator, "token", {}), "MEMBER_STATE");
    const again = await said<MemberView>(post(staff.operator, "readmission", goodAssessment("node", "again")));
    assert.equal((await approveByBoth(staff, again)).state, "admitted");
    assert.equal((await node.enclave.get("/enclave/v1/jobs?cursor=0")).status, 200);
    assert.equal((await submitted()).state, "awaiting-approval");
  });

  it("is told nothing more by a poll that was open, also where another process stopped it", async () => {
    const job = await submitted();
    const { cursor } = await said<{ cursor: number }>(node.enclave.get("/enclave/v1/jobs?cursor=0"));
    const waiting = waits(platform, "feed:city-node");
    const poll = gone(node.enclave.get(`/enclave/v1/jobs?cursor=${cursor}&wait=25`));
    await waiting;
    await platform.admin.suspendParty(partyId("city-node"));
    await said(bank.client.post(`/v1/jobs/${job.id}/cancel`)); // wakes it
    assert.include(["cut", "answered 403"], await poll);
    await platform.admin.resumeParty(partyId("city-node"));
  });

  it("is reviewed as institutions are, and stopped when the review fails", async () => {
    assert.equal((await said<MemberView>(post(staff.bo, "reviews", { outcome: "failed", evidence: evidence("f") }))).reason, "review-failed");
    assertCode(await node.enclave.get("/enclave/v1/jobs?cursor=0"), "AUTH_SUSPENDED");
    await said(post(staff.bo, "reviews", { outcome: "passed", evidence: evidence("p") }));
    assert.equal((await node.enclave.get("/enclave/v1/jobs?cursor=0")).status, 200);
  });

  it("renews its certificates with a new token, after which the old ones and their connections are void", async () => {
    const { token, party } = await said<{ token: string; party: string }>(post(staff.operator, "token", {}), 201);
    assert.equal(party, "city-node");
    const renewed = platform.enclaveClient(await enrolParty(platform.apiPort, token));
    assert.equal((await renewed.get("/enclave/v1/jobs?cursor=0")).status, 200);
    assertCode(await node.enclave.get("/enclave/v1/jobs?cursor=0"), "AUTH_INVALID");
    node = { ...node, enclave: renewed };
  });

  it("is out for good when removed", async () => {
    const job = await submitted();
    const spare = await said<{ token: string }>(post(staff.operator, "token", {}), 201);
    const waiting = waits(platform, `relay:${job.id}:bank:city-node`);
    const poll = gone(node.enclave.getFrame(job.id, "bank", 0, 25));
    await waiting;
    await said(post(staff.ana, "removal", { reason: "sale" }));
    assert.notEqual(await poll, "answered 200");
    assertCode(await node.enclave.get("/enclave/v1/jobs?cursor=0"), "AUTH_INVALID");
    assert.equal((await said<JobView>(bank.client.get(`/v1/jobs/${job.id}`))).failure?.code, "JOB_MEMBER_REMOVED");
    assertCode(await platform.apiClient().post("/v1/enrol", { token: spare.token, csrTls: "x".repeat(70), csrIdentity: "x".repeat(70) }), "ENROL_EXPIRED");
  });
});

describe("submissions that need two persons", () => {
  let world: World;
  let staff: Staff;
  let sue: Person;
  let paul: Person;
  let sueApproves: Person;
  let stranger: Person;
  before(async () => {
    world = await newWorld({ log: keptLog([]) });
    staff = await staffOf(world.platform);
    const rival = await world.platform.enrol("rival");
    await rival.client.put("/enclave/v1/dataset", summaryOf("loans", true));
    const other = await world.platform.addBank("rival");
    const person = (role: "bank-submitter" | "bank-approver", holder: string, institution = world.bank.institution): Promise<Person> => personOf(world.platform, staff.operator, role, holder, { institution });
    [sue, paul, sueApproves, stranger] = [await person("bank-submitter", "Sue"), await person("bank-approver", "Paul"), await person("bank-approver", "sue"), await person("bank-approver", "Paul", other.institution)];
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const setTwoPerson = async (twoPerson: boolean): Promise<void> => {
    const { items } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members"));
    const id = items.find((item) => item.institution === world.bank.institution)?.id ?? "none";
    await said(staff.operator.client.put(`/v1/members/${id}/settings`, { twoPerson }));
  };
  const release = (by: Person, job: Pick<JobView, "id" | "planDigest">): Promise<Reply> => by.client.post(`/v1/jobs/${job.id}/release`, { planDigest: job.planDigest });
  const feedOf = async (client: Client): Promise<string[]> => (await said<{ jobs: EnclaveJob[] }>(client.get("/enclave/v1/jobs?cursor=0"))).jobs.map((job) => job.id);
  const approval = { jws: "aGVhZA.Ym9keQ.c2ln" };

  it("go to the parties at once while the setting is off", async () => {
    const job = await said<JobView>(sue.client.post("/v1/jobs", jobRequest()), 201);
    assert.equal(job.state, "awaiting-approval");
    assert.include(await feedOf(world.tax.client), job.id);
    assert.equal((await said<JobView>(release(paul, job))).state, "awaiting-approval"); // nothing to release, nothing changed
  });

  it("wait for another person, unknown to the parties until then", async () => {
    await setTwoPerson(true);
    const job = await said<JobView>(sue.client.post("/v1/jobs", jobRequest()), 201);
    assert.equal(job.state, "submitted");
    for (const enclave of [world.guest, world.tax, world.power]) {
      assert.notInclude(await feedOf(enclave.client), job.id);
      assertCode(await enclave.client.post(`/enclave/v1/jobs/${job.id}/approval`, approval), "JOB_NOT_FOUND");
      assertCode(await enclave.client.post(`/enclave/v1/jobs/${job.id}/refusal`, { code: "POLICY_REFUSED" }), "JOB_NOT_FOUND");
      assertCode(await enclave.client.post(`/enclave/v1/jobs/${job.id}/state`, { state: "failed", code: "POLICY_REFUSED" }), "JOB_NOT_FOUND");
      assertCode(await enclave.client.post(`/enclave/v1/jobs/${job.id}/events`, { events: [{ type: "phase-started", phase: "load" }] }), "JOB_NOT_FOUND");
    }
    assertCode(await release(sue, job), "AUTH_ROLE");
    assertCode(await release(sueApproves, job), "JOB_SAME_PERSON");
    assertCode(await release(stranger, job), "JOB_NOT_FOUND");
    assertCode(await world.bank.client.post(`/v1/jobs/${job.id}/release`, { planDigest: job.planDigest }), "AUTH_INVALID"); // a program is no person
    assertCode(await paul.client.post(`/v1/jobs/${job.id}/release`, { planDigest: "0".repeat(64) }), "JOB_PLAN_DIGEST");
    assert.notInclude(await feedOf(world.tax.client), job.id);
    assert.equal((await said<JobView>(release(paul, job))).state, "awaiting-approval");
    assert.include(await feedOf(world.tax.client), job.id);
    assert.equal((await said<JobView>(release(paul, job))).state, "awaiting-approval");
    assert.equal((await world.tax.client.post(`/enclave/v1/jobs/${job.id}/approval`, approval)).status, 200);
  });

  it("wait too when the institution's program submits, survive a restart, and are released once by approvals that come at once", async () => {
    const id = await submit(world);
    await world.platform.stop();
    await world.platform.launch();
    const job = await said<JobView>(paul.client.get(`/v1/jobs/${id}`));
    assert.equal(job.state, "submitted");
    const both = await Promise.all([release(paul, job), release(sueApproves, job)]);
    assert.deepEqual(both.map((reply) => reply.status), [200, 200]);
    assert.lengthOf((await feedOf(world.tax.client)).filter((seen) => seen === id), 1);
  });

  it("can be cancelled instead, without a word to the parties, and are not released after that", async () => {
    const job = await said<JobView>(sue.client.post("/v1/jobs", jobRequest()), 201);
    assert.equal((await said<JobView>(paul.client.post(`/v1/jobs/${job.id}/cancel`))).state, "cancelled");
    assertCode(await release(paul, job), "JOB_ENDED");
    assert.notInclude(await feedOf(world.tax.client), job.id);
  });
});
