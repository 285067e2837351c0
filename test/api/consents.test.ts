// Consents from a company's session to what an enclave verifies: granting, withdrawing, lists that never go back, written forms with four eyes.
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import type { ConsentView, WrittenView } from "../../api/contract/consents.ts";
import { registrarName } from "../../api/pki/registrar.ts";
import { newConsentId } from "../../consent/book.ts";
import { rawKey } from "../../consent/keys.ts";
import { Revocations } from "../../consent/revocation.ts";
import { signConsent, type Consent } from "../../consent/statement.ts";
import { registrarFromCertificate, Trust } from "../../consent/trust.ts";
import { checkConsent, type Asked, type Basis } from "../../consent/verify.ts";
import type { ItemId, PartyId } from "../../core/brand.ts";
import { systemRng } from "../../core/rng.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { keptLog, newWorld, TestClock, type World } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";
import { bankUscc, consentTo, freshKey, grantRequest, isoSeconds, login, person, usccOf, withIssuer, type Company } from "../support/subjects.ts";
import { verdict } from "../consent/support.ts";

const asked: Asked = { grantee: { party: "bank" as PartyId, uscc: bankUscc }, items: ["tax.payment" as ItemId], purpose: "loan-approval", kind: "score" };
const dayMs = 86_400_000;

