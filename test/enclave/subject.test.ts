// The company's rights at an enclave, with a real platform: its uses opened for it alone and sealed to it, objections taken, decided and marked.
import { generateKeyPairSync } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { usesAnswerSchema, type UsesAnswer } from "../../consent/uses-answer.ts";
import { readUsesRequest, signUsesRequest } from "../../consent/uses-request.ts";
import { registrarFromCertificate, Trust } from "../../consent/trust.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { systemRng } from "../../core/rng.ts";
import { createInstitutionKey, openSealed, type InstitutionKey } from "../../cli/institution-key.ts";
import { JobUses } from "../../enclave/job/uses.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { followObjections, ObjectionBook } from "../../enclave/subject/objections.ts";
import { answerUsesRequests, usersOf } from "../../enclave/subject/uses.ts";
import { nextChange } from "../../api/store/database.ts";
import { addUsesAnswer, addUsesRequest } from "../../api/store/uses-requests.ts";
import { HttpPlatform } from "../../enclave/transport/http.ts";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectionNotice, ObjectionView } from "../../api/contract/subject.ts";
import type { Use } from "../../receipts/uses.ts";
import { assertCode, type Client } from "../support/clients.ts";
import { keptLog, newWorld, TestClock, type Enclave, type World } from "../support/platform.ts";
import { freshKey, isoSeconds, login, person, usccOf, withIssuer, type Company } from "../support/subjects.ts";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import { seededKey, verdict } from "../consent/support.ts";

const jobs = ["job_0123456789abcdef", "job_fedcba9876543210"] as JobId[];
const dayMs = 86_400_000;

