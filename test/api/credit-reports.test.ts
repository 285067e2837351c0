// Credit reports over the API, on both databases: recorded with purpose, seen by the company, equal when fetched again, marked when there is an
// objection, gone when their time is over, cut with the institution.
import { createPublicKey } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { compactVerify } from "jose";
import { extractText, getDocumentProxy } from "unpdf";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import { sweepReports } from "../../api/services/credit-reports.ts";
import type { z } from "zod";
import type { publicCreditEndpoints } from "../../api/contract/public-credit.ts";
import { digestOf, type Json } from "../../core/canonical.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { keptLog, TestClock } from "../support/platform.ts";
import { login, person, withIssuer, type Company } from "../support/subjects.ts";
import { hostileName, usccOf } from "../public-credit/support.ts";
import { onBothDatabases, PublicWorld } from "../public-credit/world.ts";

type Issued = z.output<typeof publicCreditEndpoints.createCreditReport.reply>;
type Line = { number: string; purpose: string; requester: string | null };
const dayMs = 86_400_000;

onBothDatabases((name, newDatabase) => {
  describe(`credit reports on ${name}`, () => {
    const clock = new TestClock();
    const lines: string[] = [];
    let world: PublicWorld;
    let issuer: TestIssuer;
    let company: Company;
    let stranger: Company;
    before(async () => {
      const database = await newDatabase();
      world = await PublicWorld.start({ now: clock.now, log: keptLog(lines), ...(database === undefined ? {} : { database }) });
      issuer = await withIssuer(world.platform);
      company = await login(world.platform, usccOf(1));
      stranger = await login(world.platform, usccOf(2));
      await world.publish([{ uscc: usccOf(1), values: { company_name: hostileName, established_on: "2015-03-01" }, sector: "C" }]);
      await world.publish([{ uscc: usccOf(1), key: "p1", values: { offence: "未公示年度报告", fine: 5000 } }], "administrative.penalties");
    });
    after(async () => {
      await issuer.close();
      await world[Symbol.asyncDispose]();
    });
    const ask = (client: Client, body: object): Promise<Reply> => client.post("/v1/credit-reports", body);
    const made = async (): Promise<Issued> => {
      const reply = await ask(world.bank.client, { uscc: usccOf(1), purpose: "loan-approval" });
      assert.equal(reply.status, 201, reply.bytes.toString("utf8").slice(0, 500));
      return reply.json() as Issued;
    };

    it("are made for an institution with its purpose, signed, and the same when fetched again", async () => {
      const issued = await made();
      assert.deepInclude(issued.report, { purpose: "loan-approval", purposeZh: "贷款审批", requester: "Bank of bank", number: issued.number });
      assert.equal(issued.report.company.name, hostileName);
      assert.equal(issued.digest, digestOf(issued.report as unknown as Json));
      assert.deepEqual(issued.report.categories.flatMap((c) => c.items.map((i) => i.item as string)), ["registry.basic", "administrative.penalties"]);
      assert.equal(issued.report.unknown.find((u) => u.item === "judicial.dishonest-debtors")?.reason, "no-record");
      assert.equal(issued.report.unknown.find((u) => u.item === "customs.credit-grade")?.reason, "no-source");
      const again = await world.bank.client.get(`/v1/credit-reports/${issued.number}`);
      assert.deepEqual((again.json() as Issued).report, issued.report);
      const jwk = (await world.bank.client.get("/v1/attestation-key")).json() as object;
      const { payload, protectedHeader } = await compactVerify(issued.statement, createPublicKey({ key: { ...jwk }, format: "jwk" }), { algorithms: ["EdDSA"] });
      assert.equal(protectedHeader.typ, "yunei-credit-report+jws");
      assert.deepEqual(JSON.parse(new TextDecoder().decode(payload)), { number: issued.number, digest: issued.digest });
      const anybody = world.platform.apiClient();
      const check = async (digest: string): Promise<unknown> => (await anybody.get(`/v1/credit-reports/${issued.number}/check?digest=${digest}`)).json();
      assert.deepEqual(await check(issued.digest), { valid: true });
      assert.deepEqual(await check("0".repeat(64)), { valid: false });
    });

    it("come as a page that cannot be injected into, and as PDF with the same text", async () => {
      const { number, digest } = await made();
      const page = await world.bank.client.get(`/v1/credit-reports/${number}/html`);
      assert.equal(page.headers["content-type"], "text/html; charset=utf-8");
      assert.include(String(page.headers["content-security-policy"]), "default-src 'none'");
      const html = page.bytes.toString("utf8");
      assert.notInclude(html, "<script");
      assert.include(html, "&lt;script&gt;");
      assert.include(html, digest);
      const pdf = await world.bank.client.get(`/v1/credit-reports/${number}/pdf`);
      assert.equal(pdf.headers["content-type"], "application/pdf");
      assert.isBelow(pdf.bytes.length, 500_000);
      const { text } = await extractText(await getDocumentProxy(new Uint8Array(pdf.bytes)), { mergePages: true });
      for (const part of [number, digest, "未公示年度报告", "5,000", "堃喆䶮㛃𬭎"]) assert.include(text.replaceAll(/\s/g, ""), part);
      assert.deepEqual((await world.bank.client.get(`/v1/credit-reports/${number}/pdf`)).bytes, pdf.bytes);
    });

    it("are for institutions and the company, with a financing purpose, and for nobody else", async () => {
      const { number } = await made();
      assertCode(await ask(world.platform.apiClient(), { uscc: usccOf(1), purpose: "loan-approval" }), "AUTH_REQUIRED");
      assertCode(await ask(world.bank.client, { uscc: usccOf(1) }), "REQUEST_INVALID");
      assertCode(await ask(world.bank.client, { uscc: usccOf(1), purpose: "own-information" }), "REQUEST_INVALID");
      assertCode(await ask(world.bank.client, { uscc: "91110105MA0000001X", purpose: "loan-approval" }), "REQUEST_INVALID");
      for (const path of ["", "/html", "/pdf"]) {
        assertCode(await world.rival.client.get(`/v1/credit-reports/${number}${path}`), "CREDIT_REPORT_NOT_FOUND");
        assertCode(await stranger.client.get(`/v1/subject/credit-reports/${number}${path}`), "CREDIT_REPORT_NOT_FOUND");
      }
      const owner = { institution: world.bank.institution };
      assert.equal((await ask(await person(world.platform, "bank-approver", "officer 1", owner), { uscc: usccOf(1), purpose: "guarantee-review" })).status, 201);
      assertCode(await ask(await person(world.platform, "analyst", "analyst 1", owner), { uscc: usccOf(1), purpose: "loan-approval" }), "AUTH_ROLE");
    });

    it("on a company are all seen by it, with who asked and what for; its own is free", async () => {
      clock.ms += 1000; // the newest of all
      const own = await company.client.post("/v1/subject/credit-reports", {});
      assert.equal(own.status, 201, own.bytes.toString("utf8").slice(0, 300));
      const issued = own.json() as Issued;
      assert.deepInclude(issued.report, { purpose: "own-information", requester: null });
      const seen = (await company.client.get("/v1/subject/credit-reports?limit=100")).json() as { items: Line[] };
      assert.deepInclude(seen.items[0], { number: issued.number, requester: null, purpose: "own-information" });
      const byBank = seen.items.filter((line) => line.requester === "Bank of bank");
      assert.isAtLeast(byBank.length, 3);
      assert.equal((await company.client.get(`/v1/subject/credit-reports/${byBank[0]?.number ?? ""}/html`)).status, 200);
      assert.isEmpty(((await stranger.client.get("/v1/subject/credit-reports")).json() as { items: Line[] }).items);
      const listed = (await world.bank.client.get("/v1/credit-reports?limit=2")).json() as { items: Line[]; next: string | null };
      const rest = (await world.bank.client.get(`/v1/credit-reports?limit=100&cursor=${listed.next ?? ""}`)).json() as { items: Line[] };
      assert.sameMembers([...listed.items, ...rest.items].map((l) => l.number), byBank.map((l) => l.number));
      assertCode(await world.rival.client.get(`/v1/credit-reports?cursor=${listed.next ?? ""}`), "REQUEST_INVALID");
    });

    it("mention objections under examination, and drop what was repaired", async () => {
      const lodged = await company.client.post("/v1/objections", { kind: "objection", target: "item", party: "registry", item: "administrative.penalties", ground: "inaccurate" }, { headers: { "idempotency-key": "objection-1" } });
      assert.equal(lodged.status, 201, lodged.bytes.toString("utf8"));
      assert.isEmpty((await made()).report.marks, "not before it is accepted");
      const operator = await person(world.platform, "platform-operator", "operator 1");
      const { id } = lodged.json() as { id: string };
      assert.equal((await operator.post(`/v1/objections/${id}/decision`, { decision: "accept" })).status, 200);
      const [mark] = (await made()).report.marks;
      assert.deepInclude(mark as object, { kind: "objection", party: "registry", item: "administrative.penalties", state: "examining" });
      const earlier = await made();
      const theirs = (await ask(world.bank.client, { uscc: usccOf(2), purpose: "loan-approval" })).json() as Issued;
      await world.publish([{ uscc: usccOf(1), key: "p1", withdraw: "credit-repair" }], "administrative.penalties", "2026-01-05");
      for (const path of ["", "/html", "/pdf"]) assertCode(await world.bank.client.get(`/v1/credit-reports/${earlier.number}${path}`), "CREDIT_REPORT_EXPIRED");
      assert.equal((await world.bank.client.get(`/v1/credit-reports/${theirs.number}`)).status, 200, "reports on others stay");
      const { platform } = world.platform.running ?? assert.fail();
      assert.deepInclude(await platform.db.read.creditReport.findUnique({ where: { number: earlier.number } }), { body: null, digest: earlier.digest }, "the question stays on record");
      type Own = { items: { item: string; withdrawn: string | null; values: object }[]; next: number | null };
      const held = (await company.client.get("/v1/subject/public-items")).json() as Own;
      assert.deepEqual(held.items.map(({ item, withdrawn, values }) => ({ item, withdrawn, values })), [
        { item: "registry.basic", withdrawn: null, values: { company_name: hostileName, established_on: "2015-03-01" } },
        { item: "administrative.penalties", withdrawn: "credit-repair", values: {} },
      ], "the company sees everything, and that what was repaired is gone");
      assert.isNull(held.next);
      assert.isEmpty(((await stranger.client.get("/v1/subject/public-items")).json() as Own).items);
      const repaired = await made();
      assert.notInclude(JSON.stringify(repaired.report.categories), "未公示年度报告");
      assert.equal(repaired.report.unknown.find((u) => u.item === "administrative.penalties")?.reason, "no-record");
    });

    it("show the newest records of an item and count the others", async () => {
      for (const [day, from] of [["2025-06-01", 0], ["2025-07-01", 70]] as const) {
        await world.publish(Array.from({ length: 70 }, (_, n) => ({ uscc: usccOf(5), key: `n${from + n}`, values: { offence: `第${from + n}项` } })), "administrative.penalties", day);
      }
      const { report } = (await ask(world.bank.client, { uscc: usccOf(5), purpose: "loan-approval" })).json() as Issued;
      const item = report.categories[0]?.items[0] ?? assert.fail();
      assert.lengthOf(item.records, 100);
      assert.equal(item.more, 40);
      assert.equal(new Set(item.records.map((r) => r.key)).size, 100);
      assert.isTrue(item.records.slice(0, 70).every((r) => r.asOf === "2025-07-01") && item.records.slice(70).every((r) => r.asOf === "2025-06-01"));
    });

    it("hold no record that is withdrawn while they are made", async () => {
      const key = (n: number): string => `race-${n}`;
      await world.publish(Array.from({ length: 12 }, (_, n) => ({ uscc: usccOf(1), key: key(n), values: { offence: `违法${n}` } })), "administrative.penalties");
      const reports: Promise<Issued>[] = [];
      for (let n = 0; n < 12; n += 1) {
        reports.push(made(), made());
        await world.publish([{ uscc: usccOf(1), key: key(n), withdraw: "record-removed" }], "administrative.penalties", "2026-01-05");
      }
      await Promise.all(reports);
      const { platform } = world.platform.running ?? assert.fail();
      const texts = await platform.db.read.creditReport.findMany({ where: { subject: usccOf(1), body: { not: null } }, select: { body: true } });
      for (const { body } of texts) assert.notMatch(body ?? "", /违法\d/);
    });

    it("are kept as text for 30 days and as a record of the question after that", async () => {
      const { number, digest } = await made();
      clock.ms += 31 * dayMs;
      assertCode(await world.bank.client.get(`/v1/credit-reports/${number}`), "CREDIT_REPORT_EXPIRED");
      const { platform } = world.platform.running ?? assert.fail();
      await sweepReports(platform);
      assert.equal((await platform.db.read.creditReport.findUnique({ where: { number } }))?.body, null);
      assert.equal((await platform.db.read.creditReport.findUnique({ where: { number } }))?.digest, digest);
    });

    it("are as many a day as an institution may ask for, and again the next day; the company's own are not counted", async () => {
      const { platform } = world.platform.running ?? assert.fail();
      const rows = Array.from({ length: 5000 }, (_, n) => ({
        number: `CR20260101-${String(n).padStart(24, "0")}`, subject: usccOf(9), institutionId: world.rival.institution, purpose: "loan-approval", digest: "0".repeat(64), body: null,
        createdAt: new Date(clock.ms), expiresAt: new Date(clock.ms),
      }));
      for (let at = 0; at < rows.length; at += 1000) await platform.db.write((tx) => tx.creditReport.createMany({ data: rows.slice(at, at + 1000) }));
      const given = { uscc: usccOf(1), purpose: "loan-approval" };
      assertCode(await ask(world.rival.client, given), "CREDIT_REPORT_LIMIT");
      assert.equal((await ask(world.bank.client, given)).status, 201, "another institution's are its own");
      company = await login(world.platform, usccOf(1)); // the session of before has ended
      assert.equal((await company.client.post("/v1/subject/credit-reports", {})).status, 201);
      clock.ms += dayMs + 1000;
      assert.equal((await ask(world.rival.client, given)).status, 201);
    });

    it("are cut with the institution", async () => {
      await world.platform.admin.suspendInstitution(world.bank.institution);
      assertCode(await ask(world.bank.client, { uscc: usccOf(1), purpose: "loan-approval" }), "AUTH_SUSPENDED");
      assertCode(await world.bank.client.get("/v1/credit-reports"), "AUTH_SUSPENDED");
    });

    it("leave no company in the log", () => {
      for (const line of lines) assert.notMatch(line, /91[0-9]{6}MA/);
    });
  });
});