function consentSuite(name: string, newDatabase: () => Promise<string | undefined>): void {
  describe(`consents at the platform on ${name}`, () => {
    let world: World;
    let issuer: TestIssuer;
    let first: Company;
    let second: Company;
    let submitter: Client;
    let approver: Client;
    const lines: string[] = [];
    const clock = new TestClock();
    const platform = () => world.platform;

    before(async () => {
      const database = await newDatabase();
      world = await newWorld({ log: keptLog(lines), now: clock.now, ...(database === undefined ? {} : { database }) });
      issuer = await withIssuer(world.platform);
      first = await login(world.platform, usccOf(1));
      second = await login(world.platform, usccOf(2));
      submitter = await person(world.platform, "bank-submitter", "clerk 7", { institution: world.bank.institution });
      approver = await person(world.platform, "bank-approver", "officer 3", { institution: world.bank.institution });
    });
    after(async () => {
      await issuer.close();
      await world.platform[Symbol.asyncDispose]();
    });

    const registrars = async (): Promise<string[]> => ((await world.tax.client.get("/enclave/v1/registrars")).json() as { certificates: string[] }).certificates;
    const lists = async (since = 0): Promise<string[]> => ((await world.tax.client.get(`/enclave/v1/revocations?after=${since}`)).json() as { lists: string[] }).lists;
    /** What an enclave knows that trusts the platform's CA and asked it now. */
    const basis = async (): Promise<Basis & { revocations: Revocations }> => {
      const trust = new Trust((await registrars()).map((pem) => registrarFromCertificate(pem, { ca: platform().ca })));
      const revocations = new Revocations(trust);
      for (const list of await lists()) revocations.accept(list);
      return { trust, revocations, isItem: () => true };
    };
    const decided = async (view: ConsentView, subject = first.uscc): Promise<string> => {
      const known = await basis();
      return verdict(() => checkConsent(view.jws, subject, asked, known, clock.ms));
    };

    it("signs for a company what an enclave accepts, with the real name as evidence, and gives it to the institution's enclave alone", async () => {
      const view = await consentTo(first, grantRequest(clock.ms));
      assert.equal(await decided(view), "accepted");
      assert.deepInclude(view, { state: "active", source: "online", subject: first.uscc, withdrawnAt: null });
      const feed = (await world.guest.client.get("/enclave/v1/consents?after=0")).json() as { next: number; consents: { n: number; jws: string }[] };
      assert.deepEqual(feed.consents.map((c) => c.jws), [view.jws]);
      assert.deepEqual((await world.guest.client.get(`/enclave/v1/consents?after=${feed.next}`)).json(), { next: feed.next, consents: [] });
      assert.deepEqual((await world.tax.client.get("/enclave/v1/consents")).json(), { next: 0, consents: [] });
      const payload = JSON.parse(Buffer.from(view.jws.split(".")[1] ?? "", "base64url").toString()) as Consent;
      assert.equal(payload.evidence.kind === "online" ? payload.evidence.realName.provider as string : "", "test-issuer");
      assert.equal(payload.issuer.kind === "registrar" && payload.issuer.registrar, registrarName);
    });

    it("grants once for one key, also twice at once, and refuses another request under the key", async () => {
      const key = freshKey();
      const request = grantRequest(clock.ms, { use: { kind: "repeated" } });
      const replies = await Promise.all([1, 2, 3].map(() => first.client.post("/v1/consents", request, key)));
      assert.deepEqual(replies.map((r) => r.status), [201, 201, 201]);
      assert.equal(new Set(replies.map((r) => (r.json() as ConsentView).id)).size, 1);
      assertCode(await first.client.post("/v1/consents", { ...request, purpose: "credit-line-review" }, key), "JOB_IDEMPOTENCY");
      assertCode(await first.client.post("/v1/consents", request), "REQUEST_INVALID");
      const other = (await second.client.post("/v1/consents", request, key)).json() as ConsentView;
      assert.equal(other.subject, second.uscc);
    });

    it("refuses what no enclave would accept", async () => {
      const post = async (change: object): Promise<string> => {
        const reply = await first.client.post("/v1/consents", { ...grantRequest(clock.ms), ...change }, freshKey());
        return (reply.json() as { code: string }).code;
      };
      assert.equal(await post({ items: ["tax.invented"] }), "CONSENT_ITEM_UNKNOWN");
      assert.equal(await post({ notice: { version: "2026-1", digest: "0".repeat(64) } }), "CONSENT_NOTICE");
      assert.equal(await post({ grantee: { party: "stranger", uscc: bankUscc } }), "CONSENT_GRANTEE_UNKNOWN");
      assert.equal(await post({ notAfter: isoSeconds(clock.ms - dayMs) }), "CONSENT_TERMS");
      assert.equal(await post({ notAfter: isoSeconds(clock.ms + 1200 * dayMs) }), "CONSENT_TERMS");
      assert.equal(await post({ purpose: "marketing" }), "REQUEST_INVALID");
      assert.equal(await post({ subject: second.uscc }), "REQUEST_INVALID");
    });

    it("shows a company its own consents and nobody else's", async () => {
      const mine = (await first.client.get("/v1/consents")).json() as { items: ConsentView[] };
      assert.isAbove(mine.items.length, 1);
      assert.isTrue(mine.items.every((c) => c.subject === first.uscc));
      const [own] = mine.items;
      assertCode(await second.client.get(`/v1/consents/${own?.id}`), "CONSENT_NOT_FOUND");
      assertCode(await second.client.post(`/v1/consents/${own?.id}/withdrawal`), "CONSENT_NOT_FOUND");
      assertCode(await world.bank.client.get("/v1/consents"), "AUTH_INVALID");
      assertCode(await submitter.get("/v1/consents"), "AUTH_ROLE");
      assert.equal((await first.client.get(`/v1/consents/${own?.id}`)).status, 200);
    });

    it("withdraws at once: the answer comes after the list that says so, and who waits for a list is woken", async () => {
      const view = await consentTo(first, grantRequest(clock.ms));
      assert.equal(await decided(view), "accepted");
      const { revocations } = await basis();
      const seen = revocations.sequence(registrarName);
      const waiting = world.tax.client.get(`/enclave/v1/revocations?after=${seen}&wait=20`);
      const withdrawn = (await first.client.post(`/v1/consents/${view.id}/withdrawal`)).json() as ConsentView;
      assert.equal(withdrawn.state, "withdrawn");
      assert.equal(await decided(view), "CONSENT_WITHDRAWN");
      const [next = ""] = ((await waiting).json() as { lists: string[] }).lists;
      assert.isAbove(revocations.accept(next).sequence, seen);
      clock.ms += 5000;
      const again = (await first.client.post(`/v1/consents/${view.id}/withdrawal`)).json() as ConsentView;
      assert.equal(again.withdrawnAt, withdrawn.withdrawnAt);
      const feed = (await world.guest.client.get("/enclave/v1/consents")).json() as { consents: { jws: string }[] };
      assert.notInclude(feed.consents.map((c) => c.jws), view.jws);
    });

    it("goes on with the same numbers, keys and withdrawals after a restart, also when the last withdrawal never got its list", async () => {
      const view = await consentTo(first, grantRequest(clock.ms));
      const known = await basis();
      const keys = await registrars();
      const { db } = platform().running?.platform ?? assert.fail();
      // The process died between the two steps of a withdrawal.
      await db.write((tx) => tx.consent.update({ where: { id: view.id }, data: { withdrawnAt: new Date(clock.ms) } }));
      await platform().stop();
      await platform().launch();
      const [list = ""] = await lists();
      const sequence = known.revocations.sequence(registrarName);
      assert.isAbove(known.revocations.accept(list).sequence, sequence);
      assert.equal(await decided(view), "CONSENT_WITHDRAWN");
      assert.deepEqual(await registrars(), keys);
    });

    it("signs the list again by the clock before it ends, and never lets its time or number go back with the clock", async () => {
      const { revocations } = await basis();
      const start = revocations.sequence(registrarName);
      clock.ms += 301_000;
      const reply = await world.tax.client.get(`/enclave/v1/revocations?after=${start}&wait=20`);
      const [list = ""] = (reply.json() as { lists: string[] }).lists;
      const next = revocations.accept(list);
      assert.isAtLeast(next.issuedAt, clock.ms - 1000);
      clock.ms -= 200_000;
      const { running } = platform();
      await running?.platform.revocations.issue();
      const [later = ""] = await lists(next.sequence);
      const last = revocations.accept(later);
      assert.isAbove(last.sequence, next.sequence);
      assert.isAtLeast(last.issuedAt, next.issuedAt);
      clock.ms += 200_000;
    });

    it("numbers lists without a gap when several processes issue at once", async () => {
      const { running } = platform();
      const desk = running?.platform.revocations ?? assert.fail();
      const { revocations } = await basis();
      const start = revocations.sequence(registrarName);
      await Promise.all(Array.from({ length: 5 }, () => desk.issue()));
      const [list = ""] = await lists();
      assert.equal(revocations.accept(list).sequence, start + 5);
    });

    it("takes a consent under the company's own registered key, and lets the key with all it signed be withdrawn", async () => {
      const { privateKey, publicKey } = generateKeyPairSync("ed25519");
      const key = rawKey(publicKey);
      const proofOf = (session: string): string => sign(null, Buffer.from(`yunei/subject-key/v1\n${session}\n${key}`), privateKey).toString("base64url");
      assertCode(await first.client.post("/v1/subject/key", { key, proof: proofOf(second.session) }), "SUBJECT_KEY_PROOF");
      const registered = await first.client.post("/v1/subject/key", { key, proof: proofOf(first.session) });
      assert.equal(registered.status, 201, registered.bytes.toString());
      const { kid, statement } = registered.json() as { kid: string; statement: string };
      assertCode(await second.client.post("/v1/subject/key", { key, proof: proofOf(second.session) }), "CONSENT_CHAIN");
      const at = isoSeconds(clock.ms);
      const { notice, ...terms } = grantRequest(clock.ms);
      const consent: Consent = {
        ...terms, notice, version: 1, id: newConsentId(systemRng), subject: first.uscc, issuedAt: at, notBefore: at, evidence: { kind: "online", realName: { provider: "test-issuer" as PartyId, at, assurance: "substantial" } },
        issuer: { kind: "subject", statement },
      };
      const jws = signConsent(consent, privateKey);
      const lodged = await first.client.post("/v1/consents/own", { jws });
      assert.equal(lodged.status, 201, lodged.bytes.toString());
      assert.deepEqual((await first.client.post("/v1/consents/own", { jws })).json(), lodged.json());
      assertCode(await second.client.post("/v1/consents/own", { jws }), "CONSENT_SUBJECT");
      assertCode(await first.client.post("/v1/consents/own", { jws: `${jws.slice(0, -6)}AAAAAA` }), "CONSENT_SIGNATURE");
      const forged = signConsent({ ...consent, id: newConsentId(systemRng) }, generateKeyPairSync("ed25519").privateKey);
      assertCode(await first.client.post("/v1/consents/own", { jws: forged }), "CONSENT_ISSUER");
      assert.equal(await decided(lodged.json() as ConsentView), "accepted");
      assertCode(await second.client.post(`/v1/subject/key/${kid}/withdrawal`), "CONSENT_NOT_FOUND");
      assert.equal((await first.client.post(`/v1/subject/key/${kid}/withdrawal`)).status, 200);
      assert.equal(await decided(lodged.json() as ConsentView), "CONSENT_KEY_WITHDRAWN");
      assertCode(await first.client.post("/v1/consents/own", { jws: signConsent({ ...consent, id: newConsentId(systemRng) }, privateKey) }), "CONSENT_KEY_WITHDRAWN");
    });

    describe("a written form", () => {
      const form = "f".repeat(64);
      const enter = async (change: object = {}, key = freshKey()) => {
        const { grantee: _, ...terms } = grantRequest(clock.ms);
        return submitter.post("/v1/consents/written", { terms: { ...terms, subject: second.uscc, granteeUscc: bankUscc, ...change }, form }, key);
      };

      it("becomes a consent with the form's digest as evidence only when another person confirms with the same digest", async () => {
        const entered = (await enter()).json() as WrittenView;
        assert.deepInclude(entered, { state: "pending", consent: null, enteredBy: "clerk 7" });
        const path = `/v1/consents/written/${entered.id}/decision`;
        const sameHolder = await person(platform(), "bank-approver", "clerk 7", { institution: world.bank.institution });
        assertCode(await sameHolder.post(path, { decision: "confirm", form }), "WRITTEN_SAME_PERSON");
        assertCode(await submitter.post(path, { decision: "confirm", form }), "AUTH_ROLE");
        assertCode(await approver.post(path, { decision: "confirm", form: "0".repeat(64) }), "WRITTEN_FORM");
        const done = (await approver.post(path, { decision: "confirm", form })).json() as WrittenView;
        assert.deepInclude(done, { state: "confirmed", decidedBy: "officer 3" });
        const mine = (await second.client.get(`/v1/consents/${done.consent}`)).json() as ConsentView;
        assert.equal(mine.source, "written");
        assert.equal(await decided(mine, second.uscc), "accepted");
        assert.include(Buffer.from(mine.jws.split(".")[1] ?? "", "base64url").toString(), `"evidence":{"digest":"${form}","kind":"written"}`);
        // Once, whoever says it again; and a decision stays.
        assert.equal(((await approver.post(path, { decision: "confirm", form })).json() as WrittenView).consent, done.consent);
        assertCode(await approver.post(path, { decision: "refuse" }), "WRITTEN_DECIDED");
        const { notices, writtenForms } = (await second.client.get("/v1/subject/export")).json() as { notices: { type: string; about: string }[]; writtenForms: { form: string }[] };
        assert.deepInclude(notices[0] ?? {}, { type: "written-consent", about: done.consent });
        assert.equal(writtenForms[0]?.form, form);
        assert.equal((await second.client.post(`/v1/consents/${done.consent}/withdrawal`)).status, 200);
        assert.equal(await decided(mine, second.uscc), "CONSENT_WITHDRAWN");
      });

      it("is completed by the same confirmation when the first was cut off after it counted", async () => {
        const entered = (await enter()).json() as WrittenView;
        const { db } = platform().running?.platform ?? assert.fail();
        await db.write((tx) => tx.writtenConsent.update({ where: { id: entered.id }, data: { state: "confirmed", decidedBy: "cred_x", decidedHolder: "officer 3", decidedAt: new Date(clock.ms) } }));
        const done = (await approver.post(`/v1/consents/written/${entered.id}/decision`, { decision: "confirm", form })).json() as WrittenView;
        assert.match(done.consent ?? "", /^consent_/);
      });

      it("is refused for another institution's people, without the notice, and stays refused", async () => {
        const entered = (await enter()).json() as WrittenView;
        const rival = await platform().enrol("rival");
        await rival.client.get("/enclave/v1/parties");
        const bank = await platform().addBank("rival");
        const stranger = await person(platform(), "bank-approver", "officer 3", { institution: bank.institution });
        const path = `/v1/consents/written/${entered.id}/decision`;
        assertCode(await stranger.post(path, { decision: "confirm", form }), "WRITTEN_NOT_FOUND");
        assert.deepEqual(((await stranger.get("/v1/consents/written")).json() as { items: [] }).items, []);
        assertCode(await enter({ notice: { version: "2026-9", digest: form } }), "CONSENT_NOTICE");
        assert.equal(((await approver.post(path, { decision: "refuse" })).json() as WrittenView).state, "refused");
        assertCode(await approver.post(path, { decision: "confirm", form }), "WRITTEN_DECIDED");
        const consents = ((await second.client.get("/v1/consents")).json() as { items: ConsentView[] }).items;
        assert.isFalse(consents.some((c) => c.source === "written" && c.state === "active" && c.issuedAt === isoSeconds(clock.ms) && c.grantee.party !== "bank"));
      });
    });

    it("writes no company, token, key or consent into its logs or its audit log", () => {
      const files = (folder: string): string[] => readdirSync(folder).flatMap((entry) => (statSync(join(folder, entry)).isDirectory() ? files(join(folder, entry)) : [join(folder, entry)]));
      const audit = files(platform().data).filter((file) => file.includes("audit")).map((file) => readFileSync(file, "latin1")).join("");
      const told = lines.join("\n") + audit;
      assert.isAbove(lines.length, 20);
      assert.include(told, "consent.granted"); // the search would find it
      for (const secret of [first.uscc, second.uscc, first.token.split(".")[2] ?? "", second.token.split(".")[2] ?? "", bankUscc]) assert.notInclude(told, secret);
    });
  });
}

consentSuite("SQLite", () => Promise.resolve(undefined));
const bin = findPostgres();
if (bin !== undefined || process.env["YUNEI_REQUIRE_POSTGRES"] === "1") {
  describe("with a PostgreSQL of its own", () => {
    let cluster: Cluster;
    before(async () => {
      assert.isDefined(bin, "PostgreSQL is required here");
      cluster = await startPostgres(bin ?? "");
      cluster.createDatabase("consents");
    });
    after(() => cluster.stop());
    consentSuite("PostgreSQL", () => Promise.resolve(cluster.url("consents")));
  });
}
