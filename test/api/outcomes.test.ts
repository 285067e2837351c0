// Outcomes of loans and served models at the platform: what enclaves of banks tell, and what each role sees of it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { OutcomesReply, ServedModelsReply } from "../../api/contract/outcomes.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { newWorld, TestClock, type World } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { person } from "../support/subjects.ts";

const definition = { daysPastDue: 90, windowMonths: 12, indeterminateFrom: null };
const table = (asOf: string, cells: readonly object[], rest: object | null = null): object => ({ asOf, cells, rest });
const cell = (key: string, goods: number, bads: number): object => ({ key, goods, bads });
const counts = (model: string, asOf = "2026-01", more: object = {}): object => ({
  version: 1, model: sha256Hex(model), definition, grouping: sha256Hex("g"), cohorts: table(asOf, [cell("2024-01", 100, 20), cell("2024-02", 80, 25)]), bands: table(asOf, [cell("band 1", 180, 45)]), ...more,
});
const served = (revision: number, more: object = {}): object => ({
  version: 1, deployment: "loans", revision, changedAt: "2026-01-01T00:00:00.000Z", versions: [{ version: 1, model: sha256Hex("a"), state: "champion", share: 0, evaluation: sha256Hex("e") }, { version: 2, model: sha256Hex("b"), state: "canary", share: 500, evaluation: null }], ...more,
});

function suite(name: string, newDatabase: () => Promise<string | undefined>): void {
  describe(`outcomes and served models at the platform on ${name}`, () => {
    let world: World;
    const clock = new TestClock();
    const clients = new Map<string, Client>();
    const as = (who: string): Client => clients.get(who) ?? assert.fail(who);
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
        ["analyst", "analyst", { institution: bank.institution }], ["tax", "provider-operator", { party: world.tax.identity.party }], ["operator", "platform-operator", {}], ["supervisor", "supervisor", {}],
      ] as const) clients.set(key, await person(platform, role, `${key} 1`, owner));
    });
    after(() => world.platform[Symbol.asyncDispose]());
    const put = (enclave: World["tax"], body: object, path = "/enclave/v1/outcomes") => enclave.client.put(path, body);

    it("shows supervisors the counts of all banks with totals by cohort, an institution its own, a provider nothing", async () => {
      const own = world.guest;
      assert.equal((await put(own, counts("a"))).status, 200);
      assert.equal((await put(own, counts("b", "2026-01", { bands: table("2026-01", [], null) }))).status, 200);
      assert.equal((await put(world.power, counts("c"))).status, 200);
      const all = await read<OutcomesReply>("supervisor", "/v1/outcomes");
      assert.lengthOf(all.reports, 3);
      assert.deepEqual(all.totals.map((t) => [t.cohort, t.goods, t.bads, t.models]), [["2024-01", 300, 60, 3], ["2024-02", 240, 75, 3]]);
      assert.lengthOf((await read<OutcomesReply>("operator", `/v1/outcomes?party=${world.power.identity.party}`)).reports, 1);
      const seen = await read<OutcomesReply>("analyst", "/v1/outcomes");
      assert.deepEqual(new Set(seen.reports.map((r) => r.party)), new Set([own.identity.party]));
      assert.isString(seen.reports[0]?.institution);
      assert.isEmpty((await read<OutcomesReply>("analyst", `/v1/outcomes?party=${world.power.identity.party}`)).reports);
      assertCode(await as("tax").get("/v1/outcomes"), "AUTH_ROLE");
    });

    it("takes no count below 20, nothing else beside, and no month before the one told", async () => {
      const own = world.guest;
      for (const bad of [counts("a", "2026-01", { cohorts: table("2026-01", [cell("2024-01", 100, 19)]) }), { ...counts("a"), rate: 0.1 }, counts("a", "2026-01", { cohorts: table("2026-01", [cell("91110108MA01A1B2C3", 100, 20)]) })]) assert.equal((await put(own, bad)).status, 400);
      assertCode(await put(own, counts("a", "2025-12")), "OUTCOME_STALE");
      assert.equal((await put(own, counts("a", "2026-02"))).status, 200);
      assert.equal((await read<OutcomesReply>("supervisor", "/v1/outcomes")).reports.find((r) => r.model === sha256Hex("a"))?.cohorts.asOf, "2026-02");
    });

    it("shows which versions stand where, by the latest revision", async () => {
      const own = world.guest;
      const path = "/enclave/v1/served-models";
      assert.equal((await put(own, served(4), path)).status, 200);
      assertCode(await put(own, served(3), path), "SERVING_CONFLICT");
      assert.equal((await put(own, served(5, { versions: [] }), path)).status, 200);
      assert.equal((await put(own, served(6, { weights: [1] }), path)).status, 400);
      for (const who of ["supervisor", "analyst", "operator"]) assert.deepEqual((await read<ServedModelsReply>(who, "/v1/served-models")).deployments.map((d) => [d.party, d.deployment, d.revision]), [[own.identity.party, "loans", 5]], who);
      assertCode(await as("tax").get("/v1/served-models"), "AUTH_ROLE");
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
      cluster.createDatabase("outcomes");
    });
    after(() => cluster.stop());
    suite("PostgreSQL", () => Promise.resolve(cluster.url("outcomes")));
  });
}
