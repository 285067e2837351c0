// Data quality and use of items at the platform: what enclaves publish, and what each role sees of it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { JobId } from "../../core/brand.ts";
import { publishedRules } from "../../quality/rules.ts";
import type { UsageReply } from "../../api/contract/usage.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { jobRequest, newWorld, runningJob, TestClock, type Enclave, type World } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { person } from "../support/subjects.ts";

const dayMs = 86_400_000;
const rate = (more: object = {}): object => ({ rule: "completeness.missing", item: "tax.payment", dimension: "completeness", severity: "minor", limit: 300, state: "rated", permille: 12, ...more });
const issue = (clock: TestClock, more: object = {}): object => ({
  issue: 1, rule: "validity.amount", item: "tax.payment", dimension: "validity", severity: "major", limit: 0, state: "open", permille: 5, openedAt: new Date(clock.ms).toISOString(),
  dueAt: new Date(clock.ms + 10 * dayMs).toISOString(), closedAt: null, reason: null, acceptedUntil: null, ...more });

function suite(name: string, newDatabase: () => Promise<string | undefined>): void {
  describe(`data quality and usage at the platform on ${name}`, () => {
    let world: World;
    const clock = new TestClock();
    const clients = new Map<string, Client>();
    const as = (who: string): Client => clients.get(who) ?? assert.fail(who);
    const publication = (more: object = {}): object => ({ version: 1, ranAt: new Date(clock.ms).toISOString(), rates: [rate()], issues: [issue(clock)], ...more });
    const put = (enclave: Enclave, body: object, path = "/enclave/v1/quality") => enclave.client.put(path, body);
    const read = async <T>(who: string, path: string): Promise<T> => {
      const reply = await as(who).get(path);
      assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
      return reply.json() as T;
    };

    before(async () => {
      const database = await newDatabase();
      world = await newWorld({ now: clock.now, ...(database === undefined ? {} : { database }) });
      const { platform, bank } = world;
      for (const [key, role, owner] of [
        ["bank", "bank-submitter", { institution: bank.institution }], ["analyst", "analyst", { institution: bank.institution }], ["tax", "provider-operator", { party: world.tax.identity.party }],
        ["power", "provider-owner", { party: world.power.identity.party }], ["operator", "platform-operator", {}], ["supervisor", "supervisor", {}],
      ] as const) clients.set(key, await person(platform, role, `${key} 1`, owner));
    });
    after(() => world.platform[Symbol.asyncDispose]());

    type Rates = { rates: { party: string; rule: string; item: string | null; permille: number | null }[] };
    type Issues = { issues: { party: string; issue: number; overdue: boolean; state: string }[] };

    it("shows the published rules to everybody", async () => {
      const { rules } = (await world.platform.apiClient().get("/v1/quality/rules")).json() as { rules: { id: string; dueDays: number; zh: string }[] };
      assert.deepEqual(rules.map((r) => r.id), publishedRules.map((r) => r.id));
      assert.isTrue(rules.every((r) => r.dueDays > 0 && r.zh !== ""));
    });

    it("shows rates to institutions, supervisors and the operator, and to a provider its own", async () => {
      assert.equal((await put(world.tax, publication())).status, 200);
      assert.equal((await put(world.power, publication({ rates: [rate({ item: "utilities.electricity", permille: 700 }), rate({ item: null, state: "suppressed", permille: null })], issues: [] }))).status, 200);
      for (const who of ["bank", "analyst", "supervisor", "operator"]) assert.deepEqual((await read<Rates>(who, "/v1/quality")).rates.map((r) => [r.party, r.item, r.permille]), [["power", "utilities.electricity", 700], ["power", null, null], ["tax", "tax.payment", 12]], who);
      assert.deepEqual((await read<Rates>("tax", "/v1/quality")).rates.map((r) => r.party), ["tax"]);
      assert.isEmpty((await read<Rates>("tax", "/v1/quality?party=power")).rates);
      assert.lengthOf((await read<Rates>("bank", "/v1/quality?item=utilities.electricity&dimension=completeness")).rates, 1);
      assert.isEmpty((await read<Rates>("bank", "/v1/quality?dimension=accuracy")).rates);
    });

    it("shows issues with their states to providers and supervisors, overdue by its own clock, and to no bank", async () => {
      for (const who of ["bank", "analyst"]) assertCode(await as(who).get("/v1/quality/issues"), "AUTH_ROLE");
      assert.deepEqual((await read<Issues>("power", "/v1/quality/issues")).issues, []);
      assert.deepEqual((await read<Issues>("tax", "/v1/quality/issues")).issues.map((i) => [i.issue, i.state, i.overdue]), [[1, "open", false]]);
      assert.isEmpty((await read<Issues>("supervisor", "/v1/quality/issues?state=overdue")).issues);
      clock.ms += 10 * dayMs + 1;
      assert.deepEqual((await read<Issues>("supervisor", "/v1/quality/issues?state=overdue")).issues.map((i) => [i.party, i.issue, i.overdue]), [["tax", 1, true]]);
      const opened = new TestClock();
      await put(world.tax, publication({ issues: [issue(opened, { state: "accepted", reason: "source-is-right", acceptedUntil: new Date(clock.ms + dayMs).toISOString() })] }));
      assert.isEmpty((await read<Issues>("supervisor", "/v1/quality/issues?state=overdue")).issues);
      assert.lengthOf((await read<Issues>("operator", "/v1/quality/issues?state=accepted&party=tax")).issues, 1);
    });

    it("follows an issue from hand to hand until it is closed; a word that it is corrected does not stop the clock", async () => {
      const due = new Date(clock.ms + dayMs).toISOString();
      const overdue = async (): Promise<number[]> => (await read<Issues>("supervisor", "/v1/quality/issues?state=overdue")).issues.map((i) => i.issue);
      for (const state of ["assigned", "corrected"]) {
        assert.equal((await put(world.tax, publication({ issues: [issue(clock, { state, dueAt: due })] }))).status, 200);
        assert.deepEqual((await read<Issues>("supervisor", `/v1/quality/issues?state=${state}`)).issues.map((i) => [i.party, i.overdue]), [["tax", false]]);
      }
      clock.ms += dayMs + 1;
      assert.deepEqual(await overdue(), [1]);
      await put(world.tax, publication({ issues: [issue(clock, { state: "closed", permille: 0, dueAt: due, closedAt: new Date(clock.ms).toISOString() })] }));
      assert.isEmpty(await overdue());
      assert.lengthOf((await read<Issues>("tax", "/v1/quality/issues?state=closed")).issues, 1);
      assertCode(await put(world.tax, publication({ issues: [issue(clock, { state: "assigned", assignee: "li" })] })), "REQUEST_INVALID");
      for (const query of ["state=lost", "party=NOBODY!", "state=open&state=closed", "since=now"]) assertCode(await as("supervisor").get(`/v1/quality/issues?${query}`), "REQUEST_INVALID");
      for (const query of ["item=tax", "dimension=beauty"]) assertCode(await as("supervisor").get(`/v1/quality?${query}`), "REQUEST_INVALID");
    });

    it("shows nothing to whom has no key, and takes nothing from the other listener's callers", async () => {
      for (const path of ["/v1/quality", "/v1/quality/issues", "/v1/usage"]) assert.equal((await world.platform.apiClient().get(path)).status, 401, path);
      for (const path of ["/enclave/v1/quality", "/enclave/v1/usage"]) assert.equal((await as("supervisor").put(path, publication())).status, 404, path);
    });

    it("refuses an earlier run, one of the future, counts, names of columns, and whatever else has no room in it", async () => {
      assertCode(await put(world.tax, publication({ ranAt: new Date(clock.ms - 1).toISOString() })), "QUALITY_STALE");
      assertCode(await put(world.tax, publication({ ranAt: new Date(clock.ms + dayMs).toISOString() })), "QUALITY_STALE");
      for (const bad of [
        publication({ rates: [rate({ checked: 1000 })] }), publication({ rates: [rate({ table: "filings" })] }), publication({ rates: [rate({ permille: 12.5 })] }), publication({ rates: [rate({ state: "suppressed" })] }),
        publication({ rates: [rate({ rule: "validity.91110108MA01A1B2C3" })] }), publication({ issues: [issue(clock, { note: "company 7" })] }), publication({ issues: [issue(clock, { reason: "because of company 7" })] }),
        publication({ company: "x" }), { version: 2 },
      ]) assertCode(await put(world.tax, bad), "REQUEST_INVALID");
      assert.deepEqual((await read<Rates>("tax", "/v1/quality")).rates.map((r) => r.permille), [12], "what was published stands");
    });

    describe("use of items", () => {
      let job: JobId;
      const report = (more: object = {}): object => ({ job, items: [{ item: "tax.payment", indicators: 3, bands: { unpredictive: 0, weak: 1, medium: 2, strong: 0 } }], uplift: 9, ...more });
      const putUsage = (enclave: Enclave, body: object) => put(enclave, body, "/enclave/v1/usage");

      before(async () => {
        const declared = { name: "usage", rows: 3000, features: 12, labelled: false, snapshotDigest: "a".repeat(64), catalogue: { version: "2024-15", items: ["utilities.electricity"], authorised: [] } };
        assert.equal((await world.power.client.put("/enclave/v1/dataset", declared)).status, 200);
        job = await runningJob(world);
      });

      it("is told after the job's end, by a host of it", async () => {
        assertCode(await putUsage(world.tax, report()), "JOB_NOT_RUNNING");
        for (const party of [world.guest, world.tax, world.power]) assert.equal((await party.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" })).status, 200);
        assertCode(await putUsage(world.guest, report()), "JOB_NOT_FOUND");
        assertCode(await putUsage(world.tax, report({ job: "job_0000000000000000" })), "JOB_NOT_FOUND");
        for (const bad of [report({ uplift: 9.5 }), report({ company: "x" }), report({ items: [{ item: "tax.payment", indicators: 1, bands: { weak: 0.031 } }] }), report({ items: [{ item: "no item" }] })]) assertCode(await putUsage(world.tax, bad), "REQUEST_INVALID");
        assert.equal((await putUsage(world.tax, report({ uplift: 1 }))).status, 200);
        assert.equal((await putUsage(world.tax, report())).status, 200);
      });

      it("shows a provider its own jobs with institution, purpose, counts, classes and gain", async () => {
        const usage = await read<UsageReply>("tax", "/v1/usage");
        assert.deepEqual(usage.jobs.map(({ job: id, kind, purpose, institution, guest, companies, items, uplift }) => ({ id, kind, purpose, institution, guest, companies, items, uplift })), [{
          id: job, kind: "scorecard", purpose: "model-development", institution: "Bank of bank", guest: "bank" as never, companies: 3000, uplift: 9,
          items: [{ item: "tax.payment" as never, indicators: 3, bands: { unpredictive: 0, weak: 1, medium: 2, strong: 0 } }],
        }]);
        assert.deepInclude(usage.totals[0] as object, { item: "tax.payment", jobs: 1, trainings: 1, scorings: 0, institutions: 1, providers: 1, companies: 3000, purposes: { "model-development": 1 } });
      });

      it("falls back on the items that the plan names when the provider publishes nothing", async () => {
        const usage = await read<UsageReply>("power", "/v1/usage");
        assert.deepEqual(usage.jobs.map((j) => [j.job, j.items, j.uplift]), [[job, [{ item: "utilities.electricity" as never, indicators: null, bands: null }], null]]);
      });

      it("shows supervisors and the operator totals by item, and no job", async () => {
        for (const who of ["supervisor", "operator"]) {
          const usage = await read<UsageReply>(who, "/v1/usage");
          assert.isEmpty(usage.jobs);
          assert.deepEqual(usage.totals.map((t) => [t.item, t.jobs, t.providers, t.bands.medium]), [["tax.payment", 1, 1, 2], ["utilities.electricity", 1, 1, 0]] as never);
          assert.isFalse(usage.truncated);
        }
        for (const who of ["bank", "analyst"]) assertCode(await as(who).get("/v1/usage"), "AUTH_ROLE");
        assert.isEmpty((await read<UsageReply>("supervisor", `/v1/usage?since=${new Date(clock.ms + dayMs).toISOString()}`)).totals);
        assertCode(await as("tax").get("/v1/usage?since=yesterday"), "REQUEST_INVALID");
      });

      it("counts no job that failed", async () => {
        const reply = await world.bank.client.post("/v1/jobs", jobRequest(["tax"]));
        const { id } = reply.json() as { id: string };
        await world.tax.client.post(`/enclave/v1/jobs/${id}/refusal`, { code: "POLICY_REFUSED" });
        assert.lengthOf((await read<UsageReply>("tax", "/v1/usage")).jobs, 1);
      });
    });
  });
}

suite("SQLite", () => Promise.resolve(undefined));
const bin = findPostgres();
if (bin !== undefined || process.env["YUNEI_REQUIRE_POSTGRES"] === "1") {
  describe("with a PostgreSQL of its own", () => {
    let cluster: Cluster;
    before(async () => {
      assert.isDefined(bin, "PostgreSQL is required here");
      cluster = await startPostgres(bin ?? "");
      cluster.createDatabase("quality");
    });
    after(() => cluster.stop());
    suite("PostgreSQL", () => Promise.resolve(cluster.url("quality")));
  });
}
