// Objections and credit repair over the API: from the company to the provider's enclave and back, on time, with marks for those who may use the
// item, across a restart and a killed process.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import type { Lodging, ObjectionNotice, ObjectionView } from "../../api/contract/subject.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { keptLog, newWorld, TestClock, TestPlatform, type World } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { consentTo, freshKey, grantRequest, login, person, usccOf, withIssuer, type Company } from "../support/subjects.ts";

const dayMs = 86_400_000;
const lodging: Lodging = { kind: "objection", target: "item", party: "tax" as Lodging["party"], item: "tax.payment", ground: "inaccurate", evidence: "e".repeat(64) };

function objectionSuite(name: string, newDatabase: () => Promise<string | undefined>): void {
  describe(`objections on ${name}`, () => {
    let world: World;
    let issuer: TestIssuer;
    let first: Company;
    let second: Company;
    let operator: Client;
    let supervisor: Client;
    const lines: string[] = [];
    const clock = new TestClock();

    before(async () => {
      const database = await newDatabase();
      world = await newWorld({ log: keptLog(lines), now: clock.now, limits: { subjectSessionMs: 365 * dayMs }, ...(database === undefined ? {} : { database }) });
      issuer = await withIssuer(world.platform);
      first = await login(world.platform, usccOf(1));
      second = await login(world.platform, usccOf(2));
      operator = await person(world.platform, "platform-operator", "operator 1");
      supervisor = await person(world.platform, "supervisor", "supervisor 1");
    });
    after(async () => {
      await issuer.close();
      await world.platform[Symbol.asyncDispose]();
    });

    const lodge = (company: Company, given: object, key = freshKey()): Promise<Reply> => company.client.post("/v1/objections", given, key);
    const lodged = async (company: Company, change: object = {}): Promise<ObjectionView> => {
      const reply = await lodge(company, { ...lodging, ...change });
      assert.equal(reply.status, 201, reply.bytes.toString());
      return reply.json() as ObjectionView;
    };
    const show = async (company: Company, id: string): Promise<ObjectionView> => (await company.client.get(`/v1/objections/${id}`)).json() as ObjectionView;
    const news = async (client: Client, since = 0): Promise<{ next: number; notices: ObjectionNotice[] }> =>
      (await client.get(`/enclave/v1/objections?after=${since}`)).json() as { next: number; notices: ObjectionNotice[] };
    const accept = (id: string): Promise<Reply> => operator.post(`/v1/objections/${id}/decision`, { decision: "accept" });
    const answer = (client: Client, id: string, change: object = {}): Promise<Reply> =>
      client.post(`/enclave/v1/objections/${id}/answer`, { outcome: "corrected", reason: "value-corrected", reply: "a".repeat(64), ...change });

    it("runs from lodging to correction; institutions with a consent are told to mark, and told the end", async () => {
      await consentTo(first, grantRequest(clock.ms));
      await consentTo(first, grantRequest(clock.ms, { items: ["utilities.electricity"] }));
      const o = await lodged(first);
      assert.deepInclude(o, { state: "lodged", overdue: false, outcome: null, endedAt: null });
      assert.equal(Date.parse(o.dueAt), Date.parse("2026-01-25T16:00:00Z")); // 20 days after 5 January, midnight in China
      assert.isEmpty((await news(world.tax.client)).notices, "not before it is accepted");
      assert.equal((await accept(o.id)).status, 200);
      const bank = await news(world.guest.client);
      assert.deepEqual(bank.notices.map((n) => [n.id, n.role, n.subject, n.item, n.state, n.evidence]), [[o.id, "mark", first.uscc, "tax.payment", "accepted", null]]);
      assert.isEmpty((await news(world.power.client)).notices);
      const tax = await news(world.tax.client);
      assert.deepEqual(tax.notices.map((n) => [n.role, n.evidence]), [["decide", lodging.evidence ?? ""]]);
      assert.equal((await show(first, o.id)).state, "examining");
      assertCode(await answer(world.guest.client, o.id), "OBJECTION_NOT_FOUND");
      assertCode(await answer(world.power.client, o.id), "OBJECTION_NOT_FOUND");
      clock.ms += dayMs;
      assert.deepEqual((await answer(world.tax.client, o.id)).json(), { state: "corrected" });
      assert.equal((await answer(world.tax.client, o.id)).status, 200, "the same again");
      assertCode(await answer(world.tax.client, o.id, { outcome: "rejected", reason: "value-confirmed" }), "OBJECTION_STATE");
      assertCode(await answer(world.tax.client, o.id, { reply: "b".repeat(64) }), "OBJECTION_STATE");
      const end = await show(first, o.id);
      assert.deepInclude(end, { state: "corrected", outcome: "corrected", reason: "value-corrected", overdue: false, reply: "a".repeat(64) });
      assert.deepEqual(end.steps.map((s) => [s.type, s.actor]), [["lodge", "subject"], ["accept", "platform-operator"], ["take", "tax"], ["answer", "tax"]]);
      assert.deepEqual((await news(world.guest.client, bank.next)).notices.map((n) => n.state), ["corrected"]);
      const { notices } = (await first.client.get("/v1/subject/export")).json() as { notices: { type: string; about: string }[] };
      assert.deepEqual(notices.filter((n) => n.about === o.id).map((n) => n.type), ["objection-accepted", "objection-decided"]);
    });

    it("tells an institution that gets its consent while the objection is open", async () => {
      const o = await lodged(second);
      await accept(o.id);
      const earlier = await news(world.guest.client);
      assert.isFalse(earlier.notices.some((n) => n.id === o.id));
      await consentTo(second, grantRequest(clock.ms));
      assert.deepEqual((await news(world.guest.client, earlier.next)).notices.map((n) => [n.id, n.role]), [[o.id, "mark"]]);
      assert.equal((await second.client.post(`/v1/objections/${o.id}/withdrawal`)).status, 200);
    });

    it("lets a score be objected to at the institution, and a repair be asked of a provider", async () => {
      const score = await lodged(first, { target: "score", party: "bank", item: undefined, ground: "outdated" });
      await accept(score.id);
      assert.deepInclude((await news(world.guest.client)).notices.find((n) => n.id === score.id), { role: "decide", target: "score", item: null });
      assert.equal((await answer(world.guest.client, score.id, { reason: "score-recomputed" })).status, 200);
      const repair = await lodged(first, { kind: "repair", ground: "obligation-fulfilled", item: "tax.arrears-history" });
      await accept(repair.id);
      assertCode(await answer(world.tax.client, repair.id, { outcome: "rejected", reason: "repaired" }), "REQUEST_INVALID");
      assertCode(await answer(world.tax.client, repair.id, { outcome: "corrected", reason: "cannot-be-established" }), "REQUEST_INVALID");
      assert.equal((await answer(world.tax.client, repair.id, { outcome: "rejected", reason: "conditions-not-met" })).status, 200);
      assert.equal((await show(first, repair.id)).outcome, "rejected");
    });

    it("refuses targets that are none, a second one against the same thing, and another request under a key", async () => {
      for (const wrong of [{ item: undefined }, { item: "tax.invented" }, { target: "score" }, { party: "nobody" }, { kind: "repair", target: "score", item: undefined }]) {
        assertCode(await lodge(second, { ...lodging, ...wrong }), "OBJECTION_TARGET");
      }
      assertCode(await lodge(second, { ...lodging, text: "our turnover is 5" }), "REQUEST_INVALID");
      const key = freshKey();
      const both = await Promise.all([lodge(second, lodging, key), lodge(second, lodging, key), lodge(second, lodging, key)]);
      assert.deepEqual(both.map((r) => r.status), [201, 201, 201]);
      assert.equal(new Set(both.map((r) => (r.json() as ObjectionView).id)).size, 1);
      assertCode(await lodge(second, { ...lodging, ground: "outdated" }, key), "JOB_IDEMPOTENCY");
      assertCode(await lodge(second, lodging), "OBJECTION_OPEN");
      const { id } = (both[0] ?? assert.fail()).json() as ObjectionView;
      assertCode(await first.client.get(`/v1/objections/${id}`), "OBJECTION_NOT_FOUND");
      assertCode(await first.client.post(`/v1/objections/${id}/withdrawal`), "OBJECTION_NOT_FOUND");
      assertCode(await first.client.get(`/v1/objections?cursor=${id}`), "OBJECTION_NOT_FOUND");
      await second.client.post(`/v1/objections/${id}/withdrawal`);
      assert.equal((await lodge(second, lodging)).status, 201);
    });

    it("shows those who accept and supervise the cases without the company", async () => {
      for (const client of [operator, supervisor]) {
        const reply = await client.get("/v1/objections/inbox?state=lodged");
        assert.isNotEmpty((reply.json() as { items: [] }).items);
        assert.notMatch(reply.bytes.toString(), new RegExp(`${first.uscc}|${second.uscc}|subject`));
      }
      assertCode(await supervisor.post(`/v1/objections/objection_${"0".repeat(24)}/decision`, { decision: "accept" }), "AUTH_ROLE");
      assertCode(await accept(`objection_${"0".repeat(24)}`), "OBJECTION_NOT_FOUND");
    });

    it("ends with a reason when it is not accepted, and nobody is told to mark", async () => {
      const o = await lodged(first, { item: "utilities.electricity", party: "power" });
      const refusal = { decision: "refuse", reason: "evidence-missing" };
      assert.equal((await operator.post(`/v1/objections/${o.id}/decision`, refusal)).status, 200);
      assertCode(await accept(o.id), "OBJECTION_STATE");
      assert.deepInclude(await show(first, o.id), { state: "refused", reason: "evidence-missing" });
      assert.isEmpty((await news(world.power.client)).notices);
    });

    it("accepts by silence, calls a late answer late, over a restart in between, and says so to company and supervisor", async () => {
      const o = await lodged(first, { ground: "outdated" });
      clock.ms = Date.parse(o.acceptBy);
      await eventually(async () => (await show(first, o.id)).state === "accepted");
      await news(world.tax.client);
      await world.platform.stop();
      clock.ms = Date.parse(o.dueAt) + 1;
      await world.platform.launch();
      await eventually(async () => (await show(first, o.id)).overdue);
      const inbox = (await supervisor.get("/v1/objections/inbox?overdue=true")).json() as { items: { id: string }[] };
      assert.include(inbox.items.map((i) => i.id), o.id);
      assert.equal((await answer(world.tax.client, o.id, { outcome: "unconfirmed", reason: "cannot-be-established" })).status, 200);
      const end = await show(first, o.id);
      assert.deepInclude(end, { state: "unconfirmed", overdue: true });
      assert.deepEqual(end.steps.map((s) => `${s.type} ${s.actor}`), ["lodge subject", "accept clock", "take tax", "overdue clock", "answer tax"]);
      const { notices } = (await first.client.get("/v1/subject/export")).json() as { notices: { type: string; about: string }[] };
      assert.deepEqual(notices.filter((n) => n.about === o.id).map((n) => n.type).sort(), ["objection-accepted", "objection-decided", "objection-overdue"]);
    });

    it("writes no company and no token into its logs", () => {
      const told = lines.join("\n");
      assert.include(told, "objection.lodged");
      for (const secret of [first.uscc, second.uscc, first.token.split(".")[2] ?? "none"]) assert.notInclude(told, secret);
    });
  });
}

