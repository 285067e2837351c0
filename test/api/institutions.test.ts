// Onboarding and supervision of institutions and nodes, on SQLite and, where it is installed, PostgreSQL.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { MemberView } from "../../api/contract/institutions.ts";
import { issueMember } from "../../api/services/institutions/onboarding.ts";
import { sweepMembers } from "../../api/services/institutions/supervision.ts";
import { partyId } from "../../core/names.ts";
import { assertCode, certificateRequest, enrolParty, newKeys, privatePem, type Client, type Reply } from "../support/clients.ts";
import {
  admitted, applied, apply, approveByBoth, decide, evidence, goodAssessment, personOf, said, sealTo, show, staffed, type Issued, type Staff,
} from "../support/institutions.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { keptLog, TestClock, type TestPlatform } from "../support/platform.ts";

const dayMs = 86_400_000;

function onboardingSuite(kind: string, newDatabase: () => Promise<string>): void {
  describe(`onboarding on ${kind}`, () => {
    let platform: TestPlatform;
    let staff: Staff;
    const clock = new TestClock();
    const lines: string[] = [];
    before(async () => {
      clock.ms = Date.now();
      ({ platform, ...staff } = await staffed({ database: await newDatabase(), now: clock.now, log: keptLog(lines), settings: { reviewEveryDays: 100, reviewGraceDays: 10 } }));
    });
    after(() => platform[Symbol.asyncDispose]());
    const withKey = (apiKey: string) => platform.apiClient({ apiKey });
    const post = (person: Staff["ana"], member: { id: string } | { member: string }, what: string, body: object) =>
      person.client.post(`/v1/members/${"id" in member ? member.id : member.member}/${what}`, body);

    it("admits after an assessment, two approvals and the issue, and not before any of them", async () => {
      const draft = await apply(staff, "alpha");
      assert.deepInclude(draft, { state: "draft", open: false, approvals: 0, institution: null });
      assertCode(await post(staff.operator, draft, "admission", {}), "MEMBER_STATE");
      const open = await said<MemberView>(staff.operator.client.put(`/v1/members/${draft.id}/assessment`, goodAssessment("bank")));
      assert.deepInclude(open, { state: "applied", open: true });
      const once = await said<MemberView>(decide(staff.ana, open));
      assert.deepInclude(once, { state: "applied", approvals: 1 });
      assertCode(await post(staff.operator, draft, "admission", {}), "MEMBER_STATE");
      assert.equal((await said<MemberView>(decide(staff.bo, open))).state, "approved");
      const issued = await said<Issued>(post(staff.operator, draft, "admission", {}), 201);
      assert.equal((await withKey(issued.apiKey ?? "").get("/v1/jobs")).status, 200);
      const detail = await show(staff, draft.id);
      assert.deepInclude(detail, { state: "admitted", admission: "assessed", reviewDueAt: new Date(clock.ms + 100 * dayMs).toISOString() });
      assert.deepEqual(detail.history.map((event) => event.type), ["created", "assessed", "approved", "approved", "issued"]);
      assert.sameMembers(detail.decisions.map((d) => d.holder), ["ana 07", "bo 08"]);
      assert.equal((await enrolParty(platform.apiPort, issued.token ?? "")).party, "alpha");
      assertCode(await post(staff.operator, draft, "admission", {}), "MEMBER_STATE");
    });

    it("counts one person once, whatever keys and spellings of the name they have", async () => {
      const member = await applied(staff, "beta");
      await said(decide(staff.ana, member));
      assertCode(await decide(staff.ana, member), "MEMBER_DECIDED");
      const rotated = await said<{ id: string; key: string }>(staff.ana.client.post(`/v1/keys/${staff.ana.id}/rotation`, {}), 201);
      assertCode(await decide(staff.ana, member), "AUTH_INVALID"); // the key that was rotated away
      staff = { ...staff, ana: { ...rotated, client: withKey(rotated.key) } };
      assertCode(await decide(staff.ana, member), "MEMBER_DECIDED");
      const refused = await platform.admin.addPerson({ role: "supervisor", holder: "ＡＮＡ 07" }).catch((error: { code: string }) => error);
      assert.equal((refused as { code?: string }).code, "CREDENTIAL_HOLDER");
      assert.deepInclude(await show(staff, member.id), { state: "applied", approvals: 1 });
      await said(decide(staff.bo, member));
    });

    it("counts one person once also while two keys of theirs work beside each other", async () => {
      const member = await applied(staff, "beta-2");
      const second = await said<{ id: string; key: string }>(staff.bo.client.post(`/v1/keys/${staff.bo.id}/rotation`, { overlapSeconds: 3600 }), 201);
      const other = { ...second, client: withKey(second.key) };
      await said(decide(staff.bo, member));
      assertCode(await decide(other, member), "MEMBER_DECIDED");
      assertCode(await decide(staff.bo, member), "MEMBER_DECIDED");
      assert.deepInclude(await show(staff, member.id), { state: "applied", approvals: 1 });
      staff = { ...staff, bo: other };
      assert.equal((await said<MemberView>(decide(staff.ana, member))).state, "approved");
    });

    it("does not count an approval of somebody whose key was revoked since", async () => {
      const member = await applied(staff, "beta-3");
      const add = async (holder: string) => {
        const { id, key } = await platform.admin.addPerson({ role: "supervisor", holder });
        return { id, key, client: withKey(key) };
      };
      const [dee, eli] = [await add("Dee"), await add("Eli")];
      await said(decide(dee, member));
      await platform.admin.revokePerson({ credential: dee.id });
      assert.deepInclude(await said<MemberView>(decide(eli, member)), { state: "applied", approvals: 1 });
      assert.equal((await said<MemberView>(decide(staff.ana, member))).state, "approved");
    });

    it("lets nobody approve what they submitted, in whatever role", async () => {
      const { key } = await platform.admin.addPerson({ role: "supervisor", holder: "Operator 1" });
      const member = await applied(staff, "gamma");
      assertCode(await decide({ id: "", key, client: withKey(key) }, member), "MEMBER_OWN");
      assertCode(await decide(staff.operator, member), "AUTH_ROLE");
    });

    it("takes no approval after a rejection, and none of an assessment that was replaced", async () => {
      const member = await applied(staff, "delta");
      assert.equal((await said<MemberView>(decide(staff.ana, member, "reject"))).state, "rejected");
      assertCode(await decide(staff.bo, member), "MEMBER_STATE");
      const again = await said<MemberView>(post(staff.operator, member, "readmission", goodAssessment("bank", "second")));
      assert.notEqual(again.assessmentDigest, member.assessmentDigest);
      assertCode(await decide(staff.bo, member), "MEMBER_ASSESSMENT_CHANGED");
      await said(decide(staff.bo, again));
      const third = await said<MemberView>(staff.operator.client.put(`/v1/members/${member.id}/assessment`, goodAssessment("bank", "third")));
      assert.deepInclude(third, { open: true, approvals: 0 }); // what was approved is not what is there now
      assert.equal((await approveByBoth(staff, third)).state, "approved");
    });

    it("takes an assessment whole or not at all", async () => {
      const { id } = await apply(staff, "epsilon");
      const good = goodAssessment("bank");
      const [first, ...rest] = good.answers;
      assert.isDefined(first);
      const put = (body: object) => staff.operator.client.put(`/v1/members/${id}/assessment`, body);
      const answers = (answer: object) => ({ ...good, answers: [{ ...first, ...answer }, ...rest] });
      assertCode(await put({ ...good, answers: rest }), "ASSESSMENT_MANDATORY");
      assertCode(await put(answers({ answer: "no", evidence: [] })), "ASSESSMENT_NOT_MET");
      assertCode(await put(answers({ answer: "not-applicable" })), "ASSESSMENT_NOT_MET");
      assertCode(await put(answers({ evidence: [] })), "ASSESSMENT_EVIDENCE");
      assertCode(await put(answers({ evidence: [evidence("a"), evidence("a")] })), "ASSESSMENT_EVIDENCE");
      assertCode(await put(answers({ evidence: ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"] })), "ASSESSMENT_EVIDENCE");
      for (const wrong of [evidence("a").toUpperCase(), evidence("a").slice(1), `${evidence("a")}0`, "91310000MA1FL0Q34A"]) {
        assertCode(await put(answers({ evidence: [wrong] })), "REQUEST_INVALID");
      }
      assertCode(await put({ ...good, answers: [...good.answers, first] }), "ASSESSMENT_QUESTION");
      assertCode(await put(answers({ question: "node-standards" })), "ASSESSMENT_QUESTION"); // asked of nodes only
      assertCode(await put({ ...good, questionnaire: 2 }), "ASSESSMENT_VERSION");
      assert.deepInclude(await show(staff, id), { state: "draft", assessment: null });
      assert.notInclude(lines.join(), "91310000MA1FL0Q34A");
    });

    it("admits one of two approvals and of two issues that come at once exactly once", async () => {
      const member = await applied(staff, "zeta");
      const replies = await Promise.all([decide(staff.ana, member), decide(staff.bo, member), decide(staff.ana, member), decide(staff.bo, member)]);
      assert.equal(replies.filter((reply) => reply.status === 200).length, 2);
      assert.equal((await show(staff, member.id)).state, "approved");
      const issues = await Promise.all([1, 2, 3].map(() => post(staff.operator, member, "admission", {})));
      assert.deepEqual(issues.map((reply) => reply.status).toSorted((a, b) => a - b), [201, 409, 409]);
      const key = (issues.find((reply) => reply.status === 201)?.json() as Issued | undefined)?.apiKey ?? "";
      assert.equal((await withKey(key).get("/v1/jobs")).status, 200);
    });

    it("stays approved when the process ends between approval and issue, and issues after the restart", async () => {
      const member = await approveByBoth(staff, await applied(staff, "eta"));
      const parts = platform.running?.platform;
      assert.isDefined(parts);
      // The transaction of the issue fails half-way: nothing of it stays.
      const broken = { ...parts, db: { ...parts.db, write: <T>(work: (tx: never) => Promise<T>) => parts.db.write(async (tx) => {
        await work(tx as never);
        throw new Error("killed");
      }) } } as typeof parts;
      const by = { credential: staff.operator.id, holder: "operator 1" };
      assert.instanceOf(await issueMember(broken, member.id, {}, by).catch((error: unknown) => error), Error);
      await platform.stop();
      await platform.launch();
      assert.deepInclude(await show(staff, member.id), { state: "approved", institution: null });
      const issued = await said<Issued>(post(staff.operator, member, "admission", {}), 201);
      assert.equal((await withKey(issued.apiKey ?? "").get("/v1/jobs")).status, 200);
    });

    it("brings local-platform nodes in the same way: their questions, a token, no API key", async () => {
      const { id } = await apply(staff, "city-node", "node");
      assertCode(await staff.operator.client.put(`/v1/members/${id}/assessment`, goodAssessment("bank")), "ASSESSMENT_QUESTION");
      const open = await said<MemberView>(staff.operator.client.put(`/v1/members/${id}/assessment`, goodAssessment("node")));
      await approveByBoth(staff, open);
      const issued = await said<Issued>(post(staff.operator, { id }, "admission", {}), 201);
      assert.deepInclude(issued, { institution: null, apiKey: null, certificate: null });
      const enclave = platform.enclaveClient(await enrolParty(platform.apiPort, issued.token ?? ""));
      assert.equal((await enclave.get("/enclave/v1/parties")).status, 200);
      await said(post(staff.ana, { id }, "suspension", { reason: "supervisor-order" }));
      assertCode(await enclave.get("/enclave/v1/parties"), "AUTH_SUSPENDED");
      assertCode(await post(staff.operator, { id }, "key", {}), "MEMBER_STATE");
      assertCode(await staff.operator.client.post("/v1/members", { kind: "node", name: "x", party: "other", sealTo: sealTo() }), "REQUEST_INVALID");
      for (const x of ["x", "A".repeat(42)]) assertCode(await staff.operator.client.post("/v1/members", { kind: "bank", name: "x", party: "other", sealTo: { ...sealTo(), x } }), "REQUEST_INVALID");
      assertCode(await staff.operator.client.post("/v1/members", { kind: "node", name: "x", party: "registry" }), "PARTY_EXISTS");
    });

    it("rotates keys: the old one stops at once, or at the stated time", async () => {
      const { member, apiKey } = await admitted(staff, "theta");
      assert.isNotNull(apiKey);
      const first = withKey(apiKey);
      const second = await said<{ apiKey: string; previousUntil: string }>(post(staff.operator, { id: member }, "key", { overlapSeconds: 60 }), 201);
      assert.equal((await first.get("/v1/jobs")).status, 200);
      assert.equal((await withKey(second.apiKey).get("/v1/jobs")).status, 200);
      clock.ms += 61_000;
      assertCode(await first.get("/v1/jobs"), "AUTH_INVALID");
      const third = await said<{ apiKey: string }>(post(staff.operator, { id: member }, "key", {}), 201);
      assertCode(await withKey(second.apiKey).get("/v1/jobs"), "AUTH_INVALID");
      assert.equal((await withKey(third.apiKey).get("/v1/jobs")).status, 200);
      clock.ms += 61_000; // the failures of this test are forgotten
    });

    it("issues and replaces client certificates", async () => {
      const keys = await newKeys("P-256");
      const member = await approveByBoth(staff, await applied(staff, "iota"));
      assertCode(await post(staff.operator, member, "admission", { certificateRequest: await certificateRequest("Somebody else", keys) }), "ENROL_NAME");
      const name = "Member iota";
      const issued = await said<Issued>(post(staff.operator, member, "admission", { certificateRequest: await certificateRequest(name, keys) }), 201);
      const identity = { key: await privatePem(keys), cert: issued.certificate ?? "" };
      const old = platform.apiClient({ identity });
      assert.equal((await old.get("/v1/jobs")).status, 200);
      const renewed = await said<{ certificate: string | null }>(post(staff.operator, member, "key", { certificateRequest: await certificateRequest(name, keys) }), 201);
      assertCode(await old.get("/v1/jobs"), "AUTH_INVALID");
      assert.equal((await platform.apiClient({ identity: { ...identity, cert: renewed.certificate ?? "" } }).get("/v1/jobs")).status, 200);
    });

    it("ends and rotates the keys of people", async () => {
      const { institution } = await admitted(staff, "kappa");
      const owner = { institution: institution ?? "" };
      const person = await personOf(platform, staff.operator, "analyst", "A 1", owner);
      assert.equal((await person.client.get("/v1/jobs")).status, 200);
      const next = await said<{ id: string; key: string }>(person.client.post(`/v1/keys/${person.id}/rotation`, { overlapSeconds: 30 }), 201);
      assert.equal((await person.client.get("/v1/jobs")).status, 200);
      assertCode(await withKey(next.key).post(`/v1/keys/${person.id}/rotation`, {}), "CREDENTIAL_UNKNOWN"); // not its own any more
      assertCode(await staff.operator.client.post(`/v1/keys/${person.id}/rotation`, {}), "CREDENTIAL_UNKNOWN"); // replaced already
      clock.ms += 31_000;
      assertCode(await person.client.get("/v1/jobs"), "AUTH_INVALID");
      await said(staff.ana.client.post(`/v1/keys/${next.id}/revocation`));
      assertCode(await withKey(next.key).get("/v1/jobs"), "AUTH_INVALID");
      const short = await said<{ key: string }>(staff.operator.client.post("/v1/keys", { role: "analyst", holder: "A 2", ...owner, days: 1 }), 201);
      clock.ms += dayMs;
      assertCode(await withKey(short.key).get("/v1/jobs"), "AUTH_INVALID"); // expired
      assertCode(await staff.ana.client.post(`/v1/keys/${staff.bo.id}/revocation`), "CREDENTIAL_UNKNOWN"); // on the machine only
      assertCode(await staff.operator.client.post("/v1/keys", { role: "provider-owner", holder: "A 3", ...owner }), "CREDENTIAL_SCOPE");
      const states = (await said<{ items: { holder: string; state: string; institution: string | null }[] }>(staff.ana.client.get("/v1/keys"))).items;
      assert.sameMembers(states.filter((key) => key.institution === institution).map((key) => `${key.holder} ${key.state}`), ["A 1 expired", "A 1 revoked", "A 2 expired"]);
      clock.ms += 61_000;
    });

    it("warns when a review is overdue, suspends after the grace, and lets in again when it is passed", async () => {
      const { member, apiKey } = await admitted(staff, "lambda");
      const bank = (): Client => withKey(apiKey ?? ""); // a connection of its own each time: those that were open are cut
      const parts = platform.running?.platform;
      assert.isDefined(parts);
      clock.ms += 100 * dayMs - 1000;
      await sweepMembers(parts);
      assert.isFalse((await show(staff, member)).overdue);
      clock.ms += 2000;
      await sweepMembers(parts);
      assert.deepInclude(await show(staff, member), { overdue: true, state: "admitted" });
      assert.equal((await bank().get("/v1/jobs")).status, 200);
      clock.ms += 10 * dayMs - 1000;
      await sweepMembers(parts);
      assert.equal((await bank().get("/v1/jobs")).status, 200);
      clock.ms += 2000;
      await sweepMembers(parts);
      assertCode(await bank().get("/v1/jobs"), "AUTH_SUSPENDED");
      assert.deepInclude(await show(staff, member), { state: "suspended", reason: "review-overdue" });
      await said(post(staff.ana, { id: member }, "reviews", { outcome: "failed", evidence: evidence("r1") }));
      assertCode(await bank().get("/v1/jobs"), "AUTH_SUSPENDED");
      const passed = await said<MemberView>(post(staff.bo, { id: member }, "reviews", { outcome: "passed", evidence: evidence("r2") }));
      assert.deepInclude(passed, { state: "admitted", overdue: false, reason: null, reviewDueAt: new Date(clock.ms + 100 * dayMs).toISOString() });
      assert.equal((await bank().get("/v1/jobs")).status, 200);
      const types = (await show(staff, member)).history.map((event) => event.type);
      assert.deepEqual(types.slice(5), ["review-overdue", "suspended", "review", "review", "readmitted"]);
    });

    it("records violations, suspends, and lets in again only by a new assessment and two people", async () => {
      const { member, apiKey, institution } = await admitted(staff, "mu");
      const analyst = await personOf(platform, staff.operator, "analyst", "A", { institution: institution ?? "" });
      await said(post(staff.ana, { id: member }, "violations", { violation: "leak", evidence: evidence("leak") }));
      assertCode(await post(staff.operator, { id: member }, "violations", { violation: "leak", evidence: evidence("leak") }), "AUTH_ROLE");
      // An assessment that was open before the suspension cannot lift it.
      const open = await said<MemberView>(staff.operator.client.put(`/v1/members/${member}/assessment`, goodAssessment("bank", "yearly")));
      await said(decide(staff.ana, open));
      await said(post(staff.ana, { id: member }, "suspension", { reason: "leak" }));
      assertCode(await decide(staff.bo, open), "MEMBER_STATE");
      for (const key of [apiKey, analyst.key]) assertCode(await withKey(key ?? "").get("/v1/jobs"), "AUTH_SUSPENDED");
      assertCode(await post(staff.bo, { id: member }, "reviews", { outcome: "passed", evidence: evidence("r") }), "MEMBER_STATE");
      const again = await said<MemberView>(post(staff.operator, { id: member }, "readmission", goodAssessment("bank", "after")));
      assert.equal((await approveByBoth(staff, again)).state, "admitted");
      for (const key of [apiKey, analyst.key]) assert.equal((await withKey(key ?? "").get("/v1/jobs")).status, 200);
      assert.includeMembers((await show(staff, member)).history.map((event) => `${event.type} ${event.what ?? ""}`), ["violation leak", "suspended leak"]);
    });

    it("removes for good: keys, certificates, tokens and roles are void; re-admission issues new ones", async () => {
      const { member, apiKey, institution, token } = await admitted(staff, "nu");
      const submitter = await personOf(platform, staff.operator, "bank-submitter", "S", { institution: institution ?? "" });
      await said(post(staff.ana, { id: member }, "removal", { reason: "sale" }));
      assertCode(await withKey(apiKey ?? "").get("/v1/jobs"), "AUTH_INVALID");
      assertCode(await withKey(submitter.key).get("/v1/jobs"), "AUTH_INVALID");
      assertCode(await platform.apiClient().post("/v1/enrol", { token, csrTls: "x".repeat(70), csrIdentity: "x".repeat(70) }), "ENROL_EXPIRED");
      for (const attempt of [platform.admin.createEnrolToken("nu" as never), platform.admin.resumeParty("nu" as never)]) {
        assert.equal(((await attempt.catch((error: unknown) => error)) as { code?: string }).code, "MEMBER_STATE");
      }
      assertCode(await post(staff.ana, { id: member }, "removal", { reason: "sale" }), "MEMBER_STATE");
      assertCode(await staff.operator.client.put(`/v1/members/${member}/assessment`, goodAssessment("bank")), "MEMBER_STATE");
      const again = await approveByBoth(staff, await said<MemberView>(post(staff.operator, { id: member }, "readmission", goodAssessment("bank", "again"))));
      assert.equal(again.state, "approved");
      assertCode(await withKey(apiKey ?? "").get("/v1/jobs"), "AUTH_INVALID");
      const issued = await said<Issued>(post(staff.operator, { id: member }, "admission", {}), 201);
      assert.equal(issued.institution, institution);
      assert.equal((await withKey(issued.apiKey ?? "").get("/v1/jobs")).status, 200);
      assertCode(await withKey(apiKey ?? "").get("/v1/jobs"), "AUTH_INVALID");
      assertCode(await submitter.client.get("/v1/jobs"), "AUTH_INVALID"); // revoked keys stay so
      assert.equal((await enrolParty(platform.apiPort, issued.token ?? "")).party, "nu");
      clock.ms += 61_000;
    });

    it("keeps the quick path of demos, says so in listings, and gives one party to one member", async () => {
      const { institution } = await platform.addBank("demo-bank");
      const { items } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members?limit=100"));
      assert.deepInclude(items.find((member) => member.institution === institution), { admission: "demo", state: "admitted", reviewDueAt: null });
      assertCode(await staff.operator.client.post("/v1/members", { kind: "bank", name: "x", party: "demo-bank", sealTo: sealTo() }), "PARTY_EXISTS");
      await platform.admin.suspendInstitution(institution);
      const { items: later } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members?limit=100"));
      assert.deepInclude(later.find((member) => member.institution === institution), { state: "suspended", reason: "operator-order" });
    });

    it("pages its list, and shows a member's people their own alone", async () => {
      const ids: string[] = [];
      for (let cursor = ""; ;) {
        const page = await said<{ items: MemberView[]; next: string | null }>(staff.operator.client.get(`/v1/members?limit=4${cursor}`));
        ids.push(...page.items.map((member) => member.id));
        if (page.next === null) break;
        cursor = `&cursor=${page.next}`;
      }
      assert.equal(new Set(ids).size, ids.length);
      const xi = await admitted(staff, "xi");
      const approver = await personOf(platform, staff.operator, "bank-approver", "P", { institution: xi.institution ?? "" });
      assert.equal((await approver.client.get(`/v1/members/${xi.member}`)).status, 200);
      assertCode(await approver.client.get(`/v1/members/${ids[0] ?? ""}`), "MEMBER_NOT_FOUND");
      assertCode(await approver.client.get(`/v1/members/mem_${"0".repeat(24)}`), "MEMBER_NOT_FOUND");
      assertCode(await staff.ana.client.get(`/v1/members/mem_${"0".repeat(24)}`), "MEMBER_NOT_FOUND");
      const keys = (await said<{ items: { institution: string | null }[] }>(approver.client.get("/v1/keys"))).items;
      assert.deepEqual(keys.map((key) => key.institution), [xi.institution]);
    });

    it("writes no key to its logs", () => {
      assert.notMatch(lines.join(), /y[rk]1\.|yunei1\./);
    });
  });
}

describe("onboarding of institutions", () => {
  const folders: string[] = [];
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  onboardingSuite("SQLite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-members-"));
    folders.push(folder);
    return `file:${join(folder, "platform.db")}`;
  });
  const bin = findPostgres();
  if (bin === undefined) return; // test/api/store.test.ts says so
  describe("with PostgreSQL", () => {
    let cluster: Cluster | undefined;
    before(async () => {
      cluster = await startPostgres(bin);
    });
    after(() => cluster?.stop());
    onboardingSuite("PostgreSQL", async () => {
      const name = `m${randomUUID().replaceAll("-", "")}`;
      cluster?.createDatabase(name);
      return cluster?.url(name) ?? "";
    });
  });
});

describe("where an assessment is required", () => {
  it("has no quick path, and those who came in by it become due for review", async () => {
    const clock = new TestClock();
    clock.ms = Date.now();
    const { platform, ...staff } = await staffed({ now: clock.now, settings: { reviewGraceDays: 3 } });
    try {
      const bank = await platform.addBank("early");
      await platform.stop();
      const { writeSettings } = await import("../../api/settings.ts");
      writeSettings(platform.data, { requireAssessment: true });
      await platform.launch();
      for (const quick of [platform.addBank("late"), platform.admin.createEnrolToken(partyId("late"))]) {
        assert.equal(((await quick.catch((error: unknown) => error)) as { code?: string }).code, "ASSESSMENT_REQUIRED");
      }
      await enrolParty(platform.apiPort, await platform.admin.createEnrolToken(partyId("revenue-office"), { isProvider: true }));
      const parts = platform.running?.platform;
      assert.isDefined(parts);
      await sweepMembers(parts);
      const asBank = (): Promise<Reply> => platform.apiClient({ apiKey: bank.apiKey }).get("/v1/jobs");
      assert.equal((await asBank()).status, 200);
      const { items } = await said<{ items: MemberView[] }>(staff.bo.client.get("/v1/members"));
      assert.deepInclude(items[0], { admission: "demo", overdue: true });
      clock.ms += 3 * dayMs;
      await sweepMembers(parts);
      assertCode(await asBank(), "AUTH_SUSPENDED");
    } finally {
      await platform[Symbol.asyncDispose]();
    }
  });
});
