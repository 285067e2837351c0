// The parts of a live service in an enclave: epochs, group commit, ledger, budgets, batches of uses, sealed requests.
import { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { CompactEncrypt, compactDecrypt, importJWK } from "jose";
import { decodeLive, encodeLive } from "../../api/contract/live.ts";
import { AppError } from "../../core/errors.ts";
import { JoinedWrites } from "../../core/joined-writes.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { epochOf, LiveEpoch } from "../../enclave/live/epoch.ts";
import { Journal } from "../../enclave/live/journal.ts";
import { openRequest, sealAnswer, SeenRequests, serviceKeyOf } from "../../enclave/live/request.ts";
import { ServiceBudgets } from "../../enclave/live/service-budgets.ts";
import { ServiceLedger } from "../../enclave/live/service-ledger.ts";
import { batchId } from "../../enclave/live/service-uses.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { bank, Ca, Channels, job, planOf, power, tax, temporaryFolder } from "../support/enclave.ts";
import type { Identity } from "../../enclave/keys/identity.ts";

const model = "model_0123456789abcdef";
const servePlan = planOf({ kind: "serve", purpose: "loan-approval", model, params: { days: 1, requestsPerDay: 2, setsPerCompany: 1 } });

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : "thrown";
  }
}

describe("an epoch of live frames", () => {
  let channels: Channels;
  before(async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    const identities = new Map<typeof bank, Identity>();
    for (const party of [bank, tax, power]) identities.set(party, await ca.enrol(`${folder.path}/${party}`, party));
    channels = await Channels.open(servePlan, identities);
  });
  const nonces = (): [Uint8Array, Uint8Array] => [systemRng(16), systemRng(16)];
  const pair = ([g, h] = nonces()) => ({ guest: new LiveEpoch(channels.session(bank, tax), g, h), host: new LiveEpoch(channels.session(tax, bank), g, h) });
  const frame = Uint8Array.of(1, 2, 3);

  it("passes frames both ways, each once and in rising order", async () => {
    const { guest, host } = pair();
    const [first, second] = [guest.seal(frame), guest.seal(frame)];
    assert.notDeepEqual(first, second);
    assert.deepEqual(host.open(second), frame);
    assert.equal(await codeOf(() => host.open(second)), "PROTOCOL_REPLAYED");
    assert.equal(await codeOf(() => host.open(first)), "PROTOCOL_REPLAYED");
    assert.deepEqual(guest.open(host.seal(frame)), frame);
  });
  it("opens nothing of another epoch, channel or direction, and nothing that was changed", async () => {
    const { guest, host } = pair();
    const sealed = guest.seal(frame);
    assert.equal(await codeOf(() => pair().host.open(sealed)), "PROTOCOL_BAD_SEAL");
    assert.equal(await codeOf(() => guest.open(sealed)), "PROTOCOL_BAD_SEAL");
    const [g, h] = nonces();
    const other = new LiveEpoch(channels.session(power, bank), g, h);
    assert.equal(await codeOf(() => other.open(new LiveEpoch(channels.session(bank, tax), g, h).seal(frame))), "PROTOCOL_BAD_SEAL");
    for (const at of [0, 9, 17, sealed.length - 1]) {
      const changed = sealed.slice();
      changed[at] = (changed[at] as number) ^ 1;
      assert.equal(await codeOf(() => host.open(changed)), "PROTOCOL_BAD_SEAL");
    }
    assert.equal(await codeOf(() => host.open(sealed.subarray(0, 20))), "PROTOCOL_BAD_SEAL");
    assert.deepEqual(host.open(sealed), frame, "what was refused changed nothing");
    assert.equal(epochOf(sealed), host.id);
  });
});

describe("the envelope of the live connection", () => {
  it("comes back as it was, and nothing else is taken for one", () => {
    const message = { kind: "sealed", service: job, peer: "tax", payload: Uint8Array.of(9, 8) } as const;
    const bytes = encodeLive(message);
    assert.deepInclude(decodeLive(bytes), { kind: "sealed", service: job, peer: "tax" });
    assert.deepEqual([...(decodeLive(bytes)?.payload ?? [])], [9, 8]);
    for (const bad of [new Uint8Array(0), Uint8Array.of(1, 1, 255, 0), Uint8Array.of(2, ...bytes.slice(1)), bytes.slice(0, 12), encodeLive({ ...message, service: "x" }), encodeLive({ ...message, peer: "../x" })]) assert.isUndefined(decodeLive(bad));
  });
});