/** The clock-driven work looks once a second. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not happen");
}

objectionSuite("SQLite", () => Promise.resolve(undefined));
const bin = findPostgres();
if (bin !== undefined || process.env["YUNEI_REQUIRE_POSTGRES"] === "1") {
  describe("with a PostgreSQL of its own", () => {
    let cluster: Cluster;
    before(async () => {
      assert.isDefined(bin, "PostgreSQL is required here");
      cluster = await startPostgres(bin ?? "");
      cluster.createDatabase("objections");
    });
    after(() => cluster.stop());
    objectionSuite("PostgreSQL", () => Promise.resolve(cluster.url("objections")));
  });
}

describe("a killed platform", () => {
  it("keeps every acknowledged session, consent, withdrawal and objection", async () => {
    const platform = await TestPlatform.start({ asProcess: true });
    const issuer = await withIssuer(platform);
    try {
      const [guest, tax] = [await platform.enrol("bank"), await platform.enrol("tax")];
      await platform.addBank("bank");
      const company = await login(platform, usccOf(5));
      const kept = await consentTo(company, grantRequest(Date.now()));
      const gone = await consentTo(company, grantRequest(Date.now()));
      assert.equal((await company.client.post(`/v1/consents/${gone.id}/withdrawal`)).status, 200);
      const o = (await company.client.post("/v1/objections", lodging, freshKey())).json() as ObjectionView;
      const sequenceOf = async (): Promise<number> => {
        const [list = ""] = ((await tax.client.get("/enclave/v1/revocations")).json() as { lists: string[] }).lists;
        return (JSON.parse(Buffer.from(list.split(".")[1] ?? "", "base64url").toString()) as { sequence: number }).sequence;
      };
      const sequence = await sequenceOf();
      await platform.kill();
      await platform.launch();
      assert.isAbove(await sequenceOf(), sequence);
      const { items } = (await company.client.get("/v1/consents")).json() as { items: { id: string; state: string }[] };
      assert.deepEqual(new Map(items.map((i) => [i.id, i.state])), new Map([[kept.id, "active"], [gone.id, "withdrawn"]]));
      assert.equal(((await company.client.get(`/v1/objections/${o.id}`)).json() as ObjectionView).state, "lodged");
      assert.equal(((await guest.client.get("/enclave/v1/consents")).json() as { consents: [] }).consents.length, 1);
    } finally {
      await issuer.close();
      await platform[Symbol.asyncDispose]();
    }
  });
});