/** What an enclave of the party "tax" has, in a folder of its own. */
class TaxEnclave implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "yunei-subject-"));
  readonly db: StateDatabase;
  readonly box: SecretBox;
  readonly book: ReceiptBook;
  readonly objections: ObjectionBook;
  readonly platform: HttpPlatform;
  readonly enclave: Enclave;

  constructor(enclave: Enclave, port: number) {
    this.enclave = enclave;
    this.db = new StateDatabase(join(this.folder, "state.db"));
    this.box = SecretBox.open(join(this.folder, "box.key"), systemRng);
    this.book = new ReceiptBook({ db: this.db, box: this.box, rng: systemRng, key: seededKey("tax identity") });
    this.objections = new ObjectionBook(this);
    const { key, cert, ca } = enclave.identity;
    this.platform = new HttpPlatform({ url: `https://127.0.0.1:${port}`, key, certificate: cert, ca });
  }

  use(job: JobId, subject: string): void {
    const use: Use = { subject, grantee: "bank", items: ["tax.payment"], consent: null, revocations: null, output: "a".repeat(64), at: "2026-06-01T12:00:00.000Z" };
    new JobUses({ db: this.db, box: this.box, rng: systemRng, job }).record([use]);
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

describe("the rights of a company at an enclave", () => {
  let world: World;
  let issuer: TestIssuer;
  let tax: TaxEnclave;
  let first: Company;
  let second: Company;
  let operator: Client;
  let stop: AbortController;
  let tasks: Promise<unknown>[] = [];
  const lines: string[] = [];
  const clock = new TestClock();

  before(async () => {
    world = await newWorld({ now: clock.now, limits: { subjectSessionMs: 365 * dayMs } });
    issuer = await withIssuer(world.platform);
    first = await login(world.platform, usccOf(1));
    second = await login(world.platform, usccOf(2));
    operator = await person(world.platform, "platform-operator", "operator 1");
    tax = new TaxEnclave(world.tax, world.platform.enclavePort);
    start();
  });
  after(async () => {
    await halt();
    tax[Symbol.dispose]();
    await tax.platform[Symbol.asyncDispose]();
    await issuer.close();
    await world.platform[Symbol.asyncDispose]();
  });

  const trust = async (): Promise<Trust> => {
    const { certificates } = (await world.tax.client.get("/enclave/v1/registrars")).json() as { certificates: string[] };
    return new Trust(certificates.map((pem) => registrarFromCertificate(pem, { ca: world.platform.ca })));
  };
  const env = { rng: systemRng, now: clock.now, log: keptLog(lines) };
  let believed = new Trust([]);
  const told: string[] = [];
  function start(): void {
    stop = new AbortController();
    const { db, book, platform, objections } = tax;
    tasks = [
      answerUsesRequests({ party: "tax" as PartyId, db, book, certificate: world.tax.identity.identityCertificate, platform, log: platform, env, trust: () => believed }, stop.signal),
      followObjections({ book: objections, platform, env, mark: async ({ id, state }) => void told.push(`${id} ${state}`) }, stop.signal),
    ];
  }
  async function halt(): Promise<void> {
    stop.abort(new Error("stopped"));
    await Promise.allSettled(tasks);
  }
  const ask = async (company: Company, key: InstitutionKey): Promise<string> => {
    const reply = await company.client.post("/v1/subject/uses", { key: key.publicJwk.x });
    assert.equal(reply.status, 201, reply.bytes.toString());
    return (reply.json() as { id: string }).id;
  };
  const answersTo = async (company: Company, id: string): Promise<{ party: string; bytes: number; digest: string }[]> =>
    ((await company.client.get(`/v1/subject/uses/${id}`)).json() as { answers: { party: string; bytes: number; digest: string }[] }).answers;
  const sealedAnswer = async (company: Company, id: string): Promise<string> => {
    await eventually(async () => (await answersTo(company, id)).length === 1);
    return (await company.client.get(`/v1/subject/uses/${id}/answers/tax`)).bytes.toString();
  };

  let early = "";
  it("answers nobody whom it does not believe", async () => {
    const id = await ask(second, createInstitutionKey());
    await eventually(async () => lines.some((line) => line.includes("USES_REQUEST")));
    assert.isEmpty(await answersTo(second, id));
    believed = await trust();
    clock.ms += 61_000;
    early = id;
  });

  it("opens a company's uses for it alone; the answer of one without a use is as long", async () => {
    for (const job of jobs) tax.use(job, first.uscc);
    tax.use(jobs[0] as JobId, usccOf(7));
    const [mine, theirs] = [createInstitutionKey(), createInstitutionKey()];
    const [a, b] = [await ask(first, mine), await ask(second, theirs)];
    const jwe = await sealedAnswer(first, a);
    const answer = usesAnswerSchema.parse(JSON.parse(await openSealed(jwe, mine)));
    assert.deepEqual(answer.uses.map((u) => u.job).sort(), [...jobs].sort());
    assert.deepInclude(answer.uses[0], { grantee: "bank", items: ["tax.payment"], bundle: null });
    assert.notInclude(JSON.stringify(answer), usccOf(7));
    const other = await sealedAnswer(second, b);
    assert.deepEqual((usesAnswerSchema.parse(JSON.parse(await openSealed(other, theirs)))).uses, [] as UsesAnswer["uses"]);
    assert.equal(other.length, jwe.length);
    assert.equal(await codeOf(openSealed(jwe, theirs)), "CLI_SEAL");
    assertCode(await second.client.get(`/v1/subject/uses/${a}`), "USES_NOT_FOUND");
    assertCode(await second.client.get(`/v1/subject/uses/${a}/answers/tax`), "USES_NOT_FOUND");
    assert.notInclude(jwe, first.uscc);
    await eventually(async () => (await answersTo(second, early)).length === 1);
  });

  it("takes one sealed answer of each party, the first, and nothing in the open", async () => {
    const [id] = [await ask(first, createInstitutionKey())];
    const jwe = await sealedAnswer(first, id);
    const put = (client: Client, text: string) => client.call("PUT", `/enclave/v1/subject/requests/${id}/answer`, { raw: text, headers: { "content-type": "application/jose" } });
    assert.equal((await put(world.tax.client, jwe)).status, 200, "the same again");
    assertCode(await put(world.tax.client, `${jwe.slice(0, -4)}AAAA`), "USES_ANSWERED");
    assertCode(await put(world.power.client, JSON.stringify({ subject: first.uscc })), "RESULT_NOT_SEALED");
    assert.equal((await put(world.power.client, jwe)).status, 200);
    assert.deepEqual((await answersTo(first, id)).map((x) => x.party), ["power", "tax"]);
    assertCode(await world.tax.client.call("PUT", `/enclave/v1/subject/requests/uses_${"0".repeat(24)}/answer`, { raw: jwe, headers: { "content-type": "application/jose" } }), "USES_NOT_FOUND");
  });

  it("bounds open requests, and forgets request and answer when their time is over", async () => {
    for (;;) {
      const reply = await first.client.post("/v1/subject/uses", { key: createInstitutionKey().publicJwk.x });
      if (reply.status === 201) continue;
      assertCode(reply, "USES_TOO_MANY");
      break;
    }
    clock.ms += 8 * dayMs;
    await eventually(async () => ((await first.client.get("/v1/subject/export")).json() as { usesRequests: [] }).usesRequests.length === 0);
    assert.equal((await first.client.post("/v1/subject/uses", { key: createInstitutionKey().publicJwk.x })).status, 201);
  });

  it("answers the newest question also when more than a page of others was answered before", async () => {
    await halt();
    const { db } = (world.platform.running ?? assert.fail()).platform;
    await db.write(async (tx) => {
      for (let i = 0; i < 230; i++) {
        const id = `uses_${String(i).padStart(24, "0")}`;
        await addUsesRequest(tx, { id, n: await nextChange(tx), subject: usccOf(50), jws: "a.b.c", createdAt: new Date(clock.ms), expiresAt: new Date(clock.ms + dayMs) });
        await addUsesAnswer(tx, id, { party: "tax" as PartyId, at: new Date(clock.ms), bytes: 1, digest: "0".repeat(64) });
      }
    });
    const id = await ask(second, createInstitutionKey());
    start();
    assert.match(await sealedAnswer(second, id), /^[\w-]+\./);
  });

  it("refuses requests of strangers, over time, of another type, and changed ones", async () => {
    const { running } = world.platform;
    const registrar = running?.platform.registrar ?? assert.fail();
    const known = await trust();
    const given = { registrar: registrar.name, id: `uses_${"1".repeat(24)}`, subject: first.uscc, key: createInstitutionKey().publicJwk.x, issuedAt: isoSeconds(clock.ms), notAfter: isoSeconds(clock.ms + dayMs) };
    const jws = signUsesRequest(given, registrar.key);
    const read = (text: string, now = clock.ms): string => verdict(() => readUsesRequest(text, known, now));
    assert.equal(read(jws), "accepted");
    assert.equal(read(jws, clock.ms + dayMs), "USES_REQUEST");
    assert.equal(read(jws, clock.ms - 121_000), "USES_REQUEST");
    assert.equal(read(signUsesRequest(given, generateKeyPairSync("ed25519").privateKey)), "USES_REQUEST");
    assert.equal(read(signUsesRequest({ ...given, registrar: "other" as PartyId }, registrar.key)), "USES_REQUEST");
    assert.equal(read(signUsesRequest({ ...given, notAfter: isoSeconds(clock.ms + 30 * dayMs) }, registrar.key)), "USES_REQUEST");
    const [list = ""] = ((await world.tax.client.get("/enclave/v1/revocations")).json() as { lists: string[] }).lists;
    assert.equal(read(list), "USES_REQUEST");
    assert.equal(read(`${jws.slice(0, -6)}AAAAAA`), "USES_REQUEST");
  });

  it("keeps an objection sealed, brings the operator's decision to the platform, and says it once over a restart", async () => {
    const lodged = (await first.client.post("/v1/objections", { kind: "objection", target: "item", party: "tax", item: "tax.payment", ground: "inaccurate" }, freshKey())).json() as ObjectionView;
    await operator.post(`/v1/objections/${lodged.id}/decision`, { decision: "accept" });
    await eventually(async () => tax.objections.list().length === 1);
    const stored = ["state.db", "state.db-wal"].map((name) => readFileSync(join(tax.folder, name), "latin1")).join("");
    assert.include(stored, lodged.id);
    assert.notInclude(stored, first.uscc);
    assert.deepEqual([...tax.objections.marks(["tax" as PartyId])], [[first.uscc, ["tax.payment"]]]);
    assert.isEmpty([...tax.objections.marks(["power" as PartyId])]);
    await halt();
    const answer = { outcome: "corrected", reason: "value-corrected" } as const;
    tax.objections.decide(lodged.id, answer);
    tax.objections.decide(lodged.id, answer);
    assert.equal(verdict(() => tax.objections.decide(lodged.id, { outcome: "rejected", reason: "value-confirmed" })), "OBJECTION_STATE");
    assert.equal(verdict(() => tax.objections.decide(`objection_${"0".repeat(24)}`, answer)), "OBJECTION_NOT_FOUND");
    start();
    await eventually(async () => ((await first.client.get(`/v1/objections/${lodged.id}`)).json() as ObjectionView).state === "corrected");
    await eventually(async () => tax.objections.list()[0]?.state === "corrected");
    assert.isEmpty(tax.objections.unsent());
    assert.isEmpty(told, "a provider has no scores to mark");
    assert.isEmpty([...tax.objections.marks(["tax" as PartyId])], "the mark is taken off");
    assert.equal(verdict(() => tax.objections.decide(lodged.id, { outcome: "rejected", reason: "value-confirmed" })), "OBJECTION_STATE");
  });

  it("names in its answer the institutions that its own receipts show, and the platform tells them, once each", async () => {
    const parts = { db: tax.db, book: tax.book };
    assert.deepEqual(await usersOf(parts, first.uscc, "tax.payment"), ["bank"]);
    assert.deepEqual([await usersOf(parts, first.uscc, "tax.arrears"), await usersOf(parts, usccOf(8), "tax.payment")], [[], []]);
    const users = ["bank", "nobody"] as PartyId[];
    const outcomes = [["rejected", "value-confirmed", []], ["unconfirmed", "cannot-be-established", ["bank"]], ["corrected", "value-corrected", ["bank"]]] as const;
    for (const [outcome, reason, notified] of outcomes) {
      const lodged = (await first.client.post("/v1/objections", { kind: "objection", target: "item", party: "tax", item: "tax.payment", ground: "inaccurate" }, freshKey())).json() as ObjectionView;
      await operator.post(`/v1/objections/${lodged.id}/decision`, { decision: "accept" });
      await eventually(async () => tax.objections.list().some((o) => o.id === lodged.id));
      tax.objections.decide(lodged.id, { outcome, reason, users });
      await eventually(async () => ((await first.client.get(`/v1/objections/${lodged.id}`)).json() as ObjectionView).state === outcome);
      assert.deepEqual<readonly string[]>(((await first.client.get(`/v1/objections/${lodged.id}`)).json() as ObjectionView).notified, notified, outcome);
      const { notices } = (await world.guest.client.get("/enclave/v1/objections")).json() as { notices: ObjectionNotice[] };
      assert.deepEqual(notices.filter((n) => n.id === lodged.id).map((n) => [n.role, n.state]), notified.map(() => ["mark", outcome]));
      // Nobody adds to what was decided.
      await world.tax.client.post(`/enclave/v1/objections/${lodged.id}/answer`, { outcome, reason, users: ["power"] });
      assert.deepEqual<readonly string[]>(((await first.client.get(`/v1/objections/${lodged.id}`)).json() as ObjectionView).notified, notified, outcome);
    }
    assertCode(await world.power.client.post(`/enclave/v1/objections/objection_${"0".repeat(24)}/answer`, { outcome: "corrected", reason: "value-corrected", users }), "OBJECTION_NOT_FOUND");
  });

  it("tells the operator when the company took it back meanwhile", async () => {
    const lodged = (await second.client.post("/v1/objections", { kind: "repair", target: "item", party: "tax", item: "tax.payment", ground: "obligation-fulfilled" }, freshKey())).json() as ObjectionView;
    await operator.post(`/v1/objections/${lodged.id}/decision`, { decision: "accept" });
    await eventually(async () => tax.objections.list().some((o) => o.id === lodged.id));
    await halt();
    await second.client.post(`/v1/objections/${lodged.id}/withdrawal`);
    tax.objections.decide(lodged.id, { outcome: "corrected", reason: "repaired" });
    start();
    await eventually(async () => tax.objections.list().find((o) => o.id === lodged.id)?.refused === "OBJECTION_STATE");
  });

  it("marks what is disputed for good when it could not be established, and the bank's own score", () => {
    const book = new ObjectionBook({ db: tax.db, box: tax.box });
    const notice: ObjectionNotice = {
      id: `objection_${"a".repeat(24)}`, role: "mark", change: 1_000_000, kind: "objection", target: "item", subject: usccOf(3), party: "power" as PartyId, item: "utilities.electricity",
      ground: "inaccurate", evidence: null, state: "unconfirmed", reason: null, lodgedAt: "2026-01-05T00:00:00.000Z", dueAt: "2026-01-25T16:00:00.000Z",
    };
    book.keep([notice, { ...notice, id: `objection_${"b".repeat(24)}`, role: "decide", target: "score", party: "bank" as PartyId, item: null, state: "accepted" }]);
    assert.deepEqual(book.marks(["power" as PartyId]).get(usccOf(3)), ["score", "utilities.electricity"]);
    book.keep([{ ...notice, change: 5, state: "rejected" }]);
    assert.deepEqual(book.marks(["power" as PartyId]).get(usccOf(3)), ["score", "utilities.electricity"], "an older notice changes nothing");
    book.keep([{ ...notice, change: 1_000_001, state: "rejected" }]);
    assert.deepEqual(book.marks(["power" as PartyId]).get(usccOf(3)), ["score"]);
  });

  it("writes no company into the log", () => {
    assert.isAbove(lines.length, 5);
    for (const uscc of [first.uscc, second.uscc]) assert.notInclude(lines.join("\n"), uscc);
  });
});

async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("it did not happen");
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(() => "opened", (error: { code?: unknown }) => error.code);
}