describe("joined writes", () => {
  it("are one write for each turn of the event loop, in order, and nothing is left behind", async () => {
    const written: string[][] = [];
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => { written.push([chunk.toString()]); done(); },
      writev: (chunks, done) => { written.push(chunks.map(({ chunk }) => String(chunk))); done(); },
    });
    const writes = new JoinedWrites(stream);
    const send = (text: string): void => {
      writes.hold();
      stream.write(text);
    };
    for (const text of ["a", "b", "c"]) send(text);
    await setImmediate();
    send("d");
    await setImmediate();
    assert.deepEqual(written, [["a", "b", "c"], ["d"]]);
  });
});

describe("the journal", () => {
  it("commits what came together in one transaction, before anybody hears of it", async () => {
    using db = new StateDatabase(":memory:");
    const journal = new Journal(db);
    const seen: string[] = [];
    const add = (key: string): Promise<void> => journal.add(() => db.run("insert into meta values (?, ?)", key, "x")).then(() => void seen.push(`${key} ${Number(db.get("select count(*) as n from meta")?.["n"])}`));
    await Promise.all([add("a"), add("b"), add("c")]);
    assert.deepEqual(seen, ["a 3", "b 3", "c 3"]);
    assert.equal(journal.commits, 1);
  });
  it("tells everybody of a group when it failed, keeps nothing of it, and goes on with the next", async () => {
    using db = new StateDatabase(":memory:");
    const journal = new Journal(db);
    const results = await Promise.allSettled([journal.add(() => db.run("insert into meta values ('a', 'x')")), journal.add(() => db.run("insert into nowhere values (1)"))]);
    assert.deepEqual(results.map((r) => r.status), ["rejected", "rejected"]);
    assert.isUndefined(db.get("select 1 from meta"));
    await journal.add(() => db.run("insert into meta values ('b', 'x')"), { soon: true });
    assert.isDefined(db.get("select 1 from meta"));
  });
});

describe("the ledger of a service", () => {
  it("counts and chains what passes, within the plan, and goes on after a restart", async () => {
    using db = new StateDatabase(":memory:");
    const ledger = new ServiceLedger(db, servePlan, tax);
    for (const digest of ["a", "b", "b"]) ledger.enter(bank, "sent", "serve/part", 40, digest);
    const written = ledger.digest();
    ledger.write();
    const again = new ServiceLedger(db, servePlan, tax);
    assert.equal(again.digest(), written);
    again.enter(bank, "sent", "serve/part", 40, "c");
    assert.notEqual(again.digest(), written);
    assert.equal(await codeOf(() => again.enter(bank, "sent", "serve/part", 40, "d")), "LEDGER_OUTSIDE_PLAN");
    assert.equal(await codeOf(() => again.enter(power, "sent", "serve/part", 40, "d")), "LEDGER_OUTSIDE_PLAN");
    assert.equal(await codeOf(() => again.enter(bank, "received", "serve/part", 40, "d")), "PROTOCOL_OVERSIZED");
    assert.deepInclude(again.lines()[0], { messages: 4, bytes: 160 });
  });
});

describe("the budgets of a service", () => {
  let now = Date.UTC(2026, 0, 30, 12);
  const open = (db: StateDatabase, more: Record<string, number> = {}, name = model): ServiceBudgets => new ServiceBudgets({
    db, budgets: new Budgets(db, () => now, new Uint8Array(32)), now: () => now, guest: bank, dataset: "filings", model: name,
    limits: { requestsPerDay: 100, companiesPerMonth: 100, perCompanyPerDay: 100, setsPerCompany: 1, maxModelsPerCompany: 2, ...more },
  });

  it("limit questions a day, companies a month, and questions about a company a day; periods begin anew", () => {
    now = Date.UTC(2026, 0, 30, 12);
    using db = new StateDatabase(":memory:");
    const budgets = open(db, { requestsPerDay: 3, companiesPerMonth: 2, perCompanyPerDay: 2 });
    assert.deepEqual(["a", "a", "a"].map((c) => budgets.charge(c, "s")), [undefined, undefined, "SERVICE_COMPANY_BUDGET"]);
    assert.deepEqual(["b", "b"].map((c) => budgets.charge(c, "s")), [undefined, "SERVICE_BUDGET"]);
    now += 86_400_000;
    assert.deepEqual(["c", "a"].map((c) => budgets.charge(c, "s")), ["SERVICE_BUDGET", undefined]);
    now += 86_400_000;
    assert.isUndefined(budgets.charge("c", "s"), "February");
  });
  it("limit the sets of providers of a company for ever, over services and restarts", () => {
    using db = new StateDatabase(":memory:");
    const budgets = open(db);
    assert.deepEqual(["x,y", "x,y", "x"].map((set) => budgets.charge("a", set)), [undefined, undefined, "SERVICE_SETS"]);
    budgets.write();
    now += 400 * 86_400_000;
    const again = open(db);
    assert.equal(again.charge("a", "x"), "SERVICE_SETS");
    assert.isUndefined(again.charge("b", "x"));
    const hex = JSON.stringify(db.all("select * from service_companies").map((row) => Buffer.from(row["record"] as Uint8Array).toString("latin1")));
    assert.notInclude(hex, '"a"');
  });
  it("count models of batches and of services as one budget", () => {
    using db = new StateDatabase(":memory:");
    for (const name of ["model_1", "model_2"]) {
      const budgets = open(db, {}, name);
      assert.isUndefined(budgets.charge("a", "s"));
      budgets.write();
    }
    assert.equal(open(db, {}, "model_3").charge("a", "s"), "BUDGET_TOTALS");
    assert.isUndefined(open(db, {}, "model_2").charge("a", "s"));
  });
});

