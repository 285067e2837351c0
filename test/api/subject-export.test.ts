// Everything that the platform holds on a company: every table that names it is known here and has its part in what the company is given; another
// company's rows are in none of it.
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import type { ConsentView, WrittenView } from "../../api/contract/consents.ts";
import type { ObjectionView, SubjectExport } from "../../api/contract/subject.ts";
import { rawKey } from "../../consent/keys.ts";
import { createInstitutionKey } from "../../cli/institution-key.ts";
import { assertCode, type Reply } from "../support/clients.ts";
import { TestClock } from "../support/platform.ts";
import { bankUscc, consentTo, freshKey, grantRequest, isoSeconds, login, person, withIssuer, type Company } from "../support/subjects.ts";
import { usccOf } from "../public-credit/support.ts";
import { PublicWorld } from "../public-credit/world.ts";

type Part = keyof Omit<SubjectExport, "version" | "subject" | "at">;
/** Tables whose rows name a company, and the part of the export in which its rows are. */
const named: Readonly<Record<string, readonly Part[]>> = {
  SubjectSession: ["sessions"], SubjectKey: ["keys"], Consent: ["consents"], WrittenConsent: ["writtenForms"], UsesRequest: ["usesRequests"], Objection: ["objections"],
  SubjectNotice: ["notices"], PublicItem: ["publicItems"], PublicDelivered: ["publicDeliveries"], CreditReport: ["creditReports"],
};