describe("sealed requests", () => {
  const seed = systemRng(32);
  const { key, x } = serviceKeyOf(seed);
  const now = Date.UTC(2026, 1, 1);
  const request = { version: 1, id: "request-1", service: job, at: new Date(now).toISOString(), answerKey: Buffer.from(systemRng(32)).toString("base64url"), company: "c" };
  const seal = async (body: unknown, to = x, alg = "ECDH-ES"): Promise<string> =>
    new CompactEncrypt(Buffer.from(JSON.stringify(body))).setProtectedHeader({ alg, enc: "A256GCM" }).encrypt(await importJWK({ kty: "OKP", crv: "X25519", x: to }, alg));
  const open = (jwe: string) => openRequest(jwe, { key, service: job, now });

  it("open for their service and time alone, under a key that a restart makes again", async () => {
    assert.equal(serviceKeyOf(seed).x, x);
    assert.deepInclude(await open(await seal(request)), { company: "c" });
    const others = [{ ...request, service: "job_fedcba9876543210" }, { ...request, at: new Date(now - 400_000).toISOString() }, { ...request, more: 1 }, { ...request, company: "" }, { ...request, columns: { a: {} } }, "text"];
    for (const other of others) assert.equal(await codeOf(async () => open(await seal(other))), "SERVICE_REQUEST");
    assert.equal(await codeOf(async () => open(await seal(request, serviceKeyOf(systemRng(32)).x))), "SERVICE_REQUEST");
    assert.equal(await codeOf(async () => open(await seal(request, x, "ECDH-ES+A256KW"))), "SERVICE_REQUEST");
    assert.equal(await codeOf(() => open("a.b.c.d.e")), "SERVICE_REQUEST");
  });
  it("are answered under their own key, and the same one is made once", async () => {
    const answer = { version: 1, id: "request-1", service: job, at: request.at, status: "refused", code: "CONSENT_MISSING" } as const;
    const { plaintext } = await compactDecrypt(await sealAnswer(answer, request.answerKey), Buffer.from(request.answerKey, "base64url"));
    assert.deepEqual(JSON.parse(new TextDecoder().decode(plaintext)), answer);
    const seen = new SeenRequests<number>();
    let made = 0;
    const make = async (): Promise<number> => ++made;
    assert.deepEqual(await Promise.all([seen.once("a", now, make), seen.once("a", now, make)]), [1, 1]);
    assert.equal(await codeOf(() => seen.once("b", now, () => Promise.reject(new AppError("SERVICE_BUSY")))), "SERVICE_BUSY");
    assert.equal(await seen.once("b", now, make), 2);
    assert.equal(await seen.once("a", now + 700_000, make), 3, "later than it could be taken again");
  });
  it("are never made again while they could be taken again, also when so many followed that the answer is no longer kept", async () => {
    const seen = new SeenRequests<number>();
    let made = 0;
    const make = async (): Promise<number> => ++made;
    for (let i = 0; i < 5000; i++) await seen.once(`r${i}`, now, make);
    assert.equal(await seen.once("r4999", now, make), 5000);
    assert.equal(await codeOf(() => seen.once("r0", now, make)), "SERVICE_REQUEST");
    assert.equal(made, 5000);
  });
});

describe("the name of a batch", () => {
  it("has the form of a job's, and another for each batch", () => {
    assert.match(batchId(job, 0), /^job_[0-9a-z]{16,32}$/);
    assert.notEqual(batchId(job, 1), batchId(job, 35));
  });
});