describe("what the platform holds on a company", () => {
  const clock = new TestClock();
  const form = "f".repeat(64);
  let world: PublicWorld;
  let issuer: TestIssuer;
  let mine: Company;
  let other: Company;
  const exported = async (company: Company): Promise<SubjectExport> => (await company.client.get("/v1/subject/export")).json() as SubjectExport;

  /** One row in every table, of each company. */
  const fill = async (company: Company): Promise<void> => {
    const { platform, bank, rival } = world;
    await world.publish([{ uscc: company.uscc, values: { company_name: "北京演示有限公司" }, sector: "C" }]);
    await world.publish([{ uscc: company.uscc, key: "p1", values: { offence: "未公示年度报告" } }], "administrative.penalties");
    assert.equal((await bank.client.post("/v1/credit-reports", { uscc: company.uscc, purpose: "loan-approval" })).status, 201);
    // Another institution is given the penalties of the region.
    const subscribed = await rival.client.post("/v1/subscriptions", { purpose: "post-loan-monitoring", items: ["administrative.penalties"], regions: ["11"], sectors: [] });
    const { id } = subscribed.json() as { id: string };
    assert.equal((await rival.client.get(`/v1/subscriptions/${id}/items?cursor=0`)).status, 200);
    await consentTo(company, grantRequest(clock.ms));
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const key = rawKey(publicKey);
    const proof = sign(null, Buffer.from(`yunei/subject-key/v1\n${company.session}\n${key}`), privateKey).toString("base64url");
    assert.equal((await company.client.post("/v1/subject/key", { key, proof })).status, 201);
    const clerk = await person(platform, "bank-submitter", "clerk 7", bank);
    const officer = await person(platform, "bank-approver", "officer 3", { institution: bank.institution });
    const { grantee: _, ...terms } = grantRequest(clock.ms);
    const enter = async (): Promise<WrittenView> =>
      (await clerk.post("/v1/consents/written", { terms: { ...terms, subject: company.uscc, granteeUscc: bankUscc }, form }, freshKey())).json() as WrittenView;
    const [confirmed, refused] = [await enter(), await enter(), await enter()];
    await officer.post(`/v1/consents/written/${confirmed.id}/decision`, { decision: "confirm", form });
    await officer.post(`/v1/consents/written/${refused.id}/decision`, { decision: "refuse" });
    assert.equal((await company.client.post("/v1/subject/uses", { key: createInstitutionKey().publicJwk.x })).status, 201);
    const lodging = { kind: "objection", target: "item", party: "registry", item: "administrative.penalties", ground: "inaccurate" };
    assert.equal((await company.client.post("/v1/objections", lodging, freshKey())).status, 201);
  };

  before(async () => {
    world = await PublicWorld.start({ now: clock.now });
    issuer = await withIssuer(world.platform);
    mine = await login(world.platform, usccOf(1));
    other = await login(world.platform, usccOf(2));
    await fill(mine);
    await fill(other);
  });
  after(async () => {
    await issuer.close();
    await world[Symbol.asyncDispose]();
  });

  it("lies in the known tables and no others, whatever the columns are called", () => {
    using database = new DatabaseSync(join(world.platform.data, "platform.db"), { readOnly: true });
    const tables = database.prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'").all().map((row) => String(row["name"]));
    assert.isAbove(tables.length, 25);
    const found = tables.filter((table) => database.prepare(`select * from "${table}"`).all().some((row) => holds(row, mine.uscc)));
    assert.deepEqual(found.sort(), Object.keys(named).sort());
    const models = [...readFileSync(join(import.meta.dirname, "../../prisma/models.prisma"), "utf8").matchAll(/^model (\w+) \{([^}]*)\}/gm)];
    const declared = models.filter(([, , body = ""]) => /^\s+subject\s/m.test(body)).map(([, name = ""]) => name);
    for (const name of declared) assert.property(named, name);
    const architecture = readFileSync(join(import.meta.dirname, "../../ARCHITECTURE.md"), "utf8");
    const sentence = /[^\n]*name companies by USCC[^\n]*/.exec(architecture)?.[0] ?? "";
    for (const name of Object.keys(named)) assert.include(sentence, name);
  });

  it("is given to it whole: every such table has its part, with the company's rows", async () => {
    const all = await exported(mine);
    for (const parts of Object.values(named)) for (const part of parts) assert.isNotEmpty(all[part], part);
    assert.equal(all.subject, mine.uscc);
    assert.deepEqual(all.consents.map((c) => c.source).sort(), ["online", "written"]);
    assert.deepEqual(all.writtenForms.map((f) => f.state).sort(), ["confirmed", "pending", "refused"], "also what was entered in its name and never confirmed");
    assert.deepEqual(all.publicItems.map((item) => item.item as string).sort(), ["administrative.penalties", "registry.basic"]);
    assert.deepEqual(all.creditReports.map((report) => [report.requester, report.purpose]), [["Bank of bank", "loan-approval"]]);
    assert.deepEqual(all.notices.map((notice) => notice.type), ["written-consent"]);
  });

  it("shows nothing of another company, and is shown to nobody else", async () => {
    const text = JSON.stringify(await exported(mine));
    assert.notInclude(text, other.uscc);
    const theirs = await exported(other);
    const ids = [...theirs.consents, ...theirs.objections, ...theirs.writtenForms, ...theirs.usesRequests, ...theirs.sessions].map(({ id }) => id).concat(theirs.keys.map(({ kid }) => kid), theirs.creditReports.map(({ number }) => number));
    assert.isAbove(ids.length, 8);
    for (const id of ids) assert.notInclude(text, id);
    assertCode(await world.bank.client.get("/v1/subject/export"), "AUTH_INVALID");
    assertCode(await (await person(world.platform, "platform-operator", "operator 1")).get("/v1/subject/export"), "AUTH_ROLE");
    assertCode(await world.platform.apiClient().get("/v1/subject/export"), "AUTH_REQUIRED");
  });

  it("tells whoever took a report or was given the public record of an objection against it", async () => {
    const operator = await person(world.platform, "platform-operator", "operator 2");
    const [open] = (await exported(mine)).objections;
    await operator.post(`/v1/objections/${open?.id}/decision`, { decision: "accept" });
    const view = (await mine.client.get(`/v1/objections/${open?.id}`)).json() as ObjectionView;
    assert.deepEqual(view.notified, ["bank", "rival"]);
  });

  it("does not let one company fill the list of withdrawals", async () => {
    const { limits } = (world.platform.running ?? assert.fail()).platform;
    assert.equal(limits.runningConsents, 500);
    const short = grantRequest(clock.ms, { notAfter: isoSeconds(clock.ms + 3_600_000) });
    const key = freshKey();
    const first = (await other.client.post("/v1/consents", short, key)).json() as ConsentView;
    await Promise.all(Array.from({ length: 497 }, () => other.client.post("/v1/consents", short, freshKey())));
    const reply = await other.client.post("/v1/consents", short, freshKey());
    assertCode(reply, "CONSENT_TOO_MANY");
    assert.equal(((await other.client.post("/v1/consents", short, key)).json() as ConsentView).id, first.id, "what was granted is still answered");
    assert.equal((await other.client.post(`/v1/consents/${first.id}/withdrawal`)).status, 200);
    assertCode(await other.client.post("/v1/consents", short, freshKey()), "CONSENT_TOO_MANY");
    assert.equal((await mine.client.post("/v1/consents", short, freshKey())).status, 201, "others go on");
    const register = (): Promise<Reply> => {
      const { privateKey, publicKey } = generateKeyPairSync("ed25519");
      const own = rawKey(publicKey);
      return other.client.post("/v1/subject/key", { key: own, proof: sign(null, Buffer.from(`yunei/subject-key/v1\n${other.session}\n${own}`), privateKey).toString("base64url") });
    };
    for (let i = 1; i < limits.subjectKeys; i++) assert.equal((await register()).status, 201);
    assertCode(await register(), "CONSENT_TOO_MANY");
  });

  it("is paged through to the end", async () => {
    for (let i = 0; i < 230; i++) assert.match((await consentTo(mine, grantRequest(clock.ms))).id, /^consent_/);
    const all = await exported(mine);
    assert.equal(new Set(all.consents.map((c: ConsentView) => c.id)).size, 233);
  });
});

function holds(row: Readonly<Record<string, unknown>>, uscc: string): boolean {
  const encoded = Buffer.from(`"${uscc}"`).toString("base64url").slice(4, 20);
  return Object.values(row).some((value) => {
    const text = typeof value === "string" ? value : value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : "";
    return text.includes(uscc) || text.includes(encoded);
  });
}
